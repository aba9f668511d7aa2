"""Small networks that fit_many trains in the lanes of vectors get the bits of their own fit."""

import contextlib

import numpy as np
import pytest
from checks import assert_same_bits
from many_cases import assert_same_training
from trainers import new_trainer

import fastnn
from fastnn import MLP, SGD, Adam, losses
from fastnn.kernels import CompiledNetwork, Loss, ShardedRows, TrainerQueue
from fastnn.training import pool
from fastnn.training.pool import Pool

LANES = {"float32": {"baseline": 4, "avx2": 8, "avx512": 16, "neon": 4}}
LANES["float64"] = {"baseline": 1, "avx2": 4, "avx512": 8, "neon": 1}
K = 18  # networks: more than lanes, and a rest
EPOCHS = 3

WEIGHTED = losses.BCE([1, 2, 3])
# name: (sizes, options of MLP, rows, options of fit)
CASES = {
    "one output": ((3, 4, 1), {}, 64, {}),
    "one layer": ((6, 1), {}, 13, {}),
    "one of each": ((1, 1, 1), {}, 5, {}),
    "several outputs": ((3, 4, 3), {}, 31, {}),
    "narrow": ((3, 5, 2), {}, 40, {"batch_size": 40}),
    "a deep one": ((2, 3, 4, 3, 2), {}, 21, {}),
    "many inputs": ((19, 3, 1), {}, 17, {}),
    "many inputs of one output": ((19, 1), {}, 17, {}),
    "three inputs of a last layer": ((2, 3, 1), {}, 9, {}),
    "wide": ((4, 8, 1), {}, 9, {}),
    "several chunks": ((3, 4, 2), {}, 600, {"batch_size": 590}),
    "a chunk and one row": ((2, 2, 1), {}, 257, {"batch_size": None}),
    "single rows": ((3, 4, 1), {}, 6, {"batch_size": 1}),
    "in order": ((3, 4, 1), {}, 30, {"shuffle": False}),
    "no bias": ((3, 4, 1), {"bias": False}, 30, {}),
    "no bias, and a penalty": ((3, 4, 2), {"bias": False}, 30, {"optimizer": SGD(0.1, l2=0.02)}),
    "logits": ((3, 4, 1), {"output": "sigmoid"}, 30, {"loss": "bce"}),
    "logits of several outputs": ((3, 4, 3), {"output": "sigmoid"}, 30, {"loss": WEIGHTED}),
    "probabilities": ((3, 4, 2), {"output": "sigmoid"}, 30, {"loss": "mse"}),
    "smoothed": ((3, 4, 1), {"output": "sigmoid"}, 30, {"loss": losses.BCE(label_smoothing=0.1)}),
    "rates": ((3, 4, 2), {"output": "exponential"}, 30, {"loss": "poisson"}),
    "absolute": ((3, 4, 3), {}, 30, {"loss": "mae"}),
    "huber": ((3, 4, 3), {}, 30, {"loss": losses.Huber(0.3)}),
    "log-cosh": ((3, 4, 1), {}, 30, {"loss": "log_cosh"}),
    "quantiles": ((3, 4, 3), {}, 30, {"loss": losses.Quantile([0.1, 0.5, 0.9])}),
    "patience of all": ((3, 4, 1), {}, 30, {"callbacks": [fastnn.EarlyStopping(1, min_delta=9.0)]}),
    "patience": ((3, 4, 1), {}, 30, {"callbacks": [fastnn.EarlyStopping(1)], "epochs": 30}),
    "a schedule": ((3, 4, 1), {}, 30, {"optimizer": SGD(fastnn.schedules.CosineDecay(0.1, 9))}),
    "divergence": ((3, 4, 1), {}, 30, {"optimizer": SGD(30.0), "epochs": 9}),
    "divergence of some": ((3, 4, 2), {}, 30, {"optimizer": SGD(0.1), "y_scale": 1e18}),
} | {
    name: ((3, 4, 2), {"activation": name}, 30, {})
    for name in ("sigmoid", "relu", "leaky_relu", "elu", "softplus", "gelu", "silu", "selu", "mish")
}
OPTIMIZERS = [
    SGD(0.1),
    SGD(0.1, momentum=0.9, nesterov=True),
    SGD(0.1, l1=0.01, l2=0.02),
    Adam(0.02),
    Adam(0.02, amsgrad=True, weight_decay=0.1),
    Adam(0.02, average=0.9, clip_value=0.1),
]
OTHERS = "AdamW Adagrad Adadelta RMSprop Adamax NAdam Lion".split()
OPTIMIZERS += [getattr(fastnn.optimizers, name)(0.02) for name in OTHERS]
CASES |= {str(optimizer): ((3, 4, 2), {}, 30, {"optimizer": optimizer}) for optimizer in OPTIMIZERS}

