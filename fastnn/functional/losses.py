"""Losses, with their gradients computed in the same pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import kernels, losses
from ..core.validation import check_array, check_out, check_sample_weight, check_values
from ..kernels import CompiledNetwork, Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from ..typing import FloatArray


def binary_cross_entropy(
    Y: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    grad: FloatArray | None = None,
    pos_weight: float | Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> float:
    """Binary cross-entropy of probabilities.

    l_i = sum_j -p_j y_j log Y_j - (1 - y_j) log(1 - Y_j). The gradient is ((1 - y) Y - p y (1 - Y))
    / (Y (1 - Y)), weighted. As in PyTorch, logarithms are at least -100 and the denominator of the
    gradient is at least 1e-12. `binary_cross_entropy_with_logits` is more accurate if you have the
    logits.

    Parameters
    ----------
    Y : array_like (n,) or (n, k)
        Probabilities.
    y : array_like
        Targets in [0, 1], like Y; also of shape (n,) if Y has shape (n, 1).
    sample_weight : array_like (n,), optional
        Weights w_i >= 0.
    grad : ndarray like Y, optional
        Receives the gradient of the result with respect to Y.
    pos_weight : float or sequence of k floats, optional
        Weight p_j > 0 of positive targets.
    label_smoothing : float, default 0.0
        s in [0, 1). Targets become (1 - s) y + s/2.

    Returns
    -------
    float
        sum_i w_i l_i / sum_i w_i; 0.0 if there are no rows or all weights are 0.

    Raises
    ------
    ValueError
        Targets are not in [0, 1], an option is out of range, shapes do not match, or `grad`
        overlaps another argument.
    TypeError
        `grad` is not a NumPy array of the dtype of Y.

    Examples
    --------
    >>> from fastnn import functional as F
    >>> round(F.binary_cross_entropy([0.9, 0.2], [1, 0]), 6)
    0.164252
    """
    bce = losses.BCE(pos_weight, label_smoothing)
    kernel = kernels.Loss.BINARY_CROSS_ENTROPY  # that of `BCE` reads logits
    return _loss(bce, "Y", Y, y, sample_weight, grad, kernel)


def binary_cross_entropy_with_logits(
    Z: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    grad: FloatArray | None = None,
    pos_weight: float | Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> float:
    """Binary cross-entropy of logits, which never overflows.

    l_i = sum_j p_j y_j log(1 + exp(-Z_j)) + (1 - y_j) log(1 + exp(Z_j)). Without p_j, this is
    max(Z_j, 0) - Z_j y_j + log(1 + exp(-abs(Z_j))), and the gradient is sigmoid(Z) - y, weighted.
    See `fastnn.losses.BCEWithLogits`.

    Parameters
    ----------
    Z : array_like (n,) or (n, k)
        Logits.
    y, sample_weight, grad, pos_weight, label_smoothing
        As in `binary_cross_entropy`.

    Returns
    -------
    float

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.binary_cross_entropy_with_logits([[1e4], [-1e4]], [0, 0])
    5000.0
    """
    return _loss(losses.BCEWithLogits(pos_weight, label_smoothing), "Z", Z, y, sample_weight, grad)


def cross_entropy(
    Z: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    grad: FloatArray | None = None,
    label_smoothing: float = 0.0,
) -> float:
    """Softmax cross-entropy of logits.

    l_i = sum_j y_j (log sum_k exp(Z_k) - Z_j). If the targets of each row sum to 1, the gradient is
    softmax(Z) - y, weighted. See `fastnn.losses.CrossEntropy`.

    Parameters
    ----------
    Z : array_like (n, k)
        Logits.
    y : array_like
        Class indices of shape (n,), or rows of probabilities of shape (n, k).
    sample_weight, grad
        As in `binary_cross_entropy`.
    label_smoothing : float, default 0.0
        s in [0, 1). Targets become (1 - s) y + s/k.

    Returns
    -------
    float

    Examples
    --------
    >>> from fastnn import functional as F
    >>> round(F.cross_entropy([[0.0, 0.0]], [1]), 6)
    0.693147
    """
    return _loss(losses.CrossEntropy(label_smoothing), "Z", Z, y, sample_weight, grad)


def mean_squared_error(
    Y: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    grad: FloatArray | None = None,
) -> float:
    """Mean squared error, without a factor 1/2.

    l_i = mean_j (Y_j - y_j)^2. The gradient is 2 (Y - y) / k, weighted. See `fastnn.losses.MSE`.
    Parameters and return value as in `binary_cross_entropy`; Y and y may be any numbers.

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.mean_squared_error([[1.0, 2.0]], [[0.0, 0.0]])
    2.5
    """
    return _loss(losses.MSE(), "Y", Y, y, sample_weight, grad)


def mean_absolute_error(
    Y: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    grad: FloatArray | None = None,
) -> float:
    """Mean absolute error.

    l_i = mean_j abs(Y_j - y_j). The gradient is sign(Y - y) / k, weighted, with sign(0) = 0. See
    `fastnn.losses.MAE`. Parameters and return value as in `binary_cross_entropy`; Y and y may be
    any numbers.

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.mean_absolute_error([[1.0, -2.0]], [[0.0, 0.0]])
    1.5
    """
    return _loss(losses.MAE(), "Y", Y, y, sample_weight, grad)


def huber(
    Y: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    grad: FloatArray | None = None,
    delta: float = 1.0,
) -> float:
    """Huber loss (Huber, 1964): squared error up to `delta`, linear beyond.

    With d = Y_j - y_j, l_i is the mean over j of d^2 where abs(d) <= delta, else delta (2 abs(d) -
    delta), without a factor 1/2. The gradient is 2 d / k with d clipped to [-delta, delta],
    weighted. See `fastnn.losses.Huber`.

    Parameters
    ----------
    Y, y, sample_weight, grad
        As in `binary_cross_entropy`; Y and y may be any numbers.
    delta : float, default 1.0
        In units of the targets, above 0.

    Returns
    -------
    float

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.huber([0.5, 3.0], [0.0, 0.0])
    2.625
    """
    return _loss(losses.Huber(delta), "Y", Y, y, sample_weight, grad)


def log_cosh(
    Y: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    grad: FloatArray | None = None,
) -> float:
    """Logarithm of the hyperbolic cosine of the error.

    l_i = mean_j log cosh(Y_j - y_j), without overflow and without cancellation near 0. The gradient
    is tanh(Y - y) / k, weighted. See `fastnn.losses.LogCosh`. Parameters and return value as in
    `binary_cross_entropy`; Y and y may be any numbers.

    Examples
    --------
    >>> from fastnn import functional as F
    >>> round(F.log_cosh([[2.0, -1e4]], [[0.0, 0.0]]), 6)
    5000.315928
    """
    return _loss(losses.LogCosh(), "Y", Y, y, sample_weight, grad)


def quantile(
    Y: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    grad: FloatArray | None = None,
    q: float | Sequence[float] = 0.5,
) -> float:
    """Pinball loss (Koenker and Bassett, 1978), which the q-quantile minimizes.

    l_i = mean_j max(q_j (y_j - Y_j), (q_j - 1) (y_j - Y_j)). The gradient is (1 - q_j) / k where
    Y_j is above y_j, -q_j / k where it is below, and 0 where they are equal, weighted. Unlike
    `fastnn.losses.Quantile`, y has a column for each column of Y. For several quantiles of one
    target, repeat its column.

    Parameters
    ----------
    Y, y, sample_weight, grad
        As in `binary_cross_entropy`; Y and y may be any numbers.
    q : float or sequence of k floats, default 0.5
        The quantile that the columns of Y estimate, in (0, 1): one, or one for each column.

    Returns
    -------
    float

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.quantile([[1.0, 5.0]], [[3.0, 3.0]], q=(0.25, 0.75))
    0.5
    """
    return _loss(_ColumnQuantiles(q), "Y", Y, y, sample_weight, grad)


def poisson_nll(
    Z: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    grad: FloatArray | None = None,
) -> float:
    """Poisson negative log-likelihood of counts, from logarithms of rates.

    l_i = sum_j exp(Z_j) - y_j Z_j, without the constant log y!. The gradient is exp(Z) - y,
    weighted. See `fastnn.losses.Poisson`.

    Parameters
    ----------
    Z : array_like (n,) or (n, k)
        Logarithms of rates.
    y : array_like
        Counts or other numbers of at least 0, like Z.
    sample_weight, grad
        As in `binary_cross_entropy`.

    Returns
    -------
    float

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.poisson_nll([0.0, 0.0], [3, 1])
    1.0
    """
    return _loss(losses.Poisson(), "Z", Z, y, sample_weight, grad)


def gaussian_nll(
    Y: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    grad: FloatArray | None = None,
) -> float:
    """Gaussian negative log-likelihood, from means and logarithms of variances.

    l_i = sum_j (s_j + (y_j - m_j)^2 exp(-s_j)) / 2, without the constant log(2 pi) / 2 (Nix and
    Weigend, 1994). The gradient is (m - y) exp(-s) for the means and (1 - (y - m)^2 exp(-s)) / 2
    for the logarithms of variances, weighted. See `fastnn.losses.GaussianNLL`.

    Parameters
    ----------
    Y : array_like (n, 2k)
        Means m in the first k columns, then logarithms s of variances.
    y : array_like (n, k)
        Any numbers; also of shape (n,) if k = 1.
    sample_weight, grad
        As in `binary_cross_entropy`.

    Returns
    -------
    float

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.gaussian_nll([[1.0, 0.0]], [3.0])
    2.0
    """
    return _loss(losses.GaussianNLL(), "Y", Y, y, sample_weight, grad)


class _ColumnQuantiles(losses.Quantile):
    """`Quantile` with a column of targets for each output."""

    def targets(self, y, n, n_out, dtype):
        n_q = np.size(self.q)
        if n_q not in (1, n_out):
            raise ValueError(
                f"q has {n_q} numbers for {n_out} column{'s' * (n_out != 1)} of Y. "
                "Pass one, or one for each column."
            )
        return check_values(y, n, n_out, dtype)


def _loss(loss, name, Y, y, sample_weight, grad, kernel=None):
    """Compute a loss with a network without layers, whose inputs are the outputs.

    `kernel` replaces the kernel of the loss.
    """
    input_Y = Y
    Y = check_array(name, Y)
    if Y.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape (n,) or (n, k), got {Y.shape}")
    shape = Y.shape
    Y = Y if Y.ndim == 2 else Y[:, None]
    n, k = Y.shape
    targets, options = loss.prepare(y, n, k, Y.dtype)
    if kernel is not None:
        options["loss"] = kernel
    w, _ = check_sample_weight(sample_weight, n, Y.dtype)
    if grad is not None:
        check_out("grad", grad, shape, Y.dtype, input_Y, Y, y, targets, sample_weight, w)
    if not Y.size:
        return 0.0
    net = CompiledNetwork()
    net._bind([k], [], [], [], Y.dtype)
    return Trainer(net, Y, targets, batch_size=n, sample_weight=w, dX=grad, **options).gradient()
