"""Networks: construction, memory layout of the arrays, and arguments of forward."""

import copy
import pickle

import numpy as np
import pytest
from array_kinds import LAYOUTS, unfit_outs
from checks import assert_same_bits, training_state
from thread_trials import record_threads, use_all_threads
from trainers import close, data

import fastnn
from fastnn import MLP, kernels, reference
from fastnn.activations import ACTIVATIONS, HIDDEN
from fastnn.core import threads
from fastnn.initializers import FOR_ACTIVATION, glorot_uniform

CLONES = {
    "itself": lambda net, path: net,
    "pickle": lambda net, path: pickle.loads(pickle.dumps(net)),
    "deepcopy": lambda net, path: copy.deepcopy(net),
    "copy.copy": lambda net, path: copy.copy(net),
    "copy()": lambda net, path: net.copy(),
    "load": lambda net, path: (net.save(path), fastnn.load(path))[1],
}


@pytest.fixture(params=CLONES)
def clone(request, tmp_path):
    return lambda net: CLONES[request.param](net, tmp_path / "net.safetensors")


@pytest.fixture
def any_threads(monkeypatch):
    """The machine may have one CPU."""
    monkeypatch.setattr("fastnn.network.check_threads", lambda n_threads: n_threads)


# ---- construction ----


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 2), [4, 5, 6, 7], np.array([2, 3, 1]), range(1, 6)])
def test_sizes_give_the_shapes(sizes, bias, dtype):
    net = MLP(sizes, bias=bias, dtype=dtype, rng=0)
    sizes = tuple(int(size) for size in sizes)
    assert net.layer_sizes == sizes
    shapes = list(zip(sizes, sizes[1:]))
    assert [W.shape for W in net.weights] == shapes == [W.shape for W in net.grad_weights]
    expected = [(m,) if bias else None for m in sizes[1:]]
    assert [b if b is None else b.shape for b in net.biases] == expected
    n_params = sum(k * m + bias * m for k, m in shapes)
    assert net.n_params == n_params == net.params.size == net.grads.size
    assert net.dtype == net.params.dtype == net.grads.dtype == net.weights[-1].dtype == dtype
    assert net.state is None and net.history is None


def test_activation_is_one_name_or_one_for_each_hidden_layer():
    assert MLP([2, 3, 4, 1], "tanh", "sigmoid").activations == ("tanh", "tanh", "sigmoid")
    assert MLP([2, 3, 4, 1], ["elu", "relu"]).activations == ("elu", "relu", "identity")
    assert MLP([2, 3], "tanh", "softmax").activations == ("softmax",)
    assert MLP([2, 3], []).activations == ("identity",)


@pytest.mark.parametrize("name", HIDDEN)
def test_initial_weights_follow_from_the_activation(name):
    other, rng = "tanh" if name in FOR_ACTIVATION else "relu", np.random.default_rng(1)
    net = MLP([40, 30, 20], [name], other, rng=1)
    for W, b, kind in zip(net.weights, net.biases, [name, other]):
        drawn = FOR_ACTIVATION.get(kind, glorot_uniform)(rng, *W.shape)
        assert_same_bits(W, drawn.astype("float32"))
        np.testing.assert_array_equal(b, 0)
    np.testing.assert_array_equal(net.grads, 0)


def test_seed_fixes_the_weights(dtype):
    same, again, other = (MLP([5, 7, 2], dtype=dtype, rng=seed) for seed in (1, 1, 2))
    assert_same_bits(same.params, again.params)
    assert not np.array_equal(same.params, other.params)
    assert not np.array_equal(MLP([5, 7, 2]).params, MLP([5, 7, 2]).params)


def test_a_generator_is_used_and_kept():
    rng = np.random.Generator(np.random.Philox(4))
    net = MLP([5, 7, 2], rng=rng)
    assert net.rng is rng
    assert not np.array_equal(MLP([5, 7, 2], rng=rng).params, net.params)  # rng has advanced
    again = MLP([5, 7, 2], rng=np.random.Generator(np.random.Philox(4)))
    assert_same_bits(again.params, net.params)


# ---- memory ----


@pytest.mark.parametrize("bias", [True, False])
def test_arrays_are_views_of_one_aligned_array(clone, bias, dtype):
    net = clone(MLP([3, 5, 1, 2], bias=bias, dtype=dtype, rng=0))
    arrays = (net.params, net.weights, net.biases), (net.grads, net.grad_weights, net.grad_biases)
    for flat, weights, biases in arrays:
        flags = flat.flags
        assert flat.ctypes.data % 64 == 0 and flags.c_contiguous and flags.writeable
        assert flat.ndim == 1
        flat[:] = np.arange(net.n_params)
        # W0, b0, W1, ...
        arrays = [a for pair in zip(weights, biases) for a in pair if a is not None]
        np.testing.assert_array_equal(np.concatenate([a.ravel() for a in arrays]), flat)
        assert all(np.shares_memory(a, flat) and a.flags.writeable for a in arrays)
    assert not np.shares_memory(net.params, net.grads)


