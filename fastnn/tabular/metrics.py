"""Metrics, by name or custom, and differences of the scores of models on the same rows.

The metric of an estimator is printed first, and chooses among configurations. Rows count by their
weights, and rows of weight 0 not at all. A metric that is undefined for the rows is None.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core.errors import Argument, DataError
from ..core.messages import printable, similar

MIN_PROBABILITY = 1e-15  # of the true class, in the log-loss


@dataclass
class ScoredRows:
    """Predictions of rows whose target is known.

    Attributes
    ----------
    targets : TableClasses, TableNumbers or None
        None if the predicted classes are known, and for one prediction of numbers a row.
    y : ndarray (n,)
        Class numbers, or numbers.
    P : ndarray (n, n_classes), (n,) or (n, n_quantiles)
        Probabilities, or predicted numbers.
    weight : ndarray (n,) or None
    threshold : float, ndarray (n,) of float, or None
        The probability from which a row is of the second class, for all rows or each of them.
    chosen : ndarray (n,), or None
        The predicted class numbers, if they are known.
    block : ndarray (n,) of int, or None
        The number of the block of time of each row. R2 compares with the mean of each block, as the
        score of a later block does: the differences between blocks are not explained variance.
    """

    targets: Any
    y: np.ndarray
    P: np.ndarray
    weight: np.ndarray | None = None
    threshold: Any = None
    chosen: np.ndarray | None = None
    block: np.ndarray | None = None

    @cached_property
    def weights(self):
        """ndarray (n,): the weights, 1 by default."""
        return np.ones(len(self.y)) if self.weight is None else self.weight

    @cached_property
    def predicted(self):
        """ndarray (n,): the predicted class numbers."""
        if self.chosen is not None:
            return self.chosen
        return self.targets.decide(self.P, self.threshold)

    @cached_property
    def confusion(self):
        """ndarray (n_classes, n_classes): weight of the rows of each class by predicted class."""
        k = self.P.shape[1]
        return np.bincount(
            self.y * k + self.predicted, weights=self.weights, minlength=k * k
        ).reshape(k, k)


# ---- classes ----


def _accuracy(rows):
    return float(np.average(rows.predicted == rows.y, weights=rows.weight))


def _balanced_accuracy(rows):
    """Return the mean recall of the classes that have rows."""
    n = rows.confusion.sum(axis=1)
    return float(np.mean(np.diag(rows.confusion)[n > 0] / n[n > 0]))


def _f1(rows):
    """Return the F1 of the second of two classes, else the mean F1 of the classes that have rows."""
    n, values = rows.confusion.sum(axis=1), f1_of_classes(rows.confusion)
    if len(n) == 2:
        return float(values[1]) if n[1] > 0 else None
    return float(values[n > 0].mean())


def f1_of_classes(confusion):
    """Return the F1 of each class against the others, 0 for classes without rows."""
    right, both = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    return np.divide(2 * right, both, out=np.zeros(len(right)), where=both > 0)


def _log_loss(rows):
    p = np.maximum(rows.P[np.arange(len(rows.y)), rows.y], MIN_PROBABILITY)
    return float(np.average(-np.log(p), weights=rows.weight)) + 0.0  # -0.0 + 0.0 is 0.0


def _auc(rows):
    """Return the area under the ROC curve of the second of two classes, else the mean over classes
    against the others."""
    classes = [1] if rows.P.shape[1] == 2 else range(rows.P.shape[1])
    values = [auc_of_class(rows.y == j, rows.P[:, j], rows.weights) for j in classes]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def auc_of_class(is_class, p, weights):
    """Return the probability that a row of a class has a higher p than another row, where equal ones
    count half. None if all rows or none are of the class."""
    order = np.argsort(p, kind="stable")
    p, w = p[order], weights[order]
    inside = np.where(is_class[order], w, 0.0)
    ends = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)
    inside, outside = (np.diff(np.cumsum(x)[ends], prepend=0.0) for x in (inside, w - inside))
    total = inside.sum() * outside.sum()
    if not total > 0:
        return None
    return float((inside * (np.cumsum(outside) - outside / 2)).sum() / total)


# ---- numbers ----


def _rmse(rows):
    return float(np.sqrt(np.average((rows.y - rows.P) ** 2, weights=rows.weight)))


def _mae(rows):
    return float(np.average(np.abs(rows.y - rows.P), weights=rows.weight))


def _mape(rows):
    """Return the mean of the errors divided by the targets, None if a target is 0."""
    counted = rows.weights > 0
    y, P, weights = rows.y[counted], rows.P[counted], rows.weights[counted]
    if not y.all():
        return None
    return float(np.average(np.abs((y - P) / y), weights=weights))


def _r2(rows):
    """Return the coefficient of determination, None if all targets are equal."""
    y, P, weight = rows.y, rows.P, rows.weight
    if rows.block is not None:
        mean = block_means(y, weight, rows.block)
        y, P = y - mean, P - mean
    variance = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
    counted = y if weight is None else y[weight > 0]
    if counted.min() == counted.max() or not variance > 0:
        return None
    return float(1 - np.average((y - P) ** 2, weights=weight) / variance)


def block_means(y, weight, block):
    """Return the mean of y in the block of each row, 0 in a block without weight."""
    weight = np.ones(len(y)) if weight is None else weight
    sums = np.bincount(block, weight * y), np.bincount(block, weight)
    return np.divide(*sums, out=np.zeros(len(sums[0])), where=sums[1] > 0)[block]


def _pinball(rows):
    """Return the mean quantile loss: of the quantiles that are predicted, else of the median."""
    P = rows.P if rows.P.ndim == 2 else rows.P[:, None]
    loss = None if rows.targets is None else rows.targets.loss
    q = np.atleast_1d(getattr(loss, "q", 0.5))
    errors = rows.y[:, None] - P
    losses = np.maximum(q * errors, (q - 1) * errors).mean(axis=1)
    return float(np.average(losses, weights=rows.weight))


AUTO = "auto"
#: What sets a missing function.
RESTORE = "Pass it: set_params(metric=...)."


@dataclass(frozen=True)
class Metric:
    """What predictions are judged by.

    Attributes
    ----------
    name : str
    label : str
        For output.
    value : callable
        value(rows) returns a float, None if the metric is undefined, of a `ScoredRows`.
    greater_is_better : bool
    monitor : {"loss", "error_rate"}
        The held-out value that chooses the best epoch. Compiled code computes these two.
    uses_classes : bool
        Whether the value depends on the predicted classes, and so on a threshold.
    needs : str
        What is missing where the metric is undefined.
    """

    name: str
    label: str
    value: Callable[..., Any]
    greater_is_better: bool = True
    monitor: str = "loss"
    uses_classes: bool = False
    needs: str = ""

    @property
    def is_loss(self):
        """bool: whether it is the loss that networks learn, so that nothing is chosen anew."""
        return self.name == "log_loss"

    @property
    def is_coarse(self):
        """bool: whether a choice by it may follow single rows: those of classes, and of the user."""
        return self.name not in NUMBER_METRICS

    @property
    def verb(self):
        """str: what a worse value does."""
        return "fall" if self.greater_is_better else "rise"

    def cost(self, rows):
        """Return the value of ScoredRows with the sign with which lower is better, or None."""
        return self.signed(self.value(rows))

    def signed(self, value):
        """Return a value, or None, with the sign with which lower is better."""
        return -value if value is not None and self.greater_is_better else value

    def drop(self, before, after):
        """Return by how much a value is worse than another, NaN if one of them is None."""
        if before is None or after is None:
            return math.nan
        return before - after if self.greater_is_better else after - before

    def check_targets(self, targets, y, weight):
        """Raise DataError if the metric is undefined for all targets of `fit`."""
        if self.name == "mape":
            zero = (y == 0) if weight is None else (y == 0) & (weight > 0)
            if zero.any():
                raise DataError(
                    "{argument} divides errors by the targets, but the target is 0 in {row}.",
                    "Choose another {name}, such as {other}.",
                    argument=Argument("metric", self.name),
                    row=int(zero.argmax()),
                    other=Argument("metric", "mae"),
                )
        check_weights = getattr(self.value, "check_takes_weights", None)  # a function of the user
        if weight is not None and check_weights is not None:
            check_weights()
        if targets.is_classifier or targets.n_out == 1 or self.name == "pinball":
            return
        if self.name in NUMBER_METRICS:
            raise DataError(
                "{argument} needs one prediction for each row, but several quantiles are predicted.",
                "Choose {other}.",
                argument=Argument("metric", self.name),
                other=Argument("metric", "pinball"),
            )


def _by_name(*metrics):
    return {metric.name: metric for metric in metrics}


CLASS_METRICS = _by_name(
    Metric("accuracy", "accuracy", _accuracy, True, "error_rate", True),
    Metric("balanced_accuracy", "balanced accuracy", _balanced_accuracy,
           uses_classes=True),
    Metric("log_loss", "log-loss", _log_loss, False),
    Metric("auc", "AUC", _auc, needs="rows of two classes"),
    Metric("f1", "F1", _f1, uses_classes=True, needs="rows of the second class"),
)  # fmt: skip
NUMBER_METRICS = _by_name(
    Metric("rmse", "RMSE", _rmse, False),
    Metric("mae", "mean absolute error", _mae, False),
    Metric("mape", "MAPE", _mape, False, needs="targets other than 0"),
    Metric("r2", "R2", _r2, needs="two different targets"),
    Metric("pinball", "pinball loss", _pinball, False),
)
ACCURACY, R2 = CLASS_METRICS["accuracy"], NUMBER_METRICS["r2"]
#: Other names of metrics, as scikit-learn and other libraries have them.
ALIASES = {
    alias: name
    for name, aliases in {
        "accuracy": "acc",
        "balanced_accuracy": "bacc balanced_acc",
        "log_loss": "logloss nll cross_entropy",
        "auc": "roc_auc auroc rocauc",
        "f1": "f1_score",
        "rmse": "root_mean_squared_error",
        "mae": "mean_absolute_error",
        "mape": "mean_absolute_percentage_error",
        "r2": "r_squared r2_score",
        "pinball": "pinball_loss mean_pinball_loss quantile",
    }.items()
    for alias in aliases.split()
}


def name_score(label, class_weight):
    """Return the name of a score whose rows have the weights of their classes."""
    if class_weight is None or label == "balanced accuracy":
        return label
    is_mean_recall = class_weight == "balanced" and label == "accuracy"
    return "balanced accuracy" if is_mean_recall else f"weighted {label}"


def name_weighted(name, sample_weight):
    """Return the name of a score whose rows have weights, or not."""
    if sample_weight is None or name.startswith("weighted"):
        return name
    return f"weighted {name}"


def find_name(text):
    """Return the name of a metric for a name that people type, such as log-loss or neg_log_loss.

    Other texts are returned in lower case.
    """
    name = text.strip().lower().replace("-", "_").replace(" ", "_").replace("^", "")
    name = name.removeprefix("neg_")
    return ALIASES.get(name, name)


def known_name(metric, is_classifier):
    """Return the name of the metric of an estimator; None for "auto", and for a function of the user.

    metric : its parameter
    """
    name = find_name(metric) if isinstance(metric, str) else None
    return name if name in (CLASS_METRICS if is_classifier else NUMBER_METRICS) else None


def resolve_metric(metric, known, other):
    """Return the Metric of the parameter `metric` of an estimator, None for "auto".

    Parameters
    ----------
    metric : str or callable
    known, other : dict of str to Metric
        The metrics of the task, and those of the other one.
    """
    if isinstance(metric, MissingMetric):
        raise DataError(
            "{argument} is the function {function!r} of the user, which a model file does not hold.",
            RESTORE,
            argument="metric",
            function=metric.name,
        )
    if not isinstance(metric, str):
        found = name_of_custom(metric)
        value = make_value(metric, found)
        return Metric(found, found, value, uses_classes=True, needs="a finite number")
    name = find_name(metric)
    if name == AUTO:
        return None
    if name in known:
        return known[name]
    what = "numbers" if other is NUMBER_METRICS else "classes"
    close = similar(name, known)
    raise DataError(
        "{argument} {problem}.",
        "{hint}{name} can be {names}.",
        argument=Argument("metric", metric),
        problem=f"is for {what}" if name in other else "is unknown",
        hint=f"Did you mean {close!r}? " if close and name not in other else "",
        names=", ".join([AUTO, *known]),
    )


# ---- metrics of the user ----


class MissingMetric:
    """Stands for the function of the user that `metric` was, in an estimator from a file.

    Parameters
    ----------
    name : str
        The name of the function.
    """

    def __init__(self, name):
        self.name = name

    def __call__(self, *arguments, **options):
        raise ValueError(f"the function {self.name!r} is not in the model file. {RESTORE}")

    def __repr__(self):
        return f"<metric {self.name!r}, which is not in the model file>"

    def __eq__(self, other):
        return isinstance(other, MissingMetric) and self.name == other.name

    def __hash__(self):
        return hash(self.name)


def name_of_custom(metric):
    """Return the name of a function, of a scorer, or of what stands for it."""
    if isinstance(metric, MissingMetric):
        return metric.name
    function = getattr(metric, "_score_func", metric)  # what make_scorer made of a function
    return printable(getattr(function, "__name__", type(function).__name__))


#: scikit-learn's rule for names of functions whose values are better if they are lower.
LOWER_IS_BETTER = "_error", "_loss", "_deviance"


def make_value(metric, name):
    """Return the `CustomValue` of a function, or of a scorer of `sklearn.metrics.make_scorer`."""
    from sklearn.metrics import make_scorer, mean_squared_error

    if isinstance(metric, type(make_scorer(mean_squared_error))):
        return CustomValue(name, metric)
    if name.endswith(LOWER_IS_BETTER):
        raise ValueError(
            f"metric={name} seems to be lower for better predictions, as functions whose names end in "
            f"{', '.join(LOWER_IS_BETTER)} are, but higher must be better. Pass "
            f"metric=make_scorer({name}, greater_is_better=False), with sklearn.metrics.make_scorer."
        )
    return CustomValue(name, make_scorer(metric))


@dataclass(frozen=True)
class CustomValue:
    """The value of a metric of the user. Greater is better."""

    name: str
    scorer: Callable[..., Any]

    def __call__(self, rows):
        targets, options = rows.targets, {}
        y = targets.labels[rows.y] if targets.is_classifier else rows.y
        if rows.weight is not None:
            options["sample_weight"] = rows.weight
        try:
            value = self.scorer(KnownPredictions(rows), np.zeros((len(y), 1)), y, **options)
        except TypeError as error:  # scikit-learn's, too, if the function returned None
            message = f"metric {self.name} failed: {error}. It must return a number."
            raise TypeError(message) from error
        try:
            value = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"metric {self.name} must return a number, got {value!r}") from None
        return value if math.isfinite(value) else None

    def check_takes_weights(self):
        function = getattr(self.scorer, "_score_func", self.scorer)
        try:
            parameters = inspect.signature(function).parameters
        except (TypeError, ValueError):  # compiled code
            return
        takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        if "sample_weight" not in parameters and not takes_all:
            raise TypeError(
                f"metric {self.name} has no parameter sample_weight, but the rows have weights. Add "
                "it, or leave out sample_weight and class_weight."
            )


class KnownPredictions:
    """An estimator that gives the predictions of ScoredRows to a scorer."""

    def __init__(self, rows):
        self.rows, self.classes_ = rows, getattr(rows.targets, "labels", None)

    def predict_proba(self, X):
        return self.rows.P

    def predict(self, X):
        return self.rows.P if self.classes_ is None else self.classes_[self.rows.predicted]

    def __sklearn_tags__(self):
        from sklearn.utils import Tags, TargetTags

        kind = "regressor" if self.classes_ is None else "classifier"
        return Tags(estimator_type=kind, target_tags=TargetTags(required=True))


# ---- models on the same rows ----

JACKKNIFE_PARTS, FEW_JACKKNIFE_PARTS = 50, 20
MANY_ROWS = 50_000  # from which on fewer parts are enough, and cheaper
QUICK_PARTS = 10  # of decisions while a model is fitted
CERTAIN = 2.0  # standard errors that a difference must be above 0
LEAST = 1e-12  # difference that is no rounding error


@dataclass(frozen=True)
class Difference:
    """By how much a model is better than another.

    Attributes
    ----------
    gain : float
        Above 0 if it is better, whatever the direction of the metric.
    error : float
        Standard error of the gain.
    """

    gain: float
    error: float

    @property
    def is_certain(self):
        """bool: whether the gain is above 0 by two standard errors."""
        return self.gain > LEAST and self.gain > CERTAIN * self.error

    @property
    def verdict(self):
        """{1, -1, 0}: better, worse, or not to be told apart."""
        if self.is_certain:
            return 1
        return -1 if Difference(-self.gain, self.error).is_certain else 0


class PairedScores:
    """Scores of several models on the same rows.

    The standard errors are those of the delete-a-group jackknife (Efron and Tibshirani, 1993, "An
    introduction to the bootstrap", chapter 11), for any metric: the rows are divided into parts at
    random, and the scores are computed without each part in turn. As all models are scored on the
    same rows, what makes rows easy or hard cancels in the differences.

    Parameters
    ----------
    metric : Metric
    models : list of callable
        Each returns the ScoredRows of a model for a mask of rows, or an array of their numbers.
    n_rows : int
    groups : ndarray (n_rows,) of int, optional
        Groups of rows that are not independent: each is left out as a whole.

    Attributes
    ----------
    scores : list of float or None
        None if the metric is undefined for the rows.
    errors : list of float
        Their standard errors, NaN if they are not known.
    """

    def __init__(self, metric, models, n_rows, groups=None):
        self.metric = metric
        parts = assign_parts(n_rows, groups)
        self.scores = [self._value(model, slice(None)) for model in models]
        without = [
            [self._value(model, np.flatnonzero(parts != k)) for k in range(parts.max() + 1)]
            for model in models
        ]
        self._without = np.array(without, np.float64)  # None becomes NaN
        self.errors = [jackknife_error(values) for values in self._without]

    def _value(self, model, some):
        rows = model(some)
        if not len(rows.y) or (rows.weight is not None and not rows.weight.any()):
            return None
        return self.metric.value(rows)

    def difference(self, i, j):
        """Return by how much model i is better than model j, or None if a score is undefined."""
        if self.scores[i] is None or self.scores[j] is None:
            return None
        gain = self.metric.drop(self.scores[i], self.scores[j]) + 0.0  # -0.0 + 0.0 is 0.0
        return Difference(float(gain), jackknife_error(self._without[i] - self._without[j]))

    def order(self):
        """Return the numbers of the models, the best first; those without a score are last."""
        costs = [np.inf if s is None else self.metric.signed(s) for s in self.scores]
        return np.argsort(costs, kind="stable").tolist()


def is_above_zero(statistic, n):
    """Return whether a statistic of n rows, such as a gain, is certainly above 0.

    statistic : callable
        statistic(rows) returns a float, NaN if it is undefined, for a mask of rows.
    """
    value = statistic(np.ones(n, bool))
    if not value > LEAST:
        return False
    parts = assign_parts(n, n_parts=QUICK_PARTS)
    without = np.array([statistic(parts != k) for k in range(parts.max() + 1)])
    return Difference(value, jackknife_error(without)).is_certain


def assign_parts(n_rows, groups=None, n_parts=None):
    """Return the part of each row, (n_rows,) of int, the same in each call."""
    if n_parts is None:
        n_parts = JACKKNIFE_PARTS if n_rows < MANY_ROWS else FEW_JACKKNIFE_PARTS
    n = n_rows if groups is None else int(groups.max()) + 1
    part = np.random.default_rng(0).permutation(n) % min(n, n_parts)
    return part if groups is None else part[groups]


def jackknife_error(values):
    """Return the standard error of a statistic from its values without each part."""
    k = len(values)
    if k < 2 or np.isnan(values).any():
        return float("nan")
    return float(np.sqrt((k - 1) / k * ((values - values.mean()) ** 2).sum()))
