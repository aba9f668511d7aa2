"""Training on an EncodedTable: as in fastnn.reference, and as with dense inputs."""

import numpy as np
import pytest
from checks import assert_same_bits
from table_cases import LAYOUTS, make_table, params_of, targets, to_reference

import fastnn
from fastnn import MLP, SGD, Adam, AdamW, reference, schedules
from fastnn.callbacks import EarlyStopping

OPTIMIZERS = {
    "sgd": ({}, lambda **k: SGD(0.05, **k)),
    "momentum": ({"momentum": 0.9, "nesterov": True}, lambda **k: SGD(0.05, **k)),
    "adagrad": ({}, lambda **k: fastnn.Adagrad(0.05, **k)),
    "adadelta": ({}, lambda **k: fastnn.Adadelta(**k)),
    "rmsprop": ({"centered": True, "momentum": 0.5}, lambda **k: fastnn.RMSprop(0.01, **k)),
    "adam": ({}, lambda **k: Adam(0.01, **k)),
    "amsgrad": ({"amsgrad": True}, lambda **k: Adam(0.01, **k)),
    "adamw": ({"weight_decay": 0.1}, lambda **k: AdamW(0.01, **k)),
    "adamax": ({}, lambda **k: fastnn.Adamax(0.01, **k)),
    "nadam": ({}, lambda **k: fastnn.NAdam(0.01, **k)),
    "lion": ({}, lambda **k: fastnn.Lion(0.003, **k)),
}
REFERENCE_NAMES = {"momentum": "sgd", "amsgrad": "adam"}


