"""The error of all readers of tables, damaged files, and limits of size and of memory."""

import math
import os
from contextlib import contextmanager

from ..core.errors import PYTHON, DataError, Words
from ..core.messages import LONG, printable, reason
from ..core.validation import describe_type

FACTORS = {"bz2": 8, "xz": 8, "zst": 5}  # decompressed by stored size, if the file does not tell
MAX_COLUMNS = 10_000
CGROUP = "/sys/fs/cgroup/"
BYTES_PER_VALUE = 16  # of a number in a table, and in the working memory of a reader


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
    if isinstance(table, pyarrow.Table):
        return table
    if hasattr(table, "__arrow_c_stream__"):
        return pyarrow.table(table)
    raise TypeError(
        f"table must be a pyarrow.Table or a DataFrame, got {describe_type(table)}. "
        "fastnn.tables.read returns one for a file."
    )


# ---- limits of size ----


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


def available_memory(counts_files=True):
    """Return the number of bytes of memory that a process can still get, infinity if unknown.

    counts_files : whether files in the memory of a container count as taken
    """
    limit = system_memory()
    try:  # a container with less
        maximum = int(_of_container("max"))
        if counts_files:
            used = int(_of_container("current"))
        else:
            sizes = dict(line.split() for line in _of_container("stat").splitlines())
            used = sum(int(sizes[name]) for name in ("anon", "kernel_stack", "slab"))
    except (OSError, ValueError, KeyError):  # "max" is no limit
        return limit
    return min(limit, max(0, maximum - used))


def _of_container(name):
    with open(f"{CGROUP}memory.{name}", encoding="ascii") as file:
        return file.read()


def system_memory():
    """Return the number of bytes that the system can still give, infinity if unknown."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf


def check_free_memory(label, n_bytes, what="", advice=""):
    """Raise TableError if a table of about `n_bytes` bytes does not fit."""
    limit = available_memory()
    if n_bytes > limit:
        raise TableError(
            "{what}needs about {needed} of memory, but {available} are available.",
            "Pass a file with fewer rows or columns{more}.",
            place=label,
            what=what,
            needed=_format(n_bytes),
            available=_format(limit),
            more=advice,
        )


def check_text_memory(source, value_length):
    """Check a text file whose values take about `value_length` bytes each."""
    size = source.size
    how = ""
    if size is None:
        size = source.stored_size * FACTORS.get(source.compression, 1)
    elif source.compression:
        how = f"holds {_format(size)} of text and "
    needed = int(size * (1 + BYTES_PER_VALUE / max(value_length, 1)))
    check_free_memory(
        source.label, needed, how, ", or a Parquet file, which is trained on and predicted in parts"
    )


def _format(n_bytes):
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:,.1f} {name}"
    return f"{n_bytes:,} bytes"
