"""Prediction intervals of numbers: quantiles of held-out errors, in units of what a row leads to expect.

The errors of held-out rows are honest, but their quantile alone gives all rows about the same width.
`estimators.spread` has small networks that predict how large the errors of a row are.
"""

import math

import numpy as np

from ..estimators.ensemble import cv_plus, error_of_rank, mean_over_networks, rank_of_error


def check_intervals(model):
    """Raise ValueError if a TableModel has no intervals."""
    if model.errors is None:
        raise ValueError(
            "predict_interval needs errors on held-out rows, but the file of this model is of an older "
            "version, which has none for several quantiles. Take two of them as the interval, or call "
            "fit again."
        )


def intervals(model, folds, scales, coverage):
    """Return the bounds (n,) of the intervals of rows.

    Parameters
    ----------
    model : TableModel
    folds : ndarray (n_folds, n) or (n_folds, n, n_quantiles)
        The predictions of the networks of each fold.
    scales : ndarray (n,), or None
        What `TableModel.predict_scales` returns for these rows.
    coverage : float in (0, 1)
    """
    centers, halves = model.targets.centers(folds)
    if halves is not None:
        scales = mean_over_networks(halves)
    if scales is None and not model.is_forward:
        lower, upper = cv_plus(centers[:, :, None], model.errors, coverage)
        bounds = lower[:, 0], upper[:, 0]
    else:
        center = mean_over_networks(centers)
        if model.spread is not None:
            scales = scales * model.spread.factor(center)
        width = quantile_of_errors(model, coverage) * (1.0 if scales is None else scales)
        bounds = center - width, center + width
    lower, upper = bounds
    if model.targets.log:  # exp(log(y)) is not y
        lower, upper = lower - _rounding(lower), upper + _rounding(upper)
    lower, upper = map(model.targets.invert, (lower, upper))
    limits = model.targets.limits_of_intervals
    return np.clip(lower, *limits), np.clip(upper, *limits)


def _rounding(z):
    """Return a bound of the error of z as log(exp(z)) or log(y)."""
    return 2 * np.finfo(np.float64).eps * np.maximum(1, np.abs(z))


def quantile_of_errors(model, coverage, name="coverage"):
    """Return the quantile of the errors of a TableModel.

    Folds forward in time count as much as they have rows to train on. Early ones, which have perhaps not
    seen a season, have larger errors than the model. name : of the argument `coverage` in errors
    """
    n_errors = [len(errors) for errors in model.errors]
    errors, n = np.concatenate(model.errors)[:, 0], sum(n_errors)
    if not (model.is_forward and model.n_folds > 1):
        return error_of_rank(errors, coverage, name)
    rank = rank_of_error(coverage, n, name)
    order = np.argsort(errors, kind="stable")
    below = np.cumsum(np.repeat(np.arange(1, len(n_errors) + 1), n_errors)[order])
    return errors[order][np.searchsorted(below, below[-1] * rank / n)]


def held_out_coverage(errors, coverages, is_forward=False):
    """Return the shares of held-out rows inside intervals of other folds, each None for one fold.

    Each fold is compared with the quantile of the errors of the others, as in CV+, and folds forward
    in time with that of the earlier ones.

    Parameters
    ----------
    errors : list of ndarray (m, 1)
        Errors of each fold.
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
