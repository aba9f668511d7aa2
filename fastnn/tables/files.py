"""Read and write tables (needs pyarrow, the extra `cli`).

A file that cannot be used raises a `TableError`: one line that names the file, the line or the
column, and says what to do.
"""

from __future__ import annotations

import bisect
import contextlib
import gzip
import os
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any

from ..core.messages import join, plural, printable, reason, warn
from ..core.validation import check_function, check_list, check_path, refuse_classes
from ..files.replacing import replacing
from . import formats, tidy
from .arrow_files import ParquetFiles, ParquetTable
from .cells.numbers import are_wide
from .column_layout import ReadOptions, unique_names
from .encodings import ENCODING_NAMES
from .errors import TableError, import_pyarrow
from .limits import MAX_COLUMNS
from .source import DAMAGE, explain_damage, holds_parquet, is_address, list_parts, open_source
from .text_files import detect, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ..typing import Path


__all__ = [
    "MAX_COLUMNS",
    "TableError",
    "TableWarning",
    "import_pyarrow",
    "locate",
    "read",
    "write",
]
MAX_NOTES = 5  # of the files of a folder
FEW_COLUMNS = 0.5  # share of the columns of a file that the first file must have


class TableWarning(UserWarning):
    """A guess that changes what is read from a table."""


# ---- read ----


