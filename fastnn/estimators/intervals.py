"""Prediction intervals: CV+ (Barber, Candes, Ramdas and Tibshirani, 2021, arXiv:1905.02928).

Without scikit-learn: the command line predicts intervals of tables.
"""

import math

import numpy as np

from ..core.errors import Argument, DataError
from ..core.validation import check_number

BLOCK_VALUES = 2e6  # numbers sorted at a time


def cv_plus(values, errors, coverage):
    """Return the bounds of the intervals, two arrays (n, n_targets).

    Row i of the training data was held out by network k(i), which made the absolute error e_i. The
    bounds are quantiles over i of f_k(i)(x) - e_i and of f_k(i)(x) + e_i.

    Parameters
    ----------
    values : ndarray (k, n, n_targets)
        Predictions of each network.
    errors : list of ndarray (m, n_targets)
        Absolute errors of each network on the rows that it held out.
    coverage : float in (0, 1)
    """
    coverage = check_number("coverage", coverage, above=0, below=1)
    n_errors = sum(len(each) for each in errors)
    # rounded, since 0.55 * 20 is 11.000000000000002
    rank = math.ceil(round(coverage * (n_errors + 1), 9))
    if rank > n_errors:
        raise DataError(
            "{argument} needs at least {needed} training rows, got {n}.",
            "Lower {name}.",
            argument=Argument("coverage", float(f"{coverage:g}")),
            needed=math.ceil(coverage / (1 - coverage) - 1e-9),
            n=n_errors,
        )
    bounds = np.empty((2, *values.shape[1:]), values.dtype)
    network = np.repeat(np.arange(len(errors)), [len(each) for each in errors])
    errors = np.concatenate(errors)
    step = max(1, int(BLOCK_VALUES / n_errors))
    for target in range(values.shape[2]):
        for a in range(0, values.shape[1], step):
            f = values[:, a : a + step, target].T[:, network].astype(np.float64)
            e = errors[:, target]
            bounds[0, a : a + step, target] = np.partition(f - e, n_errors - rank)[
                :, n_errors - rank
            ]
            bounds[1, a : a + step, target] = np.partition(f + e, rank - 1)[:, rank - 1]
    return bounds
