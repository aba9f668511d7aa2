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
    assert_same_bits(one.state.moments, other.state.moments)
    for name in ("loss", "val_loss", "val_error_rate", "n_epochs", "n_steps", "stop_reason"):
        assert getattr(one.history, name) == getattr(other.history, name), name
    for name in ("step", "epoch", "row"):
        assert getattr(one.state, name) == getattr(other.state, name), name
    best, other_best = one.state.best, other.state.best
    assert (best is None) == (other_best is None)
    if best is not None:
        assert (best.epoch, best.loss) == (other_best.epoch, other_best.loss)
        assert_same_bits(best.params, other_best.params)
    assert one.rng.bit_generator.state == other.rng.bit_generator.state


def assert_same_trainings(nets, others):
    for net, other in zip(nets, others, strict=True):
        assert_same_training(net, other)
