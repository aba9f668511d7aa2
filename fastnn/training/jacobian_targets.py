"""Targets of the Jacobian, and how their loss is weighed: the arguments dy, dy_weight and dy_inputs of `fit`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .. import losses
from ..core.validation import check_array, check_distinct_inputs, check_number
from ..derivatives import check_dense


class DerivativeArguments(NamedTuple):
    """Arguments of `MLP.fit` about derivatives, as they were passed."""

    dy: Any = None
    weight: Any = None
    inputs: Any = None

    def apply(self, net, X, y, loss):
        """Return y, the loss of the outputs, and JacobianTargets or None.

        Without y, the outputs have weight 0.
        """
        if self.dy is None:
            self._refuse_without_dy(loss)
            return y, losses.resolve_loss(loss, net.activations[-1]), None
        loss, weights = self._split(loss)
        if y is None:
            if loss is not None:
                raise ValueError("loss is that of y, but y is None. Leave it out, or pass y.")
            loss, weights = losses.LOSSES["mse"](), (0.0, weights[1])
        loss = _check_loss(net, losses.resolve_loss(loss, net.activations[-1]))
        X = check_dense(X, net.dtype, net.layer_sizes[0])
        inputs = check_distinct_inputs(self.inputs, net.layer_sizes[0], "dy_inputs")
        targets = JacobianTargets(
            _check_targets(net, self.dy, len(X), len(inputs)), inputs, *weights
        )
        return targets.outputs(net, y), loss, targets

    def _refuse_without_dy(self, loss):
        used = {
            "dy_weight": self.weight is not None,
            "dy_inputs": self.inputs is not None,
            "losses.Derivatives": isinstance(loss, losses.Derivatives),
        }
        for name in (name for name in used if used[name]):
            raise ValueError(f"{name} is for derivatives, but there are none. Pass dy as well.")

    def _split(self, loss):
        """Return the loss of the outputs, and the weights of both."""
        if isinstance(loss, losses.Derivatives):
            if self.weight is not None:
                raise ValueError(
                    "dy_weight and losses.Derivatives both weigh the derivatives. Pass one of them."
                )
            return loss.value, loss.weights
        weight = 1.0 if self.weight is None else self.weight
        return loss, (1.0, check_number("dy_weight", weight, minimum=0))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class JacobianTargets:
    """Targets of the Jacobian, validated and converted to what the kernels read.

    Attributes
    ----------
    values : ndarray (n, n_out, number of inputs)
        NaN where a derivative is unknown.
    inputs : ndarray of intp
    value_weight, weight : float
        Of the loss of the outputs, and of the squared error of the Jacobian.
    """

    values: Any
    inputs: Any
    value_weight: float
    weight: float

    def outputs(self, net, y):
        """Return y, or targets that are not used in its place."""
        return np.zeros((len(self.values), net.layer_sizes[-1])) if y is None else y

    def others(self, net, dy, n):
        """Return other targets of the same inputs, for n rows."""
        return replace(self, values=_check_targets(net, dy, n, len(self.inputs)))

    def take(self, rows):
        return replace(self, values=self.values[rows])

    def to_kernel(self):
        """Return keyword arguments of `kernels.Trainer`."""
        return dict(
            jacobian=self.values,
            jacobian_inputs=self.inputs,
            jacobian_weight=self.weight,
            value_weight=self.value_weight,
        )


def _check_loss(net, loss):
    """Return the loss if the kernels can compute it together with that of derivatives."""
    if net.activations[-1] == "softmax":
        raise ValueError("dy does not work with output='softmax'. Use another output activation.")
    if loss.has_classes or loss.name == "poisson" or isinstance(loss, losses.CustomLoss):
        raise ValueError(
            f"dy does not work with the loss {loss.name!r}. Pass a loss of numbers, such as 'mse'."
        )
    if net.has_dropout:
        raise ValueError("dy does not work with dropout. Set net.dropout to 0.")
    return loss


def _check_targets(net, dy, n, d):
    n_out = net.layer_sizes[-1]
    dy = check_array("dy", dy, net.dtype)
    if dy.shape != (n, n_out, d) and not (n_out == 1 and dy.shape == (n, d)):
        expected = f"({n}, {n_out}, {d})" + f" or ({n}, {d})" * (n_out == 1)
        raise ValueError(f"dy must have shape {expected}, rows x outputs x inputs, got {dy.shape}")
    dy = dy.reshape(n, n_out, d)
    if dy.size and np.isnan(dy).all():
        raise ValueError("dy is NaN everywhere: no derivative is known. Leave dy out.")
    return dy
