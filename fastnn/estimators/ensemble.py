"""Outputs of the networks of an estimator, their means, and their errors on held-out rows."""

from functools import partial

import numpy as np

from .. import kernels
from ..activations import ACTIVATIONS
from ..core.sparse_rows import blocks, is_sparse
from ..core.threads import CHUNK
from ..core.validation import check_threads
from ..kernels import Activation, CompiledNetwork, run_in_threads
from ..many import forward_many
from . import inputs
from .network_means import mean_over_networks


def mean_outputs(networks, X, n_threads):
    """Return the mean of the networks' outputs (n, n_out) for dense or sparse X.

    Outputs are added in double, in the order of the networks. A row gets the same bits in any
    batch, on any number of threads.
    """
    if len(networks) == 1:
        return inputs.forward(networks[0], X, n_threads)
    with kernels.Reading(networks):
        return _mean_outputs(networks, X, n_threads)


def _mean_outputs(networks, X, n_threads):
    if is_sparse(X):
        return np.concatenate([_mean_outputs(networks, part, n_threads) for _, part in blocks(X)])
    n = len(X)
    out = np.empty((n, networks[0].layer_sizes[-1]), networks[0].dtype)
    n_threads = check_threads(n_threads)
    if n * sum(net.n_params for net in networks) < kernels.WORTH_SHARING or n < CHUNK * n_threads:
        n_threads = 1
    bounds = [n * i // n_threads for i in range(n_threads + 1)]
    run_in_threads(
        [
            partial(kernels.forward_mean, networks, X[a:b], out[a:b])
            for a, b in zip(bounds, bounds[1:])
        ]
    )
    return out


def member_outputs(networks, X, n_threads):
    """Return the outputs of each network, (n_networks, n, n_out), for dense or sparse X."""
    return forward_many(networks, X, None, n_threads)


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
    return inputs.forward(same, X, 1)


def log_softmax(Z):
    Z = Z - Z.max(axis=1, keepdims=True)
    return Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))


def log_sigmoid(Z):
    return -np.logaddexp(0, -Z)


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
