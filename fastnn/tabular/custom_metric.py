"""Metrics of the user: functions, or scorers of `sklearn.metrics.make_scorer`."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import make_scorer, mean_squared_error

#: scikit-learn's rule for names of functions whose values are better if they are lower.
LOWER_IS_BETTER = "_error", "_loss", "_deviance"


def make_value(metric, name):
    """Return the `CustomValue` of a function or a scorer."""
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
        made = (KnownClasses if targets.is_classifier else KnownNumbers)(rows)
        if rows.weight is not None:
            self.check_takes_weights()
            options["sample_weight"] = rows.weight
        value = self.scorer(made, np.zeros((len(y), 1)), y, **options)
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


class KnownClasses(ClassifierMixin, BaseEstimator):
    """A classifier that returns predictions of ScoredRows to a scorer."""

    def __init__(self, rows=None):
        self.rows = rows
        self.classes_ = rows.targets.labels

    def predict_proba(self, X):
        return self.rows.P

    def predict(self, X):
        return self.classes_[self.rows.predicted]


class KnownNumbers(RegressorMixin, BaseEstimator):
    """A regressor that returns predictions of ScoredRows to a scorer."""

    def __init__(self, rows=None):
        self.rows = rows

    def predict(self, X):
        return self.rows.P

    def __sklearn_is_fitted__(self):
        return True
