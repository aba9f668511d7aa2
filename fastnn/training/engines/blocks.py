"""The engine of blocks: it trains on one block of rows after another."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from ...kernels import Stop
from .base import Engine
from .dense import DenseEngine


class BlocksEngine(Engine):
    """Train on blocks of rows, each with a `DenseEngine` that starts where the last stopped.

    A subclass defines `next_block`. A block holds whole batches; only the last of an epoch may end
    with a smaller one.

    Parameters
    ----------
    shuffle : bool
        Whether the `DenseEngine` shuffles the rows of each block.
    """

    def __init__(self, net, state, batch_size, shuffle, n_threads, rng):
        self.net, self.state, self.shuffle, self.rng = net, state, shuffle, rng
        self.batch_size, self.n_threads = batch_size, n_threads
        self.block: Any = None  # the engine of the current block
        self.ended = False  # whether all steps of that block are done
        self.first, self.n_rows = 0, 0  # its first row, and how many it has
        self.is_last = False  # whether it ends the epoch
        self.start = (state.step, state.epoch, 0, 0.0)  # the position where the next steps begin
        self.params: Any = None  # before the first block

    def next_block(self, row):
        """Return the block that holds this row of the epoch.

        Returns
        -------
        data : Data
        first : int
            Its first row: `row`, unless training resumes within the block.
        is_last : bool
            Whether it ends the epoch.
        """
        raise NotImplementedError

    def state_in_block(self, data, first):
        """Return the state from which the first step of a block continues."""
        step, epoch, row, loss_sum = self.start
        order = None if row == 0 else self.state.order
        return replace(
            self.state, step=step, epoch=epoch, row=row - first, loss_sum=loss_sum, order=order
        )

    def load(self, state):
        self.state = state
        if self.block is None:
            self.params = self.net.params.copy()
        else:
            row = 0 if self.ended else state.row - self.first
            self.block.load(replace(state, row=row))

    def store(self, state):
        # `Session.store` may replace the parameters in the network by their average, so a second
        # call must write them again, even between two blocks
        if self.block is not None:
            self.block.store(state)
        elif self.params is not None:
            self.net.params = self.params

    def position(self):
        if self.block is None or self.ended:
            return self.start
        step, epoch, row, loss_sum = self.block.position()
        if epoch > self.start[1]:  # a parameter was not finite after the last step of the block
            row = self.n_rows
            if self.is_last:
                return step, epoch, 0, 0.0
        return step, self.start[1], self.first + row, loss_sum

    def advance(self, seconds, losses):
        deadline = time.perf_counter() + seconds
        while True:
            if self.block is None or self.ended:
                self.begin_block()
            block_losses = np.empty((3, 1))
            stop = self.block.advance(max(0.0, deadline - time.perf_counter()), block_losses)
            if stop == Stop.EPOCHS:
                self.end_block(block_losses[0, 0], losses)
                if self.is_last:
                    return Stop.EPOCHS
            elif stop != Stop.TIME:
                return stop
            if time.perf_counter() > deadline:
                return Stop.TIME

    def begin_block(self):
        self.store(self.state)
        data, first, is_last = self.next_block(self.start[2])
        if self.net.has_dropout:
            self.state.draw_seed(self.rng)
        state, n_rows = self.state_in_block(data, first), len(data)
        block = DenseEngine(
            *(self.net, data, state, min(self.batch_size, n_rows)),
            *(self.shuffle, self.n_threads, self.rng),
        )
        block.load(state)
        self.first, self.n_rows, self.is_last = first, n_rows, is_last
        self.block, self.ended = block, False

    def end_block(self, loss, losses):
        """Move on to the next block. loss : mean loss of the block, with the `loss_sum` before it."""
        _, epoch, _, loss_sum = self.start
        total = loss * self.n_rows
        if self.n_rows <= self.batch_size:  # a block of one batch has only the loss of that batch
            total += loss_sum
        n, step = self.first + self.n_rows, self.block.position()[0]
        if self.is_last:
            losses[0, 0] = loss if self.first == 0 else total / n
            start = step, epoch + 1, 0, 0.0
        else:
            start = step, epoch, n, float(total)
        self.start, self.ended = start, True

    @property
    def has_diverged(self):
        return self.block is not None and self.block.has_diverged

    def restore(self):
        if self.block is not None:
            self.block.restore()

    def set_optimizer(self, optimizer):
        if self.block is not None:
            self.block.set_optimizer(optimizer)
