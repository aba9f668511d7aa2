"""LargeTable: a table that does not fit in memory, for `fit`.

`fit` holds a sample of the rows in memory. It decides what the columns are, encodes, chooses among
the configurations, and gives scores and importances. The networks train on all rows.
"""

import contextlib
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import Argument, DataError, placed
from ...core.messages import warn
from ...distributed.shared_objects import large_files
from ...estimators.inputs import check_weight
from ...tables.files import TableWarning
from .. import row_folds
from ..columns.other_texts import OtherTextsOfTraining
from ..fit_rows import FitRows
from . import sampling
from .encoded_rows import EncodedRows

MIN_ROWS = 4  # in memory, for each fold
SAME_ROWS = "Each pass must yield the same rows in the same order."


def check_window(window, n, options):
    """Check that n rows in memory are enough for the folds."""
    n_folds = row_folds.count(options.n_estimators)
    if n < MIN_ROWS * n_folds:
        raise DataError(
            "{argument} puts {n} rows in memory, but {n_folds} folds need at least {needed}.",
            "Pass a larger {name}.",
            argument=Argument("window", window),
            n=n,
            n_folds=n_folds,
            needed=MIN_ROWS * n_folds,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class TableEncoding:
    """What encodes the rows of a table.

    Attributes
    ----------
    features : Features
    encoders : dict of EncoderSettings to Encoder
    tables : dict of EncoderSettings to EncodedTable
        The encoded sample.
    setup : JobSetup
    folds : HashedFolds or ForwardFolds
    """

    features: Any
    encoders: dict
    tables: dict
    setup: Any
    folds: Any


class LargeTable:
    """A table of which `fit` holds a sample.

    It is a context, in which temporary files exist.

    Parameters
    ----------
    source : BatchRows, or DaskTableRows of `dask_table`
    rows : SampledRows
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

    def __init__(self, source, rows, n_rows, window):
        self.source, self.summary, self.n_rows = source, source.summary, n_rows
        self.numbers, self.window, self.columns = rows.numbers, window, rows.columns

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.source.close()

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

    def store(self, encoding, reporter):
        """Encode all rows. Return the EncodedRows or DaskTableRows.

        encoding : TableEncoding; reporter : EncodingReporter
        """
        return self.source.store(self, encoding, reporter)


class BatchRows:
    """Rows that are read batch by batch.

    Parameters
    ----------
    batches : ParquetRows or GroupRows
    summary : ClassSummary or NumberSummary
        It gets the targets of all rows.
    columns : RowColumns
        It gets all rows.
    """

    folder: Any = None

    def __init__(self, batches, summary, columns):
        self.batches, self.summary, self.columns = batches, summary, columns

    @property
    def notes(self):
        """list of str: what has been guessed."""
        return self.batches.notes

    def sample(self, window):
        """Read all batches. Return the SampledRows, and the number of all rows. window : as in `fit`"""
        return sampling.read(self.batches, self.summary, window, self.columns)

    def close(self):
        """Delete the temporary files."""
        if self.folder is not None:
            self.folder.cleanup()

    def store(self, table, encoding, reporter):
        """Encode all rows. Return the EncodedRows. The arguments are those of `LargeTable.store`."""
        setup, n = encoding.setup, 0
        self.folder = tempfile.TemporaryDirectory(prefix="fastnn-", dir=large_files())
        stored = EncodedRows(self.folder.name, table, encoding.tables, setup, encoding.folds)
        for rows in self.read_again(table, encoding.features, setup.targets, setup.rows):
            numbers = np.arange(n, n + len(rows))
            encoded, y = rows.encode(encoding.encoders), setup.targets.encode(rows.y)
            stored.append(encoded, y, rows.weight, numbers)
            n += len(rows)
            reporter.show(n)
        return stored

    def read_again(self, table, features, targets, sample):
        """Yield the FitRows of each batch. They must be those of the first pass.

        table : LargeTable; features : Features; targets : TableClasses or TableNumbers; sample : FitRows
        """
        n, others = 0, OtherTextsOfTraining(features)
        for batch in self.batches:
            with placed(batch.frame.where):
                numbers, codes = features.transform(batch.frame)
                others.add(batch.frame)
                y = targets.to_numbers(batch.y)
                weight = table.columns.weight(batch.frame, batch.weight)
                if weight is not None:
                    weight = check_weight(weight, np.zeros(len(y)), may_be_zero=True)
                weight = table.summary.task.weights(targets, y, weight, table.n_rows_of_class)
            rows = FitRows(numbers, codes, y, weight)
            check_pass(table.numbers, batch.first, rows, sample)
            n += len(rows)
            yield rows
        if n != table.n_rows:
            raise DataError(
                "{X} has {n:,} rows in this pass, but had {before:,} before.",
                SAME_ROWS,
                X=Argument("X"),
                n=n,
                before=table.n_rows,
            )
        for note in others.notes():
            warn(note, TableWarning)


def check_pass(numbers, first, rows, sample):
    """Check that the rows of the sample in a batch are those of the first pass.

    numbers : of the rows of the sample; first : number of the first row of the batch; rows, sample : FitRows
    """
    low, high = np.searchsorted(numbers, [first, first + len(rows)])
    chosen, in_sample = numbers[low:high] - first, slice(low, high)
    pairs = [(rows.y, sample.y), (rows.codes, sample.codes)]
    pairs += zip(rows.numbers, sample.numbers)
    if not all(_are_equal(a[chosen], b[in_sample]) for a, b in pairs):
        raise DataError("{X} has other rows in this pass than before.", SAME_ROWS, X=Argument("X"))


def _are_equal(a, b):
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
