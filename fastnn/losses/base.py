"""Loss, the base class of losses, and CustomLoss, a Python function that is called for each batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .. import kernels
from ..core.options import ImmutableOptions
from ..core.validation import (
    as_array,
    check_array,
    check_distinct_inputs,
    check_list,
    check_rows,
    check_values,
    describe_type,
)

if TYPE_CHECKING:
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


#: What a custom loss may read besides the outputs. `MLP` has methods of these names.
DERIVATIVES = "jacobian", "hessian_diagonal", "laplacian"


@dataclass(eq=False, repr=False)
class CustomLoss(Loss):
    """A loss in Python, which may read derivatives of the outputs with respect to the inputs.

    Parameters
    ----------
    function : callable
        ``function(outputs, y, *needed) -> (value, d_outputs, *d_needed)``, called for each batch: see
        `fastnn.losses`. It gets what `needs` names, and returns the derivative of `value` with respect
        to each, of the same shape.
    needs : str or sequence of str, default ()
        "jacobian", dy_k/dx_i (n, n_out, d); "hessian_diagonal", d2y_k/dx_i^2 (n, n_out, d); and
        "laplacian", its sum over the inputs (n, n_out). A step carries d first derivatives through
        the network, and d second ones for the diagonal, or one for the Laplacian.
    inputs : sequence of int, optional
        Numbers of the d inputs i, or a mask of n_in bools. By default all.

    Examples
    --------
    The network learns the solution of u'' = -u with u(0) = 0 and u'(0) = 1, which is sin(x):

    >>> import fastnn, numpy as np
    >>> def oscillation(u, y, slope, bend):
    ...     residual = bend[:, :, 0] + u
    ...     at_0 = y == 0
    ...     start = at_0[:, None] * (slope - 1)
    ...     value = np.mean(residual**2) + np.mean(at_0 * u**2) + np.mean(start**2)
    ...     d_u, d_bend = residual + at_0 * u, residual[:, :, None]
    ...     return value, 2 * d_u / len(u), 2 * start / len(u), 2 * d_bend / len(u)
    >>> loss = fastnn.losses.CustomLoss(oscillation, ["jacobian", "hessian_diagonal"])
    >>> x = np.linspace(0, 2, 33)[:, None]
    >>> net = fastnn.MLP([1, 16, 1], "tanh", rng=0)
    >>> history = net.fit(x, x, loss, fastnn.Adam(0.01), epochs=1500, batch_size=None)
    >>> bool(np.abs(net.forward(x) - np.sin(x)).max() < 0.05)
    True
    """

    function: Callable[..., Any]
    needs: str | Sequence[str] = ()
    inputs: Sequence[int] | None = None
    name: ClassVar[str] = "custom loss"
    kernel: ClassVar[kernels.Loss] = kernels.Loss.CUSTOM_LOSS

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"function must be a function, got {describe_type(self.function)}")
        needs = [self.needs] if isinstance(self.needs, str) else check_list("needs", self.needs)
        known = all(isinstance(name, str) and name in DERIVATIVES for name in needs)
        if not known or len(set(needs)) < len(needs):
            raise ValueError(
                f"needs must name different ones of {', '.join(DERIVATIVES)}, got {self.needs!r}"
            )
        if self.inputs is not None and not needs:
            raise ValueError("inputs are those of derivatives, but needs names none. Pass needs.")
        inputs = self.inputs.tolist() if isinstance(self.inputs, np.ndarray) else self.inputs
        for name, value in dict(needs=tuple(needs), inputs=inputs).items():
            object.__setattr__(self, name, value)

    def check_inputs(self, net: Any, X: Any) -> None:
        """Check that the loss can read derivatives of the outputs of `net` at X."""
        if not self.needs:
            return
        if net.activations[-1] == "softmax":
            raise ValueError(
                f"{self._reader()} does not work with output='softmax'. Use another output activation."
            )
        if not isinstance(X, np.ndarray):
            raise TypeError(
                f"{self._reader()} does not work with X as {type(X).__name__}. Pass an array."
            )
        self._input_numbers(net)

    def check_training(self, net: Any, optimizer: Any) -> None:
        """Check that `fit` can train on the derivatives that the loss reads."""
        if self.needs and net.has_dropout:
            raise ValueError(f"{self._reader()} does not work with dropout. Set net.dropout to 0.")
        if self.needs and optimizer.full_batch:
            raise ValueError(
                f"{self._reader()} does not work with L-BFGS. Use another optimizer, such as Adam."
            )

    def _reader(self):
        return f"CustomLoss with needs={self.needs!r}"

    def _input_numbers(self, net):
        return check_distinct_inputs(self.inputs, net.layer_sizes[0], "inputs of CustomLoss")

    def prepare(
        self, y: ArrayLike, n: int, n_out: int, dtype: np.dtype[Any]
    ) -> tuple[Any, dict[str, Any]]:
        y = as_array("y", y)
        check_rows("y", len(y) if y.ndim else 0, n)
        return y, dict(loss=self.kernel)

    def evaluate(self, outputs: FloatArray, y: Any, needed: Sequence[FloatArray] = ()) -> Any:
        """Call the function, and return its value and a list of checked gradients."""
        arrays = dict(zip(("outputs", *self.needs), (outputs, *needed), strict=True))
        result = self.function(outputs, y, *needed)
        if not isinstance(result, tuple) or len(result) != 1 + len(arrays):
            expected = ", ".join(["value", *(f"d_{name}" for name in arrays)])
            size = f" of {len(result)}" if isinstance(result, tuple) else ""
            raise TypeError(
                f"a custom loss must return a tuple ({expected}), got {type(result).__name__}{size}"
            )
        gradients = []
        for (name, array), gradient in zip(arrays.items(), result[1:], strict=True):
            gradient = check_array(f"d_{name} of the custom loss", gradient, outputs.dtype)
            if gradient.shape != array.shape:
                raise ValueError(
                    f"a custom loss must return d_{name} of shape {array.shape}, like the {name}, "
                    f"got {gradient.shape}"
                )
            gradients.append(gradient)
        return float(result[0]), gradients

    def of_network(self, net: Any, X: FloatArray, y: Any) -> float:
        """Return the value for a network at all rows of X."""
        needed = [getattr(net, name)(X, self.inputs) for name in self.needs]
        value: float = self.evaluate(net.forward(X), y, needed)[0]
        return value

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        raise ValueError(
            "the products need second derivatives of the loss, which a custom loss does not return. "
            "Pass one of fastnn.losses."
        )

    def in_batches(self, net: Any, y: Any, order: Any, batch_size: int) -> dict[str, Any]:
        """Return the function that the Trainer calls for each batch, and the arrays they share."""
        n_out, dtype = net.layer_sizes[-1], net.dtype
        outputs, gradient = (np.zeros((batch_size, n_out), dtype) for _ in range(2))
        shared = dict(custom_outputs=outputs, custom_gradient=gradient)
        d, tangents, d_tangents = 0, *np.zeros((2, 0, batch_size, n_out), dtype)
        if self.needs:
            inputs = self._input_numbers(net)
            d = len(inputs)
            n_seconds = d if "hessian_diagonal" in self.needs else "laplacian" in self.needs
            tangents, d_tangents = np.zeros((2, d + n_seconds, batch_size, n_out), dtype)
            shared |= dict(jacobian_inputs=inputs)
            shared |= dict(custom_tangents=tangents, custom_tangent_gradient=d_tangents)

        def custom_loss(first, n):
            rows = slice(first, first + n) if order is None else order[first : first + n]
            needed = self._derivatives(tangents[:, :n], d)
            value, gradients = self.evaluate(outputs[:n].copy(), y[rows], needed)
            gradient[:n] = gradients[0]
            self._add_gradients(gradients[1:], d_tangents[:, :n], d)
            return value

        return dict(custom_loss=custom_loss, **shared)

    def _derivatives(self, tangents, d):
        """Return copies of what the function needs. tangents : d first derivatives, then second ones"""
        first, second = tangents[:d], tangents[d:]
        return [
            second.sum(axis=0)
            if name == "laplacian"
            else (first if name == "jacobian" else second).transpose(1, 2, 0).copy()
            for name in self.needs
        ]

    def _add_gradients(self, gradients, d_tangents, d):
        """Write the gradients of what the function needs to those of the tangents."""
        d_tangents[...] = 0
        for name, gradient in zip(self.needs, gradients, strict=True):
            part = d_tangents[:d] if name == "jacobian" else d_tangents[d:]
            part += gradient if name == "laplacian" else gradient.transpose(2, 0, 1)


def times_slope(kind: kernels.Activation, Z: FloatArray, dY: FloatArray) -> FloatArray:
    """Return dY times the Jacobian of an activation at Z."""
    dZ: FloatArray = np.empty_like(Z)
    contiguous: Any = np.ascontiguousarray(dY, Z.dtype)
    kernels.activation_backward(kind, contiguous, Z, dZ)
    return dZ
