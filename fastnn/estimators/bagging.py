"""The rows that each network of an ensemble trains on, and the rows that it holds out."""

import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.utils.validation import _num_samples, column_or_1d

from ..core.validation import check_rows


def check_groups(estimator, groups, X):
    """Return groups as an array (n,) or None, or raise ValueError if nothing would read them."""
    if groups is None:
        return None
    if estimator.n_estimators == 1 or estimator.bagging != "folds":
        raise ValueError(
            "groups keep the rows of a group in one fold, but this estimator has no folds. "
            "Set n_estimators to at least 2 and bagging='folds', or pass groups=None."
        )
    groups = column_or_1d(groups)
    check_rows("groups", len(groups), _num_samples(X))
    return groups


def folds(data, n_folds, labels, groups, seed):
    """Return [(training rows, held-out rows)] for each fold.

    Parameters
    ----------
    data : Data
        The rows.
    n_folds : int
    labels : ndarray (n,) or None
        Classes, to give each fold the same share of them.
    groups : ndarray (n,) or None
        The rows of a group stay in one fold.
    seed : int
    """
    n, weight = len(data), data.sample_weight
    n_units = n if groups is None else len(np.unique(groups))
    if n_units < n_folds:
        what, got = ("rows", f"n_samples={n}") if groups is None else ("groups", f"{n_units}")
        raise ValueError(
            f"bagging='folds' with n_estimators={n_folds} needs at least {n_folds} {what}, got "
            f"{got}. Lower n_estimators, or use bagging='bootstrap' or None."
        )
    classes: Any = ()
    codes: Any = None
    if labels is not None:
        classes, codes = np.unique(labels, return_inverse=True)
    parts = split_into_folds(n, n_folds, codes, groups, seed)
    for i, (train, held_out) in enumerate(parts):
        if codes is not None:
            counts = np.bincount(codes[train], minlength=len(classes))
            if not counts.all():
                missing = classes.tolist()[np.argmin(counts)]
                raise ValueError(
                    f"All rows of class {missing!r} are in fold {i}, so one network of "
                    "bagging='folds' would never see that class. Add rows or groups of the class, "
                    "or use bagging='bootstrap' or None."
                )
        if weight is not None and not (weight[train].any() and weight[held_out].any()):
            raise ValueError(
                f"sample_weight is zero in all rows of fold {i}, or in all others. Lower "
                "n_estimators, or remove the rows without weight."
            )
    return parts


def bootstrap(n, weight, random_state):
    """Return n rows drawn with replacement, sorted, and the rows that were not drawn."""
    while True:
        rows = np.sort(random_state.randint(0, n, n)).astype(np.intp)
        if weight is None or weight[rows].any():
            return rows, np.setdiff1d(np.arange(n, dtype=np.intp), rows)


def split_into_folds(n, n_folds, codes, groups, seed):
    """Return [(training rows, held-out rows)] for each fold.

    Parameters
    ----------
    n, n_folds : int
        Numbers of rows and folds. There are at least as many rows, or groups, as folds.
    codes : ndarray (n,) of int or None
        Numbers of classes. Each fold has the same share of them, if one has a row for each fold.
    groups : ndarray (n,) or None
        The rows of a group stay in one fold.
    seed : int
    """
    X = np.zeros((n, 1))
    stratify = codes is not None and np.bincount(codes).max() >= n_folds
    shuffled = dict(shuffle=True, random_state=seed)
    if groups is None:
        splitter = (StratifiedKFold if stratify else KFold)(n_folds, **shuffled)
    elif stratify:
        # shuffled here: scikit-learn 1.7 shuffles the groups' counts of classes, but not the groups
        names, numbers = np.unique(groups, return_inverse=True)
        order = np.random.RandomState(seed).permutation(len(names))
        splitter, groups = StratifiedGroupKFold(n_folds), np.argsort(order)[numbers]
    else:  # without a seed: shuffled groups would make folds of different sizes
        splitter = GroupKFold(n_folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about classes with fewer rows than folds
        folds = list(splitter.split(X, codes, groups))
    if not all(len(held_out) for _, held_out in folds):  # StratifiedGroupKFold does not promise it
        folds = list(GroupKFold(n_folds).split(X, codes, groups))
    return folds
