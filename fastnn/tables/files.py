"""Read and write tables (needs pyarrow, the extra `cli`).

A file that cannot be used raises a `TableError`: one line that names the file, the line or the
column, and says what to do.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from ..core.messages import reason, warn
from . import column_names, excel, memory, table_source, text_files, tidy
from .json_files import read_json_array, read_json_lines
from .layout import ReadOptions
from .memory import MAX_COLUMNS
from .table_errors import TableError, import_pyarrow
from .table_writer import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

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

ARROW_STREAM = b"\xff\xff\xff\xff"


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
    on_note: Callable[[str], None] | None = None,
) -> Any:
    """Read a table from a file: CSV, TSV, JSON, Excel, Feather or Parquet.

    The first bytes of the file decide what it is. Text files can be compressed (gz, bz2, xz, zst, or
    zip with one file).

    Parameters
    ----------
    path : str or path
        "-" is standard input.
    text_columns : collection of str, default ()
        Columns to read as text, even if their values look like numbers or dates. (A column was text
        in training, but the rows to predict contain only its numeric values.)
    sep : str, optional
        The character between the values of a text file. By default a comma, tab, semicolon,
        vertical bar or spaces, whatever fits the first lines.
    encoding : str, optional
        By default UTF-8, UTF-16 with a byte order mark, or Windows-1252 with a note.
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
        Name or number (from 1) of the sheet of an Excel file. By default the first.
    keep : collection of str, default ()
        Columns that are not left out, even if they look like the index of a pandas DataFrame.
    skip_bad_lines : bool, default False
        Leave out the lines of a text file that have more values than there are columns, with a
        note. By default they are an error. (Lines with fewer values are filled with missing ones.)
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
    notes: list = []
    note = notes.append if on_note is None else on_note
    na = [na] if isinstance(na, (str, int, float)) else list(na)
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
    )
    source = table_source.find(path)
    import_pyarrow()  # takes longer than to find that there is no file
    start = source.read_start()
    decimal_found, has_spaces = ".", False
    try:
        read_binary = _find_binary(start)
        if excel.is_excel(start):
            table = excel.read(source, options, note)
        elif sheet is not None:
            raise TableError(
                "is not an Excel file, so it has no sheet {sheet!r}.",
                argument="sheet",
                place=source.label,
                sheet=sheet,
            )
        elif read_binary:
            table = read_binary(source, encoding, note)
        else:
            text = text_files.find(source, options, note)
            table = text_files.read(text, options, note)
            decimal_found, has_spaces = text.layout.decimal, text.layout.has_spaces
    except table_source.DAMAGE as error:
        raise table_source.explain_damage(source, error) from None
    except OSError as error:
        if source.compression == "zst":
            raise table_source.explain_damage(source, error) from None
        problem = error.strerror or reason(error)
        raise TableError("{problem}.", place=source.label, problem=problem) from None
    label = source.label
    tidy.check_shape(label, table.column_names, table.num_rows)
    names = column_names.find(label, table.column_names, note)
    if names != table.column_names:
        metadata = table.schema.metadata
        table = table.rename_columns(names).replace_schema_metadata(metadata)
    table = tidy.simplify_types(tidy.drop_index(label, table, keep, note))
    if has_spaces:
        table = tidy.trim(table)
        note(f"{label}: spaces around the values removed")
    table = tidy.remove_values(table, na)
    table = tidy.read_marks(label, table, text_columns, decimal_found, note)
    for text in notes:
        warn(text, TableWarning)
    return table


def locate(path, row, **options):
    """Return 'line N' for a row of a file (counted from 0), or 'row N' if it is not a text file.

    Lines count as in a text editor, including blank lines and line breaks within quoted values.
    `options` are those of `read` that say how a text file is written.
    """
    try:
        source = table_source.find(path) if path != "-" else None
        if source is not None:
            start = source.read_start()
            if not excel.is_excel(start) and not _find_binary(start):
                line = text_files.find(source, ReadOptions(**options)).locate(row)
                if line is not None:
                    return f"line {line}"
    except (OSError, TableError, *table_source.DAMAGE):
        pass
    return f"row {row + 1}"


# ---- files that are not text ----


def _find_binary(start):
    """Return the reader of a file that begins with these bytes, or None for other text.

    It is called with the source, the encoding that the user names, and a function for notes.
    """
    if start.startswith(b"PAR1"):
        return _read_parquet
    if start.startswith((b"ARROW1", b"FEA1", ARROW_STREAM)):
        return _read_arrow
    text = start.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"").lstrip(b"\xff\xfe \t\r\n")
    if text.startswith(b"{"):
        return read_json_lines
    if text.startswith(b"[") and text[1:].lstrip()[:1] in (b"{", b"]", b"["):
        return read_json_array
    return None


def _read_parquet(source, encoding=None, note=None):
    pa = import_pyarrow()
    try:
        with pa.parquet.ParquetFile(source.for_pyarrow()) as file:
            memory.check_width(source.label, len(file.schema_arrow.names))
            memory.check_parquet(source.label, file.metadata)
            return file.read()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise TableError(
            "not a readable Parquet file ({reason}).",
            "Download or create it again.",
            place=source.label,
            reason=reason(error),
        ) from None


def _read_arrow(source, encoding=None, note=None):
    """Read an Arrow file, an Arrow stream, or Feather."""
    pa = import_pyarrow()
    import pyarrow.feather

    memory.check(source.label, source.size or source.stored_size)
    try:
        file = source.for_pyarrow()
        if source.read_start(4) == ARROW_STREAM:
            opened = pa.OSFile(file) if isinstance(file, str) else file
            table = pa.ipc.open_stream(opened).read_all()
        else:
            table = pyarrow.feather.read_table(file)
        table.validate(full=True)
        memory.check_width(source.label, len(table.column_names))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise TableError(
            "not a readable Feather or Arrow file ({reason}).",
            "Download or create it again.",
            place=source.label,
            reason=reason(error),
        ) from None
    return table


# ---- write ----


def write(path: Path, columns: Mapping[str, Any]) -> None:
    """Write a table to a file, completely or not at all.

    Parameters
    ----------
    path : str or path-like
        The file extension determines the format: .csv, .tsv or .parquet, or .csv.gz, .tsv.gz.
    columns : dict of str to array_like (n,)
        The columns by name.

    Raises
    ------
    TableError
        The extension is unknown, or the file cannot be written. An existing file is not changed.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastnn import tables
    >>> path = os.path.join(tempfile.mkdtemp(), "flats.csv.gz")
    >>> tables.write(path, {"area": [50.5, 70.0], "district": ["north", "centre"]})
    >>> tables.read(path).column_names
    ['area', 'district']
    """
    table = import_pyarrow().table(columns)
    with writing(path) as write_rows:
        write_rows(table)
