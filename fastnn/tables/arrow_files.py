"""Read and write the binary files of Arrow: Parquet, Feather and streams.

`read_parquet` and `read_arrow` read a file as a whole. Parquet files that need not fit in memory are
read a batch of rows at a time: `ParquetFiles` reads the columns as they are, `ParquetTable` as
`files.read` reads a table, and `ParquetGroups` as row groups of numbers for networks.
"""

import bisect
import os
import re
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ..core.errors import Argument
from ..core.messages import did_you_mean, plural, printable, reason
from . import tidy
from .cells.numbers import is_wide_integer
from .column_layout import unique_names
from .errors import TableError, expect_readable, import_pyarrow
from .limits import BYTES_PER_VALUE, check_free_memory, check_width
from .source import FolderFile, holds_parquet, list_parts

STREAM = b"\xff\xff\xff\xff"  # at the beginning of a stream of Arrow


def read_parquet(source, options, note):
    """Read a Parquet file as a whole."""
    pa = import_pyarrow()
    errors = pa.ArrowException, UnicodeDecodeError
    with expect_readable(source.label, "Parquet file", errors=errors):
        with pa.parquet.ParquetFile(source.for_pyarrow()) as file:
            check_width(source.label, len(file.schema_arrow.names))
            _check_size(source.label, file.metadata)
            return file.read()


def _check_size(label, metadata):
    """Check a Parquet file. A value takes at least eight bytes, however well it is compressed."""
    n_bytes = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    least = 8 * metadata.num_rows * metadata.num_columns
    rows, columns = plural(metadata.num_rows, "row"), plural(metadata.num_columns, "column")
    check_free_memory(label, max(n_bytes, least), f"has {rows} and {columns}, and ")


def read_arrow(source, options, note):
    """Read an Arrow file, an Arrow stream, or Feather."""
    pa = import_pyarrow()
    import pyarrow.feather

    check_free_memory(source.label, source.size or source.stored_size)
    errors = pa.ArrowException, OSError, UnicodeDecodeError
    with expect_readable(source.label, "Feather or Arrow file", errors=errors):
        file = source.for_pyarrow()
        if source.read_start(4) == STREAM:
            opened = pa.OSFile(file) if isinstance(file, str) else file
            table = pa.ipc.open_stream(opened).read_all()
        else:
            table = pyarrow.feather.read_table(file)
        table.validate(full=True)
        check_width(source.label, len(table.column_names))
        return table


def to_array(values, to_text):
    """Return values of Python as an Arrow array: of numbers or another type if all are, else of texts.

    Whole numbers beside others are texts, too, if float64 does not hold them.
    """
    pa = import_pyarrow()
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int, float} and not any(map(is_wide_integer, values)):
        return pa.array([None if value is None else float(value) for value in values])
    if len(kinds) <= 1:
        try:
            return pa.array(values)
        except (pa.ArrowException, OverflowError):
            pass
    return pa.array([None if value is None else to_text(value) for value in values], pa.string())


# ---- Parquet files that need not fit in memory ----

BATCH_BYTES = 2e6  # of the numbers of a batch, at 8 bytes each
MIN_ROWS = 256  # of a batch
BUFFER_BYTES = 1 << 16  # read from a file at a time
WHOLE = re.compile(r"[+-]?\d{1,18}")
MOST_ROWS = 20_000  # of a part of a table whose texts are looked at
PART_BYTES = 50e6  # of the values of a part, as `check_text_memory` estimates them
TRAINING_VALUES = 200_000  # of a part that is encoded for training
INDEX = "__index_level_"  # how the names of index columns begin that pandas writes