def test_kernels_use_what_is_written_to_the_views(clone):
    net = clone(MLP([2, 3, 1], dtype="float64", rng=0))
    X, _ = data(20, 2, 1)
    net.weights[0][:] = [[1, 2, 3], [4, 5, 6]]
    net.biases[1][0] = 7
    net.params[9:12] = 0.5  # W1
    expected = np.maximum(X @ [[1, 2, 3], [4, 5, 6]], 0) @ np.full((3, 1), 0.5) + 7
    close(net.forward(X), expected, "float64")
    close(net.forward(X[:1]), expected[:1], "float64")


def test_assignment_copies_into_the_same_memory():
    net = MLP([2, 3, 1], rng=0)
    params, W = net.params, net.weights[0]
    net.params = np.ones(13)
    net.weights[0] = np.full((2, 3), 2.0)
    net.params -= 1
    assert net.params is params and net.weights[0] is W
    np.testing.assert_array_equal(W, 1)
    np.testing.assert_array_equal(net.biases[1], 0)


def test_clones_are_independent(clone):
    X, y = data(40, 3, 1)
    net = MLP([3, 8, 1], rng=0)
    net.fit(X, y, epochs=2)
    expected = net.copy().fit(X, y, epochs=2, resume=True).loss
    before = training_state(net)
    other = clone(net)
    if other is not net:
        assert other.fit(X, y, epochs=2, resume=True).loss == expected
        assert_same_bits(training_state(net), before)
    assert net.fit(X, y, epochs=2, resume=True).loss == expected


# ---- forward ----

INPUTS = LAYOUTS | {
    "list": lambda X: X.tolist(),
    "uint64": lambda X: np.abs(X).astype("uint64"),
    "slice of a larger array": lambda X: np.pad(X, 2)[2:-2, 2:-2],
    "masked array without mask": np.ma.masked_array,
    "__array__": lambda X: Frame(X),
}
for name in ("float16", "float32", "float64", "longdouble", "int8"):
    INPUTS[name] = lambda X, name=name: X.astype(name)


class Frame:
    """The part of a DataFrame that NumPy uses."""

    def __init__(self, X):
        self.X = X

    def __array__(self, dtype=None, copy=None):
        return np.array(self.X, dtype)


@pytest.mark.parametrize("n", [1, 21])
@pytest.mark.parametrize("kind", INPUTS)
def test_inputs_of_every_kind_give_the_same_bits(kind, n, dtype):
    X = np.random.default_rng(0).integers(-9, 9, (n, 5))
    X = (np.abs(X) if kind == "uint64" else X).astype(dtype)
    net = MLP([5, 9, 2], dtype=dtype, rng=0)
    expected, odd = net.forward(X), INPUTS[kind](X)
    before = copy.deepcopy(odd)
    Y = net.forward(odd)
    assert type(Y) is np.ndarray and Y.dtype == dtype
    assert_same_bits(Y, expected)
    np.testing.assert_array_equal(np.asarray(odd), np.asarray(before))


def test_memory_mapped_inputs(tmp_path):
    X, _ = data(30, 5, 1, "float32")
    net = MLP([5, 9, 2], rng=0)
    np.save(tmp_path / "X.npy", X)
    assert_same_bits(net.forward(np.load(tmp_path / "X.npy", mmap_mode="r")), net.forward(X))


@pytest.mark.parametrize("n", [0, 1, 7, 8, 300])
def test_out_receives_the_result(n):
    X, _ = data(n, 5, 1, "float32")
    net = MLP([5, 9, 2], rng=0)
    out = np.full((n, 2), np.nan, "float32")
    assert net.forward(X, out=out) is out
    assert_same_bits(out, net.forward(X))
    assert net.forward(X.astype("float64"), out=out, n_threads=2) is out


@unfit_outs("out", (4, 2), "float32")
def test_out_that_does_not_fit_is_refused(out, error, message):
    X, _ = data(4, 5, 1, "float32")
    before = np.array(out)
    with pytest.raises(error, match=message):
        MLP([5, 9, 2], rng=0).forward(X, out=out)
    np.testing.assert_array_equal(out, before)


@pytest.mark.parametrize("n", [4, 40])
@pytest.mark.parametrize("where", ["X", "part of X", "converted X", "params"])
def test_out_that_overlaps_is_refused(where, n):
    net = MLP([2, 100, 2], rng=0)
    memory = np.ones((n + 1, 2), "float32")
    X, out = {
        "X": (memory[:n], memory[:n]),
        "part of X": (memory[1:], memory[:n]),
        "converted X": (memory[:n].T.copy().T, None),
        "params": (memory[:n], net.params[: 2 * n].reshape(n, 2)),
    }[where]
    out = X.T.reshape(n, 2) if out is None else out
    before = X.copy(), net.params.copy()
    with pytest.raises(ValueError, match="out overlaps"):
        net.forward(X, out=out)
    assert_same_bits((X, net.params), before)


