"""Training on an EncodedTable: as in fastnn.reference, and as with dense inputs."""

import numpy as np
import pytest
from checks import assert_same_bits
from small_training import check_fit
from table_cases import LAYOUTS, make_table, targets

import fastnn
from fastnn import MLP, SGD, Adam, schedules
from fastnn.callbacks import EarlyStopping

TABLE = make_table("all")
OPTIMIZERS = {  # name: (class, rate, its other options)
    "sgd": (SGD, 0.05, {}),
    "momentum": (SGD, 0.05, dict(momentum=0.9, nesterov=True)),
    "adagrad": (fastnn.Adagrad, 0.05, {}),
    "adadelta": (fastnn.Adadelta, 1.0, dict(rho=0.9)),
    "rmsprop": (fastnn.RMSprop, 0.01, dict(centered=True, momentum=0.5)),
    "adam": (Adam, 0.01, {}),
    "amsgrad": (Adam, 0.01, dict(amsgrad=True)),
    "adamw": (fastnn.AdamW, 0.01, dict(weight_decay=0.1)),
    "adamax": (fastnn.Adamax, 0.01, {}),
    "nadam": (fastnn.NAdam, 0.01, {}),
    "lion": (fastnn.Lion, 0.003, {}),
}


LAZY = dict(weight_decay=0.1, lazy_categories=True)
LARGE = make_table("levels")  # 1,100 categories, most of which no batch of 64 rows has


def network(n_out=1, output="identity", width=9, table=TABLE, **options):
    sizes = [table.n_inputs, width, n_out]
    return MLP(sizes, "tanh", output, **dict(dtype="float64", rng=0) | options)


def check(table, net, optimizer, batch, **options):
    """Compare with the reference."""
    y = targets(len(table), net.layer_sizes[-1])
    check_fit(net, table, y, "mse", optimizer, 3, batch, **options)


@pytest.mark.parametrize("batch", [64, 300])  # updates in phase B, and in a separate pass
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_as_in_the_reference(name, batch):
    cls, lr, options = OPTIMIZERS[name]
    check(TABLE, network(2), cls(lr, **options), batch, **options)


OPTIMIZERS_CASES = [
    dict(l1=0.01, l2=0.02),
    dict(clip_value=0.001),
    dict(clip_norm=0.05),
    dict(clip_norm=0.05, l2=0.1),
    dict(average=0.9),
]


