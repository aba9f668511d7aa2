"""The error of all readers, and the import of pyarrow and the check of a table that all need."""

from ..core.errors import PYTHON, DataError, Words
from ..core.messages import LONG, printable
from ..core.validation import describe_type

STANDARD_INPUT = "standard input"


class TableError(DataError):
    """A table that cannot be used. The message is one line of limited length."""

    def say(self, words: Words = PYTHON) -> str:
        return printable(super().say(words), LONG)


class NoRowsError(TableError):
    """A table that has no rows.

    Attributes
    ----------
    names : list of str
        Its columns.
    """

    names: list[str]


def import_pyarrow():
    """Import pyarrow with its submodules. Raise TableError if it is not installed."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise TableError(
            "tables need pyarrow, which is not installed.",
            'Run: python -m pip install "fastnn-mlp[cli]"',
        ) from None
    return pyarrow


def to_table(table):
    """Return a pyarrow.Table, or a DataFrame of pandas or Polars as one. Raise TypeError for others."""
    pyarrow = import_pyarrow()
    if isinstance(table, pyarrow.Table):
        return table
    if hasattr(table, "__arrow_c_stream__"):
        return pyarrow.table(table)
    raise TypeError(
        f"table must be a pyarrow.Table or a DataFrame, got {describe_type(table)}. "
        "fastnn.tables.read returns one for a file."
    )
