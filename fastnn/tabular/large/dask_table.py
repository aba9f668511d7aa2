"""DaskTable: the partitions of a Dask collection, for `fit` of the tabular estimators.

As for other tables larger than memory, `fit` holds a sample of the rows. The workers look at all
rows in one pass, encode them in another, and train the networks on them.
"""

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...core.errors import placed
from ...core.messages import warn
from ...core.validation import check_count, check_threads
from ...dask import partitions
from ...dask.delayed import delayed_call, delayed_value
from ...dask.mixing import Encoded, Mixing, take_info
from ...dask.rounds_data import BlockRows
from ...dask.runner import current_runner
from ...dask.settings import RoundSettings
from ...estimators.inputs import check_weight
from ...tables.files import TableWarning
from ..columns import frames
from ..columns.other_texts import OtherTextsOfTraining
from ..fit_rows import FitRows
from ..row_columns import RowColumns
from . import dask_sample
from .blocks_of_table import BlocksOfTable, arrays_of
from .large_table import LargeTable, check_window

SAME_ROWS = "Each computation of the collection must yield the same rows in the same order."
PART_ROWS = 100_000  # rows that are worth a part: the many networks keep workers busy, too


def read(options, arguments):
    """Return the SampledRows of a collection, and a DaskTable, or None if these are all rows.

    options : TableFitOptions; arguments : FitArguments
    """
    X, y, weight, window = arguments.X, arguments.y, arguments.sample_weight, arguments.window
    _check(options, arguments)
    if window is not None:
        window = check_count("window", window, minimum=2)
    target = y if isinstance(y, str) else None
    y = y if target else _in_one_column(y)
    weights = None if isinstance(weight, str) else weight
    parts = partitions.of(X, None if target else y, weights)
    in_tasks = replace(
        arguments, X=None, y=target, sample_weight=weight if weights is None else None
    )
    columns, summary = RowColumns(in_tasks), options.task.summary()
    if target is not None:
        check_column(X, target)
    runner = current_runner(check_threads(options.n_threads))
    most = dask_sample.most_rows(window, X)
    look = dask_sample.Look(target=target, columns=columns, summary=summary)
    rows, lengths = dask_sample.read(runner, parts, look, most)
    rows.columns = columns
    n = int(lengths.sum())
    if rows.numbers is None:
        note = (
            f"the Dask collection has {n:,} rows, which fit in the sample of {most:,} rows that this "
            "process holds, so it trains the networks"
        )
        warn(note, TableWarning)
        runner.close()
        return rows, None
    check_window(window, len(rows.numbers), options)
    return rows, DaskTable(runner, parts, look, rows, lengths)


def _check(options, arguments):
    """Raise an error for arguments that do not work with collections."""
    y = arguments.y
    if not partitions.is_collection(arguments.X):
        raise ValueError(
            "y is a Dask collection, but X is a table in memory. Pass both as collections, or "
            "y.compute()."
        )
    if y is None:
        raise ValueError(
            f"{options.estimator_name} requires y to be passed, but the target y is None. Pass a "
            "collection with the partitions of X, or the name of a column of X."
        )
    partitions.refuse(groups=arguments.groups, time=arguments.time, cv=options.cv)


def _in_one_column(y):
    """Return the targets as a Series, or an Array of one dimension."""
    if not partitions.is_collection(y) or getattr(y, "ndim", 1) != 2:
        return y
    n = y.shape[1]
    if n != 1:
        raise ValueError(
            f"y has {n} columns, but estimators for tables predict one. Pass one of them, such as "
            "ddf[name]."
        )
    return y[y.columns[0]] if partitions.is_frame(y) else y[:, 0]


def check_column(X, target):
    """Raise ValueError if X, a collection, has no column of this name."""
    if partitions.is_array(X):
        raise ValueError(
            f"y={target!r} names a column of X, but the columns of X have no names. Pass the targets "
            "as an array."
        )
    frames.check_target(target, list(map(str, X.columns)))


