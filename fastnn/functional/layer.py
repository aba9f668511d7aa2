"""A linear layer, activations, and their gradients."""

import numpy as np

from .. import activations, kernels
from ..kernels import CompiledNetwork, Loss, Trainer
from ..validation import check_array, check_matrix, check_out, check_shape, check_weight


def linear(X, W, b=None, activation="identity", out=None):
    """Y = f(X W + b), in one pass.

    Parameters
    ----------
    X : array_like (n, n_in)
    W : array_like (n_in, n_out)
    b : array_like (n_out,), optional
    activation : str, default "identity"
        f, by name: see `fastnn.activations`.
    out : ndarray (n, n_out), optional
        Where to put Y.

    Returns
    -------
    ndarray (n, n_out)

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.linear([[1.0, 2.0]], [[1.0], [0.5]], [-2.0], activation="relu")
    array([[0.]])
    """
    given = X, W, b
    X, W, b = _layer(X, W, b)
    kind = activations.resolve(activation)
    shape = (len(X), W.shape[1])
    Y = (
        np.empty(shape, W.dtype)
        if out is None
        else check_out("out", out, shape, W.dtype, *given, X, W, b)
    )
    if Y.size:
        _bound(W, b, kind)._forward_into(X, Y)
    return Y


def linear_backward(dY, X, W, b, Y, activation="identity", need_dX=True):
    """Gradients of a loss through ``Y = linear(X, W, b, activation)``.

    With dZ = dY * f'(Z), Z = X W + b:  dX = dZ W^T,  dW = X^T dZ,  db = sum of dZ's rows.

    Parameters
    ----------
    dY : array_like (n, n_out)
        The loss's derivative with respect to Y.
    X, W, b
        As given to `linear`; b may be None.
    Y : array_like (n, n_out)
        What `linear` returned. Only its shape is checked here: Z and Y are computed again, in
        cache, which costs less than reading them.
    activation : str, default "identity"
    need_dX : bool, default True
        False saves a third of the work where X is data.

    Returns
    -------
    dX : ndarray (n, n_in) or None
    dW : ndarray (n_in, n_out)
    db : ndarray (n_out,) or None
        None if b is.

    Examples
    --------
    >>> from fastnn import functional as F
    >>> dX, dW, db = F.linear_backward([[1.0]], [[1.0, 2.0]], [[1.0], [0.5]], [0.0], [[2.0]])
    >>> dW
    array([[1.],
           [2.]])
    """
    X, W, b = _layer(X, W, b)
    kind = activations.resolve(activation)
    shape = (len(X), W.shape[1])
    dY = check_shape("dY", dY, shape, W.dtype)
    check_shape("Y", Y, shape, W.dtype)
    n_weights = W.size
    grads = np.zeros(n_weights + (0 if b is None else b.size), W.dtype)
    dX = np.zeros_like(X) if need_dX else None
    if dY.size:
        job = Trainer(_bound(W, b, kind), X, dY, loss=Loss.GIVEN_GRADIENT, batch_size=len(X), dX=dX)
        job.gradient()
        job.store_gradient(grads)
    return dX, grads[:n_weights].reshape(W.shape), None if b is None else grads[n_weights:]


def _layer(X, W, b):
    """X, W, b converted, in W's dtype."""
    W = check_weight(W)
    X = check_matrix("X", X, W.dtype)
    W = check_weight(W, X.shape[1])
    return X, W, None if b is None else check_shape("b", b, (W.shape[1],), W.dtype)


def _bound(W, b, kind):
    """One layer as a network."""
    net = CompiledNetwork()
    net._bind(W.shape, [kind], [W], [b], W.dtype)
    return net


# ---- activations alone ----


def activation(Z, name, out=None):
    """f(Z), number by number; softmax over the last axis.

    Parameters
    ----------
    Z : array_like
        Any shape.
    name : str
        See `fastnn.activations`.
    out : ndarray, optional
        Like Z; may be Z itself.

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.activation([-1.0, 0.0, 2.0], "relu")
    array([0., 0., 2.])
    """
    kind = activations.resolve(name, argument="name")
    given, Z = Z, check_array("Z", Z)
    A = (
        np.empty_like(Z)
        if out is None
        else check_out("out", out, Z.shape, Z.dtype, *([] if out is given else [given, Z]))
    )
    if Z.size:
        kernels.activation(kind, Z, A)
    return A


def activation_backward(dA, Z, name, out=None):
    """dZ = dA * f'(Z); for softmax its Jacobian's product with each row.

    Parameters
    ----------
    dA : array_like
        The loss's derivative with respect to f(Z), like Z.
    Z : array_like
        What the activation was given.
    name : str
    out : ndarray, optional
        Like Z; may be dA itself.

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.activation_backward([1.0, 1.0], [-1.0, 2.0], "leaky_relu")
    array([0.01, 1.  ])
    """
    kind = activations.resolve(name, argument="name")
    given_Z, Z = Z, check_array("Z", Z)
    given, dA = dA, check_shape("dA", dA, Z.shape, Z.dtype)
    dZ = (
        np.empty_like(Z)
        if out is None
        else check_out(
            "out", out, Z.shape, Z.dtype, given_Z, Z, *([] if out is given else [given, dA])
        )
    )
    if Z.size:
        kernels.activation_backward(kind, dA, Z, dZ)
    return dZ
