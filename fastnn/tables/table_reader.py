"""Read a table from a file or from the files of a folder, and say where a row is.

`read_source` reads a file by the function of its format, a row of `formats.FORMATS`.
"""

import bisect
import os
from dataclasses import dataclass, replace
from typing import Any

from ..core.messages import join, plural, printable, reason
from . import (
    column_names,
    encoding_guess,
    folders,
    formats,
    parquet_files,
    table_source,
    text_files,
    tidy,
)
from .addresses import is_address
from .table_errors import TableError, import_pyarrow
from .wide_numbers import are_wide

MAX_NOTES = 5  # of the files of a folder
FEW_COLUMNS = 0.5  # share of the columns of a file that the first file must have


@dataclass
class RawTable:
    """A table before its types are tidied.

    Attributes
    ----------
    table : pyarrow.Table
    decimal : {".", ","}
        The decimal mark of its texts.
    has_spaces : bool
        Whether there are spaces around all values.
    encoding : str or None
        Of a text file.
    """

    table: Any
    decimal: str = "."
    has_spaces: bool = False
    encoding: str | None = None


class TableReader:
    """A table in a file, or in the files of a folder.

    Parameters
    ----------
    path : str
    options : ReadOptions
    keep : collection of str
        Columns that are not left out.

    Attributes
    ----------
    guessed_encoding : str or None
        The encoding of a file that has been read, if it was guessed.
    """

    guessed_encoding: str | None = None

    def __init__(self, path, options, keep=()):
        self.path, self.options, self.keep = path, options, keep
        self._first_rows: list = []  # of each file of a folder
        self._parts: list = []

    @property
    def is_folder(self):
        return self.path != "-" and os.path.isdir(self.path)

    def read(self, note):
        """Return the pyarrow Table. note(text) is called for each guess."""
        label = self.path if self.is_folder else None
        if self.is_folder and folders.holds_parquet(self.path):
            _check_options(self.options, formats.PARQUET, self.path)
            return self._read_parquet(note)
        if self.is_folder:
            raw = self._read_folder(note)
        else:
            source = table_source.find(self.path)
            import_pyarrow()  # takes longer than to find that there is no file
            label, raw = source.label, read_source(source, self.options, note)
            self._set_encoding(raw)
        return self._tidy(label, raw, note)

    def _tidy(self, label, raw, note):
        table, options = raw.table, self.options
        tidy.check_shape(label, table.column_names, table.num_rows)
        names = column_names.find(label, table.column_names, note)
        if names != table.column_names:
            metadata = table.schema.metadata
            table = table.rename_columns(names).replace_schema_metadata(metadata)
        table = tidy.simplify_types(tidy.drop_index(label, table, self.keep, note))
        if raw.has_spaces:
            table = tidy.trim(table)
            note(f"{label}: spaces around the values removed")
        texts = tidy.remove_values(table, options.na)
        table = tidy.read_marks(label, texts, options.text_columns, raw.decimal, note)
        if raw.decimal == ",":  # which other media of the same numbers do not tell
            table = tidy.keep_decimal_comma(table, texts)
        return table

    def _set_encoding(self, raw):
        if self.options.encoding is None and raw.encoding in encoding_guess.NAMES:
            self.guessed_encoding = raw.encoding

    def locate(self, row):
        """Return the file that holds a row (counted from 0), and 'line N' or 'row N' of it."""
        if not self.is_folder:
            return self.path, self._locate(self.path, row)
        if folders.holds_parquet(self.path):
            file, row = parquet_files.ParquetFiles(self.path).locate(row)
            return file, f"row {row + 1}"
        if not self._parts:
            self._read_folder(lambda text: None)
        i = bisect.bisect_right(self._first_rows, row) - 1
        path = self._parts[i].path
        return path, self._locate(path, row - self._first_rows[i])

    def _locate(self, path, row):
        """Return 'line N' for a row of a file, or 'row N' if it is not a text file.

        Lines count as in a text editor, including blank lines and line breaks in quoted values.
        """
        try:
            if path != "-" and not is_address(path):
                source = table_source.find(path)
                if not source.format.reads:
                    line = text_files.find(source, self.options).locate(row)
                    if line is not None:
                        return f"line {line}"
        except (OSError, TableError, *table_source.DAMAGE):
            pass
        return f"row {row + 1}"

    # ---- folders ----

    def _read_parquet(self, note):
        options = self.options
        table = parquet_files.ParquetTable(
            self.path, options.text_columns, options.na, self.keep, note
        )
        table.select(table.names)
        parts = [part for _, _, part in table.parts(for_training=True)]
        return import_pyarrow().concat_tables(parts)

    def _read_folder(self, note):
        """Return the RawTable of all files. Columns that some of them do not have are filled."""
        self._parts = folders.find(self.path, note)
        notes = _FileNotes(self.path, note)
        raws = [self._read_part(part, self.options, notes) for part in self._parts]
        texts = _other_types([raw.table for raw in raws])
        if texts:
            columns = _Either(texts, self.options.text_columns)
            options = replace(self.options, text_columns=columns)
            raws = [self._read_part(part, options, _ignore) for part in self._parts]
        notes.tell()
        self._first_rows, n = [], 0
        for raw in raws:
            self._first_rows.append(n)
            n += raw.table.num_rows
        decimal = "," if any(raw.decimal == "," for raw in raws) else "."
        table = self._join([raw.table for raw in raws], texts, note)
        return RawTable(table, decimal, any(raw.has_spaces for raw in raws))

    def _read_part(self, part, options, note):
        pa = import_pyarrow()
        source = table_source.find(part.path)
        raw = read_source(source, options, note)
        self._set_encoding(raw)
        names = column_names.find(source.label, raw.table.column_names, note)
        table = raw.table.rename_columns(names).replace_schema_metadata(raw.table.schema.metadata)
        table = tidy.simplify_types(tidy.drop_index(source.label, table, self.keep, note))
        table = table.replace_schema_metadata(None)
        for name, value in part.keys.items():
            if name not in names:
                values = pa.repeat(pa.scalar(value, pa.string()), table.num_rows)
                table = table.append_column(name, values)
        return replace(raw, table=table)

    def _join(self, tables, texts, note):
        """Return the rows of all tables, with the columns of all."""
        pa = import_pyarrow()
        types: dict = {}
        for table in tables:
            for column in table.schema:
                types[column.name] = _common_type(pa, types.get(column.name), column.type)
        types |= {name: pa.string() for name in texts}
        joined = []
        without: dict = {}
        for part, table in zip(self._parts, tables):
            missing = [name for name in types if name not in table.column_names]
            n_shared = sum(name in tables[0].column_names for name in table.column_names)
            if n_shared < FEW_COLUMNS * table.num_columns:
                raise TableError(
                    "has other columns than {first}: {names}.",
                    "Pass a folder whose files have the same columns.",
                    place=part.path,
                    first=printable(self._parts[0].path, 80),
                    names=join(table.column_names, 4),
                )
            for name in missing:
                without.setdefault(name, []).append(part.path)
            columns = [
                _cast(pa, table.column(name), kind)
                if name in table.column_names
                else pa.nulls(table.num_rows, kind)
                for name, kind in types.items()
            ]
            joined.append(pa.Table.from_arrays(columns, list(types)))
        for name, files in without.items():
            note(
                f"{self.path}: {plural(len(files), 'file')} of {len(tables):,}, such as "
                f"{printable(files[0], 80)}, without column {printable(name)!r}: its values are "
                "missing"
            )
        return pa.concat_tables(joined)


