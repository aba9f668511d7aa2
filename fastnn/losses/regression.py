"""Losses of numbers: errors, quantiles, counts, and a mean with its variance."""

from dataclasses import dataclass

import numpy as np

from .. import kernels
from ..validation import check_number, check_numbers, check_values
from .base import Loss, for_outputs


@dataclass(eq=False, repr=False)
class MSE(Loss):
    """Mean squared error: l = mean_j (a_j - y_j)^2, no factor 1/2. ``torch.nn.MSELoss``.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> fastnn.MLP([1, 1], rng=0).loss([[0.0]], [2.0], loss="mse")
    4.0
    """

    name = "mse"
    kernel = kernels.Loss.SQUARED_ERROR


@dataclass(eq=False, repr=False)
class MAE(Loss):
    """Mean absolute error: l = mean_j abs(a_j - y_j), derivative 0 where a = y. Learns the median.
    ``torch.nn.L1Loss``.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> fastnn.MLP([1, 1], rng=0).loss([[0.0]], [2.0], loss="mae")
    2.0
    """

    name = "mae"
    kernel = kernels.Loss.ABSOLUTE_ERROR


@dataclass(eq=False, repr=False)
class Huber(Loss):
    """Squared error up to `delta`, its tangent beyond (Huber, 1964): outliers pull with a bounded
    force.

    With d = a_j - y_j:  l = mean_j d^2 where abs(d) <= delta, else delta (2 abs(d) - delta). No
    factor 1/2, as in `MSE`, which it is for a large delta: twice ``torch.nn.HuberLoss``.

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
    name = "huber"
    kernel = kernels.Loss.HUBER

    def __post_init__(self):
        check_number("delta", self.delta, above=0)

    def to_kernel(self, n_out, dtype):
        return dict(loss_numbers=for_outputs("delta", self.delta, n_out, dtype))


@dataclass(eq=False, repr=False)
class LogCosh(Loss):
    """Logarithm of the hyperbolic cosine: l = mean_j log cosh(a_j - y_j): d^2 / 2 near 0, abs(d) -
    log 2 far out.

    Half of `MSE` for small errors and about `MAE` for large ones, and smooth between them. The
    derivative tanh(d) is bounded, so outliers pull with a bounded force. Where it bends is fixed:
    scale the targets to about -1..1.

    Examples
    --------
    >>> import fastnn
    >>> round(fastnn.MLP([1, 1], rng=0).loss([[0.0]], [2.0], loss="log_cosh"), 6)
    1.325003
    """

    name = "log_cosh"
    kernel = kernels.Loss.LOG_COSH


@dataclass(eq=False, repr=False)
class Quantile(Loss):
    """Pinball loss (Koenker and Bassett, 1978): l = mean_j max(q (y_j - a_j), (q - 1) (y_j - a_j));
    learns the q-quantile.

    Several quantiles at once: ``q=(0.1, 0.5, 0.9)`` wants three outputs for each target: for m
    targets the outputs are those of target 0 for all q, then of target 1, ... Quantiles may cross;
    sort them where that matters.

    Parameters
    ----------
    q : float or sequence of floats, default 0.5
        In (0, 1).

    Raises
    ------
    ValueError
        q is out of range, or, with the data, n_out is no multiple of the number of quantiles.

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

    q: float | tuple = 0.5
    name = "quantile"
    kernel = kernels.Loss.QUANTILE

    def __post_init__(self):
        object.__setattr__(self, "q", check_numbers("q", self.q, above=0, below=1))

    def targets(self, y, n, n_out, dtype):
        each = len(np.atleast_1d(self.q))
        if n_out % each:
            raise ValueError(
                f"loss 'quantile' with {each} quantiles needs {each} outputs for each target, the network has {n_out}"
            )
        return np.repeat(check_values(y, n, n_out // each, dtype), each, axis=1)

    def to_kernel(self, n_out, dtype):
        q = np.atleast_1d(self.q)
        return dict(loss_numbers=np.tile(q, n_out // len(q)).astype(dtype))


@dataclass(eq=False, repr=False)
class Poisson(Loss):
    """Poisson log-likelihood of counts: l = sum_j a_j - y_j log a_j, a the rate, without the
    constant log y!.

    The output is "exponential" and the loss is computed from z = log a: exp(z) - y z.
    ``torch.nn.PoissonNLLLoss`` of z.

    Raises
    ------
    ValueError
        With the data: a target is below 0.

    Examples
    --------
    >>> import fastnn
    >>> net = fastnn.MLP([1, 1], output="exponential", rng=0)
    >>> net.loss([[0.0]], [3.0], loss="poisson")
    1.0
    """

    name = "poisson"
    output = "exponential"
    remedy = "its outputs are rates, kept positive by that activation"
    kernel = kernels.Loss.POISSON

    def targets(self, y, n, n_out, dtype):
        y = check_values(y, n, n_out, dtype)
        if y.size and y.min() < 0:
            row = int((y < 0).any(axis=1).argmax())
            raise ValueError(
                f"y must not be negative for loss 'poisson', got {y[row].tolist()} in row {row}"
            )
        return y


@dataclass(eq=False, repr=False)
class GaussianNLL(Loss):
    """Gaussian log-likelihood with a learned variance (Nix and Weigend, 1994; in this form Kendall
    and Gal, 2017, eq. 8).

    For m targets the network has 2m outputs: m means, then the logarithms s of m variances, so that
    exp(s) is positive whatever the output. l = sum_j (s_j + (y_j - mean_j)^2 exp(-s_j)) / 2,
    without the constant log(2 pi) / 2.

    Raises
    ------
    ValueError
        With the data: the number of outputs is odd.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> net = fastnn.MLP([1, 16, 2], rng=0)
    >>> history = net.fit([[0.0], [1.0]], [0.0, 1.0], loss="gaussian_nll")
    >>> mean, log_variance = net.forward([[0.5]]).T
    >>> standard_deviation = np.exp(log_variance / 2)
    """

    name = "gaussian_nll"
    output = "identity"
    remedy = "the outputs are means and logarithms of variances, both may be any number"
    kernel = kernels.Loss.GAUSSIAN

    def targets(self, y, n, n_out, dtype):
        if n_out % 2:
            raise ValueError(
                f"loss 'gaussian_nll' needs two outputs for each target (mean, log variance), the network has {n_out}"
            )
        y = check_values(y, n, n_out // 2, dtype)
        return np.concatenate(
            [y, np.zeros_like(y)], axis=1
        )  # as wide as the outputs; the second half is not read
