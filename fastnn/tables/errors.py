"""The error of all readers of tables, and what raises it: damaged files, and no pyarrow."""

from contextlib import contextmanager

from ..core.errors import PYTHON, DataError, Words
from ..core.messages import LONG, printable, reason
from ..core.validation import describe_type, refuse_classes


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


@contextmanager
def expect_readable(place, what, advice="Download or create it again.", errors=Exception):
    """Turn the errors of a package that reads a damaged file into a TableError."""
    try:
        yield
    except TableError:
        raise
    except errors as error:
        raise TableError(
            "not a readable {what} ({reason}).",
            "{advice}",
            place=place,
            what=what,
            advice=advice,
            reason=reason(error),
        ) from None


def to_table(table):
    """Return a pyarrow.Table, or a DataFrame of pandas or Polars as one. Raise TypeError for others."""
    pyarrow = import_pyarrow()
    refuse_classes(table=table)
    if isinstance(table, pyarrow.Table):
        return table
    if hasattr(table, "__arrow_c_stream__"):
        try:
            return pyarrow.table(table)
        except pyarrow.ArrowException as error:
            raise ValueError(
                f"table does not make an Arrow table: {reason(error)}. Pass columns of one type each."
            ) from None
    raise TypeError(
        f"table must be a pyarrow.Table or a DataFrame, got {describe_type(table)}. "
        "fastnn.tables.read returns one for a file."
    )