class DaskTable(LargeTable):
    """A Dask collection of which `fit` holds a sample.

    Parameters
    ----------
    runner : ClusterRunner or LocalRunner
    parts : list of Partition
    look : dask_sample.Look
    rows : SampledRows
    lengths : ndarray (n_partitions,) of int
        Number of rows of each partition.
    """

    stored: Any = None

    def __init__(self, runner, parts, look, rows, lengths):
        super().__init__(parts, look.summary, rows, int(lengths.sum()), len(rows.numbers))
        self.runner, self.look, self.lengths = runner, look, lengths

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.stored is not None:
            self.stored.close()
        self.runner.close()

    def store(self, encoding, reporter):
        """Let the workers encode all rows. Return the BlocksOfTable.

        encoding : TableEncoding; reporter : EncodingReporter
        """
        settings, setup, runner = RoundSettings.read(), encoding.setup, self.runner
        n_parts = settings.n_parts(len(self.batches), self.n_rows, PART_ROWS)
        mix = Mixing(len(self.batches), n_parts, self.n_rows)
        task = EncodingTask(
            look=replace(self.look, summary=None),
            task=self.summary.task,
            features=encoding.features,
            targets=setup.targets,
            encoders=list(encoding.encoders.values()),
            folds=encoding.folds,
            n_rows_of_class=self.n_rows_of_class,
            n_pieces=mix.n_pieces,
        )
        others = OtherTextsOfTraining(encoding.features)
        encode, info = delayed_call("encode", encode_partition), delayed_call("info", take_info)
        shared = delayed_value("recipe", task)
        encoded = [
            encode(*part, shared, expected)
            for part, expected in zip(self.batches, self._expected(setup.rows))
        ]
        infos = [info(each) for each in encoded]
        futures = runner.compute([*mix.delayed(encoded), *infos])
        blocks, infos = futures[: mix.n_blocks], futures[mix.n_blocks :]
        ends = np.cumsum(self.lengths)
        for found in runner.results(infos, lambda k: reporter.show(int(ends[k - 1]))):
            others.add_found(found)
        for note in others.notes():
            warn(note, TableWarning)
        n_keys = encoding.folds.trains.shape[1]
        rows = BlockRows(runner, blocks, n_parts, n_keys, settings.sync_every)
        self.stored = BlocksOfTable(rows, encoding, self.n_rows)
        return self.stored

    def _expected(self, sample):
        """Return the ExpectedRows of each partition. sample : FitRows"""
        ends = np.cumsum(self.lengths)
        firsts = ends - self.lengths
        bounds = np.searchsorted(self.numbers, [*firsts, self.n_rows])
        out = []
        for p, (low, high) in enumerate(zip(bounds, bounds[1:])):
            rows = self.numbers[low:high] - firsts[p]
            checksum = checksum_of(sample.take(slice(low, high)))
            out.append(ExpectedRows(p, int(firsts[p]), int(self.lengths[p]), rows, checksum))
        return out


@dataclass(frozen=True, eq=False)
class ExpectedRows:
    """What the first pass has found in a partition.

    Attributes
    ----------
    index, first, n_rows : int
        Its position among the partitions, the number of its first row, and of all.
    rows : ndarray of int
        Its rows in the sample, counted from its first row.
    checksum : int
        Of these rows.
    """

    index: int
    first: int
    n_rows: int
    rows: np.ndarray
    checksum: int


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodingTask:
    """What encodes the rows of every partition."""

    look: Any
    task: Any
    features: Any
    targets: Any
    encoders: list
    folds: Any
    n_rows_of_class: Any
    n_pieces: int

    def rows(self, frame, y, weight):
        """Return the FitRows of a partition."""
        numbers, codes = self.features.transform(frame)
        y = self.targets.to_numbers(y)
        weight = self.look.columns.weight(frame, weight)
        if weight is not None:
            weight = check_weight(weight, np.zeros(len(y)), may_be_zero=True)
        return FitRows(
            numbers, codes, y, self.task.weights(self.targets, y, weight, self.n_rows_of_class)
        )


def encode_partition(X, y, weight, task, expected):
    """Return the Encoded rows of a partition.

    task : EncodingTask; expected : ExpectedRows
    """
    with placed(partitions.place(expected.index)):
        if len(X) != expected.n_rows:
            raise ValueError(
                f"X has {len(X):,} rows in this pass, but had {expected.n_rows:,} before. {SAME_ROWS}"
            )
        if not len(X):
            return Encoded({}, np.zeros(0, np.intp), task.n_pieces, {})
        frame, y = task.look.frame(X, y)
        rows = task.rows(frame, y, None if weight is None else np.asarray(weight))
        found = task.features.other_texts(frame)
    if checksum_of(rows.take(expected.rows)) != expected.checksum:
        raise ValueError(
            f"{partitions.place(expected.index)}: X has other rows in this pass than before. "
            f"{SAME_ROWS}"
        )
    numbers = np.arange(expected.first, expected.first + len(rows))
    arrays = {"y": task.targets.encode(rows.y), "key": task.folds.keys(numbers).astype(np.int32)}
    if rows.weight is not None:
        arrays["weight"] = rows.weight
    for i, encoder in enumerate(task.encoders):
        arrays |= arrays_of(i, encoder.encode(rows.numbers, rows.codes))
    return Encoded(arrays, numbers, task.n_pieces, found)


def checksum_of(rows):
    """Return a checksum of FitRows, without their weights."""
    value = 0
    for a in (rows.y, rows.codes, *rows.numbers):
        value = zlib.crc32(np.ascontiguousarray(a).data.cast("B") if a.nbytes else b"", value)
    return value
