"""Loss functions and their gradients.

The loss of a batch is L = sum_i w_i l_i / sum_i w_i over its rows i, or 0 if all weights are 0. The
loss l of a row is a sum over its outputs for negative log-likelihoods, and a mean for errors.
Docstrings give l and its derivative. `grad` receives dL/dY, which includes the weights.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .layer import activation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..typing import AnyArray, OutputActivation


# ---- negative log-likelihoods: sums over outputs -------------------------------------------------
def binary_cross_entropy(
    Y: AnyArray,
    y: AnyArray,
    sample_weight: AnyArray | None = None,
    grad: AnyArray | None = None,
    pos_weight: float | AnyArray | None = None,
    label_smoothing: float = 0.0,
) -> float:
    """Binary cross-entropy of probabilities.

    With probabilities a, targets t = (1 - s) y + s/2 and weights p of positive targets ::

        l = sum_j -p_j t_j log a_j - (1 - t_j) log(1 - a_j)
        dl/da = ((1 - t) a - p t (1 - a)) / (a (1 - a))

    As in PyTorch, the logarithms are at least -100 and a (1 - a) is at least 1e-12.

    Parameters
    ----------
    Y : array (n, n_out) or (n,)
        Probabilities a.
    y : array like Y, or (n,) for one output
        Targets in [0, 1].
    sample_weight : array (n,), optional
    grad : array like Y, optional
        Receives dL/dY.
    pos_weight : float or array (n_out,), optional
        Weight p of positive targets, 1 by default.
    label_smoothing : float, default 0.0
        s in [0, 1).

    Returns
    -------
    float
    """
    a, y, share = _check_rows(Y, y, sample_weight)
    positive, negative = _weighted_targets(y, pos_weight, label_smoothing)
    with np.errstate(divide="ignore"):
        log_a, log_b = np.maximum(np.log(a), -100), np.maximum(np.log1p(-a), -100)
    L = -(share * (positive * log_a + negative * log_b)).sum()
    if grad is not None:
        slope = (negative * a - positive * (1 - a)) / np.maximum(a * (1 - a), 1e-12)
        columns(grad)[...] = share * slope
    return float(L)


def binary_cross_entropy_with_logits(
    Z: AnyArray,
    y: AnyArray,
    sample_weight: AnyArray | None = None,
    grad: AnyArray | None = None,
    pos_weight: float | AnyArray | None = None,
    label_smoothing: float = 0.0,
) -> float:
    """Binary cross-entropy of logits.

    l is that of `binary_cross_entropy` with a = sigmoid(z), and ::

        dl/dz = (p t + 1 - t) a - p t
        -log a = max(-z, 0) + log(1 + exp(-|z|))
        -log(1 - a) = max(z, 0) + log(1 + exp(-|z|))

    Parameters and return value as in `binary_cross_entropy`, with logits Z instead of Y.
    """
    z, y, share = _check_rows(Z, y, sample_weight)
    positive, negative = _weighted_targets(y, pos_weight, label_smoothing)
    both, size = positive + negative, np.abs(z)
    terms = both * np.log1p(np.exp(-size)) + np.where(z > 0, negative, positive) * size
    L = (share * terms).sum()
    if grad is not None:
        columns(grad)[...] = share * (both * activation(z, "sigmoid") - positive)
    return float(L)


def cross_entropy(
    Z: AnyArray,
    y: AnyArray,
    sample_weight: AnyArray | None = None,
    grad: AnyArray | None = None,
    label_smoothing: float = 0.0,
) -> float:
    """Softmax cross-entropy of logits.

    With targets t = (1 - s) y + s/k ::

        l = sum_j t_j (log sum_i exp(z_i) - z_j)
        dl/dz = softmax(z) sum_j t_j - t

    Parameters and return value as in `binary_cross_entropy`, with logits Z of shape (n, k) instead
    of Y. y holds class indices 0..k-1, of shape (n,), or rows of probabilities, of shape (n, k).
    """
    y, k = np.asarray(y), np.shape(Z)[1]
    if y.ndim == 1:
        if not np.isin(y, np.arange(k)).all():
            raise ValueError(f"y must hold class indices 0..{k - 1}")
        y = y[:, np.newaxis] == np.arange(k)
    z, y, share = _check_rows(Z, y, sample_weight)
    t = _smooth(y, label_smoothing, k)
    z = z - z.max(axis=1, keepdims=True)
    L = (share * t * (np.log(np.exp(z).sum(axis=1, keepdims=True)) - z)).sum()
    if grad is not None:
        grad[...] = share * (activation(z, "softmax") * t.sum(axis=1, keepdims=True) - t)
    return float(L)


def poisson_nll(
    Z: AnyArray, y: AnyArray, sample_weight: AnyArray | None = None, grad: AnyArray | None = None
) -> float:
    """Poisson negative log-likelihood of counts, from logarithms z of rates.

    Without the constant log y! ::

        l = sum_j exp(z_j) - y_j z_j
        dl/dz = exp(z) - y

    Parameters and return value as in `binary_cross_entropy`, with Z instead of Y, and y >= 0.
    """
    z, y, share = _check_rows(Z, y, sample_weight)
    rate = np.exp(z)
    L = (share * (rate - y * z)).sum()
    if grad is not None:
        columns(grad)[...] = share * (rate - y)
    return float(L)


def gaussian_nll(
    Y: AnyArray, y: AnyArray, sample_weight: AnyArray | None = None, grad: AnyArray | None = None
) -> float:
    """Gaussian negative log-likelihood, from means and logarithms s of variances.

    Without the constant log(2π)/2 (Nix and Weigend, 1994) ::

        l = sum_j (s_j + (y_j - mean_j)^2 exp(-s_j)) / 2
        dl/dmean = (mean - y) exp(-s)
        dl/ds = (1 - (y - mean)^2 exp(-s)) / 2

    Parameters and return value as in `binary_cross_entropy`, but with other shapes: Y (n, 2m) holds
    m means, then m logarithms of variances, and y has shape (n, m), or (n,) if m = 1.
    """
    Y = np.asarray(Y)
    if Y.ndim != 2 or Y.shape[1] % 2:
        raise ValueError(
            f"Y must hold a mean and a log-variance for each target, got shape {Y.shape}"
        )
    mean, s = np.split(Y, 2, axis=1)
    mean, y, share = _check_rows(mean, y, sample_weight)
    difference, precision = mean - y, np.exp(-s)
    squares = difference**2 * precision
    L = (share * (s + squares) / 2).sum()
    if grad is not None:
        grad[...] = share * np.concatenate([difference * precision, (1 - squares) / 2], axis=1)
    return float(L)


# ---- errors: means over outputs ------------------------------------------------------------------
def mean_squared_error(
    Y: AnyArray, y: AnyArray, sample_weight: AnyArray | None = None, grad: AnyArray | None = None
) -> float:
    """Mean squared error, without a factor 1/2.

    l = 1/n_out sum_j (Y_j - y_j)^2,  dl/dY = 2/n_out (Y - y). Parameters and return value as in
    `binary_cross_entropy`; Y and y may be any numbers.
    """
    Y, y, share = _check_rows(Y, y, sample_weight)
    difference = Y - y
    return _mean_error(difference**2, 2 * difference, share, grad)


def mean_absolute_error(
    Y: AnyArray, y: AnyArray, sample_weight: AnyArray | None = None, grad: AnyArray | None = None
) -> float:
    """Mean absolute error.

    l = 1/n_out sum_j |Y_j - y_j|,  dl/dY = sign(Y - y) / n_out with sign(0) = 0. Parameters and
    return value as in `binary_cross_entropy`; Y and y may be any numbers.
    """
    Y, y, share = _check_rows(Y, y, sample_weight)
    return _mean_error(np.abs(Y - y), np.sign(Y - y), share, grad)


def huber(
    Y: AnyArray,
    y: AnyArray,
    sample_weight: AnyArray | None = None,
    grad: AnyArray | None = None,
    delta: float = 1.0,
) -> float:
    """Huber loss (Huber, 1964): squared error up to `delta`, linear beyond.

    With d = Y - y, without a factor 1/2 ::

        l = 1/n_out sum_j (d_j^2 if |d_j| <= delta, else delta (2 |d_j| - delta))

    With c = d clipped to [-delta, delta], both cases are c (2 d - c), and dl/dY = 2/n_out c.

    Parameters
    ----------
    Y, y, sample_weight, grad
        As in `binary_cross_entropy`; Y and y may be any numbers.
    delta : float, default 1.0
        Above 0.

    Returns
    -------
    float
    """
    Y, y, share = _check_rows(Y, y, sample_weight)
    difference = Y - y
    clipped = np.clip(difference, -delta, delta)
    return _mean_error(clipped * (2 * difference - clipped), 2 * clipped, share, grad)


def log_cosh(
    Y: AnyArray, y: AnyArray, sample_weight: AnyArray | None = None, grad: AnyArray | None = None
) -> float:
    """Logarithm of the hyperbolic cosine of the error.

    l = 1/n_out sum_j log cosh(Y_j - y_j),  dl/dY = tanh(Y - y) / n_out.

    With d = Y - y, log cosh d is computed as |d| + log(1 + exp(-2 |d|)) - log 2 far from 0, where
    cosh overflows, and as log(1 + 2 sinh^2(d/2)) near 0, to avoid cancellation.

    Parameters and return value as in `binary_cross_entropy`; Y and y may be any numbers.
    """
    Y, y, share = _check_rows(Y, y, sample_weight)
    size = np.abs(Y - y)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2)
    errors = np.where(size > 1, size + np.log1p(np.exp(-2 * size)) - math.log(2), near)
    return _mean_error(errors, np.tanh(Y - y), share, grad)


def quantile(
    Y: AnyArray,
    y: AnyArray,
    sample_weight: AnyArray | None = None,
    grad: AnyArray | None = None,
    q: float | AnyArray = 0.5,
) -> float:
    """Pinball loss (Koenker and Bassett, 1978), whose minimum is the q-quantile.

    l = 1/n_out sum_j max(q_j (y_j - Y_j), (q_j - 1) (y_j - Y_j)). dl/dY is -q/n_out where Y < y,
    (1 - q)/n_out where Y > y, and 0 where they are equal.

    Parameters
    ----------
    Y, y, sample_weight, grad
        As in `binary_cross_entropy`; Y and y may be any numbers.
    q : float or array (n_out,), default 0.5
        The quantile that each output estimates, in (0, 1).

    Returns
    -------
    float
    """
    Y, y, share = _check_rows(Y, y, sample_weight)
    q = _for_outputs("q", q, Y)
    difference = Y - y
    slope = np.where(Y < y, -q, np.where(Y > y, 1 - q, difference))  # NaN stays NaN
    return _mean_error(np.maximum(-q * difference, (1 - q) * difference), slope, share, grad)


def _quantiles(Y, y, sample_weight=None, grad=None, q=0.5):
    """Pinball loss of several quantiles of each target.

    The outputs are those of target 0 for all q, then those of target 1, and so on.
    """
    q, y = np.atleast_1d(q), columns(np.asarray(y))
    return quantile(Y, np.repeat(y, len(q), axis=1), sample_weight, grad, np.tile(q, y.shape[1]))


def _mean_error(errors, slopes, share, grad):
    """Return the loss from the errors (n, n_out), and store its gradient from their derivatives."""
    n_out = errors.shape[1]
    if grad is not None:
        columns(grad)[...] = share * slopes / n_out
    return float((share * errors / n_out).sum())


# ---- losses by name ------------------------------------------------------------------------------
# name: (function, the output activation whose input z it takes; None: it takes the output)
LOSSES: dict[str, tuple[Callable[..., float], OutputActivation | None]] = {
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
def columns(a: AnyArray) -> AnyArray:
    """Return an array of shape (n,) as a view of shape (n, 1); others stay."""
    return a[:, np.newaxis] if a.ndim == 1 else a


def _check_rows(Y, y, sample_weight):
    """Return Y and y (n, n_out) in one dtype, and the share w_i / sum(w) of each row (n, 1)."""
    Y = columns(np.asarray(Y))
    y = columns(np.asarray(y, dtype=Y.dtype))
    if y.shape != Y.shape:
        raise ValueError(f"y has shape {y.shape}, but the outputs have shape {Y.shape}")
    w = (
        np.ones(len(Y), Y.dtype)
        if sample_weight is None
        else np.asarray(sample_weight, dtype=Y.dtype)
    )
    share = w / w.sum() if w.any() else np.zeros_like(w)
    return Y, y, share.reshape(len(Y), 1)


def _smooth(y, s, k):
    """Return targets with label smoothing s over k classes."""
    return (1 - s) * y + s / k


def _weighted_targets(y, pos_weight, s):
    """Return p t and 1 - t, where t are the targets with label smoothing."""
    t = _smooth(y, s, 2)
    return t if pos_weight is None else _for_outputs("pos_weight", pos_weight, y) * t, 1 - t


def _for_outputs(name, numbers, Y):
    """Return one number, or one for each output, in the dtype of the outputs Y (n, n_out)."""
    numbers, n_out = np.asarray(numbers, dtype=Y.dtype), Y.shape[1]
    if numbers.shape not in ((), (n_out,)):
        raise ValueError(
            f"{name} has shape {numbers.shape}. Pass one number, or one for each of {n_out} outputs."
        )
    return numbers
