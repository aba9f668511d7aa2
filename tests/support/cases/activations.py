"""What the tests know of each activation: a new one needs a row in ACTIVATIONS."""

from collections.abc import Callable
from typing import NamedTuple

import mpmath as mp


class Activation(NamedTuple):
    """f and f' in mpmath, and properties that widen the tolerance."""

    f: Callable
    slope: Callable  # at a kink, the one from the left
    kinked: bool = False  # f or f' jumps at 0
    times_z: bool = False  # f' is computed as a product with z, whose error grows with z
    scaled: bool = False  # f multiplies z by a number that is rounded first
    slow: bool = False  # f or f' is not at its limit for large |z|, so it is rounded there


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


def mish_slope(z):
    return tanh_softplus(z) + z * (1 - tanh_softplus(z) ** 2) * sigmoid(z)


def by_sign(below, slope_below, scale=1):
    """f and f' of z above 0, and others below; both times a scale."""
    return (
        lambda z: scale * (z if z > 0 else below(z)),
        lambda z: scale * (1 if z > 0 else slope_below(z)),
    )


SCALE = mp.mpf("1.0507009873554804934193349852946")
ALPHA = mp.mpf("1.6732632423543772848170429916717")
ACTIVATIONS = {  # softmax, which couples the outputs of a row, has separate tests
    "identity": Activation(lambda z: z, lambda z: 1),
    "sigmoid": Activation(sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "relu": Activation(lambda z: z if z > 0 else 0, lambda z: z > 0, kinked=True),
    "tanh": Activation(mp.tanh, lambda z: 4 * sigmoid(2 * z) * sigmoid(-2 * z)),
    "leaky_relu": Activation(
        *by_sign(lambda z: 0.01 * z, lambda z: 0.01), kinked=True, scaled=True
    ),
    "elu": Activation(*by_sign(mp.expm1, mp.exp), kinked=True),
    "softplus": Activation(lambda z: (z if z > 0 else 0) + mp.log1p(mp.exp(-abs(z))), sigmoid),
    "gelu": Activation(
        lambda z: z * normal(z)[0], lambda z: normal(z)[0] + z * normal(z)[1], times_z=True
    ),
    "silu": Activation(
        lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * sigmoid(-z)), times_z=True
    ),
    "exponential": Activation(mp.exp, mp.exp),
    "selu": Activation(
        *by_sign(lambda z: ALPHA * mp.expm1(z), lambda z: ALPHA * mp.exp(z), SCALE),
        **dict(kinked=True, scaled=True),
    ),
    "mish": Activation(lambda z: z * tanh_softplus(z), mish_slope, times_z=True),
}
KINKED = [name for name, activation in ACTIVATIONS.items() if activation.kinked]


def value(name, z):
    """f(z), rounded once."""
    with mp.workdps(50):
        return float(ACTIVATIONS[name].f(mp.mpf(float(z))))


def slope(name, z):
    """f'(z), rounded once."""
    with mp.workdps(50):
        return float(ACTIVATIONS[name].slope(mp.mpf(float(z))))
