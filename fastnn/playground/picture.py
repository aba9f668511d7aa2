"""The picture of a network on the page: surfaces, weights, losses, and one unit in numbers."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from .. import functional as F
from ..core.validation import check_count

SURFACE, UNIT_SURFACE = 64, 20  # points along a side
MAX_SHOWN = 8  # inputs of a unit that are listed


class Picture:
    """Draws the networks of one data set.

    Parameters
    ----------
    data : PlayData
    surface, unit_surface : int
        Points along a side of the decision surface, and of a unit's.
    """

    def __init__(self, data: Any, surface: int = SURFACE, unit_surface: int = UNIT_SURFACE) -> None:
        self.data = data
        X = np.concatenate([data.X, data.X_test])
        positions = data.positions(X)
        # the square that holds all points, with a margin
        center = (positions.max(axis=0) + positions.min(axis=0)) / 2
        radius = float(np.abs(positions - center).max()) * 1.1 or 1.0
        if np.abs(center).max() + radius < 1.6:  # the made points: one scale for all of them
            center, radius = np.zeros(2), max(1.05, float(np.abs(positions).max()) * 1.05)
        self.center, self.radius = center, radius
        self.grid = data.inputs_at(self._places(surface))
        self.unit_grid = data.inputs_at(self._places(unit_surface))
        self.range = (0.0, 1.0)
        if data.kind == "numbers":
            self.range = (float(data.y.min()), float(data.y.max()))

    def _places(self, n):
        """Return n x n places of the square, row by row from the top left."""
        axis = np.linspace(-self.radius, self.radius, n)
        u, v = np.meshgrid(axis, -axis)
        return np.stack([u.ravel(), v.ravel()], axis=1) + self.center

    def points(self) -> dict[str, Any]:
        """Return the points: what does not change during a training."""
        data = self.data

        def rows(X, y):
            places = (data.positions(X) - self.center) / self.radius
            return {"at": np.round(places, 4).tolist(), "y": np.round(y, 4).tolist()}

        return {
            "kind": data.kind,
            "classes": data.classes,
            "inputs": data.inputs,
            "axes": data.axes,
            "range": self.range,
            "center": self.center.tolist(),
            "radius": self.radius,
            "train": rows(data.X, data.y),
            "test": rows(data.X_test, data.y_test),
        }

    def frame(self, playback: Any, selected: Any = None) -> dict[str, Any]:
        """Return what changes: a JSON object, arrays as base64 of bytes.

        Surfaces are bytes from 0 to 255. That of the network is the probability of the second class,
        the number of a regression within its range, or with more classes the class, and in
        "certainty" its probability. That of a unit is its activation between its lowest and highest.

        selected : (layer, unit), optional
            A unit to describe in numbers.
        """
        net, data = playback.net, self.data
        frame = {
            "step": playback.step,
            "epoch": playback.epoch,
            "loss": playback.loss_now(),
            "test_loss": playback.test_loss_now(),
            "score": data.score(net.forward(data.X), data.y),
            "test_score": data.score(net.forward(data.X_test), data.y_test),
            "lr": playback.learning_rate,
            "diverged": playback.diverged,
            "pending": playback.pending is not None,
            **self.surface(net),
            "units": self.units(net),
            "weights": [_bytes(W.astype(np.float32)) for W in net.weights],
        }
        if data.kind == "classes":
            frame["confusion"] = self.confusion(net)
        if selected is not None:
            frame["unit"] = self.unit(playback, *selected)
        return frame

    def surface(self, net: Any) -> dict[str, str]:
        """Return the decision surface."""
        outputs = net.forward(self.grid)
        if self.data.n_out > 1:
            best = outputs.argmax(axis=1).astype(np.uint8)
            return {"surface": _bytes(best), "certainty": _bytes(_levels(outputs.max(axis=1)))}
        low, high = self.range
        return {"surface": _bytes(_levels((outputs[:, 0] - low) / ((high - low) or 1)))}

    def units(self, net: Any) -> list[list[str]]:
        """Return the surface of each hidden unit, layer by layer."""
        A, layers = self.unit_grid.astype(net.dtype), []
        for W, b, activation in list(zip(net.weights, net.biases, net.activations))[:-1]:
            A = F.linear(A, W, b, activation)
            low, high = A.min(axis=0), A.max(axis=0)
            spread = np.where(high > low, high - low, 1)
            layers.append([_bytes(column) for column in _levels((A - low) / spread).T.copy()])
        return layers

    def confusion(self, net: Any) -> list[list[int]]:
        """Return the number of rows by class and predicted class: held out if there are any."""
        data = self.data
        X, y = data.held_out_or_all()
        k = len(data.classes)
        counts = np.zeros((k, k), int)
        np.add.at(counts, (y, data.predicted(net.forward(X))), 1)
        return counts.tolist()

    def unit(self, playback: Any, layer: int, unit: int) -> dict[str, Any]:
        """Return one unit in numbers: z = x w + b and a = f(z) of the first training row, dL/dw and dL/db.

        layer : 0 is the first hidden layer; the last one is the output.
        """
        net, data = playback.net, self.data
        check_layer_and_unit(net, layer, unit)
        A = data.X[:1].astype(net.dtype)
        for W, b, activation in list(zip(net.weights, net.biases, net.activations))[:layer]:
            A = F.linear(A, W, b, activation)
        W, b, activation = net.weights[layer], net.biases[layer], net.activations[layer]
        Z = F.linear(A, W, b)
        output = F.activation(Z, activation)
        net.loss_and_grad(data.X, data.y, playback.loss_name)
        names = data.inputs if layer == 0 else [f"a{i + 1}" for i in range(A.shape[1])]
        shown = slice(0, MAX_SHOWN)
        return {
            "layer": layer,
            "unit": unit,
            "activation": activation,
            "names": names[shown],
            "more": max(0, len(names) - MAX_SHOWN),
            "inputs": A[0, shown].tolist(),
            "weights": W[shown, unit].tolist(),
            "bias": float(b[unit]),
            "z": float(Z[0, unit]),
            "a": float(output[0, unit]),
            "dW": net.grad_weights[layer][shown, unit].tolist(),
            "db": float(net.grad_biases[layer][unit]),
        }


def check_layer_and_unit(net: Any, layer: Any, unit: Any) -> None:
    """Raise ValueError if a network has no such unit. Arguments: as of `Picture.unit`"""
    check_count("layer", layer, minimum=0, maximum=len(net.weights) - 1)
    check_count("unit", unit, minimum=0, maximum=net.layer_sizes[layer + 1] - 1)


def _levels(values):
    """Return numbers from 0 to 1 as bytes."""
    return (np.clip(np.nan_to_num(values), 0, 1) * 255 + 0.5).astype(np.uint8)


def _bytes(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
