"""Read and write tables (needs pyarrow, the extra `cli`).

A file that cannot be used raises a `TableError`: one line that names the file, the line or the
column, and says what to do.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..core.messages import reason, warn
from .layout import ReadOptions
from .memory import MAX_COLUMNS
from .table_errors import TableError, import_pyarrow
from .table_reader import TableReader
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
        sql=sql,
    )
    table = TableReader(os.fsdecode(path), options, keep).read(note)
    _warn(notes)
    return table


def _warn(notes):
    for text in notes:
        warn(text, TableWarning)


def read_like(path, text_columns, likely_decimal):
    """Read a file as `read` does, if similar ones are known.

    text_columns : as in `read`; likely_decimal : their decimal mark, or None
    """
    notes: list = []
    options = ReadOptions(text_columns=text_columns, likely_decimal=likely_decimal)
    table = TableReader(os.fsdecode(path), options).read(notes.append)
    _warn(notes)
    return table


def locate(path, row, **options):
    """Return 'line N' for a row of a file (counted from 0), or 'row N' if it is not a text file.

    Of a folder, return the file, too. `options` are those of `read` that say how a text file is
    written.
    """
    file, place = TableReader(os.fsdecode(path), ReadOptions(**options)).locate(row)
    return place if file == path else f"{file}, {place}"


# ---- write ----


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
    try:
        table = pa.table(columns)
    except pa.ArrowException as error:
        raise ValueError(
            f"columns do not make a table ({reason(error)}). Pass arrays of the same length."
        ) from None
    with writing(path) as write_rows:
        write_rows(table)
