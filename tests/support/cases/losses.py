"""What the tests know of each loss: a new one needs a row in LOSSES, SIGNATURES and BY_HAND, with
settings also in NETWORK_LOSSES, with kinks also in KINKS, and as a mean of errors also in
TORCH_ELEMENTS."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastnn import functional as F
from fastnn import losses
from fastnn import reference as ref
from fastnn.losses import BCE as BCELoss
from fastnn.losses import BCEWithLogits, CrossEntropy, Huber, Quantile


@dataclass
class Loss:
    """A loss by name, and how to draw outputs and targets: (rng, n, k) -> array."""

    name: str
    outputs: Callable
    targets: Callable
    # Both take (Y, y, p), where p is pos_weight or 1
    magnitude: Callable  # -> like y: the size of the terms that a row's loss is summed from
    slope: Callable  # -> like Y: the size of the numbers that dl is computed from
    options: Callable = lambda k: {}  # (number of outputs) -> keywords
    least_k: int = 1  # one column of targets for a softmax is taken for class indices

    def loss(self, Y, *arguments, **keywords):
        return getattr(F, self.name)(Y, *arguments, **keywords, **self.options(Y.shape[1]))

    def oracle(self, Y, *arguments, **keywords):
        return getattr(ref, self.name)(Y, *arguments, **keywords, **self.options(Y.shape[1]))


def numbers(rng, n, k):
    return rng.normal(size=(n, k)) * 3


def probabilities(rng, n, k):
    return rng.uniform(0.01, 0.99, (n, k))


def anything_in_0_1(rng, n, k):
    return rng.uniform(size=(n, k))


def yes_or_no(rng, n, k):
    return rng.integers(0, 2, (n, k))


def classes(rng, n, k):
    return rng.integers(0, k, n)


def distributions(rng, n, k):
    y = rng.uniform(size=(n, k))
    return y / y.sum(axis=1, keepdims=True)


def counts(rng, n, k):
    return rng.poisson(2, (n, k))


def means_and_log_variances(rng, n, k):
    return np.concatenate([rng.normal(size=(n, k)) * 3, rng.uniform(-2, 2, (n, k))], axis=1)


def in_row(Z, y, p):
    """The spread of a row's logits, for each output of a softmax."""
    spread = 1 + np.log(Z.shape[1]) + Z.max(axis=1, initial=0) - Z.min(axis=1, initial=0)
    return np.repeat(spread[:, None] / Z.shape[1], Z.shape[1], axis=1) * (
        1 if y.ndim == 1 else np.maximum(1, y.sum(axis=1, keepdims=True))
    )


def squared_over_variance(Y, y, p):
    mean, s = np.split(Y, 2, axis=1)
    return (mean - y) ** 2 * np.exp(-s)


def one(Y, y, p):
    return np.ones_like(Y)


BCE = (lambda Y, y, p: p * (-np.log(Y) - np.log1p(-Y)), lambda Y, y, p: (1 + p) / (Y * (1 - Y)))
LOGITS = (lambda Z, y, p: (1 + p) * (1 + np.abs(Z)), lambda Z, y, p: (1 + p) * np.ones_like(Z))
ERROR = (lambda Y, y, p: np.abs(Y - y) / Y.shape[1], lambda Y, y, p: np.ones_like(Y) / Y.shape[1])
SQUARE = (lambda Y, y, p: (Y - y) ** 2 / Y.shape[1], lambda Y, y, p: 2 * np.abs(Y - y) / Y.shape[1])
POISSON = (lambda Z, y, p: np.exp(Z) + y * np.abs(Z), lambda Z, y, p: np.exp(Z) + y)
GAUSSIAN = (
    lambda Y, y, p: np.abs(Y[:, y.shape[1] :]) + squared_over_variance(Y, y, p),
    lambda Y, y, p: np.concatenate(
        [
            np.sqrt(squared_over_variance(Y, y, p) * np.exp(-Y[:, y.shape[1] :])),
            1 + squared_over_variance(Y, y, p),
        ],
        1,
    ),
)


def weights_of_positives(k):
    return np.arange(1, k + 1) / 4


