"""The data that arguments of `MLP.fit` stand for: in memory, or read group by group."""

from ..core.validation import check_count, is_names, is_path
from . import data
from .groups import RowGroups, is_source
from .stream import StreamedData


def of_training(net, X, y, loss, sample_weight, window):
    """Return the Data of X and y, or the StreamedData of row groups or Parquet files."""
    if y is None or is_path(X):
        return _streamed(net, X, y, loss, sample_weight, window)
    if window is not None:
        raise ValueError(
            "window is for row groups and paths, but X and y are in memory. Leave it out."
        )
    return in_memory(net, X, y, loss, sample_weight)


def in_memory(net, X, y, loss, sample_weight):
    """Return the Data of X and y, at least one row."""
    found = data.Data.of(net, X, y, loss, sample_weight)
    if not len(found):
        raise ValueError("X has no rows. Training needs at least one.")
    return found


def of_validation(net, validation_data, loss, train, window=None):
    """Return the data of the argument `validation_data`, or None.

    Row groups that fit in a window become Data.

    train : Data or StreamedData
        The rows to train on.
    """
    if validation_data is None or not is_streamed(validation_data):
        return data.of_validation(net, validation_data, loss, train)
    X, y, weight = validation_data, None, None
    if isinstance(validation_data, tuple):
        X, y, weight = (*validation_data, None)[:3]
    try:
        found = _streamed(net, X, y, loss, weight, window).in_memory_if_small()
        if not len(found):
            raise ValueError("it has no rows")
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data: {error}") from None
    return found


def is_streamed(validation_data):
    """Whether an argument `validation_data` is row groups, or a path and names of columns."""
    if isinstance(validation_data, tuple):
        return len(validation_data) > 0 and is_path(validation_data[0])
    if isinstance(validation_data, list):  # of row groups, or [X, y]
        return len(validation_data) > 0 and isinstance(validation_data[0], tuple)
    return is_source(validation_data)


def _streamed(net, X, y, loss, sample_weight, window):
    """Return the StreamedData of row groups, or of Parquet files."""
    if is_path(X):
        if not is_names(y) or not (sample_weight is None or isinstance(sample_weight, str)):
            raise TypeError(
                'X is a path, so y and sample_weight must name its columns: fit("rows.parquet", '
                f'"price"). Got {type(y).__name__} and {type(sample_weight).__name__}.'
            )
        from ..tables.parquet_groups import ParquetGroups

        X = ParquetGroups(X, y, sample_weight)
    elif sample_weight is not None:
        raise ValueError(
            "sample_weight does not work with row groups. Let them yield (X, y, sample_weight)."
        )
    if window is not None:
        window = check_count("window", window)
    return StreamedData(RowGroups(net, X, loss), loss, window)
