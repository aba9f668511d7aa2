"""The article's lines on plain arrays: linear layer, activation, losses, gradients, updates.

    Y = act(X W + b)                        lines 1 and 2   `linear`
    L = mean of -y log Y - (1-y) log(1-Y)   line 3          `binary_cross_entropy`
    W -= lr dL/dW                           line 4          `linear_backward`, `sgd_step_`

Arrays are anything that NumPy sees as one. A function works in the dtype of its first array argument that is float32 or float64 (W's for
the layer) and converts the others; what it is given is never changed. `out` and `grad` receive results and must fit exactly; functions
that end in _ change their first argument in place. `fastnn.reference` has the same functions in plain NumPy.
"""

from functools import lru_cache

import numpy as np

from . import activations, kernels, optimizers
from .kernels import CompiledNetwork, Loss, Trainer
from .validation import (
    check_array,
    check_classes,
    check_count,
    check_matrix,
    check_out,
    check_sample_weight,
    check_shape,
    check_values,
    check_weight,
)

__all__ = [
    "activation",
    "activation_backward",
    "adam_step_",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "linear",
    "linear_backward",
    "mean_squared_error",
    "sgd_step_",
]

# ---- the layer ----


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
    kind = activations.find(activation)
    shape = (len(X), W.shape[1])
    Y = np.empty(shape, W.dtype) if out is None else check_out("out", out, shape, W.dtype, *given, X, W, b)
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
        What `linear` returned. Only its shape is checked here: Z and Y are computed again, in cache, which costs less than reading them.
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
    kind = activations.find(activation)
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


# ---- activations ----


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
    kind = activations.find(name, argument="name")
    given, Z = Z, check_array("Z", Z)
    A = np.empty_like(Z) if out is None else check_out("out", out, Z.shape, Z.dtype, *([] if out is given else [given, Z]))
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
    kind = activations.find(name, argument="name")
    given_Z, Z = Z, check_array("Z", Z)
    given, dA = dA, check_shape("dA", dA, Z.shape, Z.dtype)
    dZ = np.empty_like(Z) if out is None else check_out("out", out, Z.shape, Z.dtype, given_Z, Z, *([] if out is given else [given, dA]))
    if Z.size:
        kernels.activation_backward(kind, dA, Z, dZ)
    return dZ


# ---- losses, each with its gradient in the same pass ----


def binary_cross_entropy(Y, y, sample_weight=None, grad=None):
    """BCE from probabilities: l_i = sum_j -y_j log Y_j - (1 - y_j) log(1 - Y_j).

    log is not taken below -100, and Y (1 - Y) in the gradient (Y - y) / (Y (1 - Y)) not below 1e-12, as in PyTorch. Where the logits are
    at hand `binary_cross_entropy_with_logits` is exact.

    Parameters
    ----------
    Y : array_like (n,) or (n, k)
        Probabilities.
    y : array_like
        Targets in [0, 1], like Y; (n,) also for Y of shape (n, 1).
    sample_weight : array_like (n,), optional
        Weights w_i >= 0.
    grad : ndarray like Y, optional
        Receives the gradient of the returned number with respect to Y.

    Returns
    -------
    float
        sum(w_i l_i) / sum(w_i); 0.0 for no rows or weights that are all 0.

    Examples
    --------
    >>> from fastnn import functional as F
    >>> round(F.binary_cross_entropy([0.9, 0.2], [1, 0]), 6)
    0.164252
    """
    return _loss(Loss.BINARY_CROSS_ENTROPY, "Y", Y, y, sample_weight, grad, "bce")


def binary_cross_entropy_with_logits(Z, y, sample_weight=None, grad=None):
    """BCE from logits: l_i = sum_j max(Z_j, 0) - Z_j y_j + log(1 + exp(-|Z_j|)); never overflows.

    Parameters and result as in `binary_cross_entropy`, with Z in place of Y; the gradient is sigmoid(Z) - y, weighted.

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.binary_cross_entropy_with_logits([[1e4], [-1e4]], [0, 0])
    5000.0
    """
    return _loss(Loss.LOGITS_BINARY_CROSS_ENTROPY, "Z", Z, y, sample_weight, grad, "bce_with_logits")


def cross_entropy(Z, y, sample_weight=None, grad=None):
    """Softmax cross-entropy from logits: l_i = sum_j y_j (log sum_k exp(Z_k) - Z_j).

    Parameters
    ----------
    Z : array_like (n, k)
        Logits.
    y : array_like
        Class numbers (n,), or rows of probabilities (n, k).
    sample_weight, grad
        As in `binary_cross_entropy`; the gradient is softmax(Z) - y for probabilities that sum to 1, weighted.

    Returns
    -------
    float

    Examples
    --------
    >>> from fastnn import functional as F
    >>> round(F.cross_entropy([[0.0, 0.0]], [1]), 6)
    0.693147
    """
    return _loss(Loss.CROSS_ENTROPY, "Z", Z, y, sample_weight, grad, None)


