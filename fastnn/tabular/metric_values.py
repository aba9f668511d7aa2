"""Values of metrics: how good predictions of classes and of numbers are.

Rows count by their weights, and rows of weight 0 not at all. A metric that is undefined for the
rows is None.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

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


def accuracy(rows):
    return float(np.average(rows.predicted == rows.y, weights=rows.weight))


def balanced_accuracy(rows):
    """Return the mean recall of the classes that have rows."""
    n = rows.confusion.sum(axis=1)
    return float(np.mean(np.diag(rows.confusion)[n > 0] / n[n > 0]))


def f1(rows):
    """Return the F1 of the second of two classes, else the mean F1 of the classes that have rows."""
    n, values = rows.confusion.sum(axis=1), f1_of_classes(rows.confusion)
    if len(n) == 2:
        return float(values[1]) if n[1] > 0 else None
    return float(values[n > 0].mean())


def f1_of_classes(confusion):
    """Return the F1 of each class against the others, 0 for classes without rows."""
    right, both = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    return np.divide(2 * right, both, out=np.zeros(len(right)), where=both > 0)


def log_loss(rows):
    p = np.maximum(rows.P[np.arange(len(rows.y)), rows.y], MIN_PROBABILITY)
    return float(np.average(-np.log(p), weights=rows.weight)) + 0.0  # -0.0 + 0.0 is 0.0


def auc(rows):
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


def rmse(rows):
    return float(np.sqrt(np.average((rows.y - rows.P) ** 2, weights=rows.weight)))


def mae(rows):
    return float(np.average(np.abs(rows.y - rows.P), weights=rows.weight))


def mape(rows):
    """Return the mean of the errors divided by the targets, None if a target is 0."""
    counted = rows.weights > 0
    y, P, weights = rows.y[counted], rows.P[counted], rows.weights[counted]
    if not y.all():
        return None
    return float(np.average(np.abs((y - P) / y), weights=weights))


def r2(rows):
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


def pinball(rows):
    """Return the mean quantile loss: of the quantiles that are predicted, else of the median."""
    P = rows.P if rows.P.ndim == 2 else rows.P[:, None]
    loss = None if rows.targets is None else rows.targets.loss
    q = np.atleast_1d(getattr(loss, "q", 0.5))
    errors = rows.y[:, None] - P
    losses = np.maximum(q * errors, (q - 1) * errors).mean(axis=1)
    return float(np.average(losses, weights=rows.weight))
