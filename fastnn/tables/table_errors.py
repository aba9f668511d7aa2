"""The error of all readers, and the import of pyarrow that all need."""

from ..core.errors import PYTHON, DataError, Words
from ..core.messages import LONG, printable

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
