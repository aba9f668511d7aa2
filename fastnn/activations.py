"""Activation functions.

=========== ====================================== ===================================
name        f(z)                                   f'(z), from a = f(z) where possible
=========== ====================================== ===================================
identity    z                                      1
sigmoid     1 / (1 + exp(-z))                      a (1 - a)
relu        max(0, z)                              1 if a > 0 else 0
tanh        tanh(z)                                1 - a^2
leaky_relu  z if z > 0 else 0.01 z                 1 if a > 0 else 0.01
elu         z if z > 0 else exp(z) - 1             1 if a > 0 else a + 1
softplus    log(1 + exp(z))                        sigmoid(z)
gelu        z Phi(z), Phi by erf                   Phi(z) + z phi(z)
silu        z sigmoid(z)                           s (1 + z (1 - s)), s = sigmoid(z)
softmax     exp(z_j) / sum_k exp(z_k)              over a row; output layer only
exponential exp(z)                                 a; an output for counts (poisson)
selu        s z if z > 0 else s alpha (exp(z) - 1) s if a > 0 else a + s alpha
mish        z t, t = tanh(log(1 + exp(z)))         t + z (1 - t^2) sigmoid(z)
=========== ====================================== ===================================

Phi and phi are the distribution function and the density of the standard normal distribution. For
selu, s = 1.0507009873554805 and alpha = 1.6732632423543772. All but softmax apply to each element.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.messages import hint_at
from .kernels import Activation

if TYPE_CHECKING:
    from collections.abc import Mapping


ACTIVATIONS = {kind.name.lower(): kind for kind in Activation}
HIDDEN = {name: kind for name, kind in ACTIVATIONS.items() if name != "softmax"}


def resolve_activation(
    name: str, choices: Mapping[str, Activation] = ACTIVATIONS, argument: str = "activation"
) -> Activation:
    """Return the `kernels.Activation` for a name, or raise a ValueError that lists the names."""
    kind = choices.get(name) if isinstance(name, str) else None
    if kind is None:
        hint = hint_at(name, choices)
        if isinstance(name, str) and name == "softmax":
            hint = ". Use softmax for the output layer only."
        raise ValueError(f"{argument} must be one of {', '.join(choices)}, got {name!r}{hint}")
    return kind
