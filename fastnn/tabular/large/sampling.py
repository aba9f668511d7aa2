"""The first pass over a table: a sample of its rows, or all if they fit in memory.

`ClassSummary` and `NumberSummary` keep what `fit` must know of the targets of all rows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import placed
from ...estimators.inputs import check_weight
from ...training.stream import hashes
from .. import table_memory
from ..columns import frames
from ..target_values import check_numbers, to_labels

SEED = 0  # of the hash that chooses the rows
SHRINK = 0.75  # by which the part of the rows in the sample decreases when it is too large
FIT_BYTES = 64  # of a value while `fit` has the table in memory: raw, as a feature, and encoded
WINDOW_BYTES = 256e6
MIN_WINDOW = 1000  # rows
BLOCK = 100_000  # rows whose hashes are computed at a time


@dataclass(eq=False, repr=False)
class SampledRows:
    """The rows of a table that `fit` holds in memory.

    Attributes
    ----------
    frame : Frame
    y : array_like (n,)
    weight : ndarray (n,) or None
    numbers : ndarray (n,) or None
        The number of each row in the table; None: these are all rows.
    target_name : str or None
        The column that `y` is from.
    columns : RowColumns
        The groups and times of all rows of the table.
    """

    frame: frames.Frame
    y: Any
    weight: Any
    numbers: Any = None
    target_name: str | None = None
    columns: Any = None


def read(batches, summary, window, columns):
    """Read all batches once. Return the SampledRows in memory, and the number of all rows.

    Parameters
    ----------
    batches : ParquetRows or GroupRows
    summary : ClassSummary or NumberSummary
        Its `add` gets the targets of all rows.
    window : int or None
        Most rows in memory. None: all rows if the memory is large enough for `fit`, else as many as
        take WINDOW_BYTES.
    columns : RowColumns
        Its `add` gets all rows.
    """
    sample, n = Sample(window), 0
    for batch in batches:
        n = batch.first + batch.frame.n_rows
        with placed(batch.frame.where):
            weight = columns.weight(batch.frame, batch.weight)
            columns.add(batch.frame)
            if weight is not None:
                zeros = np.zeros(batch.frame.n_rows)
                weight = check_weight(weight, zeros, may_be_zero=True)
            summary.add(batch.y, weight)
        sample.add(batch, weight)
    if not n:
        raise ValueError("X has no rows. fit needs at least 2.")
    rows = sample.rows()
    rows.target_name, rows.columns = batches.target, columns
    return rows, n


def fits(n_rows, n_columns):
    """Whether `fit` can hold a table in memory."""
    return n_rows * n_columns * FIT_BYTES <= table_memory.available_bytes()


def default_window(n_columns):
    """Return the number of rows in memory of a table that `fit` cannot hold."""
    return max(MIN_WINDOW, int(WINDOW_BYTES / (FIT_BYTES * n_columns)))


def numbers(n, window):
    """Return the numbers of the rows in the sample of a table of n rows."""
    fraction, hashed, rows = 1.0, np.zeros(0, np.uint64), np.zeros(0, np.intp)
    for first in range(0, n, BLOCK):
        block = np.arange(first, min(n, first + BLOCK))
        hashed, rows = np.r_[hashed, hashes(block, SEED)], np.r_[rows, block]
        chosen = hashed < fraction * 2.0**53
        while chosen.sum() > window:
            fraction *= SHRINK
            chosen = hashed < fraction * 2.0**53
        hashed, rows = hashed[chosen], rows[chosen]
    return rows


class Sample:
    """SampledRows that a hash of their number chooses, so that each has the same chance.

    Parameters
    ----------
    window : int or None
        As in `read`.
    """

    def __init__(self, window):
        self.window, self.fraction = window, 1.0
        self.most: Any = window
        self.pieces: list = []  # (hash, row numbers, Frame, y, weight) of each batch
        self.n = 0

    def add(self, batch, weight):
        numbers = np.arange(batch.first, batch.first + batch.frame.n_rows)
        piece = hashes(numbers, SEED), numbers, batch.frame, np.asarray(batch.y), weight
        piece = self.chosen(piece)
        self.pieces.append(piece)
        self.n += len(piece[1])
        n_columns = max(1, len(batch.frame.columns))
        if self.most is None:
            self.most = int(table_memory.available_bytes() / (FIT_BYTES * n_columns))
        if self.n > self.most:
            if self.window is None:
                self.most = max(MIN_WINDOW, min(self.most, default_window(n_columns)))
            self.shrink()

    @classmethod
    def union(cls, window, samples):
        """Return one Sample of what others hold of other rows."""
        union = cls(window)
        union.fraction = min(sample.fraction for sample in samples)
        union.pieces = [union.chosen(piece) for sample in samples for piece in sample.pieces]
        union.n = sum(len(piece[1]) for piece in union.pieces)
        union.shrink()
        return union

    def shrink(self):
        """Leave out rows until there are not too many."""
        while self.n > self.most:
            self.fraction *= SHRINK
            self.pieces = list(map(self.chosen, self.pieces))
            self.n = sum(len(piece[1]) for piece in self.pieces)

    def chosen(self, piece):
        """Return the rows of a piece that belong to the sample."""
        hashed, numbers, frame, y, weight = piece
        rows = np.flatnonzero(hashed < self.fraction * 2.0**53)
        if len(rows) == len(numbers):
            return piece
        w = None if weight is None else weight[rows]
        return hashed[rows], numbers[rows], frame.take(rows), y[rows], w

    def rows(self):
        """Return the SampledRows."""
        _, numbers, parts, y, weights = zip(*self.pieces)
        has_weight = [w is not None for w in weights]
        if any(has_weight) and not all(has_weight):
            raise ValueError(
                "some row groups have a sample_weight, and others have none. Let all yield (X, y, "
                "sample_weight), or none of them."
            )
        return SampledRows(
            frames.concatenate(parts),
            join_targets(y),
            np.concatenate(weights) if all(has_weight) else None,
            None if self.fraction == 1 else np.concatenate(numbers),
        )


def join_targets(parts):
    """Return arrays of targets as one array. Numbers do not become texts."""
    kinds = {part.dtype.kind in "biufc" for part in parts}
    if len(kinds) > 1:
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts)


# ---- targets ----


class ClassSummary:
    """The classes of all rows, and how often they occur.

    Parameters
    ----------
    task : ClassTask
    """

    def __init__(self, task):
        self.task = task
        self.labels: list = []  # the distinct classes of each batch
        self.n_rows: list = []  # how often they occur there

    def add(self, y, weight):
        """Add the targets of a batch."""
        labels, n_rows = np.unique(to_labels(y), return_counts=True)
        self.labels.append(labels)
        self.n_rows.append(n_rows)

    def merge(self, other):
        """Add what another ClassSummary has found in other rows."""
        self.labels += other.labels
        self.n_rows += other.n_rows

    def fit(self, y, weight):
        """Return the TableClasses, the class numbers of y, and the number of all rows of each class."""
        targets, joined = self.task.fit_targets(join_targets([*self.labels, y]), None)
        n = len(joined) - len(y)
        n_rows = np.bincount(joined[:n], weights=np.concatenate(self.n_rows))
        return targets, joined[n:], n_rows


class NumberSummary:
    """The range of the targets of all rows.

    Parameters
    ----------
    task : NumberTask
    """

    def __init__(self, task):
        self.task = task
        self.lowest, self.highest = np.inf, -np.inf

    def add(self, y, weight):
        """Check the targets of a batch, and add them."""
        y = check_numbers(y, self.task.log)
        counted = y if weight is None else y[weight > 0]
        if len(counted):
            low, high = self.task.numbers(counted).bounds
            self.lowest, self.highest = min(low, self.lowest), max(high, self.highest)

    def merge(self, other):
        """Add what another NumberSummary has found in other rows."""
        self.lowest = min(self.lowest, other.lowest)
        self.highest = max(self.highest, other.highest)

    def fit(self, y, weight):
        """Return the TableNumbers, y in float64, and None."""
        targets, y = self.task.fit_targets(y, weight)
        targets.bounds = self.lowest, self.highest
        return targets, y, None
