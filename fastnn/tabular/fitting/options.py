"""Options and arguments of one fit, and its task: to learn classes or numbers.

A task knows the targets, the weights of rows, scores and thresholds.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import type_of_target

from ... import losses
from ...core.messages import plural, warn
from ...core.validation import check_number
from ...estimators.targets import check_are_classes, warn_one_class
from .. import metrics
from ..large.large_table import ClassSummary, NumberSummary
from ..metrics import Metric, ScoredRows
from ..targets import TableClasses, TableNumbers, check_targets, to_labels
from ..thresholds import ThresholdRule, class_odds


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FitArguments:
    """The rows that were passed to `fit` of an estimator, as they were passed."""

    X: Any
    y: Any
    sample_weight: Any
    groups: Any
    time: Any
    window: Any

    @property
    def weights(self):
        """The weights of the rows, None if `sample_weight` names a column."""
        return None if isinstance(self.sample_weight, str) else self.sample_weight


@dataclass(frozen=True, kw_only=True)
class TableFitOptions:
    """Options of one fit.

    Attributes
    ----------
    estimator_name : str
        For messages.
    task : ClassTask or NumberTask
    n_estimators, cv, time_limit, random_state, n_threads, verbose
        As in the estimator. `TableFit` resolves ``n_threads=-1``.
    executor : concurrent.futures.Executor or None
        As in `fit`.
    hidden_sizes : list of int
    declared : dict
        Columns whose kind the user knows, for `Features.fit`.
    on_progress : callable or None
        on_progress(progress) is called with a `progress.FitProgress`.
    parameters : dict
        All parameters of the estimator, as a file holds them.
    metadata_bytes : int
        Bytes of the header of a file that are for `metadata_`.
    seconds_before : float
        Seconds of the time limit that have passed before `fit`.
    suggests_splits : bool
        Whether to warn of columns by which the rows should be split.
    monotone : mapping or None
        As in the estimator.
    """

    estimator_name: str
    task: Any
    n_estimators: int
    cv: Any
    hidden_sizes: list
    time_limit: float | None
    random_state: Any
    n_threads: int
    executor: Any
    declared: dict
    verbose: bool
    on_progress: Any
    parameters: dict
    metadata_bytes: int
    seconds_before: float
    suggests_splits: bool
    monotone: Any


class Task:
    """Base class of both tasks.

    Attributes
    ----------
    metric : Metric or None
        None for "auto".
    default_metric : Metric
        What "auto" is.
    """

    metric: Metric | None
    default_metric: ClassVar[Metric]

    @property
    def score_name(self):
        """str: what `score` is."""
        return self.score_metric.label

    @property
    def score_metric(self):
        """Metric: what `score` is."""
        return self.default_metric if self.metric is None else self.metric

    def with_monitor(self, configurations):
        """Return configurations that choose the best epoch by `metric`."""
        return configurations

    def weights(self, targets, y, weight, n_rows=None):
        """Return the weight of each row times that of its class, or None.

        Parameters
        ----------
        targets : TableClasses or TableNumbers
        y : ndarray (n,) of class numbers, or of numbers
        weight : ndarray (n,) or None
        n_rows : ndarray (n_classes,), optional
            Number of rows of each class, if `y` has not all rows.
        """
        return weight

    def decision(self, P, y, weight, row_weight):
        """Return the threshold for probabilities; by a rule, the best one for these rows.

        weight, row_weight : ndarray (n,) or None
            Weights of the rows, with and without those of their classes.
        """
        return None

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
    metric
        As in Task.
    class_weight
        As in `TabularClassifier`.
    threshold : float, ThresholdRule or None
    """

    metric: Metric | None
    class_weight: Any
    threshold: float | ThresholdRule | None
    limits: ClassVar[None] = None
    default_metric: ClassVar[Metric] = metrics.ACCURACY

    @property
    def score_name(self):
        """str: what `score` is. The weights of rows have those of their classes."""
        return metrics.name_score(self.score_metric.label, self.class_weight)

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
        if self.metric is None:
            return configurations
        return [replace(c, monitor=self.metric.monitor) for c in configurations]

    def decision(self, P, y, weight, row_weight):
        if self.rule is None:
            return self.threshold
        odds = class_odds(y, weight, row_weight)
        return self.rule.best(P[:, 1], y == 1, row_weight, odds)

    def score(self, targets, P, y, weight, threshold=None):
        """Return the metric of probabilities, by default the weighted accuracy; None if it is undefined.

        y : ndarray (n,) of class numbers
        threshold : float, ndarray (n,) or None
        """
        return self.score_metric.value(ScoredRows(targets, y, P, weight, threshold))


@dataclass(frozen=True, kw_only=True)
class NumberTask(Task):
    """Learn numbers.

    Attributes
    ----------
    metric
        As in Task.
    loss
        As in `TabularRegressor`.
    log : bool
        Whether to learn their logarithms.
    limits : (float, float) or None
        Of predictions, perhaps infinite.
    """

    metric: Metric | None
    loss: Any
    log: bool
    limits: tuple[float, float] | None = None
    threshold: ClassVar[None] = None
    rule: ClassVar[None] = None
    default_metric: ClassVar[Metric] = metrics.R2

    def fit_targets(self, y, weight):
        """Return the TableNumbers of the rows that have a weight, and y in float64."""
        y = check_targets(y, self.log)
        return self.numbers(y if weight is None else y[weight > 0]), y

    def numbers(self, y):
        """Return the TableNumbers for targets in float64."""
        return TableNumbers.fit(self.loss, y, self.log)

    def summary(self):
        """Return what finds the targets of a table larger than memory."""
        return NumberSummary(self)

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
