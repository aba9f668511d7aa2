"""The engine of sparse rows: it makes one block of rows dense at a time."""

import numpy as np

from ...sparse_rows import block_rows
from .base import batch_rows
from .blocks import BlocksEngine


class SparseEngine(BlocksEngine):
    """Train on sparse rows.

    Without shuffling, the result is bit for bit that of dense rows. An interrupted epoch starts
    over.
    """

    def __init__(self, net, data, state, batch_size, shuffle, n_threads, rng, validation=None):
        batch_size = batch_rows(batch_size, len(data))
        # the rows of an epoch are shuffled before they are divided into blocks
        super().__init__(net, state, batch_size, False, n_threads, rng)
        self.data, self.shuffles = data, shuffle
        self.rows = block_rows(data.X, batch_size)

    def next_block(self, row):
        n = len(self.data)
        if row == 0:
            self.order = self.rng.permutation(n) if self.shuffles else np.arange(n)
        rows = self.order[row : row + self.rows]
        return self.data.take(rows).dense(), row, row + len(rows) == n
