"""The data that arguments of `MLP.fit` stand for: in memory, or read group by group.

`rows` are (X, y, sample_weight), as passed to `fit`.
"""

from typing import Any, NamedTuple

from ..core.validation import check_count, is_names, is_path
from .data import Data, validation_in_memory


class RowArguments(NamedTuple):
    """Arguments of `MLP.fit` that stand for rows, as they were passed."""

    X: Any
    y: Any
    sample_weight: Any
    validation_data: Any
    window: Any
    may_be_empty: bool = False  # on one of several ranks


def training_data(net, arguments, loss):
    """Return the Data of rows, or the StreamedData of row groups or Parquet files."""
    rows, window = arguments[:3], arguments.window
    if arguments.y is None or is_path(arguments.X):
        return _streamed(net, rows, loss, window)
    if window is not None:
        raise ValueError(
            "window is for row groups and paths, but X and y are in memory. Leave it out."
        )
    if arguments.may_be_empty:
        return Data.of(net, arguments.X, arguments.y, loss, arguments.sample_weight)
    return data_in_memory(net, rows, loss)


def data_in_memory(net, rows, loss):
    """Return the Data of rows, at least one."""
    X, y, sample_weight = rows
    data = Data.of(net, X, y, loss, sample_weight)
    if not len(data):
        raise ValueError("X has no rows. Training needs at least one.")
    return data


def validation_data(net, argument, loss, train, window=None):
    """Return the data of the argument `validation_data`, or None.

    Row groups that fit in a window become Data.

    train : Data or StreamedData
        The rows to train on.
    """
    if argument is None or not is_streamed(argument):
        return validation_in_memory(net, argument, loss, train)
    rows = (*argument, None)[:3] if isinstance(argument, tuple) else (argument, None, None)
    try:
        data = _streamed(net, rows, loss, window).in_memory_if_small()
        if not len(data):
            raise ValueError("it has no rows")
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data: {error}") from None
    return data


def is_streamed(argument):
    """Whether an argument `validation_data` is row groups, or a path and names of columns."""
    if isinstance(argument, tuple):
        return len(argument) > 0 and is_path(argument[0])
    if isinstance(argument, list):  # of row groups, or [X, y]
        return len(argument) > 0 and isinstance(argument[0], tuple)
    from .groups import is_source

    return is_source(argument)


def _streamed(net, rows, loss, window):
    """Return the StreamedData of row groups, or of Parquet files."""
    from .groups import RowGroups  # most programs read no streams
    from .stream import StreamedData

    X, y, sample_weight = rows
    if is_path(X):
        if not is_names(y) or not (sample_weight is None or isinstance(sample_weight, str)):
            raise TypeError(
                'X is a path, so y and sample_weight must name its columns: fit("rows.parquet", '
                f'"price"). Got {type(y).__name__} and {type(sample_weight).__name__}.'
            )
        from ..tables.parquet_files import ParquetGroups

        X = ParquetGroups(X, y, sample_weight)
    elif sample_weight is not None:
        raise ValueError(
            "sample_weight does not work with row groups. Let them yield (X, y, sample_weight)."
        )
    if window is not None:
        window = check_count("window", window)
    return StreamedData(RowGroups(net, X, loss), loss, window)
