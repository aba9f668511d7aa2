"""What the tests know of each activation, loss and optimizer. The tests take their cases from
here: a new activation, loss or optimizer needs its rows in these tables."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import mpmath as mp
import numpy as np

from fastnn import functional as F
from fastnn import losses, optimizers
from fastnn import reference as ref
from fastnn.losses import BCE as BCELoss
from fastnn.losses import BCEWithLogits, CrossEntropy, Huber, Quantile

# ---- activations ---------------------------------------------------------------------------------


class Activation(NamedTuple):
    """f and f' in mpmath, and properties that widen the tolerance."""

    f: Callable
    slope: Callable  # at a kink, the one from the left
    kinked: bool = False  # f or f' jumps at 0
    times_z: bool = False  # f' is computed as a product with z, whose error grows with z
    scaled: bool = False  # f multiplies z by a number that is rounded first


def sigmoid(z):
    return 1 / (1 + mp.exp(-z))


def normal(z):
    """Distribution function and density of the normal distribution, or their limits for large
    |z|."""
    if abs(z) >= 1000:
        return mp.mpf(z > 0), mp.mpf(0)
    return mp.erfc(-z / mp.sqrt(2)) / 2, mp.npdf(z)


def tanh_softplus(z):
    return mp.tanh((z if z > 0 else 0) + mp.log1p(mp.exp(-abs(z))))


SCALE = mp.mpf("1.0507009873554804934193349852946")
ALPHA = mp.mpf("1.6732632423543772848170429916717")
ACTIVATIONS = {  # softmax, which couples the outputs of a row, has separate tests
    "identity": Activation(lambda z: z, lambda z: 1),
    "sigmoid": Activation(sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "relu": Activation(lambda z: z if z > 0 else 0, lambda z: z > 0, kinked=True),
    "tanh": Activation(mp.tanh, lambda z: 4 * sigmoid(2 * z) * sigmoid(-2 * z)),
    "leaky_relu": Activation(
        lambda z: z if z > 0 else 0.01 * z, lambda z: 1 if z > 0 else 0.01, kinked=True, scaled=True
    ),
    "elu": Activation(
        lambda z: z if z > 0 else mp.expm1(z), lambda z: 1 if z > 0 else mp.exp(z), kinked=True
    ),
    "softplus": Activation(lambda z: (z if z > 0 else 0) + mp.log1p(mp.exp(-abs(z))), sigmoid),
    "gelu": Activation(
        lambda z: z * normal(z)[0], lambda z: normal(z)[0] + z * normal(z)[1], times_z=True
    ),
    "silu": Activation(
        lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * sigmoid(-z)), times_z=True
    ),
    "exponential": Activation(mp.exp, mp.exp),
    "selu": Activation(
        lambda z: SCALE * (z if z > 0 else ALPHA * mp.expm1(z)),
        lambda z: SCALE * (1 if z > 0 else ALPHA * mp.exp(z)),
        kinked=True,
        scaled=True,
    ),
    "mish": Activation(
        lambda z: z * tanh_softplus(z),
        lambda z: tanh_softplus(z) + z * (1 - tanh_softplus(z) ** 2) * sigmoid(z),
        times_z=True,
    ),
}


def value(name, z):
    """f(z), rounded once."""
    with mp.workdps(50):
        return float(ACTIVATIONS[name].f(mp.mpf(float(z))))


def slope(name, z):
    """f'(z), rounded once."""
    with mp.workdps(50):
        return float(ACTIVATIONS[name].slope(mp.mpf(float(z))))


# ---- losses --------------------------------------------------------------------------------------


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


# ---- parameters ----------------------------------------------------------------------------------


# ---- optimizers ----------------------------------------------------------------------------------

