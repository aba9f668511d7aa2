"""One layer: z = x W + b, then a = f(z), and the gradients of both; and what dropout leaves of its
inputs."""

import math

import numpy as np


# ---- linear --------------------------------------------------------------------------------------
def linear(X, W, b=None, activation="identity", out=None):
    """One dense layer, Y = f(X W + b).

    Parameters
    ----------
    X, W, b : arrays (n, n_in), (n_in, n_out) and (n_out,); no b means no bias
    activation : str, the name of f
    out : array (n, n_out), optional; receives the result, Y
    """
    value, _ = resolve("activation", activation, _ACTIVATIONS)
    return _into(out, value(X @ W if b is None else X @ W + b))


def linear_backward(dY, X, W, b, Y, activation="identity", need_dX=True):
    """The gradients of `linear`: dZ = dY f'(Z), dX = dZ W^T, dW = X^T dZ, and db is the sum of the
    rows of dZ.

    Parameters
    ----------
    dY : array (n, n_out), the gradient with respect to Y
    X, W, b, activation : what `linear` was given
    Y : array (n, n_out), what it returned; not read here, since every f'(Z) is computed from Z
    need_dX : bool, False for a first layer

    Returns
    -------
    dX, dW, db : arrays like X, W and b; dX is None without need_dX, db is None without b
    """
    _, backward = resolve("activation", activation, _ACTIVATIONS)
    dZ = dY if activation == "identity" else backward(dY, linear(X, W, b))
    dX = dZ @ W.T if need_dX else None
    db = None if b is None else dZ.sum(axis=0)
    return dX, X.T @ dZ, db


# ---- activation ----------------------------------------------------------------------------------
def activation(Z, name, out=None):
    """A = f(Z), element by element; for softmax, over the last axis::

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
        softmax       exp(z_j) / sum_k exp(z_k)                of a row; as an output only
        exponential   exp(z)                                   a; for outputs that count (poisson)
        selu          s z if z > 0 else s alpha (exp(z) - 1)   s if a > 0 else a + s alpha
        mish          z t, t = tanh(log(1 + exp(z)))           t + z (1 - t^2) sigmoid(z)

    Parameters
    ----------
    Z : array, any shape
    name : str
    out : array like Z, optional; receives the result, A
    """
    value, _ = resolve("activation", name, _ACTIVATIONS)
    return _into(out, value(Z))


def activation_backward(dA, Z, name, out=None):
    """The gradient of `activation`: dZ = dA f'(Z); for softmax, dz_k = a_k (da_k - sum_j da_j a_j).

    Parameters
    ----------
    dA : array like Z, the gradient with respect to A = f(Z)
    Z, name : what `activation` was given
    out : array like Z, optional; receives the result, dZ
    """
    _, backward = resolve("activation", name, _ACTIVATIONS)
    return _into(out, backward(dA, Z))


def _sigmoid(z):
    e = np.exp(-np.abs(z))  # never overflows
    return np.where(z >= 0, 1, e) / (1 + e)


def _normal_cdf(z):  # (1 + erf(z/√2)) / 2, written so that it keeps its digits where erf is near -1
    return (np.vectorize(math.erfc, otypes=[float])(-z / math.sqrt(2)) / 2).astype(z.dtype)


def _softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _mish_backward(da, z):
    t = np.tanh(np.logaddexp(0, z))
    return da * (t + z * (1 - t * t) * _sigmoid(z))


_SCALE, _ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717  # selu's

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
def dropout_mask(rate, seed, step, layer, rows, n_units, dtype):
    """What a step multiplies a layer's inputs by: 0 with probability `rate`, else 1 / (1 - rate).

    Inverted dropout (Srivastava et al., 2014, section 10): the mean stays, so inference does
    nothing. A unit's fate is a hash of (seed, step, layer, row, unit) and of nothing else: the
    first four are mixed into 64 bits (the finaliser of splitmix64, Steele, Lea and Flood, 2014),
    whose halves key a hash of 32 bits of the unit's number (steps of MurmurHash3's finaliser). A
    unit is dropped where that is below floor(rate 2^32). The kernels draw the same.

    Parameters
    ----------
    rate : float in [0, 1)
    seed : int, its last 64 bits count
    step : int, how many steps were done before this one
    layer : int, the number of the layer whose inputs are dropped; the first is 0
    rows, n_units : int, how many rows the batch has, and how many inputs the layer
    dtype : dtype of the result

    Returns
    -------
    mask : array (rows, n_units)
    """
    key = np.array([seed % 2**64], np.uint64)
    for number in (step, layer, np.arange(rows)):
        key = _mixed_in(key, number)
    low, high = (
        key.astype(np.uint32)[:, np.newaxis],
        (key >> np.uint64(32)).astype(np.uint32)[:, np.newaxis],
    )
    h = _hash(np.arange(n_units, dtype=np.uint32), low, high)
    return np.where(h >= int(rate * 2**32), 1 / (1 - rate), 0).astype(dtype)


def _mixed_in(key, number):
    """A key of 64 bits made of another and of a number (or several: several keys)."""
    x = key + np.uint64(0x9E3779B97F4A7C15) * np.asarray(number + 1, np.uint64).reshape(
        -1
    )  # all modulo 2^64
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _hash(n, low, high):
    """32 bits made of a number and of the halves of a key."""
    h = low + n * np.uint32(0x9E3779B9)  # all modulo 2^32
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B) + high
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


# ---- helpers -------------------------------------------------------------------------------------
def resolve(what, name, table):
    """The entry of a table, or an error that says what there is."""
    if name not in table:
        raise ValueError(f"unknown {what} {name!r}; choose from {', '.join(table)}")
    return table[name]


def _into(out, result):
    if out is None:
        return result
    out[...] = result
    return out
