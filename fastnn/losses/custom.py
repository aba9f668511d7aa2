"""Custom losses: Python functions, called once for each batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import kernels
from ..core.validation import check_array, check_rows
from .base import Loss

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike

    from ..typing import FloatArray


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

    def in_batches(self, y: Any, order: Any, batch_size: int, n_out: int, dtype: Any) -> Any:
        """Return the function that the Trainer calls for each batch, and the arrays they share."""
        outputs, gradient = (np.zeros((batch_size, n_out), dtype) for _ in range(2))

        def custom_loss(first, n):
            rows = slice(first, first + n) if order is None else order[first : first + n]
            value, gradient[:n] = self.evaluate(outputs[:n].copy(), y[rows])
            return value

        return dict(custom_loss=custom_loss, custom_outputs=outputs, custom_gradient=gradient)