LOSSES = {
    "bce": Loss("binary_cross_entropy", probabilities, anything_in_0_1, *BCE),
    "bce of classes": Loss("binary_cross_entropy", probabilities, yes_or_no, *BCE),
    "bce, weighted": Loss(
        "binary_cross_entropy", probabilities, anything_in_0_1, *BCE, lambda k: dict(pos_weight=2.5)
    ),
    "bce, smooth": Loss(
        "binary_cross_entropy", probabilities, yes_or_no, *BCE, lambda k: dict(label_smoothing=0.25)
    ),
    "bce, all": Loss(
        "binary_cross_entropy",
        probabilities,
        yes_or_no,
        *BCE,
        lambda k: dict(pos_weight=weights_of_positives(k), label_smoothing=0.1),
    ),
    "logits": Loss("binary_cross_entropy_with_logits", numbers, anything_in_0_1, *LOGITS),
    "logits, weighted": Loss(
        "binary_cross_entropy_with_logits",
        numbers,
        anything_in_0_1,
        *LOGITS,
        lambda k: dict(pos_weight=2.5),
    ),
    "logits, smooth": Loss(
        "binary_cross_entropy_with_logits",
        numbers,
        yes_or_no,
        *LOGITS,
        lambda k: dict(label_smoothing=0.25),
    ),
    "logits, all": Loss(
        "binary_cross_entropy_with_logits",
        numbers,
        yes_or_no,
        *LOGITS,
        lambda k: dict(pos_weight=weights_of_positives(k), label_smoothing=0.1),
    ),
    "classes": Loss("cross_entropy", numbers, classes, in_row, one),
    "classes, smooth": Loss(
        "cross_entropy", numbers, classes, in_row, one, lambda k: dict(label_smoothing=0.25)
    ),
    "distributions": Loss("cross_entropy", numbers, distributions, in_row, one, least_k=2),
    "distributions, smooth": Loss(
        "cross_entropy",
        numbers,
        distributions,
        in_row,
        one,
        lambda k: dict(label_smoothing=0.1),
        least_k=2,
    ),
    "any rows": Loss(
        "cross_entropy",
        numbers,
        probabilities,
        in_row,
        lambda Z, y, p: 1 + y.sum(axis=1, keepdims=True) * np.ones_like(Z),
        least_k=2,
    ),
    "mse": Loss("mean_squared_error", numbers, numbers, *SQUARE),
    "mae": Loss("mean_absolute_error", numbers, numbers, *ERROR),
    "huber": Loss("huber", numbers, numbers, *SQUARE),
    "huber, narrow": Loss("huber", numbers, numbers, *SQUARE, lambda k: dict(delta=0.125)),
    "huber, wide": Loss("huber", numbers, numbers, *SQUARE, lambda k: dict(delta=8.0)),
    "log_cosh": Loss("log_cosh", numbers, numbers, *ERROR),
    "quantile": Loss("quantile", numbers, numbers, *ERROR),
    "quantile, high": Loss("quantile", numbers, numbers, *ERROR, lambda k: dict(q=0.9)),
    "quantiles": Loss(
        "quantile", numbers, numbers, *ERROR, lambda k: dict(q=np.arange(1, k + 1) / (k + 1))
    ),
    "poisson": Loss("poisson_nll", numbers, counts, *POISSON),
    "gaussian": Loss("gaussian_nll", means_and_log_variances, numbers, *GAUSSIAN),
}


def outputs_per_target(loss):
    """Number of network outputs for each target, for a loss or its name."""
    return 2 if loss == "gaussian_nll" else np.size(loss.q) if isinstance(loss, Quantile) else 1


NETWORK_LOSSES = [  # (a loss, the output that it needs; None: any), for targets in 0..1
    ("bce", "sigmoid"),
    (BCELoss(2.5, 0.1), "sigmoid"),
    ("bce_with_logits", "identity"),
    (BCEWithLogits(2.5, 0.1), "identity"),
    ("cross_entropy", "softmax"),
    (CrossEntropy(0.1), "softmax"),
    ("mse", None),
    ("mae", None),
    (Huber(0.4), None),
    (Quantile((0.2, 0.7)), None),
    ("poisson", "exponential"),
    ("gaussian_nll", "identity"),
]
NETWORK_LOSSES += [
    (name, cls.output)
    for name, cls in losses.LOSSES.items()
    if name not in {loss if isinstance(loss, str) else loss.name for loss, _ in NETWORK_LOSSES}
]

KINKS = {  # on which side of the kinks of a loss the outputs are
    "mae": lambda loss, Y, y: [Y > y],
    "quantile": lambda loss, Y, y: [Y > np.repeat(y, np.size(loss.q), axis=1)],
    "huber": lambda loss, Y, y: [Y - y > loss.delta, y - Y > loss.delta],
}

TORCH_ELEMENTS = {  # the loss of one output in PyTorch, from d = output - target
    "mse": lambda torch, d: d**2,
    "mae": lambda torch, d: d.abs(),
    "log_cosh": lambda torch, d: torch.logaddexp(d, -d) - math.log(2),
}

