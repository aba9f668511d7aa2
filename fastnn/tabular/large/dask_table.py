"""The rows of a Dask collection, for `fit` of the tabular estimators.

As for other tables larger than memory, `fit` holds a sample of the rows. The workers look at all
rows in one pass, encode them in another, and train the networks on them.
"""

import zlib
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...core.messages import warn
from ...core.validation import check_threads
from ...distributed import partitions
from ...distributed.partitions import SAME_ROWS, Partitions
from ...distributed.rounds import RoundsData
from ...distributed.rows import RowSource
from ...encoded_table import TABLE_ARRAYS, parts_of, table_of
from ...tables.files import TableWarning
from ...training.data import Data
from ..columns import frames
from ..columns.features import MANY_CATEGORIES
from ..columns.other_texts import OtherTextsOfTraining
from ..encoder import FitRows
from ..roles import RowColumns
from . import large_table
from .large_table import LargeTable, RowBatch, Sample, weight_of

PART_ROWS = 100_000  # rows that are worth a part: the many networks keep workers busy, too
SAMPLE_ROWS = 100_000  # most rows of a sample that nobody has chosen
FIRST_PART = 4  # times its equal share of the sample is what a partition returns at most
MIN_ROWS = 1000  # that a partition may return in any case
PLACES = 40  # bits of the number of a row in its partition


def open_collections(options, arguments):
    """Return the DaskTable of the collections among the arguments of `fit`.

    options : TableFitOptions; arguments : FitArguments
    """
    X, y, weight = arguments.X, arguments.y, arguments.sample_weight
    if y is None:
        raise ValueError(
            f"{options.estimator_name} requires y to be passed, but the target y is None. Pass a "
            "collection with the partitions of X, or the name of a column of X."
        )
    partitions.refuse_beside_collections(
        groups=arguments.groups, time=arguments.time, cv=options.cv
    )
    target = y if isinstance(y, str) else None
    weights, n_threads = arguments.weights, check_threads(options.n_threads)
    parts = Partitions(X, None if target else _in_one_column(y), weights, n_threads)
    if target is not None:
        check_column(X, target)
    in_tasks = replace(
        arguments, X=None, y=target, sample_weight=weight if weights is None else None
    )
    n_columns = len(X.columns) if hasattr(X, "columns") else X.shape[1]
    most = min(SAMPLE_ROWS, large_table.default_window(max(1, int(n_columns))))
    return DaskTable(options.task, RowColumns(in_tasks), target, parts, most)


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
    frames.check_target(target, None if partitions.is_array(X) else list(map(str, X.columns)))


# ---- tasks of the first pass ----


class PartitionReader(NamedTuple):
    """How both passes read a partition.

    Attributes
    ----------
    task : ClassTask or NumberTask
    columns : RowColumns
    target : str or None
        The column of the targets.
    """

    task: Any
    columns: Any
    target: str | None

    def read(self, X, y, weight):
        """Return the Frame, the targets and the weights of a partition."""
        if self.target is not None:
            frame, y = frames.split_target(X, self.target)
        else:
            frame = frames.read(X)
            if len(y) != frame.n_rows:
                raise ValueError(
                    f"X has {frame.n_rows:,} rows, but y has {len(y):,}. Take both from one collection, "
                    "such as ddf.drop(columns=name) and ddf[name], after filtering its rows."
                )
        weight = None if weight is None else np.asarray(weight)
        return frame, np.asarray(y), weight_of(self.columns, frame, weight)


def sample_partition(X, y, weight, reader, index, most):
    """Return the number of rows of a partition, the summary of its targets, and a Sample.

    most : rows of the sample. Their numbers are counted from ``index << PLACES``: nobody knows the number of the first
    """
    n, summary, sample = len(X), reader.task.summary(), Sample(most)
    if n:
        frame, y, weight = reader.read(X, y, weight)
        summary.add(y, weight)
        sample.add(RowBatch(index << PLACES, frame, y, weight), weight)
    return n, summary, sample


# ---- tasks of the second pass ----


def encode_partition(X, y, weight, recipe, first, expected):
    """Return the arrays of a partition, the numbers of their rows, and texts that are not numbers.

    recipe : what `DaskTable.store` passes; expected : rows of the sample, counted from the first row, and their checksum
    """
    reader, n_rows_of_class, targets, encoding = recipe
    frame, y, weight = reader.read(X, y, weight)
    features, y = encoding.features, targets.to_numbers(y)
    weight = reader.task.weights(targets, y, weight, n_rows_of_class)
    numbers, codes = features.transform(frame)
    rows = FitRows(numbers, codes, y, weight)
    sample, checksum = expected
    if checksum_of(rows.take(sample)) != checksum:
        raise ValueError(f"X has other rows in this pass than before. {SAME_ROWS}")
    row_numbers = np.arange(first, first + len(rows))
    arrays = {"y": targets.encode(rows.y), "key": encoding.folds.keys(row_numbers).astype(np.int32)}
    if rows.weight is not None:
        arrays["weight"] = rows.weight
    for i, encoder in enumerate(encoding.encoders.values()):
        table = encoder.encode(rows.numbers, rows.codes)
        arrays |= {f"{i}.{name}": a for name, a in zip(TABLE_ARRAYS, parts_of(table))}
    return arrays, row_numbers, features.other_texts(frame)


