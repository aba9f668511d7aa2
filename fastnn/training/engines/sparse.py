"""The engine of sparse rows: it makes one block of rows dense at a time."""

from dataclasses import replace
from typing import Any

from ...core.draws import draw
from ...core.sparse_rows import block_rows
from .base import batch_rows
from .blocks import BlocksEngine


class SparseEngine(BlocksEngine):
    """Train on sparse rows. Parameters and moments are bit for bit those of dense rows."""

    def __init__(self, net, data, state, options, rng):
        n = len(data)
        state.check_rows(n)
        state.check_shuffle(options.shuffle)
        # the rows of an epoch are shuffled before they are divided into blocks
        super().__init__(net, state, replace(options, shuffle=False), rng)
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
