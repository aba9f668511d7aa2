"""Sparse rows: a block of them at a time is made dense and trained on."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from ...kernels import Stop
from ..data import block_rows
from .base import Engine
from .dense import DenseEngine


class BlocksEngine(Engine):
    """An epoch is one pass over the blocks; each is a `DenseEngine`'s, which begins where the last
    one has stopped.

    Without shuffling the steps are those of dense rows, to the bit: a block holds whole batches.
    """

    def __init__(self, net, data, state, batch_size, shuffle, n_threads, rng, validation=None):
        self.net, self.data, self.state, self.shuffle, self.rng = net, data, state, shuffle, rng
        self.batch_size, self.n_threads, self.rows = (
            batch_size,
            n_threads,
            block_rows(data.X, batch_size),
        )
        self.block: Any = None  # the engine of the block that is being worked on
        self.where = (state.step, state.epoch, 0, 0.0)  # at the start of that block

    def load(self, state):
        self.state = state
        if self.block is not None:
            self.block.load(
                replace(
                    state, row=state.row - self.where[2], loss_sum=state.loss_sum - self.where[3]
                )
            )

    def store(self, state):
        if self.block is not None:
            self.block.store(state)

    def position(self):
        step, epoch, row, loss_sum = self.where
        if self.block is not None:
            step, _, in_block, of_block = self.block.position()
            row, loss_sum = row + in_block, loss_sum + of_block
        return step, epoch, row, loss_sum

    def advance(self, seconds, losses):
        deadline = time.perf_counter() + seconds
        while True:
            if self.block is None:
                self.begin_block()
            block_losses = np.empty((2, 1))
            why = self.block.advance(max(0.0, deadline - time.perf_counter()), block_losses)
            if why == Stop.EPOCHS:
                self.end_block(block_losses[0, 0], losses)
                if self.where[2] == 0:
                    return Stop.EPOCHS
            elif why != Stop.TIME:
                return why
            if time.perf_counter() > deadline:
                return Stop.TIME

    def begin_block(self):
        step, epoch, row, _ = self.where
        if row == 0:
            n = len(self.data)
            self.order = self.rng.permutation(n) if self.shuffle else np.arange(n)
            self.state.draw_seed(self.net, self.rng)
        rows = self.data.take(self.order[row : row + self.rows]).dense()
        state = replace(self.state, step=step, epoch=epoch, row=0, loss_sum=0.0, order=None)
        block = DenseEngine(
            self.net, rows, state, min(self.batch_size, len(rows)), False, self.n_threads, self.rng
        )
        block.load(state)
        self.block, self.block_length = block, len(rows)

    def end_block(self, loss, losses):
        """loss: its mean. Parameters and moments are in the network and the state again, for the
        next block."""
        step, n = self.block.position()[0], len(self.data)
        _, epoch, row, loss_sum = self.where
        self.block.store(self.state)
        row, loss_sum = row + self.block_length, loss_sum + loss * self.block_length
        if row == n:
            losses[0, 0] = loss_sum / n
            epoch, row, loss_sum = epoch + 1, 0, 0.0
        self.block, self.where = None, (step, epoch, row, loss_sum)

    def restore(self):
        if self.block is not None:
            self.block.restore()

    def set_optimizer(self, optimizer):
        if self.block is not None:
            self.block.set_optimizer(optimizer)