def read(
    path: Path,
    text_columns: Collection[str] = (),
    *,
    sep: str | None = None,
    encoding: str | None = None,
    header: bool = True,
    na: Collection[str | float] = (),
    decimal: str | None = None,
    comment: str | None = None,
    sheet: str | int | None = None,
    keep: Collection[str] = (),
    skip_bad_lines: bool = False,
    sql: str | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Any:
    """Read a table from a file, such as CSV, JSON, Excel, Feather, Parquet or SQLite.

    The first bytes of the file decide what it is. Text files can be compressed (gz, bz2, xz, zst, or
    zip with one file). A folder holds one table in several files, which are read in the order of
    their names; subfolders such as ``year=2024`` add a column.

    Parameters
    ----------
    path : str or path
        "-" is standard input. Addresses are read, too: https://, and with fsspec s3:// and others.
    text_columns : collection of str, default ()
        Columns to read as text, even if their values look like numbers or dates. (A column was text
        in training, but the rows to predict contain only its numeric values.)
    sep : str, optional
        The character between the values of a text file. By default a comma, tab, semicolon,
        vertical bar or spaces, whatever fits the first lines.
    encoding : str, optional
        By default UTF-8, UTF-16 with a byte order mark, or another encoding with a note.
    header : bool, default True
        Whether the first line contains the column names. Otherwise they are column_1, column_2, ...
    na : collection of str or number, default ()
        Further values that mean missing, such as -999.
    decimal : {".", ","}, optional
        By default a comma, with a note, if the first lines contain numbers such as 1,5 and the
        separator is not a comma.
    comment : str, optional
        Leave out the lines of a text file that begin with this text.
    sheet : str or int, optional
        Name or number (from 1) of the sheet of a spreadsheet. By default the first.
    keep : collection of str, default ()
        Columns that are not left out, even if they look like the index of a pandas DataFrame.
    skip_bad_lines : bool, default False
        Leave out the lines of a text file that have more values than there are columns, with a
        note. By default they are an error. (Lines with fewer values are filled with missing ones.)
    sql : str, optional
        A query of an SQLite or DuckDB file, such as "SELECT * FROM orders". By default its only
        table is read.
    on_note : function, optional
        Called with a text for each guess that changes what is read. By default a `TableWarning` is
        issued.

    Returns
    -------
    pyarrow.Table
        Has at least one row and one column, unique column names, and text as plain strings.

    Raises
    ------
    TableError
        The file cannot be read, does not hold a table, or needs more memory than is available. The
        message is one line that names the file and the line, and says what to do.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastnn import tables
    >>> path = os.path.join(tempfile.mkdtemp(), "flats.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("area;rent\\n50;600\\n70;?\\n")
    >>> tables.read(path).to_pydict()
    {'area': [50, 70], 'rent': [600, None]}
    """
    check_function("on_note", on_note)
    na = [na] if isinstance(na, (str, int, float)) else check_list("na", na)
    options = ReadOptions(
        text_columns=text_columns,
        sep=sep,
        encoding=encoding,
        header=header,
        na=na,
        decimal=decimal,
        comment=comment,
        sheet=sheet,
        skip_bad_lines=skip_bad_lines,
        sql=sql,
    )
    return _read(path, options, keep, on_note)


def read_like(path, text_columns, likely_decimal):
    """Read a file as `read` does, if similar ones are known.

    text_columns : as in `read`; likely_decimal : their decimal mark, or None
    """
    return _read(path, ReadOptions(text_columns=text_columns, likely_decimal=likely_decimal))


def _read(path, options, keep=(), on_note=None):
    notes: list = []
    note = notes.append if on_note is None else on_note
    table = TableReader(os.fsdecode(check_path("path", path)), options, keep).read(note)
    for text in notes:
        warn(text, TableWarning)
    return table


def locate(path, row, **options):
    """Return 'line N' for a row of a file (counted from 0), or 'row N' if it is not a text file.

    Of a folder, return the file, too. `options` are those of `read` that say how a text file is
    written.
    """
    file, place = TableReader(os.fsdecode(path), ReadOptions(**options)).locate(row)
    return place if file == path else f"{file}, {place}"


# ---- write ----


def check_extension(path):
    """Raise TableError if the file extension is unknown."""
    if formats.find_written(path) is None:
        known = formats.written_extensions()
        raise TableError("unknown file extension.", "Use {known}.", place=str(path), known=known)


@contextlib.contextmanager
def writing(path, quoted=None):
    """Open a table file that is written completely or not at all.

    Parameters
    ----------
    path : str or path-like
        The file extension determines the format, as in `files.write`.
    quoted : bool, optional
        As in `to_csv`.

    Yields
    ------
    function
        write(table) appends the rows of a pyarrow.Table. If the block ends without an exception,
        they replace the file.

    Raises
    ------
    TableError
        The extension is unknown, or the file cannot be written.
    """
    check_extension(path)
    name = os.path.basename(os.path.realpath(path))  # of a link, the file that is written
    form = formats.find_written(name) or formats.CSV
    try:
        with replacing(path) as file, contextlib.ExitStack() as stack:
            if name.endswith(".gz"):
                file = stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0))
            writer = formats.load_function(form.writes)(file, formats.extension(name), quoted)
            yield stack.enter_context(writer).write
    except OSError as error:
        what = error.strerror or reason(error)
        raise TableError("cannot be written: {what}", place=str(path), what=what) from None


def write(path: Path, columns: Mapping[str, Any]) -> None:
    """Write a table to a file, completely or not at all.

    Parameters
    ----------
    path : str or path-like
        The file extension determines the format, such as .csv, .tsv, .jsonl (an object in each
        line), .json (an array of objects) or .parquet. All but .parquet can end in .gz.
    columns : dict of str to array_like (n,)
        The columns by name.

    Raises
    ------
    TableError
        The extension is unknown, or the file cannot be written. An existing file is not changed.
    ValueError
        The columns do not have the same length, or a column mixes types.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastnn import tables
    >>> path = os.path.join(tempfile.mkdtemp(), "flats.csv.gz")
    >>> tables.write(path, {"area": [50.5, 70.0], "district": ["north", "centre"]})
    >>> tables.read(path).column_names
    ['area', 'district']
    """
    pa = import_pyarrow()
    refuse_classes(columns=columns)
    try:
        table = pa.table(columns)
    except (pa.ArrowException, TypeError) as error:
        raise ValueError(
            f"columns do not make a table ({reason(error)}). Pass arrays of the same length."
        ) from None
    with writing(check_path("path", path)) as write_rows:
        write_rows(table)


# ---- one file, or the files of a folder ----


