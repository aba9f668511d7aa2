"""Networks, and their training. For each layer: W (n_in, n_out), b (n_out,) or None, and the name
of an activation."""

import inspect
import math

import numpy as np

from .layer import activation, activation_backward, dropout_mask, linear, linear_backward, resolve
from .losses import LOSSES
from .updates import OPTIMIZERS


def forward(X, weights, biases, activations):
    """The outputs (n, n_out) of a network for the rows of X (n, n_in): `linear`, layer after
    layer."""
    for W, b, name in zip(weights, biases, activations, strict=True):
        X = linear(X, W, b, name)
    return X


# ---- loss and gradients --------------------------------------------------------------------------
def loss_and_grad(
    X,
    y,
    weights,
    biases,
    activations,
    loss,
    sample_weight=None,
    loss_options=None,
    dropout=None,
    seed=0,
    step=0,
):
    """The loss of a network and its gradients, by the chain rule from the last layer to the first.

    Parameters
    ----------
    X : array (n, n_in)
    y, sample_weight : what the loss takes
    weights, biases, activations : lists, one entry for each layer; a bias may be None
    loss : str, a name of `losses.LOSSES`, which says what output activation it needs; or a function
        (outputs, y) -> (value, d_outputs), which is called without sample_weight
    loss_options : dict, optional; further arguments of the loss. Several q of "quantile" want as
    many outputs for each
        target: those of target 0 for all q, then of target 1, ...
    dropout : list of float, optional; for each layer the share of its inputs that is dropped
    seed, step : int, what `dropout_mask` takes

    Returns
    -------
    L, grad_weights, grad_biases : float, and lists like weights and biases
    """
    if not callable(loss):
        loss_of, output = resolve("loss", loss, LOSSES)
        if output is not None:
            if activations[-1] != output:
                raise ValueError(
                    f"loss {loss!r} needs the output activation {output!r}, got {activations[-1]!r}"
                )
            activations = [*activations[:-1], "identity"]  # these losses start from z
    masks = [None] * len(weights)  # what the inputs of the layers are multiplied by
    if dropout is not None:
        masks = [
            dropout_mask(rate, seed, step, layer, len(X), len(W), W.dtype)
            for layer, (rate, W) in enumerate(zip(dropout, weights, strict=True))
        ]
    inputs, Z, A = [], [], X
    for W, b, name, mask in zip(weights, biases, activations, masks, strict=True):
        inputs.append(A if mask is None else A * mask)
        Z.append(linear(inputs[-1], W, b))
        A = activation(Z[-1], name)
    if callable(loss):
        L, dA = loss(A, y)
    else:
        dA = np.empty_like(A)
        L = loss_of(A, y, sample_weight, dA, **(loss_options or {}))
    dW, db = [None] * len(Z), [None] * len(Z)
    for i in reversed(range(len(Z))):
        dZ = activation_backward(dA, Z[i], activations[i])
        dA, dW[i], db[i] = linear_backward(
            dZ, inputs[i], weights[i], biases[i], Z[i], need_dX=i > 0
        )
        if i > 0 and masks[i] is not None:
            dA *= masks[i]
    return L, dW, db


# ---- training ------------------------------------------------------------------------------------
def fit(
    X,
    y,
    weights,
    biases,
    activations,
    loss,
    optimizer="sgd",
    lr=1e-3,
    epochs=10,
    batch_size=32,
    shuffle=False,
    rng=None,
    sample_weight=None,
    loss_options=None,
    l1=0.0,
    l2=0.0,
    clip_value=None,
    clip_norm=None,
    average=None,
    dropout=None,
    seed=0,
    **options,
):
    """Train by mini-batches, changing weights and biases in place.

    Parameters
    ----------
    X, y, weights, biases, activations, loss, sample_weight, loss_options, dropout, seed : what
    `loss_and_grad` takes optimizer, **options : str, a name of `updates.OPTIMIZERS`, and arguments
    of its step; amsgrad=True for the variant of
        adam and adamw
    lr : float, or a function lr(step, epoch) of how many whole steps and epochs were done before
    epochs, batch_size : int; the last batch of an epoch may be shorter
    shuffle, rng : bool, and int, Generator or None; an epoch takes the rows in the order of
    rng.permutation(n) l1, l2 : float; penalties l1 sum |W| + l2/2 sum W^2 of the weights, not of
    the biases: g = dL/dW + l2 W + l1 sign(W) clip_value, clip_norm : float, optional; then each
    number of the gradient is cut to [-clip_value, clip_value], or
        all are multiplied by min(1, clip_norm / (N + 1e-6)), N their Euclidean norm (Pascanu,
        Mikolov and Bengio, 2013)
    average : float in (0, 1), optional; the decay of a moving average A of the parameters, which
    begins where they do:
        A = average A + (1 - average) p after every step

    Returns
    -------
    history : list of float, one for each epoch: the batches' losses before their updates, averaged
    over the rows;
        without penalties
    averaged_weights, averaged_biases : lists like weights and biases; with `average` only
    """
    step_, moving = resolve("optimizer", optimizer, OPTIMIZERS)
    if options.pop("amsgrad", False):
        moving = [*moving, "v_max"]
    counts = "step" in inspect.signature(step_).parameters  # a step that wants its number
    X, y, n, rng = np.asarray(X), np.asarray(y), len(X), np.random.default_rng(rng)
    w = np.ones(n, X.dtype) if sample_weight is None else np.asarray(sample_weight)
    params = _arrays(weights, biases)
    state = [{name: np.zeros_like(p) for name in moving} for p in params]
    averaged_weights, averaged_biases = (
        [None if p is None else p.copy() for p in ps] for ps in (weights, biases)
    )
    history, step = [], 0
    for epoch in range(epochs):
        order = rng.permutation(n) if shuffle else np.arange(n)
        total = 0.0
        for start in range(0, n, batch_size):
            rows = order[start : start + batch_size]
            L, dW, db = loss_and_grad(
                X[rows],
                y[rows],
                weights,
                biases,
                activations,
                loss,
                w[rows],
                loss_options,
                dropout,
                seed,
                step,
            )
            total += L * len(rows)
            _adjust_(dW, db, weights, l1, l2, clip_value, clip_norm)
            options["lr"] = lr(step, epoch) if callable(lr) else lr
            step += 1
            if counts:
                options["step"] = step
            for p, g, arrays in zip(params, _arrays(dW, db), state, strict=True):
                step_(p, g, **arrays, **options)
            if average is not None:
                for p, mean in zip(params, _arrays(averaged_weights, averaged_biases), strict=True):
                    mean += (1 - average) * (p - mean)
        history.append(total / max(n, 1))
    return history if average is None else (history, averaged_weights, averaged_biases)


def _adjust_(dW, db, weights, l1, l2, clip_value, clip_norm):
    """Penalties and clipping, in place."""
    for g, W in zip(dW, weights, strict=True):
        if l2 != 0:
            g += l2 * W
        if l1 != 0:
            g += l1 * np.sign(W)
    grads = _arrays(dW, db)
    if clip_value is not None:
        for g in grads:
            np.clip(g, -clip_value, clip_value, out=g)
    if clip_norm is not None:
        norm = math.sqrt(sum(float((g * g).sum()) for g in grads))
        for g in grads:
            g *= min(1.0, clip_norm / (norm + 1e-6))


def _arrays(weights, biases):
    """Weights, and the biases that there are, in one list."""
    return [p for p in [*weights, *biases] if p is not None]
