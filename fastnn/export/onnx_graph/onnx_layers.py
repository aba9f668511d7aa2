"""Networks as nodes, and predictions and classes from their outputs.

The networks of a group compute together, with matrices (n_networks, n_in, n_out).
"""

import ast

import numpy as np

from ...core.errors import DataError, Wording
from ..export_model import labels
from .graph import number

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


# ---- predictions ----


def prediction(g, Y, group, targets):
    """Return what a group adds to the prediction, (n, n_out).

    Y : str
        Outputs (n_networks, n, n_out), or (n, n_out) of one network.
    """
    n, k = group.layers.n_networks, group.n_averaged
    if k > 1:
        Y = g.add("Mean", *(g.add("Gather", Y, np.arange(i, n, k)) for i in range(k)))
    if targets is not None:
        Y = (
            _finish_classes(g, Y, targets)
            if targets.is_classifier
            else _finish_numbers(g, Y, targets)
        )
    if n > 1:
        Y = g.add("ReduceSum", Y, np.array([0]), keepdims=0)
    return Y if group.weight == 1 else g.add("Mul", Y, number(group.weight))


def _finish_classes(g, Y, targets):
    """Return probabilities, from outputs that were learned with label smoothing."""
    s, n = targets.smoothing, targets.n_out
    P = g.add("Div", g.add("Sub", Y, number(s / n)), number(1 - s))
    P = g.add("Max", P, number(0.01 / n))
    return g.add("Div", P, g.add("ReduceSum", P, np.array([-1]), keepdims=1))


def calibrate(g, P, targets):
    """Return probabilities at the temperature that was chosen in training."""
    return g.add("Softmax", g.add("Div", g.add("Log", P), number(targets.temperature)), axis=-1)


def _finish_numbers(g, Y, targets):
    """Return predictions in units of the target, within the range of the training rows."""
    constants = targets.scale, targets.shift, *targets.bounds
    if np.abs(constants).max() > np.finfo(np.float32).max:
        raise DataError(
            "the targets of the model are too large for float32, in which ONNX files compute.",
            "Scale them before {fit}, or export the model with {c}.",
            fit=Wording("fit", "the training"),
            c=Wording("fastnn.export.c", "--c"),
        )
    scale, shift, low, high = map(number, constants)
    Y = g.add("Add", g.add("Mul", Y, scale), shift)
    if targets.log:
        Y = g.add("Exp", Y)
    Y = g.add("Clip", Y, low, high)
    if targets.n_out == 1:
        return Y
    ranks = np.argsort(np.argsort(targets.loss.q))
    Y, _ = g.add_outputs("TopK", 2, Y, np.array([targets.n_out]), axis=-1, largest=0, sorted=1)
    return g.add("Gather", Y, ranks, axis=-1)  # quantiles must not cross


def label(g, P, model, name):
    """Declare the output with the class of each row. P : str, probabilities (n, n_classes)"""
    if model.threshold is None:
        k = g.add("ArgMax", P, axis=1, keepdims=0)
    else:
        second = g.add("Gather", P, number(1, np.int64), axis=1)
        k = g.cast(g.add("GreaterOrEqual", second, number(model.threshold)), np.int64)
    classes = labels(model.classes)
    g.output(name, g.add("Gather", classes, k), classes.dtype)