def mean_squared_error(Y, y, sample_weight=None, grad=None):
    """l_i = mean_j (Y_j - y_j)^2, without a factor 1/2.

    Parameters and result as in `binary_cross_entropy`; targets may be any numbers. The gradient is 2 (Y - y) / k, weighted.

    Examples
    --------
    >>> from fastnn import functional as F
    >>> F.mean_squared_error([[1.0, 2.0]], [[0.0, 0.0]])
    2.5
    """
    return _loss(Loss.SQUARED_ERROR, "Y", Y, y, sample_weight, grad, None)


def _loss(kind, name, Y, y, sample_weight, grad, unit_interval):
    """A loss is a network without layers: its inputs are the outputs."""
    given = Y
    Y = check_array(name, Y)
    if Y.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape (n,) or (n, k), got {Y.shape}")
    shape = Y.shape
    Y = Y if Y.ndim == 2 else Y[:, None]
    n, k = Y.shape
    classes = check_classes(y, n, k) if kind == Loss.CROSS_ENTROPY else None
    if classes is not None:
        kind, targets = Loss.CLASS_CROSS_ENTROPY, classes
    else:
        targets = check_values(y, n, k, Y.dtype, unit_interval)
    w = check_sample_weight(sample_weight, n, Y.dtype)
    if grad is not None:
        check_out("grad", grad, shape, Y.dtype, given, Y, y, targets, sample_weight, w)
    if not Y.size:
        return 0.0
    net = CompiledNetwork()
    net._bind([k], [], [], [], Y.dtype)
    return Trainer(net, Y, targets, loss=kind, batch_size=n, sample_weight=w, dX=grad).gradient()


# ---- updates in place ----


def sgd_step_(params, grads, lr, momentum=0.0, nesterov=False, weight_decay=0.0, velocity=None):
    """One step of SGD on params, in place; formulas as in `fastnn.SGD`.

    Parameters
    ----------
    params : ndarray
        float32 or float64, C-contiguous, any shape.
    grads : array_like
        Like params.
    lr, momentum, nesterov, weight_decay
        As in `fastnn.SGD`.
    velocity : ndarray, optional
        Like params, zeros before the first step; needed with momentum, changed in place.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W = np.array([1.0, 2.0])
    >>> F.sgd_step_(W, [1.0, -1.0], lr=0.1)
    >>> W
    array([0.9, 2.1])
    """
    settings = _settings(optimizers.SGD, lr, momentum, nesterov, weight_decay)
    if momentum and velocity is None:
        raise ValueError("momentum needs velocity: an array like params, zeros before the first step")
    grads = _update_arrays(params, grads, **({} if velocity is None else {"velocity": velocity}))
    if params.size:
        kernels.update(settings, 1, params, grads, velocity if momentum else None)


def adam_step_(params, grads, m, v, step, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """One step of Adam on params, in place; formulas as in `fastnn.Adam`.

    Parameters
    ----------
    params : ndarray
        float32 or float64, C-contiguous, any shape.
    grads : array_like
        Like params.
    m, v : ndarray
        Like params, zeros before the first step; changed in place.
    step : int
        1 in the first step.
    lr, betas, eps, weight_decay
        As in `fastnn.Adam`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> F.adam_step_(W, [5.0], m, v, step=1, lr=0.1)
    >>> W
    array([0.9])
    """
    settings = _settings(optimizers.Adam, lr, tuple(betas) if isinstance(betas, list) else betas, eps, weight_decay)
    step = check_count("step", step)
    grads = _update_arrays(params, grads, m=m, v=v)
    if params.size:
        kernels.update(settings, step, params, grads, m, v)


def _settings(optimizer, *numbers):
    """The kernel's numbers, checked once for each set of them."""
    try:
        return _checked_settings(optimizer, *numbers)
    except TypeError:  # not hashable: the check itself says which is wrong
        return optimizer(*numbers).kernel_settings()


@lru_cache
def _checked_settings(optimizer, *numbers):
    return optimizer(*numbers).kernel_settings()


def _update_arrays(params, grads, **moments):
    """grads converted; everything that is written to checked."""
    if not isinstance(params, np.ndarray) or params.dtype not in (np.float32, np.float64):
        raise TypeError(f"params must be a float32 or float64 NumPy array, got {getattr(params, 'dtype', type(params).__name__)}")
    converted = check_shape("grads", grads, params.shape, params.dtype)
    check_out("params", params, None, params.dtype, grads, converted, *moments.values())
    for name, moment in moments.items():
        others = (m for other, m in moments.items() if other != name)
        check_out(name, moment, params.shape, params.dtype, grads, converted, *others)
    return converted
