"""fit_many on random arguments: each network gets the bits of its own fit, also if it shares an
engine with networks that have other rows."""

import numpy as np
import pytest
from many_cases import X, Y, assert_same_trainings, fit_alone
from scale import scaled

import fastnn
from fastnn import MLP, SGD, Adam, EarlyStopping, losses, schedules

OPTIMIZERS = [SGD(0.1), SGD(0.05, momentum=0.9), SGD(schedules.ReduceOnPlateau(0.5, patience=1))]
OPTIMIZERS += [Adam(0.01), Adam(0.02), Adam(0.01, average=0.9), Adam(0.01, clip_norm=0.1)]
STOPPING = [EarlyStopping(2), EarlyStopping(1, keep="last"), EarlyStopping(2, monitor="error_rate")]
STOPPING = [[], *([each] for each in STOPPING)]


def some_rows(random):
    n = int(random.choice([1, 3, 31, 32, 33, 100, 257, 300]))
    return random.choice(300, n, replace=bool(random.integers(2)))


def one_or_each(random, values, k):
    """Return a list of k values: mostly the same one, or others of these few."""
    if random.random() < 0.8:
        return [values[random.integers(len(values))]] * k
    return [values[random.integers(len(values))] for _ in range(k)]


def random_arguments(random, k):
    arguments = dict(
        optimizer=one_or_each(random, OPTIMIZERS, k),
        epochs=one_or_each(random, [0, 1, 3, 5], k),
        batch_size=one_or_each(random, [1, 7, 32, 300, 1000, None], k),
        shuffle=one_or_each(random, [True, False], k),
        loss=one_or_each(random, [None, losses.BCE(pos_weight=2.0), "mse"], k),
        rng=[int(seed) for seed in random.integers(100, size=k)],
    )
    if random.integers(2):
        arguments["sample_weight"] = one_or_each(random, [random.random(300) for _ in range(2)], k)
    elif random.integers(2):
        arguments["loss"] = one_or_each(random, [None, "bce"], k)
        arguments["class_weight"] = one_or_each(random, ["balanced", {0: 1.0, 1: 3.0}], k)
    if random.integers(4):
        rows = [some_rows(random) for _ in range(k)]
        arguments["rows"] = rows if random.integers(4) else [rows[0]] * k
    if random.integers(4):
        held_out = [some_rows(random) for _ in range(k)]
        arguments["validation_rows"] = held_out if random.integers(4) else [held_out[0]] * k
        arguments["callbacks"] = one_or_each(random, STOPPING, k)
        if any(each and each[0].monitor == "error_rate" for each in arguments["callbacks"]):
            arguments["loss"] = [None] * k  # an error rate needs classes
    return arguments


def random_networks(random, k):
    shapes = one_or_each(random, [(7, 5, 1), (7, 12, 4, 1), (7, 1)], k)
    dropout = one_or_each(random, [0.0, 0.0, 0.2], k)
    bias, dtype = bool(random.integers(2)), ("float32", "float64")[random.integers(2)]
    return [
        MLP(shape, output="sigmoid", dropout=p, bias=bias, dtype=dtype, rng=i)
        for i, (shape, p) in enumerate(zip(shapes, dropout))
    ]


@pytest.mark.parametrize("seed", range(scaled(60)))
def test_each_network_gets_the_bits_of_its_own_fit(seed):
    random = np.random.default_rng(seed)
    k = int(random.integers(2, 7))
    together = random_networks(random, k)
    alone = [net.copy() for net in together]
    arguments = random_arguments(random, k)
    fit_alone(alone, arguments)
    fastnn.fit_many(together, X, Y, n_threads=int(random.integers(1, 3)), **arguments)
    assert_same_trainings(alone, together)
