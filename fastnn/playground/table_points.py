"""Two inputs from the user's table: two of its columns, or its first two principal components."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.messages import printable, similar
from .data_sets import PlayData, from_arrays

MAX_ROWS = 5000  # drawn and trained on
MAX_LEVELS = 10  # of a column of texts that becomes inputs


def from_table(
    table: Any, target: str, columns: Any = None, test: float = 0.3, seed: int = 0
) -> PlayData:
    """Return the data set of a table: its target against two inputs.

    Inputs have mean 0 and standard deviation 1. A missing number becomes the mean of its column,
    and rows without a target are left out. Of a table with more than 5,000 rows, 5,000 are drawn
    at random.

    Parameters
    ----------
    table : pyarrow.Table, str or path-like
        A table that `fastnn.tables.read` returns, or its file.
    target : str
        The column to learn.
    columns : list of two str, optional
        Columns of numbers or dates. By default the first two principal components of all columns of
        numbers, dates, and of up to ten different texts.
    test : float in [0, 1), default 0.3
    seed : int, default 0

    Returns
    -------
    PlayData

    Raises
    ------
    ValueError
        A column does not exist or holds no numbers, or the target has too many classes.
    """
    from ..tables import read

    if not hasattr(table, "column_names"):
        table = read(table)
    names = table.column_names
    for name in [target, *(columns or ())]:
        if name not in names:
            close = similar(name, names)
            hint = f" Did you mean {close!r}?" if close else f" It has {', '.join(names[:8])}."
            raise ValueError(f"the table has no column {printable(name)!r}.{hint}")
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(np.asarray(table[target].is_valid()))
    if len(rows) > MAX_ROWS:
        rows = np.sort(rng.permutation(rows)[:MAX_ROWS])
    table = table.take(rows)
    X, labels = _inputs(table, target, columns)
    y = np.asarray(table[target].to_pylist())
    if y.dtype.kind == "f" or (y.dtype.kind in "iu" and len(np.unique(y)) > 20):
        y = _scaled(y.astype(np.float64)).astype(np.float32)
    elif y.dtype.kind not in "iub":
        y = y.astype(str)
    return from_arrays(X, y, labels, test, seed)


def _inputs(table, target, columns):
    """Return the two inputs (n, 2), and their names."""
    if columns is not None:
        if len(columns) != 2:
            raise ValueError(f"choose two columns, got {len(columns)}")
        parts = [_numbers(table[name]) for name in columns]
        for name, part in zip(columns, parts):
            if part is None:
                raise ValueError(
                    f"column {printable(name)!r} holds texts. Choose columns of numbers or dates, or "
                    "leave them out for the principal components of all columns."
                )
        return np.stack([_scaled(part) for part in parts], axis=1), list(columns)
    parts = []
    for name in table.column_names:
        if name != target:
            parts += _features(table[name])
    if len(parts) < 2:
        raise ValueError("the table needs two columns of numbers or of few texts beside the target")
    X = np.stack(parts, axis=1)
    _, values, components = np.linalg.svd(X, full_matrices=False)
    components = components[:2] * np.sign(components[:2].sum(axis=1, keepdims=True) + 1e-300)
    scores = X @ components.T
    shares = values**2 / (values**2).sum()
    return scores / scores.std(axis=0), [
        f"principal component {i + 1} ({shares[i]:.0%} of the variance)" for i in range(2)
    ]


def _features(column):
    """Return the scaled inputs of a column: one of numbers, or one for each of a few texts."""
    numbers = _numbers(column)
    if numbers is not None:
        return [_scaled(numbers)] if np.nanstd(numbers) > 0 else []
    texts = np.asarray([str(value) for value in column.to_pylist()])
    levels = np.unique(texts)
    if not 2 <= len(levels) <= MAX_LEVELS:
        return []
    return [_scaled((texts == level).astype(np.float64)) for level in levels]


def _numbers(column):
    """Return a column of numbers or dates as float64, missing values as NaN; None for texts."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        column = column.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    values = np.array(column.to_pylist(), float)
    return np.where(np.isfinite(values), values, np.nan)


def _scaled(values):
    """Return values with mean 0 and standard deviation 1; missing ones become 0."""
    spread = np.nanstd(values) or 1.0
    return np.nan_to_num((values - np.nanmean(values)) / spread)
