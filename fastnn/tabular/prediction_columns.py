"""Columns for predictions of a table, with a name each, and for the bounds of intervals.

`fastnn predict` and `fastnn serve` give the same names.
"""

import math

import numpy as np

from ..estimators.intervals import cv_plus
from ..estimators.network_means import mean_over_networks
from ..losses import Poisson


def label_text(label):
    """Return a class as a text, as a table file holds it."""
    return str(label).lower() if isinstance(label, (bool, np.bool_)) else str(label)


def class_columns(model, P, proba=False):
    """Return {name: array} of the classes of rows.

    Parameters
    ----------
    model : ClassPredictions
    P : ndarray (n, n_classes)
        Probabilities.
    proba : bool, default False
        Whether to add the probability of each class.
    """
    labels = model.classes_[model.decide(P, model.threshold_)]
    columns = {"prediction": labels}
    if proba:
        for label, p in zip(model.classes_.tolist(), P.T):
            columns[f"probability_{label_text(label)}"] = p
    return columns


def number_columns(model, y, bounds=()):
    """Return {name: array} of predicted numbers, or of quantiles.

    Parameters
    ----------
    model : NumberPredictions
    y : ndarray (n,) or (n, n_quantiles)
    bounds : (ndarray (n,), ndarray (n,)), or ()
        Those of intervals.
    """
    if y.ndim == 1:
        return {"prediction": y, **dict(zip(("lower", "upper"), bounds))}
    quantiles = np.atleast_1d(model.targets_.loss.q)
    return {f"quantile_{q:g}": values for q, values in zip(quantiles, y.T)}


def fold_columns(model, folds, proba=False, coverage=None):
    """Return {name: array} of what all folds predict for rows.

    Parameters
    ----------
    model : TablePredictions
    folds : ndarray (n_folds, n, ...)
        As `TablePredictions.predict_features` returns them.
    proba : bool, default False
        Whether to add the probability of each class.
    coverage : float in (0, 1), optional
        Of intervals of numbers.
    """
    mean = mean_over_networks(folds)
    if model.is_classifier:
        return class_columns(model, model.targets_.calibrate(mean), proba)
    bounds = () if coverage is None else intervals(model.model_, folds, coverage)
    return number_columns(model, mean, bounds)


# ---- intervals ----


def check_intervals(model):
    """Raise ValueError if a TableModel has no intervals."""
    if model.errors is None:
        raise ValueError(
            "predict_interval needs one prediction for each row, but this estimator predicts "
            "several quantiles. Take two of them as the interval, or fit another loss."
        )


def intervals(model, folds, coverage):
    """Return the bounds (n,) of the CV+ intervals of rows.

    Parameters
    ----------
    model : TableModel
    folds : ndarray (n_folds, n)
        The predictions of the networks of each fold.
    coverage : float in (0, 1)
    """
    P = model.targets.transform(folds)
    if model.is_forward:  # the errors are of other networks
        P = mean_over_networks(P)[None]
    lower, upper = map(model.targets.invert, cv_plus(P[:, :, None], model.errors, coverage))
    if isinstance(model.targets.loss, Poisson):
        lower = np.maximum(lower, 0)
    return lower[:, 0], upper[:, 0]


def held_out_coverage(errors, coverages, is_forward=False):
    """Return the shares of held-out rows inside intervals of other folds, each None for one fold.

    Each fold is compared with the quantile of the errors of the others, as in CV+, and folds forward
    in time with that of the earlier ones.

    Parameters
    ----------
    errors : list of ndarray (m, 1)
        Absolute errors of each fold.
    coverages : sequence of float
    is_forward : bool
    """
    inside: list[list] = [[] for _ in coverages]
    for k, own in enumerate(errors):
        others = errors[:k] if is_forward else [*errors[:k], *errors[k + 1 :]]
        if not others or not len(own):
            continue
        known = np.sort(np.concatenate(others)[:, 0])
        for found, coverage in zip(inside, coverages):
            rank = math.ceil(round(coverage * (len(known) + 1), 9))
            limit = known[rank - 1] if rank <= len(known) else np.inf
            found.append(own[:, 0] <= limit)
    return [float(np.concatenate(found).mean()) if found else None for found in inside]