class ParquetFiles:
    """A Parquet file, or the Parquet files of a folder in the order of their names.

    Folders such as ``year=2024`` in it add a column.

    Parameters
    ----------
    path : str or path-like
    note : callable, optional
        Called with a text for each guess.

    Attributes
    ----------
    schema : pyarrow.Schema
        That of the first file, with different names.
    names : list of str
        Names of the columns, without the index of a pandas DataFrame.
    types : dict of str: pyarrow.DataType
    n_rows : int
    """

    def __init__(self, path, note=lambda text: None):
        self.path = os.fsdecode(path)
        parts = _find_parts(self.path, note)
        self.files = [part.path for part in parts]
        self.n_rows = 0
        self._first_rows: list = []  # of each file
        first: Any = None  # the schema of the first file
        for file in self.files:
            with _open(file) as parquet:
                check_width(file, len(parquet.schema_arrow.names))
                schema = parquet.schema_arrow
                self._first_rows.append(self.n_rows)
                self.n_rows += parquet.metadata.num_rows
            if first is None:
                first = schema
            elif not schema.equals(first):  # the metadata may differ
                raise TableError(
                    "{what}.",
                    "Pass files with the same columns and types.",
                    place=file,
                    what=_other_columns(schema, self.files[0], first),
                )
        names = unique_names(self.path, first.names, note)
        fields = [field.with_name(name) for field, name in zip(first, names)]
        self.schema = import_pyarrow().schema(fields, metadata=first.metadata)
        self._stored = dict(zip(names, first.names))
        self._keys = self._read_keys(parts)
        self.names = [name for name in self.schema.names if not name.startswith(INDEX)]
        self.types = {name: self.schema.field(name).type for name in self.names}

    def _read_keys(self, parts):
        """Return {file: {column: value}} of the columns that folders tell. Add their types."""
        pa = import_pyarrow()
        types = {
            key: _key_type([part.keys[key] for part in parts])
            for key in parts[0].keys
            if key not in self._stored
        }
        for key, kind in types.items():
            self.schema = self.schema.append(pa.field(key, kind))
        return {
            part.path: {key: pa.scalar(part.keys[key]).cast(kind) for key, kind in types.items()}
            for part in parts
        }

    def batches(self, names, rows=None):
        """Read the rows once, and yield the file, the number of its first row there, and each batch.

        Parameters
        ----------
        names : list of str
            The columns to read.
        rows : int, optional
            Most rows of a batch. By default as many as take BATCH_BYTES.

        Yields
        ------
        file : str
        first : int
        batch : pyarrow.RecordBatch
        """
        pa = import_pyarrow()
        rows = rows or max(MIN_ROWS, int(BATCH_BYTES / (8 * len(names))))
        in_file = [name for name in names if name in self._stored]
        stored, chosen = self._choose_stored(in_file)
        for file in self.files:
            first = 0
            with _open(file) as parquet:
                try:
                    for batch in parquet.iter_batches(rows, columns=stored, use_threads=False):
                        columns = dict(zip(in_file, map(batch.column, chosen)))
                        for key, value in self._keys[file].items():
                            columns[key] = pa.repeat(value, len(batch))
                        arrays = [columns[name] for name in names]
                        yield file, first, pa.RecordBatch.from_arrays(arrays, names)
                        first += len(batch)
                except (pa.ArrowException, OSError) as error:
                    raise TableError(
                        "cannot be read after row {first:,} ({reason}).",
                        "Download or create it again.",
                        place=file,
                        first=first,
                        reason=reason(error),
                    ) from None

    def _choose_stored(self, names):
        """Return the names of the columns to read of a file, None for all, and the numbers of those that
        have `names`."""
        stored = list(self._stored.values())
        if names and len(set(stored)) == len(stored):
            return [self._stored[name] for name in names], range(len(names))
        # Names do not tell the columns apart, or only folders tell the columns.
        return None, [self.schema.get_field_index(name) for name in names]

    def locate(self, row):
        """Return the file that holds a row (counted from 0), and the number of the row there."""
        i = bisect.bisect_right(self._first_rows, row) - 1
        return self.files[i], row - self._first_rows[i]

    def check_name(self, argument, name):
        """Check that a column exists."""
        if name not in self.types:
            raise TableError(
                "{argument} names a column that {path} does not have.",
                "{did_you_mean}",
                argument=Argument(argument, name),
                column=name,
                path=self.path,
                did_you_mean=did_you_mean(name, self.names),
            )


