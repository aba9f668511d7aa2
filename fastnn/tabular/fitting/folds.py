"""Folds: which rows the networks of an estimator learn from, and which are held out."""

import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.utils.validation import check_consistent_length

from ...errors import DataError
from ..columns.raw_columns import is_missing


def split_rows(n, n_estimators, labels, groups, random_state):
    """Return [(training rows, held-out rows)]: one for each fold, or a single one of five."""
    units = n if groups is None else int(groups.max()) + 1
    n_folds = min(units, n_estimators if n_estimators > 1 else 5)
    seed = random_state.randint(2**31)
    stratify = labels is not None and np.bincount(labels).max() >= n_folds
    if groups is None:
        splitter: Any = (StratifiedKFold if stratify else KFold)(
            n_folds, shuffle=True, random_state=seed
        )
    elif stratify:
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    else:
        splitter = GroupKFold(n_folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes with fewer rows than folds
        folds = list(splitter.split(np.zeros((n, 1)), labels, groups))
    if not all(len(held_out) for _, held_out in folds):  # StratifiedGroupKFold does not promise it
        folds = list(GroupKFold(n_folds).split(np.zeros((n, 1)), labels, groups))
    return folds if n_estimators > 1 else folds[:1]


def weights_of(weight, rows):
    """Return the weights of some rows, None if none has a weight."""
    if weight is None or not weight[rows].any():
        return None
    return weight[rows]


def sample(rows, most, random_state):
    """Return the rows, or a random choice of them if there are more than `most`."""
    return rows if len(rows) <= most else random_state.choice(rows, most, replace=False)


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
