"""Means, calibrated probabilities and prediction intervals from the outputs of several networks.

Means are the same bits for a row alone as in a batch. `ndarray.mean(axis=0)` adds the numbers of one row in pairs if
there are eight or more, and those of several rows in order. These functions always add in order.

This file does not need scikit-learn: the command line predicts with tables.
"""

import math

import numpy as np

from .. import kernels
from ..activations import ACTIVATIONS
from ..core.errors import Argument, DataError
from ..core.messages import warn
from ..core.sparse_rows import blocks, is_sparse
from ..core.threads import CHUNK, ROWS_OF_A_PART, share
from ..core.validation import check_number, check_threads
from ..kernels import Activation, CompiledNetwork

LOG_T_BOUNDS = (-5.0, 5.0)  # of the search for a temperature T
BLOCK_VALUES = 2e6  # numbers that intervals sort at a time


def network_outputs(net, X, n_threads):
    """Return net.forward(X) for dense or sparse X."""
    if not is_sparse(X):
        return net.forward(X, n_threads=n_threads)
    return np.concatenate([net.forward(block, n_threads=n_threads) for _, block in blocks(X)])


def mean_outputs(networks, X, n_threads):
    """Return the mean of the networks' outputs (n, n_out) for dense or sparse X.

    Outputs are added in double, in the order of the networks. A row gets the same bits in any
    batch, on any number of threads.
    """
    if len(networks) == 1:
        return network_outputs(networks[0], X, n_threads)
    with kernels.Reading(networks):
        return _mean_outputs(networks, X, n_threads)


def _mean_outputs(networks, X, n_threads):
    if is_sparse(X):
        return np.concatenate([_mean_outputs(networks, part, n_threads) for _, part in blocks(X)])
    n = len(X)
    out = np.empty((n, networks[0].layer_sizes[-1]), networks[0].dtype)
    n_threads = min(check_threads(n_threads), n // CHUNK)

    def forward(a, b, abort=None):
        kernels.forward_mean(networks, X[a:b], out[a:b], abort)

    work, choices = sum(net.n_params for net in networks), networks[0].thread_choices
    share(forward, n, work, ROWS_OF_A_PART, choices, ("mean", work), n_threads)
    return out


def mean_jacobian(networks, X, n_threads):
    """Return the mean of the networks' Jacobians (n, n_out, n_in), added in double, for dense X."""
    with kernels.Reading(networks):
        each = [net.jacobian(X, n_threads=n_threads) for net in networks]
    return each[0] if len(each) == 1 else mean_over_networks(each).astype(each[0].dtype)


def mean_over_networks(values):
    """Return the mean over the first axis.

    Parameters
    ----------
    values : ndarray (n_networks, ...), or list of ndarray
        Predictions of each network.

    Returns
    -------
    ndarray (...), float64
    """
    total = np.zeros(values[0].shape)
    for each in values:
        total += each
    return total / len(values)


def std_over_networks(values):
    """Return the standard deviation over the first axis.

    Parameters
    ----------
    values : ndarray (n_networks, ...)
        Predictions of each network.

    Returns
    -------
    ndarray (...), float64
    """
    difference = values - mean_over_networks(values)
    return np.sqrt(mean_over_networks(difference * difference))


def mean_of(outputs):
    """Return the mean over the first axis, with the same bits as `mean_outputs`."""
    if len(outputs) == 1:
        return outputs[0]
    return mean_over_networks(outputs).astype(outputs[0].dtype)


def mean_log(logs):
    """Return the logarithm of the mean of numbers, from their logarithms."""
    if len(logs) == 1:
        return logs[0]
    log_k = np.log(len(logs)).astype(logs[0].dtype)
    return np.logaddexp.reduce(np.stack(logs), axis=0) - log_k


def mean_logits(logits, softmax):
    """Return the logits of the mean probabilities, from the logits of each network."""
    if len(logits) == 1:
        return logits[0]
    if softmax:
        return mean_log([log_softmax(Z) for Z in logits])
    return mean_log([log_sigmoid(Z) for Z in logits]) - mean_log([log_sigmoid(-Z) for Z in logits])


def logits(net, X):
    """Return the outputs before the last activation, for dense or sparse X."""
    same = CompiledNetwork()  # the same parameters, without the last activation
    kinds = [ACTIVATIONS[name] for name in net.activations[:-1]]
    same._bind(net.layer_sizes, [*kinds, Activation.IDENTITY], net.weights, net.biases, net.dtype)
    return network_outputs(same, X, 1)


def log_softmax(Z):
    Z = Z - Z.max(axis=1, keepdims=True)
    return Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))


