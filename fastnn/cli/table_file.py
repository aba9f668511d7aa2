"""The table file of a command: its options, reading it, and where its rows are."""

import os
from typing import Any

from .. import datasets
from ..core.errors import DataError
from ..core.messages import one_line
from ..tables import folders, formats, layout, parquet_files, table_reader
from ..tables.addresses import without_secrets
from .console import CommandError, CommandWords, Notes

#: Options of `fastnn.tables.read` that the command line has under the same name.
READ_OPTIONS = ("sep", "encoding", "na", "decimal", "comment", "sheet", "sql")


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
        "--sheet", metavar="SHEET", help="name or number of the sheet of a spreadsheet"
    )
    group.add_argument(
        "--sql",
        metavar="QUERY",
        help=f"what to read from an {formats.names('sql')} file (default: its only table)",
    )
    group.add_argument(
        "--skip-bad-lines",
        action="store_true",
        help="leave out lines with more values than there are columns (default: an error)",
    )


class TableFile:
    """The table of a command, and how it is read.

    Parameters
    ----------
    arguments : argparse.Namespace
        data, the options of `add_table_options`, and target if the command has it.
    notes : Notes, optional
        For whatever is said about the table and its rows. By default they are printed.

    Attributes
    ----------
    name : str
        As in the command.
    path : str
    options : dict
        Those of `fastnn.tables.read`.
    notes : Notes
    """

    def __init__(self, arguments, notes=None):
        self.notes = Notes() if notes is None else notes
        self.name = without_secrets(arguments.data)
        self.path = resolve_table_path(arguments.data)
        self.options = _read_options(arguments)
        self._reader: Any = None
        self._target = getattr(arguments, "target", None)

    def read(self, text_columns=(), keep=()):
        """Return the table as a pyarrow.Table. Each guess is noted.

        text_columns, keep : collection of str
            As in `fastnn.tables.read`.
        """
        self._reader = self._make_reader(text_columns, keep)
        return self._reader.read(self.notes)

    def _make_reader(self, text_columns=(), keep=()):
        options = layout.ReadOptions(text_columns=text_columns, **self.options)
        return table_reader.TableReader(self.path, options, keep)

    def reading(self):
        """Return how the table was read, for the record of a training: JSON."""
        encoding = None if self._reader is None else self._reader.guessed_encoding
        return self.options | ({} if encoding is None else {"guessed_encoding": encoding})

    def open_parquet(self, text_columns, keep):
        """Return the ParquetTable of a Parquet file or a folder of them, None for other tables.

        Each guess is noted.
        """
        is_parquet = self.path != "-" and parquet_files.holds_parquet(self.path)
        if not is_parquet or "sheet" in self.options or "sql" in self.options:
            return None
        na = self.options.get("na", ())
        return parquet_files.ParquetTable(self.path, text_columns, na, keep, self.notes)

    def files(self):
        """Return the files that hold the table."""
        if not os.path.isdir(self.path):
            return [self.path]
        return [part.path for part in folders.find(self.path)]

    def locate(self, row):
        """Return the file that holds a row of the table, and 'line N' or 'row N' of it."""
        if self._reader is None:
            self._reader = self._make_reader()
        path, place = self._reader.locate(row)
        return (self.name if path == self.path else path), place

    def _locate(self, name, row):
        """name : of the table, or of a file in the folder"""
        if name == self.name:
            return self.locate(row)
        options = layout.ReadOptions(**self.options)
        return table_reader.TableReader(resolve_table_path(name), options).locate(row)

    def explain(self, error, file=None, rows=None):
        """Return the CommandError for what an estimator refuses.

        error : Exception
        file : str, optional
            The file of the rows that the error counts, if it is another than the table.
        rows : sequence of int, optional
            Their numbers in it.
        """
        place = self.name if file is None else file
        if not isinstance(error, DataError):  # of another library
            return CommandError(f"{place}: {one_line(error)}")
        line = None
        if error.row is not None:
            place, line = self._locate(place, int(rows[error.row]))
        words = CommandWords(self._target, lambda row: line)
        texts = (words.say(error.problem), words.say(error.advice))
        return CommandError(f"{place}: {' '.join(filter(None, map(one_line, texts)))}")


def _read_options(arguments):
    """Return the options of `fastnn.tables.read` that the command line has."""
    options: dict = {}
    for name in READ_OPTIONS:
        value = getattr(arguments, name)
        if value is not None:
            options[name] = value
    if arguments.no_header:
        options["header"] = False
    if arguments.skip_bad_lines:
        options["skip_bad_lines"] = True
    for name in ("likely_encoding", "likely_decimal"):  # of a model
        if getattr(arguments, name, None) is not None:
            options[name] = getattr(arguments, name)
    sheet = options.get("sheet")
    if isinstance(sheet, str) and sheet.isascii() and sheet.isdigit():
        options["sheet"] = int(sheet)
    return options


def resolve_table_path(path):
    """Return the path of a table. The names of the sample tables stand for their files, unless
    the working directory has a file of that name."""
    sample = os.path.join(os.path.dirname(datasets.__file__), f"{path}.csv.gz")
    is_sample = path.isidentifier() and not os.path.exists(path) and os.path.exists(sample)
    return sample if is_sample else path
