"""Metrics by name, or of the user: what is printed first, and chooses among configurations."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.errors import Argument, DataError
from ..core.messages import printable, similar
from . import metric_values

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
    Metric("accuracy", "accuracy", metric_values.accuracy, True, "error_rate", True),
    Metric("balanced_accuracy", "balanced accuracy", metric_values.balanced_accuracy,
           uses_classes=True),
    Metric("log_loss", "log-loss", metric_values.log_loss, False),
    Metric("auc", "AUC", metric_values.auc, needs="rows of two classes"),
    Metric("f1", "F1", metric_values.f1, uses_classes=True, needs="rows of the second class"),
)  # fmt: skip
NUMBER_METRICS = _by_name(
    Metric("rmse", "RMSE", metric_values.rmse, False),
    Metric("mae", "mean absolute error", metric_values.mae, False),
    Metric("mape", "MAPE", metric_values.mape, False, needs="targets other than 0"),
    Metric("r2", "R2", metric_values.r2, needs="two different targets"),
    Metric("pinball", "pinball loss", metric_values.pinball, False),
)
ACCURACY, R2 = CLASS_METRICS["accuracy"], NUMBER_METRICS["r2"]
#: Other names of metrics, as scikit-learn and other libraries have them.
ALIASES = {
    "acc": "accuracy",
    "bacc": "balanced_accuracy",
    "balanced_acc": "balanced_accuracy",
    "logloss": "log_loss",
    "nll": "log_loss",
    "cross_entropy": "log_loss",
    "roc_auc": "auc",
    "auroc": "auc",
    "rocauc": "auc",
    "f1_score": "f1",
    "root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "r_squared": "r2",
    "r2_score": "r2",
    "pinball_loss": "pinball",
    "mean_pinball_loss": "pinball",
    "quantile": "pinball",
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


def resolve(metric, known, other):
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
        from . import custom_metric

        found = name_of_custom(metric)
        value = custom_metric.make_value(metric, found)
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
