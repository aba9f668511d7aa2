"""Networks whose parameters are the rows of one array."""

import copy
import functools
import pickle
import re
import threading

import numpy as np
import pytest
from checks import assert_same_bits
from thread_trials import use_all_threads

import fastnn
from fastnn import MLP, EncodedTable, kernels, population
from fastnn.populations import Population

SIZES, N = [3, 5, 2], 7
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype("f")
y = RNG.normal(size=(40, 2)).astype("f")


def seeded(n=N, **options):
    return population(n, SIZES, **dict(activation="tanh", rng=0) | options)


SEEDS = {
    "int": lambda: (5, [np.random.SeedSequence(5).spawn(i + 1)[i] for i in range(N)]),
    "generator": lambda: (np.random.default_rng(5), np.random.default_rng(5).spawn(N)),
    "list": lambda: (list(range(N)), range(N)),
}


@pytest.mark.parametrize("kind", SEEDS)
def test_the_networks_are_those_of_the_seeds(kind, dtype):
    rng, seeds = SEEDS[kind]()
    options = dict(activation="tanh", output="softmax", dtype=dtype, dropout=0.1, init="he_uniform")
    networks = population(N, SIZES, rng=rng, **options)
    assert len(networks) == len(list(networks)) == N
    for net, seed, params in zip(networks, seeds, networks.params):
        expected = MLP(SIZES, rng=seed, **options)
        assert type(net) is MLP and repr(net) == repr(expected)
        assert_same_bits(net.params, expected.params)
        assert_same_bits(params, expected.params)
        assert net.rng.random() == expected.rng.random()
    assert_same_bits(population(2, SIZES, "tanh", rng=5).params[1], seeded(rng=5).params[1])
    assert np.any(seeded(rng=None).params != seeded(rng=None).params)


def test_params_are_the_memory_of_the_networks(dtype):
    networks = seeded(dtype=dtype, bias=False)
    net = networks[2]
    assert networks.params.shape == (N, net.n_params) and networks.params.dtype == dtype
    assert net is networks[np.int64(2)] is networks[2 - N] and networks[1:4] == [*networks][1:4]
    for row, each in zip(networks.params, networks):
        assert row.ctypes.data % 64 == 0 and row.ctypes.data == each.params.ctypes.data
    params = networks.params
    networks.params[2] = 0.5
    assert np.all(net.weights[0] == 0.5)
    net.weights[1][:] = 2
    assert networks.params[2, -1] == 2 and networks.params[3, -1] != 2
    networks.params *= 2
    assert networks.params is params and net.params[0] == 1
    networks.params = np.arange(params.size).reshape(params.shape)
    assert networks.params is params and net.params[0] == 2 * net.n_params
    for wrong in (N, -N - 1, "2", [0, 1]):
        message = f"from -{N} to {N - 1}, or a slice, got {re.escape(repr(wrong))}"
        with pytest.raises(IndexError if type(wrong) is int else TypeError, match=message):
            networks[wrong]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 5, 70, 600])
@pytest.mark.parametrize("output", ["identity", "softmax"])
def test_forward_many_of_a_population_has_the_bits_of_forward(
    output, n, n_threads, isa, dtype, monkeypatch
):
    monkeypatch.setattr("fastnn.core.threads.WORTH_SHARING", 0)
    use_all_threads(monkeypatch)
    networks = population(N, [3, 21, 4], output=output, bias=n != 5, rng=0, dtype=dtype)
    rows = RNG.normal(size=(N, n, 3)).astype(dtype)
    networks.params += 0.1
    same = fastnn.forward_many(networks, rows[0], n_threads=n_threads)
    out = np.full((N, n, 4), np.nan, dtype)
    assert fastnn.forward_many(networks, rows, out, n_threads) is out
    for made in (False, True):
        assert len(networks.made()) == N * made
        for i, params in enumerate(networks.params):
            net = networks[i]
            assert_same_bits(net.params, params)
            assert_same_bits(same[i], net.forward(rows[0]))
            assert_same_bits(out[i], net.forward(rows[i]))
        assert_same_bits(fastnn.forward_many(networks, rows, None, n_threads), out)


def test_forward_many_reads_tables_and_sparse_rows(dtype):
    sparse = pytest.importorskip("scipy.sparse", reason="sparse rows need SciPy")
    table = EncodedTable(X[:, :1], codes=(X[:, 1:2] > 0).astype(int), n_categories=[2], dtype=dtype)
    for rows in (table, sparse.csr_array(X)):
        networks = seeded(dtype=dtype)
        Y = fastnn.forward_many(networks, rows)
        assert_same_bits(Y, np.array([net.forward(rows) for net in networks]))


def test_training_in_place_has_the_bits_of_separate_networks():
    networks, others = seeded(), list(seeded().copy())
    histories = [fastnn.fit_many(nets, X, y, epochs=3, rng=1) for nets in (networks, others)]
    assert [one.loss for one in histories[0]] == [other.loss for other in histories[1]]
    networks[4].fit(X, y, epochs=2)
    others[4].fit(X, y, epochs=2)
    for params, net in zip(networks.params, others):
        assert_same_bits(params, net.params)


