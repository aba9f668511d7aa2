"""Losses: L = sum_i w_i l_i / sum_i w_i over the rows i; 0 when the weights sum to 0.

The loss l of a row is a sum over its outputs where it is a log-likelihood, and a mean over them
where it is an error.
"""

import math

import numpy as np

from .layer import activation


# ---- log-likelihoods -----------------------------------------------------------------------------
def binary_cross_entropy(Y, y, sample_weight=None, grad=None, pos_weight=None, label_smoothing=0.0):
    """From probabilities a, with targets t = (1 - s) y + s/2 and weights p of the positive ones:

    l = sum_j -p_j t_j log a_j - (1 - t_j) log(1 - a_j),   dl/da = ((1 - t) a - p t (1 - a)) / (a (1 - a))

    As in PyTorch, the logarithms are at least -100 and a (1 - a) is at least 1e-12.

    Parameters
    ----------
    Y : array (n, n_out) or (n,), the probabilities a
    y : array like Y, or (n,) for one output; targets in [0, 1]
    sample_weight : array (n,), optional
    grad : array like Y, optional; receives dL/dY
    pos_weight : float or array (n_out,), optional; p, 1 if it is not given
    label_smoothing : float; s

    Returns
    -------
    L : float
    """
    a, y, share = _rows(Y, y, sample_weight)
    positive, negative = _weighted_targets(y, pos_weight, label_smoothing)
    with np.errstate(divide="ignore"):
        log_a, log_b = np.maximum(np.log(a), -100), np.maximum(np.log1p(-a), -100)
    L = -(share * (positive * log_a + negative * log_b)).sum()
    if grad is not None:
        slope = (negative * a - positive * (1 - a)) / np.maximum(a * (1 - a), 1e-12)
        columns(grad)[...] = share * slope
    return float(L)


def binary_cross_entropy_with_logits(
    Z, y, sample_weight=None, grad=None, pos_weight=None, label_smoothing=0.0
):
    """From logits z, with a = sigmoid(z): the same l, dl/dz = (p t + 1 - t) a - p t.

    The logarithms are -log a = max(-z, 0) + log(1 + exp(-|z|)) and -log(1 - a) = max(z, 0) + log(1
    + exp(-|z|)).

    Parameters and result are those of `binary_cross_entropy`, with logits Z in the place of the
    probabilities.
    """
    z, y, share = _rows(Z, y, sample_weight)
    positive, negative = _weighted_targets(y, pos_weight, label_smoothing)
    both, size = positive + negative, np.abs(z)
    L = (
        share * (both * np.log1p(np.exp(-size)) + np.where(z > 0, negative, positive) * size)
    ).sum()
    if grad is not None:
        columns(grad)[...] = share * (both * activation(z, "sigmoid") - positive)
    return float(L)


def cross_entropy(Z, y, sample_weight=None, grad=None, label_smoothing=0.0):
    """From logits, with targets t = (1 - s) y + s/k: l = sum_j t_j (log sum_i exp(z_i) - z_j).

    dl/dz = softmax(z) sum_j t_j - t

    Parameters and result are those of `binary_cross_entropy`, with logits Z (n, k) in the place of
    the probabilities; y holds classes from 0 to k - 1, as integers (n,), or rows of probabilities
    (n, k).
    """
    y, k = np.asarray(y), np.shape(Z)[1]
    if y.ndim == 1:
        if not np.isin(y, np.arange(k)).all():
            raise ValueError(f"y must hold classes from 0 to {k - 1}")
        y = y[:, np.newaxis] == np.arange(k)
    z, y, share = _rows(Z, y, sample_weight)
    t = _smoothed(y, label_smoothing, k)
    z = z - z.max(axis=1, keepdims=True)
    L = (share * t * (np.log(np.exp(z).sum(axis=1, keepdims=True)) - z)).sum()
    if grad is not None:
        grad[...] = share * (activation(z, "softmax") * t.sum(axis=1, keepdims=True) - t)
    return float(L)


