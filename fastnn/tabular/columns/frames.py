"""Convert DataFrames, Arrow tables, arrays, dicts, records and files to a list of columns."""

import contextlib
import math
import os
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from ...core.errors import Argument, DataError
from ...core.messages import did_you_mean, has_lone_surrogate, printable, warn
from ...core.sparse_rows import check_sparse, is_sparse, take, to_dense
from ...core.validation import as_array, describe_type, is_path, refuse_classes
from ...distributed.partitions import refuse_collections
from ...tables import arrow_files, files, limits
from ...tables.cells.numbers import are_wide, is_wide_integer
from ...tables.errors import NoRowsError
from ...tables.tidy import padded_of, style_of
from . import input_column
from .input_column import InputColumn, from_chunks, from_series, from_vector, is_missing


@dataclass(eq=False, repr=False)
class Frame:
    """The columns of a table.

    Attributes
    ----------
    names : list of str or None
        None for an array, whose columns have no names.
    columns : list of InputColumn
    n_rows : int
    where : str
    """

    names: list | None
    columns: list
    n_rows: int
    where: str = ""  # which rows of a file, for error messages

    def labels(self):
        """Return the names, or the positions of the columns as texts."""
        return [str(i) for i in range(len(self.columns))] if self.names is None else self.names

    def take(self, rows):
        """Return some rows. rows : ndarray of indices."""
        return Frame(self.names, [column.take(rows) for column in self.columns], len(rows))


def concatenate_frames(parts):
    """Return the Frame whose parts, of the same columns, have been read one by one."""
    first = parts[0]
    columns = [
        input_column.join_parts(column_parts, label)
        for label, *column_parts in zip(first.labels(), *(part.columns for part in parts))
    ]
    return Frame(first.names, columns, sum(part.n_rows for part in parts))


def read(X, text_columns=()):
    """Return the Frame of an array, a DataFrame (pandas, Polars), an Arrow table, records or a path.

    text_columns : collection of str
        Columns of a file to read as texts, even if their values look like numbers or dates.
    """
    return _to_frame(_to_table(X, text_columns))


def read_batches(X, text_columns=(), choose=None, decimal=None):
    """Yield the Frames of the parts of Parquet files, or the one Frame of another table.

    It may have no rows.

    X, text_columns : as in `read`; X may be a folder of Parquet files, too.
    choose : function, optional
        choose(names) returns the names of the columns to read, if they have names. By default all.
    decimal : str, optional
        The decimal mark of a text file that does not tell it.
    """
    choose = choose or list
    try:
        yield from _read_batches(X, text_columns, choose, decimal)
    except NoRowsError as error:  # of a file
        names = choose(error.names) if error.names else []
        yield complete(without_rows(0), names)


def _read_batches(X, text_columns, choose, decimal):
    if _is_empty(X):
        yield without_rows(0)
        return
    if not is_path(X) or not arrow_files.holds_parquet(X):
        yield _to_frame(_to_table(X, text_columns, decimal), choose, 0)
        return
    notes: list = []
    table = arrow_files.ParquetTable(os.fsdecode(X), text_columns, (), (), notes.append)
    table.select(choose(table.names))
    for file, first, part in table.parts():
        frame = _to_frame(part)
        frame.where = arrow_files.describe_rows(file, first, frame.n_rows)
        yield frame
    for text in dict.fromkeys(notes):  # once for all parts
        warn(text, files.TableWarning)


def _is_empty(X):
    """Whether a table has no rows and no columns, such as []."""
    if isinstance(X, (list, tuple)):
        return len(X) == 0
    refuse_collections(X=X)
    return getattr(X, "shape", None) in ((0,), (0, 0))


def without_rows(n_columns):
    """Return a Frame of columns without names and values."""
    return Frame(None, [InputColumn("number", np.zeros(0)) for _ in range(n_columns)], 0)


def complete(frame, names):
    """Return a Frame with columns of these names. What the table does not have is missing."""
    column_of = dict(zip(frame.names or (), frame.columns))
    missing = InputColumn("number", np.full(frame.n_rows, np.nan))
    columns = [column_of.get(name, missing) for name in names]
    return Frame(names, columns, frame.n_rows, frame.where)


