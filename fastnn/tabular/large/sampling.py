"""The first pass over a table: a sample of its rows, or all if they fit in memory."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from ...core.errors import placed
from ...training.stream import hashes
from ..columns import frames
from ..fitting import budget

SEED = 0  # of the hash that chooses the rows
SHRINK = 0.75  # by which the share of the rows in the sample decreases when it is too large
FIT_BYTES = 64  # of a value while `fit` has the table in memory: raw, as a feature, and encoded
WINDOW_BYTES = 256e6
MIN_WINDOW = 1000  # rows
BLOCK = 100_000  # rows whose hashes are computed at a time


@dataclass(eq=False, repr=False)
class Rows:
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
    """

    frame: frames.Frame
    y: Any
    weight: Any
    numbers: Any = None
    target_name: str | None = None


def read(parts, summary, window):
    """Read all parts once. Return the Rows in memory, and the number of all rows.

    Parameters
    ----------
    parts : ParquetRows or GroupRows
    summary : ClassSummary or NumberSummary
        Its `add` gets the targets of all rows.
    window : int or None
        Most rows in memory. None: all rows if the memory is large enough for `fit`, else as many as
        take WINDOW_BYTES.
    """
    sample, n = Sample(window), 0
    for part in parts:
        n = part.first + part.frame.n_rows
        weight = part.weight
        with placed(part.frame.where):
            if weight is not None:
                zeros = np.zeros(part.frame.n_rows)
                weight = _check_sample_weight(weight, zeros, ensure_non_negative=True)
            summary.add(part.y, weight)
        sample.add(part, weight)
    if not n:
        raise ValueError("X has no rows. fit needs at least 2.")
    rows = sample.rows()
    rows.target_name = parts.target
    return rows, n


def fits(n_rows, n_columns):
    """Whether `fit` can hold a table in memory."""
    return n_rows * n_columns * FIT_BYTES <= budget.available_bytes()


def default_window(n_columns):
    """Return the number of rows in memory of a table that `fit` cannot hold."""
    return max(MIN_WINDOW, int(WINDOW_BYTES / (FIT_BYTES * n_columns)))


def numbers(n, window):
    """Return the numbers of the rows in the sample of a table of n rows."""
    share, of_rows, rows = 1.0, np.zeros(0, np.uint64), np.zeros(0, np.intp)
    for first in range(0, n, BLOCK):
        block = np.arange(first, min(n, first + BLOCK))
        of_rows, rows = np.r_[of_rows, hashes(block, SEED)], np.r_[rows, block]
        chosen = of_rows < share * 2.0**53
        while chosen.sum() > window:
            share *= SHRINK
            chosen = of_rows < share * 2.0**53
        of_rows, rows = of_rows[chosen], rows[chosen]
    return rows


class Sample:
    """Rows that a hash of their number chooses, so that each has the same chance.

    Parameters
    ----------
    window : int or None
        As in `read`.
    """

    def __init__(self, window):
        self.window, self.share = window, 1.0
        self.most: Any = window
        self.pieces: list = []  # (hash, row numbers, Frame, y, weight) of each part
        self.n = 0

    def add(self, part, weight):
        numbers = np.arange(part.first, part.first + part.frame.n_rows)
        piece = hashes(numbers, SEED), numbers, part.frame, np.asarray(part.y), weight
        piece = self.chosen(piece)
        self.pieces.append(piece)
        self.n += len(piece[1])
        n_columns = max(1, len(part.frame.columns))
        if self.most is None:
            self.most = int(budget.available_bytes() / (FIT_BYTES * n_columns))
        if self.n > self.most:
            if self.window is None:
                self.most = max(MIN_WINDOW, min(self.most, default_window(n_columns)))
            while self.n > self.most:
                self.share *= SHRINK
                self.pieces = list(map(self.chosen, self.pieces))
                self.n = sum(len(piece[1]) for piece in self.pieces)

    def chosen(self, piece):
        """Return the rows of a piece that belong to the sample."""
        of_rows, numbers, frame, y, weight = piece
        rows = np.flatnonzero(of_rows < self.share * 2.0**53)
        if len(rows) == len(numbers):
            return piece
        w = None if weight is None else weight[rows]
        return of_rows[rows], numbers[rows], frame.take(rows), y[rows], w

    def rows(self):
        """Return the Rows."""
        _, numbers, parts, y, weights = zip(*self.pieces)
        has_weight = [w is not None for w in weights]
        if any(has_weight) and not all(has_weight):
            raise ValueError(
                "some row groups have a sample_weight, and others have none. Let all yield (X, y, "
                "sample_weight), or none of them."
            )
        return Rows(
            frames.concatenate(parts),
            join_targets(y),
            np.concatenate(weights) if all(has_weight) else None,
            None if self.share == 1 else np.concatenate(numbers),
        )


def join_targets(parts):
    """Return arrays of targets as one array. Numbers do not become texts."""
    kinds = {part.dtype.kind in "biufc" for part in parts}
    if len(kinds) > 1:
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts)