def poisson_nll(Z, y, sample_weight=None, grad=None):
    """Of counts, from the logarithm z of the rate, without log y!: l = sum_j exp(z_j) - y_j z_j,
    dl/dz = exp(z) - y.

    Parameters and result are those of `binary_cross_entropy`, with Z in the place of the
    probabilities and y >= 0.
    """
    z, y, share = _rows(Z, y, sample_weight)
    rate = np.exp(z)
    L = (share * (rate - y * z)).sum()
    if grad is not None:
        columns(grad)[...] = share * (rate - y)
    return float(L)


def gaussian_nll(Y, y, sample_weight=None, grad=None):
    """Of a mean and a log-variance s for each target, without log(2π)/2 (Nix and Weigend, 1994):

    l = sum_j (s_j + (y_j - mean_j)^2 exp(-s_j)) / 2

    dl/dmean = (mean - y) exp(-s),   dl/ds = (1 - (y - mean)^2 exp(-s)) / 2

    Parameters and result are those of `binary_cross_entropy`, with other shapes: Y (n, 2m) holds m
    means, then m log-variances; y is (n, m), or (n,) for m = 1.
    """
    Y = np.asarray(Y)
    if Y.ndim != 2 or Y.shape[1] % 2:
        raise ValueError(
            f"Y must hold a mean and a log-variance for each target, got the shape {Y.shape}"
        )
    mean, s = np.split(Y, 2, axis=1)
    mean, y, share = _rows(mean, y, sample_weight)
    difference, precision = mean - y, np.exp(-s)
    squares = difference**2 * precision
    L = (share * (s + squares) / 2).sum()
    if grad is not None:
        grad[...] = share * np.concatenate([difference * precision, (1 - squares) / 2], axis=1)
    return float(L)


# ---- errors: means over outputs ------------------------------------------------------------------
def mean_squared_error(Y, y, sample_weight=None, grad=None):
    """The mean over outputs, without 1/2: l = 1/n_out sum_j (Y_j - y_j)^2, dl/dY = 2/n_out (Y - y).

    Parameters and result are those of `binary_cross_entropy`, with any numbers as outputs and
    targets.
    """
    Y, y, share = _rows(Y, y, sample_weight)
    difference = Y - y
    return _mean_error(difference**2, 2 * difference, share, grad)


def mean_absolute_error(Y, y, sample_weight=None, grad=None):
    """The mean over outputs: l = 1/n_out sum_j |Y_j - y_j|, dl/dY = sign(Y - y) / n_out, 0 where
    they are equal.

    Parameters and result are those of `binary_cross_entropy`, with any numbers as outputs and
    targets.
    """
    Y, y, share = _rows(Y, y, sample_weight)
    return _mean_error(np.abs(Y - y), np.sign(Y - y), share, grad)


def huber(Y, y, sample_weight=None, grad=None, delta=1.0):
    """The square up to delta, its tangent beyond, without 1/2 (Huber, 1964). With d = Y - y:

    l = 1/n_out sum_j d_j^2 if |d_j| <= delta, else delta (2 |d_j| - delta)

    With c, which is d cut to [-delta, delta], both are c (2 d - c), and dl/dY = 2/n_out c.

    Parameters and result are those of `binary_cross_entropy`, with any numbers as outputs and
    targets, and

    delta : float > 0
    """
    Y, y, share = _rows(Y, y, sample_weight)
    difference = Y - y
    cut = np.clip(difference, -delta, delta)
    return _mean_error(cut * (2 * difference - cut), 2 * cut, share, grad)


def log_cosh(Y, y, sample_weight=None, grad=None):
    """The mean over outputs: l = 1/n_out sum_j log cosh(Y_j - y_j), dl/dY = tanh(Y - y) / n_out.

    With d = Y - y, log cosh d = |d| + log(1 + exp(-2 |d|)) - log 2 far from 0, where cosh
    overflows, and log(1 + 2 sinh^2(d/2)) near it, where digits would be lost.

    Parameters and result are those of `binary_cross_entropy`, with any numbers as outputs and
    targets.
    """
    Y, y, share = _rows(Y, y, sample_weight)
    size = np.abs(Y - y)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2)
    errors = np.where(size > 1, size + np.log1p(np.exp(-2 * size)) - math.log(2), near)
    return _mean_error(errors, np.tanh(Y - y), share, grad)