SIGNATURES = {  # of functional and reference alike
    "binary_cross_entropy": "(Y, y, sample_weight=None, grad=None, pos_weight=None, label_smoothing=0.0)",
    "binary_cross_entropy_with_logits": "(Z, y, sample_weight=None, grad=None, pos_weight=None, label_smoothing=0.0)",
    "cross_entropy": "(Z, y, sample_weight=None, grad=None, label_smoothing=0.0)",
    "mean_squared_error": "(Y, y, sample_weight=None, grad=None)",
    "mean_absolute_error": "(Y, y, sample_weight=None, grad=None)",
    "huber": "(Y, y, sample_weight=None, grad=None, delta=1.0)",
    "log_cosh": "(Y, y, sample_weight=None, grad=None)",
    "quantile": "(Y, y, sample_weight=None, grad=None, q=0.5)",
    "poisson_nll": "(Z, y, sample_weight=None, grad=None)",
    "gaussian_nll": "(Y, y, sample_weight=None, grad=None)",
}

# ---- by hand: (outputs, targets, loss of each row, gradients, options) ----

LOG2, LOG3, LOG5 = math.log(2), math.log(3), math.log(5)
BY_HAND = {
    # l: -log 1/2, -log 3/4 = 2 log 2 - log 3; dl/dp: -1/p, 1/(1 - p)
    "binary_cross_entropy": ([[0.5], [0.25]], [1, 0], [LOG2, 2 * LOG2 - LOG3], [[-2], [4 / 3]]),
    # the sum over two outputs, with targets between 0 and 1; dl/dp = (p - y) / (p (1 - p)) = (p -
    # y) / (3/16)
    "binary_cross_entropy with two outputs": (
        [[0.25, 0.75], [0.75, 0.75]],
        [[0.5, 1], [0, 0.75]],
        [
            0.5 * (2 * LOG2) + 1.5 * (2 * LOG2 - LOG3),
            2 * LOG2 + 0.75 * (2 * LOG2 - LOG3) + 0.25 * 2 * LOG2,
        ],
        [[-4 / 3, -4 / 3], [4, 0]],
    ),
    # p = 1/2 and 3/4
    "binary_cross_entropy_with_logits": ([[0], [LOG3]], [1, 0], [LOG2, 2 * LOG2], [[-0.5], [0.75]]),
    # p = 1/2, 3/4 and 1/4, 3/4
    "binary_cross_entropy_with_logits with two outputs": (
        [[0, LOG3], [-LOG3, LOG3]],
        [[0.5, 1], [1, 0.5]],
        [LOG2 + 2 * LOG2 - LOG3, 2 * LOG2 + 0.5 * (2 * LOG2 - LOG3) + 0.5 * 2 * LOG2],
        [[0, -0.25], [-0.75, 0.25]],
    ),
    # p = 1/5 (1, 1, 3) and 1/5 (2, 2, 1): l = log 5 - log 3, log 5 - log 2; dl/dz = p - y
    "cross_entropy": (
        [[0, 0, LOG3], [LOG2, LOG2, 0]],
        [2, 0],
        [LOG5 - LOG3, LOG5 - LOG2],
        [[0.2, 0.2, -0.4], [-0.6, 0.4, 0.2]],
    ),
    # the same p with rows of targets, the second of which sums to 2
    "cross_entropy with rows": (
        [[0, 0, LOG3], [LOG2, LOG2, 0]],
        [[0.5, 0, 0.5], [0, 2, 0]],
        [0.5 * LOG5 + 0.5 * (LOG5 - LOG3), 2 * (LOG5 - LOG2)],
        [[-0.3, 0.2, 0.1], [0.8, -1.2, 0.4]],
    ),
    # l = (1 - 3)^2, (2 - 1)^2
    "mean_squared_error": ([[1], [2]], [3, 1], [4, 1], [[-4], [2]]),
    # the mean over two outputs: l = (4 + 16)/2, (0 + 1)/2
    "mean_squared_error with two outputs": (
        [[1, 2], [3, 4]],
        [[3, -2], [3, 5]],
        [10, 0.5],
        [[-2, 4], [0, -1]],
    ),
    "mean_absolute_error": ([[1], [2]], [3, 1], [2, 1], [[-1], [1]]),
    "mean_absolute_error with two outputs": (
        [[1, 2], [3, 4]],
        [[3, -2], [3, 5]],
        [3, 0.5],
        [[-0.5, 0.5], [0, -0.5]],
    ),
    # distances -2, beyond delta = 1: 1 (2 2 - 1), and 1/2, within
    "huber": ([[1], [2.5]], [3, 2], [3, 0.25], [[-2], [1]]),
    # distances -2, 4 and 0, -1: the second is beyond, 3 (2 4 - 3) = 15
    "huber with two outputs": (
        [[1, 2], [3, 4]],
        [[3, -2], [3, 5]],
        [(4 + 15) / 2, 0.5],
        [[-2, 3], [0, -1]],
        dict(delta=3),
    ),
    "huber at delta": ([[1], [3]], [3, 1], [4, 4], [[-4], [4]], dict(delta=2)),
    # cosh log 2 = 5/4 and cosh log 3 = 5/3; tanh log 2 = 3/5 and tanh log 3 = 4/5
    "log_cosh": ([[LOG2], [0]], [0, LOG3], [LOG5 - 2 * LOG2, LOG5 - LOG3], [[0.6], [-0.8]]),
    "log_cosh with two outputs": (
        [[LOG2, -LOG3], [5, 1]],
        [[0, 0], [5, 1]],
        [(2 * LOG5 - 2 * LOG2 - LOG3) / 2, 0],
        [[0.3, -0.4], [0, 0]],
    ),
    "quantile": ([[1], [2]], [3, 1], [0.5 * 2, 0.5 * 1], [[-0.5], [0.5]]),
    # too low by 2, too high by 4; right, too low by 1
    "quantile with two outputs": (
        [[1, 2], [3, 4]],
        [[3, -2], [3, 5]],
        [(0.25 * 2 + 0.25 * 4) / 2, 0.75 * 1 / 2],
        [[-0.125, 0.125], [0, -0.375]],
        dict(q=[0.25, 0.75]),
    ),
    # rates 1 and 3
    "poisson_nll": ([[0], [LOG3]], [2, 1], [1, 3 - LOG3], [[-1], [2]]),
    # rates 1, 2 and 3, 1
    "poisson_nll with two outputs": (
        [[0, LOG2], [LOG3, 0]],
        [[1, 0], [3, 2]],
        [1 + 2, 3 - 3 * LOG3 + 1],
        [[0, 2], [0, -1]],
    ),
    # mean 1, variance 1, target 3; mean 2, variance 2, target 1
    "gaussian_nll": (
        [[1, 0], [2, LOG2]],
        [3, 1],
        [(0 + 4) / 2, (LOG2 + 1 / 2) / 2],
        [[-2, (1 - 4) / 2], [1 / 2, (1 - 1 / 2) / 2]],
    ),
    # two means, then two log-variances; variances 1, 1/2 and 2, 1
    "gaussian_nll with two targets": (
        [[1, 2, 0, -LOG2], [0, 0, LOG2, 0]],
        [[2, 2], [2, 0]],
        [(0 + 1) / 2 - LOG2 / 2, (LOG2 + 4 / 2) / 2],
        [[-1, 0, 0, 1 / 2], [-1, 0, -1 / 2, 1 / 2]],
    ),
    # p = 3: the first row counts three times
    "binary_cross_entropy with positive weight": (
        [[0.5], [0.25]],
        [1, 0],
        [3 * LOG2, 2 * LOG2 - LOG3],
        [[-6], [4 / 3]],
        dict(pos_weight=3),
    ),
    # t = 3/4, 1/4
    "binary_cross_entropy smoothed": (
        [[0.5], [0.25]],
        [1, 0],
        [LOG2, 2 * LOG2 - 0.75 * LOG3],
        [[-1], [0]],
        dict(label_smoothing=0.5),
    ),
    # p t = 3, 1/2 and 1, 3/2; 1 - t = 1/4, 3/4 and 3/4, 1/4
    "binary_cross_entropy with both": (
        [[0.25, 0.75], [0.5, 0.5]],
        [[1, 0], [0, 1]],
        [9 * LOG2 - 0.75 * LOG3, 3.5 * LOG2],
        [[-35 / 3, 7 / 3], [-0.5, -2.5]],
        dict(pos_weight=[4, 2], label_smoothing=0.5),
    ),
    "binary_cross_entropy_with_logits with both": (
        [[-LOG3, LOG3], [0, 0]],
        [[1, 0], [0, 1]],
        [9 * LOG2 - 0.75 * LOG3, 3.5 * LOG2],
        [[-2.1875, 0.4375], [-0.125, -0.625]],
        dict(pos_weight=[4, 2], label_smoothing=0.5),
    ),
    # t = 0.1, 0.1, 0.8 and 0.8, 0.1, 0.1
    "cross_entropy smoothed": (
        [[0, 0, LOG3], [LOG2, LOG2, 0]],
        [2, 0],
        [LOG5 - 0.8 * LOG3, LOG5 - 0.9 * LOG2],
        [[0.1, 0.1, -0.2], [-0.4, 0.3, 0.1]],
        dict(label_smoothing=0.3),
    ),
    # t = 0.45, 0.1, 0.45 and 0.1, 1.5, 0.1
    "cross_entropy with rows, smoothed": (
        [[0, 0, LOG3], [LOG2, LOG2, 0]],
        [[0.5, 0, 0.5], [0, 2, 0]],
        [LOG5 - 0.45 * LOG3, 1.7 * LOG5 - 1.6 * LOG2],
        [[-0.25, 0.1, 0.15], [0.58, -0.82, 0.24]],
        dict(label_smoothing=0.3),
    ),
}
