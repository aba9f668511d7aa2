"""Early stopping: the rows that an estimator holds out, and the callbacks that stop training for them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from ..callbacks import Callback, EarlyStopping, Patience, resolve_callbacks
from ..training.data import Data
from . import inputs, parameters


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
        Y = inputs.forward(net, self.validation.X, self.n_threads)
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
    if classes is not None and np.unique(classes, return_counts=True)[1].min() < 2:
        raise ValueError(
            "early_stopping=True holds out rows of each class, but a class has a single "
            "row. Add rows, pass validation_data, or set early_stopping=False."
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


def validation_rows(estimator, loss, is_part=False):
    """Return the Data and the targets of the parameter `validation_data`.

    is_part : whether other ranks have more rows
    """
    if len(estimator.validation_data) not in (2, 3):
        raise ValueError(
            "validation_data must be (X, y) or (X, y, sample_weight), got "
            f"{len(estimator.validation_data)} elements"
        )
    X, y, *weight = estimator.validation_data
    net = estimator.networks_[0]
    try:
        X, y = inputs.check_X_y(estimator, X, y, net.dtype, False, is_part)
        weight = inputs.check_weight(weight[0], X, may_be_zero=is_part) if weight else None
        return Data.of(
            net,
            X,
            estimator.targets_.encode(y, X.dtype, type(estimator).__name__),
            loss,
            weight,
        ), y
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
