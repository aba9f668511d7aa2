"""Derivatives of the outputs of a network with respect to its inputs, and second derivatives of a loss.

Tangents go forward through the layers, adjoints backward. With Z = A W + b and A' = f(Z), a tangent
dA gives dZ = dA W and dA' = f'(Z) dZ (`jvp`). An adjoint U of A' gives U f'(Z) for Z, and that times
W^T for A (`vjp`). Both products with f' are `activation_backward`, since the Jacobian of softmax is
symmetric, too. Second derivatives need one function more, `curvature`, and losses of second
derivatives another, `third_derivative`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .layer import activation, activation_backward, linear, look_up
from .losses import LOSSES, columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..typing import AnyArray, LossName, OutputActivation


# ---- in the inputs -------------------------------------------------------------------------------
def jvp(
    X: AnyArray,
    V: AnyArray,
    weights: Sequence[AnyArray],
    biases: Sequence[AnyArray | None],
    activations: Sequence[OutputActivation],
) -> AnyArray:
    """Return the derivative of the outputs along V: sum_i V_i dy_k/dx_i, (n, n_out).

    Parameters
    ----------
    X, V : array (n, n_in)
    weights, biases, activations : list
        One entry for each layer; a bias may be None.
    """
    Z = _layers(X, weights, biases, activations)[1]
    return _tangents(V[:, np.newaxis], Z, weights, activations)[1][:, 0]


def vjp(
    X: AnyArray,
    U: AnyArray,
    weights: Sequence[AnyArray],
    biases: Sequence[AnyArray | None],
    activations: Sequence[OutputActivation],
) -> AnyArray:
    """Return the gradient of the outputs weighted with U: sum_k U_k dy_k/dx_i, (n, n_in).

    Parameters
    ----------
    X : array (n, n_in)
    U : array (n, n_out)
    weights, biases, activations : list
        As in `jvp`.
    """
    Z = _layers(X, weights, biases, activations)[1]
    return _adjoints(U[:, np.newaxis], Z, weights, activations)[0][:, 0]


def jacobian(
    X: AnyArray,
    weights: Sequence[AnyArray],
    biases: Sequence[AnyArray | None],
    activations: Sequence[OutputActivation],
) -> AnyArray:
    """Return dy_k/dx_i, (n, n_out, n_in). Parameters as in `jvp`."""
    Z = _layers(X, weights, biases, activations)[1]
    return _adjoints(_units(X, Z[-1]), Z, weights, activations)[0]


def hessian(
    X: AnyArray,
    weights: Sequence[AnyArray],
    biases: Sequence[AnyArray | None],
    activations: Sequence[OutputActivation],
) -> AnyArray:
    """Return d2y_k/dx_i dx_j, (n, n_out, n_in, n_in).

    Each layer adds a term: with tangents dz_i = dz/dx_i of its Z and adjoints u_k = dy_k/da of its
    outputs, the sum over its units of u_k f''(z) dz_i dz_j. Parameters as in `jvp`. The diagonal
    over i and j is `MLP.hessian_diagonal`, its sum `MLP.laplacian`.
    """
    Z = _layers(X, weights, biases, activations)[1]
    dZ, _ = _tangents(_units(X, X), Z, weights, activations)
    U = _adjoints(_units(X, Z[-1]), Z, weights, activations)[1:]
    return sum(
        np.einsum(
            "nkim,njm->nkij",
            curvature(u[:, :, np.newaxis], z[:, np.newaxis, np.newaxis], dz[:, np.newaxis], name),
            dz,
        )
        for u, z, dz, name in zip(U, Z, dZ, activations, strict=True)
    )


# ---- of a loss, in the parameters ----------------------------------------------------------------
def hvp(
    X: AnyArray,
    y: AnyArray,
    v: tuple[Sequence[AnyArray], Sequence[AnyArray | None]],
    weights: Sequence[AnyArray],
    biases: Sequence[AnyArray | None],
    activations: Sequence[OutputActivation],
    loss: LossName,
    sample_weight: AnyArray | None = None,
    loss_options: dict[str, Any] | None = None,
    gauss_newton: bool = False,
) -> tuple[list[AnyArray], list[AnyArray | None]]:
    """Return the product of the Hessian of a loss in the parameters with v (Pearlmutter, 1994).

    It is the derivative of the gradient of `loss_and_grad` along v. The Gauss-Newton product is
    J^T H J v, with the Jacobian J of the outputs that the loss takes, which are z of the last layer
    for a loss that needs an output activation, and the Hessian H of the loss in them.

    Parameters
    ----------
    X, y, weights, biases, activations, loss, sample_weight, loss_options
        As in `loss_and_grad`.
    v : (list, list)
        Like weights and biases.
    gauss_newton : bool, default False
        Return the Gauss-Newton product.

    Returns
    -------
    list, list
        Like weights and biases.
    """
    function, output = look_up("loss", loss, LOSSES)
    if output is not None:
        activations = [*activations[:-1], "identity"]
    A, Z = _layers(X, weights, biases, activations)
    dA, tangents = np.zeros_like(X), []  # the derivatives of A and Z along v
    for a, z, W, V, c, name in zip(A, Z, weights, *v, activations, strict=False):
        dZ = dA @ W + a @ V + (0 if c is None else c)
        tangents.append((dA, dZ))
        dA = activation_backward(dZ, z, name)
    U = np.empty_like(A[-1])
    function(A[-1], y, sample_weight, U, **(loss_options or {}))
    if gauss_newton:
        U[...] = 0
    dU = _curvature_of_loss(loss, A[-1], y, dA, sample_weight, loss_options or {})
    out_W: list[Any] = [None] * len(Z)
    out_b: list[Any] = [None] * len(Z)
    for i in reversed(range(len(Z))):
        dA, dZ = tangents[i]
        dU = activation_backward(dU, Z[i], activations[i]) + curvature(U, Z[i], dZ, activations[i])
        U = activation_backward(U, Z[i], activations[i])
        out_W[i] = dA.T @ U + A[i].T @ dU
        out_b[i] = None if biases[i] is None else dU.sum(axis=0)
        dU = dU @ weights[i].T + U @ v[0][i].T
        U = U @ weights[i].T
    return out_W, out_b


def _curvature_of_loss(name, Y, y, dY, sample_weight, options):
    """Return the Hessian of a loss in the outputs Y that it takes, times dY."""
    w = np.ones(len(Y), Y.dtype) if sample_weight is None else sample_weight
    share = columns(w / (w.sum() or 1))
    y, mean = columns(np.asarray(y)), share / Y.shape[1]
    if name in ("bce", "bce_with_logits"):
        s, p = options.get("label_smoothing", 0), options.get("pos_weight", 1)
        t = (1 - s) * y + s / 2
        return share * (1 + (p - 1) * t) * activation_backward(dY, Y, "sigmoid")
    if name == "cross_entropy":
        total = 1 if y.shape[1] == 1 else _smoothed_sum(y, options.get("label_smoothing", 0))
        return share * total * activation_backward(dY, Y, "softmax")
    if name == "poisson":
        return share * np.exp(Y) * dY
    if name == "gaussian_nll":
        (d, precision), (dmean, ds) = _gaussian(Y, y), np.split(dY, 2, axis=1)
        both = [dmean - d * ds, d * d / 2 * ds - d * dmean]
        return share * np.concatenate([precision * x for x in both], axis=1)
    if name == "mse":
        return mean * 2 * dY
    if name == "huber":
        return mean * 2 * dY * (np.abs(Y - y) <= options.get("delta", 1))
    if name == "log_cosh":
        return mean * activation_backward(dY, Y - y, "tanh")
    return np.zeros_like(Y)  # mae and quantile: their slopes jump


def _smoothed_sum(y, s):
    return (1 - s) * y.sum(axis=1, keepdims=True) + s


def _gaussian(Y, y):
    mean, s = np.split(Y, 2, axis=1)
    return mean - y, np.exp(-s)


# ---- of a loss of the Jacobian, in the parameters ------------------------------------------------
def jacobian_loss_and_grad(
    X: AnyArray,
    dy: AnyArray,
    weights: Sequence[AnyArray],
    biases: Sequence[AnyArray | None],
    activations: Sequence[OutputActivation],
    sample_weight: AnyArray | None = None,
    inputs: Sequence[int] | None = None,
    weight: float = 1.0,
) -> tuple[float, list[AnyArray], list[AnyArray | None]]:
    """Return `weight` times the squared error of the Jacobian, and its gradients in the parameters.

    The loss of a row is the mean of (dy_k/dx_i - target)^2 over its targets that are known, or 0 if
    none is; that of a batch is the weighted mean of its rows. Tangents go forward through the
    layers. Adjoints u of the layers and U of the tangents go backward: with f = f(Z) and tangents
    dZ_i, those of Z and dZ_i are u f' + sum_i U_i f'' dZ_i and U_i f'.

    Parameters
    ----------
    X, weights, biases, activations
        As in `jvp`.
    dy : array (n, n_out, n_in), or (n, n_out, number of `inputs`)
        Targets; NaN where one is unknown.
    sample_weight : array (n,), optional
    inputs : sequence of int, optional
        The inputs i of the targets; by default all.

    Returns
    -------
    L : float
    grad_weights, grad_biases : list
        Like weights and biases.
    """
    A, Z = _layers(X, weights, biases, activations)
    dA = _units(X, X)[:, range(X.shape[1]) if inputs is None else inputs]
    dZ, dY = _tangents(dA, Z, weights, activations)
    w = np.ones(len(X), X.dtype) if sample_weight is None else sample_weight
    share = weight * w / (w.sum() or 1)
    known = ~np.isnan(dy)
    error = np.where(known, dY.swapaxes(1, 2) - dy, 0)
    per_row = share / np.maximum(1, known.sum(axis=(1, 2)))
    U = (2 * per_row[:, np.newaxis, np.newaxis] * error).swapaxes(1, 2)
    u = np.zeros_like(A[-1])
    out_W: list[Any] = [None] * len(Z)
    out_b: list[Any] = [None] * len(Z)
    for i in reversed(range(len(Z))):
        name, z = activations[i], Z[i][:, np.newaxis]
        u = activation_backward(u, Z[i], name) + curvature(U, z, dZ[i], name).sum(axis=1)
        U = activation_backward(U, z, name)
        below = (
            dA
            if i == 0
            else activation_backward(dZ[i - 1], Z[i - 1][:, np.newaxis], activations[i - 1])
        )
        out_W[i] = A[i].T @ u + np.einsum("nij,nik->jk", below, U)
        out_b[i] = None if biases[i] is None else u.sum(axis=0)
        u, U = u @ weights[i].T, U @ weights[i].T
    return float(per_row @ (error * error).sum(axis=(1, 2))), out_W, out_b


# ---- of a loss that reads derivatives, in the parameters ------------------------------------------
def custom_loss_and_grad(
    X: AnyArray,
    y: AnyArray,
    function: Callable[..., Any],
    needs: Sequence[str],
    weights: Sequence[AnyArray],
    biases: Sequence[AnyArray | None],
    activations: Sequence[OutputActivation],
    inputs: Sequence[int] | None = None,
) -> tuple[float, list[AnyArray], list[AnyArray | None]]:
    """Return the value of a loss of outputs and their derivatives, and its gradients in the parameters.

    First tangents z_i and second ones z_ii go forward, from unit vectors and 0 of the inputs: with
    f = f(Z) those of A are f' z_i and f'' z_i^2 + f' z_ii. Adjoints u, U_i and V_i of A and both tangents
    go backward. Those of Z and its tangents are ::

        u f' + sum_i [f'' (U_i z_i + V_i z_ii) + f''' V_i z_i^2],  U_i f' + 2 V_i f'' z_i  and  V_i f'

    Parameters
    ----------
    X, weights, biases, activations
        As in `jvp`; no softmax.
    y : array (n, ...)
        What the function gets.
    function, needs, inputs
        As in `losses.CustomLoss`.

    Returns
    -------
    L : float
    grad_weights, grad_biases : list
        Like weights and biases.
    """
    A, Z = _layers(X, weights, biases, activations)
    first = _units(X, X)[:, range(X.shape[1]) if inputs is None else inputs]
    second, tangents = np.zeros_like(first), []
    for W, z, name in zip(weights, Z, activations, strict=True):
        z, below = z[:, np.newaxis], (first, second)
        first, second = first @ W, second @ W
        tangents.append((*below, first, second))
        second = curvature(first, z, first, name) + activation_backward(second, z, name)
        first = activation_backward(first, z, name)
    found = dict(jacobian=first.swapaxes(1, 2), hessian_diagonal=second.swapaxes(1, 2))
    found["laplacian"] = second.sum(axis=1)
    value, u, *gradients = function(A[-1], y, *(found[need] for need in needs))
    U, V = np.zeros_like(first), np.zeros_like(second)
    for need, gradient in zip(needs, gradients, strict=True):
        if need == "laplacian":
            V += gradient[:, np.newaxis]
        else:
            (U if need == "jacobian" else V)[...] += gradient.swapaxes(1, 2)
    out_W: list[Any] = [None] * len(Z)
    out_b: list[Any] = [None] * len(Z)
    for i in reversed(range(len(Z))):
        name, z = activations[i], Z[i][:, np.newaxis]
        dA, ddA, dZ, ddZ = tangents[i]
        bends = curvature(U, z, dZ, name) + curvature(V, z, ddZ, name)
        bends += V * third_derivative(z, name) * dZ**2
        u = activation_backward(u, Z[i], name) + bends.sum(axis=1)
        U = activation_backward(U, z, name) + 2 * curvature(V, z, dZ, name)
        V = activation_backward(V, z, name)
        out_W[i] = A[i].T @ u
        out_W[i] += np.einsum("nij,nik->jk", dA, U) + np.einsum("nij,nik->jk", ddA, V)
        out_b[i] = None if biases[i] is None else u.sum(axis=0)
        u, U, V = (adjoint @ weights[i].T for adjoint in (u, U, V))
    return float(value), out_W, out_b


# ---- activations ---------------------------------------------------------------------------------
def third_derivative(Z: AnyArray, name: OutputActivation) -> AnyArray:
    """Return f'''(Z) of an activation, except softmax.

    At a kink of f'' it is that of the left side, and 0 for identity, relu and leaky_relu. ::

        name          f'''(z), s = sigmoid(z), phi(z) = exp(-z^2/2) / sqrt(2 pi)
        sigmoid       p (1 - 6 p), p = s (1 - s)
        tanh          -2 (1 - a^2) (1 - 3 a^2)
        softplus      s (1 - s) (1 - 2 s)
        gelu          z (z^2 - 4) phi(z)
        silu          p (3 (1 - 2 s) + z (1 - 6 p)), p = s (1 - s)
        mish          t' (3 q + z (q^2 + q')), t = tanh(softplus(z)), t' = (1 - t^2) s,
                      q = 1 - s - 2 t s, q' = -s (1 - s) (1 + 2 t) - 2 t' s
        others        f''(z)
    """
    return _THIRD.get(name, _SECOND[name])(Z)


def curvature(U: AnyArray, Z: AnyArray, dZ: AnyArray, name: OutputActivation) -> AnyArray:
    """Return the derivative of `activation_backward(U, Z, name)` with respect to Z along dZ.

    It is U f''(Z) dZ, where ::

        name          f''(z), s = sigmoid(z), phi(z) = exp(-z^2/2) / sqrt(2 pi)
        identity      0; also relu and leaky_relu, at z = 0 too
        sigmoid       s (1 - s) (1 - 2 s)
        tanh          -2 a (1 - a^2)
        elu           0 if z > 0 else exp(z)
        softplus      s (1 - s)
        gelu          (2 - z^2) phi(z)
        silu          s (1 - s) (2 + z (1 - 2 s))
        exponential   exp(z)
        selu          0 if z > 0 else s alpha exp(z)
        mish          (1 - t^2) s (2 + z (1 - s) - 2 z t s), t = tanh(softplus(z))

    and for softmax da_k (u_k - sum_j u_j a_j) - a_k sum_j u_j da_j with da = f'(Z) dZ.
    """
    if name == "softmax":
        a, da = activation(Z, name), activation_backward(dZ, Z, name)
        return da * (U - (U * a).sum(axis=-1, keepdims=True)) - a * (U * da).sum(
            axis=-1, keepdims=True
        )
    return U * _SECOND[name](Z) * dZ


def _sigmoids(z):
    return activation(z, "sigmoid"), activation(-z, "sigmoid")


def _second_of_sigmoid(z):
    s, rest = _sigmoids(z)
    return s * rest * (rest - s)


def _second_of_tanh(z):
    a = np.tanh(z)
    return -2 * a * (1 - a * a)


def _second_of_silu(z):
    s, rest = _sigmoids(z)
    return s * rest * (2 + z * (rest - s))


def _second_of_mish(z):
    (s, rest), t = _sigmoids(z), np.tanh(np.logaddexp(0, z))
    return (1 - t * t) * s * (2 + z * (rest - 2 * t * s))


def _third_of_sigmoid(z):
    p = np.prod(_sigmoids(z), axis=0)
    return p * (1 - 6 * p)


def _third_of_tanh(z):
    squares = np.tanh(z) ** 2
    return -2 * (1 - squares) * (1 - 3 * squares)


def _third_of_silu(z):
    s, rest = _sigmoids(z)
    p = s * rest
    return p * (3 * (rest - s) + z * (1 - 6 * p))


def _third_of_mish(z):
    (s, rest), t = _sigmoids(z), np.tanh(np.logaddexp(0, z))
    slope, q = (1 - t * t) * s, rest - 2 * t * s
    return slope * (3 * q + z * (q * q - s * rest * (1 + 2 * t) - 2 * slope * s))


_THIRD: dict[str, Callable[[AnyArray], AnyArray]] = {
    "sigmoid": _third_of_sigmoid,
    "tanh": _third_of_tanh,
    "softplus": _second_of_sigmoid,
    "gelu": lambda z: z * (z * z - 4) * np.exp(-z * z / 2) / math.sqrt(2 * math.pi),
    "silu": _third_of_silu,
    "mish": _third_of_mish,
}

_SECOND: dict[str, Callable[[AnyArray], AnyArray]] = {
    **dict.fromkeys(("identity", "relu", "leaky_relu"), np.zeros_like),
    "sigmoid": _second_of_sigmoid,
    "tanh": _second_of_tanh,
    "elu": lambda z: np.where(z > 0, 0, np.exp(np.minimum(z, 0))),
    "softplus": lambda z: np.prod(_sigmoids(z), axis=0),
    "gelu": lambda z: (2 - z * z) * np.exp(-z * z / 2) / math.sqrt(2 * math.pi),
    "silu": _second_of_silu,
    "exponential": np.exp,
    "selu": lambda z: np.where(z > 0, 0, 1.7580993408473766 * np.exp(np.minimum(z, 0))),
    "mish": _second_of_mish,
}


# ---- sweeps --------------------------------------------------------------------------------------
def _units(X, Z):
    """Return the unit vectors of the columns of Z for each row: (n, m, m)."""
    m = Z.shape[1]
    return np.broadcast_to(np.eye(m, dtype=X.dtype), (len(X), m, m))


def _layers(X, weights, biases, activations):
    """Return the inputs of all layers with the outputs at the end, and Z of all layers."""
    A, Z = [X], []
    for W, b, name in zip(weights, biases, activations, strict=True):
        Z.append(linear(A[-1], W, b))
        A.append(activation(Z[-1], name))
    return A, Z


def _tangents(dA, Z, weights, activations):
    """Return tangents (n, t, m) of Z of all layers, and of the outputs, from those of the inputs."""
    tangents = []
    for W, z, name in zip(weights, Z, activations, strict=True):
        tangents.append(dA @ W)
        dA = activation_backward(tangents[-1], z[:, np.newaxis], name)
    return tangents, dA


def _adjoints(U, Z, weights, activations):
    """Return adjoints (n, t, m) of the inputs of all layers, those of the outputs U at the end."""
    adjoints = [U]
    for W, z, name in reversed([*zip(weights, Z, activations, strict=True)]):
        adjoints.append(activation_backward(adjoints[-1], z[:, np.newaxis], name) @ W.T)
    return adjoints[::-1]
