"""Tables for `fit`, and the sample of the rows of a table that does not fit in memory.

`ClassSummary` and `NumberSummary` keep what `fit` must know of the targets of all rows.
"""

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import DataError
from ...estimators.inputs import check_row_weights
from ...tables import limits
from ...training.stream import hashes
from ..columns import frames
from ..columns.features import MAX_CATEGORIES
from ..targets import check_targets, to_labels

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
        Without the target.
    y : array_like (n,)
    weight : ndarray (n,) or None
    numbers : ndarray (n,) or None
        The number of each row in the table; None: these are all rows.
    """

    frame: frames.Frame
    y: Any
    weight: Any
    numbers: Any = None


class TrainingTable:
    """A table that is passed to `fit`, whose rows are in memory.

    Parameters
    ----------
    task : ClassTask or NumberTask
    columns : RowColumns
        The weights, groups and times of all rows.
    target_name : str or None
        The column of the targets.
    n_rows : int
        Number of all rows.

    Attributes
    ----------
    max_categories : int
        Those that a column has at most.
    numbers : ndarray or None
        Those of the rows in memory, if these are a sample.
    n_rows_of_class : ndarray or None
        Number of all rows of each class, if those in memory are a sample.
    """

    max_categories = MAX_CATEGORIES
    numbers: Any = None
    n_rows_of_class: Any = None

    def __init__(self, task, columns, target_name, n_rows=0):
        self.task, self.columns, self.target_name, self.n_rows = task, columns, target_name, n_rows

    def close(self):
        """Delete the temporary files."""

    def fit_targets(self, y, weight):
        """Return the targets, and y of the rows in memory as they encode it."""
        return self.task.fit_targets(y, weight)

    @contextlib.contextmanager
    def row_numbers(self):
        """Turn the rows of errors, which are those in memory, into those of the table."""
        try:
            yield
        except DataError as error:
            if self.numbers is not None and error.row is not None:
                error.row = int(self.numbers[error.row])
            raise


class LargeTable(TrainingTable):
    """A table of which `fit` holds a sample in memory if the rows are too many.

    The sample decides what the columns are, encodes, chooses among the configurations, and gives
    scores and importances. The networks train on all rows.

    Attributes
    ----------
    notes : sequence of str
        What has been guessed.
    window : int
        Number of rows that a network trains on at a time.
    """

    notes: Any = ()
    window = 0

    def __init__(self, task, columns, target_name):
        super().__init__(task, columns, target_name)
        self.summary = task.summary()

    def read(self, window):
        """Return the SampledRows, and set `n_rows`, in a first pass over all rows. window : as in `fit`"""
        raise NotImplementedError

    def fit_targets(self, y, weight):
        targets, y, self.n_rows_of_class = self.summary.fit(y, weight)
        return targets, y

    def store(self, encoding, reporter):
        """Encode all rows, in a second pass. Return the EncodedRows or DaskTable.

        encoding : TableEncoding; reporter : EncodingReporter
        """
        raise NotImplementedError


def weight_of(columns, frame, passed):
    """Return the weights of a part of a table, or None.

    columns : RowColumns; frame : Frame; passed : those that were passed beside it
    """
    weight = columns.weight(frame, passed)
    return check_row_weights(weight, np.zeros(frame.n_rows), may_be_zero=True)


@dataclass(eq=False, repr=False)
class RowBatch:
    """Some rows of a table, as they are read.

    Attributes
    ----------
    first : int
        Number of the first row in the table.
    frame : Frame
        Without the target. ``frame.where`` says which rows they are.
    y : array_like (n,)
    weight : array_like (n,) or None
    """

    first: int
    frame: frames.Frame
    y: Any
    weight: Any


def fits_in_memory(n_rows, n_columns):
    """Whether `fit` can hold a table in memory."""
    return n_rows * n_columns * FIT_BYTES <= limits.available_memory(counts_files=False)


def default_window(n_columns):
    """Return the number of rows in memory of a table that `fit` cannot hold."""
    return max(MIN_WINDOW, int(WINDOW_BYTES / (FIT_BYTES * n_columns)))


def sample_numbers(n, window):
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
        As in `fit`.
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
            self.most = int(limits.available_memory(counts_files=False) / (FIT_BYTES * n_columns))
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
            frames.concatenate_frames(parts),
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
        y = check_targets(y, self.task.log)
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
