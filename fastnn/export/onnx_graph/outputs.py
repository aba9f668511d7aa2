"""Predictions from the outputs of networks as nodes, and classes."""

import numpy as np

from ...core.errors import DataError, Wording
from ..description import labels
from .builder import number


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
            finish_classes(g, Y, targets)
            if targets.is_classifier
            else finish_numbers(g, Y, targets)
        )
    if n > 1:
        Y = g.add("ReduceSum", Y, np.array([0]), keepdims=0)
    return Y if group.share == 1 else g.add("Mul", Y, number(group.share))


def finish_classes(g, Y, targets):
    """Return probabilities, from outputs that were learned with label smoothing."""
    s, n = targets.smoothing, targets.n_out
    P = g.add("Div", g.add("Sub", Y, number(s / n)), number(1 - s))
    P = g.add("Max", P, number(0.01 / n))
    return g.add("Div", P, g.add("ReduceSum", P, np.array([-1]), keepdims=1))


def calibrate(g, P, targets):
    """Return probabilities at the temperature that was chosen in training."""
    return g.add("Softmax", g.add("Div", g.add("Log", P), number(targets.temperature)), axis=-1)


def finish_numbers(g, Y, targets):
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


def label(g, P, d, name):
    """Declare the output with the class of each row. P : str, probabilities (n, n_classes)"""
    if d.threshold is None:
        k = g.add("ArgMax", P, axis=1, keepdims=0)
    else:
        second = g.add("Gather", P, number(1, np.int64), axis=1)
        k = g.cast(g.add("GreaterOrEqual", second, number(d.threshold)), np.int64)
    classes = labels(d.classes)
    g.output(name, g.add("Gather", classes, k), classes.dtype)
