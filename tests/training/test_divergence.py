"""Divergence: fit goes back to the start of the epoch and names the reason."""

import contextlib
import functools
import pickle
import re

import numpy as np
import pytest
from checks import assert_finite, assert_same_bits, training_state
from small_training import data

import fastnn
from fastnn import MLP, SGD, Adam, DivergenceError, kernels
from fastnn.training import pool, session


@pytest.mark.parametrize("callbacks", [(), [lambda net, history: None]], ids=["", "callback"])
def test_an_epoch_that_diverged_is_not_validated(callbacks):
    X, y = data(40)
    net = MLP([6, 1], output="identity", rng=0)
    with pytest.raises(DivergenceError) as error:
        net.fit(X, y, optimizer=SGD(1e3), epochs=1000, validation_data=(X, y), callbacks=callbacks)
    assert 1 < len(net.history.val_loss) == error.value.epoch - 1
    one = np.ones((1, 1), "float32"), np.full(1, 3e38, "float32")  # the update overflows first
    net = MLP([1, 1], output="identity", dtype="float32", rng=0)
    with pytest.raises(DivergenceError):
        net.fit(*one, "mae", SGD(1e39), 1, validation_data=one, callbacks=callbacks)
    assert net.history.val_loss == []


@pytest.mark.parametrize("optimizer", [SGD(3.0), SGD(2.0, 0.5)], ids=repr)
@pytest.mark.parametrize("callbacks", [(), [lambda net, history: None]], ids=["", "callback"])
def test_divergence_goes_back_to_the_start_of_its_epoch(optimizer, callbacks, dtype):
    X, y = data(dtype=dtype)
    net, expected_net = MLP([6, 1], dtype=dtype, rng=0), MLP([6, 1], dtype=dtype, rng=0)
    with pytest.raises(DivergenceError) as caught:
        net.fit(X, y, optimizer=optimizer, epochs=10**5, batch_size=8, callbacks=callbacks)
    error = caught.value
    assert error.epoch > 1 and 9 * (error.epoch - 1) < error.step <= 9 * error.epoch
    for part in (
        f"in epoch {error.epoch}, step {error.step}:",
        "start of that epoch",
        f"lower learning rate than {optimizer.lr:g}",
    ):
        assert part in str(error)
    history = expected_net.fit(X, y, optimizer=optimizer, epochs=error.epoch - 1, batch_size=8)
    assert_same_bits(training_state(net)[:-1], training_state(expected_net)[:-1])
    assert_finite(net.params)  # the generator has drawn one more order
    for name in ("loss", "n_epochs", "n_steps"):
        assert getattr(net.history, name) == getattr(history, name)
    net.params[:] = 0.1
    assert net.fit(X, y, epochs=2).n_epochs == 2


@pytest.mark.parametrize(("where", "step"), [((13, 2), 2), ((69, 0), 9)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_divergence_names_what_is_not_finite_in_X(where, step, value):
    X, y = data()
    X[where] = value
    net = MLP([6, 1], rng=0)
    before = net.params.copy()
    message = f"X holds NaN or infinity .first in row {where[0]}, column {where[1]}"
    with pytest.raises(DivergenceError, match=message) as caught:
        net.fit(X, y, batch_size=8, shuffle=False)
    assert (caught.value.epoch, caught.value.step) == (1, step)
    assert_same_bits(net.params, before)


def test_parameters_that_overflow_in_the_very_last_step_diverge_too():
    X, y = data()
    net = MLP([6, 1], rng=0)
    before = net.params.copy()
    with pytest.raises(DivergenceError):
        net.fit(X, y * 100, optimizer=SGD(3e38), epochs=1, batch_size=None)
    assert_same_bits(net.params, before)
    assert (net.history.loss, net.history.n_steps, net.state.step) == ([], 0, 0)


HINTS = [("float32", ". Numbers above 3.4e+38 are infinite in float32."), ("float64", ".")]


@pytest.mark.parametrize("name", ["y", "sample_weight"])
@pytest.mark.parametrize(("dtype", "hint"), HINTS)
def test_divergence_names_targets_and_weights_that_are_not_finite(name, dtype, hint):
    X, y = data()
    arguments = {"y": y.astype(float), "sample_weight": np.ones(len(X))}
    arguments[name][7] = np.nan
    where = "row 7, column 0" if name == "y" else "row 7"
    message = f"{name} holds NaN or infinity (first in {where}). Remove or replace such rows{hint}"
    with pytest.raises(DivergenceError, match=f"{re.escape(message)}$"):
        MLP([6, 9, 1], rng=0, dtype=dtype).fit(X, **arguments)


@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), Adam()])
def test_a_trainer_without_moments_is_refused(optimizer):
    net = MLP([2, 1], rng=0)
    options = dict(loss=1, batch_size=3, optimizer=optimizer.to_kernel())
    trainer = kernels.Trainer(net, np.ones((3, 2), "f4"), np.ones((3, 1), "f4"), **options)
    for call in (trainer.load, trainer.store):
        with pytest.raises(ValueError, match="needs moments"):
            call()
        with pytest.raises(ValueError, match="Expected a C-contiguous"):
            call(np.zeros(1, "f4"))