class ParquetTable:
    """The table of a Parquet file, or of a folder of them, that is read in parts.

    The parts have the types that `files.read` gives the whole table.

    Parameters
    ----------
    path : str
    text_columns : collection of str
        Columns whose texts stay texts, even if they look like numbers.
    na : list of str or number
        Further values that mean missing.
    keep : collection of str
        Columns that are not left out, even if they are the index of a pandas DataFrame.
    note : callable
        Called with a text for each guess.

    Attributes
    ----------
    names : list of str
    n_rows : int
    """

    def __init__(self, path, text_columns, na, keep, note):
        self._files, self._path, self._na = ParquetFiles(path, note), path, na
        self._text_columns, self._note = text_columns, note
        schema, self.n_rows = self._files.schema, self._files.n_rows
        tidy.check_not_empty(path, schema.names, self.n_rows)
        left_out = dict.fromkeys(tidy.pandas_index(schema.empty_table()), tidy.PANDAS_INDEX)
        first = schema.names[0]
        if not left_out and first in tidy.NAMES_OF_ROW_NUMBERS and self._numbers_rows(first):
            left_out[first] = tidy.ROW_NUMBERS
        left_out = {name: what for name, what in left_out.items() if name not in keep}
        tidy.note_left_out(path, left_out, note)
        self.names = [name for name in schema.names if name not in left_out]
        self._numbers: dict = {}  # texts that are numbers

    def _numbers_rows(self, name):
        parts = [batch.column(0) for _, _, batch in self._files.batches([name])]
        return tidy.numbers_rows(import_pyarrow().chunked_array(parts))

    def select(self, names):
        """Say which columns `parts` reads. Look at all their texts that may be numbers."""
        self._selected = names
        empty = tidy.simplify_types(self._files.schema.empty_table().select(names))
        found = tidy.find_texts(empty.schema, self._text_columns, ".")
        if found:
            for _, _, table in self._batches(list(found)):
                for name, numbers in found.items():
                    numbers.add(table.column(name))
        tidy.note_marks(self._path, found, self._note)
        self._numbers = found

    def parts(self, most_rows=None, for_training=False):
        """Yield the file, the number of its first row there, and the table of each part.

        A part takes at most PART_BYTES.

        most_rows : int, optional
            Most rows of a part.
        for_training : bool, default False
            Whether a part has at most TRAINING_VALUES values, instead of `most_rows` rows.
        """
        if for_training:
            most_rows = max(1, TRAINING_VALUES // len(self._selected))
        for file, first, table in self._batches(self._selected, most_rows):
            yield file, first, tidy.convert_marks(table, self._numbers)

    def _batches(self, names, most_rows=MOST_ROWS):
        pa = import_pyarrow()
        rows = max(1, int(PART_BYTES / (BYTES_PER_VALUE * max(1, len(names)))))
        rows = rows if most_rows is None else min(most_rows, rows)
        for file, first, batch in self._files.batches(names, rows):
            table = tidy.simplify_types(pa.Table.from_batches([batch]))
            yield file, first, tidy.remove_values(table, self._na)


class ParquetGroups:
    """Row groups ``(X, y)`` or ``(X, y, sample_weight)`` of the numeric columns of Parquet files.

    Parameters
    ----------
    path : str or path-like
        A file, or a folder of files, which are read in the order of their names.
    target : str or list of str
        The columns of y. All others are inputs, in the order of the file.
    sample_weight : str, optional
        The column of weights.
    """

    def __init__(self, path, target, sample_weight=None):
        self.files = files = ParquetFiles(path)
        targets = [target] if isinstance(target, str) else list(target)
        for name in targets:
            files.check_name("y", name)
        if sample_weight is not None:
            files.check_name("sample_weight", sample_weight)
        used = {*targets, sample_weight}
        self.inputs = [name for name in files.names if name not in used]
        self.target, self.sample_weight, self.targets = target, sample_weight, targets
        self.columns = [*self.inputs, *targets, *([sample_weight] if sample_weight else [])]
        self.where = ""  # the rows that were read last, for error messages
        if not self.inputs:
            raise TableError(
                "has no columns besides {argument}.",
                "Inputs are needed.",
                argument="y",
                place=files.path,
            )
        for name in self.columns:
            _check_is_number(files.path, name, files.types[name])

    def __iter__(self):
        for file, first, batch in self.files.batches(self.columns):
            self.where = describe_rows(file, first, len(batch))
            columns = {
                name: _to_numbers(file, first, name, batch.column(i))
                for i, name in enumerate(self.columns)
            }
            X = _to_matrix([columns[name] for name in self.inputs])
            if isinstance(self.target, str):
                y = columns[self.target]
            else:
                y = _to_matrix([columns[name] for name in self.targets])
            yield (X, y, columns[self.sample_weight]) if self.sample_weight else (X, y)

    def describe_group(self, i, first):
        """Return how messages call the group that was read last."""
        return self.where


def describe_rows(file, first, n):
    """Return what messages call n rows of a file."""
    return f"{file}, rows {first} to {first + n - 1}"


def _find_parts(path, note):
    """Return the FolderFiles of a path: itself, or the Parquet files of a folder."""
    if not os.path.isdir(path):
        return [FolderFile(path)]
    if not holds_parquet(path):
        raise TableError(
            "is a folder without Parquet files.", "Pass a folder with files *.parquet.", place=path
        )
    return list_parts(path, note)


def _key_type(values):
    """Return the type of a column that folders tell: whole numbers if all values are."""
    pa = import_pyarrow()
    present = [value for value in values if value is not None]
    are_whole = present and all(WHOLE.fullmatch(value) for value in present)
    return pa.int64() if are_whole else pa.string()


def _open(file):
    pa = import_pyarrow()
    if not os.path.exists(file):
        raise TableError("there is no such file.", "Pass a Parquet file or a folder.", place=file)
    advice = "Pass a Parquet file, or a folder of them."
    with expect_readable(file, "Parquet file", advice, (pa.ArrowException, OSError)):
        return pa.parquet.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False)


