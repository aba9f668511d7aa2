"""Read the rows of a table batch by batch, in each pass again: from Parquet files or row groups."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import placed
from ...core.validation import is_path
from ...tables import parquet_files
from ...training import stream
from ..columns import frames
from ..row_columns import check_length


@dataclass(eq=False, repr=False)
class RowBatch:
    """Some rows of a table.

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


def find(arguments, names):
    """Return the batches of a table that `fit` need not hold in memory, None for other tables.

    Each iteration over the batches is a pass over the rows.

    arguments : FitArguments
    names : collection of str
        Columns that arguments name.
    """
    X, y, sample_weight = arguments.X, arguments.y, arguments.weights
    if is_path(X) and y is not None and parquet_files.holds_parquet(X):
        return ParquetRows(os.fsdecode(X), y, sample_weight, names)
    if y is None and holds_groups(X):
        if sample_weight is not None:
            raise ValueError(
                "sample_weight is the third part of a row group: (X, y, sample_weight). Do not pass "
                "it to fit."
            )
        return GroupRows(X)
    return None


def is_file(X):
    """Whether X is a path, but not of a folder."""
    return is_path(X) and not os.path.isdir(os.fsdecode(X))


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
        self.table = parquet_files.ParquetTable(path, (), (), keep, self.notes.append)
        self.n_rows: int = self.table.n_rows
        self.y = None
        if self.target is None:
            self.y = self._check_rows("y", y)
        else:
            frames.check_target(y, self.table.names)
        self.weight = (
            None if sample_weight is None else self._check_rows("sample_weight", sample_weight)
        )
        self.is_selected = False

    def _check_rows(self, argument, values):
        values = np.asarray(values)
        check_length(argument, values, self.n_rows)
        return values

    @property
    def n_columns(self):
        return len(self.table.names)

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
            frame.where = parquet_files.describe_rows(file, first, frame.n_rows)
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
