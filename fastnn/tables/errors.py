"""The error of the readers, and the parts of its messages."""

from difflib import get_close_matches

from ..messages import LONG, printable

STANDARD_INPUT = "standard input"
SIMILARITY = 0.7  # of names, 0 to 1


class TableError(ValueError):
    """A table that cannot be used. The message is one line."""

    def __init__(self, message):
        super().__init__(printable(message, LONG))


def import_pyarrow():
    """Import pyarrow with its submodules. Raise TableError if it is not installed."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise TableError(
            "tables need pyarrow, which is not installed. "
            'Run: python -m pip install "fastnn-mlp[cli]"'
        ) from None
    return pyarrow


def one_line(error):
    """Return the message of an exception as one line of limited length."""
    return " ".join(str(error).split())[:200].rstrip(".")


def count(n, noun):
    """Return a count with its noun: `1 row`, `2 rows`."""
    return f"{n:,} {noun if n == 1 else noun + 's'}"


def join(names, maximum=6):
    """Join the first names with commas, quoted, and say how many are left out."""
    names = list(names)
    more = f" and {len(names) - maximum:,} more" if len(names) > maximum else ""
    return ", ".join(repr(printable(name)) for name in names[:maximum]) + more


def similar(name, names):
    """Return the name that is most similar, ignoring case and spaces around, or None."""
    by_lower = {str(other).lower().strip(): other for other in names}
    close = get_close_matches(str(name).lower().strip(), by_lower, 1, SIMILARITY)
    return by_lower[close[0]] if close else None


def did_you_mean(name, names):
    """Return a sentence that helps to correct the name of a column."""
    close = similar(name, names)
    if close is not None:
        return f"Did you mean {printable(close)!r}?"
    shown = ", ".join(printable(other) for other in names[:8])
    more = f" and {len(names) - 8:,} more" if len(names) > 8 else ""
    return f"Its columns are {shown}{more}."
