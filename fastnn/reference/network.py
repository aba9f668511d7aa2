"""Networks and their training.

A network is three lists with an entry for each layer: weights W (n_in, n_out), biases b (n_out,) or
None, and names of activations.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .derivatives import jacobian_loss_and_grad
from .layer import activation, activation_backward, dropout_mask, linear, linear_backward, look_up
from .losses import LOSSES
from .table import EncodedTable, table_linear, table_linear_backward
from .updates import OPTIMIZERS, lazy_adamw_step_

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from ..typing import AnyArray, LossName, OptimizerName, OutputActivation, Rng


def forward(
    X: AnyArray | EncodedTable,
    weights: Sequence[AnyArray],
    biases: Sequence[AnyArray | None],
    activations: Sequence[OutputActivation],
) -> AnyArray:
    """Return the outputs (n, n_out) of a network for the rows of X (n, n_in), or of an EncodedTable."""
    A: Any = X
    for W, b, name in zip(weights, biases, activations, strict=True):
        A = activation(_product(A, W, b), name)
    return A


def _product(X, W, b):
    return table_linear(X, W, b) if isinstance(X, EncodedTable) else linear(X, W, b)


# ---- loss and gradients --------------------------------------------------------------------------
def loss_and_grad(
    X: AnyArray | EncodedTable,
    y: AnyArray,
    weights: Sequence[AnyArray],
    biases: Sequence[AnyArray | None],
    activations: Sequence[OutputActivation],
    loss: LossName | Callable[[AnyArray, AnyArray], tuple[float, AnyArray]],
    sample_weight: AnyArray | None = None,
    loss_options: dict[str, Any] | None = None,
    dropout: Sequence[float] | None = None,
    seed: int = 0,
    step: int = 0,
) -> tuple[float, list[AnyArray], list[AnyArray | None]]:
    """Return the loss of a network and its gradients, computed by backpropagation.

    Parameters
    ----------
    X : array (n, n_in) or EncodedTable
    y, sample_weight
        As the loss takes them.
    weights, biases, activations : list
        One entry for each layer; a bias may be None.
    loss : str or callable
        A name in `losses.LOSSES`, which also gives the output activation that the loss needs, or a
        function (outputs, y) -> (value, d_outputs), which is called without sample_weight.
    loss_options : dict, optional
        More arguments of the loss. With several q, "quantile" needs one output for each target and
        q: those of target 0 for all q, then those of target 1, and so on.
    dropout : list of float, optional
        Dropout rate of the inputs of each layer.
    seed, step : int
        Arguments of `dropout_mask`.

    Returns
    -------
    L : float
    grad_weights, grad_biases : list
        Like weights and biases.
    """
    if not callable(loss):
        loss_function, output = look_up("loss", loss, LOSSES)
        if output is not None:
            if activations[-1] != output:
                raise ValueError(
                    f"loss {loss!r} needs the output activation {output!r}, got {activations[-1]!r}"
                )
            activations = [*activations[:-1], "identity"]  # these losses take z
    masks: list[Any] = [None] * len(weights)  # dropout masks of the inputs of the layers
    if dropout is not None:
        masks = [
            dropout_mask(rate, seed, step, layer, len(X), n_units, W.dtype)
            for layer, (rate, W) in enumerate(zip(dropout, weights, strict=True))
            for n_units in [X.n_columns if layer == 0 and isinstance(X, EncodedTable) else len(W)]
        ]
    inputs: list[Any] = []
    Z: list[AnyArray] = []
    A: Any = X
    dA: Any
    for W, b, name, mask in zip(weights, biases, activations, masks, strict=True):
        if isinstance(A, EncodedTable):
            inputs.append(replace(A, mask=mask))
        else:
            inputs.append(A if mask is None else A * mask)
        Z.append(_product(inputs[-1], W, b))
        A = activation(Z[-1], name)
    if callable(loss):
        L, dA = loss(A, y)
    else:
        dA = np.empty_like(A)
        L = loss_function(A, y, sample_weight, dA, **(loss_options or {}))
    dW: list[Any] = [None] * len(Z)
    db: list[AnyArray | None] = [None] * len(Z)
    for i in reversed(range(len(Z))):
        dZ = activation_backward(dA, Z[i], activations[i])
        if isinstance(inputs[i], EncodedTable):
            dW[i] = table_linear_backward(dZ, inputs[i], weights[i])
            db[i] = None if biases[i] is None else dZ.sum(axis=0)
            break
        dA, dW[i], db[i] = linear_backward(
            dZ, inputs[i], weights[i], biases[i], Z[i], need_dX=i > 0
        )
        if i > 0 and masks[i] is not None:
            dA *= masks[i]
    return L, dW, db


# ---- training ------------------------------------------------------------------------------------
def fit(
    X: AnyArray | EncodedTable,
    y: AnyArray | None,
    weights: Sequence[AnyArray],
    biases: Sequence[AnyArray | None],
    activations: Sequence[OutputActivation],
    loss: LossName | Callable[[AnyArray, AnyArray], tuple[float, AnyArray]],
    optimizer: OptimizerName = "sgd",
    lr: float | Callable[[int, int], float] = 1e-3,
    epochs: int = 10,
    batch_size: int = 32,
    shuffle: bool = False,
    rng: Rng = None,
    sample_weight: AnyArray | None = None,
    loss_options: dict[str, Any] | None = None,
    l1: float = 0.0,
    l2: float = 0.0,
    clip_value: float | None = None,
    clip_norm: float | None = None,
    average: float | None = None,
    dropout: Sequence[float] | None = None,
    seed: int = 0,
    shards: int | None = None,
    dy: AnyArray | None = None,
    dy_weight: float = 1.0,
    dy_inputs: Sequence[int] | None = None,
    weight_bounds: Sequence[Any] | None = None,
    **options: Any,
) -> list[float] | tuple[list[float], list[AnyArray], list[AnyArray | None]]:
    """Train a network by mini-batch gradient descent, changing weights and biases in place.

    Parameters
    ----------
    X, y, weights, biases, activations, loss, sample_weight, loss_options, dropout, seed
        As in `loss_and_grad`.
    optimizer : str, default "sgd"
        A name in `updates.OPTIMIZERS`.
    lr : float or callable
        The learning rate, or a function lr(step, epoch) of the numbers of completed steps and
        epochs.
    epochs : int, default 10
    batch_size : int, default 32
        The last batch of an epoch may be smaller.
    shuffle : bool, default False
        Whether each epoch uses the rows in the order rng.permutation(n).
    rng : int, Generator or None
        With `shards`, the seed of `shard_batches`.
    l1, l2 : float, default 0.0
        Penalties l1 sum |W| + l2/2 sum W^2 of the weights, not of the biases: g = dL/dW + l2 W + l1
        sign(W).
    clip_value : float, optional
        Clip each element of the gradient to [-clip_value, clip_value], after the penalties.
    clip_norm : float, optional
        Multiply the gradient by min(1, clip_norm / (N + 1e-6)), where N is its Euclidean norm over
        all parameters (Pascanu, Mikolov and Bengio, 2013), after the penalties.
    weight_bounds : sequence of None or (array_like, array_like), optional
        Lower and upper bounds of each W, to which it is clipped after each step.
    average : float in (0, 1), optional
        Decay of a moving average A of the parameters p, which starts from the initial parameters: A
        = average A + (1 - average) p after each step.
    shards : int, optional
        Take the batches from this number of virtual shards of the rows: see `shard_batches`.
    dy, dy_inputs : optional
        Add `dy_weight` times the loss of `jacobian_loss_and_grad` with these targets. y may then be
        None: there is no other loss.
    **options
        More arguments of the optimizer step; amsgrad=True selects AMSGrad for adam and adamw, and
        lazy_categories=True `lazy_adamw_step_` for the weights of the categories of an EncodedTable.

    Returns
    -------
    history : list of float
        For each epoch, the mean over the rows of the losses of the batches before their updates,
        without penalties.
    averaged_weights, averaged_biases : list
        Like weights and biases. Only with `average`.
    """
    step_, moments = look_up("optimizer", optimizer, OPTIMIZERS)
    if options.pop("amsgrad", False):
        moments = [*moments, "v_max"]
    n_lazy = _count_lazy_rows(X, options.pop("lazy_categories", False))
    takes_step = "step" in inspect.signature(step_).parameters
    X = X if isinstance(X, EncodedTable) else np.asarray(X)
    n = len(X)
    generator: Any = None if shards else _generator(rng)

    def batches_of(epoch):
        if generator is None:
            seed: Any = rng if shuffle else None
            return shard_batches(n, batch_size, shards or 1, seed, epoch)
        order = generator.permutation(n) if shuffle else np.arange(n)
        return [order[start : start + batch_size] for start in range(0, n, batch_size)]

    w = np.ones(n, X.dtype) if sample_weight is None else np.asarray(sample_weight)
    params = _arrays(weights, biases)
    state = [{name: np.zeros_like(p) for name in moments} for p in params]
    averaged_weights = [W.copy() for W in weights]
    averaged_biases = [None if b is None else b.copy() for b in biases]
    history: list[float] = []
    step = 0
    for epoch in range(epochs):
        total = 0.0
        for rows in batches_of(epoch):
            layers, weight = (weights, biases, activations), w[rows]
            of_y = loss, weight, loss_options, dropout, seed, step
            of_dy = weight, dy_inputs, dy_weight
            L, dW, db = _batch_loss_and_grad(rows, X, y, dy, layers, of_y, of_dy)
            total += L * len(rows)
            _adjust_(dW, db, weights, l1, l2, clip_value, clip_norm)
            options["lr"] = lr(step, epoch) if callable(lr) else lr
            step += 1
            if takes_step:
                options["step"] = step
            for i, (p, g, arrays) in enumerate(zip(params, _arrays(dW, db), state, strict=True)):
                _update_(step_, p, g, arrays, options, 0 if i else n_lazy)
            _clip_(weights, weight_bounds or ())
            if average is not None:
                for p, mean in zip(params, _arrays(averaged_weights, averaged_biases), strict=True):
                    mean += (1 - average) * (p - mean)
        history.append(total / max(n, 1))
    return history if average is None else (history, averaged_weights, averaged_biases)


def _generator(rng):
    if isinstance(rng, list | tuple):  # NumPy crashes if a list holds itself
        raise ValueError(f"rng must be an int or a Generator, got {rng!r}")
    return np.random.default_rng(rng)


def _batch_loss_and_grad(rows, X, y, dy, layers, of_y, of_dy):
    """Return the loss and the gradients of a batch: those of y, of dy, or their sums."""
    parts: list[Any] = []
    if y is not None:
        parts.append(loss_and_grad(X[rows], np.asarray(y)[rows], *layers, *of_y))
    if dy is not None:
        parts.append(jacobian_loss_and_grad(X[rows], dy[rows], *layers, *of_dy))
    L, dW, db = parts[0]
    for more, *grads in parts[1:]:
        L += more
        for g, other in zip(_arrays(dW, db), _arrays(*grads), strict=True):
            g += other
    return L, dW, db


def _adjust_(dW, db, weights, l1, l2, clip_value, clip_norm):
    """Add penalties to the gradients and clip them, in place."""
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


def _count_lazy_rows(X, lazy_categories):
    """Return the number of rows of the first W that are those of categories, the last ones, if they are lazy."""
    return sum(X.n_categories) if lazy_categories and isinstance(X, EncodedTable) else 0


def _update_(step_, p, g, moments, options, n_lazy):
    """Update an array of parameters, the last `n_lazy` rows of it by `lazy_adamw_step_`."""
    first = len(p) - n_lazy
    for rule_, rows in (step_, slice(first)), (lazy_adamw_step_, slice(first, len(p))):
        if len(p[rows]):
            rule_(p[rows], g[rows], **{name: a[rows] for name, a in moments.items()}, **options)


def _clip_(weights, bounds):
    """Clip weights to their bounds. bounds : for each layer a pair, or None"""
    for W, pair in zip(weights, bounds):
        if pair is not None:
            np.clip(W, *pair, out=W)


def _arrays(weights, biases):
    """Return weights, and biases that are not None, in one list."""
    return [p for p in [*weights, *biases] if p is not None]


# ---- batches of rows in virtual shards, which train with the same bits on any number of machines ----

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, as in splitmix64


def shard_batches(
    n: int, batch_size: int, n_shards: int, seed: int | None = None, epoch: int = 0
) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of each batch of an epoch.

    Shard j of S has floor((n + j) / S) rows, those after the rows of shard j - 1. After t batches,
    the epoch has used floor((t B + j) / S) of them, or all. Batches without rows are left out.

    Parameters
    ----------
    n : int
        Number of rows.
    batch_size : int
        B.
    n_shards : int
        S.
    seed : int, optional
        Of the order of the rows of each shard, which are not shuffled by default.
    epoch : int, default 0

    Yields
    ------
    array of int
        The rows of shard 0, then those of shard 1, ...
    """
    if batch_size < 1:  # no batch would have rows
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    orders, first = [], 0
    for shard in range(n_shards):
        rows = first + np.arange((n + shard) // n_shards)
        first += len(rows)
        if seed is not None:
            rows = rows[shuffled(len(rows), mix_in(mix_in(seed, epoch), shard))]
        orders.append(rows)
    used, t = np.zeros(n_shards, int), 0
    while used.sum() < n:
        t += 1
        ends = [min((t * batch_size + j) // n_shards, len(rows)) for j, rows in enumerate(orders)]
        batch = np.concatenate([rows[a:b] for rows, a, b in zip(orders, used, ends)])
        used = np.array(ends)
        if len(batch):
            yield batch


def shuffled(n: int, state: int) -> NDArray[np.intp]:
    """Return a permutation of n numbers, drawn by splitmix64 (Steele, Lea and Flood, 2014).

    For i = n - 1 .. 1 swap i and a random j <= i, which is the upper half of a number under the next
    mask of ones, drawn again while it is above i (Fisher and Yates, 1938).
    """
    order = np.arange(n)
    for i in range(n - 1, 0, -1):
        mask, j = 2 ** int(i).bit_length() - 1, n
        while j > i:
            state = (state + GOLDEN) & MASK
            j = (mix(state) >> 32) & mask
        order[i], order[j] = order[j], order[i]
    return order


def mix(x: int) -> int:
    """Return the hash of a number of 64 bits: the finaliser of splitmix64."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def mix_in(key: int, number: int) -> int:
    """Return a key made of another key and a number."""
    return mix((key + GOLDEN * (number + 1)) & MASK)
