"""The engine of blocks: it trains on one block of rows after another."""

import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...kernels import Stop
from .base import Engine
from .dense import DenseEngine


class Block(NamedTuple):
    """A block in training."""

    engine: DenseEngine
    first: int  # its first row
    n_rows: int
    is_last: bool  # whether it ends the epoch
    epoch: int
    loss_sum: float  # before its first step
    losses: np.ndarray  # (3, 1), OUT of the engine

    @property
    def has_ended(self):
        """Whether all its steps are done: it is one epoch of its engine."""
        return self.engine.position()[1] > self.epoch

    def total(self):
        """Return the sum of loss times rows over the epoch up to the end of this block."""
        loss = self.losses[0, 0] * self.n_rows
        if self.n_rows <= self.engine.batch_size:  # it has only the loss of its one batch
            loss += self.loss_sum
        return float(loss)


class BlocksEngine(Engine):
    """Train on blocks of rows, each with a `DenseEngine` that starts where the last stopped.

    A subclass defines `next_block`. A block holds whole batches; only the last of an epoch may end
    with a smaller one.

    Signals may come between any two statements. So the position is always computed from the kernel's
    own, and a block is replaced by one assignment.

    Parameters
    ----------
    shuffle : bool
        Whether the `DenseEngine` shuffles the rows of each block.
    """

    def __init__(self, net, state, batch_size, shuffle, n_threads, rng):
        self.net, self.state, self.shuffle, self.rng = net, state, shuffle, rng
        self.batch_size, self.n_threads = batch_size, n_threads
        self.block: Any = None
        self.start = state.step, state.epoch, state.row, state.loss_sum  # before the first block
        self.params: Any = None  # likewise
        self.losses = np.empty((3, 1))  # of the slice

    def next_block(self, epoch, row):
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

    def order_in_block(self, data, first):
        """Return the order in which training resumes within a block, None for a new one."""
        return None

    def load(self, state):
        self.state = state
        if self.block is None:
            self.params = self.net.params.copy()
        else:
            _, epoch, row, loss_sum = self.block.engine.position()
            self.block.engine.load(replace(state, epoch=epoch, row=row, loss_sum=loss_sum))

    def store(self, state):
        # `Session.store` may replace the parameters in the network by their average, so a second
        # call must write them again, even between two blocks
        if self.block is not None:
            self.block.engine.store(state)
        elif self.params is not None:
            self.net.params = self.params

    def position(self):
        """Return the position, and write the loss of an epoch that has ended."""
        block = self.block
        if block is None:
            return self.start
        step, epoch, row, loss_sum = block.engine.position()
        if epoch == block.epoch:
            return step, epoch, block.first + row, loss_sum
        end = block.first + block.n_rows
        if not block.is_last:
            return step, block.epoch, end, block.total()
        self.losses[0, 0] = block.losses[0, 0] if block.first == 0 else block.total() / end
        return step, epoch, 0, 0.0

    def advance(self, seconds, losses):
        self.losses = losses
        deadline = time.perf_counter() + seconds
        while True:
            if self.block is None or self.block.has_ended:
                self.begin_block()
            block = self.block
            stop = block.engine.advance(max(0.0, deadline - time.perf_counter()), block.losses)
            if stop not in (Stop.EPOCHS, Stop.TIME) or (block.is_last and block.has_ended):
                return stop
            if time.perf_counter() > deadline:
                return Stop.TIME

    def begin_block(self):
        self.store(self.state)
        step, epoch, row, loss_sum = self.position()
        if self.net.has_dropout:
            self.state.draw_seed(self.rng)  # before an order is drawn, as for dense rows
        data, first, is_last = self.next_block(epoch, row)
        order, n_rows = self.order_in_block(data, first), len(data)
        position = dict(step=step, epoch=epoch, row=row - first, loss_sum=loss_sum, order=order)
        state = replace(self.state, **position)
        engine = DenseEngine(
            *(self.net, data, state, min(self.batch_size, n_rows)),
            *(self.shuffle, self.n_threads, self.rng),
        )
        engine.load(state)
        self.block = Block(engine, first, n_rows, is_last, epoch, loss_sum, np.empty((3, 1)))

    @property
    def has_diverged(self):
        return self.block is not None and self.block.engine.has_diverged

    def restore(self):
        if self.block is not None:
            self.block.engine.restore()

    def set_optimizer(self, optimizer):
        if self.block is not None:
            self.block.engine.set_optimizer(optimizer)
