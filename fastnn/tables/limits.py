"""Limits of tables: columns, and the memory that this process can still get."""

import math
import os

from .errors import TableError

FACTORS = {"bz2": 8, "xz": 8, "zst": 5}  # decompressed by stored size, if the file does not tell
MAX_COLUMNS = 10_000
CGROUP = "/sys/fs/cgroup/"
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
            needed=_format_bytes(n_bytes),
            available=_format_bytes(limit),
            more=advice,
        )


def check_text_memory(source, value_length):
    """Check a text file whose values take about `value_length` bytes each."""
    size = source.size
    how = ""
    if size is None:
        size = source.stored_size * FACTORS.get(source.compression, 1)
    elif source.compression:
        how = f"holds {_format_bytes(size)} of text and "
    needed = int(size * (1 + BYTES_PER_VALUE / max(value_length, 1)))
    check_free_memory(
        source.label, needed, how, ", or a Parquet file, which is trained on and predicted in parts"
    )


def _format_bytes(n_bytes):
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:,.1f} {name}"
    return f"{n_bytes:,} bytes"
