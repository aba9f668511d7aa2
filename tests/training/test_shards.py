"""Rows in virtual shards: what they compute, and the same bits on any number of ranks."""

from functools import partial

import numpy as np
import pytest
from configurations import choose, configuration
from instruction_sets import using
from ranks import FailingRank, Lost, bits, results_of
from scale import scaled
from small_training import check_fit

import fastnn
from fastnn import MLP, SGD, DivergenceError, kernels, reference
from fastnn.distributed import part

FEW, MANY = 16, scaled(320)  # random configurations
BEFORE_STEPS = 4  # exchanges
MORE = [pytest.param(seed, marks=pytest.mark.slow("the first seeds")) for seed in range(FEW, MANY)]
SEEDS = [*range(FEW), *MORE]

# ---- against the reference ----


@pytest.mark.parametrize("n", [1, 5, 16, 203])
@pytest.mark.parametrize("batch_size", [1, 3, 16, 33, 300])
@pytest.mark.parametrize("shards", [1, 2, 16])
@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_uses_each_row_once(n, batch_size, shards, shuffle):
    batches = list(reference.shard_batches(n, batch_size, shards, 7 if shuffle else None, 2))
    assert sorted(np.concatenate(batches)) == list(range(n))
    assert all(0 < len(rows) <= batch_size for rows in batches)


OPTIONS = [{}, dict(clip_norm=0.05), dict(l2=0.3), dict(clip_value=0.01, l1=0.01)]


@pytest.mark.parametrize("n", [1, 5, 16, 203])
@pytest.mark.parametrize("batch_size", [1, 3, 16, 33, 300])
@pytest.mark.parametrize("shards", [1, 2, 16])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("options", OPTIONS)
def test_fit_computes_what_the_reference_computes(n, batch_size, shards, shuffle, options):
    rng = np.random.default_rng(n)
    X, y, weight = rng.normal(size=(n, 4)), rng.normal(size=(n, 2)), rng.uniform(0, 2, n)
    weight[::3] = 0
    net = MLP([4, 9, 2], "tanh", dtype="float64", rng=0, dropout=0.3)
    settings = dict(weight=weight, moves=0, shards=shards) | options
    check_fit(net, X, y, "mse", SGD(0.05, **options), 2, batch_size, shuffle, **settings)


# ---- the same bits ----


