"""Folds: which rows the networks of an estimator learn from, and which are held out."""

import numpy as np
from sklearn.utils.validation import check_consistent_length

from ...core.errors import DataError
from ...estimators.bagging import split_into_folds
from ..columns.raw_columns import is_missing


def split_rows(n, n_estimators, labels, groups, random_state):
    """Return [(training rows, held-out rows)]: one for each fold, or a single one of five."""
    units = n if groups is None else int(groups.max()) + 1
    n_folds = min(units, n_estimators if n_estimators > 1 else 5)
    seed = random_state.randint(2**31)
    folds = split_into_folds(n, n_folds, labels, groups, seed)
    return folds if n_estimators > 1 else folds[:1]


def group_numbers(groups, n):
    """Return the number of the group of each row."""
    check_consistent_length(groups, np.empty(n))
    groups = np.asarray(groups)
    if groups.ndim != 1:
        raise ValueError(
            f"groups must have shape ({n},), one group for each row, got {groups.shape}"
        )
    numbers: dict = {}
    out = np.empty(n, np.intp)
    for i, group in enumerate(groups.tolist()):
        if is_missing(group):
            raise DataError(
                "{argument} has a missing value in {row}.",
                "Give the row a group, for example one of its own.",
                argument="groups",
                row=i,
            )
        out[i] = numbers.setdefault(group, len(numbers))
    if len(numbers) < 2:
        raise ValueError("groups holds one group, but at least 2 are needed. Leave groups out.")
    return out