def log_sigmoid(Z):
    return -np.logaddexp(0, -Z)


def fit_temperature(Z, targets, weight, std=None):
    """Return the temperature T that minimizes the log loss of the logits Z / T (Guo, Pleiss, Sun and Weinberger, 2017,
    arXiv:1706.04599, section 4.2).

    Parameters
    ----------
    Z : ndarray (k, n, m)
        Logits of k networks, whose mean probabilities the log loss is of.
    targets : ndarray
        Class numbers (n,) for softmax; 0 and 1 (n, m) for sigmoids.
    weight : ndarray (n,) or None
    std : float, optional
        Standard deviation of a normal prior of log T with mean 0. It keeps T near 1 if there are
        few rows, or if all are predicted correctly. By default there is none.
    """
    from scipy.optimize import minimize_scalar

    Z = Z.astype(np.float64)
    k, n, _ = Z.shape
    correct = Z.argmax(axis=2) == targets if targets.ndim == 1 else (Z > 0) == targets
    if correct.all() and std is None:
        warn(
            f"All {n} rows are predicted correctly, so the log loss has no minimum in the "
            "temperature. The temperature is unchanged. Pass more rows, and rows that are not in "
            "the training data.",
        )
        return 1.0

    def log_loss(log_T):
        z = Z / np.exp(log_T)
        if targets.ndim == 1:
            losses = np.logaddexp.reduce(z, axis=2) - z[:, np.arange(n), targets]
        else:
            losses = np.logaddexp(0, z) - targets * z
        losses = np.log(k) - np.logaddexp.reduce(-losses, axis=0)  # of the mean probability
        mean = np.average(losses if targets.ndim == 1 else losses.sum(axis=1), weights=weight)
        return mean if std is None else mean + (log_T / std) ** 2 / (2 * n)

    return float(np.exp(minimize_scalar(log_loss, bounds=LOG_T_BOUNDS, method="bounded").x))


def check_errors(estimator):
    """Return the absolute errors (m, n_targets) of each network on the rows that it held out."""
    errors = getattr(estimator, "held_out_errors_", None)
    if errors is None and (len(estimator.networks_) == 1 or estimator.bagging != "folds"):
        raise ValueError(
            "predict_interval needs the errors of networks on rows that they held out. Fit with "
            "n_estimators of at least 2 and bagging='folds'."
        )
    if errors is None:
        raise ValueError(
            "predict_interval needs the errors of networks on rows that they held out, but "
            "partial_fit came after fit. Call fit again."
        )
    if errors[0] is None:
        raise ValueError(
            "predict_interval needs one prediction for each target, but this estimator predicts "
            "several quantiles. The quantiles are an interval themselves; fit another loss for "
            "intervals from errors."
        )
    return errors


def rank_of_error(coverage, n_errors, name="coverage"):
    """Return which of the sorted errors, from 1, bounds an interval. Raise ValueError if none does.

    name : of the argument `coverage`
    """
    coverage = check_number(name, coverage, above=0, below=1)
    # rounded, since 0.55 * 20 is 11.000000000000002
    rank = math.ceil(round(coverage * (n_errors + 1), 9))
    if rank > n_errors:
        raise DataError(
            "{argument} needs at least {needed} held-out rows, got {n}.",
            "Lower {name}.",
            argument=Argument(name, float(f"{coverage:g}")),
            needed=math.ceil(coverage / (1 - coverage) - 1e-9),
            n=n_errors,
        )
    return rank


def error_of_rank(errors, coverage, name="coverage"):
    """Return the quantile of errors (m,) that bounds an interval. name : as of `rank_of_error`"""
    rank = rank_of_error(coverage, len(errors), name)
    return np.partition(errors, rank - 1)[rank - 1]


def cv_plus(values, errors, coverage):
    """Return the bounds of CV+ intervals, two arrays (n, n_targets) (Barber, Candes, Ramdas and Tibshirani, 2021,
    arXiv:1905.02928).

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
    n_errors = sum(len(each) for each in errors)
    rank = rank_of_error(coverage, n_errors)
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