OPTIMIZERS = {  # rule: name: settings; v_max is zeros like params
    "sgd": {
        "plain": dict(lr=0.1),
        "weight decay": dict(lr=0.1, weight_decay=0.05),
        "momentum": dict(lr=0.05, momentum=0.9),
        "momentum and decay": dict(lr=0.05, momentum=0.8, weight_decay=0.05),
        "Nesterov": dict(lr=0.05, momentum=0.9, nesterov=True),
        "Nesterov and decay": dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.05),
        "no rate": dict(lr=0.0),
    },
    "adagrad": {
        "defaults": dict(),
        "large rate that falls": dict(lr=0.3, lr_decay=0.2),
        "weight decay": dict(lr=0.1, weight_decay=0.1),
        "eps": dict(lr=0.1, eps=0.5),
    },
    "adadelta": {
        "defaults": dict(),
        "other rho": dict(rho=0.5),
        "rate": dict(lr=3.0),
        "eps and weight decay": dict(eps=1e-2, weight_decay=0.1),
        "no mean": dict(rho=0.0, eps=0.1),
    },
    "rmsprop": {
        "defaults": dict(),
        "other alpha": dict(lr=0.03, alpha=0.5),
        "eps": dict(lr=0.03, eps=0.5),
        "weight decay": dict(lr=0.03, weight_decay=0.1),
        "momentum": dict(lr=0.03, momentum=0.9),
        "centered": dict(lr=0.03, alpha=0.9, centered=True),
        "all": dict(lr=0.01, alpha=0.8, centered=True, momentum=0.5, weight_decay=0.1, eps=1e-3),
    },
    "adam": {
        "defaults": dict(),
        "large rate": dict(lr=0.1),
        "other betas": dict(lr=0.03, betas=(0.5, 0.9)),
        "no momentum": dict(lr=0.03, betas=(0.0, 0.9)),
        "eps": dict(lr=0.03, eps=0.5),
        "weight decay": dict(lr=0.03, weight_decay=0.1),
        "AMSGrad": dict(lr=0.03, betas=(0.9, 0.5), v_max=True),
        "AMSGrad and decay": dict(lr=0.03, betas=(0.9, 0.5), weight_decay=0.1, v_max=True),
    },
    "adamw": {
        "defaults": dict(),
        "much decay": dict(lr=0.03, weight_decay=0.5),
        "no decay, eps": dict(lr=0.03, weight_decay=0.0, eps=0.5),
        "AMSGrad": dict(lr=0.03, betas=(0.5, 0.5), weight_decay=0.5, v_max=True),
    },
    "adamax": {
        "defaults": dict(),
        "other betas": dict(lr=0.03, betas=(0.5, 0.7)),
        "eps": dict(lr=0.03, eps=0.5),
        "weight decay": dict(lr=0.03, weight_decay=0.1),
    },
    "nadam": {
        "defaults": dict(),
        "other betas": dict(lr=0.03, betas=(0.5, 0.9)),
        "momentum that grows": dict(lr=0.03, momentum_decay=1.0),
        "eps": dict(lr=0.03, eps=0.5),
        "weight decay": dict(lr=0.03, weight_decay=0.1),
        "decoupled": dict(lr=0.03, weight_decay=0.5, decoupled_weight_decay=True),
    },
    "lion": {
        "defaults": dict(),
        "other betas": dict(lr=0.03, betas=(0.5, 0.9)),
        "no momentum": dict(lr=0.03, betas=(0.0, 0.0)),
        "weight decay": dict(lr=0.03, weight_decay=0.5),
    },
}

STEPS = {name: cls for name, cls in optimizers.OPTIMIZERS.items() if name != "lbfgs"}
EVERY_MOMENT = {  # settings that use all moments
    "sgd": dict(lr=0.1, momentum=0.9, nesterov=True),
    "rmsprop": dict(centered=True, momentum=0.9),
}
WRONG_SETTINGS = dict(lr=-1, betas=5, eps=0, weight_decay=-1, lr_decay=-1)
WRONG_SETTINGS |= dict(momentum=1, momentum_decay=-1, rho=1, alpha=1)


def step_of(name, module=F):
    return getattr(module, f"{name}_step_")


def parameters_of(name):
    """The names of a step's arguments."""
    return inspect.signature(step_of(name)).parameters


def counts(name):
    """Whether a step takes the number of the step."""
    return "step" in parameters_of(name)


def all_moments(name):
    """The moments that an optimizer may use, in the order of the kernels."""
    v_max = ["v_max"] if "v_max" in parameters_of(name) else []
    return [*ref.updates.OPTIMIZERS[name][1], *v_max]


def moments_of(name, settings):
    """The moments in use under these settings, of a step (v_max) or of an optimizer (amsgrad)."""
    v_max = "v_max" in settings or settings.get("amsgrad")
    used = dict(velocity=settings.get("momentum"), mean=settings.get("centered"), v_max=v_max)
    return [moment for moment in all_moments(name) if used.get(moment, True)]


# ---- signatures, of functional and reference alike -----------------------------------------------

SIGNATURES = {
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
    "sgd_step_": "(params, grads, lr, momentum=0.0, nesterov=False, weight_decay=0.0, velocity=None)",
    "adam_step_": "(params, grads, m, v, step, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, v_max=None)",
    "adamw_step_": "(params, grads, m, v, step, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, v_max=None)",
    "adagrad_step_": "(params, grads, total, step, lr=0.01, lr_decay=0.0, weight_decay=0.0, eps=1e-10)",
    "adadelta_step_": "(params, grads, v, u, lr=1.0, rho=0.9, eps=1e-06, weight_decay=0.0)",
    "rmsprop_step_": "(params, grads, v, lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0, momentum=0.0, centered=False, "
    "mean=None, velocity=None)",
    "adamax_step_": "(params, grads, m, u, step, lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0)",
    "nadam_step_": "(params, grads, m, v, step, lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, momentum_decay=0.004, "
    "decoupled_weight_decay=False)",
    "lion_step_": "(params, grads, m, lr=0.0001, betas=(0.9, 0.99), weight_decay=0.0)",
}
SETTINGS = {  # of an optimizer, in order; the shared ones are keyword-only
    "SGD": "lr=0.001, momentum=0.0, nesterov=False, weight_decay=0.0",
    "Adagrad": "lr=0.01, lr_decay=0.0, weight_decay=0.0, eps=1e-10",
    "Adadelta": "lr=1.0, rho=0.9, eps=1e-06, weight_decay=0.0",
    "RMSprop": "lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0, momentum=0.0, centered=False",
    "Adam": "lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, amsgrad=False",
    "AdamW": "lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, amsgrad=False",
    "Adamax": "lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0",
    "Lion": "lr=0.0001, betas=(0.9, 0.99), weight_decay=0.0",
    "NAdam": "lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, momentum_decay=0.004, decoupled_weight_decay=False",
}