# what trains alone, beside those
ALONE = {
    "dropout": ((3, 4, 1), {"dropout": 0.2}, 30, {}),
    "clipped norm": ((3, 4, 1), {}, 30, {"optimizer": Adam(0.02, clip_norm=0.1)}),
    "softmax": ((3, 4, 3), {"output": "softmax"}, 30, {"loss": "cross_entropy"}),
    "many parameters": ((3, 70, 1), {}, 30, {}),
    "weights": ((3, 4, 1), {}, 30, {"sample_weight": np.arange(1.0, 31)}),
}


def make_networks(case, dtype, k=K):
    """Return networks, X, targets of each network, and arguments of fit_many with lists."""
    sizes, options, n, arguments = case
    options = {"activation": "tanh", "output": "identity"} | options
    random = np.random.default_rng(0)
    X = random.normal(size=(n, sizes[0]))
    y = (random.random((k, n, sizes[-1])) > 0.5).astype(float)
    nets = [MLP(sizes, dtype=dtype, rng=i, **options) for i in range(k)]
    arguments = {"epochs": EPOCHS, "batch_size": 8, "y_scale": 1} | arguments
    y[::5] *= arguments.pop("y_scale") ** (2 if dtype == "float32" else 10)  # squares overflow
    if isinstance(arguments.get("loss"), losses.Quantile):
        y = y[..., 0]
    return nets, X, y, {name: [value] * k for name, value in arguments.items()}


@pytest.fixture
def lanes(monkeypatch):
    """The `max_lanes` of each network."""
    found, begin = [], Pool.begin

    def record(self, i, session):
        found.append(session.engine.trainer.max_lanes())
        begin(self, i, session)

    monkeypatch.setattr(Pool, "begin", record)
    return found


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("case", (CASES | ALONE).values(), ids=CASES | ALONE)
def test_the_bits_are_those_of_its_own_fit(isa, dtype, case, n_threads, lanes):
    nets, X, y, arguments = make_networks(case, dtype)
    alone = [net.copy() for net in nets]
    arguments["rng"] = list(range(K))
    fastnn.fit_many(nets, X, list(y), n_threads=n_threads, **arguments)
    for i, net in enumerate(alone):
        with contextlib.suppress(fastnn.DivergenceError):
            net.fit(X, y[i], **{name: value[i] for name, value in arguments.items()})
        assert_same_training(nets[i], net)
    n = LANES[np.dtype(dtype).name][isa]
    is_alone = any(case is each for each in ALONE.values()) or max(case[0][1:]) > n
    assert set(lanes) == {1 if is_alone else n}


def test_they_resume(isa, dtype, monkeypatch):
    monkeypatch.setattr(pool, "SLICE_SECONDS", 0.0)  # so slices are short
    monkeypatch.setattr(pool, "TAIL_SECONDS", 0.0)
    nets, X, y, arguments = make_networks(((3, 4, 2), {}, 300, {"optimizer": Adam(0.02)}), dtype)
    alone = [net.copy() for net in nets]
    fastnn.fit_many(nets, X, list(y), rng=list(range(K)), **arguments)
    for i, net in enumerate(nets):
        assert net.history.n_epochs == EPOCHS
        net.fit(X, y[i], epochs=1, batch_size=8, optimizer=Adam(0.02), resume=True)
    fastnn.fit_many(nets, X, list(y), resume=True, **arguments)
    epochs = 2 * EPOCHS + 1
    for i, net in enumerate(alone):
        net.fit(X, y[i], epochs=epochs, batch_size=8, optimizer=Adam(0.02), rng=i)
        assert_same_bits(nets[i].params, net.params)
        assert_same_bits(nets[i].state.moments, net.state.moments)