@pytest.mark.parametrize("batch", [64, 300])
@pytest.mark.parametrize("options", OPTIMIZERS_CASES, ids="-".join)
def test_options_of_optimizers_as_in_the_reference(options, batch):
    for width in (9, 40):
        check(TABLE, network(2, width=width), SGD(0.05, **options), batch, moves=1e-4, **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dropout", [(0.3, 0.0), (0.5, 0.2)])
def test_dropout_as_in_the_reference(isa, layout, dropout):
    table = make_table(layout, 300)
    for batch in (64, 300):
        check(table, network(2, table=table, dropout=dropout), SGD(0.05), batch)


# ---- lazy updates of categories ----

CLIPPING = [{}, dict(clip_value=0.001), dict(clip_norm=0.05)]
TABLES = {"all": TABLE, "levels": LARGE, "codes": make_table("codes")}


@pytest.mark.parametrize("options", CLIPPING, ids="-".join)
@pytest.mark.parametrize("batch", [64, 300])
@pytest.mark.parametrize("width", [1, 3, 9, 40])
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_lazy_categories_as_in_the_reference(isa, table, width, batch, options):
    options = LAZY | options
    net = network(2, width=width, table=table, dropout=(0.3, 0.0))
    check(table, net, fastnn.AdamW(0.01, **options), batch, **options)


def test_lazy_categories_in_shards_as_in_the_reference():
    net = network(2, table=LARGE, dropout=(0.3, 0.0))
    check(LARGE, net, fastnn.AdamW(0.01, **LAZY), 64, shards=4, **LAZY)


def test_lazy_categories_leave_those_without_rows_alone():
    table, y = make_table("levels", dtype="float32"), targets(300)
    lazy, all_ = (network(table=table, dtype="float32") for _ in range(2))
    before = lazy.weights[0].copy()
    options = dict(epochs=3, batch_size=64)
    lazy.fit(table, y, optimizer=fastnn.AdamW(0.01, **LAZY), **options)
    all_.fit(table, y, optimizer=fastnn.AdamW(0.01, weight_decay=0.1), **options)
    n = table.n_inputs - table.layout.n_categories[0]
    has_rows = np.isin(np.arange(1100), table.codes)
    assert_same_bits(lazy.weights[0][n:][~has_rows], before[n:][~has_rows])
    for net, moved in ((lazy, has_rows), (all_, slice(None))):
        assert (net.weights[0][n:][moved] != before[n:][moved]).all()
    # the rows of numbers and bins, and a category, move about as far as without
    np.testing.assert_allclose(lazy.weights[0][:n], all_.weights[0][:n], atol=0.01)
    moves = [np.abs(net.weights[0][n:] - before[n:])[has_rows].mean() for net in (lazy, all_)]
    assert moves[0] == pytest.approx(moves[1], rel=0.5)


@pytest.mark.parametrize("batch", [64, 300])
@pytest.mark.parametrize("layout", ["all", "levels"])
def test_lazy_categories_resume_within_an_epoch(layout, batch, dtype):
    table, y = make_table(layout, 1000, dtype=dtype.name), targets(1000)
    options = dict(optimizer=fastnn.AdamW(0.01, **LAZY), batch_size=batch)
    once, twice, of_many = (network(table=table, width=40, dtype=dtype) for _ in range(3))
    once.fit(table, y, epochs=3, rng=1, **options)
    twice.fit(table, y, epochs=3, rng=1, max_steps=7, **options)
    assert twice.state.row > 0
    twice.fit(table, y, epochs=3 - twice.state.epoch, resume=True, **options)
    fastnn.fit_many([of_many], table, y, epochs=3, rng=[1], **options)
    for net in (twice, of_many):
        assert_same_bits(net.params, once.params)
        assert_same_bits(net.state.moments, once.state.moments)


@pytest.mark.parametrize("name", ["amsgrad", "l1", "l2", "average"])
def test_lazy_categories_refuse_what_needs_all_weights(name):
    value = True if name == "amsgrad" else 0.1
    with pytest.raises(ValueError, match=f"cannot be combined with {name}="):
        fastnn.AdamW(lazy_categories=True, **{name: value})


def test_moments_of_lazy_categories_are_not_those_of_adam():
    net, y = network(), targets(300)
    net.fit(TABLE, y, optimizer=fastnn.AdamW(), epochs=1)
    with pytest.raises(ValueError, match="cannot continue with the moments of"):
        net.fit(TABLE, y, optimizer=fastnn.AdamW(lazy_categories=True), epochs=1, resume=True)


# ---- losses ----

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
    y = targets(len(TABLE), n_out)
    y = convert(y) if convert else y
    a, b = network(n_out, output), network(n_out, output)
    options = dict(optimizer=Adam(schedules.StepDecay(0.01, 2)), epochs=4, rng=3)
    options |= dict(sample_weight=np.arange(300) % 4 / 2, validation_fraction=0.2)
    for net, X in ((a, TABLE), (b, TABLE.to_dense())):
        net.fit(X, y, loss, **options)
    np.testing.assert_allclose(a.history.loss, b.history.loss, rtol=1e-9)
    np.testing.assert_allclose(a.history.val_loss, b.history.val_loss, rtol=1e-9)
    np.testing.assert_allclose(a.params, b.params, rtol=0, atol=1e-9)


def test_custom_loss_class_weight_and_callbacks_as_with_dense_inputs():
    table, y = make_table("all", 600), targets(600)
    labels = y[:, 0] > 0
    seen = []

    def half_squares(outputs, y):
        d = outputs - y
        return (d**2).sum() / 2, d

    for X in (table, table.to_dense()):
        net, classes, stopped = network(), network(1, "sigmoid"), network(1, "sigmoid")
        net.fit(X, y, half_squares, SGD(0.001), epochs=2, batch_size=400, validation_fraction=0.1)
        stop = dict(class_weight="balanced", callbacks=lambda net, history: history.n_epochs == 4)
        classes.fit(X, labels, epochs=5, validation_data=(X[:100], labels[:100]), **stop)
        early = dict(callbacks=EarlyStopping(2, monitor="error_rate"), validation_fraction=0.3)
        stopped.fit(X, labels, optimizer=Adam(0.1), epochs=30, rng=1, **early)
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
    table, y = make_table("all", dtype=dtype.name), targets(300)
    once, twice, net, dense = (MLP([table.n_inputs, 9, 1], dtype=dtype, rng=0) for _ in range(4))
    once.fit(table, y, epochs=4, rng=1)
    twice.fit(table, y, epochs=2, rng=1)
    twice.fit(table, y, epochs=2, resume=True)
    assert_same_bits(twice.params, once.params)
    for first in range(0, 300, 100):
        rows = slice(first, first + 100)
        net.partial_fit(table[rows], y[rows])
        dense.partial_fit(table[rows].to_dense(), y[rows])
    assert net.state.epoch == 3 and np.isfinite(net.params).all()
    np.testing.assert_allclose(net.params, dense.params, atol=1e-4)


def test_fit_many_shares_one_table(dtype):
    table, y = make_table("all", dtype=dtype.name), targets(300)
    rows = [np.arange(0, 200), np.arange(100, 300), np.arange(0, 300, 2)]
    held_out = [np.arange(200, 300), np.arange(100), np.arange(1, 300, 2)]
    sizes = [[table.n_inputs, width, 1] for width in (9, 30, 64)]
    networks = [MLP(s, dtype=dtype, rng=0, dropout=(0.2, 0.1)) for s in sizes]
    alone = [net.copy() for net in networks]
    options = dict(epochs=4, optimizer=Adam(0.01), callbacks=EarlyStopping(2))
    each = dict(rows=rows, validation_rows=held_out, rng=[1, 2, 3])
    fastnn.fit_many(networks, table, y, n_threads=2, **each, **options)
    for i, (net, own, others) in enumerate(zip(alone, rows, held_out)):
        validation = table[others], y[others]
        net.fit(table[own], y[own], validation_data=validation, rng=i + 1, **options)
        assert_same_bits(networks[i].params, net.params)
        assert_same_bits(networks[i].history.val_loss, net.history.val_loss)
    nets = [MLP(sizes[0], dtype=dtype, rng=0) for _ in range(2)]
    assert len(fastnn.fit_many(nets, [table, table[::-1]], y, epochs=1)) == 2