def checksum_of(rows):
    """Return a checksum of FitRows, without their weights."""
    value = 0
    for a in (rows.y, rows.codes, *rows.numbers):
        value = zlib.crc32(np.ascontiguousarray(a).data.cast("B") if a.nbytes else b"", value)
    return value


def block_data(net, arrays, encoder, layout, known, weights, loss):
    """Return the Data of all rows of a block as one encoder has encoded them.

    encoder : its position; layout : TableLayout; known : KnownCategories or None; weights : InputWeights or None
    """
    X = table_of((arrays[f"{encoder}.{name}"] for name in TABLE_ARRAYS), layout)
    if known is not None:
        X = known.hide_others_in(X)
    if weights is not None:
        X = weights.multiply(X)
    return Data.of(net, X, arrays["y"], loss, arrays.get("weight"))


# ---- in the process of the caller ----


class DaskTable(LargeTable, RowSource):
    """The rows of a collection, in its partitions, and then encoded in blocks on the workers.

    Parameters
    ----------
    task, columns, target_name
        As in LargeTable.
    parts : Partitions
        The keys of its rows are the folds that hold them out.
    most : int
        Most rows of a sample that nobody has chosen.
    """

    max_categories = MANY_CATEGORIES  # rounds average moments: AdamW(lazy_categories=True) has none

    def __init__(self, task, columns, target_name, parts, most):
        super().__init__(task, columns, target_name)
        self.parts, self.most = parts, most
        self.reader = PartitionReader(task, columns, target_name)

    def close(self):
        self.parts.close()

    def read(self, window):
        most = window or self.most
        share = max(MIN_ROWS, FIRST_PART * most // max(1, len(self.parts)))
        found = self._sample(dict.fromkeys(range(len(self.parts)), share))
        self.parts.lengths = np.array([n for n, _, _ in found.values()], np.intp)
        self.n_rows = int(self.parts.lengths.sum())
        if not self.n_rows:
            raise ValueError("X has no rows. fit needs at least 2.")
        sample = Sample.union(most, [each for _, _, each in found.values()])
        if sample.n < most / 2 and sample.fraction < 1:  # partitions of unequal lengths
            cut = [p for p, (_, _, each) in found.items() if each.fraction < 1]
            found |= self._sample(dict.fromkeys(cut, most))
            sample = Sample.union(most, [each for _, _, each in found.values()])
        _check_labels(found)
        for _, summary, _ in found.values():
            self.summary.merge(summary)
        rows = sample.rows()
        if rows.numbers is not None:
            index, row = rows.numbers >> PLACES, rows.numbers & (1 << PLACES) - 1
            rows.numbers = self.parts.firsts[index] + row
        else:
            self.notes = (
                f"the Dask collection has {self.n_rows:,} rows, which fit in the sample of {most:,} rows "
                "that this process holds, so it trains the networks",
            )
        return rows

    def _sample(self, most):
        """Return {position: what `sample_partition` found}. most : {position: rows}"""
        return dict(zip(most, self.parts.look("sample", sample_partition, self.reader, most)))

    def store(self, encoding, reporter):
        lean = replace(encoding, tables=None, setup=None)
        recipe = self.reader, self.n_rows_of_class, encoding.setup.targets, lean
        numbers, firsts, sample = self.numbers, self.parts.firsts, encoding.setup.rows
        bounds, expected = np.searchsorted(numbers, [*firsts, self.n_rows]), []
        for first, low, high in zip(firsts, bounds, bounds[1:]):
            checksum = checksum_of(sample.take(slice(low, high)))
            expected.append((numbers[low:high] - first, checksum))
        n_keys = encoding.folds.trains.shape[1]
        found = self.parts.store(
            encode_partition, recipe, PART_ROWS, n_keys, expected, reporter.show
        )
        others = OtherTextsOfTraining(encoding.features)
        for each in filter(None, found):
            others.add_found(each)
        for note in others.notes():
            warn(note, TableWarning)
        self.folds = encoding.folds
        self.layouts = {settings: each.layout for settings, each in encoding.tables.items()}
        return self

    def n_train(self, fold):
        """Return the number of rows that a fold trains on."""
        return int(self.parts.n_of_key[:, self.folds.trains[fold]].sum())

    def n_at_once(self, n_threads):
        return self.parts.n_at_once()

    def data(self, job, loss):
        """Return the data that the network of a job trains on."""
        settings = job.configuration.encoding
        encoder, layout = list(self.layouts).index(settings), self.layouts[settings]
        what = dict(known=job.known, weights=job.weights, loss=loss)
        reader = partial(block_data, encoder=encoder, layout=layout, **what)
        return RoundsData(self.parts, self.folds.trains[job.fold], reader, loss)

    def seconds_per_row(self, job, loss):
        """Return how long this process takes to read a row: the workers read them."""
        return 0.0


def _check_labels(found):
    """Check that all partitions have the same columns."""
    pairs = [(p, piece[2].labels()) for p, (*_, sample) in found.items() for piece in sample.pieces]
    for p, labels in pairs:
        if labels != pairs[0][1]:
            other = frames.describe_other_names(labels, pairs[0][1])
            raise ValueError(f"{partitions.place(p)}: {other}")
