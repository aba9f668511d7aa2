"""The encoded rows of a table in temporary files, from which networks train window by window."""

import errno
import os
import shutil
import time

import numpy as np

from ...distributed.rows import RowSource
from ...encoded_table import PARTS, parts_of, table_of
from ...training.stream import RowGroups, StreamedData, hashes
from ..forward_folds import ALL_ROWS

READ_BYTES = 2e6  # of a group of rows
BUCKET_SEED = 1  # of the hash that chooses the file of a row
WINDOWS_BYTES = 512e6  # of the windows of all networks that train at the same time
MAX_BUCKETS = 200  # files for each encoder


class EncodedRows(RowSource):
    """All rows of a table as its encoders encode them.

    The rows of each encoder are in several files. A hash chooses the file of a row, and a window
    holds about one file, so the rows of a sorted table are mixed.

    Parameters
    ----------
    folder : str
        Where the files are.
    large : LargeTable
    tables : dict of EncoderSettings: EncodedTable
        Encoded rows of the sample, which have the layout of all rows.
    setup : JobSetup
    folds : HashedFolds or ForwardFolds

    Attributes
    ----------
    window : int
        Number of rows of a window.
    n_rows : int
    n_of_key : ndarray of int
        Number of rows with each key of `folds`.
    """

    def __init__(self, folder, large, tables, setup, folds):
        self.folder, self.window = folder, large.window
        self.has_weight = setup.rows.weight is not None
        self.layouts = {settings: table.layout for settings, table in tables.items()}
        self.types = {
            settings: _row_type(table, setup.encoded_y.dtype, self.has_weight)
            for settings, table in tables.items()
        }
        self.n_rows, self.folds = large.n_rows, folds
        self.n_of_key = np.zeros(folds.trains.shape[1], np.intp)
        self.n_buckets = min(MAX_BUCKETS, -(-large.n_rows // self.window))
        self._check_space(large.n_rows)

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
            for name, values in zip(PARTS, parts_of(table)):
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
            parts = (np.ascontiguousarray(rows[name]) for name in PARTS)
            X = job.inputs(table_of(parts, layout))
            yield (X, rows["y"], rows["weight"]) if stored.has_weight else (X, rows["y"])


def _row_type(table, target, has_weight):
    """Return the dtype of an encoded row in a file."""
    fields: list = [(name, a.dtype, a.shape[1:]) for name, a in zip(PARTS, parts_of(table))]
    fields += [("y", target), ("key", np.int32)]
    return np.dtype([*fields, ("weight", np.float64)] if has_weight else fields)
