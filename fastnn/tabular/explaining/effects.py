"""Effects: how predictions change with the values of one column, and of two.

An effect is computed from rows of which one or two columns have other values, those of a grid. All
curves of all columns are computed in one call of the networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.messages import plural, printable
from ..columns.column import MISSING
from .mixtures import Background, Mixture, drop_single_output, select_output

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(eq=False, repr=False)
class Effect:
    """How predictions change with the values of a column.

    The curve of a row has its predictions if the column has other values and the other columns stay
    as they are (individual conditional expectation: Goldstein, Kapelner, Bleich and Pitkin, 2015).
    Their mean is the partial dependence (Friedman, 2001). Values that never occur together in the
    training rows count, too: look at `plot_effect` with the rows that matter to you.

    Attributes
    ----------
    column : str or int
        Its name, or its position if columns have no names.
    kind : {"number", "category", "date"}
    values : ndarray (k,)
        Values of the column: float64, datetime64 or texts. "missing" is a missing value.
    curves : ndarray (n, k), or (n, k, n_outputs)
        The predictions of each row.
    mean : ndarray (k,), or (k, n_outputs)
        The mean over rows.
    scale : {"probability", "log-odds", "target"}
    outputs : list
        What the last axis stands for: classes or quantiles; one item if there is no such axis, the
        second of two classes, or None for the number of a regression.
    training_values : ndarray or None
        The values of the column in some training rows, without missing ones. None for categories.
    """

    column: Any
    kind: str
    values: NDArray[Any]
    curves: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: str
    outputs: list[Any]
    training_values: NDArray[Any] | None

    def of(self, output: Any) -> Effect:
        """Return the effect on one output, a class or a quantile.

        Raises
        ------
        ValueError
            It is not one of `outputs`.
        """
        return select_output(self, output, ("curves", "mean"))

    def __repr__(self) -> str:
        rows, values = plural(len(self.curves), "row"), plural(len(self.values), "value")
        return f"<Effect of {printable(str(self.column))!r}: {rows}, {values}, {self.scale}>"


@dataclass(eq=False, repr=False)
class PairEffect:
    """How the mean prediction changes with the values of two columns.

    Attributes
    ----------
    columns : tuple of str or int
        The names of the two columns, or their positions.
    kinds : tuple of str
    values : tuple of ndarray
        Values of the first column (k1,) and of the second (k2,), as in `Effect`.
    mean : ndarray (k1, k2), or (k1, k2, n_outputs)
        The mean prediction over rows.
    scale, outputs
        As in `Effect`.
    """

    columns: tuple[Any, Any]
    kinds: tuple[str, str]
    values: tuple[NDArray[Any], NDArray[Any]]
    mean: NDArray[np.float64]
    scale: str
    outputs: list[Any]

    def of(self, output: Any) -> PairEffect:
        """Return the effect on one output, as `Effect.of` does."""
        return select_output(self, output, ("mean",))

    def __repr__(self) -> str:
        first, second = (printable(str(column)) for column in self.columns)
        a, b = map(len, self.values)
        return f"<PairEffect of {first!r} and {second!r}: {a} x {b} values, {self.scale}>"


def axis_of(values: NDArray[Any]) -> str:
    """Return the axis of the values of an effect, by their type: "number", "date" or "category"."""
    axes = {"number": "fiu", "date": "M", "category": "OUT"}
    return next(axis for axis, kinds in axes.items() if values.dtype.kind in kinds)


# ---- how they are computed ----


def column_effects(columns, mixed_rows, rows, background, n_points):
    """Return the Effect of each column.

    Parameters
    ----------
    columns : list of int
        Positions in `Features.columns`.
    mixed_rows : MixedRows
    rows : Background
        The rows whose curves are computed.
    background : Background
        Training rows, which say between which values a column varies.
    n_points : int
        Values of a column, at most.
    """
    features, outputs = mixed_rows.model.features, mixed_rows.scale.outputs
    grids = [_make_grid(features, column, background, n_points) for column in columns]
    if not grids:  # all columns are free text
        return []
    varied = [[grid.column] for grid in grids for _ in range(len(grid))]
    other_rows = Background.concatenate([grid.rows for grid in grids])
    curves = _predict(mixed_rows, other_rows, varied, rows)
    ends = np.cumsum([len(grid) for grid in grids])
    return [
        Effect(
            column=features.name_of(grid.column),
            kind=features.columns[grid.column].kind,
            values=grid.values,
            curves=drop_single_output(some, outputs),
            mean=drop_single_output(_mean(some), outputs),
            scale=mixed_rows.scale.name,
            outputs=outputs,
            training_values=grid.training_values,
        )
        for grid, some in zip(grids, np.split(curves, ends[:-1], axis=1))
    ]


def pair_effect(columns, mixed_rows, rows, background, n_points):
    """Return the PairEffect of two columns. Arguments as in `column_effects`, for each of the two"""
    features, outputs = mixed_rows.model.features, mixed_rows.scale.outputs
    first, second = (_make_grid(features, column, background, n_points) for column in columns)
    crossed = _cross_grids(features, first, second)
    curves = _predict(mixed_rows, crossed, [columns] * len(crossed), rows)
    return PairEffect(
        columns=tuple(features.name_of(column) for column in columns),
        kinds=tuple(features.columns[column].kind for column in columns),
        values=(first.values, second.values),
        mean=drop_single_output(_mean(curves).reshape(len(first), len(second), -1), outputs),
        scale=mixed_rows.scale.name,
        outputs=outputs,
    )


def _predict(mixed_rows, others, varied, rows):
    """Return the predictions (n, k, n_outputs) of n rows that take columns from k others.

    varied : list of lists of int
        The columns that come from each of the others.
    """
    from_other = np.array([[c in some for c in mixed_rows.columns] for some in varied])
    n, k = len(rows), len(others)

    def mix(numbers):
        row, other = np.divmod(numbers, k)
        return Mixture(other, row, from_other[other])

    encoded = mixed_rows.encode(others), mixed_rows.encode(rows)
    return mixed_rows.predict_mixed(*encoded, n * k, mix).reshape(n, k, -1)


def _mean(curves):
    """Return the mean over rows, added up in their order."""
    return sum(curves) / len(curves)


# ---- the values of a column ----


@dataclass(eq=False, repr=False)
class _Grid:
    """Values of a column.

    Attributes
    ----------
    column : int
        Position in `Features.columns`.
    values : ndarray (k,)
        Numbers: float64. Dates: datetime64. Categories: texts.
    rows : Background
        A row for each value. Its other columns hold anything.
    training_values : ndarray or None
        As in `Effect`.
    """

    column: int
    values: np.ndarray
    rows: Background
    training_values: np.ndarray | None = None

    def __len__(self):
        return len(self.values)


def _make_grid(features, column, background, n_points):
    """Return the grid of a column.

    Numbers and dates are those of the background if it has at most `n_points` different ones, else
    equally spaced. Of the categories, these are the most frequent, and missing values if they are a
    category.
    """
    parts = zip(features.numbers, background.numbers)
    known = next((x for f, x in parts if f.source == column and f.part == "value"), None)
    if known is None:
        return _make_category_grid(features, column, background, n_points)
    source = features.columns[column]
    values = source.grid(known, n_points)
    seen = source.to_axis(known[~np.isnan(known)])
    return _Grid(column, source.to_axis(values), _rows_with(features, column, values), seen)


def _make_category_grid(features, column, background, n_points):
    """Return the grid of texts, or of a column that is only present or missing."""
    i = next(i for i, f in enumerate(features.categories) if f.source == column)
    category = features.categories[i]
    codes = background.codes[:, i]
    names = [*category.categories, *([MISSING] * category.marks_missing)]
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    chosen = np.sort(np.argsort(-counts, kind="stable")[:n_points])
    rows = _empty_rows(features, len(chosen))
    rows.codes[:, i] = chosen
    return _Grid(column, np.array(names, object)[chosen], rows)


def _empty_rows(features, n):
    return Background(
        [np.zeros(n) for _ in features.numbers],
        np.full((n, len(features.categories)), -1, np.int32),
    )


def _rows_with(features, column, values):
    """Return rows with these values of a column of numbers or dates."""
    source, rows = features.columns[column], _empty_rows(features, len(values))
    for i, feature in enumerate(features.numbers):
        if feature.source == column:
            rows.numbers[i] = source.number(values, feature.part)
    for i, feature in enumerate(features.categories):
        if feature.source == column:
            rows.codes[:, i] = source.codes(values, feature)
    return rows


def _cross_grids(features, first, second):
    """Return rows with each value of one grid beside each value of another, as a Background."""
    a, b = np.divmod(np.arange(len(first) * len(second)), len(second))
    rows, others = first.rows.take(a), second.rows.take(b)
    numbers = [
        y if f.source == second.column else x
        for f, x, y in zip(features.numbers, rows.numbers, others.numbers)
    ]
    is_second = [f.source == second.column for f in features.categories]
    return Background(numbers, np.where(is_second, others.codes, rows.codes))
