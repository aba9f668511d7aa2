"""Grids: the values of a column at which its effect is computed."""

from dataclasses import dataclass

import numpy as np

from ..columns.column import MISSING
from .background import Background


@dataclass(eq=False, repr=False)
class Grid:
    """Values of a column.

    Attributes
    ----------
    column : int
        Position in `Features.columns`.
    values : ndarray (k,)
        Numbers: float64. Dates: datetime64. Categories: texts.
    rows : Background
        A row for each value. Its other columns hold anything.
    """

    column: int
    values: np.ndarray
    rows: Background

    def __len__(self):
        return len(self.values)


def make(features, column, background, n_points):
    """Return the Grid of a column.

    Numbers and dates are those of the background if it has at most `n_points` different ones, else
    equally spaced. Of the categories, these are the most frequent, and missing values if they are a
    category.
    """
    values = _numbers(features, column, background)
    if values is None:
        return _of_categories(features, column, background, n_points)
    source = features.columns[column]
    values = source.grid(values, n_points)
    return Grid(column, source.to_axis(values), _rows(features, column, values))


def training_values(features, column, background):
    """Return the values of a column of numbers or dates in the background, None for others."""
    values = _numbers(features, column, background)
    return None if values is None else features.columns[column].to_axis(values[~np.isnan(values)])


def _numbers(features, column, background):
    """Return the values of a column of numbers or dates in the background, missing ones included."""
    for feature, values in zip(features.numbers, background.numbers):
        if feature.source == column and feature.part == "value":
            return values
    return None


def _of_categories(features, column, background, n_points):
    """Return the Grid of texts, or of a column that is only present or missing."""
    positions = [i for i, f in enumerate(features.categories) if f.source == column]
    category = features.categories[positions[0]]
    codes, names = background.codes[:, positions[0]], [*category.categories]
    names += [MISSING] * category.marks_missing
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    chosen = np.sort(np.argsort(-counts, kind="stable")[:n_points])
    rows = _empty(features, len(chosen))
    rows.codes[:, positions[0]] = chosen
    return Grid(column, np.array(names, object)[chosen], rows)


def _empty(features, n):
    return Background(
        [np.zeros(n) for _ in features.numbers],
        np.full((n, len(features.categories)), -1, np.int32),
    )


def _rows(features, column, values):
    """Return rows with these values of a column of numbers or dates."""
    source, rows = features.columns[column], _empty(features, len(values))
    for i, feature in enumerate(features.numbers):
        if feature.source == column:
            rows.numbers[i] = source.number(values, feature.part)
    for i, feature in enumerate(features.categories):
        if feature.source == column:
            rows.codes[:, i] = source.codes(values, feature)
    return rows


def cross(features, first, second):
    """Return rows with each value of one Grid beside each value of another, as a Background."""
    a, b = np.divmod(np.arange(len(first) * len(second)), len(second))
    rows, others = first.rows.take(a), second.rows.take(b)
    numbers = [
        y if f.source == second.column else x
        for f, x, y in zip(features.numbers, rows.numbers, others.numbers)
    ]
    is_second = [f.source == second.column for f in features.categories]
    return Background(numbers, np.where(is_second, others.codes, rows.codes))
