"""Weights of the configurations, from their out-of-fold predictions.

`greedy` chooses them by the loss. `improve` takes those that a metric chooses, if they are better for
certain: metrics of predicted classes are coarse, and on small tables the choice by them would follow
single rows (docs/decisions/0037-metrics.md).
"""

import numpy as np

from ..metric_values import ScoredRows, is_above_zero

PICKS = 12  # of the greedy selection
EQUAL = 1e-12  # difference of metrics that are equal


def greedy(predictions, y, weight, targets):
    """Return the weights of configurations, from their out-of-fold predictions.

    Configurations are picked one after the other, with replacement, each time the one with which
    the mean of the picks has the least loss (Caruana et al., 2004, "Ensemble selection from
    libraries of models").
    """
    counts, total = np.zeros(len(predictions)), 0.0
    for k in range(PICKS):
        values = [targets.value((total + P) / (k + 1), y, weight) for P in predictions]
        j = int(np.argmin(values))
        counts[j] += 1
        total = total + predictions[j]
    return counts / PICKS


def weighted_mean(weights, predictions):
    """Return the prediction of all configurations."""
    return sum(weight * P for weight, P in zip(weights, predictions))


class HeldOutMetric:
    """What a metric says about predictions of held-out rows.

    Parameters
    ----------
    task : ClassTask or NumberTask
        With a metric.
    targets : TableClasses or TableNumbers
        With the temperature for the predictions.
    y : ndarray (n,)
    weight : ndarray (n,) or None
    row_weight : ndarray (n,) or None
        The weights without those of classes, which a threshold is chosen with.
    """

    def __init__(self, task, targets, y, weight, row_weight):
        self.task, self.targets = task, targets
        self.y, self.weight, self.row_weight = y, weight, row_weight

    def loss(self, P):
        return self.targets.value(P, self.y, self.weight)

    def cost(self, P, rows=slice(None)):
        """Return the metric, lower is better, of the predictions of some rows; None if undefined."""
        P, y = self.targets.calibrate(P[rows]), self.y[rows]
        weight, row_weight = (
            None if w is None else w[rows] for w in (self.weight, self.row_weight)
        )
        if weight is not None and not weight.any():
            return None
        threshold = (
            self.task.decision(P, y, weight, row_weight) if self.task.metric.uses_classes else None
        )
        return self.task.metric.cost(ScoredRows(self.targets, y, P, weight, threshold))


def improve(weights, predictions, held_out):
    """Return the weights of configurations that a metric chooses, or those that the loss chose.

    Picks with equal metrics are decided by the loss. Metrics of numbers choose in any case. Others
    must be better by two standard errors of the difference (jackknife), else the loss chooses, as it
    does if a metric is undefined for the rows.

    Parameters
    ----------
    weights : ndarray (n_configurations,)
        Those that the loss chose.
    predictions : list of ndarray
        Out-of-fold predictions of each configuration.
    held_out : HeldOutMetric
    """
    metric = held_out.task.metric
    if len(predictions) == 1 or metric.is_loss or held_out.cost(predictions[0]) is None:
        return weights
    counts, total = np.zeros(len(predictions)), 0.0
    for k in range(PICKS):
        means = [(total + P) / (k + 1) for P in predictions]
        costs = np.array([held_out.cost(P) for P in means], float)
        tied = np.flatnonzero(costs <= np.nanmin(costs) + EQUAL)
        j = tied[0] if len(tied) == 1 else tied[np.argmin([held_out.loss(means[i]) for i in tied])]
        counts[j] += 1
        total = total + predictions[j]
    found = counts / PICKS
    if not metric.is_coarse:
        return found
    new, old = weighted_mean(found, predictions), weighted_mean(weights, predictions)
    return found if is_better_for_certain(new, old, held_out) else weights


def is_better_for_certain(new, old, held_out):
    """Return whether the metric of predictions is better by two standard errors."""

    def gain(rows):
        costs = held_out.cost(old, rows), held_out.cost(new, rows)
        return np.nan if None in costs else costs[0] - costs[1]

    return is_above_zero(gain, len(held_out.y))
