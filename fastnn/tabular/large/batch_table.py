"""Read the table that is passed to `fit`; tables that are read batch by batch, in each pass again.

Batches are read from Parquet files or row groups. If they hold too many rows, the networks train on
rows in temporary files, in encoded form, window by window.
"""

import errno
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from ...core.errors import Argument, DataError, placed
from ...core.messages import warn
from ...core.validation import check_count, is_path
from ...distributed.partitions import SAME_ROWS, is_collection
from ...distributed.rows import RowSource
from ...distributed.shared_objects import large_files
from ...encoded_table import TABLE_ARRAYS, parts_of, table_of
from ...tables import arrow_files
from ...tables.files import TableWarning
from ...training import stream
from ...training.stream import RowGroups, StreamedData, hashes
from ..columns import frames
from ..columns.other_texts import OtherTextsOfTraining
from ..encoder import FitRows
from ..folds import ALL_ROWS, count_folds
from ..roles import RowColumns, check_length
from . import dask_table, large_table
from .large_table import LargeTable, RowBatch, Sample, SampledRows, TrainingTable, weight_of

MIN_ROWS = 4  # in memory, for each fold
READ_BYTES = 2e6  # of a group of rows
BUCKET_SEED = 1  # of the hash that chooses the file of a row
WINDOWS_BYTES = 512e6  # of the windows of all networks that train at the same time
MAX_BUCKETS = 200  # files for each encoder


def read_table(options, arguments):
    """Return the SampledRows of what was passed to `fit`, and the TrainingTable that they are from.

    It is a LargeTable if the rows are not all rows.

    options : TableFitOptions; arguments : FitArguments
    """
    X, y, window, columns = arguments.X, arguments.y, arguments.window, RowColumns(arguments)
    if window is not None:
        window = check_count("window", window, minimum=2)
    if is_collection(X) or is_collection(y):
        return _sample(dask_table.open_collections(options, arguments), window, options)
    batches = _open_batches(arguments, columns.names.values())
    if batches is not None:
        return _sample(BatchTable(options.task, columns, batches), window, options)
    if y is None:
        raise ValueError(
            f"{options.estimator_name} requires y to be passed, but the target y is None. Pass an "
            "array, or the name of a column of X."
        )
    if isinstance(y, Real):
        raise ValueError(
            f"y must be an array of targets, or the name of a column of X, got {y!r}. If the columns "
            "have no names, pass the column as an array, and X without it."
        )
    target_name = None
    if isinstance(y, str):
        target_name = y
        frame, y = frames.split_target(X, y)
    else:
        frame = frames.read(X)
        check_length("y", y, frame.n_rows)
    rows = SampledRows(frame, y, columns.weight(frame, arguments.weights))
    columns.add(frame)
    return rows, TrainingTable(options.task, columns, target_name, frame.n_rows)


def _sample(table, window, options):
    """Return the SampledRows of a LargeTable, and this, or the TrainingTable if these are all rows."""
    rows = table.read(window)
    for text in table.notes:
        warn(text, TableWarning)
    if rows.numbers is None:
        table.close()
        return rows, TrainingTable(table.task, table.columns, table.target_name, table.n_rows)
    n, n_folds = len(rows.numbers), count_folds(options.n_estimators)
    if n < MIN_ROWS * n_folds:
        raise DataError(
            "{argument} puts {n} rows in memory, but {n_folds} folds need at least {needed}.",
            "Pass a larger {name}.",
            argument=Argument("window", window),
            n=n,
            n_folds=n_folds,
            needed=MIN_ROWS * n_folds,
        )
    table.numbers, table.window = rows.numbers, window or n
    return rows, table