def test_divergence_error_can_be_pickled():
    error = pickle.loads(pickle.dumps(DivergenceError("a message", 3, 17)))
    assert type(error) is DivergenceError and isinstance(error, ArithmeticError)
    assert (str(error), error.epoch, error.step) == ("a message", 3, 17)


# ---- training that is stopped in the slice in which it diverges ----


@pytest.mark.parametrize("n_networks", [1, 3])
def test_ctrl_c_after_the_slice_that_diverged_restores_finite_parameters(n_networks, monkeypatch):
    """The signal comes before the session looks why the slice ended."""
    X, y = data(40)
    record = session.Session.record

    def interrupt(self):
        if self.engine.has_diverged:
            monkeypatch.undo()
            raise KeyboardInterrupt
        record(self)

    nets = [MLP([6, 4, 1], rng=seed) for seed in range(n_networks)]
    monkeypatch.setattr(session.Session, "record", interrupt)
    fit = nets[0].fit if n_networks == 1 else functools.partial(fastnn.fit_many, nets)
    with pytest.raises(KeyboardInterrupt):
        fit(X, y, optimizer=SGD(1e30), epochs=9, n_threads=1)
    for net in nets:
        assert_finite(net.params)
        assert net.history.stop_reason == "interrupted"
        assert net.history.n_steps == net.state.step == 0 and net.history.loss == []


@pytest.mark.parametrize("is_many", [False, True])
def test_a_stop_within_an_epoch_does_not_keep_parameters_that_overflowed(is_many, monkeypatch):
    """Parameters are checked at the end of an epoch, and the loss one step after they overflow."""
    for module in (session, pool):
        monkeypatch.setattr(module, "SLICE_SECONDS", 0.0)
    stopped = []

    class Stop(fastnn.callbacks.Callback):
        interval = 0.0

        def on_interval(self, net, history):
            return not np.isfinite(net.params).all()

    X, y = np.ones((600, 1), "float32"), np.full(600, 3e38, "float32")
    for large in range(140, 180):  # the first slice ends after one of these steps
        net = MLP([1, 1], rng=0)
        start = net.params.copy()
        rates = fastnn.schedules.Rates([1e-3] * large + [1e39], unit="step")
        with contextlib.suppress(DivergenceError):
            nets = [net, net.copy()]  # of which a single one would be trained by net.fit
            fit = functools.partial(fastnn.fit_many, nets) if is_many else net.fit
            fit(X, y, "mae", SGD(rates), epochs=3, batch_size=1, callbacks=Stop())
        stopped.append(net.history.stop_reason)
        assert net.state.row == 0 and net.state.step == 0
        assert_same_bits(net.params, start)
    assert "Stop.on_interval returned True" in stopped


def test_a_network_that_diverged_beside_an_error_of_another_is_restored():
    X, y = data(200)
    nets = [MLP([6, 8, 1], rng=seed) for seed in range(2)]

    def fail(net, history):
        raise ZeroDivisionError

    options = dict(optimizer=[SGD(0.01), SGD(1e30)], callbacks=[[fail], []])
    with pytest.raises(ZeroDivisionError):
        fastnn.fit_many(nets, X, y, epochs=3, n_threads=1, **options)
    for net in nets:
        assert_finite(net.params)
    assert nets[1].state.step == nets[1].history.n_steps == 0


def test_lbfgs_whose_parameters_overflow_keeps_finite_ones(monkeypatch):
    pytest.importorskip("scipy")
    from fastnn.training.engines import lbfgs

    X, y = data(40)
    net = MLP([6, 1], rng=0)
    start = net.params.copy()

    def minimize(evaluate, x, callback, **options):
        evaluate(x)
        callback(np.full_like(x, 1e39))

    monkeypatch.setattr(lbfgs.Objective, "__call__", lambda self, x: (0.0, x))
    monkeypatch.setattr(lbfgs.Objective, "loss", 0.0, raising=False)
    monkeypatch.setattr("scipy.optimize.minimize", minimize)
    with pytest.raises(DivergenceError, match="a parameter is not finite"):
        net.fit(X, y, optimizer="lbfgs")
    assert_same_bits(net.params, start)