@dataclass
class _RawTable:
    """A table before its types are tidied.

    Attributes
    ----------
    table : pyarrow.Table
    decimal : {".", ","}
        The decimal mark of its texts.
    has_spaces : bool
        Whether there are spaces around all values.
    """

    table: Any
    decimal: str = "."
    has_spaces: bool = False


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
        if self.is_folder and holds_parquet(self.path):
            _check_options(self.options, formats.PARQUET, self.path)
            return self._read_parquet(note)
        if self.is_folder:
            return self._tidy(self.path, self._read_folder(note), note)
        source = open_source(self.path)
        import_pyarrow()  # takes longer than to find that there is no file
        return self._tidy(source.label, self._read_source(source, self.options, note), note)

    def _read_source(self, source, options, note):
        """Return the _RawTable of a TableSource."""
        try:
            _check_options(options, source.format, source.label)
            if source.format.reads:
                return _RawTable(formats.load_function(source.format.reads)(source, options, note))
            text = detect(source, options, note)
            table = read_text(text, options, note)
            if options.encoding is None and text.encoding in ENCODING_NAMES:
                self.guessed_encoding = text.encoding
            return _RawTable(table, text.layout.decimal, text.layout.has_spaces)
        except DAMAGE as error:
            raise explain_damage(source, error) from None
        except OSError as error:
            if source.compression == "zst":
                raise explain_damage(source, error) from None
            problem = error.strerror or reason(error)
            raise TableError("{problem}.", place=source.label, problem=problem) from None

    def _tidy(self, label, raw, note):
        table, options = raw.table, self.options
        tidy.check_not_empty(label, table.column_names, table.num_rows)
        table = _rename(label, table, note)
        table = tidy.simplify_types(tidy.drop_index(label, table, self.keep, note))
        if raw.has_spaces:
            table = tidy.trim(table)
            note(f"{label}: spaces around the values removed")
        texts = tidy.remove_values(table, options.na)
        table = tidy.read_marks(label, texts, options.text_columns, raw.decimal, note)
        if raw.decimal == ",":  # which other media of the same numbers do not tell
            table = tidy.keep_decimal_comma(table, texts)
        return table

    def locate(self, row):
        """Return the file that holds a row (counted from 0), and 'line N' or 'row N' of it."""
        if not self.is_folder:
            return self.path, self._locate(self.path, row)
        if holds_parquet(self.path):
            file, row = ParquetFiles(self.path).locate(row)
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
                source = open_source(path)
                if not source.format.reads:
                    line = detect(source, self.options).locate(row)
                    if line is not None:
                        return f"line {line}"
        except (OSError, TableError, *DAMAGE):
            pass
        return f"row {row + 1}"

    # ---- folders ----

    def _read_parquet(self, note):
        options = self.options
        table = ParquetTable(self.path, options.text_columns, options.na, self.keep, note)
        table.select(table.names)
        parts = [part for _, _, part in table.parts(for_training=True)]
        return import_pyarrow().concat_tables(parts)

    def _read_folder(self, note):
        """Return the _RawTable of all files. Columns that some of them do not have are filled."""
        self._parts = list_parts(self.path, note)
        notes = _FileNotes(self.path, note)
        raws = [self._read_part(part, self.options, notes) for part in self._parts]
        texts = _find_mixed([raw.table for raw in raws])
        if texts:
            columns = _Either(texts, self.options.text_columns)
            options = replace(self.options, text_columns=columns)
            raws = [self._read_part(part, options, lambda text: None) for part in self._parts]
        notes.tell()
        tables = [raw.table for raw in raws]
        self._first_rows = list(accumulate((part.num_rows for part in tables[:-1]), initial=0))
        decimal = "," if any(raw.decimal == "," for raw in raws) else "."
        table = self._join(tables, texts, note)
        return _RawTable(table, decimal, any(raw.has_spaces for raw in raws))

    def _read_part(self, part, options, note):
        pa = import_pyarrow()
        source = open_source(part.path)
        raw = self._read_source(source, options, note)
        table = _rename(source.label, raw.table, note)
        names = table.column_names
        table = tidy.simplify_types(tidy.drop_index(source.label, table, self.keep, note))
        table = table.replace_schema_metadata(None)
        for name, value in part.keys.items():
            if name not in names:
                values = pa.repeat(pa.scalar(value, pa.string()), table.num_rows)
                table = table.append_column(name, values)
        return replace(raw, table=table)

    def _join(self, tables, texts, note):
        """Return the rows of all tables, with the columns of all. texts : columns to be texts"""
        first, names = set(tables[0].column_names), _all_names(tables)
        without: dict = {}  # {column: files that do not have it}
        for part, table in zip(self._parts, tables):
            if len(first & set(table.column_names)) < FEW_COLUMNS * table.num_columns:
                raise TableError(
                    "has other columns than {first}: {names}.",
                    "Pass a folder whose files have the same columns.",
                    place=part.path,
                    first=printable(self._parts[0].path, 80),
                    names=join(table.column_names, 4),
                )
            for name in names:
                if name not in table.column_names:
                    without.setdefault(name, []).append(part.path)
        for name, files in without.items():
            note(
                f"{self.path}: {plural(len(files), 'file')} of {len(tables):,}, such as "
                f"{printable(files[0], 80)}, without column {printable(name)!r}: its values are "
                "missing"
            )
        tables = [_with_texts(table, texts) for table in tables]
        return import_pyarrow().concat_tables(tables, promote_options="permissive")


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
        self.texts: dict = {}  # by what they say after the name of the file

    def __call__(self, text):
        what = str(text)
        if what.startswith(os.path.join(self.folder, "")):
            what = what.partition(": ")[2]
        self.texts.setdefault(what, []).append(text)

    def tell(self):
        for text, *others in list(self.texts.values())[:MAX_NOTES]:
            self.note(text)
            if others:
                self.note(f"{self.folder}: the same in {plural(len(others), 'other file')}")
        more = len(self.texts) - MAX_NOTES
        if more > 0:
            self.note(f"{self.folder}: {plural(more, 'more note')} about its files")


