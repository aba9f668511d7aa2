"""Losses for regression: errors, quantiles, counts, and a mean with its variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import kernels
from ..core.validation import check_number, check_numbers, check_values
from .base import Loss, for_outputs, times_slope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from ..typing import FloatArray


@dataclass(eq=False, repr=False)
class MSE(Loss):
    """Mean squared error.

    l = mean_j (a_j - y_j)^2, without a factor 1/2. Equivalent to ``torch.nn.MSELoss``.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> fastnn.MLP([1, 1], rng=0).loss([[0.0]], [2.0], loss="mse")
    4.0
    """

    name: ClassVar[str] = "mse"
    kernel: ClassVar[kernels.Loss] = kernels.Loss.SQUARED_ERROR

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        return 2 / Y.shape[1] * dY


@dataclass(eq=False, repr=False)
class MAE(Loss):
    """Mean absolute error, which the median minimizes.

    l = mean_j abs(a_j - y_j), with derivative 0 where a_j = y_j. Equivalent to
    ``torch.nn.L1Loss``.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> fastnn.MLP([1, 1], rng=0).loss([[0.0]], [2.0], loss="mae")
    2.0
    """

    name: ClassVar[str] = "mae"
    kernel: ClassVar[kernels.Loss] = kernels.Loss.ABSOLUTE_ERROR

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        return np.zeros_like(dY)  # the slope jumps, and is constant elsewhere


@dataclass(eq=False, repr=False)
class Huber(Loss):
    """Huber loss (Huber, 1964): squared error up to `delta`, linear beyond.

    With d = a_j - y_j, l is the mean over j of d^2 where abs(d) <= delta, else delta (2 abs(d) -
    delta). The gradient is bounded, which limits the influence of outliers. There is no factor
    1/2, so that a large delta gives `MSE`. The loss is twice ``torch.nn.HuberLoss``.

    Parameters
    ----------
    delta : float, default 1.0
        In units of the targets, above 0.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn.losses import Huber
    >>> fastnn.MLP([1, 1], rng=0).loss([[0.0]], [3.0], loss=Huber(delta=1.0))
    5.0
    """

    delta: float = 1.0
    name: ClassVar[str] = "huber"
    kernel: ClassVar[kernels.Loss] = kernels.Loss.HUBER

    def __post_init__(self) -> None:
        check_number("delta", self.delta, above=0)

    def to_kernel(self, n_out: int, dtype: np.dtype[Any]) -> dict[str, Any]:
        return dict(loss_numbers=for_outputs("delta", self.delta, n_out, dtype))

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        return 2 / Y.shape[1] * dY * (abs(Y - targets) <= self.delta)


@dataclass(eq=False, repr=False)
class LogCosh(Loss):
    """Logarithm of the hyperbolic cosine of the error.

    l = mean_j log cosh d with d = a_j - y_j: about d^2 / 2 for small errors (half of `MSE`) and
    abs(d) - log 2 for large ones (about `MAE`), smooth in between. The gradient tanh(d) is bounded,
    which limits the influence of outliers. The transition is at a fixed abs(d) of about 1, so scale
    the targets to about -1..1.

    Examples
    --------
    >>> import fastnn
    >>> round(fastnn.MLP([1, 1], rng=0).loss([[0.0]], [2.0], loss="log_cosh"), 6)
    1.325003
    """

    name: ClassVar[str] = "log_cosh"
    kernel: ClassVar[kernels.Loss] = kernels.Loss.LOG_COSH

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        return times_slope(kernels.Activation.TANH, Y - targets, dY) / Y.shape[1]


@dataclass(eq=False, repr=False)
class Quantile(Loss):
    """Pinball loss (Koenker and Bassett, 1978), which the q-quantile minimizes.

    l = mean_j max(q (y_j - a_j), (q - 1) (y_j - a_j)). For several quantiles at once, such as
    ``q=(0.1, 0.5, 0.9)``, the network has one output for each target and quantile: all q of target
    0 first, then all q of target 1, and so on. Estimated quantiles may cross. Sort them
    if that matters.

    Parameters
    ----------
    q : float or sequence of floats, default 0.5
        In (0, 1).

    Raises
    ------
    ValueError
        `q` is out of range, or n_out is not a multiple of the number of quantiles.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.losses import Quantile
    >>> X, y = np.zeros((100, 1)), np.arange(100.0)
    >>> net = fastnn.MLP([1, 2], rng=0)
    >>> history = net.fit(X, y, Quantile((0.1, 0.9)), fastnn.SGD(5.0), epochs=300, rng=0)
    >>> low, high = net.forward([[0.0]])[0]
    >>> bool(8 <= low <= 12 and 88 <= high <= 92)
    True
    """

    q: float | Sequence[float] = 0.5
    name: ClassVar[str] = "quantile"
    kernel: ClassVar[kernels.Loss] = kernels.Loss.QUANTILE

    def __post_init__(self) -> None:
        object.__setattr__(self, "q", check_numbers("q", self.q, above=0, below=1))

    def targets(self, y: ArrayLike, n: int, n_out: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        n_q = len(np.atleast_1d(self.q))
        if n_out % n_q:
            raise ValueError(
                f"loss 'quantile' with {n_q} quantiles needs {n_q} outputs for each target, "
                f"but the network has {n_out}"
            )
        return np.repeat(check_values(y, n, n_out // n_q, dtype), n_q, axis=1)

    def to_kernel(self, n_out: int, dtype: np.dtype[Any]) -> dict[str, Any]:
        q = np.atleast_1d(self.q)
        return dict(loss_numbers=np.tile(q, n_out // len(q)).astype(dtype))

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        return np.zeros_like(dY)  # as for `MAE`


@dataclass(eq=False, repr=False)
class Poisson(Loss):
    """Poisson negative log-likelihood, for counts.

    l = sum_j a_j - y_j log a_j, where a_j is the rate, without the constant log y!. The output
    activation is "exponential", and the loss is computed from z = log a as exp(z) - y z.
    Equivalent to ``torch.nn.PoissonNLLLoss`` of z, summed over the outputs.

    Raises
    ------
    ValueError
        A target is negative.

    Examples
    --------
    >>> import fastnn
    >>> net = fastnn.MLP([1, 1], output="exponential", rng=0)
    >>> net.loss([[0.0]], [3.0], loss="poisson")
    1.0
    """

    name: ClassVar[str] = "poisson"
    output: ClassVar[str | None] = "exponential"
    remedy: ClassVar[str] = "Pass output='exponential', which keeps rates positive"
    kernel: ClassVar[kernels.Loss] = kernels.Loss.POISSON

    def targets(self, y: ArrayLike, n: int, n_out: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        y = check_values(y, n, n_out, dtype)
        if y.size and y.min() < 0:
            row = int((y < 0).any(axis=1).argmax())
            raise ValueError(
                f"y must not be negative for loss 'poisson', got {y[row].tolist()} in row {row}"
            )
        return y

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        return times_slope(kernels.Activation.EXPONENTIAL, Y, dY)


@dataclass(eq=False, repr=False)
class GaussianNLL(Loss):
    """Gaussian negative log-likelihood with a learned variance.

    For m targets the network has 2m outputs: m means, then m logarithms s of variances, which may
    be any numbers. l = sum_j (s_j + (y_j - mean_j)^2 exp(-s_j)) / 2, without the constant
    log(2 pi) / 2. Nix and Weigend, 1994; in this form Kendall and Gal, 2017, eq. 8.

    Raises
    ------
    ValueError
        The number of outputs is odd.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> net = fastnn.MLP([1, 16, 2], rng=0)
    >>> history = net.fit([[0.0], [1.0]], [0.0, 1.0], loss="gaussian_nll")
    >>> mean, log_variance = net.forward([[0.5]]).T
    >>> standard_deviation = np.exp(log_variance / 2)
    """

    name: ClassVar[str] = "gaussian_nll"
    output: ClassVar[str | None] = "identity"
    remedy: ClassVar[str] = (
        "Pass output='identity': means and logarithms of variances may be any numbers"
    )
    kernel: ClassVar[kernels.Loss] = kernels.Loss.GAUSSIAN

    def targets(self, y: ArrayLike, n: int, n_out: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        if n_out % 2:
            raise ValueError(
                "loss 'gaussian_nll' needs two outputs for each target (mean, log variance), "
                f"but the network has {n_out}"
            )
        y = check_values(y, n, n_out // 2, dtype)
        # as wide as the outputs; the second half is not read
        return np.concatenate([y, np.zeros_like(y)], axis=1)

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        (mean, s), (dmean, ds) = np.split(Y, 2, axis=1), np.split(dY, 2, axis=1)
        d = mean - targets[:, : mean.shape[1]]
        both = np.concatenate([dmean - d * ds, d * d / 2 * ds - d * dmean], axis=1)
        return times_slope(kernels.Activation.EXPONENTIAL, -np.concatenate([s, s], axis=1), both)
