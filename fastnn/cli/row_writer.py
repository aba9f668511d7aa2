"""Write the rows of `fastnn predict` to standard output or a file, or collect them for JSON."""

import contextlib
import sys

from ..core.messages import printable, reason
from ..tables.errors import import_pyarrow
from ..tables.table_writer import needs_quotes, to_text, writing
from .common import CommandError


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
