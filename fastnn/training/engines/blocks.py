"""The engines that train on one block of rows after another: blocks of sparse rows, windows of a stream."""

import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...core.draws import draw
from ...core.sparse_rows import block_rows
from ...kernels import Stop
from ...state import is_order_from
from .base import Engine, batch_rows
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
    plan : Plan
    shuffle : bool
        Whether the `DenseEngine` shuffles the rows of each block.
    """

    def __init__(self, plan, shuffle):
        state = plan.state
        self.plan, self.net, self.state, self.rng = plan, plan.net, state, plan.rng
        # callbacks and validation concern the epoch, not its blocks
        self.options = replace(plan.options, callbacks=(), shuffle=shuffle)
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
        else:
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
            if time.perf_counter() > deadline or self.position()[0] == self.plan.last_step:
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
        plan = replace(self.plan, data=data, options=self.options, validation=None, state=state)
        engine = DenseEngine(plan)
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


class SparseEngine(BlocksEngine):
    """Train on sparse rows. Parameters and moments are bit for bit those of dense rows."""

    def __init__(self, plan):
        data, state, options = plan.data, plan.state, plan.options
        n = len(data)
        state.check_rows(n)
        state.check_shuffle(options.shuffle)
        # the rows of an epoch are shuffled before they are divided into blocks
        super().__init__(plan, shuffle=False)
        self.data, self.shuffles = data, options.shuffle
        self.rows = block_rows(data.X, batch_rows(options.batch_size, n))
        self.order: Any = None  # (epoch, order of its rows)
        if state.order is not None:
            self.order = state.epoch, state.order.copy()

    def next_block(self, epoch, row):
        n = len(self.data)
        first = row // self.rows * self.rows
        rows: Any = slice(first, min(first + self.rows, n))
        if self.shuffles:
            if self.order is None or self.order[0] != epoch:
                draw(self.rng, self, "order", lambda: (epoch, self.rng.permutation(n)))
            rows = self.order[1][rows]
        data = self.data.take(rows).dense()
        return data, first, first + len(data) == n

    def store(self, state):
        super().store(state)
        is_drawn = self.order is not None and self.order[0] == self.position()[1]
        state.order = self.order[1].copy() if is_drawn else None


class WindowsEngine(BlocksEngine):
    """Train on the windows of `StreamedData`. Rows are shuffled within a window.

    If one window holds all rows, the result is bit for bit that of the same rows in memory.
    """

    def __init__(self, plan):
        state, options = plan.state, plan.options
        if state.optimizer.full_batch or options.batch_size is None:
            what = "batch_size=None takes" if options.batch_size is None else "L-BFGS takes"
            raise ValueError(
                f"{what} all rows in one step, but row groups are read window by window. Pass "
                "a batch_size and another optimizer, or all rows as arrays."
            )
        super().__init__(plan, options.shuffle)
        if state.order is not None:  # between two windows there is none
            state.check_shuffle(options.shuffle)
        self.data, self.windows = plan.data, None

    def next_block(self, epoch, row):
        if self.windows is None:  # at the beginning of a pass, or of a resumed training
            self.windows = self.data.windows(self.options.batch_size, row)
        data, first, is_last = next(self.windows, (None, 0, True))
        if is_last:
            self.windows = None
        if data is None:
            if row == 0:
                raise ValueError("X has no rows. Training needs at least one.")
            raise ValueError(
                f"resume=True continues a pass that was interrupted after row {row - 1:,}, but the row "
                f"groups have {len(self.data):,} rows. Pass the same row groups, or resume=False."
            )
        return data, first, is_last

    def order_in_block(self, data, first):
        # the order of a window is drawn before its first step, which an exception may drop
        order = self.state.order
        within = self.position()[2] > first
        if self.options.shuffle and (
            within if order is None else not is_order_from(first, order, len(data))
        ):
            raise ValueError(
                "resume=True continues a window that was interrupted, so it needs the same row groups, "
                "batch_size and window as before. Pass them, or resume=False."
            )
        return None if order is None else order - first

    def store(self, state):
        super().store(state)
        if self.block is not None and state.order is not None:
            state.order = state.order + self.block.first
