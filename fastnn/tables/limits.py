"""Limits of tables: columns, and memory."""

from ..core.memory import available_memory, format_bytes
from .errors import TableError

FACTORS = {"bz2": 8, "xz": 8, "zst": 5}  # decompressed by stored size, if the file does not tell
MAX_COLUMNS = 10_000
BYTES_PER_VALUE = 16  # of a number in a table, and in the working memory of a reader


def check_width(label, n_columns):
    """Raise TableError if a table has too many columns."""
    if n_columns > MAX_COLUMNS:
        raise TableError(
            "has {n:,} columns, but at most {most:,} are supported.",
            "Remove some columns.",
            place=label,
            n=n_columns,
            most=MAX_COLUMNS,
        )


def check_free_memory(label, n_bytes, what="", advice=""):
    """Raise TableError if a table of about `n_bytes` bytes does not fit."""
    limit = available_memory()
    if n_bytes > limit:
        raise TableError(
            "{what}needs about {needed} of memory, but {available} are available.",
            "Pass a file with fewer rows or columns{more}.",
            place=label,
            what=what,
            needed=format_bytes(n_bytes),
            available=format_bytes(limit),
            more=advice,
        )


def check_text_memory(source, value_length):
    """Check a text file whose values take about `value_length` bytes each."""
    size = source.size
    how = ""
    if size is None:
        size = source.stored_size * FACTORS.get(source.compression, 1)
    elif source.compression:
        how = f"holds {format_bytes(size)} of text and "
    needed = int(size * (1 + BYTES_PER_VALUE / max(value_length, 1)))
    check_free_memory(
        source.label, needed, how, ", or a Parquet file, which is trained on and predicted in parts"
    )
