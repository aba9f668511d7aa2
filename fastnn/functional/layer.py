"""Linear layers, activations, and their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import activations, kernels
from ..core.validation import (
    check_array,
    check_flag,
    check_matrix,
    check_out,
    check_shape,
    check_weight,
)
from ..kernels import CompiledNetwork, Loss, Trainer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..typing import FloatArray, OutputActivation


def linear(
    X: ArrayLike,
    W: ArrayLike,
    b: ArrayLike | None = None,
    activation: OutputActivation = "identity",
    out: FloatArray | None = None,
) -> FloatArray:
    """Return f(X W + b), a linear layer with its activation, in one pass.

    Parameters
    ----------
    X : array_like (n, n_in)
    W : array_like (n_in, n_out)
    b : array_like (n_out,), optional
    activation : str, default "identity"
        Name of f, see `fastnn.activations`.
    out : ndarray (n, n_out), optional
        Receives the result.

    Returns
    -------
    ndarray (n, n_out)

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.linear([[1.0, 2.0]], [[1.0], [0.5]], [-2.0], activation="relu")
    array([[0.]])
    """
    inputs = X, W, b
    X, W, b = _check_layer(X, W, b)
    kind = activations.resolve_activation(activation)
    shape = (len(X), W.shape[1])
    Y = (
        np.empty(shape, W.dtype)
        if out is None
        else check_out("out", out, shape, W.dtype, *inputs, X, W, b)
    )
    if Y.size:
        _network(W, b, kind)._forward_into(X, Y)
    return Y


def linear_backward(
    dY: ArrayLike,
    X: ArrayLike,
    W: ArrayLike,
    b: ArrayLike | None,
    Y: ArrayLike,
    activation: OutputActivation = "identity",
    need_dX: bool = True,
) -> tuple[FloatArray | None, FloatArray, FloatArray | None]:
    """Return the gradients of a loss with respect to X, W and b of `linear`.

    With Z = X W + b and dZ = dY * f'(Z):  dX = dZ W^T,  dW = X^T dZ,  db = sum of the rows of dZ.

    Parameters
    ----------
    dY : array_like (n, n_out)
        Gradient of the loss with respect to Y.
    X, W, b
        The arguments of `linear`; b may be None.
    Y : array_like (n, n_out)
        The result of `linear`. Only its shape is checked. Z and Y are recomputed in cache, which
        takes less time than reading them.
    activation : str, default "identity"
    need_dX : bool, default True
        False skips dX, a third of the work, which the first layer of a network does not need.

    Returns
    -------
    dX : ndarray (n, n_in) or None
        None if `need_dX` is False.
    dW : ndarray (n_in, n_out)
    db : ndarray (n_out,) or None
        None if b is None.

    Examples
    --------
    >>> from fastnn import functional as F
    >>> dX, dW, db = F.linear_backward([[1.0]], [[1.0, 2.0]], [[1.0], [0.5]], [0.0], [[2.0]])
    >>> dW
    array([[1.],
           [2.]])
    """
    X, W, b = _check_layer(X, W, b)
    kind = activations.resolve_activation(activation)
    shape = (len(X), W.shape[1])
    dY = check_shape("dY", dY, shape, W.dtype)
    check_shape("Y", Y, shape, W.dtype)
    n_weights = W.size
    grads = np.zeros(n_weights + (0 if b is None else b.size), W.dtype)
    dX = np.zeros_like(X) if check_flag("need_dX", need_dX) else None
    if dY.size:
        net = _network(W, b, kind)
        trainer = Trainer(net, X, dY, loss=Loss.GIVEN_GRADIENT, batch_size=len(X), dX=dX)
        trainer.gradient()
        trainer.store_gradient(grads)
    return dX, grads[:n_weights].reshape(W.shape), None if b is None else grads[n_weights:]


def _check_layer(
    X: ArrayLike, W: ArrayLike, b: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Return X, W and b as arrays of the dtype of W with matching shapes."""
    W = check_weight(W)
    X = check_matrix("X", X, W.dtype)
    W = check_weight(W, X.shape[1])
    return X, W, None if b is None else check_shape("b", b, (W.shape[1],), W.dtype)


def _network(W, b, kind):
    """Return a network of one layer that uses these arrays."""
    net = CompiledNetwork()
    net._bind(W.shape, [kind], [W], [b], W.dtype)
    return net


# ---- activations alone ----


def activation(Z: ArrayLike, name: OutputActivation, out: FloatArray | None = None) -> FloatArray:
    """Return f(Z), element by element; softmax works along the last axis.

    Parameters
    ----------
    Z : array_like
        Of any shape.
    name : str
        Name of f, see `fastnn.activations`.
    out : ndarray, optional
        Receives the result; like Z, and may be Z itself.

    Returns
    -------
    ndarray like Z

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.activation([-1.0, 0.0, 2.0], "relu")
    array([0., 0., 2.])
    """
    kind = activations.resolve_activation(name, argument="name")
    input_Z, Z = Z, check_array("Z", Z)
    A = (
        np.empty_like(Z)
        if out is None
        else check_out("out", out, Z.shape, Z.dtype, *([] if out is input_Z else [input_Z, Z]))
    )
    kernels.activation(kind, Z, A)
    return A


def activation_backward(
    dA: ArrayLike, Z: ArrayLike, name: OutputActivation, out: FloatArray | None = None
) -> FloatArray:
    """Return dA * f'(Z), the gradient of a loss with respect to Z.

    For softmax it is the product of each row of dA with the Jacobian.

    Parameters
    ----------
    dA : array_like
        Gradient of the loss with respect to f(Z), like Z.
    Z : array_like
        The input of the activation.
    name : str
        Name of f, see `fastnn.activations`.
    out : ndarray, optional
        Receives the result; like Z, and may be dA itself.

    Returns
    -------
    ndarray like Z

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.activation_backward([1.0, 1.0], [-1.0, 2.0], "leaky_relu")
    array([0.01, 1.  ])
    """
    kind = activations.resolve_activation(name, argument="name")
    input_Z, Z = Z, check_array("Z", Z)
    input_dA, dA = dA, check_shape("dA", dA, Z.shape, Z.dtype)
    dZ = (
        np.empty_like(Z)
        if out is None
        else check_out(
            "out", out, Z.shape, Z.dtype, input_Z, Z, *([] if out is input_dA else [input_dA, dA])
        )
    )
    kernels.activation_backward(kind, dA, Z, dZ)
    return dZ
