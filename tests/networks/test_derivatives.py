"""Derivatives in the inputs, and products with second derivatives in the parameters.

`reference` is compared with finite differences, compiled code with `reference`.
"""

import cases
import numpy as np
import pytest
from array_kinds import unfit_outs
from checks import central_difference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interrupt import interrupted, sigint_interrupts  # noqa: F401 - for all tests here
from scale import scaled
from thread_trials import use_all_threads

import fastnn
from fastnn import losses, reference
from fastnn.activations import ACTIVATIONS, HIDDEN
from fastnn.network import split_layers

SMOOTH = [name for name in HIDDEN if not cases.ACTIVATIONS[name].kinked and name != "exponential"]
METHODS = ["jacobian", "hessian", "hessian_diagonal", "laplacian", "jvp", "vjp"]
SMOOTH_LABELS = dict(pos_weight=3.0, label_smoothing=0.2)
LOSSES = [  # (loss, the same for reference, its options, targets for (n, n_out) normal numbers)
    ("mse", "mse", {}, lambda y: y),
    ("mae", "mae", {}, lambda y: y),
    (losses.Huber(0.5), "huber", dict(delta=0.5), lambda y: y),
    ("log_cosh", "log_cosh", {}, lambda y: y),
    (losses.Quantile((0.2, 0.7)), "quantile", dict(q=(0.2, 0.7)), lambda y: y[:, ::2]),
    ("bce", "bce", {}, lambda y: y > 0),
    (losses.BCE(**SMOOTH_LABELS), "bce", SMOOTH_LABELS, lambda y: y > 0),
    (losses.BCE(pos_weight=3.0), "bce", dict(pos_weight=3.0), lambda y: y > 0),
    ("bce_with_logits", "bce_with_logits", {}, lambda y: y > 0),
    ("cross_entropy", "cross_entropy", {}, lambda y: y.argmax(axis=1)),
    ("cross_entropy", "cross_entropy", {}, lambda y: abs(y) / 5),  # sums that are not 1
    (losses.CrossEntropy(0.1), "cross_entropy", dict(label_smoothing=0.1), lambda y: shares(y)),
    ("poisson", "poisson", {}, lambda y: np.floor(abs(y) * 3)),
    ("gaussian_nll", "gaussian_nll", {}, lambda y: y[:, : y.shape[1] // 2]),
]

ANY_FIXTURE = [HealthCheck.function_scoped_fixture]
each_network = settings(max_examples=scaled(40), suppress_health_check=ANY_FIXTURE)


def shares(y):
    return abs(y) / abs(y).sum(axis=1, keepdims=True)


def shifted_network(sizes, hidden, output="identity", dtype="float64", seed=0, bias=True):
    """A network with biases that are not 0."""
    net = fastnn.MLP(sizes, hidden, output, bias, dtype, rng=seed)
    net.params += np.random.default_rng(seed).normal(size=net.n_params).astype(dtype) * 0.2
    return net


@st.composite
def networks_and_rows(draw, dtype="float64"):
    """A network, rows of X, and a generator."""
    depth = draw(st.integers(0, 3))
    sizes = [draw(st.integers(1, 40)) for _ in range(depth + 2)]
    output = draw(st.sampled_from(list(ACTIVATIONS)))
    sizes[-1] = max(sizes[-1], 2) if output == "softmax" else sizes[-1]
    names = [name for name in HIDDEN if name != "exponential"]  # several in a row overflow
    hidden = [draw(st.sampled_from(names)) for _ in range(depth)]
    seed = draw(st.integers(0, 2**32))
    net = shifted_network(sizes, hidden, output, dtype, seed, draw(st.booleans()))
    rng = np.random.default_rng(seed)
    n = draw(st.sampled_from([1, 2, 3, 5, 64, 70]))
    return net, rng.normal(size=(n, sizes[0])).astype(dtype), rng


def arguments_of(method, net, X, rng):
    """The arguments of a method after X."""
    width = {"jvp": net.layer_sizes[0], "vjp": net.layer_sizes[-1]}.get(method)
    return () if width is None else (rng.normal(size=(len(X), width)).astype(net.dtype),)


def by_reference(method, net, X, *arguments):
    """The result of a method by `reference`, in float64."""
    X, *arguments = (np.asarray(a, float) for a in (X, *arguments))
    biases = [None if b is None else b.astype(float) for b in net.biases]
    layers = [W.astype(float) for W in net.weights], biases, net.activations
    if method in ("hessian_diagonal", "laplacian"):
        diagonal = np.einsum("nkii->nki", reference.hessian(X, *layers))
        return diagonal if method == "hessian_diagonal" else diagonal.sum(axis=-1)
    return getattr(reference, method)(X, *arguments, *layers)


def assert_derivatives(found, wanted, tolerance, least=1e-3):
    """To `tolerance` of the largest number, or of `least` where derivatives of order 1 cancel."""
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= tolerance * max(np.abs(wanted).max(), least)


# ---- reference -----------------------------------------------------------------------------------
@pytest.mark.parametrize("hidden", SMOOTH)
@pytest.mark.parametrize("output", ACTIVATIONS)
def test_reference_is_the_derivative_of_the_outputs(hidden, output, rng):
    net = shifted_network([3, 5, 4, 2], hidden, output)
    layers = net.weights, net.biases, net.activations
    X = rng.normal(size=(40, 3))
    z = reference.forward(X, *layers[:2], (hidden, hidden, "identity"))
    X = X[np.abs(z).min(axis=1) > 0.05][:4]  # no kink of the outputs within a difference
    V, U = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    along = reference.jvp(X, V, *layers)
    jacobian, hessian = reference.jacobian(X, *layers), reference.hessian(X, *layers)
    of_outputs = central_difference(lambda X: reference.forward(X, *layers), X, V)
    of_jacobian = central_difference(lambda X: reference.jacobian(X, *layers), X, V)
    assert_derivatives(along, of_outputs, 1e-7)
    assert_derivatives((hessian @ V[:, None, :, None])[..., 0], of_jacobian, 1e-7)
    assert_derivatives((jacobian @ V[:, :, None])[..., 0], along, 1e-7)
    assert_derivatives((U[:, None] @ jacobian)[:, 0], reference.vjp(X, U, *layers), 1e-7)


@pytest.mark.parametrize("loss, name, options, targets", LOSSES)
def test_reference_hvp_is_the_derivative_of_the_gradient(loss, name, options, targets, rng):
    net = shifted_network([3, 5, 4], "gelu", reference.losses.LOSSES[name][1] or "softmax")
    layers = net.weights, net.biases, net.activations
    X, y, w = rng.normal(size=(6, 3)), targets(rng.normal(size=(6, 4))), rng.uniform(size=6)
    v = rng.normal(size=net.n_params)
    product = flat(reference.hvp(X, y, split_layers(v, net.layer_sizes), *layers, name, w, options))

    def gradient(params):
        net.params = params
        return flat(reference.loss_and_grad(X, y, *layers, name, w, options)[1:])

    assert_derivatives(product, central_difference(gradient, net.params.copy(), v), 1e-7)


def flat(parts):
    """Weights and biases of all layers as one vector, like `params`."""
    return np.concatenate([x.ravel() for pair in zip(*parts) for x in pair if x is not None])


# ---- compiled code -------------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
@given(double=networks_and_rows(), single=networks_and_rows("float32"))
@each_network
def test_compiled_is_reference(isa, method, double, single):
    """In float32, each product of a layer rounds as many times as it has terms, at most 40; errors of up to four
    layers, twice for second derivatives, multiply by condition numbers that are below 30 here. Terms of order 1
    that cancel leave an error of 2 * 40 eps, 2e-4 of 0.05."""
    for (net, X, rng), tolerance, least in ((double, 1e-12, 0.01), (single, 2e-4, 0.05)):
        arguments = arguments_of(method, net, X, rng)
        wanted = by_reference(method, net, X, *arguments)
        assert_derivatives(getattr(net, method)(X, *arguments), wanted, tolerance, least)


@pytest.mark.parametrize("sizes", [(7, 33, 4), (7, 33, 5, 18, 4), (7, 1, 4)])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("gauss_newton", [False, True])
@pytest.mark.parametrize("loss, name, options, targets", LOSSES)
def test_products_are_those_of_reference(
    isa, loss, name, options, targets, gauss_newton, sizes, bias, rng
):
    net = shifted_network(sizes, "mish", reference.losses.LOSSES[name][1] or "softmax", bias=bias)
    X, y, w = rng.normal(size=(70, 7)), targets(rng.normal(size=(70, 4))), rng.uniform(size=70)
    v = rng.normal(size=net.n_params)
    along = split_layers(v, net.layer_sizes, bias)
    layers = net.weights, net.biases, net.activations
    wanted = flat(reference.hvp(X, y, along, *layers, name, w, options, gauss_newton))
    assert_derivatives((net.gnvp if gauss_newton else net.hvp)(X, y, v, loss, w), wanted, 1e-12)


@pytest.mark.parametrize("output", ["identity", "softmax"])
def test_jax_gives_the_same(output, rng):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    net, X = shifted_network([5, 33, 17, 4], "gelu", output), rng.normal(size=(8, 5))

    def outputs(x):
        for W, b in zip(net.weights[:-1], net.biases[:-1], strict=True):
            x = jax.nn.gelu(x @ W + b, approximate=False)
        z = x @ net.weights[-1] + net.biases[-1]
        return jax.nn.softmax(z) if output == "softmax" else z

    assert_derivatives(net.jacobian(X), np.asarray(jax.vmap(jax.jacrev(outputs))(X)), 1e-12)
    assert_derivatives(net.hessian(X), np.asarray(jax.vmap(jax.hessian(outputs))(X)), 1e-12)


# ---- bits ----------------------------------------------------------------------------------------
@pytest.fixture
def many_threads(monkeypatch):
    """Threads share any call, also if the machine has one CPU."""
    monkeypatch.setattr("fastnn.core.threads.WORTH_SHARING", 0)
    for name, value in dict(ROWS_OF_A_PART=1, BLOCK_WORK=0).items():
        monkeypatch.setattr(f"fastnn.derivatives.{name}", value)
    monkeypatch.setattr("fastnn.derivatives.check_threads", lambda n: n)
    use_all_threads(monkeypatch)


@pytest.mark.parametrize("method", METHODS)
@given(problem=st.one_of(networks_and_rows("float32"), networks_and_rows()))
@each_network
def test_a_row_has_the_same_bits_alone_and_on_any_threads(isa, many_threads, method, problem):
    net, X, rng = problem
    arguments = arguments_of(method, net, X, rng)
    call = getattr(net, method)
    together = call(X, *arguments)
    for i in (0, len(X) - 1):
        alone = call(X[i : i + 1], *(a[i : i + 1] for a in arguments))
        np.testing.assert_array_equal(alone[0], together[i])
    out = np.full_like(together, np.nan)
    assert call(X, *arguments, out=out, n_threads=3) is out
    np.testing.assert_array_equal(out, together)
    np.testing.assert_array_equal(call(X, *arguments, n_threads=np.int64(1)), together)


def test_products_have_the_same_bits_on_any_threads(isa, dtype, many_threads, rng):
    net = shifted_network([7, 40, 3], "tanh", dtype=dtype)
    X, y = rng.normal(size=(5000, 7)), rng.normal(size=(5000, 3))
    v, out = rng.normal(size=net.n_params), np.full(net.n_params, np.nan, dtype)
    for call in (net.hvp, net.gnvp):
        expected = call(X, y, v)
        assert call(X, y, v, n_threads=3, out=out) is out
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("method", ["hessian", "hvp", "jvp"])
def test_ctrl_c_ends_a_call(method, n_threads, many_threads):
    net = fastnn.MLP([50, 512, 512, 1], "tanh", rng=0)
    X = np.ones((200_000 if method == "jvp" else 20_000, 50), "f")
    arguments = {"hvp": (X[:, 0], net.params), "jvp": (X,)}.get(method, ())
    interrupted(getattr(net, method), 0.1, X, *arguments, n_threads=n_threads)
    assert net.jacobian(X[:1]).shape == (1, 1, 50)


def test_ctrl_c_ends_a_derivative_of_few_numbers():
    net = fastnn.MLP([1, 512, 512, 1], "tanh", rng=0)
    interrupted(net.laplacian, 0.1, np.ones((100_000, 1), "f"))


def test_ctrl_c_ends_each_part_of_a_product():
    net, X = fastnn.MLP([50, 512, 512, 1], "tanh", rng=0), np.ones((20_000, 50), "f")
    Y, dY = np.ones((2, len(X), 1), "f")
    interrupted(net._outputs_along, 0.1, X, net.params, Y, dY, False)
    out = np.zeros_like(net.params)
    interrupted(net._add_curvature, 0.1, X, net.params, Y, dY, out, False)


# ---- arguments -----------------------------------------------------------------------------------
@pytest.mark.parametrize("chosen", [[2], [4, 0], np.arange(5) % 2 == 0, [-1, 1], [3, 3, 0]])
@pytest.mark.parametrize("method", [name for name in METHODS if name != "jvp"])
def test_inputs_choose_columns(method, chosen, rng):
    net, X = shifted_network([5, 6, 3], "tanh"), rng.normal(size=(4, 5))
    arguments = arguments_of(method, net, X, rng)
    found = getattr(net, method)(X, *arguments, inputs=chosen)
    diagonal = net.hessian(X)
    wanted = {
        "jacobian": lambda: net.jacobian(X)[:, :, chosen],
        "hessian": lambda: diagonal[:, :, chosen][:, :, :, chosen],
        "hessian_diagonal": lambda: net.hessian_diagonal(X)[:, :, chosen],
        "laplacian": lambda: net.hessian_diagonal(X)[:, :, chosen].sum(axis=-1),
        "vjp": lambda: net.vjp(X, *arguments)[:, chosen],
    }[method]()
    assert_derivatives(found, wanted, 1e-13)


def test_jvp_along_some_inputs(rng):
    net, X, V = shifted_network([5, 6, 3], "tanh"), rng.normal(size=(4, 5)), rng.normal(size=(4, 3))
    moved = np.zeros_like(X)
    moved[:, [3, 0]] = V[:, :2]
    moved[:, 3] += V[:, 2]
    np.testing.assert_array_equal(net.jvp(X, V, inputs=[3, 0, -2]), net.jvp(X, moved))


def test_derivatives_follow_the_parameters(rng):
    net = fastnn.MLP([4, 9, 3], "tanh", dropout=0.5, dtype="float64", rng=0)
    X = rng.normal(size=(6, 4))
    before = net.jacobian(X)
    net.fit(X, rng.normal(size=(6, 3)), epochs=2)
    after = net.jacobian(X)
    assert_derivatives(after, by_reference("jacobian", net, X), 1e-12)
    assert np.abs(after - before).max() > 1e-3


@unfit_outs("out", (4, 2, 3))
def test_unfit_out(out, error, message, rng):
    with pytest.raises(error, match=message):
        shifted_network([3, 5, 2], "tanh").jacobian(rng.normal(size=(4, 3)), out=out)


def test_out_must_not_overlap(rng):
    net = shifted_network([3, 5, 2], "tanh")
    memory = rng.normal(size=30)
    X, out = memory[:12].reshape(4, 3), memory[6:].reshape(4, 2, 3)
    with pytest.raises(ValueError, match="out overlaps another argument"):
        net.jacobian(X, out=out)
    with pytest.raises(ValueError, match="out overlaps another argument"):
        net.gnvp(X, X[:, :2], net.params, out=net.params)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_taken(monkeypatch):
    net = shifted_network([100, 2], "tanh")
    monkeypatch.setattr("fastnn.derivatives.available_memory", lambda: 2**20)
    message = r"shape \(1000, 2, 100, 100\) needs 152.6 MB of memory, but 1.0 MB are available"
    with pytest.raises(MemoryError, match=message):
        net.hessian(np.zeros((1000, 100)))
    assert net.hessian(np.zeros((1000, 100)), inputs=[5]).shape == (1000, 2, 1, 1)


def test_second_derivatives_of_relu_are_zero_also_at_the_kink():
    net = fastnn.MLP([1, 1, 1], rng=0, dtype="float64")
    net.weights = [[1.0]], [[1.0]]
    assert net.jacobian([[0.0], [1.0], [-1.0]]).ravel().tolist() == [0, 1, 0]
    assert net.hessian([[0.0], [1.0]]).ravel().tolist() == [0, 0]


@pytest.mark.parametrize("method", METHODS)
def test_derivatives_of_no_rows(method):
    net = shifted_network([3, 4, 2], "tanh")
    arguments = arguments_of(method, net, np.empty((0, 3)), np.random.default_rng(0))
    assert getattr(net, method)(np.empty((0, 3)), *arguments).shape[0] == 0
    assert not net.hvp(np.empty((0, 3)), np.empty((0, 2)), net.params).any()


COLUMNS = "X has 2 columns, but the network expects 3"
NO_PRODUCTS = "a custom loss does not return"
OF_OUTPUTS = "loss of the outputs alone, got losses.Derivatives, .* Pass its value, loss='huber'"
OF_DERIVATIVES, CUSTOM = losses.Derivatives("huber"), lambda Y, y: (0.0, Y)
ERRORS = [  # (call, kind, message)
    (lambda net, X: net.jacobian(X[0]), ValueError, "X must have 2 dimensions"),
    (lambda net, X: net.hessian(X[:, :2]), ValueError, COLUMNS),
    (lambda net, X: net.jvp(X, X[:, :2]), ValueError, r"V must have shape \(4, 3\), got \(4, 2\)"),
    (lambda net, X: net.vjp(X, X), ValueError, r"U must have shape \(4, 2\), got \(4, 3\)"),
    (lambda net, X: net.jacobian(X, [3]), ValueError, "inputs must be numbers from 0 to 2, got 3"),
    (lambda net, X: net.jacobian(X, []), ValueError, "inputs must be a sequence of numbers"),
    (lambda net, X: net.jacobian(X, ["a"]), ValueError, "inputs must be a sequence of numbers"),
    (lambda net, X: net.jacobian(X, [[0], 1]), ValueError, "inputs is not a rectangular array"),
    (lambda net, X: net.jacobian(X, 1), ValueError, "inputs must be a sequence of numbers"),
    (lambda net, X: net.jacobian(X, [True]), ValueError, "or a mask of 3 bools"),
    (lambda net, X: net.jvp(X, None), TypeError, "V must hold numbers, got None"),
    (lambda net, X: net.laplacian(X, n_threads=0), ValueError, "n_threads must be at least 1"),
    (lambda net, X: net.hvp(X, X[:, :2], [1.0]), ValueError, r"v must have shape \(26,\)"),
    (lambda net, X: net.hvp(X, X[:, :2], net.params, CUSTOM), ValueError, NO_PRODUCTS),
    (lambda net, X: net.gnvp(X, X[:, :2], net.params, OF_DERIVATIVES), ValueError, OF_OUTPUTS),
]


@pytest.mark.parametrize("call, kind, message", ERRORS)
def test_wrong_arguments_of_derivatives(call, kind, message, rng):
    with pytest.raises(kind, match=message):
        call(shifted_network([3, 4, 2], "tanh"), rng.normal(size=(4, 3)))


def test_sparse_and_encoded_rows_have_no_derivatives():
    sparse, net = pytest.importorskip("scipy.sparse"), shifted_network([3, 2], "tanh")
    X, table = np.eye(3), fastnn.EncodedTable(np.eye(3))
    for call in (net.jacobian, lambda X: net.hvp(X, np.ones((3, 2)), net.params)):
        with pytest.raises(TypeError, match=r"got a sparse matrix. Pass X.toarray\(\)"):
            call(sparse.csr_matrix(X))
        with pytest.raises(TypeError, match=r"got an EncodedTable. Pass X.to_dense\(\)"):
            call(table)
