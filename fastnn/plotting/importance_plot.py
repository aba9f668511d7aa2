"""A plot of permutation importances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.validation import check_count
from ..mlp import MLP
from .prediction_checks import check_numbers
from .theme import BLUE, GREY, check_axes, check_sklearn, plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from ..typing import RandomState


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
        check_sklearn()
        from sklearn.inspection import permutation_importance

        if isinstance(model, MLP) and scoring is None:
            scoring, what = _negative_loss, "increase of the loss"
        else:
            what = f"decrease of {scoring if isinstance(scoring, str) else 'the score'}"
        result = permutation_importance(
            model,
            X,
            y,
            scoring=scoring,
            n_repeats=n_repeats,
            random_state=random_state,
            sample_weight=sample_weight,
        )
        if not np.isfinite(result.importances_mean).all():
            raise ValueError(
                "the score of the rows is not finite. Check X, y and the predictions for NaN."
            )
        mean, std = result.importances_mean, result.importances_std
        names = getattr(X, "columns", getattr(model, "feature_names_in_", None))
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
    names = getattr(model, "feature_names_in_", None)
    return check_numbers("feature_importances_", importances), None, names, "increase of the loss"


def _negative_loss(net, X, y, sample_weight=None):
    return -net.loss(X, y, sample_weight=sample_weight)
