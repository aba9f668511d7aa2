"""Benchmarks of kernels, networks and training options in float32, next to `fastnn.reference`.

Each one checks first that both compute the same.
"""

import copy

import numpy as np
import pytest
from tasks import OPTION_NAMES, fit_fastnn, fit_reference, make_options

import fastnn
from fastnn import functional, reference
from fastnn.activations import ACTIVATIONS

rng = np.random.default_rng(0)


def fast_and_slow(name):
    return getattr(functional, name), getattr(reference, name)


@pytest.mark.parametrize("n, k, m", [(32, 30, 64), (256, 64, 64), (256, 256, 256), (128, 784, 10)])
def test_linear(check_and_time, n, k, m):
    X, W, b = (
        rng.standard_normal((n, k), dtype="f"),
        rng.standard_normal((k, m), dtype="f"),
        np.zeros(m, "f"),
    )
    fast, slow = fast_and_slow("linear")
    check_and_time(lambda: fast(X, W, b, "relu"), lambda: slow(X, W, b, "relu"), rtol=1e-3)


@pytest.mark.parametrize("n, k, m", [(32, 30, 64), (256, 64, 64), (256, 256, 256)])
def test_linear_backward(check_and_time, n, k, m):
    X, W, b = (
        rng.standard_normal((n, k), dtype="f"),
        rng.standard_normal((k, m), dtype="f"),
        np.zeros(m, "f"),
    )
    dY = rng.standard_normal((n, m), dtype="f")
    fast, slow = fast_and_slow("linear_backward")
    Y = functional.linear(X, W, b, "tanh")
    check_and_time(
        lambda: fast(dY, X, W, b, Y, "tanh")[1], lambda: slow(dY, X, W, b, Y, "tanh")[1], rtol=1e-3
    )


# without gelu, because the reference's erf is a Python loop
@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "gelu"])
def test_activation(check_and_time, name):
    Z, out = rng.standard_normal((1000, 100), dtype="f") * 3, np.empty((1000, 100), "f")
    fast, slow = fast_and_slow("activation")
    check_and_time(lambda: fast(Z, name, out=out), lambda: slow(Z, name, out=out))


@pytest.mark.parametrize(
    "name",
    [
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "cross_entropy",
        "mean_squared_error",
    ],
)
def test_loss_with_gradient(check_and_time, name):
    k = 10 if name == "cross_entropy" else 1
    Y, grad = rng.random((100_000 // k, k), dtype="f"), np.empty((100_000 // k, k), "f")
    y = rng.integers(0, max(k, 2), len(Y)) if k > 1 else (rng.random((len(Y), 1)) > 0.5).astype("f")
    fast, slow = fast_and_slow(name)
    check_and_time(lambda: fast(Y, y, grad=grad), lambda: slow(Y, y, grad=grad))


@pytest.mark.parametrize("n", [10_000, 1_000_000])
@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
def test_update(implementation, benchmark, rule, n):
    # An update changes its parameters, so the results are compared on copies first.
    w, g = rng.standard_normal(n, dtype="f"), rng.standard_normal(n, dtype="f") * np.float32(1e-3)

    def make_step(module, w):
        m, v, step = np.zeros(n, "f"), np.zeros(n, "f"), iter(range(1, 1 << 40))
        if rule == "adam":
            return lambda: module.adam_step_(w, g, m, v, next(step))
        momentum = dict(momentum=0.9, velocity=m) if rule == "momentum" else {}
        return lambda: module.sgd_step_(w, g, 1e-3, **momentum)

    fast_w, slow_w = w.copy(), w.copy()
    fast, slow = make_step(functional, fast_w), make_step(reference, slow_w)
    for _ in range(3):
        fast(), slow()
    np.testing.assert_allclose(fast_w, slow_w, rtol=1e-5, atol=1e-6)
    benchmark(fast if implementation == "fastnn" else slow)


# ---- whole networks ----


def make_reference_epoch(net, X, y, loss, batch, optimizer):
    weights, biases = [W.copy() for W in net.weights], [b.copy() for b in net.biases]
    return lambda: reference.fit(
        X, y, weights, biases, net.activations, loss, optimizer, lr=1e-3, epochs=1, batch_size=batch
    )


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_epoch(implementation, benchmark, network, optimizer):
    """Time eight steps."""
    net, X, y, batch, loss = network
    settings = {"sgd": fastnn.SGD, "adam": fastnn.Adam}[optimizer](1e-3)

    def fast(net=net):
        return net.fit(X, y, loss, settings, epochs=1, batch_size=batch, shuffle=False).loss

    slow = make_reference_epoch(net, X, y, loss, batch, optimizer)
    np.testing.assert_allclose(
        fast(copy.deepcopy(net)),
        make_reference_epoch(net, X, y, loss, batch, optimizer)(),
        rtol=1e-4,
    )
    benchmark(fast if implementation == "fastnn" else slow)


def test_loss_and_grad(check_and_time, network):
    net, X, y, batch, loss = network
    X, y = X[:batch], y[:batch]
    check_and_time(
        lambda: net.loss_and_grad(X, y),
        lambda: reference.loss_and_grad(X, y, net.weights, net.biases, net.activations, loss)[0],
    )


@pytest.mark.parametrize("rows", [1, 10, 1000])
def test_forward(check_and_time, network, rows):
    net, X, *_ = network
    X = np.resize(X, (rows, X.shape[1]))
    check_and_time(
        lambda: net.forward(X),
        lambda: reference.forward(X, net.weights, net.biases, net.activations),
    )


# ---- options; options.py compares them with PyTorch and JAX ----


@pytest.mark.parametrize("network", ["T2", "T3b"], indirect=True)
@pytest.mark.parametrize("name", OPTION_NAMES)
def test_option(implementation, benchmark, network, name):
    """Time two epochs of eight steps. A schedule by epochs changes the rate in the second epoch."""
    net, X, y, batch, _ = network
    option = make_options(steps=16)[name]
    net.dropout = option.dropout

    trained = copy.deepcopy(net)
    losses = fit_fastnn(trained, option, X, y, 2, batch)
    expected_losses, expected_params = fit_reference(
        net, option, X, y, 2, batch, trained.state.seed or 0
    )
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    np.testing.assert_allclose(trained.params, expected_params, rtol=1e-2, atol=1e-4)

    if implementation == "fastnn":
        benchmark(fit_fastnn, net, option, X, y, 2, batch)
    else:
        benchmark(fit_reference, net, option, X, y, 2, batch)
