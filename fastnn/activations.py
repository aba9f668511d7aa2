"""Activations by name.

=========== ====================================== ====================================
name        f(z)                                   f'(z), from a = f(z) where it can be
=========== ====================================== ====================================
identity    z                                      1
sigmoid     1 / (1 + exp(-z))                      a (1 - a)
relu        max(0, z)                              1 if a > 0 else 0
tanh        tanh(z)                                1 - a^2
leaky_relu  z if z > 0 else 0.01 z                 1 if a > 0 else 0.01
elu         z if z > 0 else exp(z) - 1             1 if a > 0 else a + 1
softplus    log(1 + exp(z))                        sigmoid(z)
gelu        z Phi(z), Phi by erf                   Phi(z) + z phi(z)
silu        z sigmoid(z)                           s (1 + z (1 - s)), s = sigmoid(z)
softmax     exp(z_j) / sum_k exp(z_k)              of a row; as an output only
exponential exp(z)                                 a; for outputs that count (poisson)
selu        s z if z > 0 else s alpha (exp(z) - 1) s if a > 0 else a + s alpha
mish        z t, t = tanh(log(1 + exp(z)))         t + z (1 - t^2) sigmoid(z)
=========== ====================================== ====================================
"""

from .kernels import Activation

ACTIVATIONS = {kind.name.lower(): kind for kind in Activation}
HIDDEN = {name: kind for name, kind in ACTIVATIONS.items() if name != "softmax"}


def resolve(name, choices=ACTIVATIONS, argument="activation"):
    """The kernel's number of an activation; a ValueError that lists the names otherwise."""
    kind = choices.get(name) if isinstance(name, str) else None
    if kind is None:
        hint = (
            " (softmax couples the units of a layer: use it as output)" if name == "softmax" else ""
        )
        raise ValueError(f"{argument} must be one of {', '.join(choices)}, got {name!r}{hint}")
    return kind
