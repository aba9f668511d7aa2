"""Plots about columns: the effects of one and of two, and permutation importances."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.validation import check_count, check_function
from ..mlp import MLP
from ..tabular.explaining.effects import Effect, PairEffect, axis_of
from ..tabular.explaining.explanation import describe_output
from .prediction_checks import check_finite_numbers
from .theme import BLUE, CLASS_COLORS, GREY, check_axes, check_sklearn, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from ..typing import RandomState

WHAT_OF_ALL = {"probability": "probability", "log-odds": "log-odds", "target": "quantile"}
MOST_FLAT_NAMES = 4  # categories whose names are not turned
MOST_SLOPING_NAMES = 10  # the names of more would overlap, and are upright
MOST_CATEGORIES = 20
CELL_TICKS = 6  # of numbers and dates beside the cells of two columns


def plot_effect(
    effect: Effect | PairEffect, ax: Axes | None = None, *, output: Any = None, n_curves: int = 40
) -> Axes:
    """Plot the effect of a column, or of two, on the predictions.

    For a number or a date, the thick line is the mean prediction (partial dependence), and each
    thin line belongs to a row (individual conditional expectation): parallel lines mean that the
    effect is the same for all rows. The marks below are the deciles of the training rows, between
    which the model has seen most. For a category, a dot is the mean and a line the middle half of
    the rows; of more than 20 categories, those whose means differ most from the others are drawn.
    For two columns, colours are the mean prediction.

    Parameters
    ----------
    effect : Effect or PairEffect
        As ``model.effect`` and ``model.pair_effect`` of a `TabularClassifier` or `TabularRegressor`
        return it.
    ax : matplotlib Axes, default None
        None is the current axes.
    output : optional
        Which class or quantile, if there are several. By default the means of all are drawn, or
        those of the 8 classes that the column changes most; of two columns, the last.
    n_curves : int, default 40
        Number of rows with a line of their own, at most: equally spaced in the order of their mean
        predictions. 0 leaves them out.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError
        `effect` is not an effect, or has no such output.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.plotting import plot_effect
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> reg = fastnn.TabularRegressor(2, hidden_layer_sizes=8, random_state=0)
    >>> ax = plot_effect(reg.fit(X, X[:, 0] ** 2).effect(0))
    >>> ax.get_xlabel()
    'column 0'
    """
    if not isinstance(effect, Effect | PairEffect):
        raise TypeError(
            f"effect must be what model.effect(column) returns, got {type(effect).__name__}. Pass "
            "model.effect('age'), for example."
        )
    n_curves = check_count("n_curves", n_curves, 0)
    ax = check_axes(ax)
    if isinstance(effect, PairEffect):
        _plot_pair(effect.of(effect.outputs[-1] if output is None else output), ax)
        return ax
    if output is None and len(effect.outputs) > 1:
        _plot_outputs(effect, ax)
        ax.set(xlabel=_name(effect.column), ylabel=WHAT_OF_ALL[effect.scale])
        return ax
    one = effect.of(effect.outputs[0] if output is None else output)
    if axis_of(one.values) == "category":
        _plot_categories(one, ax)
    else:
        _plot_curves(one, ax, n_curves)
    ax.set(xlabel=_name(one.column), ylabel=_what(one))
    return ax


def _plot_outputs(effect, ax):
    """Draw the means of several classes or quantiles."""
    spread = np.ptp(effect.mean, axis=0)
    chosen = np.sort(np.argsort(-spread, kind="stable")[: len(CLASS_COLORS)])
    is_category = axis_of(effect.values) == "category"
    effect = _few_categories(effect) if is_category else effect
    x = np.arange(len(effect.values)) if is_category else effect.values
    for i, color in zip(chosen.tolist(), CLASS_COLORS):
        label = plain(effect.outputs[i])
        ax.plot(x, effect.mean[:, i], "o" if is_category else "-", color=color, label=label)
    if is_category:
        _set_category_axis(effect, ax)
    else:
        _set_number_axis(effect, ax)
    ax.legend()


def _plot_curves(effect, ax, n_curves):
    order = np.argsort(effect.curves.mean(axis=1), kind="stable")
    shown = np.unique(np.linspace(0, len(order) - 1, min(n_curves, len(order))).astype(int))
    lines: Any = effect.curves[order[shown]].T if n_curves else np.zeros((len(effect.values), 0))
    look: dict[str, Any] = dict(color=GREY, linewidth=0.7, alpha=0.35, solid_capstyle="butt")
    marker = "o" if len(effect.values) == 1 else None
    ax.plot(effect.values, lines, zorder=1, marker=marker, **look)
    ax.plot(effect.values, effect.mean, color=BLUE, linewidth=2.4, zorder=3, marker=marker)
    _set_number_axis(effect, ax)


def _set_number_axis(effect, ax):
    """Mark the deciles of the training rows, and write dates."""
    seen = effect.training_values
    if seen is not None and len(seen):
        deciles = np.unique(np.sort(seen)[np.linspace(0, len(seen) - 1, 11).astype(int)[1:-1]])
        inside = deciles[(deciles >= effect.values[0]) & (deciles <= effect.values[-1])]
        look = dict(color=GREY, markersize=7, clip_on=False, zorder=2)
        ax.plot(inside, np.zeros(len(inside)), "|", transform=ax.get_xaxis_transform(), **look)
    ax.margins(x=0.02)
    if axis_of(effect.values) == "date":
        import matplotlib.dates

        locator = matplotlib.dates.AutoDateLocator(minticks=3, maxticks=6)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(matplotlib.dates.ConciseDateFormatter(locator))


def _plot_categories(effect, ax):
    effect = _few_categories(effect)
    x = np.arange(len(effect.values))
    low, high = np.quantile(effect.curves, (0.25, 0.75), axis=0)
    ax.vlines(x, low, high, color=GREY, linewidth=1.6, alpha=0.7, zorder=1)
    ax.plot(x, effect.mean, "o", color=BLUE, markersize=6, zorder=3)
    _set_category_axis(effect, ax)


def _few_categories(effect):
    """Return the effect of the categories whose means are farthest from the others, if it has many."""
    if len(effect.values) <= MOST_CATEGORIES:
        return effect
    mean = effect.mean.reshape(len(effect.values), -1)
    distance = np.abs(mean - np.median(mean, axis=0)).max(axis=1)
    chosen = np.sort(np.argsort(-distance, kind="stable")[:MOST_CATEGORIES])
    curves, mean = effect.curves[:, chosen], effect.mean[chosen]
    return replace(effect, values=effect.values[chosen], curves=curves, mean=mean)


def _set_category_axis(effect, ax):
    x = np.arange(len(effect.values))
    _set_ticks(ax.xaxis, x, [_name(text, short=True) for text in effect.values])
    ax.margins(x=0.5 / max(2, len(x)))


def _plot_pair(effect, ax):
    """Draw a cell for each two values. Rows of cells are values of the second column."""
    edges = (np.arange(len(values) + 1) - 0.5 for values in effect.values)
    mesh = ax.pcolormesh(*edges, effect.mean.T, cmap="viridis")
    for axis, values in zip((ax.xaxis, ax.yaxis), effect.values):
        ticks = np.arange(len(values))
        if axis_of(values) != "category" and len(values) > CELL_TICKS:
            ticks = np.unique(np.linspace(0, len(values) - 1, CELL_TICKS).astype(int))
        _set_ticks(axis, ticks, _tick_texts(values[ticks]))
    ax.set(xlabel=_name(effect.columns[0]), ylabel=_name(effect.columns[1]))
    ax.figure.colorbar(mesh, ax=ax, label=_what(effect))


def _set_ticks(axis, ticks, texts):
    is_flat = axis.axis_name == "y" or (len(texts) <= MOST_FLAT_NAMES and max(map(len, texts)) < 12)
    look: dict[str, Any] = {}
    if not is_flat:
        rotation = 40 if len(texts) <= MOST_SLOPING_NAMES else 90
        look = dict(rotation=rotation, ha="right", va="center", rotation_mode="anchor")
    axis.set_ticks(ticks, texts, **look)


def _tick_texts(values):
    if axis_of(values) == "category":
        return [_name(text, short=True) for text in values]
    if axis_of(values) == "date":
        return [str(day) for day in values.astype("datetime64[D]")]
    return [f"{x:.4g}" for x in values.tolist()]


def _name(column, short=False):
    """Return the name of a column, or of a category, as text for a plot."""
    text = plain(column if isinstance(column, str) else f"column {column}")
    return text if not short or len(text) <= 16 else text[:13] + "..."


def _what(effect):
    """Return what a prediction is, for an axis."""
    return describe_output(effect.scale, effect.outputs[0]).replace("$", r"\$")


# ---- importances ----


def plot_importances(
    model: Any,
    X: Any = None,
    y: ArrayLike | None = None,
    ax: Axes | None = None,
    *,
    scoring: str | Callable[..., float] | None = None,
    n_repeats: int = 5,
    sample_weight: ArrayLike | None = None,
    random_state: RandomState = 0,
    max_columns: int = 15,
) -> Axes:
    """Plot permutation importances: the change of the score if a column is shuffled.

    Pass rows that the model was not trained on. Columns with the same information have a low
    importance each, because the others make up for it.

    Parameters
    ----------
    model : MLP, fitted estimator or Pipeline
    X : array_like or DataFrame (n, n_features), optional
        Rows to score. Without X and y, the ``feature_importances_`` of a fitted `TabularClassifier`
        or `TabularRegressor` are plotted, which `fit` computed on held-out rows.
    y : array_like (n,), optional
        Their targets.
    ax : matplotlib Axes, default None
        None is the current axes.
    scoring : str or callable, optional
        A scorer of scikit-learn, for estimators. By default their ``score``. The score of an MLP is
        its loss.
    n_repeats : int, default 5
        Number of times each column is shuffled. Bars show the mean, lines the standard deviation.
    sample_weight : array_like (n,), optional
        Weights of the rows, at least 0.
    random_state : int or RandomState, default 0
        Random numbers of the shuffling.
    max_columns : int, default 15
        The most important columns are shown, at most this many.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        X or y is missing, or does not fit the model.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.plotting import plot_importances
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> net = fastnn.MLP([3, 8, 1], rng=0)
    >>> history = net.fit(X, 2 * X[:, 1], optimizer=fastnn.Adam(lr=0.01), epochs=50)
    >>> ax = plot_importances(net, X, 2 * X[:, 1])
    >>> ax.get_yticklabels()[-1].get_text()  # the longest bar is at the top
    'column 1'
    """
    max_columns = check_count("max_columns", max_columns)
    ax = check_axes(ax)
    if X is None and y is None:
        mean, std, names, what = _stored(model)
    elif X is None or y is None:
        raise ValueError("plot_importances needs X and y. Pass both, or none of them.")
    else:
        options = dict(n_repeats=n_repeats, random_state=random_state, sample_weight=sample_weight)
        mean, std, names, what = _permuted(model, X, y, scoring, options)
    names = [f"column {i}" for i in range(len(mean))] if names is None else list(names)
    top = np.argsort(mean, kind="stable")[-max_columns:]
    look: dict[str, Any] = dict(color=BLUE, error_kw=dict(ecolor=GREY, elinewidth=1.2))
    ax.barh(range(len(top)), mean[top], xerr=None if std is None else std[top], **look)
    ax.set_yticks(range(len(top)), [plain(names[i]) for i in top])
    ax.set(xlabel=f"{what} if shuffled")
    ax.locator_params(axis="x", nbins=5)
    if len(top) < len(mean):
        ax.set_ylabel(f"{len(top)} of {len(mean):,} columns")
    return ax


def _stored(model):
    """Return the importances that `fit` computed, no deviations, names, and their unit."""
    importances = getattr(model, "feature_importances_", None)
    if importances is None:
        raise ValueError(
            f"{type(model).__name__} has no feature_importances_. Pass rows and their targets: "
            "plot_importances(model, X, y)."
        )
    mean = check_finite_numbers("feature_importances_", importances)
    return mean, None, getattr(model, "feature_names_in_", None), "increase of the loss"


def _permuted(model, X, y, scoring, options):
    """Return the same of rows, with deviations. options : of scikit-learn's permutation_importance"""
    check_sklearn()
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import check_scoring

    if isinstance(model, MLP):
        check_function("scoring", scoring)  # names need an estimator
    if isinstance(model, MLP) and scoring is None:
        scoring, what = _negative_loss, "increase of the loss"
    else:
        what = f"decrease of {scoring if isinstance(scoring, str) else 'the score'}"
    scorer = check_scoring(model, scoring=scoring)

    def finite_score(*rows, **weights):
        score, is_good = scorer(*rows, **weights), False
        with contextlib.suppress(TypeError):  # of what is no number
            is_good = math.isfinite(score)
        if not is_good:
            raise ValueError(
                f"the score of the rows must be a finite number, got {score!r}. Check scoring, X, y "
                "and the predictions for NaN."
            )
        return score

    result = permutation_importance(model, X, y, scoring=finite_score, **options)
    names = getattr(X, "columns", getattr(model, "feature_names_in_", None))
    return result.importances_mean, result.importances_std, names, what


def _negative_loss(net, X, y, sample_weight=None):
    return -net.loss(X, y, sample_weight=sample_weight)
