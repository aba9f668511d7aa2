"""The engine of sparse rows: it makes one block of rows dense at a time and trains on it."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from ...kernels import Stop
from ..data import block_rows
from .base import Engine
from .dense import DenseEngine


class BlocksEngine(Engine):
    """Train on blocks of sparse rows, each with a `DenseEngine` that starts where the last stopped.

    A block holds whole batches. So without shuffling, the result is bit for bit that of dense rows.
    """

    def __init__(self, net, data, state, batch_size, shuffle, n_threads, rng, validation=None):
        self.net, self.data, self.state, self.shuffle, self.rng = net, data, state, shuffle, rng
        self.batch_size, self.n_threads = batch_size, n_threads
        self.rows = block_rows(data.X, batch_size)
        self.block: Any = None  # the engine of the current block
        self.start = (state.step, state.epoch, 0, 0.0)  # the position at the start of that block

    def load(self, state):
        self.state = state
        if self.block is not None:
            self.block.load(
                replace(
                    state, row=state.row - self.start[2], loss_sum=state.loss_sum - self.start[3]
                )
            )

    def store(self, state):
        if self.block is not None:
            self.block.store(state)

    def position(self):
        step, epoch, row, loss_sum = self.start
        if self.block is not None:
            step, _, in_block, of_block = self.block.position()
            row, loss_sum = row + in_block, loss_sum + of_block
        return step, epoch, row, loss_sum

    def advance(self, seconds, losses):
        deadline = time.perf_counter() + seconds
        while True:
            if self.block is None:
                self.begin_block()
            block_losses = np.empty((3, 1))
            stop = self.block.advance(max(0.0, deadline - time.perf_counter()), block_losses)
            if stop == Stop.EPOCHS:
                self.end_block(block_losses[0, 0], losses)
                if self.start[2] == 0:
                    return Stop.EPOCHS
            elif stop != Stop.TIME:
                return stop
            if time.perf_counter() > deadline:
                return Stop.TIME

    def begin_block(self):
        step, epoch, row, _ = self.start
        if row == 0:
            n = len(self.data)
            self.order = self.rng.permutation(n) if self.shuffle else np.arange(n)
            if self.net.has_dropout:
                self.state.draw_seed(self.rng)
        rows = self.data.take(self.order[row : row + self.rows]).dense()
        state = replace(self.state, step=step, epoch=epoch, row=0, loss_sum=0.0, order=None)
        block = DenseEngine(
            self.net, rows, state, min(self.batch_size, len(rows)), False, self.n_threads, self.rng
        )
        block.load(state)
        self.block, self.block_length = block, len(rows)

    def end_block(self, loss, losses):
        """Store parameters and moments for the next block. loss : mean loss of the block."""
        step, n = self.block.position()[0], len(self.data)
        _, epoch, row, loss_sum = self.start
        self.block.store(self.state)
        row, loss_sum = row + self.block_length, loss_sum + loss * self.block_length
        if row == n:
            losses[0, 0] = loss_sum / n
            epoch, row, loss_sum = epoch + 1, 0, 0.0
        self.block, self.start = None, (step, epoch, row, loss_sum)

    def restore(self):
        if self.block is not None:
            self.block.restore()

    def set_optimizer(self, optimizer):
        if self.block is not None:
            self.block.set_optimizer(optimizer)
