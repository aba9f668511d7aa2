"""Options that say how a table file is written, and the reading of a table with them."""

import os

from ..tables import files, parquet_files
from .common import print_note, resolve_table_path

#: Options of `fastnn.tables.read` that the command line has under the same name.
READ_OPTIONS = ("sep", "encoding", "na", "decimal", "comment", "sheet")


def add_table_options(parser):
    """Add the options of `fastnn.tables.read` to the parser of a command."""
    group = parser.add_argument_group("options of the table file")
    group.add_argument("--sep", metavar="CHAR", help="character between values; also tab or space")
    group.add_argument(
        "--encoding", metavar="NAME", help="encoding of a text file, such as latin-1 or utf-16"
    )
    group.add_argument(
        "--no-header",
        action="store_true",
        help="the first line holds values; the columns are column_1, column_2, ...",
    )
    group.add_argument(
        "--na",
        action="append",
        metavar="VALUE",
        help="another value that means missing, such as -999; can be repeated",
    )
    group.add_argument("--decimal", choices=(".", ","), metavar="MARK", help="decimal mark: . or ,")
    group.add_argument(
        "--comment", metavar="TEXT", help="leave out lines that begin with this text, such as #"
    )
    group.add_argument(
        "--sheet", metavar="SHEET", help="name or number of the sheet of an Excel file"
    )


def read_options(arguments):
    """Return the options of `fastnn.tables.read` that the command line has.

    Parameters
    ----------
    arguments : argparse.Namespace
        Parsed options of `add_table_options`.
    """
    options: dict = {}
    for name in READ_OPTIONS:
        value = getattr(arguments, name)
        if value is not None:
            options[name] = value
    if arguments.no_header:
        options["header"] = False
    sheet = options.get("sheet")
    if isinstance(sheet, str) and sheet.isascii() and sheet.isdigit():
        options["sheet"] = int(sheet)
    return options


def read_table(arguments, text_columns=(), keep=()):
    """Read the table `arguments.data` and print what was guessed as notes.

    Parameters
    ----------
    arguments : argparse.Namespace
        `data`, and the options of `add_table_options`.
    text_columns, keep : collection of str
        As in `fastnn.tables.read`.

    Returns
    -------
    pyarrow.Table
    """
    return files.read(
        resolve_table_path(arguments.data),
        text_columns,
        keep=keep,
        on_note=print_note,
        **read_options(arguments),
    )


def open_parquet(arguments, text_columns, keep, note=print_note):
    """Return the ParquetTable of a Parquet file or a folder, None for other tables.

    The parameters are those of `read_table`. note(text) is called for each guess.
    """
    path, options = resolve_table_path(arguments.data), read_options(arguments)
    is_parquet = os.path.isdir(path) or (path != "-" and parquet_files.holds_parquet(path))
    if not is_parquet or "sheet" in options:
        return None
    na = options.get("na", ())
    return parquet_files.ParquetTable(path, text_columns, na, keep, note)