def _other_columns(schema, first_file, first):
    """Return how the columns of a file differ from those of the first."""
    for name in (*schema.names, *first.names):
        types = [
            str(s.field(name).type) if s.names.count(name) == 1 else "missing"
            for s in (schema, first)
        ]
        if types[0] != types[1]:
            return f"column {printable(name)!r} is {types[0]}, but {types[1]} in {first_file}"
    return f"the columns have another order than in {first_file}"


def _check_is_number(path, name, type):
    """Check that a column holds numbers or Booleans."""
    types = import_pyarrow().types
    kinds = types.is_integer, types.is_floating, types.is_boolean, types.is_decimal
    if not any(is_kind(type) for is_kind in kinds):
        raise TableError(
            "column {column!r} holds {type}, not numbers.",
            "Encode it as numbers, or write a file without it.",
            column=printable(name),
            place=path,
            type=type,
        )


def _to_numbers(file, first, name, column):
    """Return an Arrow array of numbers or Booleans as a NumPy array."""
    if column.null_count:
        row = first + int(column.is_null().to_numpy(zero_copy_only=False).argmax())
        raise TableError(
            "column {column!r} has missing values (first in {row}).",
            "Fill them, or leave out these rows.",
            column=printable(name),
            row=row,
            place=file,
        )
    values = column.to_numpy(zero_copy_only=False)
    return values.astype(np.float64) if values.dtype == object else values  # decimals


def _to_matrix(columns):
    """Return columns as a matrix (n, m) of float32 if all are, else float64."""
    narrow = all(column.dtype in (np.float16, np.float32) for column in columns)
    X = np.empty((len(columns[0]), len(columns)), np.float32 if narrow else np.float64)
    for j, column in enumerate(columns):
        X[:, j] = column
    return X


# ---- write ----

GROUP_ROWS, GROUP_BYTES = 1 << 20, 64e6  # with which a row group of a Parquet file ends


class ParquetWriter(AbstractContextManager):
    """Collects tables until they are a row group."""

    def __init__(self, file, extension, quoted):
        self._file = file
        self._writer = None
        self._tables: list = []
        self._n_rows = self._n_bytes = 0

    def write(self, table):
        self._tables.append(table)
        self._n_rows += table.num_rows
        self._n_bytes += table.nbytes
        if self._n_rows >= GROUP_ROWS or self._n_bytes >= GROUP_BYTES:
            self._write_group()

    def _write_group(self):
        pa = import_pyarrow()
        if self._writer is None:
            self._writer = pa.parquet.ParquetWriter(self._file, self._tables[0].schema)
        self._writer.write_table(pa.concat_tables(self._tables))
        self._tables = []
        self._n_rows = self._n_bytes = 0

    def __exit__(self, kind, *error):
        try:
            if kind is None and self._tables:
                self._write_group()
        finally:
            if self._writer is not None:
                self._writer.close()
