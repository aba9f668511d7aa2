"""The rows of `fastnn predict`, part by part: inputs of the model, columns to keep, the target, output."""

import contextlib
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.messages import did_you_mean, printable, reason
from ..tables.number_texts import PLAIN_STYLE
from ..tables.table_errors import NoRowsError, import_pyarrow
from ..tables.table_writer import needs_quotes, to_text, writing
from ..tabular.predictions import check_columns
from .console import CommandError
from .model_file import target_style
from .predict_scores import has_text_target
from .train_options import split_names

BLOCK = 20_000  # rows that are predicted, and written, at a time
DIGITS = 8  # of predictions: networks compute in float32


@dataclass
class PredictPart:
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

    def take(self, rows):
        """Return some rows. rows : pyarrow.Array of positions"""
        target = None if self.target is None else self.target.take(rows)
        return PredictPart(
            self.inputs.take(rows), self.kept.take(rows), target, self.path, self.first
        )


class PredictTable:
    """The table of a command. Parquet files are read in parts, other files as a whole.

    Columns that are not inputs are read as texts, so that --keep copies 007 as it is.

    Parameters
    ----------
    file : TableFile
    model : TabularClassifier or TabularRegressor
    keep : list of str, optional
        The columns of --keep.
    needs_all : bool, default True
        Whether it is an error if the table lacks a column that the model uses.

    Attributes
    ----------
    file : TableFile
    n_rows : int
    has_target : bool
    absent : list of str
        Columns that the model uses and the table lacks.
    others : list of str
        Columns of the table that the training table did not have.
    """

    def __init__(self, file, model, keep=None, needs_all=True):
        self.file, self._target = file, model.facts().target
        features = model.features_
        self._features = features.names
        self._used = used = features.used_names()
        as_texts = {*used} - {*features.texts()}
        if not has_text_target(model) and target_style(model) in (None, PLAIN_STYLE):
            as_texts.add(self._target)
        keep = keep or []
        named = _AllBut(()) if keep == ["all"] else {*used, *split_names(keep), *keep}
        self._source = _open(self.file, _AllBut(as_texts), named, used)
        names, self.n_rows = self._source.names, self._source.n_rows
        self.absent = [name for name in used if name not in names]
        self.others = [n for n in names if n not in features.names and n != self._target]
        if needs_all:
            try:
                check_columns(names, used)
            except DataError as error:
                raise self.file.explain(error) from None
        self._kept = _names_to_keep(self.file, keep, names)
        self.has_target = self._target in names
        wanted = {*used, *self._kept, self._target}
        read = [name for name in names if name in wanted]
        self._source.select(read or names[:1])  # without columns there would be no rows

    def parts(self):
        """Yield each PredictPart. The table is read again in each call."""
        pa = import_pyarrow()
        read = {*self._used} - {*self.absent}
        for path, first, table in self._source.parts(BLOCK):
            empty = pa.nulls(table.num_rows)  # of columns that were left out in the training
            columns = [table[name] if name in read else empty for name in self._features]
            yield PredictPart(
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
            raise self.file.explain(error, part.path, rows) from None


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
        for first in range(0, max(1, self.n_rows), most_rows):
            yield self._path, first, self._table.slice(first, most_rows)


def _open(file, text_columns, keep, used):
    """Return a ParquetTable or a _WholeTable. used : the inputs of the model"""
    try:
        parquet = file.open_parquet(text_columns, keep)
        if parquet is not None:
            return parquet
        return _WholeTable(file.name, file.read(text_columns, keep))
    except NoRowsError as error:
        file.notes(f"{file.name} has no rows, so the output has none")
        names = error.names or used  # an empty JSON array has no columns
        pa = import_pyarrow()
        return _WholeTable(file.name, pa.table({name: pa.nulls(0) for name in names}))


def _names_to_keep(file, texts, names):
    """Return the names of --keep. A column that is named all is kept with all others."""
    if texts == ["all"]:
        return names
    keep = split_names(texts, names)
    for name in keep:
        if name not in names:
            raise CommandError(
                f"--keep: {file.name} has no column {printable(name)!r}. "
                + did_you_mean(name, names)
            )
    return keep


# ---- output ----


class RowWriter:
    """Writes blocks of rows to standard output or a file, or collects them for JSON.

    As a context manager, it replaces the file at the end, if no exception is raised.

    Parameters
    ----------
    out : str or None
        The file.
    is_json : bool
        Whether standard output is for JSON.
    """

    def __init__(self, out, is_json):
        self.out, self.is_json = out, is_json
        self.is_quoted = False  # the texts of CSV
        self.blocks: list = []  # for JSON
        self._is_new = True
        self._stack = contextlib.ExitStack()

    def find_quotes(self, columns):
        """Put all texts in quotes if one of these needs them. Call it before `write`."""
        if not self.is_quoted and (self.out is not None or not self.is_json):
            self.is_quoted = needs_quotes(columns, self.out or ".csv")

    def __enter__(self):
        if self.out is not None:
            self._write_file = self._stack.enter_context(writing(self.out, self.is_quoted))
        return self

    def __exit__(self, *error):
        with self._explained():
            return self._stack.__exit__(*error)

    def write(self, kept, predictions):
        """Write a block: a pyarrow.Table of the columns of --keep, and {name: array}."""
        both = [name for name in predictions if name in kept.column_names]
        if both:
            raise CommandError(
                f"--keep: column {printable(both[0])!r} has the name of a prediction. Name the "
                "columns to keep without it, or rename it."
            )
        columns = {name: kept.column(name) for name in kept.column_names} | predictions
        block = import_pyarrow().table(columns)
        if self.out is not None:
            with self._explained():
                self._write_file(block)
        elif self.is_json:
            self.blocks.append(block)
        else:
            self._print(block)

    def _print(self, block):
        with self._explained():
            text = to_text(block, header=self._is_new, quoted=self.is_quoted)
        self._is_new = False
        if sys.stdout.isatty():
            lines = text.decode().split("\n")
            text = "\n".join(printable(line, len(line)) for line in lines).encode()
        sys.stdout.flush()
        # The bytes are UTF-8, whatever the encoding of the terminal.
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()

    @contextlib.contextmanager
    def _explained(self):
        try:
            yield
        except import_pyarrow().ArrowException as error:
            raise CommandError(
                f"--keep: a column cannot be written as text ({reason(error)}). Leave it out, or "
                "pass --out with a .parquet file."
            ) from None

    def to_json(self):
        """Return {name: list}, or None if the rows are in a file."""
        if self.out is not None:
            return None
        table = import_pyarrow().concat_tables(self.blocks)
        return {
            name: list(map(_to_json, table.column(name).to_pylist())) for name in table.column_names
        }


def _to_json(value):
    return value if isinstance(value, (str, int, float, list, type(None))) else str(value)


def round_numbers(values):
    """Return numbers without digits that are noise, as an array."""
    return np.array([float(f"{x:.{DIGITS}g}") for x in values.tolist()])
