"""Make the folds of ensembles: which rows a network trains on, and which it holds out."""

import warnings

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold


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
        splitter = StratifiedGroupKFold(n_folds, **shuffled)
    else:  # without a seed: shuffled groups would make folds of different sizes
        splitter = GroupKFold(n_folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about classes with fewer rows than folds
        folds = list(splitter.split(X, codes, groups))
    if not all(len(held_out) for _, held_out in folds):  # StratifiedGroupKFold does not promise it
        folds = list(GroupKFold(n_folds).split(X, codes, groups))
    return folds
