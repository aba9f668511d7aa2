"""Networks as nodes. Those of a group compute together, with matrices (n_networks, n_in, n_out)."""

import ast

import numpy as np

from ...core.errors import DataError, Wording
from .builder import number

#: The operators of each activation, of its input z and of constants.
# generated: operators, by src/generate.py from src/operations.py
OPERATORS = {
    "identity": "z",
    "sigmoid": "Sigmoid(z)",
    "relu": "Relu(z)",
    "tanh": "Tanh(z)",
    "leaky_relu": "LeakyRelu(z, alpha=0.01)",
    "elu": "Elu(z, alpha=1.0)",
    "softplus": "Softplus(z)",
    "gelu": "Mul(z, Add(Mul(Erf(Mul(z, 0.7071067811865476)), 0.5), 0.5))",
    "silu": "Mul(z, Sigmoid(z))",
    "softmax": "Softmax(z, axis=-1)",
    "exponential": "Exp(z)",
    "selu": "Selu(z, alpha=1.6732632423543772, gamma=1.0507009873554805)",
    "mish": "Mul(z, Tanh(Softplus(z)))",
}
# end of operators


def activate(g, name, z):
    """Add the nodes of an activation, and return the name of its output. z : name of the input"""

    def value(part):
        if isinstance(part, ast.Call):
            attributes = {str(a.arg): ast.literal_eval(a.value) for a in part.keywords}
            return g.add(ast.unparse(part.func), *map(value, part.args), **attributes)
        return z if isinstance(part, ast.Name) else number(ast.literal_eval(part))

    return value(ast.parse(OPERATORS[name], mode="eval").body)


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
        x = activate(g, activation, x)
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