def split_target(X, name):
    """Return the Frame of a table without the column `name`, and the values of that column.

    Numbers, Booleans and texts keep their type. Missing texts and Booleans are None.
    """
    X = _to_table(X)
    frame = _to_frame(X)
    check_target(name, frame.names)
    i = frame.names.index(name)
    if frame.columns[i].kind == "time":
        raise DataError(
            "{argument} is a column of dates or times.",
            "Pass numbers or classes.",
            argument=Argument("y", name),
            column=name,
        )
    del frame.names[i], frame.columns[i]
    return frame, X.iloc[:, i] if _is_pandas(X) else _to_vector(X.column(i))


def check_target(name, names):
    """Check that a table whose columns have these names, or none, has the target."""
    if names is None:
        raise DataError(
            "{argument} names a column of X, but the columns of X have no names.",
            "Pass the targets as an array.",
            argument=Argument("y", name),
            column=name,
        )
    if name not in names:
        raise DataError(
            "{argument} names a column that X does not have.",
            "{did_you_mean}",
            argument=Argument("y", name),
            column=name,
            did_you_mean=did_you_mean(name, names),
        )


def _to_table(X, text_columns=(), decimal=None):
    """Return a table as a pandas DataFrame, an Arrow table, an array or nested lists."""
    if is_path(X):
        return files.read_like(X, text_columns, decimal)
    if isinstance(X, list) and X and isinstance(X[0], dict):
        return _from_records(X)
    _refuse_other_objects(X)
    if hasattr(X, "to_arrow"):  # Polars
        return X.to_arrow()
    if not _is_pandas(X) and (hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__")):
        return files.import_pyarrow().table(X)
    return X


def _refuse_other_objects(X):
    """Raise an error for what is not a table, but may be taken for one."""
    refuse_collections(X=X)
    refuse_classes(X=X)
    if hasattr(X, "to_frame") or hasattr(X, "dictionary_encode"):
        raise ValueError(
            f"X must be a table, got {describe_type(X)}, which is one column. Reshape your data: "
            "pass a DataFrame, such as table[[name]] or table.iloc[[i]], or an array of shape (n, "
            "n_features)."
        )
    if hasattr(X, "collect"):
        raise ValueError(
            f"X is {describe_type(X)}, whose rows are not known. Pass X.collect(), or the path of a "
            "Parquet file or a folder of them."
        )
    if hasattr(X, "to_batches") and hasattr(X, "to_table"):
        raise ValueError(
            f"X is {describe_type(X)} of pyarrow. Pass the path of its file or folder, or "
            "X.to_table()."
        )
    if isinstance(X, list) and X and all(map(is_path, X)):
        raise ValueError(
            f"X is a list of texts, such as {printable(X[0], 200)!r}, not of rows. If they are free text, "
            "pass [[text] for text in X]. If they are paths, pass one, or a folder of Parquet files."
        )


def _to_frame(X, choose=list, least_rows=1):
    """Return the Frame of a table.

    choose : as in `read_batches`; least_rows : of an array
    """
    if _is_pandas(X):
        return _from_pandas(X, choose)
    return _from_arrow(X, choose) if hasattr(X, "column_names") else _from_array(X, least_rows)


def _is_pandas(X):
    return hasattr(X, "iloc") and hasattr(X, "columns")


def _to_vector(column):
    """Return a column of an Arrow table as an array of numbers, Booleans or objects."""
    pyarrow = files.import_pyarrow()
    types = pyarrow.types
    if types.is_decimal(column.type):
        floats = column.cast(pyarrow.float64(), safe=False)
        if are_wide(floats) and not column.null_count:  # whole numbers that float64 would round
            with contextlib.suppress(pyarrow.ArrowException):
                return column.cast(pyarrow.int64()).to_numpy()
        return floats.to_numpy()
    is_number = types.is_integer(column.type) or types.is_floating(column.type)
    if is_number or (types.is_boolean(column.type) and not column.null_count):
        return column.to_numpy()
    return np.array([*column.to_pylist(), None], dtype=object)[:-1]


def _positions(all_names, names):
    """Return the positions of columns. Raise ValueError if one of `names` has two positions."""
    counts = Counter(all_names)
    for name in names:
        if counts[name] > 1:
            raise DataError(
                "X has {n} columns named {column!r}.",
                "Rename all but one, or remove them.",
                column=name,
                n=counts[name],
            )
    position_of = {name: i for i, name in enumerate(all_names)}
    return [position_of[name] for name in names]


def describe_other_names(names, known):
    """Return scikit-learn's message about other columns than those of fit."""
    unseen, missing = sorted(set(names) - set(known)), sorted(set(known) - set(names))
    message = "The feature names should match those that were passed during fit.\n"
    for title, some in (
        ("Feature names unseen at fit time:", unseen),
        ("Feature names seen at fit time, yet now missing:", missing),
    ):
        if some:
            message += f"{title}\n" + "".join(f"- {name}\n" for name in some[:5])
            message += "- ...\n" if len(some) > 5 else ""
    if not unseen and not missing:
        message += "Feature names must be in the same order as they were in fit.\n"
    return message


# ---- arrays ----


def _densify(X):
    """Return a SciPy matrix as an array. The encoded table, which holds each cell, is half as large.

    Others stay as they are.
    """
    if not is_sparse(X):
        return X
    needed, available = 8 * math.prod(X.shape), limits.available_memory()
    if needed > available:
        raise MemoryError(
            f"X is a sparse matrix of shape {X.shape}. With all zeros it takes {needed / 1e9:.1f} GB, but "
            f"{available / 1e9:.1f} GB are available. Pass fewer columns."
        )
    return to_dense(take(check_sparse("X", X, np.dtype(np.float64), X.shape[-1]), slice(None)))


def _from_array(X, least_rows):
    """Return the Frame of an array (n, m) of numbers or objects, or of nested lists."""
    from sklearn.utils.validation import check_array

    X = _densify(X)
    if X is None or isinstance(X, (dict, set)) or hasattr(X, "__next__"):
        one_row = ", or pass [X] if it is one row" if isinstance(X, dict) else ""
        raise ValueError(
            f"X must be a DataFrame, an Arrow table, an array or a path, got {type(X).__name__}. "
            f"Convert it, for example with pandas.DataFrame(X){one_row}."
        )
    if isinstance(X, np.ndarray) and X.dtype.names:
        raise ValueError(
            "X is a structured array. Pass pandas.DataFrame(X), or an array of shape "
            "(n, n_features)."
        )
    if isinstance(X, np.ma.MaskedArray):
        values: Any = X.astype(np.float64 if X.dtype.kind in "bf" else object)
        X = values.filled(np.nan)
    if isinstance(X, (list, tuple)):
        X = _array_of_lists(X)
    X = check_array(
        X,
        dtype=None if hasattr(X, "dtype") else "numeric",
        ensure_all_finite=False,
        ensure_min_samples=least_rows,
        input_name="X",
    )
    return Frame(None, [from_vector(column, i) for i, column in enumerate(X.T)], len(X))


def _array_of_lists(X):
    """Return nested lists as an array: of numbers if all values are, else of objects."""
    if not all(hasattr(row, "__len__") and not isinstance(row, (str, bytes, dict)) for row in X):
        return np.array([*X, None], dtype=object)[:-1]  # check_array says what it should be
    for i, row in enumerate(X):
        if len(row) != len(X[0]):
            raise ValueError(
                f"X is a list whose row {i} has {len(row)} values, but row 0 has {len(X[0])}. Pass "
                "rows of the same length."
            )
    return np.array(X, dtype=object) if any(map(_needs_objects, X)) else as_array("X", X)


def _needs_objects(row):
    """Whether a row holds texts, or whole numbers that NumPy may round."""
    return any(isinstance(value, (str, bytes)) or is_wide_integer(value) for value in row)


# ---- pandas and Arrow ----


def _from_pandas(X, choose=list):
    """Return the Frame of a pandas DataFrame. choose : as in `read_batches`"""
    is_text = [isinstance(name, str) for name in X.columns]
    if any(is_text) and not all(is_text):
        raise TypeError(
            "Feature names are only supported if all input features have string names, but X has "
            f"the column {X.columns[is_text.index(False)]!r}. Rename it: "
            "X.columns = X.columns.astype(str)"
        )
    labels = list(map(str, X.columns))
    if not all(is_text):
        columns = [from_series(X.iloc[:, i], labels[i]) for i in range(X.shape[1])]
        return Frame(None, columns, len(X))
    names = choose(labels)
    columns = [from_series(X.iloc[:, i], name) for i, name in zip(_positions(labels, names), names)]
    return Frame(names, columns, len(X))


def _from_arrow(table, choose=list):
    """Return the Frame of a pyarrow Table. choose : as in `read_batches`"""
    names, columns = choose(table.column_names), []
    for i, name in zip(_positions(table.column_names, names), names):
        column, field = from_chunks(table.column(i), name), table.schema.field(i)
        column.padded, style = padded_of(field), style_of(field)
        if style is not None:
            column.style = style
        columns.append(column)
    return Frame(names, columns, table.num_rows)


# ---- records ----


MOST_DIGITS = 76  # of decimals in Arrow tables
NESTED = list, tuple, dict


def _from_records(records):
    """Return an Arrow table of a list of dicts {column: value}, whose missing keys are missing values."""
    pyarrow = files.import_pyarrow()
    names: dict = {}
    for i, record in enumerate(records):
        if not isinstance(record, dict):
            raise ValueError(
                f"X must hold a dict for each row, but X[{i}] is {describe_type(record)}. Pass "
                "dicts {column: value}."
            )
        names |= dict.fromkeys(record)
    if not names:
        raise ValueError("X holds dicts without items. Pass dicts {column: value}.")
    columns = {}
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"X has a column named {name!r}. Names of columns must be str, as in JSON."
            )
        if has_lone_surrogate(name):
            raise DataError(
                "{X} has the column {column!r}, a name that UTF-8 cannot hold.",
                "Remove the lone surrogate.",
                X=Argument("X"),
                column=printable(name),
            )
        columns[name] = _to_arrow(pyarrow, name, [record.get(name) for record in records])
    return pyarrow.table(columns)


