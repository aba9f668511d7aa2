"""Linear layers, activations, their gradients, and dropout."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..typing import AnyArray, DTypeLike, OutputActivation


# ---- linear --------------------------------------------------------------------------------------
def linear(
    X: AnyArray,
    W: AnyArray,
    b: AnyArray | None = None,
    activation: OutputActivation = "identity",
    out: AnyArray | None = None,
) -> AnyArray:
    """Return f(X W + b), a linear layer with its activation.

    Parameters
    ----------
    X : array (n, n_in)
    W : array (n_in, n_out)
    b : array (n_out,), optional
    activation : str, default "identity"
        Name of f, see `activation`.
    out : array (n, n_out), optional
        Receives the result.

    Returns
    -------
    array (n, n_out)
    """
    f, _ = look_up("activation", activation, _ACTIVATIONS)
    return _store(out, f(X @ W if b is None else X @ W + b))


def linear_backward(
    dY: AnyArray,
    X: AnyArray,
    W: AnyArray,
    b: AnyArray | None,
    Y: AnyArray,
    activation: OutputActivation = "identity",
    need_dX: bool = True,
) -> tuple[AnyArray | None, AnyArray, AnyArray | None]:
    """Return the gradients of a loss with respect to X, W and b of `linear`.

    With Z = X W + b and dZ = dY f'(Z):  dX = dZ W^T,  dW = X^T dZ,  db = sum of the rows of dZ.

    Parameters
    ----------
    dY : array (n, n_out)
        Gradient of the loss with respect to Y.
    X, W, b, activation
        The arguments of `linear`.
    Y : array (n, n_out)
        The result of `linear`. Not used, since f'(Z) is computed from Z.
    need_dX : bool, default True
        False skips dX, which the first layer of a network does not need.

    Returns
    -------
    dX : array (n, n_in) or None
        None if `need_dX` is False.
    dW : array (n_in, n_out)
    db : array (n_out,) or None
        None if b is None.
    """
    _, backward = look_up("activation", activation, _ACTIVATIONS)
    dZ = dY if activation == "identity" else backward(dY, linear(X, W, b))
    dX = dZ @ W.T if need_dX else None
    db = None if b is None else dZ.sum(axis=0)
    return dX, X.T @ dZ, db


# ---- activation ----------------------------------------------------------------------------------
def activation(Z: AnyArray, name: OutputActivation, out: AnyArray | None = None) -> AnyArray:
    """Return f(Z), element by element; softmax works along the last axis.

    The activations are ::

        name          f(z)                                     f'(z), a = f(z)
        identity      z                                        1
        sigmoid       1 / (1 + exp(-z))                        a (1 - a)
        relu          max(0, z)                                1 if a > 0 else 0
        tanh          tanh(z)                                  1 - a^2
        leaky_relu    z if z > 0 else 0.01 z                   1 if a > 0 else 0.01
        elu           z if z > 0 else exp(z) - 1               1 if a > 0 else a + 1
        softplus      log(1 + exp(z))                          sigmoid(z)
        gelu          z Phi(z), Phi by erf                     Phi(z) + z phi(z)
        silu          z sigmoid(z)                             s (1 + z (1 - s)), s = sigmoid(z)
        softmax       exp(z_j) / sum_k exp(z_k)                over a row; output layer only
        exponential   exp(z)                                   a; an output for counts (poisson)
        selu          s z if z > 0 else s alpha (exp(z) - 1)   s if a > 0 else a + s alpha
        mish          z t, t = tanh(log(1 + exp(z)))           t + z (1 - t^2) sigmoid(z)

    Parameters
    ----------
    Z : array
        Of any shape.
    name : str
        Name of f.
    out : array like Z, optional
        Receives the result.

    Returns
    -------
    array like Z
    """
    f, _ = look_up("activation", name, _ACTIVATIONS)
    return _store(out, f(Z))


def activation_backward(
    dA: AnyArray, Z: AnyArray, name: OutputActivation, out: AnyArray | None = None
) -> AnyArray:
    """Return dA f'(Z), the gradient of a loss with respect to Z.

    For softmax it is dz_k = a_k (da_k - sum_j da_j a_j).

    Parameters
    ----------
    dA : array like Z
        Gradient of the loss with respect to f(Z).
    Z, name
        The arguments of `activation`.
    out : array like Z, optional
        Receives the result.

    Returns
    -------
    array like Z
    """
    _, backward = look_up("activation", name, _ACTIVATIONS)
    return _store(out, backward(dA, Z))


def _sigmoid(z):
    e = np.exp(-np.abs(z))  # never overflows
    return np.where(z >= 0, 1, e) / (1 + e)


def _normal_cdf(z):
    # (1 + erf(z/√2)) / 2, without cancellation where erf is near -1
    return (np.vectorize(math.erfc, otypes=[float])(-z / math.sqrt(2)) / 2).astype(z.dtype)


def _softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _mish_backward(da, z):
    t = np.tanh(np.logaddexp(0, z))
    return da * (t + z * (1 - t * t) * _sigmoid(z))


# of selu
_SCALE, _ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

_ACTIVATIONS = {  # name: (f(z), da f'(z))
    "identity": (np.copy, lambda da, z: np.copy(da)),
    "sigmoid": (_sigmoid, lambda da, z: da * _sigmoid(z) * _sigmoid(-z)),
    "relu": (lambda z: np.maximum(z, 0), lambda da, z: np.where(z > 0, da, 0)),
    "tanh": (np.tanh, lambda da, z: da * (1 - np.tanh(z) ** 2)),
    "leaky_relu": (
        lambda z: np.where(z > 0, z, 0.01 * z),
        lambda da, z: np.where(z > 0, da, 0.01 * da),
    ),
    "elu": (
        lambda z: np.maximum(z, 0) + np.expm1(np.minimum(z, 0)),
        lambda da, z: da * np.exp(np.minimum(z, 0)),
    ),
    "softplus": (
        lambda z: np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))),
        lambda da, z: da * _sigmoid(z),
    ),
    "gelu": (
        lambda z: z * _normal_cdf(z),
        lambda da, z: da * (_normal_cdf(z) + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)),
    ),
    "silu": (lambda z: z * _sigmoid(z), lambda da, z: da * _sigmoid(z) * (1 + z * _sigmoid(-z))),
    "softmax": (
        _softmax,
        lambda da, z: _softmax(z) * (da - (da * _softmax(z)).sum(axis=-1, keepdims=True)),
    ),
    "exponential": (np.exp, lambda da, z: da * np.exp(z)),
    "selu": (  # Klambauer et al., 2017
        lambda z: _SCALE * np.where(z > 0, z, _ALPHA * np.expm1(np.minimum(z, 0))),
        lambda da, z: da * _SCALE * np.where(z > 0, 1, _ALPHA * np.exp(np.minimum(z, 0))),
    ),
    "mish": (lambda z: z * np.tanh(np.logaddexp(0, z)), _mish_backward),  # Misra, 2019
}


# ---- dropout -------------------------------------------------------------------------------------
def dropout_mask(
    rate: float, seed: int, step: int, layer: int, rows: int, n_units: int, dtype: DTypeLike
) -> AnyArray:
    """Return a dropout mask: 0 with probability `rate`, else 1 / (1 - rate).

    A training step multiplies the inputs of a layer by its mask. This is inverted dropout
    (Srivastava et al., 2014, section 10): it preserves the mean, so inference needs no scaling.

    Whether a unit is dropped depends only on a hash of (seed, step, layer, row, unit). The first
    four are mixed into 64 bits by the finalizer of splitmix64 (Steele, Lea and Flood, 2014). Their
    halves are the keys of a 32-bit hash of the unit by steps of the finalizer of MurmurHash3. A
    unit is dropped if the hash is below floor(rate 2^32). The kernels use the same masks.

    Parameters
    ----------
    rate : float in [0, 1)
    seed : int
        Only the lowest 64 bits matter.
    step : int
        Number of steps before this one.
    layer : int
        Index of the layer, starting at 0.
    rows : int
        Number of rows of the batch.
    n_units : int
        Number of inputs of the layer.
    dtype : dtype of the result

    Returns
    -------
    array (rows, n_units)
    """
    key = np.array([seed % 2**64], np.uint64)
    for number in (step, layer, np.arange(rows)):
        key = _mix(key, number)
    low, high = (
        key.astype(np.uint32)[:, np.newaxis],
        (key >> np.uint64(32)).astype(np.uint32)[:, np.newaxis],
    )
    h = _hash(np.arange(n_units, dtype=np.uint32), low, high)
    return np.where(h >= int(rate * 2**32), 1 / (1 - rate), 0).astype(dtype)


def _mix(key, number):
    """Mix a number, or each of several, into a 64-bit key; modulo 2^64."""
    number = np.asarray(number + 1, np.uint64).reshape(-1)
    x = key + np.uint64(0x9E3779B97F4A7C15) * number
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _hash(n, low, high):
    """Return a 32-bit hash of a number and the halves of a key; modulo 2^32."""
    h = low + n * np.uint32(0x9E3779B9)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B) + high
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


# ---- helpers -------------------------------------------------------------------------------------
def look_up(argument, name, table):
    """Return the entry of a table, or raise a ValueError that lists the names."""
    if name not in table:
        raise ValueError(f"{argument} must be one of {', '.join(table)}, got {name!r}")
    return table[name]


def _store(out, result):
    """Return the result, stored in `out` unless it is None."""
    if out is None:
        return result
    out[...] = result
    return out