def test_no_rows_and_one_row(dtype):
    net = MLP([5, 9, 2], dtype=dtype, output="softmax", rng=0)
    X, _ = data(1, 5, 2, dtype)
    assert net.forward(X[:0]).shape == (0, 2) and net.forward(X[:0]).dtype == dtype
    assert net.forward(X).shape == (1, 2)
    assert net.loss(X[:0], []) == net.loss_and_grad(X[:0], []) == 0.0
    np.testing.assert_array_equal(net.grads, 0)
    assert net.forward(np.empty((0, 5)), keep=True).shape == (0, 2)
    net.grads[:] = 5
    assert net.backward(np.empty((0, 2))).shape == (0, 5) and not net.grads.any()


def test_the_number_of_threads_does_not_change_bits(monkeypatch, any_threads):
    numbers = record_threads(monkeypatch)
    X = np.resize(data(3000, 40, 1, "float32")[0], (30_001, 40))
    net = MLP([40, 60, 3], rng=0)
    expected = net.forward(X)
    for n in (2, 3, 7) * 4:
        assert_same_bits(net.forward(X, n_threads=n), expected, f"{n} threads")
    assert max(numbers) > 1  # several threads shared the rows
    monkeypatch.setattr("fastnn.core.threads.WORTH_SHARING", 0)
    use_all_threads(monkeypatch)
    numbers.clear()
    for n in (1, 3):
        assert_same_bits(net.forward(X[:n].tolist(), n_threads=7), expected[:n])
    assert numbers == [3]  # no more threads than rows, and none for one


def test_which_numbers_of_threads_are_accepted():
    X, _ = data(300, 40, 1, "float32")
    net = MLP([40, 60, 3], rng=0)
    for n in (1, 2, 5, -1, np.int64(2)):
        assert_same_bits(net.forward(X, n_threads=n), net.forward(X))
    for n in (0, -2):
        with pytest.raises(ValueError, match="n_threads must be at least 1, or -1 for all CPUs"):
            net.forward(X[:1], n_threads=n)


def test_an_error_in_a_helper_thread_is_raised(monkeypatch, any_threads):
    run_in_threads = threads.run_in_threads

    def failing(calls, n_threads):
        def fail(abort):
            raise MemoryError("no memory for the workspace")

        run_in_threads([calls[0], *(fail for _ in calls[1:])])  # the first runs in this thread

    monkeypatch.setattr(threads, "run_in_threads", failing)
    net, X = MLP([40, 60, 3], rng=0), np.ones((30_000, 40), "float32")
    with pytest.raises(MemoryError):
        for _ in range(100):  # two threads are tried after one
            net.forward(X, n_threads=2)


def test_call_is_forward():
    net = MLP([5, 9, 2], rng=0)
    X, _ = data(9, 5, 2, "float32")
    out = np.empty((9, 2), "float32")
    assert_same_bits(net(X), net.forward(X))
    assert net(X, out) is out and net(X, n_threads=2).shape == (9, 2)


@pytest.mark.parametrize("n", [1, 5, 70])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_forward_matches_the_reference(name, n, isa, dtype):
    pairs = [("tanh", name)] if name == "softmax" else [(name, "identity"), ("relu", name)]
    for hidden, output in pairs:
        net = MLP([5, 33, 9, 3], hidden, output, dtype=dtype, rng=1)
        net.params += 0.05
        X, _ = data(n, 5, 1, dtype)
        expected = reference.forward(X, net.weights, net.biases, net.activations)
        close(net.forward(X), expected, dtype, 4)


# ---- repr ----


REPRS = [
    "MLP([64, 100, 1], activation='relu', output='sigmoid', dtype='float32')",
    "MLP([2, 3, 4, 5], activation=['tanh', 'gelu'], output='softmax', dtype='float64')",
    "MLP([2, 3, 4, 5], activation='elu', output='identity', bias=False, dtype='float32')",
    "MLP([2, 1], output='sigmoid', dtype='float32')",
]


@pytest.mark.parametrize("text", REPRS)
def test_repr_is_a_call_that_makes_an_equal_network(text):
    assert repr(eval(text)) == text


@pytest.mark.parametrize("n", [1, 700])
def test_the_outputs_of_a_network_without_layers_are_its_inputs(n, isa, dtype, rng):
    net, X = kernels.CompiledNetwork(), rng.normal(size=(n, 5)).astype(dtype)
    net._bind([5], [], [], [], X.dtype)
    out = np.zeros_like(X)
    net._forward_into(X, out)
    assert_same_bits(out, X)