def _to_arrow(pyarrow, name, values):
    """Return an Arrow array of a column of records."""
    try:
        return pyarrow.array(values)
    except (OverflowError, UnicodeEncodeError) as error:
        if any(isinstance(value, NESTED) and value for value in values):
            # No column in use can hold these values, whatever is in them.
            return _to_arrow(pyarrow, name, list(map(_emptied, values)))
        if isinstance(error, UnicodeEncodeError):
            raise DataError(
                "column {column!r} holds {value!r} in {row}, a text that UTF-8 cannot hold.",
                "Remove the lone surrogate.",
                column=printable(name),
                row=values.index(error.object),
                value=printable(error.object),
            ) from None
        # else an integer of more than 64 bits
        if all(value is None or isinstance(value, int) for value in values):
            with contextlib.suppress(pyarrow.ArrowInvalid):  # too many digits
                decimals = [None if value is None else Decimal(value) for value in values]
                return pyarrow.array(decimals, pyarrow.decimal256(MOST_DIGITS, 0))
        # float(10**400) would raise an error, too; from a text it is infinite
        floats = [float(str(value + 0)) if isinstance(value, int) else value for value in values]
        return _to_arrow(pyarrow, name, floats)
    except (TypeError, ValueError, pyarrow.ArrowException):
        plain = [_to_plain(value) for value in values]
        if any(a is not b for a, b in zip(plain, values)):
            return _to_arrow(pyarrow, name, plain)
        raise DataError(
            "column {column!r} of {X} mixes types, such as numbers and texts.",
            "Pass values of one type, and None for missing ones.",
            column=printable(name),
            X=Argument("X"),
        ) from None


def _emptied(value):
    """Return an empty list or dict in place of a list or dict; other values as they are."""
    return ({} if isinstance(value, dict) else []) if isinstance(value, NESTED) else value


def _to_plain(value):
    """Return a time of NumPy as a datetime and a missing value as None; others as they are.

    pyarrow takes no times of NumPy in days, minutes and longer units, and no NaT or NA of pandas.
    """
    if is_missing(value):
        return None
    return value.astype("M8[us]").item() if isinstance(value, np.datetime64) else value
