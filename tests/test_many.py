"""Many networks: each trains as it would alone, on any number of threads."""

import contextlib

import numpy as np
import pytest
from checks import assert_same_bits

import fastnn
from fastnn import MLP, SGD, Adam, AdamW, DivergenceError, EarlyStopping, kernels, losses, schedules
from fastnn.training import many, session

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 7)).astype(np.float32)
Y = (X[:, 0] + 0.5 * RNG.normal(size=300) > 0).astype(np.float32)
ROWS = [np.sort(RNG.choice(300, 150 + 10 * i, replace=i % 2 == 0)) for i in range(8)]
HELD_OUT = [np.setdiff1d(np.arange(300), rows) for rows in ROWS]


def networks(k=8, **options):
    options = {"output": "sigmoid"} | options
    return [MLP([7, 4 + 3 * i, 1], rng=i, **options) for i in range(k)]


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


def weights(i):
    return np.random.default_rng(i).random(300)


K = range(8)
CASES = {
    "plain": {},
    "in order": dict(shuffle=[False] * 8),
    "rows": dict(rows=ROWS),
    "rows in order": dict(rows=ROWS, shuffle=[False] * 8),
    "validation": dict(rows=ROWS, validation_rows=HELD_OUT),
    "fraction": dict(rows=ROWS, validation_fraction=[0.1 + 0.05 * i for i in K]),
    "optimizers": dict(
        optimizer=[SGD(0.1), Adam(), AdamW(0.01), SGD(0.1, momentum=0.9)] * 2,
        epochs=[3 + i for i in K],
        batch_size=[8, 10, 16, None, 300, 33, 64, 7],
    ),
    "schedules": dict(
        optimizer=[
            SGD(schedules.CosineDecay(0.1, 6)),
            Adam(schedules.ReduceOnPlateau(0.1, patience=1)),
        ]
        * 4
    ),
    "average": dict(optimizer=[SGD(0.1, average=0.9), Adam(average=0.99, clip_norm=0.1)] * 4),
    "diverging": dict(optimizer=[SGD(0.1), SGD(1e30)] * 4),
    "weights": dict(sample_weight=[weights(i) for i in K], rows=ROWS, validation_rows=HELD_OUT),
    "class weights": dict(class_weight=["balanced", {0: 1.0, 1: 3.0}] * 4, rows=ROWS),
    "losses": dict(loss=["bce", losses.MSE(), losses.BCE(pos_weight=2.0), "huber"] * 2),
    "early stopping": dict(
        rows=ROWS,
        validation_rows=HELD_OUT,
        epochs=[60] * 8,
        optimizer=[Adam(0.03)] * 8,
        callbacks=[[EarlyStopping(2 + i % 3, keep=("first", "last")[i % 2])] for i in K],
    ),
    "error rate": dict(
        rows=ROWS,
        validation_rows=HELD_OUT,
        epochs=[60] * 8,
        callbacks=[
            [EarlyStopping(5, monitor="error_rate", keep=("first", "last")[i % 2])] for i in K
        ],
    ),
    "training loss": dict(
        epochs=[60] * 8,
        optimizer=[Adam(0.1)] * 8,
        callbacks=[[EarlyStopping(2, average)] for average in [0.0, 0.01] * 4],
    ),
}


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("case", CASES)
def test_each_network_gets_the_bits_of_its_own_fit(case, n_threads, isa, monkeypatch):
    arguments = {"epochs": [6] * 8} | CASES[case]
    alone, together = networks(), networks()
    fit_alone(alone, arguments)
    if n_threads == 5:  # slices end in the middle of epochs, and few networks are active at once
        monkeypatch.setattr(many, "SLICE_SECONDS", 0.0)
        monkeypatch.setattr(many, "TAIL_SECONDS", 0.0)
        monkeypatch.setattr(session, "SLICE_EPOCHS", 2)
        n_threads = 2
    histories = fastnn.fit_many(together, X, Y, n_threads=n_threads, **arguments)
    for one, other, history in zip(alone, together, histories):
        assert_same_training(one, other)
        assert other.history is history
    if case == "diverging":
        assert [history.stop_reason for history in histories] == [
            "all epochs done",
            "diverged",
        ] * 4


# ---- the mean of the outputs ----


@pytest.mark.parametrize("n_out", [1, 5])
def test_the_mean_adds_outputs_in_double_in_the_order_of_the_networks(isa, dtype, n_out):
    nets = [MLP([7, 4 + 3 * i, n_out], dtype=dtype, rng=i) for i in range(8)]
    rows = np.tile(X, (10, 1)).astype(dtype)  # sums on the stack and not, with the GIL and not
    for n in (0, 1, 3, 300, 3000):
        total = np.zeros((n, n_out))
        for net in nets:
            total += net.forward(rows[:n])
        mean = (total / 8).astype(dtype)
        assert_same_bits(kernels.forward_mean_finite(nets, rows[:n]), mean)
        out = np.full((n, n_out), np.nan, dtype)
        kernels.forward_mean(nets, rows[:n], out)
        assert_same_bits(out, mean)


def test_the_mean_refuses_rows_that_need_a_conversion():
    nets, bad = networks(), X[:2].copy()
    bad[1, 3] = np.nan
    for rows in (bad, X.astype("d"), X[:, :5].copy(), X.tolist(), X[::2]):
        assert kernels.forward_mean_finite(nets, rows) is None
    for other in (MLP([7, 4, 2], rng=0), MLP([6, 1], rng=0), MLP([7, 1], rng=0, dtype="float64")):
        with pytest.raises(ValueError, match="differ in inputs, outputs or dtype"):
            kernels.forward_mean_finite([*nets, other], X)
    with pytest.raises(ValueError, match="Expected a C-contiguous array of 300 numbers"):
        kernels.forward_mean(nets, X, np.empty((299, 1), "f"))


def test_the_probabilities_of_two_classes(dtype):
    p = np.array([[0.25], [0.1], [1.0]], dtype)
    assert_same_bits(kernels.two_classes(p), np.hstack([1 - p, p]))
    for wrong in (np.ones((3, 2), dtype), np.ones(3, dtype), np.ones((6, 1), dtype)[::2]):
        with pytest.raises(ValueError, match=r"array of shape \(n, 1\)"):
            kernels.two_classes(wrong)
