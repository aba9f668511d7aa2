"""How a fit learns classes, or numbers: targets, weights of rows, scores and thresholds."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import type_of_target

from ... import losses
from ...core.messages import plural, warn
from ...core.validation import check_number
from ...estimators.class_targets import check_are_classes, warn_one_class
from .. import metrics
from ..large.sampling import ClassSummary, NumberSummary
from ..metric_values import ScoredRows
from ..metrics import Metric
from ..target_values import check_numbers, to_labels
from ..targets import TableClasses, TableNumbers
from ..thresholds import ThresholdRule, class_odds


class Task:
    """What both tasks share."""

    metric: Metric | None

    def warn_undefined(self, score, n):
        """Warn that the metric that the user chose is undefined for the n rows that were scored."""
        if score is None and self.metric is not None:
            needs = self.metric.needs or "other rows"
            warn(
                f"metric={self.metric.name!r} is undefined for the {plural(n, 'row')} that are held "
                f"out: it needs {needs}. oof_score_ is None, and the loss chose the configurations.",
                UndefinedMetricWarning,
            )


@dataclass(frozen=True, kw_only=True)
class ClassTask(Task):
    """Learn classes.

    Attributes
    ----------
    metric : Metric or None
        None for "auto".
    class_weight
        As in `TabularClassifier`.
    threshold : float, ThresholdRule or None
    """

    metric: Metric | None
    class_weight: Any
    threshold: float | ThresholdRule | None

    @property
    def score_name(self):
        """str: what `score` is. The weights of rows have those of their classes."""
        return metrics.name_score(self.score_metric.label, self.class_weight)

    @property
    def score_metric(self):
        """Metric: what `score` is."""
        return metrics.ACCURACY if self.metric is None else self.metric

    @property
    def rule(self):
        """ThresholdRule or None: what chooses the threshold."""
        return self.threshold if isinstance(self.threshold, ThresholdRule) else None

    def fit_targets(self, y, weight):
        """Return the TableClasses, and the class number of each row."""
        y = to_labels(y)
        check_are_classes(type_of_target(y, input_name="y"), "TabularRegressor")
        encoder = LabelEncoder().fit(y)
        warn_one_class(encoder.classes_)
        targets = TableClasses(encoder.classes_)
        targets.check_threshold(self.threshold)
        return targets, encoder.transform(y)

    def summary(self):
        """Return what finds the targets of a table larger than memory."""
        return ClassSummary(self)

    def weights(self, targets, y, weight, n_rows=None):
        """Return the weight of each row times that of its class, or None.

        Parameters
        ----------
        targets : TableClasses
        y : ndarray (n,) of class numbers
        weight : ndarray (n,) or None
        n_rows : ndarray (n_classes,), optional
            Number of rows of each class, if `y` has not all rows.
        """
        weights: Any = self.class_weight
        if weights is None:
            return weight
        if isinstance(weights, dict):
            numbers = {label: i for i, label in enumerate(targets.labels.tolist())}
            for label, value in weights.items():
                if label not in numbers:
                    raise ValueError(
                        f"class_weight names the class {label!r}, which y does not have. Its classes "
                        f"are {', '.join(map(repr, list(numbers)[:8]))}"
                        f"{' and more' if len(numbers) > 8 else ''}."
                    )
                check_number(f"class_weight of {label!r}", value, minimum=0)
            weights = {numbers[label]: value for label, value in weights.items()}
        elif n_rows is not None:
            weights = dict(enumerate(losses.balanced_weights(n_rows, n_rows.sum())))
        class_weights = losses.class_weights(weights, y, targets.n_out, targets.loss)
        return class_weights if weight is None else weight * class_weights

    def with_monitor(self, configurations):
        """Return configurations that choose the best epoch by `metric`."""
        if self.metric is None:
            return configurations
        return [replace(c, monitor=self.metric.monitor) for c in configurations]

    def decision(self, P, y, weight, row_weight):
        """Return the threshold for probabilities; by a rule, the best one for these rows.

        weight, row_weight : ndarray (n,) or None
            Weights of the rows, with and without those of their classes.
        """
        if self.rule is None:
            return self.threshold
        odds = class_odds(y, weight, row_weight)
        return self.rule.best(P[:, 1], y == 1, row_weight, odds)

    def score(self, targets, P, y, weight, threshold=None):
        """Return the metric of probabilities, by default the weighted accuracy; None if it is undefined.

        y : ndarray (n,) of class numbers
        threshold : float, ndarray (n,) or None
        """
        rows = ScoredRows(targets, y, P, weight, threshold)
        return self.score_metric.value(rows)


@dataclass(frozen=True, kw_only=True)
class NumberTask(Task):
    """Learn numbers.

    Attributes
    ----------
    metric : Metric or None
        None for "auto".
    loss
        As in `TabularRegressor`.
    log : bool
        Whether to learn their logarithms.
    """

    metric: Metric | None
    loss: Any
    log: bool
    threshold: ClassVar[None] = None
    rule: ClassVar[None] = None

    @property
    def score_name(self):
        """str: what `score` is."""
        return self.score_metric.label

    @property
    def score_metric(self):
        """Metric: what `score` is."""
        return metrics.R2 if self.metric is None else self.metric

    def fit_targets(self, y, weight):
        """Return the TableNumbers of the rows that have a weight, and y in float64."""
        y = check_numbers(y, self.log)
        return self.numbers(y if weight is None else y[weight > 0]), y

    def numbers(self, y):
        """Return the TableNumbers for targets in float64."""
        return TableNumbers.fit(self.loss, y, self.log)

    def summary(self):
        """Return what finds the targets of a table larger than memory."""
        return NumberSummary(self)

    def weights(self, targets, y, weight, n_rows=None):
        """Return the weights of the rows as they are."""
        return weight

    def with_monitor(self, configurations):
        """Return configurations as they are."""
        return configurations

    def decision(self, P, y, weight, row_weight):
        """Return None: there is no threshold."""
        return None

    def score(self, targets, P, y, weight, threshold=None):
        """Return the metric of predictions, None if it is undefined.

        By default it is the weighted R^2: 0 for equal targets, None for several quantiles.
        """
        if self.metric is not None:
            return self.metric.value(ScoredRows(targets, y, P, weight))
        if P.ndim == 2:
            return None
        variance = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
        residual = np.average((y - P) ** 2, weights=weight)
        return float(1 - residual / variance) if variance else 0.0
