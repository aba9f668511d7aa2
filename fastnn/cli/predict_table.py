"""The table of `fastnn predict`, part by part: inputs of the model, columns to keep, the target."""

import contextlib
from dataclasses import dataclass
from typing import Any

from ..core.messages import did_you_mean, join, printable
from ..tables import parquet_files
from ..tables.errors import import_pyarrow
from . import scoring
from .common import CommandError, resolve_table_path
from .places import command_error
from .table_options import open_parquet, read_table
from .train_options import split_names

BLOCK = 20_000  # rows that are predicted, and written, at a time


@dataclass
class Part:
    """Some rows of a table.

    Attributes
    ----------
    inputs : pyarrow.Table
        The columns of the training table.
    kept : pyarrow.Table
        The columns of --keep.
    target : pyarrow.ChunkedArray or None
    path : str
        The file.
    first : int
        The number of the first row in the file.
    """

    inputs: Any
    kept: Any
    target: Any
    path: str
    first: int


class PredictTable:
    """The table of a command. Parquet files are read in parts, other files as a whole.

    Columns that are not inputs are read as texts, so that --keep copies 007 as it is.

    Parameters
    ----------
    arguments : argparse.Namespace
    model : TabularClassifier or TabularRegressor

    Attributes
    ----------
    n_rows : int
    has_target : bool
    """

    def __init__(self, arguments, model):
        self._arguments, self._target = arguments, model.model_.target_name
        features = model.model_.features
        self._features = features.names
        self._used = used = [features.names[features.positions[j]] for j in features.used()]
        as_texts = {*used} - {*features.texts()}
        if not scoring.has_text_target(model):
            as_texts.add(self._target)
        keep = arguments.keep or []
        named = _AllBut(()) if keep == ["all"] else {*used, *split_names(keep), *keep}
        self._source = _open(arguments, _AllBut(as_texts), named)
        names, self.n_rows = self._source.names, self._source.n_rows
        _check_names(arguments, used, names)
        self._kept = _names_to_keep(arguments, names)
        self.has_target = self._target in names
        wanted = {*used, *self._kept, self._target}
        self._source.select([name for name in names if name in wanted])

    def parts(self):
        """Yield each Part. The table is read again in each call."""
        pa = import_pyarrow()
        for path, first, table in self._source.parts(BLOCK):
            empty = pa.nulls(table.num_rows)  # of columns that were left out in the training
            columns = [table[name] if name in self._used else empty for name in self._features]
            yield Part(
                pa.Table.from_arrays(columns, self._features),
                table.select(self._kept),
                table[self._target] if self.has_target else None,
                path,
                first,
            )

    @contextlib.contextmanager
    def explained(self, part):
        """Turn the errors of an estimator into one line that names the file and the line in it."""
        try:
            yield
        except ValueError as error:
            rows = range(part.first, part.first + part.inputs.num_rows)
            raise command_error(error, self._arguments, part.path, rows) from None


class _AllBut:
    """The names of all columns but some."""

    def __init__(self, names):
        self.names = names

    def __contains__(self, name):
        return name not in self.names


class _WholeTable:
    """A table in memory, with the methods of a ParquetTable."""

    def __init__(self, path, table):
        self._path, self._table = path, table
        self.names, self.n_rows = table.column_names, table.num_rows

    def select(self, names):
        self._table = self._table.select(names)

    def parts(self, most_rows):
        for first in range(0, self.n_rows, most_rows):
            yield self._path, first, self._table.slice(first, most_rows)


def input_files(arguments):
    """Return the files of the table, to which --out must not write."""
    path = resolve_table_path(arguments.data)
    return parquet_files.find_files(path) if parquet_files.holds_parquet(path) else [path]


def _open(arguments, text_columns, keep):
    parquet = open_parquet(arguments, text_columns, keep)
    if parquet is not None:
        return parquet
    return _WholeTable(arguments.data, read_table(arguments, text_columns, keep))


def _check_names(arguments, used, names):
    """Check that a table with the columns `names` has the inputs of the model."""
    missing = [name for name in used if name not in names]
    if missing:
        close = did_you_mean(missing[0], [name for name in names if name not in used] or names)
        raise CommandError(
            f"{arguments.data}: has no column{'s' * (len(missing) > 1)} {join(missing)}, but the "
            f"model needs {'them' if len(missing) > 1 else 'it'}. {close}"
        )


def _names_to_keep(arguments, names):
    """Return the names of --keep. A column that is named all is kept with all others."""
    if arguments.keep == ["all"]:
        return names
    keep = split_names(arguments.keep, names)
    for name in keep:
        if name not in names:
            raise CommandError(
                f"--keep: {arguments.data} has no column {printable(name)!r}. "
                + did_you_mean(name, names)
            )
    return keep