COPIES = {"method": Population.copy, "copy": copy.copy, "deepcopy": copy.deepcopy}
COPIES["pickle"] = lambda each: pickle.loads(pickle.dumps(each))


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
def test_copies_are_independent_and_share_memory_in_themselves(duplicate):
    networks = seeded()
    networks[1].fit(X, y, epochs=1)
    networks[1].metadata["name"] = "one"
    other = duplicate(networks)
    assert_same_bits(other.params, networks.params)
    assert other.params.strides == networks.params.strides
    assert other[1].metadata == {"name": "one"} and other[1].state.step == networks[1].state.step
    for i in (1, 2):
        assert other[i] is not networks[i] and other[i].rng is not networks[i].rng
        assert other[i].rng.random() == networks[i].rng.random()
        other.params[i] = 3
        assert np.all(other[i].params == 3) and np.all(networks[i].params != 3)


def test_no_other_thread_may_train_a_network_that_is_read(monkeypatch):
    networks, calls = seeded(), []
    compute = kernels.forward_population

    def train(i):
        thread = threading.Thread(target=lambda: networks[i].fit(X, y, epochs=1))
        thread.start()
        thread.join()

    def compute_and_train(*arguments):
        compute(*arguments)
        calls.append(1)
        if len(calls) == 1:
            train(3)

    monkeypatch.setattr(kernels, "forward_population", compute_and_train)
    Y = fastnn.forward_many(networks, X)  # network 3 did not exist, so it is computed again
    assert len(calls) == 2
    assert_same_bits(Y[3], networks[3].forward(X))
    calls.clear()
    with pytest.raises(RuntimeError, match="Another thread began to train this network"):
        fastnn.forward_many(networks, X)

    def assign(net, history):
        networks.params = 0

    networks[3].fit(X, y, epochs=1, callbacks=assign)  # in the same thread, as for net.params
    assert not networks.params[2].any()

    def assignment_error():
        with pytest.raises(RuntimeError) as error:
            assign(None, None)
        return str(error.value)

    def assign_elsewhere(net, history):
        thread = threading.Thread(target=lambda: calls.append(assignment_error()))
        thread.start()
        thread.join()

    networks[3].fit(X, y, epochs=1, callbacks=assign_elsewhere)
    assert "being trained in another thread" in calls[-1]


def test_populations_refuse_wrong_arguments():
    networks = seeded()
    forward, shape = functools.partial(fastnn.forward_many, networks), "must have shape"
    for call, message in [
        (lambda: seeded(0), "n must be a whole number of at least 1, got 0"),
        (lambda: seeded(2**31), "n must be a whole number of at most 2147483647"),
        (lambda: seeded(rng=[1, 2]), "rng lists 2 seeds for 7 networks"),
        (lambda: seeded(rng=-1), "rng must be None, an int of at least 0"),
        (lambda: population(2, [3]), "layer_sizes must list"),
        (lambda: setattr(networks, "params", X), rf"params {shape} \(7, 32\), got \(40, 3\)"),
        (lambda: forward(X[None]), r"X has shape \(1, 40, 3\), but there are 7"),
        (lambda: forward(X[:, :2]), "X has 2 columns"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    square = population(3, [4, 4], bias=False, rng=0)  # rows of 64 bytes, so there is no gap
    with pytest.raises(ValueError, match="out overlaps another argument"):
        fastnn.forward_many(square, np.ones((4, 4)), square.params.reshape(3, 4, 4))


def test_the_kernel_checks_the_memory():
    net, out = MLP(SIZES, rng=0), np.empty((2, 40, 2), "f")
    params = np.zeros((2, net.n_params), "f")
    kernels.forward_population(net, params, X, out)
    for wrong in (params.astype("d"), params[:, 1:], params[0], np.zeros((net.n_params, 2), "f").T):
        with pytest.raises(ValueError, match="Expected float32 parameters of shape"):
            kernels.forward_population(net, wrong, X, out)
    for rows in (X[:, :2].copy(), X[None], X.astype("d")):
        with pytest.raises(ValueError, match="Expected a C-contiguous array"):
            kernels.forward_population(net, params, rows, out)
    with pytest.raises(ValueError, match="Expected a C-contiguous array"):
        kernels.forward_population(net, params, X, out[:1])
    # the stride of a single parameter does not matter
    one, params, out = MLP([1, 1], bias=False), np.ones((1, 4), "f").T[::2], out[..., :1].copy()
    kernels.forward_population(one, params, X[:, :1].copy(), out)
    assert_same_bits(*out, X[:, :1])


def test_many_small_networks_end_when_another_thread_fails():
    net, begun = MLP(SIZES, rng=0), threading.Event()
    params = np.broadcast_to(net.params, (5_000_000, net.n_params))  # for about half a second
    out = np.full((len(params), 1, 2), np.nan, "f")

    def fail(abort):
        begun.wait()
        raise ValueError("mine")

    def predict(abort):
        begun.set()
        kernels.forward_population(net, params, X[:1], out, abort)

    with pytest.raises(ValueError, match="mine"):
        kernels.run_in_threads([fail, predict])
    assert np.isnan(out[-1, 0, 0])


def test_repr_of_a_population():
    text = "Population(7, [3, 5, 2], activation='tanh', output='identity', dtype='float32')"
    assert repr(seeded()) == text