def quantile(Y, y, sample_weight=None, grad=None, q=0.5):
    """The pinball loss (Koenker and Bassett, 1978): l = 1/n_out sum_j max(q_j (y_j - Y_j), (q_j -
    1) (y_j - Y_j)).

    dl/dY = -q/n_out where Y < y, (1 - q)/n_out where Y > y, 0 where they are equal.

    Parameters and result are those of `binary_cross_entropy`, with any numbers as outputs and
    targets, and

    q : float or array (n_out,) in (0, 1); which quantile each output learns
    """
    Y, y, share = _rows(Y, y, sample_weight)
    q = _for_outputs("q", q, Y)
    slope = np.where(Y < y, -q, np.where(Y > y, 1 - q, 0))
    return _mean_error(np.maximum(q * (y - Y), (q - 1) * (y - Y)), slope, share, grad)


def _quantiles(Y, y, sample_weight=None, grad=None, q=0.5):
    """`quantile` for several q at once: the outputs are those of target 0 for all q, then of target
    1, ..."""
    q, y = np.atleast_1d(q), columns(np.asarray(y))
    return quantile(Y, np.repeat(y, len(q), axis=1), sample_weight, grad, np.tile(q, y.shape[1]))


def _mean_error(errors, slopes, share, grad):
    """The loss from the errors (n, n_out) of all outputs, and its gradient from their
    derivatives."""
    n_out = errors.shape[1]
    if grad is not None:
        columns(grad)[...] = share * slopes / n_out
    return float((share * errors / n_out).sum())


# ---- the losses of networks ----------------------------------------------------------------------
# name: (the loss, the output activation whose z it is computed from; None: from the output itself)
LOSSES = {
    "bce": (binary_cross_entropy_with_logits, "sigmoid"),
    "bce_with_logits": (binary_cross_entropy_with_logits, "identity"),
    "cross_entropy": (cross_entropy, "softmax"),
    "mse": (mean_squared_error, None),
    "mae": (mean_absolute_error, None),
    "huber": (huber, None),
    "log_cosh": (log_cosh, None),
    "quantile": (_quantiles, None),
    "poisson": (poisson_nll, "exponential"),
    "gaussian_nll": (gaussian_nll, "identity"),
}


# ---- helpers -------------------------------------------------------------------------------------
def columns(a):
    """(n,) as (n, 1)"""
    return a[:, np.newaxis] if a.ndim == 1 else a


def _rows(Y, y, sample_weight):
    """Y and y as arrays (n, n_out) of one dtype, and the share w_i / sum(w) of every row, (n,
    1)."""
    Y = columns(np.asarray(Y))
    y = columns(np.asarray(y, dtype=Y.dtype))
    if y.shape != Y.shape:
        raise ValueError(f"y has shape {y.shape}, the outputs have {Y.shape}")
    w = (
        np.ones(len(Y), Y.dtype)
        if sample_weight is None
        else np.asarray(sample_weight, dtype=Y.dtype)
    )
    share = w / w.sum() if w.any() else np.zeros_like(w)
    return Y, y, share.reshape(len(Y), 1)


def _smoothed(y, s, k):
    """Targets that leave the part s of their certainty to k classes."""
    return y if s == 0 else (1 - s) * y + s / k


def _weighted_targets(y, pos_weight, s):
    """p t and 1 - t, for t smoothed."""
    t = _smoothed(y, s, 2)
    return t if pos_weight is None else _for_outputs("pos_weight", pos_weight, y) * t, 1 - t


def _for_outputs(name, numbers, Y):
    """One number, or one for each of the outputs Y (n, n_out), in their dtype."""
    numbers, n_out = np.asarray(numbers, dtype=Y.dtype), Y.shape[1]
    if numbers.shape not in ((), (n_out,)):
        raise ValueError(
            f"{name} has shape {numbers.shape}: give one number, or one for each of {n_out} outputs"
        )
    return numbers
