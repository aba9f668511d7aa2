"""Derivatives: how a loss of outputs and one of their derivatives are weighed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.options import ImmutableOptions
from ..core.validation import check_numbers

if TYPE_CHECKING:
    from ..typing import AnyLoss


@dataclass(eq=False, repr=False)
class Derivatives(ImmutableOptions):
    """Loss of outputs and of their derivatives, for `fit` with ``dy``.

    The loss of a row is ``weights[0]`` times that of its outputs plus ``weights[1]`` times the mean
    of (dy_k/dx_i - target)^2 over its targets that are known. A row without any adds 0.

    Parameters
    ----------
    value : str or Loss, optional
        The loss of the outputs, as in `fit`: mse, mae, huber, log_cosh, quantile or gaussian_nll.
    jacobian : {"mse"}
        The loss of the derivatives.
    weights : (float, float), default (1.0, 1.0)
        Weights of both, at least 0.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.losses import Derivatives
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> net = fastnn.MLP([1, 8, 1], activation="tanh", rng=0)
    >>> history = net.fit(X, X**2, Derivatives("huber", weights=(1, 0.1)), dy=2 * X)
    """

    value: AnyLoss | None = None
    jacobian: str = "mse"
    weights: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if not isinstance(self.jacobian, str) or self.jacobian != "mse":
            raise ValueError(f"jacobian must be 'mse', got {self.jacobian!r}")
        weights = check_numbers("weights", self.weights, minimum=0)
        if not isinstance(weights, tuple) or len(weights) != 2:
            raise ValueError(
                f"weights must be two numbers, of outputs and derivatives, got {self.weights!r}"
            )
        object.__setattr__(self, "weights", weights)
