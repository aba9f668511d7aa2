"""L-BFGS: minimum found, precision, and options it does not support."""

import sys

import numpy as np
import pytest
from checks import assert_same_bits

import fastnn
from fastnn import LBFGS, MLP, DivergenceError, EarlyStopping

pytest.importorskip("scipy", reason="SciPy is not installed (the extra scipy)")
X = np.random.default_rng(1).normal(size=(200, 5))
Y = X @ np.arange(1.0, 6.0) + 0.1 * np.random.default_rng(2).normal(size=200)


def test_least_squares_solution_to_many_digits(dtype):
    net = MLP([5, 1], rng=0, dtype=dtype)
    history = net.fit(X, Y, optimizer="lbfgs", epochs=100)
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(200)]), Y, rcond=None)[0]
    np.testing.assert_allclose(net.params, expected, rtol=1e-5, atol=1e-6)
    counts = history.n_epochs, history.n_steps, net.state.step, net.state.epoch
    assert {*counts, len(history.loss)} == {counts[0]} and counts[0] < 30
    assert history.loss[-1] == pytest.approx(net.loss(X, Y), rel=1e-5)
    assert history.loss == sorted(history.loss, reverse=True)


def test_the_penalty_is_on_weights_alone():
    l2 = 0.3
    net = MLP([5, 1], rng=0, dtype="float64")
    optimizer = LBFGS(l2=l2, tolerance_grad=1e-9, tolerance_loss=0)
    history = net.fit(X, Y + 4, optimizer=optimizer, epochs=200)
    A = np.column_stack([X, np.ones(200)])
    penalty = l2 * np.diag([1, 1, 1, 1, 1, 0])  # mse has no factor 1/2
    expected = np.linalg.solve(A.T @ A * 2 / 200 + penalty, A.T @ (Y + 4) * 2 / 200)
    np.testing.assert_allclose(net.params, expected, rtol=1e-6)
    assert history.loss[-1] == pytest.approx(net.loss(X, Y + 4))  # without the penalty
    net = MLP([5, 1], bias=False, rng=0, dtype="float64")
    net.fit(X, Y, optimizer=optimizer, epochs=200)
    expected = np.linalg.solve((A.T @ A * 2 / 200 + penalty)[:5, :5], X.T @ Y * 2 / 200)
    np.testing.assert_allclose(net.params, expected, rtol=1e-6)


def test_a_hidden_layer_class_weights_and_validation():
    y = X[:, 0] * X[:, 1] > 0
    net = MLP([5, 20, 1], "tanh", "sigmoid", rng=0)
    options = dict(validation_fraction=0.2, class_weight="balanced")
    history = net.fit(X, y, optimizer=LBFGS(l2=1e-3), epochs=200, **options)
    assert len(history.val_loss) == len(history.loss)
    assert history.val_loss[-1] < 0.5 < history.val_loss[0]
    assert ((net.forward(X)[:, 0] > 0.5) == y).mean() > 0.9


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads_and_batch_size_do_not_change_the_result(n_threads):
    big, y = np.tile(X, (10, 1)), np.tile(Y, 10)
    nets = [MLP([5, 30, 1], rng=0) for _ in range(2)]
    for net, options in zip(nets, ({}, dict(n_threads=n_threads, batch_size=7, shuffle=False))):
        net.fit(big, y, optimizer="lbfgs", epochs=5, **options)
    assert_same_bits(nets[0].params, nets[1].params)


def test_callbacks_are_called_and_may_stop():
    seen = []
    net = MLP([5, 9, 1], rng=0)
    options = dict(optimizer="lbfgs", epochs=50)
    stop = lambda net, history: seen.append(net.loss(X, Y)) or len(seen) == 4  # noqa: E731
    net.fit(X, Y, callbacks=stop, **options)
    assert seen == pytest.approx(net.history.loss, rel=1e-4) and len(seen) == 4
    held_out = X, np.sin(5 * Y)
    net.fit(X, 0 * Y, validation_data=held_out, callbacks=EarlyStopping(3), **options)
    assert net.history.n_epochs <= 50
    assert net.loss(*held_out) == pytest.approx(min(net.history.val_loss), rel=1e-4)


def test_custom_loss():
    squared = lambda a, y: (float(((a[:, 0] - y) ** 2).mean()), 2 * (a - y[:, None]) / len(y))  # noqa: E731
    net = MLP([5, 1], rng=0)
    net.fit(X, Y, squared, "lbfgs", epochs=100)
    assert net.loss(X, Y) < 0.02


def test_zero_iterations_change_nothing():
    net = MLP([5, 1], rng=0)
    before = net.params.copy()
    assert net.fit(X, Y, optimizer="lbfgs", epochs=0).loss == []
    assert_same_bits(net.params, before)


def test_divergence_restores_the_parameters_of_the_iteration_before():
    net, targets = MLP([5, 1], rng=0), Y.copy()
    targets[3] = np.nan
    before = net.params.copy()
    with pytest.raises(DivergenceError, match="L-BFGS diverged in iteration 1"):
        net.fit(X, targets, optimizer="lbfgs")
    assert_same_bits(net.params, before)


def test_unsupported_options_are_refused():
    net = MLP([5, 9, 1], rng=0)
    net.fit(X, Y, optimizer="lbfgs", epochs=2)
    assert net.state.lr is None
    message = r"LBFGS.*cannot continue with the moments of LBFGS.* Pass resume=False"
    with pytest.raises(ValueError, match=message):
        net.fit(X, Y, resume=True)
    net.state = None
    with pytest.raises(ValueError, match="partial_fit does not support L-BFGS"):
        net.partial_fit(X, Y, optimizer=LBFGS())
    net.dropout = 0.5
    with pytest.raises(ValueError, match=r"a deterministic loss.* Set net.dropout = 0"):
        net.fit(X, Y, optimizer="lbfgs")


def test_without_scipy_the_message_says_what_to_install(monkeypatch):
    for name in ("scipy", "scipy.optimize"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'LBFGS needs SciPy: pip install "fastnn-mlp\[scipy\]"'):
        MLP([5, 1], rng=0).fit(X, Y, optimizer="lbfgs")


@pytest.mark.parametrize(
    "setting",
    [dict(history_size=0), dict(tolerance_grad=-1), dict(tolerance_loss=np.nan), dict(l2=-1)],
)
def test_settings_out_of_range(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        fastnn.LBFGS(**setting)
