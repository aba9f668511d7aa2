"""What the tests know of each loss: a new one needs a row in LOSSES, SIGNATURES and BY_HAND, with
settings also in NETWORK_LOSSES, with kinks also in KINKS, and as a mean of errors also in
TORCH_ELEMENTS."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

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
    settings: dict = field(default_factory=dict)  # numbers, or functions of the number of outputs
    least_k: int = 1  # one column of targets for a softmax is taken for class indices

    def options(self, k):
        return {name: x(k) if callable(x) else x for name, x in self.settings.items()}

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


def sum_of_targets(Z, y, p):
    return 1 + y.sum(axis=1, keepdims=True) * np.ones_like(Z)


BCE = (lambda Y, y, p: p * (-np.log(Y) - np.log1p(-Y)), lambda Y, y, p: (1 + p) / (Y * (1 - Y)))
LOGITS = (lambda Z, y, p: (1 + p) * (1 + np.abs(Z)), lambda Z, y, p: (1 + p) * np.ones_like(Z))
ERROR = (lambda Y, y, p: np.abs(Y - y) / Y.shape[1], lambda Y, y, p: np.ones_like(Y) / Y.shape[1])
SQUARE = (lambda Y, y, p: (Y - y) ** 2 / Y.shape[1], lambda Y, y, p: 2 * np.abs(Y - y) / Y.shape[1])
POISSON = (lambda Z, y, p: np.exp(Z) + y * np.abs(Z), lambda Z, y, p: np.exp(Z) + y)


def gaussian_slope(Y, y, p):
    of_mean = np.sqrt(squared_over_variance(Y, y, p) * np.exp(-Y[:, y.shape[1] :]))
    return np.concatenate([of_mean, 1 + squared_over_variance(Y, y, p)], 1)


GAUSSIAN_SIZE = lambda Y, y, p: np.abs(Y[:, y.shape[1] :]) + squared_over_variance(Y, y, p)  # noqa: E731
GAUSSIAN = (GAUSSIAN_SIZE, gaussian_slope)


def weights_of_positives(k):
    return np.arange(1, k + 1) / 4


def bce(targets=anything_in_0_1, **settings):
    return Loss("binary_cross_entropy", probabilities, targets, *BCE, settings)


def logits(targets=anything_in_0_1, **settings):
    return Loss("binary_cross_entropy_with_logits", numbers, targets, *LOGITS, settings)


def softmax(targets=distributions, slope=one, **settings):
    least_k = 1 if targets is classes else 2
    return Loss("cross_entropy", numbers, targets, in_row, slope, settings, least_k)


def of_numbers(name, sizes, **settings):
    return Loss(name, numbers, numbers, *sizes, settings)


LOSSES = {
    "bce": bce(),
    "bce of classes": bce(yes_or_no),
    "bce, weighted": bce(pos_weight=2.5),
    "bce, smooth": bce(yes_or_no, label_smoothing=0.25),
    "bce, all": bce(yes_or_no, pos_weight=weights_of_positives, label_smoothing=0.1),
    "logits": logits(),
    "logits, weighted": logits(pos_weight=2.5),
    "logits, smooth": logits(yes_or_no, label_smoothing=0.25),
    "logits, all": logits(yes_or_no, pos_weight=weights_of_positives, label_smoothing=0.1),
    "classes": softmax(classes),
    "classes, smooth": softmax(classes, label_smoothing=0.25),
    "distributions": softmax(),
    "distributions, smooth": softmax(label_smoothing=0.1),
    "any rows": softmax(probabilities, sum_of_targets),
    "mse": of_numbers("mean_squared_error", SQUARE),
    "mae": of_numbers("mean_absolute_error", ERROR),
    "huber": of_numbers("huber", SQUARE),
    "huber, narrow": of_numbers("huber", SQUARE, delta=0.125),
    "huber, wide": of_numbers("huber", SQUARE, delta=8.0),
    "log_cosh": of_numbers("log_cosh", ERROR),
    "quantile": of_numbers("quantile", ERROR),
    "quantile, high": of_numbers("quantile", ERROR, q=0.9),
    "quantiles": of_numbers("quantile", ERROR, q=lambda k: np.arange(1, k + 1) / (k + 1)),
    "poisson": Loss("poisson_nll", numbers, counts, *POISSON),
    "gaussian": Loss("gaussian_nll", means_and_log_variances, numbers, *GAUSSIAN),
}


def outputs_per_target(loss):
    """Number of network outputs for each target, for a loss or its name."""
    return 2 if loss == "gaussian_nll" else np.size(loss.q) if isinstance(loss, Quantile) else 1


#: (a loss, the output that it needs; None: any), for targets in 0..1
NETWORK_LOSSES = [
    *[("bce", "sigmoid"), (BCELoss(2.5, 0.1), "sigmoid"), ("bce_with_logits", "identity")],
    *[(BCEWithLogits(2.5, 0.1), "identity"), ("cross_entropy", "softmax")],
    *[(CrossEntropy(0.1), "softmax"), ("mse", None), ("mae", None), (Huber(0.4), None)],
    *[(Quantile((0.2, 0.7)), None), ("poisson", "exponential"), ("gaussian_nll", "identity")],
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
LOG4_3 = 2 * LOG2 - LOG3
HALF = [[0.5], [0.25]]  # probabilities
Z2 = [[0], [LOG3]]  # logits
Y2, T2 = [[1, 2], [3, 4]], [[3, -2], [3, 5]]
Z3, T3 = [[0, 0, LOG3], [LOG2, LOG2, 0]], [[0.5, 0, 0.5], [0, 2, 0]]
BOTH = dict(pos_weight=[4, 2], label_smoothing=0.5)


QUARTERS, OF_BOTH = [[0.25, 0.75], [0.75, 0.75]], [9 * LOG2 - 0.75 * LOG3, 3.5 * LOG2]
RARE, LABELS = [[0.25, 0.75], [0.5, 0.5]], [[1, 0], [0, 1]]


def by_hand(outputs, targets, losses, gradients, **options):
    return outputs, targets, losses, gradients, options


BY_HAND = {
    # l: -log 1/2, -log 3/4 = 2 log 2 - log 3; dl/dp: -1/p, 1/(1 - p)
    "binary_cross_entropy": by_hand(HALF, [1, 0], [LOG2, LOG4_3], [[-2], [4 / 3]]),
    # the sum over two outputs, with targets between 0 and 1; dl/dp = (p - y) / (p (1 - p)) = (p -
    # y) / (3/16)
    "binary_cross_entropy with two outputs": by_hand(
        *(QUARTERS, [[0.5, 1], [0, 0.75]]),
        *([0.5 * 2 * LOG2 + 1.5 * LOG4_3, 2.5 * LOG2 + 0.75 * LOG4_3], [[-4 / 3, -4 / 3], [4, 0]]),
    ),
    # p = 1/2 and 3/4
    "binary_cross_entropy_with_logits": by_hand(Z2, [1, 0], [LOG2, 2 * LOG2], [[-0.5], [0.75]]),
    # p = 1/2, 3/4 and 1/4, 3/4
    "binary_cross_entropy_with_logits with two outputs": by_hand(
        *([[0, LOG3], [-LOG3, LOG3]], [[0.5, 1], [1, 0.5]]),
        *([LOG2 + LOG4_3, 3 * LOG2 + 0.5 * LOG4_3], [[0, -0.25], [-0.75, 0.25]]),
    ),
    # p = 1/5 (1, 1, 3) and 1/5 (2, 2, 1): l = log 5 - log 3, log 5 - log 2; dl/dz = p - y
    "cross_entropy": by_hand(
        Z3, [2, 0], [LOG5 - LOG3, LOG5 - LOG2], [[0.2, 0.2, -0.4], [-0.6, 0.4, 0.2]]
    ),
    # the same p with rows of targets, the second of which sums to 2
    "cross_entropy with rows": by_hand(
        *(Z3, T3, [0.5 * LOG5 + 0.5 * (LOG5 - LOG3), 2 * (LOG5 - LOG2)]),
        [[-0.3, 0.2, 0.1], [0.8, -1.2, 0.4]],
    ),
    # l = (1 - 3)^2, (2 - 1)^2
    "mean_squared_error": by_hand([[1], [2]], [3, 1], [4, 1], [[-4], [2]]),
    # the mean over two outputs: l = (4 + 16)/2, (0 + 1)/2
    "mean_squared_error with two outputs": by_hand(Y2, T2, [10, 0.5], [[-2, 4], [0, -1]]),
    "mean_absolute_error": by_hand([[1], [2]], [3, 1], [2, 1], [[-1], [1]]),
    "mean_absolute_error with two outputs": by_hand(Y2, T2, [3, 0.5], [[-0.5, 0.5], [0, -0.5]]),
    # distances -2, beyond delta = 1: 1 (2 2 - 1), and 1/2, within
    "huber": by_hand([[1], [2.5]], [3, 2], [3, 0.25], [[-2], [1]]),
    # distances -2, 4 and 0, -1: the second is beyond, 3 (2 4 - 3) = 15
    "huber with two outputs": by_hand(Y2, T2, [(4 + 15) / 2, 0.5], [[-2, 3], [0, -1]], delta=3),
    "huber at delta": by_hand([[1], [3]], [3, 1], [4, 4], [[-4], [4]], delta=2),
    # cosh log 2 = 5/4 and cosh log 3 = 5/3; tanh log 2 = 3/5 and tanh log 3 = 4/5
    "log_cosh": by_hand([[LOG2], [0]], [0, LOG3], [LOG5 - 2 * LOG2, LOG5 - LOG3], [[0.6], [-0.8]]),
    "log_cosh with two outputs": by_hand(
        *([[LOG2, -LOG3], [5, 1]], [[0, 0], [5, 1]]),
        *([(2 * LOG5 - 2 * LOG2 - LOG3) / 2, 0], [[0.3, -0.4], [0, 0]]),
    ),
    "quantile": by_hand([[1], [2]], [3, 1], [0.5 * 2, 0.5 * 1], [[-0.5], [0.5]]),
    # too low by 2, too high by 4; right, too low by 1
    "quantile with two outputs": by_hand(
        *(Y2, T2, [(0.25 * 2 + 0.25 * 4) / 2, 0.75 * 1 / 2], [[-0.125, 0.125], [0, -0.375]]),
        q=[0.25, 0.75],
    ),
    # rates 1 and 3
    "poisson_nll": by_hand(Z2, [2, 1], [1, 3 - LOG3], [[-1], [2]]),
    # rates 1, 2 and 3, 1
    "poisson_nll with two outputs": by_hand(
        [[0, LOG2], [LOG3, 0]], [[1, 0], [3, 2]], [1 + 2, 3 - 3 * LOG3 + 1], [[0, 2], [0, -1]]
    ),
    # mean 1, variance 1, target 3; mean 2, variance 2, target 1
    "gaussian_nll": by_hand(
        *([[1, 0], [2, LOG2]], [3, 1], [(0 + 4) / 2, (LOG2 + 1 / 2) / 2]),
        [[-2, (1 - 4) / 2], [1 / 2, (1 - 1 / 2) / 2]],
    ),
    # two means, then two log-variances; variances 1, 1/2 and 2, 1
    "gaussian_nll with two targets": by_hand(
        *([[1, 2, 0, -LOG2], [0, 0, LOG2, 0]], [[2, 2], [2, 0]]),
        [(0 + 1) / 2 - LOG2 / 2, (LOG2 + 4 / 2) / 2],
        [[-1, 0, 0, 1 / 2], [-1, 0, -1 / 2, 1 / 2]],
    ),
    # p = 3: the first row counts three times
    "binary_cross_entropy with positive weight": by_hand(
        HALF, [1, 0], [3 * LOG2, LOG4_3], [[-6], [4 / 3]], pos_weight=3
    ),
    # t = 3/4, 1/4
    "binary_cross_entropy smoothed": by_hand(
        HALF, [1, 0], [LOG2, 2 * LOG2 - 0.75 * LOG3], [[-1], [0]], label_smoothing=0.5
    ),
    # p t = 3, 1/2 and 1, 3/2; 1 - t = 1/4, 3/4 and 3/4, 1/4
    "binary_cross_entropy with both": by_hand(
        RARE, LABELS, OF_BOTH, [[-35 / 3, 7 / 3], [-0.5, -2.5]], **BOTH
    ),
    "binary_cross_entropy_with_logits with both": by_hand(
        *([[-LOG3, LOG3], [0, 0]], LABELS, OF_BOTH, [[-2.1875, 0.4375], [-0.125, -0.625]]), **BOTH
    ),
    # t = 0.1, 0.1, 0.8 and 0.8, 0.1, 0.1
    "cross_entropy smoothed": by_hand(
        *(Z3, [2, 0], [LOG5 - 0.8 * LOG3, LOG5 - 0.9 * LOG2], [[0.1, 0.1, -0.2], [-0.4, 0.3, 0.1]]),
        label_smoothing=0.3,
    ),
    # t = 0.45, 0.1, 0.45 and 0.1, 1.5, 0.1
    "cross_entropy with rows, smoothed": by_hand(
        *(Z3, T3, [LOG5 - 0.45 * LOG3, 1.7 * LOG5 - 1.6 * LOG2]),
        [[-0.25, 0.1, 0.15], [0.58, -0.82, 0.24]],
        label_smoothing=0.3,
    ),
}