def test_groups_end_where_networks_differ(isa, dtype, lanes):
    """Layers, options and epochs change along the list, so there are groups of any size."""
    random = np.random.default_rng(1)
    X, y = random.normal(size=(30, 3)), random.normal(size=(30, 2))
    sizes = [(3, 4, 2) if i % 13 < 9 else (3, 3, 2) for i in range(40)]
    nets = [MLP(each, "tanh", bias=i > 5, dtype=dtype, rng=i) for i, each in enumerate(sizes)]
    alone = [net.copy() for net in nets]
    arguments = dict(
        optimizer=[SGD(0.1) if i % 17 < 11 else SGD(0.2) for i in range(40)],
        epochs=[1 + i // 20 for i in range(40)],
        batch_size=[8 if i < 33 else 9 for i in range(40)],
        rows=[np.arange(30 - i // 30) for i in range(40)],
        loss=["mse" if i < 35 else "mae" for i in range(40)],
        rng=list(range(40)),
    )
    fastnn.fit_many(nets, X, y, **arguments)
    for i, net in enumerate(alone):
        own = {name: value[i] for name, value in arguments.items()}
        rows = own.pop("rows")
        net.fit(X[rows], y[rows], **own)
        assert_same_training(nets[i], net)


# the first trainings, and what those after them have: no lanes may hold both. Only "shuffling" shares them
USUAL = {"sizes": (3, 4, 1), "activation": "tanh", "position": (4, 1, 8, 0.0), "shuffles": False}
USUAL |= {"pos_weight": 2.0}
DIFFERENCES = {
    "inputs": {"sizes": (2, 4, 1)},
    "activations": {"activation": "relu"},
    "shuffling": {"shuffles": True},
    "pos_weight": {"pos_weight": 3.0},
    "no pos_weight": {"pos_weight": None},
    "smoothing": {"smoothing": 0.2},
    "epoch": {"position": (4, 2, 8, 0.0)},
    "row": {"position": (4, 1, 16, 0.0)},
}


@pytest.mark.parametrize("difference", DIFFERENCES.values(), ids=DIFFERENCES)
def test_steps_that_differ_share_no_lanes(isa, dtype, difference):
    random = np.random.default_rng(1)
    X, y = random.normal(size=(24, 3)).astype(dtype), random.random((24, 1)).astype(dtype)

    def train(numbers):
        """Return the parameters of trainings in one queue."""
        queue, nets, trainers = TrainerQueue(), [], []
        for i in numbers:
            options = USUAL | (difference if i >= K // 2 else {})
            sizes, activation, position, shuffles, pos_weight = map(options.pop, USUAL)
            nets.append(MLP(sizes, activation, "sigmoid", dtype=dtype, rng=i))
            options |= {"generator": np.random.PCG64(0)} if shuffles else {}
            options |= {"loss_numbers": np.array([pos_weight], dtype)} if pos_weight else {}
            options |= {"loss": Loss.LOGITS_BINARY_CROSS_ENTROPY, "workspace": queue.workspace}
            rows = np.ascontiguousarray(X[:, : sizes[0]])  # one array, if they have all columns
            trainers.append(new_trainer(nets[-1], rows, y, batch_size=8, **options))
            trainers[-1].load()
            trainers[-1].set_position(*position)
        # all end with the third epoch
        queue.run(trainers, [np.zeros((3, 3 - each.position()[1])) for each in trainers], 1, 100.0)
        for each in trainers:
            each.store()
        return [net.params for net in nets]

    for i, params in enumerate(train(range(K))):
        assert_same_bits(params, *train([i]))


def test_what_trains_alone(isa, dtype):
    X, y = np.ones((2, 24, 3), dtype)
    n_lanes = LANES[np.dtype(dtype).name][isa]
    net = MLP((3, 4, 3), "tanh", dtype=dtype, rng=0)
    assert new_trainer(net, X, y).max_lanes() == n_lanes
    table, no_layers = fastnn.EncodedTable(X, dtype=dtype), CompiledNetwork()
    no_layers._bind([3], [], [], [], np.dtype(dtype))
    assert new_trainer(no_layers, X, y).max_lanes() == 1
    for rows, targets, options in (
        (table, y, {}),
        (X, y, {"dX": np.empty_like(X)}),
        (X, y, {"shards": ShardedRows(np.array([24]), 0, 1, 8)}),
        (X, y, {"optimizer": None}),
        (X, y, {"loss_scale": 2.0}),
        (X, y, {"gradient_scale": 2.0}),
        (X, y, {"jacobian": np.ones((24, 3), dtype), "jacobian_inputs": np.array([1])}),
        (X, y, {"loss": Loss.GIVEN_GRADIENT}),
        (X, y, {"loss": Loss.CROSS_ENTROPY}),
        (X, np.ones(24, np.int64), {"loss": Loss.CLASS_CROSS_ENTROPY}),
        (X, y, {"loss": Loss.GAUSSIAN}),
    ):
        assert new_trainer(net, rows, targets, **options).max_lanes() == 1, options
