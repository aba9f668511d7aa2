"""What `fit` must know of the targets of all rows if it holds only a sample of them in memory."""

import numpy as np

from ..targets import check_numbers, to_labels
from .sampling import join_targets


class ClassSummary:
    """The classes of all rows, and how often they occur.

    Parameters
    ----------
    task : ClassTask
    """

    def __init__(self, task):
        self.task = task
        self.labels: list = []  # the distinct classes of each part
        self.n_rows: list = []  # how often they occur there

    def add(self, y, weight):
        """Add the targets of a part."""
        labels, n_rows = np.unique(to_labels(y), return_counts=True)
        self.labels.append(labels)
        self.n_rows.append(n_rows)

    def fit(self, y, weight):
        """Return the Classes, the class numbers of y, and the number of all rows of each class."""
        targets, joined = self.task.fit_targets(join_targets([*self.labels, y]), None)
        n = len(joined) - len(y)
        n_rows = np.bincount(joined[:n], weights=np.concatenate(self.n_rows))
        return targets, joined[n:], n_rows


class NumberSummary:
    """The range of the targets of all rows.

    Parameters
    ----------
    task : NumberTask
    """

    def __init__(self, task):
        self.task = task
        self.lowest, self.highest = np.inf, -np.inf

    def add(self, y, weight):
        """Check the targets of a part, and add them."""
        y = check_numbers(y, self.task.log)
        counted = y if weight is None else y[weight > 0]
        if len(counted):
            low, high = self.task.numbers(counted).bounds
            self.lowest, self.highest = min(low, self.lowest), max(high, self.highest)

    def fit(self, y, weight):
        """Return the Numbers, y in float64, and None."""
        targets, y = self.task.fit_targets(y, weight)
        targets.bounds = self.lowest, self.highest
        return targets, y, None
