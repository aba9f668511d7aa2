"""The arguments of fit_many: one for all networks, or one for each."""

import numpy as np
import pytest
from checks import assert_same_bits
from many_cases import X, Y, networks

import fastnn
from fastnn import MLP, EarlyStopping
from fastnn.training.planner import check_indices

ERROR_RATE = EarlyStopping(monitor="error_rate")
SHARED = [np.random.default_rng(0)] * 3
NO_VALIDATION = dict(callbacks=[[], [], [ERROR_RATE]], validation_rows=[None, [0], None])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(networks=[]), "networks is empty"),
        (dict(networks=["net"]), r"must hold fastnn.MLP objects, got 'net' at position 0"),
        (dict(twice=True), "holds one network twice, at positions 0 and 2"),
        (dict(dtype=True), "one dtype, but network 0 has float32 and network 1 float64"),
        (dict(epochs=[1, 2]), "epochs lists 2 values for 3 networks"),
        (dict(epochs=[1, 2, -1]), "network 2: epochs must be a whole number of at least 0, got -1"),
        (dict(batch_size=0), "network 0: batch_size must be a whole number"),
        (dict(loss=["bce", "bce", "mess"]), "network 2: loss must be None"),
        (dict(optimizer="adams"), "network 0: optimizer must be one of"),
        (dict(X=X[:, :3]), "network 0: X has 3 columns, but the network expects 7"),
        (dict(X=np.stack([X, X])), "X lists 2 values for 3 networks"),
        (dict(rows=[np.arange(3), np.arange(3), [0, 300]]), "network 2: rows holds row 300"),
        (dict(rows=[[0], [1], [-301]]), "network 2: rows holds row -301, but X has 300 rows"),
        (dict(rows=np.ones(5, bool)), r"network 0: rows is a mask of shape \(5,\)"),
        (dict(rows=[0.5, 1.5]), "network 0: rows must be a one-dimensional array of row indices"),
        (dict(rows=[[], [1], [2]]), "network 0: X has no rows"),
        (dict(rng=np.random.default_rng(0)), "Networks cannot share a generator"),
        *((dict(rng=x), f"^rng must be None, an int of .*, got {x}. Networks") for x in (True, -1)),
        (dict(rng=SHARED), "^network 1: it shares its generator with network 0, so their results"),
        (dict(rng=SHARED, shuffle=False, validation_fraction=0.5), "^network 1: it shares"),
        (dict(validation_rows=[0], validation_data=(X, Y)), "exclude each other"),
        (dict(validation_rows=[0], validation_fraction=0.5), "excludes"),
        (dict(validation_fraction=0.5, rows=[[0], [1], [2]]), "network 0: validation_fraction=0.5"),
        (dict(resume=True), "network 0: resume=True continues an earlier training"),
        (NO_VALIDATION, "network 2: .* needs validation rows"),
        (dict(class_weight=[None, None, {5: 1.0}]), "network 2: class_weight"),
        (dict(n_jobs=2), "The number of threads is `n_threads`"),
        (dict(n_threads=0), "n_threads must be at least 1, or -1"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else ",".join(value),
)
def test_bad_arguments_train_nothing(change, message):
    nets = networks(3)
    arguments = dict(networks=nets, X=X, y=Y) | change
    if arguments.pop("twice", False):
        arguments["networks"] = [nets[0], nets[1], nets[0]]
    if arguments.pop("dtype", False):
        arguments["networks"] = [nets[0], MLP([7, 1], output="sigmoid", dtype="float64", rng=0)]
    with pytest.raises((ValueError, TypeError), match=message):
        fastnn.fit_many(**arguments)
    assert all(net.state is None and net.history is None for net in nets)


def test_networks_may_share_a_generator_from_which_none_draws():
    together, alone = networks(3), networks(1)
    fastnn.fit_many(together, X, Y, epochs=1, rng=SHARED, shuffle=False)
    fastnn.fit_many(alone, X, Y, epochs=1, rng=np.random.default_rng(1), shuffle=False)
    assert_same_bits(together[0].params, alone[0].params)


@pytest.mark.parametrize("targets", ["(networks, rows)", "(networks, rows, outputs)", "shared"])
def test_arrays_of_the_rows_of_each_network_are_lists(targets):
    X3, weights = np.stack([X, X[::-1], X + 1]), np.linspace(0, 1, 900).reshape(3, 300)
    y = Y if targets == "shared" else np.stack([Y, Y[::-1], 1 - Y])
    y = y[..., None] if "outputs" in targets else y
    of_each, together = networks(3), networks(3)
    for i, net in enumerate(of_each):
        net.fit(X3[i], y if targets == "shared" else y[i], epochs=2, sample_weight=weights[i])
    fastnn.fit_many(together, X3, y, epochs=2, sample_weight=weights)
    for one, other in zip(of_each, together):
        assert_same_bits(one.params, other.params)


def test_negative_rows_masks_ranges_and_matrices_select_rows():
    mask = np.zeros(300, bool)
    mask[5:20] = True
    for rows, same in [
        (np.arange(-15, 0), slice(285, 300)),
        (np.array([*range(-300, -290), 0, 9]), [*range(10), 0, 9]),
        (mask, slice(5, 20)),
        (range(5, 20), slice(5, 20)),
        (np.arange(5, 20, dtype=np.int32), slice(5, 20)),
        ([np.arange(5, 20)] * 2, slice(5, 20)),
        (np.array([np.arange(5, 20)] * 2), slice(5, 20)),
    ]:
        alone, together = networks(2), networks(2)
        for net in alone:
            net.fit(X[same], Y[same], epochs=2)
        fastnn.fit_many(together, X, Y, epochs=2, rows=rows)
        for one, other in zip(alone, together):
            assert_same_bits(one.params, other.params)


@pytest.mark.parametrize("rows", [slice(5, 9), slice(-3, None), slice(9, 2, -3), slice(8, 4)])
def test_indices_of_a_slice_keep_no_others_in_memory(rows):
    indices = check_indices("rows", rows, 1000)
    assert indices.base is None and indices.tolist() == list(range(1000))[rows]
