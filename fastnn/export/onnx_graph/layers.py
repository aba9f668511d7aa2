"""Networks as nodes. Those of a group compute together, with matrices (n_networks, n_in, n_out)."""

import numpy as np

from ...errors import DataError, Wording
from .builder import number

#: The nodes of each activation but softmax. g : Graph, z : name of the input
ACTIVATIONS = {
    "identity": lambda g, z: z,
    "sigmoid": lambda g, z: g.add("Sigmoid", z),
    "relu": lambda g, z: g.add("Relu", z),
    "tanh": lambda g, z: g.add("Tanh", z),
    "leaky_relu": lambda g, z: g.add("LeakyRelu", z, alpha=0.01),
    "elu": lambda g, z: g.add("Elu", z, alpha=1.0),
    "softplus": lambda g, z: g.add("Softplus", z),
    "gelu": lambda g, z: g.add("Mul", z, _normal_cdf(g, z)),
    "silu": lambda g, z: g.add("Mul", z, g.add("Sigmoid", z)),
    "softmax": lambda g, z: g.add("Softmax", z, axis=-1),
    "exponential": lambda g, z: g.add("Exp", z),
    "selu": lambda g, z: g.add("Selu", z, alpha=1.6732632423543772, gamma=1.0507009873554805),
    "mish": lambda g, z: g.add("Mul", z, g.add("Tanh", g.add("Softplus", z))),
}


def _normal_cdf(g, z):
    erf = g.add("Erf", g.add("Mul", z, number(0.5**0.5)))
    return g.add("Add", g.add("Mul", erf, number(0.5)), number(0.5))


def outputs(g, x, layers):
    """Return the outputs of networks, (n_networks, n, n_out), or (n, n_out) of one network.

    Parameters
    ----------
    g : Graph
    x : str
        Inputs (n, n_in).
    layers : Layers
    """
    for W, b, activation in zip(layers.weights, layers.biases, layers.activations):
        W, b = _float32(W), None if b is None else _float32(b)[:, None]
        one = layers.n_networks == 1
        x = g.add("MatMul", x, W[0] if one else W)
        if b is not None:
            x = g.add("Add", x, b[0] if one else b)
        x = ACTIVATIONS[activation](g, x)
    return x


def _float32(parameters):
    with np.errstate(over="ignore"):
        out = parameters.astype(np.float32)
    if not np.isfinite(out).all():
        raise DataError(
            "the model has parameters that float32 cannot hold, in which ONNX files compute.",
            "Scale the training data, or export it with {c}.",
            c=Wording("fastnn.export.c", "--c"),
        )
    return out
