"""How a fit learns classes, or numbers: targets, weights of rows, and scores."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import check_classification_targets

from ... import losses
from ...core.validation import check_number
from ..large.sampling import ClassSummary, NumberSummary
from ..targets import TableClasses, TableNumbers, check_numbers, to_labels


@dataclass(frozen=True, kw_only=True)
class ClassTask:
    """Learn classes. The attributes are parameters of `TabularClassifier`."""

    metric: str
    class_weight: Any
    threshold: float | None

    @property
    def score_name(self):
        """str: what `score` is. The weights of rows have those of their classes."""
        if self.class_weight is None:
            return "accuracy"
        return "balanced accuracy" if self.class_weight == "balanced" else "weighted accuracy"

    def fit_targets(self, y, weight):
        """Return the TableClasses, and the class number of each row."""
        y = to_labels(y)
        check_classification_targets(y)
        encoder = LabelEncoder().fit(y)
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
        if self.metric == "auto":
            return configurations
        monitor = {"accuracy": "error_rate", "log_loss": "loss"}[self.metric]
        return [replace(c, monitor=monitor) for c in configurations]

    def score(self, targets, P, y, weight):
        """Return the weighted accuracy of probabilities. y : ndarray (n,) of class numbers"""
        return float(np.average(targets.decide(P, self.threshold) == y, weights=weight))


@dataclass(frozen=True, kw_only=True)
class NumberTask:
    """Learn numbers.

    Attributes
    ----------
    loss
        As in `TabularRegressor`.
    log : bool
        Whether to learn their logarithms.
    """

    loss: Any
    log: bool
    score_name: ClassVar[str] = "R2"

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

    def score(self, targets, P, y, weight):
        """Return the weighted R^2 of predictions, None for several quantiles."""
        if P.ndim == 2:
            return None
        variance = np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)
        residual = np.average((y - P) ** 2, weights=weight)
        return float(1 - residual / variance) if variance else 0.0
