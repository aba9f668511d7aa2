"""ParquetGroups: row groups of numbers for networks, from Parquet files."""

import numpy as np

from ..core.messages import printable
from .errors import TableError, import_pyarrow
from .parquet_files import ParquetFiles, describe_rows


class ParquetGroups:
    """Row groups ``(X, y)`` or ``(X, y, sample_weight)`` of the numeric columns of Parquet files.

    Parameters
    ----------
    path : str or path-like
        A file, or a folder of files, which are read in the order of their names.
    target : str or list of str
        The columns of y. All others are inputs, in the order of the file.
    sample_weight : str, optional
        The column of weights.
    """

    def __init__(self, path, target, sample_weight=None):
        self.files = files = ParquetFiles(path)
        targets = [target] if isinstance(target, str) else list(target)
        for name in targets:
            files.check_name("y", name)
        if sample_weight is not None:
            files.check_name("sample_weight", sample_weight)
        used = {*targets, sample_weight}
        self.inputs = [name for name in files.names if name not in used]
        self.target, self.sample_weight, self.targets = target, sample_weight, targets
        self.columns = [*self.inputs, *targets, *([sample_weight] if sample_weight else [])]
        self.where = ""  # the rows that were read last, for error messages
        if not self.inputs:
            raise TableError(
                "has no columns besides {argument}.",
                "Inputs are needed.",
                argument="y",
                place=files.path,
            )
        for name in self.columns:
            check_is_number(files.path, name, files.types[name])

    def __iter__(self):
        for file, first, batch in self.files.batches(self.columns):
            self.where = describe_rows(file, first, len(batch))
            columns = {
                name: to_numbers(file, first, name, batch.column(i))
                for i, name in enumerate(self.columns)
            }
            X = to_matrix([columns[name] for name in self.inputs])
            if isinstance(self.target, str):
                y = columns[self.target]
            else:
                y = to_matrix([columns[name] for name in self.targets])
            yield (X, y, columns[self.sample_weight]) if self.sample_weight else (X, y)

    def describe_group(self, i, first):
        """Return how messages call the group that was read last."""
        return self.where


def check_is_number(path, name, type):
    """Check that a column holds numbers or Booleans."""
    types = import_pyarrow().types
    if not (
        types.is_integer(type)
        or types.is_floating(type)
        or types.is_boolean(type)
        or types.is_decimal(type)
    ):
        raise TableError(
            "column {column!r} holds {type}, not numbers.",
            "Encode it as numbers, or write a file without it.",
            column=printable(name),
            place=path,
            type=type,
        )


def to_numbers(file, first, name, column):
    """Return an Arrow array of numbers or Booleans as a NumPy array."""
    if column.null_count:
        row = first + int(column.is_null().to_numpy(zero_copy_only=False).argmax())
        raise TableError(
            "column {column!r} has missing values (first in {row}).",
            "Fill them, or leave out these rows.",
            column=printable(name),
            row=row,
            place=file,
        )
    values = column.to_numpy(zero_copy_only=False)
    return values.astype(np.float64) if values.dtype == object else values  # decimals


def to_matrix(columns):
    """Return columns as a matrix (n, m) of float32 if all are, else float64."""
    narrow = all(column.dtype in (np.float16, np.float32) for column in columns)
    X = np.empty((len(columns[0]), len(columns)), np.float32 if narrow else np.float64)
    for j, column in enumerate(columns):
        X[:, j] = column
    return X
