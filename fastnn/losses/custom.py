"""A loss of the user's own: a Python function that is called once a batch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import kernels
from ..validation import check_array, check_rows
from .base import Loss


@dataclass(eq=False, repr=False)
class CustomLoss(Loss):
    """A function of the user's: ``function(outputs, y) -> (value, d_outputs)``."""

    function: Callable
    name = "loss of your own"
    kernel = kernels.Loss.CUSTOM_LOSS

    def prepare(self, y, n, n_out, dtype):
        y = np.asarray(y)
        check_rows("y", len(y) if y.ndim else 0, n)
        return y, dict(loss=self.kernel)

    def evaluate(self, outputs, y):
        """The value, and its derivative like the outputs."""
        answer = self.function(outputs, y)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise TypeError(
                f"loss: your function must return (value, d_outputs), it returned {type(answer).__name__}"
            )
        value, d_outputs = answer
        d_outputs = check_array(
            "loss: the d_outputs that your function returns", d_outputs, outputs.dtype
        )
        if d_outputs.shape != outputs.shape:
            raise ValueError(
                f"loss: your function must return d_outputs of shape {outputs.shape}, like the outputs, got {d_outputs.shape}"
            )
        return float(value), d_outputs

    def in_batches(self, y, order, batch_size, n_out, dtype):
        """What a Trainer calls in every batch, and the arrays between."""
        outputs, gradient = (np.zeros((batch_size, n_out), dtype) for _ in range(2))

        def custom_loss(first, n):
            rows = slice(first, first + n) if order is None else order[first : first + n]
            value, gradient[:n] = self.evaluate(outputs[:n].copy(), y[rows])
            return value

        return dict(custom_loss=custom_loss, custom_outputs=outputs, custom_gradient=gradient)