def _open_batches(arguments, names):
    """Return the batches of a table that `fit` need not hold in memory, None for other tables.

    Each iteration over the batches is a pass over the rows.

    arguments : FitArguments
    names : collection of str
        Columns that arguments name.
    """
    X, y, sample_weight, window = arguments.X, arguments.y, arguments.weights, arguments.window
    if is_path(X) and y is not None and arrow_files.holds_parquet(X):
        path = os.fsdecode(X)
        rows = ParquetRows(path, y, sample_weight, names)
        is_small = large_table.fits_in_memory(rows.n_rows, len(rows.table.names))
        return None if window is None and is_small and not os.path.isdir(path) else rows
    if y is None and holds_groups(X):
        if sample_weight is not None:
            raise ValueError(
                "sample_weight is the third part of a row group: (X, y, sample_weight). Do not pass "
                "it to fit."
            )
        return GroupRows(X)
    if window is not None:
        raise DataError(
            "{argument} is for row groups and Parquet files, but X is another table.",
            "Leave it out.",
            argument="window",
        )
    return None


def holds_groups(X):
    """Whether X can be row groups ``(X, y)``, not one table."""
    if isinstance(X, list):
        return bool(X) and all(_is_group(each) for each in X)
    is_table = hasattr(X, "columns") or hasattr(X, "__arrow_c_stream__")
    return stream.is_source(X) and not (is_table or is_path(X) or isinstance(X, tuple))


def _is_group(each):
    """Whether an item of a list is a row group, not the row of a table."""
    if not isinstance(each, (tuple, list)) or len(each) not in (2, 3):
        return False
    return hasattr(each[0], "shape") or isinstance(each[0], (list, dict))


class ParquetRows:
    """The rows of a Parquet file, or of a folder of them.

    Parameters
    ----------
    path : str
    y : str or array_like (n,)
        Targets, or the name of their column.
    sample_weight : array_like (n,) or None
    names : collection of str
        Other columns to keep.

    Attributes
    ----------
    notes : list of str
        What has been guessed.
    """

    def __init__(self, path, y, sample_weight=None, names=()):
        self.notes: list = []
        self.target = y if isinstance(y, str) else None
        keep = names if self.target is None else (y, *names)
        self.table = arrow_files.ParquetTable(path, (), (), keep, self.notes.append)
        self.n_rows = self.table.n_rows
        self.y = None if self.target is not None else self._check_rows("y", y)
        self.weight = self._check_rows("sample_weight", sample_weight)
        if self.target is not None:
            frames.check_target(y, self.table.names)
        self.is_selected = False

    def _check_rows(self, argument, values):
        if values is None:
            return None
        values = np.asarray(values)
        check_length(argument, values, self.n_rows)
        return values

    def __iter__(self):
        if not self.is_selected:
            self.table.select(self.table.names)
            self.is_selected = True
        start = 0
        for file, first, table in self.table.parts(for_training=True):
            rows = slice(start, start + table.num_rows)
            if self.y is None:
                frame, y = frames.split_target(table, self.target)
            else:
                frame, y = frames.read(table), self.y[rows]
            frame.where = arrow_files.describe_rows(file, first, frame.n_rows)
            yield RowBatch(start, frame, y, None if self.weight is None else self.weight[rows])
            start += frame.n_rows


class GroupRows:
    """The rows of row groups ``(X, y)`` or ``(X, y, sample_weight)``.

    Parameters
    ----------
    source : iterable, or callable that returns one
        Yields the same groups in each pass. X of a group is a table as `fit` accepts it.
    """

    n_rows: Any = None  # unknown before the first pass

    def __init__(self, source):
        stream.check_source(source)
        self.source, self.notes = source, []
        self.target = getattr(source, "target_name", None)  # of `fastnn train`

    def __iter__(self):
        start, first = 0, None
        for i, group in stream.iterate(self.source):
            where = stream.describe_group(self.source, i, start)
            with placed(where):
                X, y, weight = stream.split_group(group)
                frame = frames.read(X)
                check_length("y", y, frame.n_rows)
                if weight is not None:
                    weight = np.asarray(weight)
                    check_length("sample_weight", weight, frame.n_rows)
            first = first or frame
            if frame.labels() != first.labels():
                raise ValueError(
                    f"{where}: {frames.describe_other_names(frame.labels(), first.labels())}"
                )
            frame.where = where
            if frame.n_rows:
                yield RowBatch(start, frame, y, weight)
            start += frame.n_rows


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


