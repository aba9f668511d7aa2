"""Differences of scores on the same rows, and their standard errors.

The errors are those of the delete-a-group jackknife (Efron and Tibshirani, 1993, "An introduction to
the bootstrap", chapter 11), for any metric: the rows are divided into parts at random, and the scores
are computed without each part in turn. As all models are scored on the same rows, what makes rows
easy or hard cancels in the differences.
"""

from dataclasses import dataclass

import numpy as np

PARTS, FEW_PARTS = 50, 20
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
        sign = 1.0 if self.metric.greater_is_better else -1.0
        gain = sign * (self.scores[i] - self.scores[j]) + 0.0  # -0.0 + 0.0 is 0.0
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
        n_parts = PARTS if n_rows < MANY_ROWS else FEW_PARTS
    n = n_rows if groups is None else int(groups.max()) + 1
    part = np.random.default_rng(0).permutation(n) % min(n, n_parts)
    return part if groups is None else part[groups]


def jackknife_error(values):
    """Return the standard error of a statistic from its values without each part."""
    k = len(values)
    if k < 2 or np.isnan(values).any():
        return float("nan")
    return float(np.sqrt((k - 1) / k * ((values - values.mean()) ** 2).sum()))
