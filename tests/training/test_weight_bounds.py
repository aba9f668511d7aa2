"""weight_bounds: every update keeps the weights within their bounds, as in the reference."""

import pickle

import numpy as np
import pytest
from checks import assert_same_bits
from small_training import check_fit, data
from table_cases import make_table, targets

import fastnn
from fastnn import MLP, SGD, Adam, AdamW
from fastnn.core.weight_bounds import WeightBounds

X, Y = data(300, n_out=2, dtype="float64")
OPTIMIZERS = {
    "sgd": (SGD(0.1), {}),
    "momentum": (SGD(0.05, momentum=0.9), dict(momentum=0.9)),
    "adam": (Adam(0.02), {}),
    "adamw, penalties, an average": (
        AdamW(0.02, weight_decay=0.1, l1=0.01, l2=0.02, average=0.8),
        dict(weight_decay=0.1, l1=0.01, l2=0.02, average=0.8),
    ),
    "adam, clipped by norm": (Adam(0.02, clip_norm=0.05), dict(clip_norm=0.05)),
    "rmsprop": (fastnn.RMSprop(0.01, momentum=0.5), dict(momentum=0.5)),
    "lion": (fastnn.Lion(0.01), {}),
}
#: Layers of all layouts: narrow, one output, several panels, transposed for many rows.
SIZES = {"narrow": (6, 3, 2), "wide": (6, 40, 17, 2)}
SIZES |= {"many inputs": (70, 9, 2), "one output": (6, 9, 1)}


def some_bounds(sizes):
    """Half of the weights at 0 or above, some in an interval, some fixed, some free; a layer without."""
    rng = np.random.default_rng(2)
    out = []
    for i, shape in enumerate(zip(sizes, sizes[1:])):
        lower = rng.choice([-np.inf, -0.03, 0.0, 0.02], shape, p=[0.3, 0.2, 0.4, 0.1])
        upper = np.where(lower == 0.02, 0.02, rng.choice([0.04, np.inf], shape))
        out.append(None if i == 1 and len(sizes) > 3 else (lower, upper))
    return out


def assert_inside(net):
    touched = 0
    for W, pair in zip(net.weights, net.weight_bounds):
        for lower, upper in [] if pair is None else [pair]:
            assert ((lower <= W) & (upper >= W)).all()
            touched += (lower == W).sum() + (upper == W).sum()
    assert touched > 0  # else nothing was tested


@pytest.mark.parametrize("batch", [16, 256])  # updates in phase B, and in a separate pass
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_keeps_bounds_as_the_reference(name, sizes, batch, isa):
    optimizer, options = OPTIMIZERS[name]
    rows = np.tile(X, 12)[:, : sizes[0]]
    net = MLP(sizes, "tanh", dtype="float64", rng=0, weight_bounds=some_bounds(sizes))
    y = Y[:, : sizes[-1]]
    check_fit(net, rows, y, "mse", optimizer, 3, batch, weight_bounds=net.weight_bounds, **options)
    assert_inside(net)


@pytest.mark.parametrize("batch", [64, 300])
def test_rows_of_a_table_have_bounds(batch):
    table = make_table("all")
    sizes = [table.n_inputs, 20, 2]
    net = MLP(sizes, "tanh", dtype="float64", rng=0, weight_bounds=some_bounds(sizes))
    bounds = dict(weight_bounds=net.weight_bounds)
    check_fit(net, table, targets(len(table), 2), "mse", Adam(0.02), 3, batch, **bounds)
    assert_inside(net)


def test_lazy_categories_are_not_bounded():
    table = make_table("levels")
    sizes, n = [table.n_inputs, 9, 1], sum(table.layout.n_categories)
    lower = np.zeros((sizes[0], 1))
    lower[-n:] = -np.inf
    net = MLP(sizes, dtype="float64", rng=0, weight_bounds=[(lower, None), (0, None)])
    lazy = dict(weight_decay=0.1, lazy_categories=True)
    check_fit(
        *(net, table, targets(len(table), 1), "mse", AdamW(0.01, **lazy), 3, 64),
        **dict(weight_bounds=net.weight_bounds) | lazy,
    )
    assert (net.weights[1] >= 0).all()
    lower[-1] = 0
    net.weight_bounds = [(lower, None), None]
    with pytest.raises(ValueError, match="lazy_categories=True does not work with weight_bounds"):
        net.fit(table, targets(len(table), 1), optimizer=AdamW(**lazy))