def check_fit(table, net, optimizer, name, lr, epochs=3, batch=64, **options):
    """Train with fit and with the reference; compare parameters and losses."""
    y = targets(len(table), net.layer_sizes[-1])
    other = net.copy()
    history = net.fit(table, y, "mse", optimizer, epochs, batch, rng=5)
    rng = np.random.default_rng(5)
    if net.has_dropout:
        options |= {"dropout": list(net.dropout), "seed": int(rng.integers(2**63))}
    weights, biases = list(other.weights), list(other.biases)
    result = reference.fit(
        to_reference(table),
        y,
        weights,
        biases,
        other.activations,
        "mse",
        name,
        lr,
        epochs,
        batch,
        True,
        rng,
        **options,
    )
    if "average" in options:
        result, weights, biases = result
    np.testing.assert_allclose(history.loss, result, rtol=1e-10)
    expected = params_of(weights, biases)
    np.testing.assert_allclose(net.params, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("batch", [64, 300])  # updates in phase B, and in a separate pass
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_as_in_the_reference(name, batch):
    options, make = OPTIMIZERS[name]
    optimizer = make(**options)
    table = make_table("all")
    net = MLP([table.n_inputs, 9, 2], "tanh", dtype="float64", rng=0)
    extra = dict(options)
    if name == "adadelta":
        extra["rho"] = optimizer.rho
    check_fit(
        table, net, optimizer, REFERENCE_NAMES.get(name, name), optimizer.lr, batch=batch, **extra
    )


@pytest.mark.parametrize("batch", [64, 300])
@pytest.mark.parametrize(
    "options",
    [
        {"l1": 0.01, "l2": 0.02},
        {"clip_value": 0.001},
        {"clip_norm": 0.05},
        {"clip_norm": 0.05, "l2": 0.1},
        {"average": 0.9},
    ],
    ids=lambda options: "-".join(options),
)
def test_options_of_optimizers_as_in_the_reference(options, batch):
    table = make_table("all")
    for width in (9, 40):
        net = MLP([table.n_inputs, width, 2], "tanh", dtype="float64", rng=0)
        check_fit(table, net, SGD(0.05, **options), "sgd", 0.05, batch=batch, **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dropout", [(0.3, 0.0), (0.5, 0.2)])
def test_dropout_as_in_the_reference(isa, layout, dropout):
    table = make_table(layout, 300)
    net = MLP([table.n_inputs, 9, 2], "tanh", dtype="float64", rng=0, dropout=dropout)
    for batch in (64, 300):
        check_fit(table, net.copy(), SGD(0.05), "sgd", 0.05, batch=batch)


LOSSES = {
    "mse": ("identity", 2, None),
    "mae": ("identity", 2, None),
    "huber": ("identity", 2, None),
    "log_cosh": ("identity", 1, None),
    "poisson": ("exponential", 2, np.abs),
    "bce": ("sigmoid", 1, lambda y: (y > 0) * 1.0),
    "cross_entropy": ("softmax", 3, lambda y: y.argmax(axis=1)),
    "gaussian_nll": ("identity", 2, lambda y: y[:, :1]),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_weights_as_with_dense_inputs(loss):
    output, n_out, convert = LOSSES[loss]
    table = make_table("all")
    y = targets(len(table), n_out)
    y = convert(y) if convert else y
    a = MLP([table.n_inputs, 9, n_out], "tanh", output, dtype="float64", rng=0)
    b = a.copy()
    for net, X in ((a, table), (b, table.to_dense())):
        net.fit(
            X,
            y,
            loss,
            Adam(schedules.StepDecay(0.01, 2)),
            epochs=4,
            sample_weight=np.arange(300) % 4 / 2,
            validation_fraction=0.2,
            rng=3,
        )
    np.testing.assert_allclose(a.history.loss, b.history.loss, rtol=1e-9)
    np.testing.assert_allclose(a.history.val_loss, b.history.val_loss, rtol=1e-9)
    np.testing.assert_allclose(a.params, b.params, rtol=0, atol=1e-9)


def test_custom_loss_class_weight_and_callbacks_as_with_dense_inputs():
    table = make_table("all", 600)
    y = targets(600)
    labels = y[:, 0] > 0
    seen = []

    def half_squares(outputs, y):
        d = outputs - y
        return (d**2).sum() / 2, d

    for X in (table, table.to_dense()):
        net = MLP([table.n_inputs, 9, 1], "tanh", dtype="float64", rng=0)
        net.fit(X, y, half_squares, SGD(0.001), epochs=2, batch_size=400, validation_fraction=0.1)
        classes = MLP([table.n_inputs, 9, 1], "tanh", "sigmoid", dtype="float64", rng=0)
        classes.fit(
            X,
            labels,
            epochs=5,
            class_weight="balanced",
            validation_data=(X[:100], labels[:100]),
            callbacks=[lambda net, history: history.n_epochs == 4],
        )
        stopped = MLP([table.n_inputs, 9, 1], "tanh", "sigmoid", dtype="float64", rng=0)
        stopped.fit(
            X,
            labels,
            optimizer=Adam(0.1),
            epochs=30,
            validation_fraction=0.3,
            callbacks=EarlyStopping(2, monitor="error_rate"),
            rng=1,
        )
        seen.append((net.params, classes.params, stopped.params, stopped.history.val_error_rate))
        assert classes.history.n_epochs == 4
    for a, b in zip(*seen):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-8)


def test_l_bfgs_as_with_dense_inputs():
    pytest.importorskip("scipy")
    table = make_table("all", dtype="float32")
    y = targets(300)
    nets = [MLP([table.n_inputs, 3, 1], "tanh", rng=0) for _ in range(2)]
    for net, X in zip(nets, (table, table.to_dense())):
        net.fit(X, y, optimizer=fastnn.LBFGS(l2=0.01), epochs=8)
    np.testing.assert_allclose(nets[0].history.loss, nets[1].history.loss, rtol=1e-4)


def test_partial_fit_and_resume(dtype):
    table = make_table("all", dtype=dtype.name)
    y = targets(300)
    once, twice = (MLP([table.n_inputs, 9, 1], dtype=dtype, rng=0) for _ in range(2))
    once.fit(table, y, epochs=4, rng=1)
    twice.fit(table, y, epochs=2, rng=1)
    twice.fit(table, y, epochs=2, resume=True)
    assert_same_bits(twice.params, once.params)
    net = MLP([table.n_inputs, 9, 1], dtype=dtype, rng=0)
    for rows in range(0, 300, 100):
        net.partial_fit(table[rows : rows + 100], y[rows : rows + 100])
    other = MLP([table.n_inputs, 9, 1], dtype=dtype, rng=0)
    other.fit(table, y, epochs=1, shuffle=False, batch_size=32)
    assert net.state.epoch == 3 and np.isfinite(net.params).all()
    dense = MLP([table.n_inputs, 9, 1], dtype=dtype, rng=0)
    for rows in range(0, 300, 100):
        dense.partial_fit(table[rows : rows + 100].to_dense(), y[rows : rows + 100])
    np.testing.assert_allclose(net.params, dense.params, atol=1e-4)


def test_fit_many_shares_one_table(dtype):
    table = make_table("all", dtype=dtype.name)
    y = targets(300)
    rows = [np.arange(0, 200), np.arange(100, 300), np.arange(0, 300, 2)]
    held_out = [np.arange(200, 300), np.arange(100), np.arange(1, 300, 2)]
    sizes = [[table.n_inputs, width, 1] for width in (9, 30, 64)]
    networks = [MLP(s, dtype=dtype, rng=0, dropout=(0.2, 0.1)) for s in sizes]
    alone = [net.copy() for net in networks]
    options = {"epochs": 4, "optimizer": Adam(0.01), "callbacks": EarlyStopping(2)}
    fastnn.fit_many(
        networks,
        table,
        y,
        rows=rows,
        validation_rows=held_out,
        rng=[1, 2, 3],
        n_threads=2,
        **options,
    )
    for i, net in enumerate(alone):
        net.fit(
            table[rows[i]],
            y[rows[i]],
            validation_data=(table[held_out[i]], y[held_out[i]]),
            rng=i + 1,
            **options,
        )
        assert_same_bits(networks[i].params, net.params)
        assert_same_bits(networks[i].history.val_loss, net.history.val_loss)
    tables = fastnn.fit_many(
        [MLP(sizes[0], dtype=dtype, rng=0) for _ in range(2)], [table, table[::-1]], y, epochs=1
    )
    assert len(tables) == 2
