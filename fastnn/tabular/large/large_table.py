"""LargeTable: a table that does not fit in memory, for `fit`.

`fit` holds a sample of the rows in memory. It decides what the columns are, encodes, chooses among
the configurations, and gives scores and importances. The networks train on all rows.
"""

import contextlib
import heapq
import os
import tempfile

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_consistent_length

from ...core.errors import Argument, DataError, placed
from ...core.messages import warn
from ...core.validation import check_count
from ...tables.files import TableWarning
from ...training.stream import hashes
from ..columns import frames
from ..columns.column import KindError
from ..fitting.progress import EncodingReporter
from . import row_parts, sampling
from .encoded_rows import EncodedRows
from .sampling import Rows

MIN_ROWS = 4  # in memory, for each fold
LARGE_FILES = "/var/tmp"  # /tmp can be in memory
SAME_ROWS = "Each pass must yield the same rows in the same order."


def read(options, X, y, sample_weight, window):
    """Return the Rows that `fit` holds in memory, and a LargeTable, or None if they are all rows.

    options : TableFitOptions
    """
    if window is not None:
        window = check_count("window", window, minimum=2)
    rows, table = _read_parts(options, X, y, sample_weight, window)
    if rows is not None:
        return rows, table
    if y is None:
        raise ValueError(
            f"{options.estimator_name} requires y to be passed, but the target y is None. Pass an "
            "array, or the name of a column of X."
        )
    if isinstance(y, str):
        frame, values = frames.split_target(X, y)
        return Rows(frame, values, sample_weight, target_name=y), None
    frame = frames.read(X)
    check_consistent_length(np.empty((frame.n_rows, 0)), y)
    return Rows(frame, y, sample_weight), None


def _read_parts(options, X, y, sample_weight, window):
    """Return Rows and a LargeTable or None, of row groups and Parquet files.

    The Rows are None if X is in memory, or a file that can be.
    """
    parts = row_parts.find(X, y, sample_weight)
    if parts is None:
        if window is not None:
            raise DataError(
                "{argument} is for row groups and Parquet files, but X is another table.",
                "Leave it out.",
                argument="window",
            )
        return None, None
    if window is None and row_parts.is_file(X) and sampling.fits(parts.n_rows, parts.n_columns):
        return None, None
    summary = options.task.summary()
    rows, n_rows = sampling.read(parts, summary, window)
    for text in parts.notes:
        warn(text, TableWarning)
    if rows.numbers is None:
        return rows, None
    n, n_folds = len(rows.numbers), _n_folds(options.n_estimators)
    if n < MIN_ROWS * n_folds:
        raise DataError(
            "{argument} puts {n} rows in memory, but {n_folds} folds need at least {needed}.",
            "Pass a larger {name}.",
            argument=Argument("window", window),
            n=n,
            n_folds=n_folds,
            needed=MIN_ROWS * n_folds,
        )
    return rows, LargeTable(parts, summary, rows, n_rows, window or len(rows.numbers))