# ---- guarantees ----


def train_bounded(net, **options):
    net.fit(X[:, :6], Y, optimizer="adamw", epochs=4, batch_size=50, **options)
    return net


def bounded_network(dtype="float32", **options):
    sizes = SIZES["wide"]
    return MLP(sizes, rng=0, dtype=dtype, weight_bounds=some_bounds(sizes), **options)


WAYS = {
    "two threads": lambda net: train_bounded(net, n_threads=2),
    "a copy": lambda net: train_bounded(net.copy()),
    "a pickle": lambda net: train_bounded(pickle.loads(pickle.dumps(net))),
    "fit_many": lambda net: (
        fastnn.fit_many([net.copy(), net], X[:, :6], Y, optimizer="adamw", epochs=4, batch_size=50)
        and net
    ),
    "resume": lambda net: train_bounded(
        train_bounded(net, max_steps=10), resume=True, max_steps=14
    ),  # 6 steps an epoch
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS)
def test_same_bits(way, dtype):
    expected = train_bounded(bounded_network(dtype))
    assert_inside(expected)
    net = WAYS[way](bounded_network(dtype))
    assert_same_bits(net.params, expected.params)
    assert_inside(net)


def test_many_small_networks_keep_their_own_bounds():
    """Without bounds, these would train together in the lanes of vectors."""
    bounds = [[(-i / 50, i / 50), (0, None)] for i in range(16)]
    nets = [MLP([6, 3, 2], rng=0, weight_bounds=each) for each in bounds]
    alone = [train_bounded(net.copy()) for net in nets]
    fastnn.fit_many(nets, X[:, :6], Y, optimizer="adamw", epochs=4, batch_size=50)
    for net, other in zip(nets, alone):
        assert_same_bits(net.params, other.params)
        assert_inside(net)


def test_a_file_keeps_bounds(reload):
    net = bounded_network()
    net.weights[2][:] = -5.0  # outside: only an update moves it
    loaded = reload(net)
    assert_same_bits(loaded.params, net.params)
    assert loaded.weight_bounds[1] is None
    for pair, other in zip(net.weight_bounds, loaded.weight_bounds):
        for side, same in zip(pair or (), other or ()):
            assert_same_bits(side, same)
    assert_same_bits(train_bounded(loaded).params, train_bounded(net).params)
    assert_inside(loaded)


def test_damaged_bounds_of_a_file(tmp_path):
    net = bounded_network()
    net._set_bounds(WeightBounds.of([pair and pair[::-1] for pair in net.weight_bounds]))
    net.save(tmp_path / "net.safetensors")
    message = r"weight_bounds is damaged: .* lower bounds above"
    with pytest.raises(fastnn.ModelFileError, match=message):
        fastnn.load(tmp_path / "net.safetensors")


def test_no_bounds_have_the_same_bits():
    net, other = MLP([6, 9, 2], rng=0), MLP([6, 9, 2], rng=0, weight_bounds=[(-9, 9), None])
    assert_same_bits(train_bounded(net).params, train_bounded(other).params)
    other.weight_bounds = None
    assert other.weight_bounds is None
    assert_same_bits(train_bounded(net).params, train_bounded(other).params)


# ---- the argument ----


def test_weights_outside_are_reflected():
    free = MLP([4, 3, 1], rng=0)
    net = MLP([4, 3, 1], rng=0, weight_bounds=[(0, None), ([[0.1], [-9], [0]], [[0.1], [9], [0]])])
    assert_same_bits(net.weights[0], np.abs(free.weights[0]))
    assert_same_bits(net.weights[1][:, 0], np.float32([0.1, free.weights[1][1, 0], 0]))
    assert not net.weight_bounds[0][0].flags.writeable
    assert not pickle.loads(pickle.dumps(net)).weight_bounds[0][0].flags.writeable


def test_wrong_bounds_change_nothing():
    net = bounded_network()
    before = net.weight_bounds
    with pytest.raises(ValueError, match="weight_bounds must be None or a list"):
        net.weight_bounds = 0
    assert net.weight_bounds is before


def test_lbfgs_is_refused():
    with pytest.raises(ValueError, match="weight_bounds does not work with L-BFGS"):
        bounded_network().fit(X[:, :6], Y, optimizer="lbfgs")
