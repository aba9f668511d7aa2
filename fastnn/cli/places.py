"""Where the rows of the table of a command are, and errors about them."""

import argparse
import os

from ..core.errors import DataError
from ..core.messages import one_line
from ..tables import files
from ..tables.parquet_files import ParquetFiles
from .common import CommandError, resolve_table_path
from .table_options import read_options
from .words import CommandWords


def locate(arguments, row):
    """Return the file that holds a row of the table of a command, and 'line N' or 'row N' of it."""
    if os.path.isdir(arguments.data):
        file, row = ParquetFiles(arguments.data).locate(row)
        return file, f"row {row + 1}"
    known = ("sep", "encoding", "header", "decimal", "comment")
    options = {k: v for k, v in read_options(arguments).items() if k in known}
    path = resolve_table_path(arguments.data)
    return arguments.data, files.locate(path, row, **options)


def command_error(error, arguments, file=None, rows=None):
    """Return the CommandError for what an estimator refuses.

    error : Exception
    arguments : argparse.Namespace
        data, and the options of the table file.
    file : str, optional
        The file of the rows that the error counts, if it is another than `data`.
    rows : sequence of int, optional
        Their numbers in it.
    """
    if file is not None:
        arguments = argparse.Namespace(**{**vars(arguments), "data": file})
    place = arguments.data
    if not isinstance(error, DataError):  # of another library
        return CommandError(f"{place}: {one_line(error)}")
    line = None
    if error.row is not None:
        place, line = locate(arguments, int(rows[error.row]))
    words = CommandWords(getattr(arguments, "target", None), lambda row: line)
    texts = (words.say(error.problem), words.say(error.advice))
    return CommandError(f"{place}: {' '.join(filter(None, map(one_line, texts)))}")
