"""Plots of predicted numbers, drawn by scikit-learn's display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .prediction_checks import check_columns
from .theme import BLUE, GREY, check_axes, check_sklearn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

MAX_POINTS = 5000
MAX_TICKS = 4  # intervals between ticks of the x axis, whose numbers stand side by side


def plot_predictions(y_true: ArrayLike, y_pred: ArrayLike, ax: Axes | None = None) -> Axes:
    """Plot true against predicted numbers.

    Points on the dashed diagonal are predicted exactly. Of more than 5,000 rows, 5,000 random ones
    are shown.

    Parameters
    ----------
    y_true : array_like (n,) or (n, 1)
        True numbers.
    y_pred : array_like (n,) or (n, 1)
        Predictions: ``reg.predict(X)``, or ``net.forward(X)``.
    ax : matplotlib Axes, default None
        None is the current axes.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        Shapes do not match, there are several targets, or a number is not finite.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.plotting import plot_predictions
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> net = fastnn.MLP([1, 16, 1], rng=0)
    >>> history = net.fit(X, X**2, epochs=50)
    >>> ax = plot_predictions(X**2, net.forward(X))
    >>> ax.get_ylabel()
    'true'
    """
    ax = _plot_errors(y_true, y_pred, ax, "actual_vs_predicted")
    ax.set(xlabel="predicted", ylabel="true")
    return ax


def plot_residuals(y_true: ArrayLike, y_pred: ArrayLike, ax: Axes | None = None) -> Axes:
    """Plot the residuals, true minus predicted numbers, against the predictions.

    Of more than 5,000 rows, 5,000 random ones are shown.

    Parameters
    ----------
    y_true, y_pred, ax
        As in `plot_predictions`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        As in `plot_predictions`.

    Examples
    --------
    >>> from fastnn.plotting import plot_residuals
    >>> ax = plot_residuals([1.0, 2.0, 3.0], [1.5, 2.0, 2.5])
    >>> ax.collections[0].get_offsets().tolist()
    [[1.5, -0.5], [2.0, 0.0], [2.5, 0.5]]
    """
    ax = _plot_errors(y_true, y_pred, ax, "residual_vs_predicted")
    ax.set(xlabel="predicted", ylabel="true - predicted")
    return ax


def _plot_errors(y_true, y_pred, ax, kind):
    check_sklearn()
    from matplotlib.ticker import AutoLocator, MaxNLocator
    from sklearn.metrics import PredictionErrorDisplay

    ax = check_axes(ax)
    y_true, y_pred = check_columns(y_true, y_pred)
    PredictionErrorDisplay.from_predictions(
        y_true,
        y_pred,
        kind=kind,
        subsample=MAX_POINTS if len(y_true) > MAX_POINTS else None,
        random_state=0,
        ax=ax,
        scatter_kwargs=dict(s=10, alpha=0.5, color=BLUE, linewidths=0),
        line_kwargs=dict(color=GREY, alpha=1.0, linewidth=1.2),
    )
    # the display has ticks at odd numbers
    ax.xaxis.set_major_locator(MaxNLocator(MAX_TICKS, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_locator(AutoLocator())
    return ax
