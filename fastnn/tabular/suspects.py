"""Rows whose target may be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ..core.validation import check_count
from ..losses import Poisson
from .targets import MIN_RATE


@dataclass
class Suspect:
    """A training row whose target is far from its out-of-fold prediction.

    Attributes
    ----------
    row : int
        Position in the training table, from 0.
    given, predicted : object
        The target in the table, and the out-of-fold prediction: classes or numbers.
    loss : float
        For classes the log loss. For numbers the absolute error in units of the standard deviation
        of the targets, of their logarithms with log_target=True, and of a Poisson distribution with
        loss="poisson".
    probability : float or None
        Out-of-fold probability of the given class. None for numbers.
    """

    row: int
    given: Any
    predicted: Any
    loss: float
    probability: float | Any = None  # None for numbers


def find_suspects(estimator: Any, y: Any, n_rows: int = 10) -> list[Suspect]:
    """Return the training rows with the largest out-of-fold losses.

    Their targets may be wrong, hard to predict, or rare. Look at these rows before you change them:
    on noisy targets some losses are always large.

    Parameters
    ----------
    estimator : TabularClassifier or TabularRegressor
        Fitted in this process: a file does not hold the out-of-fold predictions.
    y : array_like (n,)
        The targets that `fit` had; for the rows `oof_rows_` only, if it held a sample in memory.
        Suspects are rows of y.
    n_rows : int, default 10
        Maximum number of rows to return.

    Returns
    -------
    list of Suspect
        The largest loss first. For classes, only rows for which another class is more probable than
        the given one. Rows that no network held out are left out.

    Raises
    ------
    ValueError
        `y` does not have the rows of `fit` or holds other classes, the estimator is from a file, or
        it predicts several quantiles.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import TabularClassifier
    >>> from fastnn.tabular import find_suspects
    >>> x = np.linspace(-1, 1, 200)
    >>> y = np.where(x > 0, "plus", "minus")
    >>> y[190] = "minus"  # a mistake
    >>> clf = TabularClassifier(2, hidden_layer_sizes=8, random_state=0).fit(x[:, None], y)
    >>> suspect = find_suspects(clf, y)[0]
    >>> suspect.row, suspect.given, suspect.predicted
    (190, 'minus', 'plus')
    """
    check_is_fitted(estimator)
    check_count("n_rows", n_rows)
    if not hasattr(estimator, "oof_prediction_"):
        raise ValueError(
            "find_suspects needs the attribute oof_prediction_, which a file does not hold. Fit the "
            "estimator first."
        )
    rows, n = estimator.oof_rows_, len(estimator.oof_prediction_)
    if rows is not None and np.shape(y)[:1] != (n,):
        raise ValueError(
            f"fit held {n} rows of the table in memory. Pass their targets: y[estimator.oof_rows_]"
        )
    check_consistent_length(estimator.oof_prediction_, y)
    of_estimator = _of_classes if estimator.model_.targets.is_classifier else _of_numbers
    return of_estimator(estimator, y, n_rows)


def _of_classes(clf, y, n_rows):
    y, P = clf.model_.targets.to_numbers(y), clf.oof_prediction_
    rows = np.flatnonzero(P.argmax(axis=1) != y)
    rows = rows[~np.isnan(P[rows, 0])]
    given = P[rows, y[rows]]
    order = np.argsort(given, kind="stable")[:n_rows]
    labels = clf.classes_.tolist()
    return [
        Suspect(int(row), labels[y[row]], labels[P[row].argmax()], float(-np.log(p)), float(p))
        for row, p in zip(rows[order], given[order])
    ]


def _of_numbers(reg, y, n_rows):
    targets, P = reg.model_.targets, reg.oof_prediction_
    if P.ndim == 2:
        raise ValueError(
            "find_suspects needs one prediction for each row, but this estimator predicts several "
            "quantiles. Fit another loss."
        )
    y = np.asarray(y, np.float64)
    rows = np.flatnonzero(~np.isnan(P))
    errors = np.abs(targets.transform(y[rows]) - targets.transform(P[rows]))
    if isinstance(targets.loss, Poisson):
        errors /= np.sqrt(np.maximum(P[rows], MIN_RATE))
    else:
        errors /= targets.scale
    order = np.argsort(-errors, kind="stable")[:n_rows]
    return [
        Suspect(int(row), float(y[row]), float(P[row]), float(error))
        for row, error in zip(rows[order], errors[order])
    ]
