"""Check that predictions are monotone, from the weights of the networks alone.

For each column, interval arithmetic bounds the sign of the derivative of every output of every network, over
all rows at once: the inputs of the column move by anything from 0 to 1 in its direction, what a unit passes
on is multiplied by anything between the least and the largest slope of its activation, and intervals add up
through the weights. If the lower bound is 0 or more, no row of any table has a prediction that falls. Means
over networks, probabilities, temperatures and limits keep the order of outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .model import TableModel

#: The least and the largest slope of the activations that hidden layers of models have.
SLOPES = {"silu": (-0.1, 1.1), "relu": (0.0, 1.0)}


def are_monotone(model: TableModel) -> bool:
    """Return whether a model keeps the signs of all columns that it names, by the bounds of derivatives."""
    return all(is_monotone(model, source, sign) for source, sign in model.monotone.items())


def is_monotone(model: TableModel, source: int, sign: int) -> bool:
    """Return whether no prediction falls as a column grows, or rises for sign -1.

    Parameters
    ----------
    model : TableModel
    source : int
        The position of the column in ``model.features.columns``. It is a number.
    sign : int
    """
    features, found = model.features, True
    of_column = {j: sign for j, f in enumerate(features.numbers) if f.source == source}
    networks = [
        (model.encoders[member.encoder], net)
        for member in model.members
        for some in member.networks
        for net in some
    ]
    for encoder, net in networks:
        if any(encoder.values[j] for j in of_column):
            return False  # the prediction jumps at these values
        low, _ = derivative_bounds(net, encoder.input_signs(of_column))
        found = found and bool((low >= 0).all())
    has_category = any(f.source == source for f in features.categories)
    return found and not has_category


def derivative_bounds(net: Any, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the largest derivative of each output of a network, over all inputs.

    Each input moves by any part of `direction`, from 0 to 1. Of two classes, the output is the difference
    of the second and the first. Values are bounds in units of the largest slopes; their signs matter.

    direction : ndarray (n_inputs,)
    """
    low, high = np.minimum(direction, 0.0), np.maximum(direction, 0.0)
    weights = [W.astype(float) for W in net.weights]
    if net.activations[-1] == "softmax" and weights[-1].shape[1] == 2:
        weights[-1] = weights[-1][:, 1:] - weights[-1][:, :1]
    for i, W in enumerate(weights):
        up, down = np.maximum(W, 0), np.minimum(W, 0)
        low, high = low @ up + high @ down, high @ up + low @ down
        if i < len(weights) - 1:
            least, most = SLOPES[net.activations[i]]
            products = [bound * slope for bound in (low, high) for slope in (least, most)]
            low, high = np.min(products, axis=0), np.max(products, axis=0)
    return low, high
