"""Rows and custom losses of small trainings, and the comparison of `fit` with that of the reference."""

import numpy as np
from checks import assert_within
from table_cases import to_reference

from fastnn import EncodedTable, reference


def data(n=70, n_in=6, n_out=1, dtype="float32", seed=1):
    """Rows, and targets in 0..1."""
    X = np.random.default_rng(seed).normal(size=(n, n_in)).astype(dtype)
    return X, ((np.sin(X[:, :1] * np.arange(1, n_out + 1)) + 1) / 2).astype(dtype)


def squared(outputs, y):
    """The mean squared error, as a custom loss."""
    d = (outputs - y).astype(outputs.dtype)
    return float((d * d).mean()), 2 * d / d.size


def log_cosh(outputs, y):
    """The mean log cosh of the error, as a custom loss."""
    d = outputs - np.reshape(y, outputs.shape)
    return np.log(np.cosh(np.clip(d, -80, 80))).mean(), np.tanh(d) / d.size


def half_squares(outputs, y, *needed):
    """A custom loss of the outputs and all derivatives that it needs: of each a, the sum of a^2/2 - a y, over the rows."""
    value, gradients = 0.0, []
    for a in (outputs, *needed):
        slope = a - y.reshape(y.shape + (1,) * (a.ndim - 2))
        value += ((2 * slope - a) * a).sum() / 2 / len(a)
        gradients.append(slope / len(a))
    return value, *gradients


def check_fit(
    net, X, y, loss, optimizer, epochs, batch, shuffle=True, weight=None, lr=None,
    loss_name=None, loss_options=None, moves=1e-3, tolerance=1e-10, shards=None, derivatives=None,
    **settings,
):  # fmt: skip
    """Train a network with fit and with the reference; compare parameters and losses.

    moves : by how much a parameter must change at least
    derivatives : dict of dy and its weight and inputs, for both
    """
    before, other = net.params.copy(), net.copy()
    derivatives = derivatives or {}
    history = net.fit(
        *(X, y, loss, optimizer, epochs, batch, shuffle),
        **dict(rng=5, sample_weight=weight, shards=shards) | derivatives,
    )
    rng = np.random.default_rng(5)
    seed = int(rng.integers(2**63)) if net.has_dropout else 0
    if shards is not None:
        settings["shards"], rng, seed = shards, net.state.shuffle_seed, net.state.seed
    losses = reference.fit(
        to_reference(X) if isinstance(X, EncodedTable) else X,
        *(y, list(other.weights), list(other.biases), net.activations, loss_name or loss),
        *(type(optimizer).__name__.lower(), optimizer.lr if lr is None else lr, epochs, batch),
        *(shuffle, rng, weight, loss_options),
        **dict(dropout=net.dropout, seed=seed, **settings, **derivatives),
    )
    trained = net.params
    if "average" in settings:
        losses, *averaged = losses
        averaged = np.concatenate([p.ravel() for pair in zip(*averaged) for p in pair])
        assert_within(net.params, averaged, tolerance, "average")
        trained = net.state.params
    assert_within(trained, other.params, tolerance, "parameters")
    assert np.abs(trained - before).max() >= moves
    assert_within(np.array(history.loss), np.array(losses), tolerance, "losses")
