"""Plots of predicted classes, probabilities and numbers, drawn by scikit-learn's displays."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from ..core.validation import (
    as_array,
    check_array,
    check_choice,
    check_count,
    check_list,
    check_sample_weight,
)
from ..network import Network
from .prediction_checks import (
    LabelledProbabilities,
    check_labels,
    check_number_pairs,
    class_positions,
    refuse_model,
)
from .theme import BLUE, CLASS_COLORS, GREY, check_axes, check_sklearn, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Literal

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

MAX_CURVES = len(CLASS_COLORS)
MAX_INSIDE = 3  # curves whose legend fits in the axes
MAX_CLASSES = 20  # of a confusion matrix
MAX_NUMBERS = 12  # classes of a confusion matrix whose cells have numbers
SMALL = 7.5  # font size of many numbers or names in a confusion matrix
GUESSES = "guesses"  # id of the line for comparison
GRID = 201  # points of a decision surface in each direction
MARGIN = 0.12  # around the rows of a decision surface, in their range
MARKERS = "o^sDvP*X"
MAX_POINTS = 5000  # of predicted numbers
MAX_TICKS = 4  # intervals between ticks of the x axis, whose numbers stand side by side


def plot_confusion(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    ax: Axes | None = None,
    *,
    labels: Sequence[Any] | NDArray[Any] | None = None,
    sample_weight: ArrayLike | None = None,
    normalize: Literal["true", "pred", "all"] | None = None,
) -> Axes:
    """Plot a confusion matrix: numbers of rows by true and predicted class.

    Of more than 20 classes, the 20 most frequent are shown.

    Parameters
    ----------
    y_true : array_like (n,)
        True classes.
    y_pred : array_like (n,), (n, n_classes) or (n, 1)
        Predicted classes. Of rows of probabilities, the most probable class is taken. One column of
        probabilities belongs to the second class, which is predicted above 0.5.
    ax : matplotlib Axes, default None
        None is the current axes.
    labels : sequence (n_classes,), optional
        The classes, in the order of the columns of probabilities and of the picture. By default the
        classes in y_true and y_pred, sorted.
    sample_weight : array_like (n,), optional
        Weights of the rows, at least 0.
    normalize : {"true", "pred", "all"}, optional
        Show shares instead of counts: of the rows of a true class, of the rows of a predicted
        class, or of all rows.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        Shapes do not match, a class is missing or not in `labels`, or there are not as many classes
        as columns of probabilities.

    Examples
    --------
    >>> from fastnn.plotting import plot_confusion
    >>> ax = plot_confusion(["cat", "dog", "dog"], ["cat", "dog", "cat"])
    >>> [text.get_text() for text in ax.texts]
    ['1', '0', '1', '1']

    The outputs of a network:

    >>> import fastnn
    >>> from fastnn.datasets import load_digits
    >>> X, digits = load_digits()
    >>> net = fastnn.MLP([64, 16, 10], output="softmax", rng=0)
    >>> history = net.fit(X, digits, epochs=5)
    >>> ax = plot_confusion(digits, net.forward(X))
    """
    check_sklearn()
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    ax = check_axes(ax)
    check_choice("normalize", normalize, ("true", "pred", "all", None))
    classes, true, predicted = _true_and_predicted(y_true, y_pred, labels)
    weight = check_sample_weight(sample_weight, len(true), np.dtype(float))[0]
    shown = _most_frequent(true, len(classes), MAX_CLASSES)
    k = len(shown)
    place = np.full(len(classes), k)  # the classes that are not shown share the last row and column
    place[shown] = np.arange(k)
    matrix = confusion_matrix(
        place[true],
        place[predicted],
        labels=range(k + 1),
        sample_weight=weight,
        normalize=normalize,
    )[:k, :k]
    names = [plain(label) for label in classes[shown].tolist()]
    ConfusionMatrixDisplay(matrix, display_labels=names).plot(
        include_values=k <= MAX_NUMBERS,
        values_format=".0%" if normalize else None if weight is None else ".4g",
        text_kw=dict(fontsize=SMALL) if k > 6 else None,
        xticks_rotation="vertical" if max(map(len, names)) > 3 else "horizontal",
        cmap="Blues",
        colorbar=k > MAX_NUMBERS,
        ax=ax,
    )
    if k > MAX_NUMBERS:
        ax.tick_params(labelsize=SMALL)
    note = f", the {k} most frequent of {len(classes):,} classes" if k < len(classes) else ""
    ax.set(xlabel="predicted", ylabel=f"true{note}")
    ax.spines[:].set_visible(True)
    return ax


def plot_roc(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    ax: Axes | None = None,
    *,
    labels: Sequence[Any] | NDArray[Any] | None = None,
    sample_weight: ArrayLike | None = None,
    name: str | None = None,
) -> Axes:
    """Plot ROC curves: the true-positive rate against the false-positive rate at all thresholds.

    Two classes have one curve, for the second class. More classes have one curve each, against
    all others. Of more than 8 classes, the 8 most frequent are shown. AUC is the area under a
    curve. The dotted diagonal shows random guesses. Call the function again to compare the
    probabilities of another model in the same axes.

    Parameters
    ----------
    y_true : array_like (n,)
        True classes.
    y_prob : array_like (n, n_classes), (n, 1) or (n,)
        Probabilities of the classes. One column holds the second of two classes.
    ax : matplotlib Axes, default None
        None is the current axes.
    labels : sequence (n_classes,), optional
        The class of each column of y_prob: ``clf.classes_``, or ``range(n)`` for a network. By
        default the classes in y_true, sorted.
    sample_weight : array_like (n,), optional
        Weights of the rows, at least 0.
    name : str, optional
        Name of the model in the legend.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        Shapes do not match, a probability is not in [0, 1], y_true holds other classes than the
        columns of y_prob, or only one class.

    Examples
    --------
    >>> from fastnn.plotting import plot_roc
    >>> ax = plot_roc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> ax.get_legend().get_texts()[0].get_text()
    'AUC 0.750'
    """
    check_sklearn()
    from sklearn.metrics import RocCurveDisplay

    ax = check_axes(ax)
    curves = _Curves(y_true, y_prob, labels, sample_weight)
    curves.draw(ax, name, RocCurveDisplay.from_predictions, "AUC {0.roc_auc:.3f}")
    _draw_guesses(ax, [0, 1], [0, 1])
    ax.set(xlabel="false-positive rate", ylabel="true-positive rate")
    curves.draw_legend(ax, "lower right")
    return ax


def plot_precision_recall(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    ax: Axes | None = None,
    *,
    labels: Sequence[Any] | NDArray[Any] | None = None,
    sample_weight: ArrayLike | None = None,
    name: str | None = None,
) -> Axes:
    """Plot precision against recall at all thresholds.

    Precision is the share of true positives among the rows above the threshold. Recall is the share
    of the positives that are above it. Curves are as in `plot_roc`. AP is the average precision. With
    two classes, the dotted line shows random guesses: the share of the second class.

    Parameters
    ----------
    y_true, y_prob, ax, labels, sample_weight, name
        As in `plot_roc`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        As in `plot_roc`.

    Examples
    --------
    >>> from fastnn.plotting import plot_precision_recall
    >>> ax = plot_precision_recall([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> ax.get_legend().get_texts()[0].get_text()
    'AP 0.833'
    """
    check_sklearn()
    from sklearn.metrics import PrecisionRecallDisplay

    ax = check_axes(ax)
    curves = _Curves(y_true, y_prob, labels, sample_weight)
    make = partial(PrecisionRecallDisplay.from_predictions, drop_intermediate=True)
    curves.draw(ax, name, make, "AP {0.average_precision:.3f}")
    if curves.is_binary:
        share = np.average(curves.classes.y == 1, weights=curves.weight)
        _draw_guesses(ax, [0, 1], [share, share])
    ax.set(xlabel="recall", ylabel="precision")
    curves.draw_legend(ax, "lower left")
    return ax


def plot_reliability(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    ax: Axes | None = None,
    *,
    labels: Sequence[Any] | NDArray[Any] | None = None,
    n_bins: int = 10,
    strategy: Literal["uniform", "quantile"] = "uniform",
    name: str | None = None,
) -> Axes:
    """Plot a reliability diagram: observed frequencies of a class against predicted probabilities.

    The points of calibrated probabilities are on the dotted diagonal. With two classes, it is about
    the probability of the second class, with more classes about the predicted class (Guo
    et al., 2017). Call the function again to compare other probabilities in the same axes.

    Parameters
    ----------
    y_true, y_prob, ax, labels, name
        As in `plot_roc`.
    n_bins : int, default 10
        Number of bins of the probabilities. Bins without rows have no point.
    strategy : {"uniform", "quantile"}, default "uniform"
        Bins of the same width, or of the same number of rows.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        As in `plot_roc`, but y_true may hold one class only.

    Examples
    --------
    >>> from fastnn.plotting import plot_reliability
    >>> ax = plot_reliability([0, 1, 1, 1], [0.1, 0.4, 0.6, 0.9], n_bins=2)
    >>> ax.lines[0].get_xydata()
    array([[0.25, 0.5 ],
           [0.75, 1.  ]])
    """
    check_sklearn()
    from sklearn.calibration import CalibrationDisplay

    ax = check_axes(ax)
    n_bins = check_count("n_bins", n_bins, maximum=10**6)
    classes = LabelledProbabilities.from_arrays(y_true, y_prob, labels)
    if len(classes.labels) == 2:
        best, class_name = np.ones(len(classes.y), np.intp), classes.name(1)
        names = f"predicted probability of class {class_name}", f"share of class {class_name}"
    else:
        best = classes.predicted()
        names = "probability of the predicted class", "share of correct predictions"
    p = np.take_along_axis(classes.P, best[:, None], axis=1)[:, 0]
    CalibrationDisplay.from_predictions(
        classes.y == best,
        p,
        n_bins=n_bins,
        strategy=strategy,
        pos_label=True,
        ax=ax,
        ref_line=False,
        marker="o",
        clip_on=False,
    )
    if (legend := ax.get_legend()) is not None:
        legend.remove()
    _finish_curve(ax, name)
    _draw_guesses(ax, [0, 1], [0, 1])
    ax.set(xlabel=names[0], ylabel=names[1], xlim=(0, 1), ylim=(0, 1), aspect="equal")
    if name is not None:
        ax.legend(loc="upper left")
    return ax


class _Curves:
    """The classes that have a curve, and the weights of the rows."""

    def __init__(self, y_true, y_prob, labels, sample_weight):
        self.classes = LabelledProbabilities.from_arrays(y_true, y_prob, labels)
        self.weight = check_sample_weight(sample_weight, len(self.classes.y), np.dtype(float))[0]
        n_rows = np.bincount(self.classes.y)
        if np.count_nonzero(n_rows) < 2:
            only = self.classes.labels.tolist()[self.classes.y[0]]
            raise ValueError(f"y_true holds only the class {only!r}. A curve needs two classes.")
        n, self.shown, self.title = len(self.classes.labels), np.array([1]), None
        self.is_binary = n == 2
        if not self.is_binary:
            shown = _most_frequent(self.classes.y, n, MAX_CURVES)
            self.shown = shown[np.isin(shown, self.classes.y)]
            if len(self.shown) < n:
                self.title = f"{len(self.shown)} most frequent\nof {n:,} classes"

    def draw(self, ax, name, make, score):
        """Draw the curves, which `make` makes as displays of scikit-learn. score : template of a label"""
        for i in self.shown:
            display = make(
                self.classes.y == i,
                self.classes.P[:, i],
                sample_weight=self.weight,
                pos_label=True,
                ax=ax,
            )
            what = [] if self.is_binary else [self.classes.name(i)]
            _finish_curve(ax, name, *what, score.format(display))

    def draw_legend(self, ax, place):
        """Draw the legend, beside the axes if it is about as large as they are."""
        look = dict(loc=place)
        if len(self.shown) > MAX_INSIDE:
            look = dict(loc="upper left", bbox_to_anchor=(1.0, 1.0))
            ax.set_aspect("auto")  # the layout of matplotlib shifts what is beside square axes
        ax.legend(**look, title=self.title)


def _finish_curve(ax, name=None, *parts):
    """Give the last line of `ax` its colour and its label."""
    curves = [line for line in ax.lines if line.get_gid() != GUESSES]
    text = ": ".join(map(str, [name, *parts] if name else parts))
    color = CLASS_COLORS[(len(curves) - 1) % len(CLASS_COLORS)]
    curves[-1].set(color=color, label=text or "_")


def _draw_guesses(ax, x, y):
    """Draw the dotted line for comparison, unless it is there."""
    if all(line.get_gid() != GUESSES for line in ax.lines):
        look = dict(color=GREY, linestyle=":", linewidth=1.2, zorder=1, label="_", gid=GUESSES)
        ax.plot(x, y, **look)


def _true_and_predicted(y_true, y_pred, labels):
    """Return the classes, and the positions among them of true and predicted classes."""
    refuse_model("y_pred", y_pred)
    array = as_array("y_pred", y_pred)
    if array.ndim == 2 and array.dtype.kind == "f":
        classes = LabelledProbabilities.from_arrays(y_true, array, labels, "y_pred")
        return classes.labels, classes.y, classes.predicted()
    y_true, y_pred = check_labels("y_true", y_true), check_labels("y_pred", y_pred)
    if len(y_pred) != len(y_true):
        raise ValueError(f"y_pred has {len(y_pred)} rows, but y_true has {len(y_true)}")
    if y_pred.dtype.kind == "f" and (y_pred != np.rint(y_pred)).any():
        raise ValueError(
            f"y_pred must hold classes, got {y_pred[y_pred != np.rint(y_pred)][0]}. Pass one column of "
            "probabilities as an array of shape (n, 1): y_pred[:, None]"
        )
    if labels is None:
        values = {*y_true.tolist(), *y_pred.tolist()}
        try:
            labels = np.array(sorted(values), dtype=object)
        except TypeError:
            names = sorted({type(value).__name__ for value in values})
            raise TypeError(
                f"y_true and y_pred hold classes of the types {', '.join(names)}, which cannot be "
                "sorted. Pass classes of one type, or their order as labels."
            ) from None
    else:
        labels = np.array(check_list("labels", labels), dtype=object)
        if labels.ndim != 1:
            raise ValueError(f"labels must be a list of classes, got shape {labels.shape}")
    return labels, class_positions(y_true, labels), class_positions(y_pred, labels, "y_pred")


def _most_frequent(y, n_classes, most):
    """Return the positions of at most `most` classes, in their order."""
    n_rows = np.bincount(y, minlength=n_classes)
    return np.sort(np.argsort(-n_rows, kind="stable")[:most])


# ---- decision boundaries ----


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
    class_of_row = class_positions(classes, labels, "y")
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
        return {}
    from matplotlib.colors import LinearSegmentedColormap

    colors = ["#8FBFDD", "#FFFFFF", "#F0B48C"]
    return dict(cmap=LinearSegmentedColormap.from_list("blue to orange", colors))


def _draw_boundaries(ax, display):
    """Draw a line where a class becomes more probable than all others."""
    P = display.response
    leads = [P - 0.5]  # of the second of two classes
    if P.ndim == 3:
        leads = [P[..., i] - np.delete(P, i, axis=2).max(axis=2) for i in range(P.shape[2])]
    for lead in leads:
        if lead.min() < 0 < lead.max():
            ax.contour(display.xx0, display.xx1, lead, [0], colors="#333333", linewidths=1.2)


# ---- numbers ----


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
    return _plot_errors(y_true, y_pred, ax, "actual_vs_predicted", "true")


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
    return _plot_errors(y_true, y_pred, ax, "residual_vs_predicted", "true - predicted")


def _plot_errors(y_true, y_pred, ax, kind, ylabel):
    check_sklearn()
    from matplotlib.ticker import AutoLocator, MaxNLocator
    from sklearn.metrics import PredictionErrorDisplay

    ax = check_axes(ax)
    y_true, y_pred = check_number_pairs(y_true, y_pred)
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
    ax.set(xlabel="predicted", ylabel=ylabel)
    return ax
