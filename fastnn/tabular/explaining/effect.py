"""Effect and PairEffect: how predictions change with the values of one column, and of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.messages import plural, printable
from .scales import find_output

if TYPE_CHECKING:
    import numpy as np
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
        i = find_output(self.outputs, output)
        if self.mean.ndim == 1:
            return self
        parts = dict(curves=self.curves[..., i], mean=self.mean[..., i], outputs=[self.outputs[i]])
        return Effect(**(vars(self) | parts))

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
        i = find_output(self.outputs, output)
        if self.mean.ndim == 2:
            return self
        parts = dict(mean=self.mean[..., i], outputs=[self.outputs[i]])
        return PairEffect(**(vars(self) | parts))

    def __repr__(self) -> str:
        first, second = (printable(str(column)) for column in self.columns)
        a, b = map(len, self.values)
        return f"<PairEffect of {first!r} and {second!r}: {a} x {b} values, {self.scale}>"


def axis_of(values: NDArray[Any]) -> str:
    """Return the axis of the values of an effect, by their type: "number", "date" or "category"."""
    axes = {"number": "fiu", "date": "M", "category": "OUT"}
    return next(axis for axis, kinds in axes.items() if values.dtype.kind in kinds)
