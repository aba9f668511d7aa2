"""Read a few rows of plain values without the conversions of whole tables, which take a millisecond."""

import numpy as np

from .frames import Frame
from .input_column import InputColumn, is_plain

MOST_ROWS = 32
ARRAY_KINDS = "biufO"  # of arrays whose rows may be plain


class PlainRows:
    """Reads rows that are dicts, or lists if the columns have no names.

    Parameters
    ----------
    features : Features
    """

    def __init__(self, features):
        self.names, self.n_columns = features.names, features.n_columns
        categories = features.value_categories()
        keys = range(self.n_columns) if self.names is None else self.names
        used = [(features.positions[j], features.columns[j], j) for j in features.used()]
        self._used = [(position, column) for position, column, _ in used]
        self._readers = {
            keys[position]: column.json_reader(categories.get(j)) for position, column, j in used
        }

    def read_table(self, X):
        """Return the Frame of a list of dicts, or of a list of lists or an array without names.

        None if it has many rows, lacks a column, or if a value is not plain: only the conversions of
        tables know what it means, or which error it is.
        """
        rows, kind = _few_rows(X), list if self.names is None else dict
        if not all(type(row) is kind for row in rows):
            return None
        if self.names is not None:
            others = {key for row in rows for key in row if key not in self._readers}
            if not all(_is_plain_column(key, rows) for key in others):
                return None
        values = self.read(rows)
        return None if values is None else self.frame(values, len(rows))

    def read(self, rows):
        """Return the values of each column in use, None if some are not plain or are absent."""
        has_names = self.names is not None
        if not rows or not (has_names or all(len(row) == self.n_columns for row in rows)):
            return None
        out = []
        for key, reader in self._readers.items():
            if has_names and not any(key in row for row in rows):
                return None
            values = reader([row.get(key) if has_names else row[key] for row in rows])
            if values is None:
                return None
            out.append(values)
        return out

    def frame(self, values, n_rows):
        """Return the Frame of what `read` returned. Columns that are not in use are missing."""
        columns = [InputColumn("number", np.full(n_rows, np.nan))] * self.n_columns
        for (position, column), each in zip(self._used, values):
            columns[position] = column.from_json_values(each)
        return Frame(self.names, columns, n_rows)


def _few_rows(X):
    """Return a list of rows, or the rows of an array, if they are few; else an empty list."""
    is_array = type(X) is np.ndarray and X.ndim == 2 and X.dtype.kind in ARRAY_KINDS
    if not (is_array or type(X) is list) or len(X) > MOST_ROWS:
        return []
    return X.tolist() if is_array else X


def _is_plain_column(key, rows):
    """Whether any conversion can read a column that is not in use."""
    values = [row.get(key) for row in rows]
    is_one_type = len({type(value) for value in values if value is not None}) <= 1
    return type(key) is str and key.isascii() and is_one_type and all(map(is_plain, values))
