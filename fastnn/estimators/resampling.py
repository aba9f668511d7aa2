"""The rows that each network of an estimator trains on and holds out: early stopping, folds, bootstraps.

The callbacks score the rows of early stopping, and stop the training.
"""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)
from sklearn.utils.validation import _num_samples, column_or_1d

from ..callbacks import Callback, EarlyStopping, Patience, resolve_callbacks
from ..core.validation import check_rows
from ..training.data import Data
from . import inputs, parameters
from .ensemble import network_outputs


@dataclass(frozen=True, eq=False, repr=False)
class HeldOutScore:
    """Computes the score of a network for held-out rows.

    Attributes
    ----------
    targets : ClassTargets or NumberTargets
    y : ndarray
    validation : Data
    n_threads : int
    """

    targets: Any
    y: Any
    validation: Data
    n_threads: int

    def __call__(self, net):
        Y = network_outputs(net, self.validation.X, self.n_threads)
        return self.targets.score(self.y, Y, self.validation.sample_weight)


class ScoreStopping(Callback):
    """Score held-out rows after each epoch.

    With finite patience, also stop training when the score no longer improves, and keep the best
    parameters.

    Parameters
    ----------
    score : callable
        score(net) returns the score of the held-out rows.
    patience : int or inf
        Training stops after more than this number of epochs in a row without an improvement.
    tol : float
        A score that is at least the best one so far plus `tol` is an improvement.
    """

    allows_retry = True
    _what = "validation score"

    def __init__(self, score, patience, tol):
        self.score, self.patience = score, Patience(patience + 1, tol, running_best=True)
        self.scores, self.best_params = [], None

    def measure(self, net, history):
        """Return what is to become small, and record the score."""
        self.scores.append(self.score(net))
        return -self.scores[-1]

    def on_epoch_end(self, net, history):
        if self.patience.update(self.measure(net, history)) and self.keeps_best:
            self.best_params = net.params.copy()
        if not self.patience.exhausted:
            return False
        self._reason = self.patience.reason(self._what)
        self.patience.count = 0  # learning_rate="adaptive" continues training and counts again
        return True

    @property
    def keeps_best(self):
        return self.patience.epochs < np.inf

    def stop_reason(self, event):
        return self._reason

    @property
    def result(self):
        """What a training has changed."""
        return self.scores, self.best_params, self.patience

    @result.setter
    def result(self, result):
        self.scores, self.best_params, self.patience = result


class LossStopping(ScoreStopping):
    """Keep the parameters with the lowest validation loss, and stop when it no longer improves.

    `fastnn.callbacks.EarlyStopping` does the same, but training cannot continue with a lower
    learning rate after it.
    """

    _what = "validation loss"
    keeps_best = True

    def __init__(self, patience, tol):
        super().__init__(None, patience, tol)
        self.patience.running_best = False

    def measure(self, net, history):
        return history.val_loss[-1]


def hold_out(estimator, data, y, random_state):
    """Return training data, validation data and the targets of these."""
    if len(data) < 2:
        raise ValueError(
            "early_stopping=True holds out rows, but X has a single row. Add rows, pass "
            "validation_data, or set early_stopping=False."
        )
    classes = estimator.targets_.stratify_labels(y)
    names, counts = np.unique([] if classes is None else classes, return_counts=True)
    if counts.min(initial=2) < 2:
        raise ValueError(
            f"early_stopping=True holds out rows of each class, but {names[counts < 2].tolist()[0]!r} "
            "has a single row. Add rows, pass validation_data, or set early_stopping=False."
        )
    train, held_out = train_test_split(
        np.arange(len(data)),
        test_size=estimator.validation_fraction,
        random_state=random_state,
        stratify=classes,
    )
    check_enough(estimator, len(held_out), len(data))
    validation, y_val = replace(data.take(held_out), alpha=0.0), y[held_out]
    if validation.sample_weight is not None and not validation.sample_weight.any():
        raise ValueError(
            f"early_stopping=True holds out {len(held_out)} rows, but sample_weight is zero in "
            "all of them. Leave out rows of weight zero, pass validation_data, or set "
            "early_stopping=False."
        )
    # copied rows are read faster, but an ensemble would have many copies
    data = data.take(train) if estimator.n_estimators == 1 else data.select(train)
    return data, validation, y_val


def check_enough(estimator, n_out, n):
    """Raise ValueError unless enough of n rows are held out."""
    if n_out < 2:
        raise ValueError(
            f"validation_fraction={estimator.validation_fraction} holds out {n_out} of {n} rows, but "
            "at least 2 are needed. Increase validation_fraction, or pass more rows."
        )


def validation_rows(estimator, data, is_part):
    """Return the Data and the targets of the parameter `validation_data`.

    data : Data
        The rows to train on.
    is_part : bool
        Whether other ranks have more rows.
    """
    jacobian, size = data.jacobian, len(estimator.validation_data)
    if size not in ((2, 3) if jacobian is None else (4,)):
        expected = (
            "(X, y) or (X, y, sample_weight)" if jacobian is None else "(X, y, sample_weight, dy)"
        )
        raise ValueError(f"validation_data must be {expected}, got {size} elements")
    X, y, *weight = estimator.validation_data[:3]
    net = estimator.networks_[0]
    try:
        X, y = inputs.check_X_y(estimator, X, y, net.dtype, False, is_part)
        weight = inputs.check_row_weights(weight[0], X, may_be_zero=is_part) if weight else None
        if jacobian is not None:
            jacobian = jacobian.others(net, estimator.validation_data[3], len(y))
        targets = estimator.targets_.encode(y, X.dtype, type(estimator).__name__)
        return replace(Data.of(net, X, targets, data.loss, weight), jacobian=jacobian), y
    except ValueError as error:
        raise ValueError(f"validation_data: {error}") from None


def keep_best_epoch(estimator, data, rows):
    """Return validation data and a list with the callback that keeps the best epoch for them.

    It stops training after more than `n_iter_no_change` epochs without a loss that is lower by more
    than `tol`. An `EarlyStopping` among the user's callbacks replaces it.

    The loss and not the error rate, of which many epochs have the same lowest value: on six tables
    the first of them had up to 50 times the log loss, and the last up to 6 times, with error rates
    between 0.4 points lower and 0.3 higher.
    """
    validation = replace(data.select(rows), alpha=0.0)
    if any(isinstance(each, EarlyStopping) for each in resolve_callbacks(estimator.callbacks)):
        return validation, []
    if parameters.uses_learning_rate(estimator, "adaptive"):
        return validation, [LossStopping(estimator.n_iter_no_change, estimator.tol)]
    patience = None if estimator.n_iter_no_change == np.inf else int(estimator.n_iter_no_change) + 1
    return validation, [EarlyStopping(patience, estimator.tol)]


# ---- bagging: the rows of each network of an ensemble ----


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