class LargeTable:
    """A table of which `fit` holds a sample.

    It is a context, in which temporary files exist.

    Parameters
    ----------
    parts : ParquetRows or GroupRows
    summary : ClassSummary or NumberSummary
    rows : Rows
        The sample.
    n_rows : int
        Number of all rows.
    window : int
        Number of rows that a network trains on at a time.

    Attributes
    ----------
    n_rows_of_class : ndarray or None
        Number of all rows of each class.
    """

    n_rows_of_class = None

    def __init__(self, parts, summary, rows, n_rows, window):
        self.parts, self.summary, self.n_rows = parts, summary, n_rows
        self.numbers, self.window = rows.numbers, window

    def __enter__(self):
        in_temp = "TMPDIR" in os.environ or tempfile.tempdir or not os.path.isdir(LARGE_FILES)
        folder = None if in_temp else LARGE_FILES
        self.folder = tempfile.TemporaryDirectory(prefix="fastnn-", dir=folder)
        return self

    def __exit__(self, *exception):
        self.folder.cleanup()

    def fit_targets(self, y, weight):
        """Return the targets, and y of the sample as they encode it."""
        targets, y, self.n_rows_of_class = self.summary.fit(y, weight)
        return targets, y

    @contextlib.contextmanager
    def row_numbers(self):
        """Turn the rows of errors, which are those of the sample, into those of the table."""
        try:
            yield
        except DataError as error:
            if error.row is not None:
                error.row = int(self.numbers[error.row])
            raise

    # ---- folds ----

    def split(self, n_estimators, groups, random_state):
        """Return [(training rows, held-out rows)] of the sample, as `folds.split_rows` does.

        A hash of the number of a row and a seed decides which fold holds it out. If there are
        groups, each goes to the fold that has the fewest rows so far, the largest group first.
        """
        n_folds = _n_folds(n_estimators)
        self.seed, self.fold_of_row = random_state.randint(2**31), None
        if groups is not None:
            n_folds = min(n_folds, int(groups.max()) + 1)
            self.fold_of_row = _spread_groups(np.bincount(groups), n_folds)[groups]
        self.n_folds = n_folds
        fold = self.folds_of(self.numbers)
        if len(np.unique(fold)) < n_folds:
            raise DataError(
                "the {n} rows in memory do not hold one of each of {n_folds} folds.",
                "Pass a larger {name}.",
                argument="window",
                n=len(fold),
                n_folds=n_folds,
            )
        folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)]
        return folds if n_estimators > 1 else folds[:1]

    def folds_of(self, numbers):
        """Return the fold that holds out each row."""
        if self.fold_of_row is not None:
            return self.fold_of_row[numbers]
        return (hashes(numbers, self.seed) % np.uint64(self.n_folds)).astype(np.intp)

    # ---- the second pass ----

    def store(self, fit):
        """Encode all rows. Return the EncodedRows. fit : Fit"""
        has_weight = fit.rows.weight is not None
        stored = EncodedRows(
            *(self.folder.name, fit.tables, fit.learned.dtype, has_weight),
            *(self.n_folds, self.n_rows, self.window),
        )
        n, reporter = 0, EncodingReporter(fit.options, self.n_folds, self.n_rows)
        for part in self.parts:
            with placed(part.frame.where), _with_advice():
                numbers, codes = fit.features.transform(part.frame)
                y = fit.targets.to_numbers(part.y)
                weight = part.weight
                if weight is not None:
                    weight = _check_sample_weight(weight, np.zeros(len(y)))
                weight = fit.task.weights(fit.targets, y, weight, self.n_rows_of_class)
            self.check_pass(part.first, y, numbers, codes, fit)
            rows = np.arange(part.first, part.first + len(y))
            tables = {s: encoder.encode(numbers, codes) for s, encoder in fit.encoders.items()}
            stored.append(tables, fit.targets.encode(y), weight, self.folds_of(rows), rows)
            n += len(y)
            reporter.show(n)
        if n != self.n_rows:
            raise DataError(
                "{X} has {n:,} rows in this pass, but had {before:,} before.",
                SAME_ROWS,
                X=Argument("X"),
                n=n,
                before=self.n_rows,
            )
        return stored

    def check_pass(self, first, y, numbers, codes, fit):
        """Check that the rows of the sample in a part are those of the first pass."""
        low, high = np.searchsorted(self.numbers, [first, first + len(y)])
        rows, in_sample = self.numbers[low:high] - first, slice(low, high)
        known = fit.rows
        pairs = [(y, known.y), (codes, known.codes), *zip(numbers, known.numbers)]
        if not all(_are_equal(a[rows], b[in_sample]) for a, b in pairs):
            raise DataError(
                "{X} has other rows in this pass than before.", SAME_ROWS, X=Argument("X")
            )


def _are_equal(a, b):
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _n_folds(n_estimators):
    return n_estimators if n_estimators > 1 else 5


def _spread_groups(n_rows, n_folds):
    """Return the fold of each group, so that folds have about the same number of rows."""
    fold_of_group = np.zeros(len(n_rows), np.intp)
    folds = [(0, k) for k in range(n_folds)]
    for group in np.argsort(-n_rows, kind="stable"):
        n, fold = heapq.heappop(folds)
        fold_of_group[group] = fold
        heapq.heappush(folds, (n + int(n_rows[group]), fold))
    return fold_of_group


@contextlib.contextmanager
def _with_advice():
    """Say that a sample decides what a column is, if a value is not what its column holds."""
    try:
        yield
    except KindError as error:
        error.add_advice(
            "A sample of the rows decides what a column is. Pass {categories} if the column holds "
            "texts.",
            categories=Argument("categories", [error.column]),
        )
        raise
