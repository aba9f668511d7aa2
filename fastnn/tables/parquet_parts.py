"""Read the tables of Parquet files in parts, for tables larger than memory."""

import os

from . import memory, tidy
from .errors import import_pyarrow
from .parquet_files import EXTENSIONS, ParquetFiles

MOST_ROWS = 20_000  # of a part whose texts are looked at
PART_BYTES = 50e6  # of the values of a part, as `memory` estimates them
TRAINING_VALUES = 200_000  # of a part that is encoded for training


def holds_parquet(path):
    """Whether a path is a Parquet file, or a folder that has one."""
    path = os.fsdecode(path)
    if os.path.isdir(path):
        return any(name.lower().endswith(EXTENSIONS) for name in os.listdir(path))
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"PAR1"


class ParquetTable:
    """The table of a Parquet file, or of a folder of them, that is read in parts.

    The parts have the types that `files.read` gives the whole table.

    Parameters
    ----------
    path : str
    text_columns : collection of str
        Columns whose texts stay texts, even if they look like numbers.
    na : list of str or number
        Further values that mean missing.
    keep : collection of str
        Columns that are not left out, even if they are the index of a pandas DataFrame.
    note : callable
        Called with a text for each guess.

    Attributes
    ----------
    names : list of str
    n_rows : int
    """

    def __init__(self, path, text_columns, na, keep, note):
        self._files, self._path, self._na = ParquetFiles(path), path, na
        self._text_columns, self._note = text_columns, note
        schema, self.n_rows = self._files.schema, self._files.n_rows
        tidy.check_shape(path, schema.names, self.n_rows)
        left_out = dict.fromkeys(tidy.pandas_index(schema.empty_table()), tidy.PANDAS_INDEX)
        first = schema.names[0]
        if not left_out and first in tidy.NAMES_OF_ROW_NUMBERS and self._numbers_rows(first):
            left_out[first] = tidy.ROW_NUMBERS
        left_out = {name: what for name, what in left_out.items() if name not in keep}
        tidy.note_left_out(path, left_out, note)
        self.names = [name for name in schema.names if name not in left_out]
        self._numbers: dict = {}  # texts that are numbers

    def _numbers_rows(self, name):
        parts = [batch.column(0) for _, _, batch in self._files.batches([name])]
        return tidy.numbers_rows(import_pyarrow().chunked_array(parts))

    def select(self, names):
        """Say which columns `parts` reads. Look at all their texts that may be numbers."""
        self._selected = names
        empty = tidy.simplify_types(self._files.schema.empty_table().select(names))
        found = tidy.find_texts(empty.schema, self._text_columns, ".")
        if found:
            for _, _, table in self._batches(list(found)):
                for name, numbers in found.items():
                    numbers.add(table.column(name))
        tidy.note_marks(self._path, found, self._note)
        self._numbers = found

    def parts(self, most_rows=None):
        """Yield the file, the number of its first row there, and the table of each part.

        most_rows : int, optional
            A part has at most so many rows. By default as many as take PART_BYTES.
        """
        for file, first, table in self._batches(self._selected, most_rows):
            yield file, first, tidy.convert_marks(table, self._numbers)

    def training_parts(self):
        """Yield what `parts` does, with TRAINING_VALUES values in each part."""
        return self.parts(max(1, TRAINING_VALUES // len(self._selected)))

    def _batches(self, names, most_rows=MOST_ROWS):
        pa = import_pyarrow()
        rows = max(1, int(PART_BYTES / (memory.BYTES_PER_VALUE * max(1, len(names)))))
        rows = rows if most_rows is None else min(most_rows, rows)
        for file, first, batch in self._files.batches(names, rows):
            table = tidy.simplify_types(pa.Table.from_batches([batch]))
            yield file, first, tidy.remove_values(table, self._na)
