"""Write the rows of `fastnn predict`: to standard output at once, or to a file or JSON at the end."""

import contextlib
import sys

from ..tables import files
from ..tables.errors import import_pyarrow, one_line, printable
from ..tables.table_writer import to_text
from .common import CommandError


class RowWriter:
    """Writes blocks of rows to standard output, or collects them for a file or for JSON.

    Parameters
    ----------
    out : str or None
        The file.
    is_json : bool
        Whether standard output is for JSON.
    """

    def __init__(self, out, is_json):
        self.out, self.is_json = out, is_json
        self.blocks: list = []
        self.n_rows = 0

    def write(self, kept, predictions):
        """Write a block: a pyarrow.Table of the columns of --keep, and {name: array}."""
        pa = import_pyarrow()
        both = [name for name in predictions if name in kept.column_names]
        if both:
            raise CommandError(
                f"--keep: column {printable(both[0])!r} has the name of a prediction. Name the "
                "columns to keep without it, or rename it."
            )
        columns = {name: kept.column(name) for name in kept.column_names} | predictions
        if self.out is None and not self.is_json:
            self._print(columns)
        else:
            self.blocks.append(pa.table(columns))
        self.n_rows += len(next(iter(predictions.values())))

    def _print(self, columns):
        with self._explained():
            text = to_text(columns, header=self.n_rows == 0)
        sys.stdout.flush()
        # The bytes are UTF-8, whatever the encoding of the terminal.
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()

    def close(self):
        """Write the file, if there is one."""
        if self.out is not None:
            table = import_pyarrow().concat_tables(self.blocks)
            with self._explained():
                files.write(self.out, {name: table.column(name) for name in table.column_names})

    @contextlib.contextmanager
    def _explained(self):
        try:
            yield
        except import_pyarrow().ArrowException as error:
            raise CommandError(
                f"--keep: a column cannot be written as text ({one_line(error)}). Leave it out, or "
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
