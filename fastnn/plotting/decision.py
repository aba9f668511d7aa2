"""A plot of the decision boundary of a classifier with two inputs."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from ..core.validation import check_array
from ..network import Network
from .prediction_checks import check_labels, positions
from .theme import CLASS_COLORS, check_axes, check_sklearn, plain

if TYPE_CHECKING:
    from typing import Any

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

GRID = 201  # points in each direction
MARGIN = 0.12  # around the rows, in their range
MARKERS = "o^sDvP*X"


def plot_decision(model: Any, X: Any, y: ArrayLike, ax: Axes | None = None) -> Axes:
    """Plot the probabilities, the decision boundaries and the rows of a classifier of two features.

    The stronger the colour, the higher is the probability of the class. Lines separate the regions of
    the classes.

    Parameters
    ----------
    model : MLP or fitted classifier
        A network with two inputs and a sigmoid or softmax output, or a classifier or pipeline with
        `predict_proba` that was fitted to two columns of numbers.
    X : array_like (n, 2)
        Rows to plot.
    y : array_like (n,)
        Their classes, for a network 0, 1, 2, ...
    ax : matplotlib Axes, default None
        None is the current axes.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        The model does not classify two features, X is not (n, 2) or not finite, or y holds an
        unknown class.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn.plotting import plot_decision
    >>> net = fastnn.MLP([2, 8, 1], output="sigmoid", rng=0)
    >>> ax = plot_decision(net, [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
    """
    check_sklearn()
    from sklearn.inspection import DecisionBoundaryDisplay

    classifier = _classifier_of(model)
    ax = check_axes(ax)
    points, classes = _check_rows(X), check_labels("y", y)
    if (n := len(classes)) != len(points):
        raise ValueError(f"y has {n} row{'s' * (n != 1)}, but X has {len(points)}")
    labels = np.asarray(classifier.classes_)
    class_of_row = positions(classes, labels, "y")
    colors = _colors(len(labels))
    low, high = points.min(axis=0), points.max(axis=0)
    margin = MARGIN * (high - low).max() + 1e-9
    display = DecisionBoundaryDisplay.from_estimator(
        classifier,
        X if hasattr(X, "columns") else points,
        grid_resolution=GRID,
        eps=margin,
        response_method="predict_proba",
        multiclass_colors=[_lighten(color) for color in colors],
        ax=ax,
        levels=np.linspace(0, 1, 21),
        vmin=0,
        vmax=1,
        **_surface(len(labels)),
    )
    _draw_boundaries(ax, display)
    for i, (label, color, marker) in enumerate(zip(labels.tolist(), colors, cycle(MARKERS))):
        look = dict(s=8, color=color, marker=marker, linewidths=0.2, edgecolors="white")
        ax.scatter(*points[class_of_row == i].T, label=plain(label), **look)
    if len(labels) > 2:
        ax.legend(loc="best", markerscale=2)  # its default would warn on slow machines
    ax.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin))
    ax.set_aspect("equal")
    return ax


def _classifier_of(model):
    """Return what scikit-learn's display takes: an estimator of two features."""
    if isinstance(model, Network):
        n_in, n_out, output = model.layer_sizes[0], model.layer_sizes[-1], model.activations[-1]
        if n_in != 2 or (output != "softmax" and (n_out, output) != (1, "sigmoid")):
            raise ValueError(
                "plot_decision needs a network with two inputs and a sigmoid or softmax "
                f"output, got {model}"
            )
        return _as_classifier(model)
    if not hasattr(model, "predict_proba") or not hasattr(model, "classes_"):
        raise TypeError(
            "model must be an MLP or a fitted classifier with predict_proba and classes_, got "
            f"{type(model).__name__}"
        )
    n_features = getattr(model, "n_features_in_", 2)
    if n_features != 2:
        raise ValueError(
            f"plot_decision needs a classifier of two features, but this {type(model).__name__} was "
            f"fitted to {n_features}"
        )
    return model


def _as_classifier(net):
    """Return a fitted classifier of scikit-learn that predicts with a network."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class NetworkClassifier(ClassifierMixin, BaseEstimator):
        classes_ = np.arange(max(2, net.layer_sizes[-1]))

        def fit(self, X, y):  # scikit-learn takes nothing without it for an estimator
            return self

        def predict_proba(self, X):
            P = net.forward(X)
            return np.hstack([1 - P, P]) if P.shape[1] == 1 else P

        def __sklearn_is_fitted__(self):
            return True

    return NetworkClassifier()


def _check_rows(X):
    points = check_array("X", X, np.dtype(float))
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"X must have shape (n, 2), two features, got {points.shape}")
    if not len(points) or not np.isfinite(points).all():
        raise ValueError("X must hold at least one row, and finite numbers only")
    return points


def _colors(n_classes):
    """Return a list with a colour for each class."""
    if n_classes <= len(CLASS_COLORS):
        return list(CLASS_COLORS[:n_classes])
    import matplotlib

    return list(matplotlib.colormaps["gist_rainbow"](np.linspace(0, 1, n_classes)))


def _lighten(color):
    """Return a colour mixed with white."""
    from matplotlib.colors import to_rgb

    return tuple(1 - 0.45 * (1 - np.array(to_rgb(color))))


def _surface(n_classes):
    """Return how the display draws the probabilities."""
    if n_classes > 2:
        return dict(zorder=-1)
    from matplotlib.colors import LinearSegmentedColormap

    return dict(
        cmap=LinearSegmentedColormap.from_list("blue to orange", ["#8FBFDD", "#FFFFFF", "#F0B48C"])
    )


def _draw_boundaries(ax, display):
    """Draw a line where a class becomes more probable than all others."""
    P = display.response
    if P.ndim == 2:  # of the second of two classes
        leads = [P - 0.5]
    else:
        leads = [P[..., i] - np.delete(P, i, axis=2).max(axis=2) for i in range(P.shape[2])]
    for lead in leads:
        if lead.min() < 0 < lead.max():
            ax.contour(display.xx0, display.xx1, lead, [0], colors="#333333", linewidths=1.2)