class _Either:
    """The names in one of two collections, which need not tell all they have."""

    def __init__(self, *collections):
        self.collections = collections

    def __contains__(self, name):
        return any(name in each for each in self.collections)


class _FileNotes:
    """Notes about the files of a folder: what is the same in several files is told once."""

    def __init__(self, folder, note):
        self.folder, self.note = folder, note
        self.texts: dict = {}

    def __call__(self, text):
        folder, file = os.path.join(self.folder, ""), ""
        if str(text).startswith(folder):
            file, _, what = str(text).partition(": ")
        else:
            what = str(text)
        self.texts.setdefault(what, []).append((file, text))

    def tell(self):
        for told in list(self.texts.values())[:MAX_NOTES]:
            self.note(told[0][1])
            if len(told) > 1:
                self.note(f"{self.folder}: the same in {plural(len(told) - 1, 'other file')}")
        more = len(self.texts) - MAX_NOTES
        if more > 0:
            self.note(f"{self.folder}: {plural(more, 'more note')} about its files")


def _ignore(text):
    pass


def _other_types(tables):
    """Return the names of columns that have other types in some files, which numbers cannot unite."""
    pa = import_pyarrow()
    types: dict = {}
    for table in tables:
        for field in table.schema:
            types.setdefault(field.name, set()).add(field.type)
    numbers = {pa.int64(), pa.float64()}
    others = []
    for name, kinds in types.items():
        kinds -= {pa.null()}
        are_numbers = kinds <= numbers
        if len(kinds) > 1 and are_numbers:
            columns = [table[name] for table in tables if name in table.column_names]
            are_numbers = not any(c.type == pa.int64() and are_wide(c) for c in columns)
        if len(kinds) > 1 and not are_numbers:
            others.append(name)
    return others


def _common_type(pa, a, b):
    if a is None or a == pa.null() or a == b:
        return b
    return a if b == pa.null() else pa.float64()


def _cast(pa, column, kind):
    try:
        return column if column.type == kind else column.cast(kind)
    except pa.ArrowException:  # objects as texts
        values = [None if x is None else str(x) for x in column.to_pylist()]
        return pa.chunked_array([pa.array(values, kind)])


# ---- files ----


def read_source(source, options, note):
    """Return the RawTable of a TableSource."""
    try:
        _check_options(options, source.format, source.label)
        if source.format.reads:
            return RawTable(formats.load(source.format.reads)(source, options, note))
        text = text_files.find(source, options, note)
        table = text_files.read(text, options, note)
        return RawTable(table, text.layout.decimal, text.layout.has_spaces, text.encoding)
    except table_source.DAMAGE as error:
        raise table_source.explain_damage(source, error) from None
    except OSError as error:
        if source.compression == "zst":
            raise table_source.explain_damage(source, error) from None
        problem = error.strerror or reason(error)
        raise TableError("{problem}.", place=source.label, problem=problem) from None


def _check_options(options, format, place):
    """Raise TableError if an option is for files of other formats."""
    if options.sheet is not None and format.option != "sheet":
        raise TableError(
            "is not an {formats} file, so it has no sheet {sheet!r}.",
            argument="sheet",
            place=place,
            formats=formats.names("sheet"),
            sheet=options.sheet,
        )
    if options.sql is not None and format.option != "sql":
        raise TableError(
            "is not an {formats} file, so {name} cannot be used.",
            "Leave it out.",
            argument="sql",
            place=place,
            formats=formats.names("sql"),
        )
