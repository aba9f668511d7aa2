"""The table file of a command: its options, its rows, and where these are in the file."""

import os
from dataclasses import dataclass, fields, replace
from typing import Any

from .. import datasets
from ..core.errors import DataError
from ..core.messages import one_line
from ..tables import folders, formats, parquet_files, table_reader
from ..tables.addresses import without_secrets
from ..tables.layout import ReadOptions
from .console import CommandError, CommandWords, Notes
from .options import flag, option, part, repeated

#: The fields of ReadOptions that the record of a training has if they are not the defaults.
READ_OPTIONS = tuple(each.name for each in fields(ReadOptions) if each.name != "text_columns")


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """The options of `fastnn.tables.read` on the command line."""

    sep: str | None = option("CHAR", "character between values; also tab or space")
    encoding: str | None = option("NAME", "encoding of a text file, such as latin-1 or utf-16")
    no_header: bool = flag(
        "the first line holds values; the columns are column_1, column_2, ...", argument="header"
    )
    na: list[str] | None = repeated(
        "VALUE", "another value that means missing, such as -999; can be repeated"
    )
    decimal: str | None = option("MARK", "decimal mark: . or ,", choices=(".", ","))
    comment: str | None = option("TEXT", "leave out lines that begin with this text, such as #")
    sheet: str | None = option("SHEET", "name or number of the sheet of a spreadsheet")
    sql: str | None = option(
        "QUERY", f"what to read from an {formats.names('sql')} file (default: its only table)"
    )
    skip_bad_lines: bool = flag(
        "leave out lines with more values than there are columns (default: an error)"
    )

    def reading(self):
        """Return the ReadOptions."""
        sheet: Any = self.sheet
        if sheet is not None and sheet.isascii() and sheet.isdigit():
            sheet = int(sheet)
        return ReadOptions(
            sep=self.sep,
            encoding=self.encoding,
            header=not self.no_header,
            na=tuple(self.na or ()),
            decimal=self.decimal,
            comment=self.comment,
            sheet=sheet,
            skip_bad_lines=self.skip_bad_lines,
            sql=self.sql,
        )


def table_options() -> Any:
    """Return the field for the options of the table file of a command."""
    return part(TableOptions, "options of the table file")


def to_words(reading):
    """Return the words of a command line for ReadOptions of the user."""
    words: list = []
    for name in READ_OPTIONS:
        value = getattr(reading, name)
        words += [f"--{name}", str(value)] if type(value) in (str, int) else []
    words += [word for value in reading.na for word in ("--na", value)]
    words += [] if reading.header else ["--no-header"]
    return words + (["--skip-bad-lines"] if reading.skip_bad_lines else [])


class TableFile:
    """The table of a command, and how it is read.

    Parameters
    ----------
    data : str
        The table: a path, an address, the name of a sample table, or - for standard input.
    options : ReadOptions
    notes : Notes, optional
        For whatever is said about the table and its rows. By default they are printed.
    target : str, optional
        The column that messages call the target.

    Attributes
    ----------
    name : str
        As in the command, without secrets.
    path : str
    """

    def __init__(self, data, options, notes=None, target=None):
        self.notes = Notes() if notes is None else notes
        self.name = without_secrets(data)
        self.path = resolve_table_path(data)
        self.options = options
        self._reader: Any = None
        self._target = target

    def read(self, text_columns=(), keep=()):
        """Return the table as a pyarrow.Table. Each guess is noted.

        text_columns, keep : collection of str
            As in `fastnn.tables.read`.
        """
        self._reader = self._make_reader(text_columns, keep)
        return self._reader.read(self.notes)

    def _make_reader(self, text_columns=(), keep=()):
        options = replace(self.options, text_columns=text_columns)
        return table_reader.TableReader(self.path, options, keep)

    def reading(self):
        """Return how the table was read, for the record of a training: JSON."""
        given = {
            name: list(value) if name == "na" else value
            for name in READ_OPTIONS
            if (value := getattr(self.options, name)) != getattr(ReadOptions(), name)
        }
        encoding = None if self._reader is None else self._reader.guessed_encoding
        return given | ({} if encoding is None else {"guessed_encoding": encoding})

    def open_parquet(self, text_columns, keep):
        """Return the ParquetTable of a Parquet file or a folder of them, None for other tables.

        Each guess is noted.
        """
        is_parquet = self.path != "-" and parquet_files.holds_parquet(self.path)
        options = self.options
        if not is_parquet or options.sheet is not None or options.sql is not None:
            return None
        return parquet_files.ParquetTable(self.path, text_columns, options.na, keep, self.notes)

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
        return table_reader.TableReader(resolve_table_path(name), self.options).locate(row)

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


def resolve_table_path(path):
    """Return the path of a table. The names of the sample tables stand for their files, unless
    the working directory has a file of that name."""
    sample = os.path.join(os.path.dirname(datasets.__file__), f"{path}.csv.gz")
    is_sample = path.isidentifier() and not os.path.exists(path) and os.path.exists(sample)
    return sample if is_sample else path