def random_training(seed):
    """Return the arguments of a training, and the shards."""
    net, X, y, options = configuration(seed)
    rng = np.random.default_rng([seed, 1])
    shards = int(choose(rng, [4, 8, 16, 32]))
    options |= dict(validation_fraction=0.0, callbacks=())
    if rng.integers(3) == 0:  # fewer rows than shards, or some shards with one row more
        n = int(choose(rng, [1, 3, shards - 1, shards + 1, 2 * shards + 3]))
        X, y, weight = X[:n], y[:n], options["sample_weight"]
        options["sample_weight"] = None if weight is None else weight[:n]
    if rng.integers(2):  # batches with rows of some shards, and odd ones
        batch_size = int(choose(rng, [3, shards - 1, shards + 1, 2 * shards + 1]))
        options["batch_size"] = max(batch_size, len(X) // 12 | 1)
    if rng.integers(2):
        m = int(rng.integers(1, 60))
        held_out = rng.normal(size=(m, X.shape[1])), rng.uniform(size=(m, y.shape[1]))
        options["validation_data"] = held_out
    return net, X, y, options, shards


def train(seed, comm=None, *, epochs=3, net=None, copies=True, **more):
    """Return (network, history) of random training `seed` on this rank."""
    made, X, y, options, shards = random_training(seed)
    net = made if net is None else net.copy() if copies else net
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    rows = part(len(X), rank, size, shards)
    if options["sample_weight"] is not None:
        options["sample_weight"] = options["sample_weight"][rows]
    if "validation_data" in options:
        some = part(len(options["validation_data"][0]), rank, size, shards)
        options["validation_data"] = tuple(a[some] for a in options["validation_data"])
    options |= dict(epochs=epochs, comm=comm, shards=shards) | more
    return net, net.fit(X[rows], y[rows], **options)


def assert_same_end(results, net):
    """Check that resumed trainings ended as that of a network."""
    for resumed, _ in results:
        assert resumed.state.step == net.state.step and (resumed.params == net.params).all()
        assert (resumed.state.moments == net.state.moments).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_ranks_and_threads_change_no_bit(seed):
    try:
        expected = bits(*train(seed))
    except DivergenceError:
        for size in (2, 4):
            with pytest.raises(DivergenceError):
                results_of(size, lambda comm: train(seed, comm))
        return
    assert bits(*train(seed, n_threads=2)) == expected
    # on few cores, two threads of each rank wait long for each other
    for size, n_threads in [(1, 1), (2, 1), (4, 1), *[(2, 2), (4, 2)] * (seed % 4 == 0)]:
        for result in results_of(size, partial(train, seed, n_threads=n_threads)):
            assert bits(*result) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_a_training_that_was_stopped_at_any_step_resumes_on_other_ranks(seed):
    before, after = [(1, 2), (2, 4), (4, 2), (2, 1), (4, 1)][seed % 5]
    try:
        net, history = train(seed)
    except DivergenceError:
        return
    stop = 1 + seed * 7 % history.n_steps
    first = results_of(before, partial(train, seed, max_steps=stop))[0][0]
    assert first.state.step == stop
    rest = partial(train, seed, epochs=3 - first.state.epoch, net=first, resume=True)
    assert_same_end(results_of(after, rest), net)


@pytest.mark.parametrize("seed", range(0, FEW, 3))
@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_training_whose_ranks_lost_each_other_resumes(seed, size):
    try:
        net, history = train(seed)
    except DivergenceError:
        return
    stopped = random_training(seed)[0]

    class Rank(FailingRank):
        last = BEFORE_STEPS + 1 + seed % history.n_steps

    def until_stopped(comm):
        copy = stopped.copy()
        with pytest.raises(Lost):
            train(seed, comm, net=copy, copies=False, validation_data=None)
        return copy

    first = results_of(2, until_stopped, Rank)[0]
    rest = partial(train, seed, epochs=3 - first.state.epoch, net=first, resume=True)
    assert_same_end(results_of(size, rest), net)


@pytest.mark.parametrize("size", [3, 5, 6])
@pytest.mark.parametrize("seed", [4, *MORE[:: len(MORE) // 10]])
def test_other_numbers_of_ranks_repeat_to_the_bit(size, seed):
    if random_training(seed)[-1] < size:
        return
    try:
        first, second = ([bits(*r) for r in results_of(size, partial(train, seed))] for _ in "ab")
    except DivergenceError:
        return
    assert first == second == first[:1] * size


@pytest.mark.parametrize("seed", range(6))
def test_without_shards_ranks_agree_and_are_near_one_machine(seed):
    rng = np.random.default_rng(seed)
    n = 200
    X, y = rng.normal(size=(n, 5)), rng.normal(size=n)

    def fit(comm=None, rows=slice(None)):
        net = MLP([5, 8, 1], dtype="float64", rng=0)
        options = dict(epochs=3, shuffle=False, batch_size=n, shards=0 if comm else None)
        net.fit(X[rows], y[rows], comm=comm, **options)
        return net.params

    expected = fit()
    for params in results_of(2, lambda comm: fit(comm, part(n, comm.rank, 2, 0))):
        np.testing.assert_allclose(params, expected, rtol=1e-12, atol=1e-13)


def test_shards_of_encoded_tables_change_no_bit():
    rng = np.random.default_rng(0)
    positions, codes = rng.uniform(0, 4, (90, 3)), rng.integers(-1, 5, (90, 2))
    y = rng.normal(size=90)

    def fit(comm=None):
        rows = slice(None) if comm is None else part(90, comm.rank, comm.size)
        columns = dict(positions=positions[rows], codes=codes[rows])
        table = fastnn.EncodedTable(**columns, n_bins=4, n_categories=5)
        net = MLP([22, 8, 1], rng=0, dropout=(0.2, 0.1))
        net.fit(table, y[rows], epochs=3, batch_size=20, comm=comm, shards=16, rng=1)
        return net.params

    expected = fit()
    for size in (2, 4):
        for params in results_of(size, fit):
            assert (params == expected).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ranks_with_avx2_and_avx512_give_the_same_bits(dtype):
    """Their parameters have other layouts in memory."""
    if not {"avx2", "avx512"} <= set(kernels.SUPPORTED):
        pytest.skip("needs a CPU with AVX-512")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(150, 9)), rng.normal(size=150)
    networks = []
    for isa in ("avx2", "avx512", "avx512"):
        with using(isa):
            networks.append(MLP([9, 21, 3, 1], rng=0, dtype=dtype, dropout=0.2))
    options = dict(optimizer=SGD(0.05, momentum=0.9, clip_norm=1), epochs=3, shards=8, rng=0)
    networks[2].fit(X, y, **options)

    def fit(comm):
        rows = part(150, comm.rank, 2, 8)
        networks[comm.rank].fit(X[rows], y[rows], comm=comm, **options)
        return networks[comm.rank].params

    for params in results_of(2, fit):
        assert (params == networks[2].params).all()
