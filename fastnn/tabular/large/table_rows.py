"""The first reading of the table that is passed to `fit`: all rows, or a sample of them."""

from numbers import Real
from typing import Any

from ...core.errors import DataError
from ...core.messages import warn
from ...core.validation import check_count
from ...distributed.partitions import is_collection
from ...tables.files import TableWarning
from ..columns import frames
from ..row_columns import RowColumns, check_length
from . import dask_table, row_batches, sampling
from .large_table import BatchRows, LargeTable, check_window
from .sampling import SampledRows


def read(options, arguments):
    """Return the SampledRows, and a LargeTable, or None if these are all rows of the table.

    options : TableFitOptions; arguments : FitArguments
    """
    columns, window = RowColumns(arguments), arguments.window
    if window is not None:
        window = check_count("window", window, minimum=2)
    if is_collection(arguments.X) or is_collection(arguments.y):
        source: Any = dask_table.find(options, arguments)
    else:
        source = _batches(options, arguments, columns)
    if source is not None:
        return _read_sample(options, source, window)
    X, y, sample_weight = arguments.X, arguments.y, arguments.weights
    if y is None:
        raise ValueError(
            f"{options.estimator_name} requires y to be passed, but the target y is None. Pass an "
            "array, or the name of a column of X."
        )
    if isinstance(y, Real):
        raise ValueError(
            f"y must be an array of targets, or the name of a column of X, got {y!r}. If the columns "
            "have no names, pass the column as an array, and X without it."
        )
    if isinstance(y, str):
        frame, values = frames.split_target(X, y)
        rows = SampledRows(frame, values, sample_weight, target_name=y)
    else:
        frame = frames.read(X)
        check_length("y", y, frame.n_rows)
        rows = SampledRows(frame, y, sample_weight)
    rows.weight, rows.columns = columns.weight(frame, sample_weight), columns
    columns.add(frame)
    return rows, None


def _batches(options, arguments, columns):
    """Return the rows of row groups or a Parquet file, None if X is in memory, or a file that can be."""
    X, window = arguments.X, arguments.window
    batches = row_batches.find(arguments, columns.names.values())
    if batches is None:
        if window is not None:
            raise DataError(
                "{argument} is for row groups and Parquet files, but X is another table.",
                "Leave it out.",
                argument="window",
            )
        return None
    is_small = row_batches.is_file(X) and sampling.fits(batches.n_rows, batches.n_columns)
    if window is None and is_small:
        return None
    return BatchRows(batches, options.task.summary(), columns)


def _read_sample(options, source, window):
    """Return the SampledRows, and a LargeTable, or None if these are all rows."""
    rows, n_rows = source.sample(window)
    for text in source.notes:
        warn(text, TableWarning)
    if rows.numbers is None:
        source.close()
        return rows, None
    check_window(window, len(rows.numbers), options)
    return rows, LargeTable(source, rows, n_rows, window or len(rows.numbers))
