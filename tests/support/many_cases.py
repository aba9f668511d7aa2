"""Rows, networks and comparisons for the tests of many networks."""

import contextlib

import numpy as np
from checks import assert_same_bits

from fastnn import MLP, DivergenceError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 7)).astype(np.float32)
Y = (X[:, 0] + 0.5 * RNG.normal(size=300) > 0).astype(np.float32)
ROWS = [np.sort(RNG.choice(300, 150 + 10 * i, replace=i % 2 == 0)) for i in range(8)]
HELD_OUT = [np.setdiff1d(np.arange(300), rows) for rows in ROWS]


def networks(k=8, **options):
    """Return k networks. Four in a row have one shape."""
    options = {"output": "sigmoid"} | options
    return [MLP([7, 4 + 9 * (i // 4), 1], rng=i, **options) for i in range(k)]


def fit_alone(nets, arguments):
    """Train each network with its own `fit`, on copied rows."""
    for i, net in enumerate(nets):
        own = {name: value[i] for name, value in arguments.items()}
        rows, held_out = own.pop("rows", slice(None)), own.pop("validation_rows", None)
        weight = own.pop("sample_weight", None)
        if held_out is not None:
            part = (X[held_out], Y[held_out])
            own["validation_data"] = part if weight is None else (*part, weight[held_out])
        with contextlib.suppress(DivergenceError):
            net.fit(X[rows], Y[rows], sample_weight=None if weight is None else weight[rows], **own)


def assert_same_training(one, other):
    """The same parameters, moments, histories and best epochs."""
    assert_same_bits(one.params, other.params)
    a, b = one.history, other.history
    for name in ("loss", "val_loss", "val_error_rate", "n_epochs", "n_steps", "stop_reason"):
        assert getattr(a, name) == getattr(b, name), name
    assert (one.state.step, one.state.epoch, one.state.row) == (
        other.state.step,
        other.state.epoch,
        other.state.row,
    )
    assert_same_bits(one.state.moments, other.state.moments)
    assert (one.state.best is None) == (other.state.best is None)
    if one.state.best is not None:
        assert (one.state.best.epoch, one.state.best.loss) == (
            other.state.best.epoch,
            other.state.best.loss,
        )
        assert_same_bits(one.state.best.params, other.state.best.params)
    assert one.rng.bit_generator.state == other.rng.bit_generator.state
