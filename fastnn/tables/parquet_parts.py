"""Read the tables of Parquet files in parts, for tables larger than memory."""

import os

from . import memory, tidy
from .errors import import_pyarrow
from .parquet_files import EXTENSIONS, ParquetFiles

PART_BYTES = 50e6  # of the values of a part, as `memory` estimates them


def holds_parquet(path):
    """Whether a path is a Parquet file, or a folder that has one."""
    path = os.fsdecode(path)
    if os.path.isdir(path):
        return any(name.lower().endswith(EXTENSIONS) for name in os.listdir(path))
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"PAR1"


def read(path, text_columns=(), note=None):
    """Yield which rows they are, and the table of each part, with the types that `files.read` gives.

    Parameters
    ----------
    path : str or path-like
        A Parquet file, or a folder of them, read in the order of their names.
    text_columns : collection of str
        Columns whose texts stay texts, even if they look like numbers.
    note : callable
        Called with a text for each guess.
    """
    pa = import_pyarrow()
    files = ParquetFiles(path)
    rows = max(1, int(PART_BYTES / (memory.BYTES_PER_VALUE * max(1, len(files.names)))))
    for file, first, batch in files.batches(files.names, rows):
        where = f"{file}, rows {first} to {first + len(batch) - 1}"
        table = pa.Table.from_batches([batch])
        table = tidy.simplify_types(tidy.drop_index(file, table, (), note))
        yield where, tidy.read_marks(file, table, text_columns, ".", note)
