"""Two inputs from the user's table: two of its columns, or its first two principal components."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.messages import join, plural, printable, similar
from .data_sets import MOST_CLASSES, PlayData, PlayError, from_arrays

MAX_ROWS = 5000  # drawn and trained on
LEAST_ROWS = 10
MAX_LEVELS = 10  # of a column of texts that becomes inputs


def from_table(
    table: Any, target: str, columns: Any = None, test: float = 0.3, seed: int = 0
) -> PlayData:
    """Return the data set of a table: its target against two inputs.

    Inputs have mean 0 and standard deviation 1. A missing number becomes the mean of its column,
    and rows without a target are left out. Of a table with more than 5,000 rows, 5,000 are drawn
    at random. `notes` of the result say what was left out or changed.

    Parameters
    ----------
    table : pyarrow.Table, str or path-like
        A table that `fastnn.tables.read` returns, or its file.
    target : str
        The column to learn. Two different values, texts, and up to ten whole numbers are classes,
        as for `fastnn train`.
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
    from ..tables import convert_texts, read

    notes: list[str] = []
    if not hasattr(table, "column_names"):
        table = read(table)
    _check_names(table, target, columns)
    table = convert_texts(table, on_note=lambda note: notes.append(str(note)))
    values = _target(table[target], target)
    rows = np.flatnonzero([value is not None for value in values])
    if len(rows) < table.num_rows:
        notes.append(f"{plural(table.num_rows - len(rows), 'row')} without a target left out")
    if len(rows) < LEAST_ROWS:
        raise PlayError(
            f"the table has {plural(len(rows), 'row')} with a target, but needs at least {LEAST_ROWS}."
        )
    rng = np.random.default_rng(seed)
    if len(rows) > MAX_ROWS:
        notes.append(f"{MAX_ROWS:,} of {len(rows):,} rows drawn at random")
        rows = np.sort(rng.permutation(rows)[:MAX_ROWS])
    y = _labels(np.array([values[i] for i in rows.tolist()]), target)
    inputs = _Inputs(table.take(rows), target, notes)
    X, labels = inputs.components() if columns is None else inputs.chosen(columns)
    data = from_arrays(X, y, labels, test, seed)
    data.notes = notes
    return data


def _check_names(table, target, columns):
    """Check that the columns exist, and that two different ones are inputs."""
    names = table.column_names
    for name in [target, *(columns or ())]:
        if name not in names:
            close = similar(name, names)
            hint = f" Did you mean {close!r}?" if close else f" It has {', '.join(names[:8])}."
            raise PlayError(f"the table has no column {printable(name)!r}.{hint}")
    if columns is not None and len({target, *columns}) != 3:
        raise PlayError("choose two different columns, neither of them the target.")


def _target(column, name):
    """Return the values of the target: numbers, Booleans or texts, and None for missing ones."""
    import pyarrow as pa

    if pa.types.is_temporal(column.type):
        raise PlayError(
            f"the target {printable(name)!r} holds dates or times. Choose a column of numbers or classes."
        )
    values = column.to_pylist()
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        numbers = [np.nan if value is None else float(value) for value in values]
        return [value if np.isfinite(value) else None for value in numbers]
    return [value if isinstance(value, int | None) else str(value) for value in values]


def _labels(y, name):
    """Return classes, or scaled float32 numbers."""
    from ..tables.recognition import are_class_numbers

    n_distinct, label = len(np.unique(y)), f"the target {printable(name)!r}"
    if n_distinct < 2:
        raise PlayError(f"{label} has the same value in every row. Choose another target.")
    is_class = n_distinct == 2 or y.dtype.kind not in "fiu"
    if not is_class and (y.dtype.kind == "f" or not are_class_numbers(n_distinct, len(y))):
        return _scaled(y.astype(np.float64)).astype(np.float32)
    if n_distinct > MOST_CLASSES:
        raise PlayError(
            f"{label} has {n_distinct:,} different values, but at most {MOST_CLASSES} classes can be "
            "drawn. Choose another target."
        )
    return np.array([f"{value:g}" for value in y.tolist()]) if y.dtype.kind == "f" else y


class _Inputs:
    """The two inputs of a table. notes: list to which is added what was left out."""

    def __init__(self, table, target, notes):
        self.table, self.target, self.notes = table, target, notes

    def chosen(self, columns):
        """Return two columns, (n, 2), and their names."""
        parts = []
        for name in columns:
            numbers = numbers_of(self.table[name])
            if numbers is None:
                raise PlayError(
                    f"column {printable(name)!r} holds texts. Choose columns of numbers or dates, or "
                    "leave them out for the principal components of all columns."
                )
            if not np.nanstd(numbers) > 0:
                raise PlayError(
                    f"column {printable(name)!r} has fewer than two different values. Choose another."
                )
            parts.append(numbers)
        self._note_missing(parts)
        return np.stack([_scaled(part) for part in parts], axis=1), list(columns)

    def components(self):
        """Return the first two principal components, (n, 2), and their names."""
        numbers: list[Any] = []
        levels: list[Any] = []
        left_out = []
        for name in self.table.column_names:
            if name == self.target:
                continue
            values = numbers_of(self.table[name])
            found = _levels(self.table[name]) if values is None else []
            if values is not None and np.isfinite(values).any() and np.nanstd(values) > 0:
                numbers.append(values)
            elif found:
                levels += found
            else:
                left_out.append(name)
        if len(numbers) + len(levels) < 2:
            raise PlayError(
                "the table needs two columns of numbers or of few texts beside the target, each with "
                "different values."
            )
        if left_out:
            self.notes.append(
                f"{plural(len(left_out), 'column')} with one value or many texts left out: "
                f"{join(left_out)}"
            )
        self._note_missing(numbers)
        return self._principal([_scaled(part) for part in numbers + levels])

    def _principal(self, parts):
        X = np.stack(parts, axis=1)
        _, values, components = np.linalg.svd(X, full_matrices=False)
        components = components[:2] * np.sign(components[:2].sum(axis=1, keepdims=True) + 1e-300)
        shares = values**2 / (values**2).sum()
        scores = X @ components.T
        scores[:, shares[:2] < 1e-9] = 0  # rounding errors of columns that say the same
        names = [f"principal component {i + 1} ({shares[i]:.0%} of the variance)" for i in range(2)]
        return np.stack([_scaled(part) for part in scores.T], axis=1), names

    def _note_missing(self, parts):
        n = sum(np.count_nonzero(np.isnan(part)) for part in parts)
        if n:
            self.notes.append(f"{plural(n, 'missing value')} replaced by the mean of the column")


def _levels(column):
    """Return an input for each of a few different texts, [] if there are one or many."""
    texts = np.asarray([str(value) for value in column.to_pylist()])
    levels = np.unique(texts)
    if not 2 <= len(levels) <= MAX_LEVELS:
        return []
    return [(texts == level).astype(np.float64) for level in levels]


def numbers_of(column: Any) -> Any:
    """Return a column of numbers or dates as float64, missing values as NaN; None for texts."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        column = column.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    values = np.array(column.to_pylist(), float)
    return np.where(np.isfinite(values), values, np.nan)


def _scaled(values):
    """Return values with mean 0 and standard deviation 1; missing ones become 0."""
    spread = np.nanstd(values) or 1.0
    return np.nan_to_num((values - np.nanmean(values)) / spread)
