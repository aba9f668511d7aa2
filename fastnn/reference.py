"""The four lines of the article in plain NumPy: what is right, and what is slow.

    z = x W + b                                       linear
    a = f(z)                                          activation
    L = -1/N sum y log a + (1 - y) log(1 - a)         binary_cross_entropy, and other losses
    W = W - lr dL/dW,   b = b - lr dL/db              sgd_step_, and another update

These functions have the signatures of `fastnn.functional`; the networks at the end are built from them. Rows are
samples: X is (n, n_in), W is (n_in, n_out), b is (n_out,). dW stands for dL/dW and has the shape of W. Everything is
computed in the dtype of its inputs.
"""

import math

import numpy as np


# ---- linear ----------------------------------------------------------------------------------------------------------
def linear(X, W, b=None, activation="identity", out=None):
    """One dense layer, Y = f(X W + b).

    Parameters
    ----------
    X, W, b : arrays (n, n_in), (n_in, n_out) and (n_out,); no b means no bias
    activation : str, the name of f
    out : array (n, n_out), optional; receives the result, Y
    """
    value, _ = _choose("activation", activation, _ACTIVATIONS)
    return _into(out, value(X @ W if b is None else X @ W + b))


def linear_backward(dY, X, W, b, Y, activation="identity", need_dX=True):
    """The gradients of `linear`: dZ = dY f'(Z), dX = dZ W^T, dW = X^T dZ, and db is the sum of the rows of dZ.

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
    _, backward = _choose("activation", activation, _ACTIVATIONS)
    dZ = dY if activation == "identity" else backward(dY, linear(X, W, b))
    dX = dZ @ W.T if need_dX else None
    db = None if b is None else dZ.sum(axis=0)
    return dX, X.T @ dZ, db


# ---- activation ------------------------------------------------------------------------------------------------------
def activation(Z, name, out=None):
    """A = f(Z), element by element; for softmax, over the last axis::

        name          f(z)                                  f'(z)
        identity      z                                     1
        sigmoid       s(z) = 1 / (1 + exp(-z))              s(z) s(-z)
        relu          max(z, 0)                             1 if z > 0 else 0
        tanh          tanh(z)                               1 - tanh(z)^2
        leaky_relu    z if z > 0 else 0.01 z                1 if z > 0 else 0.01
        elu           max(z, 0) + exp(min(z, 0)) - 1        exp(min(z, 0))
        softplus      log(1 + exp(z))                       s(z)
        gelu          z P(z), P(z) = (1 + erf(z/√2)) / 2    P(z) + z exp(-z^2/2) / √(2π)
        silu          z s(z)                                s(z) (1 + z s(-z))
        softmax       a_j = exp(z_j) / sum_k exp(z_k)       da_j/dz_k = a_j (δ_jk - a_k)

    Parameters
    ----------
    Z : array, any shape
    name : str
    out : array like Z, optional; receives the result, A
    """
    value, _ = _choose("activation", name, _ACTIVATIONS)
    return _into(out, value(Z))


def activation_backward(dA, Z, name, out=None):
    """The gradient of `activation`: dZ = dA f'(Z); for softmax, dz_k = a_k (da_k - sum_j da_j a_j).

    Parameters
    ----------
    dA : array like Z, the gradient with respect to A = f(Z)
    Z, name : what `activation` was given
    out : array like Z, optional; receives the result, dZ
    """
    _, backward = _choose("activation", name, _ACTIVATIONS)
    return _into(out, backward(dA, Z))


def _sigmoid(z):
    e = np.exp(-np.abs(z))  # never overflows
    return np.where(z >= 0, 1, e) / (1 + e)


def _normal_cdf(z):  # (1 + erf(z/√2)) / 2, written so that it keeps its digits where erf is near -1
    return (np.vectorize(math.erfc, otypes=[float])(-z / math.sqrt(2)) / 2).astype(z.dtype)


def _softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


_ACTIVATIONS = {  # name: (f(z), da f'(z))
    "identity": (np.copy, lambda da, z: np.copy(da)),
    "sigmoid": (_sigmoid, lambda da, z: da * _sigmoid(z) * _sigmoid(-z)),
    "relu": (lambda z: np.maximum(z, 0), lambda da, z: np.where(z > 0, da, 0)),
    "tanh": (np.tanh, lambda da, z: da * (1 - np.tanh(z) ** 2)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda da, z: np.where(z > 0, da, 0.01 * da)),
    "elu": (lambda z: np.maximum(z, 0) + np.expm1(np.minimum(z, 0)), lambda da, z: da * np.exp(np.minimum(z, 0))),
    "softplus": (lambda z: np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))), lambda da, z: da * _sigmoid(z)),
    "gelu": (
        lambda z: z * _normal_cdf(z),
        lambda da, z: da * (_normal_cdf(z) + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)),
    ),
    "silu": (lambda z: z * _sigmoid(z), lambda da, z: da * _sigmoid(z) * (1 + z * _sigmoid(-z))),
    "softmax": (_softmax, lambda da, z: _softmax(z) * (da - (da * _softmax(z)).sum(axis=-1, keepdims=True))),
}


# ---- losses: L = sum_i w_i l_i / sum_i w_i over the rows i; 0 when the weights sum to 0 ------------------------------
def binary_cross_entropy(Y, y, sample_weight=None, grad=None):
    """From probabilities: l = -sum_j y_j log p_j + (1 - y_j) log(1 - p_j), dl/dp = (p - y) / (p (1 - p)).

    As in PyTorch, the logarithms are at least -100 and p (1 - p) is at least 1e-12.

    Parameters
    ----------
    Y : array (n, n_out) or (n,), the probabilities p
    y : array like Y, or (n,) for one output; targets in [0, 1]
    sample_weight : array (n,), optional
    grad : array like Y, optional; receives dL/dY

    Returns
    -------
    L : float
    """
    p, y, share = _rows(Y, y, sample_weight)
    with np.errstate(divide="ignore"):
        log_p, log_q = np.maximum(np.log(p), -100), np.maximum(np.log1p(-p), -100)
    L = -(share * (y * log_p + (1 - y) * log_q)).sum()
    if grad is not None:
        _columns(grad)[...] = share * (p - y) / np.maximum(p * (1 - p), 1e-12)
    return float(L)


def binary_cross_entropy_with_logits(Z, y, sample_weight=None, grad=None):
    """From logits, p = sigmoid(z): l = sum_j max(z_j, 0) - z_j y_j + log(1 + exp(-|z_j|)), dl/dz = sigmoid(z) - y.

    Parameters and result are those of `binary_cross_entropy`, with logits Z in the place of the probabilities.
    """
    z, y, share = _rows(Z, y, sample_weight)
    L = (share * (np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z))))).sum()
    if grad is not None:
        _columns(grad)[...] = share * (_sigmoid(z) - y)
    return float(L)


def cross_entropy(Z, y, sample_weight=None, grad=None):
    """From logits: l = sum_j y_j (log sum_k exp(z_k) - z_j), dl/dz = softmax(z) sum_j y_j - y.

    Parameters and result are those of `binary_cross_entropy`, with logits Z (n, k) in the place of the probabilities;
    y holds classes from 0 to k - 1, as integers (n,), or rows of probabilities (n, k).
    """
    y, k = np.asarray(y), np.shape(Z)[1]
    if y.ndim == 1:
        if not np.isin(y, np.arange(k)).all():
            raise ValueError(f"y must hold classes from 0 to {k - 1}")
        y = y[:, np.newaxis] == np.arange(k)
    z, y, share = _rows(Z, y, sample_weight)
    z = z - z.max(axis=1, keepdims=True)
    L = (share * y * (np.log(np.exp(z).sum(axis=1, keepdims=True)) - z)).sum()
    if grad is not None:
        grad[...] = share * (_softmax(z) * y.sum(axis=1, keepdims=True) - y)
    return float(L)


def mean_squared_error(Y, y, sample_weight=None, grad=None):
    """The mean over outputs, without 1/2: l = 1/n_out sum_j (Y_j - y_j)^2, dl/dY = 2/n_out (Y - y).

    Parameters and result are those of `binary_cross_entropy`, with any numbers as outputs and targets.
    """
    Y, y, share = _rows(Y, y, sample_weight)
    difference, n_out = Y - y, Y.shape[1]
    L = (share * difference**2 / n_out).sum()
    if grad is not None:
        _columns(grad)[...] = share * 2 * difference / n_out
    return float(L)


def _rows(Y, y, sample_weight):
    """Y and y as arrays (n, n_out) of one dtype, and the share w_i / sum(w) of every row, (n, 1)."""
    Y = _columns(np.asarray(Y))
    y = _columns(np.asarray(y, dtype=Y.dtype))
    if y.shape != Y.shape:
        raise ValueError(f"y has shape {y.shape}, the outputs have {Y.shape}")
    w = np.ones(len(Y), Y.dtype) if sample_weight is None else np.asarray(sample_weight, dtype=Y.dtype)
    share = w / w.sum() if w.any() else np.zeros_like(w)
    return Y, y, share.reshape(len(Y), 1)


def _columns(a):
    return a[:, np.newaxis] if a.ndim == 1 else a


# ---- updates, in place -----------------------------------------------------------------------------------------------
def sgd_step_(params, grads, lr, momentum=0.0, nesterov=False, weight_decay=0.0, velocity=None):
    """Gradient descent as PyTorch defines it: g = grads + weight_decay p, v = momentum v + g, p = p - lr v.

    Nesterov's variant takes g + momentum v in the place of the last v.

    Parameters
    ----------
    params, grads : arrays of one shape; params is changed
    lr, momentum, weight_decay : float
    nesterov : bool
    velocity : array like params, zeros before the first step; changed, and needed with momentum
    """
    g = grads if weight_decay == 0 else grads + weight_decay * params
    if momentum != 0:
        if velocity is None:
            raise ValueError("momentum needs velocity: an array of zeros like params, kept from step to step")
        velocity[...] = momentum * velocity + g
        g = g + momentum * velocity if nesterov else velocity
    params -= lr * g


def adam_step_(params, grads, m, v, step, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """Adam as PyTorch defines it, with g = grads + weight_decay p and t = step:

    m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,   p = p - lr/(1 - b1^t) m / (√v / √(1 - b2^t) + eps)

    Parameters
    ----------
    params, grads : arrays of one shape; params is changed
    m, v : arrays like params, zeros before the first step; changed
    step : int, counted from 1
    lr, betas, eps, weight_decay : float; betas is (b1, b2)
    """
    b1, b2 = betas
    g = grads if weight_decay == 0 else grads + weight_decay * params
    m[...] = b1 * m + (1 - b1) * g
    v[...] = b2 * v + (1 - b2) * g * g
    params -= lr / (1 - b1**step) * m / (np.sqrt(v) / math.sqrt(1 - b2**step) + eps)


# ---- networks: for each layer a W (n_in, n_out), a b (n_out,) or None, and the name of an activation -----------------
def forward(X, weights, biases, activations):
    """The outputs (n, n_out) of a network for the rows of X (n, n_in): `linear`, layer after layer."""
    for W, b, name in zip(weights, biases, activations, strict=True):
        X = linear(X, W, b, name)
    return X


_LOSSES = {  # name: (the loss, the output activation whose z it is computed from; None: from the output itself)
    "bce": (binary_cross_entropy_with_logits, "sigmoid"),
    "bce_with_logits": (binary_cross_entropy_with_logits, "identity"),
    "cross_entropy": (cross_entropy, "softmax"),
    "mse": (mean_squared_error, None),
}


def loss_and_grad(X, y, weights, biases, activations, loss, sample_weight=None):
    """The loss of a network and its gradients, by the chain rule from the last layer to the first.

    Parameters
    ----------
    X : array (n, n_in)
    y, sample_weight : what the loss takes
    weights, biases, activations : lists, one entry for each layer; a bias may be None
    loss : "bce" (for a sigmoid output), "bce_with_logits" (identity), "cross_entropy" (softmax) or "mse" (any)

    Returns
    -------
    L, grad_weights, grad_biases : float, and lists like weights and biases
    """
    loss_of, output = _choose("loss", loss, _LOSSES)
    if output is not None:
        if activations[-1] != output:
            raise ValueError(f"loss {loss!r} needs the output activation {output!r}, got {activations[-1]!r}")
        activations = [*activations[:-1], "identity"]  # these losses start from z
    Z, A = [], [X]
    for W, b, name in zip(weights, biases, activations, strict=True):
        Z.append(linear(A[-1], W, b))
        A.append(activation(Z[-1], name))
    dA = np.empty_like(A[-1])
    L = loss_of(A[-1], y, sample_weight, grad=dA)
    dW, db = [None] * len(Z), [None] * len(Z)
    for i in reversed(range(len(Z))):
        dZ = activation_backward(dA, Z[i], activations[i])
        dA, dW[i], db[i] = linear_backward(dZ, A[i], weights[i], biases[i], Z[i], need_dX=i > 0)
    return L, dW, db


def fit(X, y, weights, biases, activations, loss, optimizer="sgd", lr=1e-3, epochs=10, batch_size=32, shuffle=False,
        rng=None, sample_weight=None, **options):  # fmt: skip
    """Train by mini-batches, changing weights and biases in place.

    Parameters
    ----------
    X, y, weights, biases, activations, loss, sample_weight : what `loss_and_grad` takes
    optimizer, lr, **options : "sgd" or "adam", and the arguments of `sgd_step_` or `adam_step_`
    epochs, batch_size : int; the last batch of an epoch may be shorter
    shuffle, rng : bool, and int, Generator or None; an epoch takes the rows in the order of rng.permutation(n)

    Returns
    -------
    history : list of float, one for each epoch: the batches' losses before their updates, averaged over the rows
    """
    _choose("optimizer", optimizer, {"sgd": sgd_step_, "adam": adam_step_})
    X, y, n, rng = np.asarray(X), np.asarray(y), len(X), np.random.default_rng(rng)
    w = np.ones(n, X.dtype) if sample_weight is None else np.asarray(sample_weight)
    params = [p for p in [*weights, *biases] if p is not None]
    state = [(np.zeros_like(p), np.zeros_like(p)) for p in params]
    history, step = [], 0
    for _ in range(epochs):
        order = rng.permutation(n) if shuffle else np.arange(n)
        total = 0.0
        for start in range(0, n, batch_size):
            rows = order[start : start + batch_size]
            L, dW, db = loss_and_grad(X[rows], y[rows], weights, biases, activations, loss, w[rows])
            grads = [g for g in [*dW, *db] if g is not None]
            total += L * len(rows)
            step += 1
            for p, g, (m, v) in zip(params, grads, state, strict=True):
                if optimizer == "sgd":
                    sgd_step_(p, g, lr, velocity=v, **options)
                else:
                    adam_step_(p, g, m, v, step, lr, **options)
        history.append(total / max(n, 1))
    return history


# ---- helpers ---------------------------------------------------------------------------------------------------------
def _choose(what, name, table):
    if name not in table:
        raise ValueError(f"unknown {what} {name!r}; choose from {', '.join(table)}")
    return table[name]


def _into(out, result):
    if out is None:
        return result
    out[...] = result
    return out