class BatchTable(LargeTable):
    """A table that is read batch by batch.

    Parameters
    ----------
    task : ClassTask or NumberTask
    columns : RowColumns
    batches : ParquetRows or GroupRows
    """

    folder: Any = None

    def __init__(self, task, columns, batches):
        super().__init__(task, columns, batches.target)
        self.batches, self.notes = batches, batches.notes

    def close(self):
        if self.folder is not None:
            self.folder.cleanup()

    def read(self, window):
        sample = Sample(window)
        for batch in self.batches:
            self.n_rows = batch.first + batch.frame.n_rows
            with placed(batch.frame.where):
                self.columns.add(batch.frame)
                weight = weight_of(self.columns, batch.frame, batch.weight)
                self.summary.add(batch.y, weight)
            sample.add(batch, weight)
        if not self.n_rows:
            raise ValueError("X has no rows. fit needs at least 2.")
        return sample.rows()

    def store(self, encoding, reporter):
        setup, n = encoding.setup, 0
        self.folder = tempfile.TemporaryDirectory(prefix="fastnn-", dir=large_files())
        stored = EncodedRows(self.folder.name, self, encoding)
        for rows in self._read_again(encoding.features, setup.targets, setup.rows):
            numbers = np.arange(n, n + len(rows))
            encoded, y = rows.encode(encoding.encoders), setup.targets.encode(rows.y)
            stored.append(encoded, y, rows.weight, numbers)
            n += len(rows)
            reporter.show(n)
        return stored

    def _read_again(self, features, targets, sample):
        """Yield the FitRows of each batch. They must be those of the first pass.

        features : Features; targets : TableClasses or TableNumbers; sample : FitRows
        """
        n, others = 0, OtherTextsOfTraining(features)
        for batch in self.batches:
            with placed(batch.frame.where):
                numbers, codes = features.transform(batch.frame)
                others.add(batch.frame)
                y = targets.to_numbers(batch.y)
                weight = weight_of(self.columns, batch.frame, batch.weight)
                weight = self.task.weights(targets, y, weight, self.n_rows_of_class)
            rows = FitRows(numbers, codes, y, weight)
            _check_pass(self.numbers, batch.first, rows, sample)
            n += len(rows)
            yield rows
        if n != self.n_rows:
            raise DataError(
                "{X} has {n:,} rows in this pass, but had {before:,} before.",
                SAME_ROWS,
                X=Argument("X"),
                n=n,
                before=self.n_rows,
            )
        for note in others.notes():
            warn(note, TableWarning)


def _check_pass(numbers, first, rows, sample):
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


# ---- encoded rows in files ----


