"""Rows whose target may be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ..core.validation import check_count, describe_type, refuse_classes
from ..losses import Poisson
from .estimator import BaseTabular
from .targets import MIN_RATE


@dataclass
class LabelIssue:
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


def find_label_issues(estimator: Any, y: Any, n_rows: int = 10) -> list[LabelIssue]:
    """Return the training rows with the largest out-of-fold losses.

    Their targets may be wrong, hard to predict, or rare. Look at these rows before you change them:
    on noisy targets some losses are always large.

    Parameters
    ----------
    estimator : TabularClassifier or TabularRegressor
        Fitted in this process: a file does not hold the out-of-fold predictions.
    y : array_like (n,)
        The targets that `fit` had; for the rows `oof_rows_` only, if it held a sample in memory.
        Row numbers are those of y.
    n_rows : int, default 10
        Maximum number of rows to return.

    Returns
    -------
    list of LabelIssue
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
    >>> from fastnn.tabular import find_label_issues
    >>> x = np.linspace(-1, 1, 200)
    >>> y = np.where(x > 0, "plus", "minus")
    >>> y[190] = "minus"  # a mistake
    >>> clf = TabularClassifier(2, hidden_layer_sizes=8, random_state=0).fit(x[:, None], y)
    >>> issue = find_label_issues(clf, y)[0]
    >>> issue.row, issue.given, issue.predicted
    (190, 'minus', 'plus')
    """
    if not isinstance(estimator, BaseTabular):
        raise TypeError(
            "estimator must be a fitted TabularClassifier or TabularRegressor, got "
            f"{describe_type(estimator)}"
        )
    check_is_fitted(estimator)
    refuse_classes(y=y)
    check_count("n_rows", n_rows)
    if not hasattr(estimator, "oof_prediction_"):
        raise ValueError(
            "find_label_issues needs the attribute oof_prediction_, which a file does not hold. Fit the "
            "estimator first."
        )
    rows, n = estimator.oof_rows_, len(estimator.oof_prediction_)
    if rows is not None and np.shape(y)[:1] != (n,):
        raise ValueError(
            f"fit held {n} rows of the table in memory. Pass their targets: y[estimator.oof_rows_]"
        )
    check_consistent_length(estimator.oof_prediction_, y)
    find = _class_issues if estimator.model_.targets.is_classifier else _number_issues
    return find(estimator, y, n_rows)


def _class_issues(clf, y, n_rows):
    y, P = clf.model_.targets.to_numbers(y), clf.oof_prediction_
    rows = np.flatnonzero(P.argmax(axis=1) != y)
    rows = rows[~np.isnan(P[rows, 0])]
    given = P[rows, y[rows]]
    order = np.argsort(given, kind="stable")[:n_rows]
    labels = clf.classes_.tolist()
    return [
        LabelIssue(int(row), labels[y[row]], labels[P[row].argmax()], float(-np.log(p)), float(p))
        for row, p in zip(rows[order], given[order])
    ]


def _number_issues(reg, y, n_rows):
    targets, P = reg.model_.targets, reg.oof_prediction_
    if P.ndim == 2:
        raise ValueError(
            "find_label_issues needs one prediction for each row, but this estimator predicts several "
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
        LabelIssue(int(row), float(y[row]), float(P[row]), float(error))
        for row, error in zip(rows[order], errors[order])
    ]