def _all_names(tables):
    return dict.fromkeys(chain.from_iterable(table.column_names for table in tables))


def _find_mixed(tables):
    """Return the names of columns that have other types in some files, which numbers cannot unite."""
    columns = {
        name: [table[name] for table in tables if name in table.column_names]
        for name in _all_names(tables)
    }
    return [name for name, parts in columns.items() if _are_mixed(parts)]


def _are_mixed(columns):
    pa = import_pyarrow()
    types = {column.type for column in columns} - {pa.null()}
    if types == {pa.int64(), pa.float64()}:
        return any(are_wide(column) for column in columns if column.type == pa.int64())
    return len(types) > 1


def _with_texts(table, names):
    """Return a table in which these columns are texts."""
    pa = import_pyarrow()
    for name in names:
        if name in table.column_names:
            column = table[name]
            try:
                column = column.cast(pa.string())
            except pa.ArrowException:  # objects
                values = [None if x is None else str(x) for x in column.to_pylist()]
                column = pa.array(values, pa.string())
            table = table.set_column(table.column_names.index(name), name, column)
    return table


def _rename(label, table, note):
    """Return a table with different names."""
    names = unique_names(label, table.column_names, note)
    return table.rename_columns(names).replace_schema_metadata(table.schema.metadata)


def _check_options(options, format, place):
    """Raise TableError if an option is for files of other formats."""
    if options.sheet is not None and format.option != "sheet":
        raise TableError(
            "is not an {formats} file, so it has no sheet {sheet!r}.",
            argument="sheet",
            place=place,
            formats=formats.format_names("sheet"),
            sheet=options.sheet,
        )
    if options.sql is not None and format.option != "sql":
        raise TableError(
            "is not an {formats} file, so {name} cannot be used.",
            "Leave it out.",
            argument="sql",
            place=place,
            formats=formats.format_names("sql"),
        )