class EncodedRows(RowSource):
    """All rows of a table as its encoders encode them.

    The rows of each encoder are in several files. A hash chooses the file of a row, and a window
    holds about one file, so the rows of a sorted table are mixed.

    Parameters
    ----------
    folder : str
        Where the files are.
    table : LargeTable
    encoding : TableEncoding

    Attributes
    ----------
    window : int
        Number of rows of a window.
    n_of_key : ndarray of int
        Number of rows with each key of `folds`.
    """

    def __init__(self, folder, table, encoding):
        setup, self.folds = encoding.setup, encoding.folds
        self.folder, self.window = folder, table.window
        self.has_weight = setup.rows.weight is not None
        self.layouts = {settings: each.layout for settings, each in encoding.tables.items()}
        self.types = {
            settings: _row_type(each, setup.encoded_y.dtype, self.has_weight)
            for settings, each in encoding.tables.items()
        }
        self.n_of_key = np.zeros(self.folds.trains.shape[1], np.intp)
        self.n_buckets = min(MAX_BUCKETS, -(-table.n_rows // self.window))
        self._check_space(table.n_rows)

    def _check_space(self, n_rows):
        needed = n_rows * sum(kind.itemsize for kind in self.types.values())
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise OSError(
                errno.ENOSPC,
                f"fit stores the encoded rows in temporary files, which need {needed / 1e9:.1f} GB, but "
                f"{free / 1e9:.1f} GB are free in {os.path.dirname(self.folder)}. Set the environment "
                "variable TMPDIR to a folder with more space",
            )

    def path(self, settings, bucket):
        return os.path.join(self.folder, f"{list(self.types).index(settings)}-{bucket}")

    # ---- write ----

    def append(self, tables, y, weight, numbers):
        """Append the rows of a batch.

        Parameters
        ----------
        tables : dict of EncoderSettings: EncodedTable
        y, weight : ndarray (n,)
            As networks learn them.
        numbers : ndarray (n,) of int
            The number of each row in the table.
        """
        keys = self.folds.keys(numbers)
        self.n_of_key += np.bincount(keys, minlength=len(self.n_of_key))
        buckets = hashes(numbers, BUCKET_SEED) % np.uint64(self.n_buckets)
        order = np.argsort(buckets, kind="stable")
        ends = np.cumsum(np.bincount(buckets.astype(np.intp), minlength=self.n_buckets))
        for settings, table in tables.items():
            rows = np.empty(len(y), self.types[settings])
            for name, values in zip(TABLE_ARRAYS, parts_of(table)):
                rows[name] = values
            rows["y"], rows["key"] = y, keys
            if self.has_weight:
                rows["weight"] = weight
            for bucket, chosen in enumerate(np.split(rows[order], ends[:-1])):
                if len(chosen):
                    with open(self.path(settings, bucket), "ab") as file:
                        file.write(chosen.data)

    # ---- read ----

    def n_train(self, fold):
        """Return the number of rows that a fold trains on, or a network on ALL_ROWS."""
        return int(self.n_of_key[self.keys_to_train(fold)].sum())

    def keys_to_train(self, fold):
        """Return the keys of the rows that a fold trains on, (n_keys,) of bool."""
        if fold != ALL_ROWS:
            return self.folds.trains[fold]
        return np.arange(len(self.n_of_key)) < len(self.n_of_key) - 1  # the last one has no time

    def n_at_once(self, n_threads):
        # their windows fit in memory
        window_bytes = self.window * max(kind.itemsize for kind in self.types.values())
        return max(1, min(n_threads, int(WINDOWS_BYTES / window_bytes)))

    def data(self, job, loss):
        """Return the data that the network of a job trains on."""
        data = StreamedData(RowGroups(job.net, _TrainingRows(self, job), loss), loss, self.window)
        data.n_rows = self.n_train(job.fold)
        return data

    def seconds_per_row(self, job, loss):
        """Return how long it takes to read a row for a job, from its first window."""
        began = time.perf_counter()
        window, *_ = next(self.data(job, loss).windows())
        return (time.perf_counter() - began) / len(window)

    def groups(self, settings):
        """Yield all rows of an encoder in groups, as structured arrays."""
        kind = self.types[settings]
        n = max(1, int(READ_BYTES / kind.itemsize))
        for bucket in range(self.n_buckets):
            try:
                file = open(self.path(settings, bucket), "rb", buffering=0)
            except FileNotFoundError:  # no row
                continue
            with file:
                while len(rows := np.fromfile(file, kind, n)):
                    yield rows


class _TrainingRows:
    """The row groups of a job."""

    def __init__(self, stored, job):
        self.stored, self.job = stored, job

    def __iter__(self):
        job, stored = self.job, self.stored
        settings = job.configuration.encoding
        layout, is_trained = stored.layouts[settings], stored.keys_to_train(job.fold)
        for rows in stored.groups(settings):
            if not is_trained[rows["key"]].all():
                rows = rows[is_trained[rows["key"]]]
            parts = (np.ascontiguousarray(rows[name]) for name in TABLE_ARRAYS)
            X = job.inputs(table_of(parts, layout))
            yield (X, rows["y"], rows["weight"]) if stored.has_weight else (X, rows["y"])


def _row_type(table, target, has_weight):
    """Return the dtype of an encoded row in a file."""
    fields: list = [(name, a.dtype, a.shape[1:]) for name, a in zip(TABLE_ARRAYS, parts_of(table))]
    fields += [("y", target), ("key", np.int32)]
    return np.dtype([*fields, ("weight", np.float64)] if has_weight else fields)
