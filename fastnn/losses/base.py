"""Loss, the base class of losses, and CustomLoss, a Python function that is called for each batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import kernels
from ..core.options import ImmutableOptions
from ..core.validation import check_array, check_rows, check_values

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from ..typing import FloatArray


@dataclass(eq=False, repr=False)
class Loss(ImmutableOptions):
    """Base class of all losses.

    A loss declares the output activation that it requires, checks its targets, and returns the
    arguments of `kernels.Trainer` that select its kernel.
    """

    name: ClassVar[str]
    output: ClassVar[str | None] = None  # the output activation that it needs; None: any
    remedy: ClassVar[str] = ""  # what to do if the network has another output activation
    kernel: ClassVar[kernels.Loss]
    has_classes: ClassVar[bool] = False  # whether outputs predict classes or labels

    def targets(self, y: ArrayLike, n: int, n_out: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Check y, and convert it to the array that the kernel reads."""
        return check_values(y, n, n_out, dtype)

    def to_kernel(self, n_out: int, dtype: np.dtype[Any]) -> dict[str, Any]:
        """Return the options as keyword arguments of `kernels.Trainer`."""
        return {}

    def prepare(
        self, y: ArrayLike, n: int, n_out: int, dtype: np.dtype[Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Return the targets, and keyword arguments of `kernels.Trainer`."""
        targets = self.targets(y, n, n_out, dtype)
        return targets, dict(loss=self.kernel, **self.to_kernel(n_out, dtype))

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        """Return the second derivatives of the loss of each row times dY, (n, n_out).

        Y are the outputs that the kernel reads: z if the loss needs an output activation.
        """
        raise NotImplementedError

    def is_right(self, Y: FloatArray, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether the classes that the outputs Y predict are those of the targets, (n,).

        For losses with classes.
        """
        raise NotImplementedError


def for_outputs(name: str, numbers: Any, n_out: int, dtype: Any) -> Any:
    """Return an array of n_out numbers from one number or n_out numbers; None stays None."""
    if numbers is None:
        return None
    numbers = np.array(numbers, dtype)
    if numbers.ndim and len(numbers) != n_out:
        raise ValueError(
            f"{name} has {len(numbers)} number{'s' * (len(numbers) != 1)} for {n_out} "
            f"output{'s' * (n_out != 1)}. Pass one, or one for each output."
        )
    return np.ascontiguousarray(np.broadcast_to(numbers, n_out))


@dataclass(eq=False, repr=False)
class CustomLoss(Loss):
    """A loss computed by a function ``function(outputs, y) -> (value, d_outputs)``."""

    function: Callable[..., Any]
    name: ClassVar[str] = "custom loss"
    kernel: ClassVar[kernels.Loss] = kernels.Loss.CUSTOM_LOSS

    def prepare(
        self, y: ArrayLike, n: int, n_out: int, dtype: np.dtype[Any]
    ) -> tuple[Any, dict[str, Any]]:
        y = np.asarray(y)
        check_rows("y", len(y) if y.ndim else 0, n)
        return y, dict(loss=self.kernel)

    def evaluate(self, outputs: FloatArray, y: Any) -> Any:
        """Call the function, and return its value and a checked d_outputs."""
        result = self.function(outputs, y)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                f"a custom loss must return a tuple (value, d_outputs), got {type(result).__name__}"
            )
        value, d_outputs = result
        d_outputs = check_array("d_outputs of the custom loss", d_outputs, outputs.dtype)
        if d_outputs.shape != outputs.shape:
            raise ValueError(
                f"a custom loss must return d_outputs of shape {outputs.shape}, like the outputs, "
                f"got {d_outputs.shape}"
            )
        return float(value), d_outputs

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        raise ValueError(
            "the products need second derivatives of the loss, which a custom loss does not return. "
            "Pass one of fastnn.losses."
        )

    def in_batches(self, y: Any, order: Any, batch_size: int, n_out: int, dtype: Any) -> Any:
        """Return the function that the Trainer calls for each batch, and the arrays they share."""
        outputs, gradient = (np.zeros((batch_size, n_out), dtype) for _ in range(2))

        def custom_loss(first, n):
            rows = slice(first, first + n) if order is None else order[first : first + n]
            value, gradient[:n] = self.evaluate(outputs[:n].copy(), y[rows])
            return value

        return dict(custom_loss=custom_loss, custom_outputs=outputs, custom_gradient=gradient)


def times_slope(kind: kernels.Activation, Z: FloatArray, dY: FloatArray) -> FloatArray:
    """Return dY times the Jacobian of an activation at Z."""
    dZ: FloatArray = np.empty_like(Z)
    contiguous: Any = np.ascontiguousarray(dY, Z.dtype)
    kernels.activation_backward(kind, contiguous, Z, dZ)
    return dZ
