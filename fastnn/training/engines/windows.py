"""The engine of streamed rows: it reads one window of rows after another."""

from ...core.state import is_order_from
from .blocks import BlocksEngine


class WindowsEngine(BlocksEngine):
    """Train on the windows of `StreamedData`. Rows are shuffled within a window.

    If one window holds all rows, the result is bit for bit that of the same rows in memory.
    """

    def __init__(self, net, data, state, options, rng):
        if state.optimizer.full_batch or options.batch_size is None:
            what = "batch_size=None takes" if options.batch_size is None else "L-BFGS takes"
            raise ValueError(
                f"{what} all rows in one step, but row groups are read window by window. Pass "
                "a batch_size and another optimizer, or all rows as arrays."
            )
        super().__init__(net, state, options, rng)
        if state.order is not None:  # between two windows there is none
            state.check_shuffle(options.shuffle)
        self.data, self.windows = data, None

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
