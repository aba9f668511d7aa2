"""Folds: which rows the networks of an estimator learn from, and which are held out."""

import heapq

import numpy as np

from ..core.errors import DataError
from ..estimators.bagging import split_into_folds
from ..training.stream import hashes


def count(n_estimators):
    """Return the number of folds: five for one network, which is trained on a single fold."""
    return n_estimators if n_estimators > 1 else 5


def split_rows(n, n_estimators, labels, groups, random_state):
    """Return [(training rows, held-out rows)]: one for each fold, or a single one of five.

    groups : ndarray (n,) of int, or None
        Rows with the number -1 are in no fold.
    """
    units = n if groups is None else int(groups.max()) + 1
    n_folds = min(units, count(n_estimators))
    seed = random_state.randint(2**31)
    if groups is None or groups.min() >= 0:
        folds = split_into_folds(n, n_folds, labels, groups, seed)
    else:
        known = np.flatnonzero(groups >= 0)
        labels = None if labels is None else labels[known]
        folds = split_into_folds(len(known), n_folds, labels, groups[known], seed)
        folds = [(known[train], known[held_out]) for train, held_out in folds]
    return folds if n_estimators > 1 else folds[:1]


class HashedFolds:
    """Folds of a table larger than memory.

    A hash of the number of a row and a seed decides which fold holds it out. If there are groups,
    each goes to the fold that has the fewest rows so far, the largest group first.

    Parameters
    ----------
    n_estimators : int
    groups : ndarray of int, or None
        The number of the group of each row of the table, -1 for rows in no fold.
    random_state : RandomState

    Attributes
    ----------
    n_folds : int
    trains : ndarray (n_folds, n_folds + 1) of bool
        Whether a fold trains on the rows that each fold holds out, and on those in no fold.
    """

    def __init__(self, n_estimators, groups, random_state):
        self.n_estimators, self.n_folds = n_estimators, count(n_estimators)
        self.seed, self.fold_of_row = random_state.randint(2**31), None
        if groups is not None:
            self.n_folds = min(self.n_folds, int(groups.max()) + 1)
            n_rows = np.bincount(groups[groups >= 0])
            fold_of_group = _spread_groups(n_rows, self.n_folds)
            self.fold_of_row = np.append(fold_of_group, self.n_folds)[groups]
        self.trains = np.c_[~np.eye(self.n_folds, dtype=bool), np.zeros(self.n_folds, bool)]

    def keys(self, numbers):
        """Return the fold that holds out each of the rows with these numbers, `n_folds` for none."""
        if self.fold_of_row is not None:
            return self.fold_of_row[numbers]
        return (hashes(numbers, self.seed) % np.uint64(self.n_folds)).astype(np.intp)

    def split(self, numbers):
        """Return [(training rows, held-out rows)] of a sample, as `split_rows` does.

        numbers : ndarray (n,) of int
            Those of the rows of the sample in the table.
        """
        fold, n_folds = self.keys(numbers), self.n_folds
        if len(np.unique(fold[fold < n_folds])) < n_folds:
            raise DataError(
                "the {n} rows in memory do not hold one of each of {n_folds} folds.",
                "Pass a larger {name}.",
                argument="window",
                n=len(fold),
                n_folds=n_folds,
            )
        folds = [
            (np.flatnonzero(trains[fold]), np.flatnonzero(fold == k))
            for k, trains in enumerate(self.trains)
        ]
        return folds if self.n_estimators > 1 else folds[:1]


def _spread_groups(n_rows, n_folds):
    """Return the fold of each group, so that folds have about the same number of rows."""
    fold_of_group = np.zeros(len(n_rows), np.intp)
    folds = [(0, k) for k in range(n_folds)]
    for group in np.argsort(-n_rows, kind="stable"):
        n, fold = heapq.heappop(folds)
        fold_of_group[group] = fold
        heapq.heappush(folds, (n + int(n_rows[group]), fold))
    return fold_of_group
