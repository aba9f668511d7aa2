"""What `fit` must know of the targets of all rows if it holds only a sample of them in memory."""

from numbers import Integral

import numpy as np
from sklearn.utils.validation import column_or_1d

from ..errors import DataError
from .raw_columns import is_missing
from .sampling import join_targets


class ClassSummary:
    """The classes of all rows, and how often they occur.

    Parameters
    ----------
    estimator : TabularClassifier
    """

    def __init__(self, estimator):
        self.estimator = estimator
        self.labels: list = []  # the distinct classes of each part
        self.n_rows: list = []  # how often they occur there

    def add(self, y, weight):
        """Add the targets of a part."""
        labels, n_rows = np.unique(to_labels(y), return_counts=True)
        self.labels.append(labels)
        self.n_rows.append(n_rows)

    def fit(self, y, weight):
        """Set the classes of the estimator. Return the class numbers of y, and n_rows by class."""
        joined = self.estimator._fit_targets(join_targets([*self.labels, y]), None)
        n = len(joined) - len(y)
        n_rows = np.bincount(joined[:n], weights=np.concatenate(self.n_rows))
        return joined[n:], n_rows


class NumberSummary:
    """The range of the targets of all rows.

    Parameters
    ----------
    estimator : TabularRegressor
    """

    def __init__(self, estimator):
        self.estimator = estimator
        self.lowest, self.highest = np.inf, -np.inf

    def add(self, y, weight):
        """Check the targets of a part, and add them."""
        y = self.estimator._target_numbers(y)
        counted = y if weight is None else y[weight > 0]
        if len(counted):
            low, high = self.estimator._numbers_of(counted).bounds
            self.lowest, self.highest = min(low, self.lowest), max(high, self.highest)

    def fit(self, y, weight):
        """Set the targets of the estimator. Return y in float64, and None."""
        y = self.estimator._fit_targets(y, weight)
        self.estimator._targets.bounds = self.lowest, self.highest
        return y, None


def to_labels(y):
    """Return classes as a vector that scikit-learn can sort. Missing classes are an error."""
    dtype = getattr(y, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype) and hasattr(y, "to_numpy"):
        y = y.to_numpy()  # an extension type of pandas, or Polars
    y = column_or_1d(y, warn=True)
    if y.dtype != object:
        return y
    values = y.tolist()
    for row, value in enumerate(values):
        if is_missing(value):
            raise DataError(
                "{argument} has a missing class in {row}.", "Remove the row.", argument="y", row=row
            )
    if all(isinstance(value, bool) for value in values):
        return y.astype(bool)
    if all(isinstance(value, Integral) for value in values):
        return y.astype(np.int64)
    if len({isinstance(value, str) for value in values}) > 1:
        names = sorted({type(value).__name__ for value in values})
        raise ValueError(
            f"y holds classes of the types {', '.join(names)}, which cannot be sorted. Convert them "
            "to texts: [str(label) for label in y]"
        )
    return y
