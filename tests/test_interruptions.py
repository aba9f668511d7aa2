"""What can happen to a training: stopped and gone on, Ctrl-C, divergence."""

import _thread
import contextlib
import copy
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import fastnn
from fastnn import MLP, SGD, Adam, DivergenceError, kernels

OPTIMIZERS = [SGD(0.1), SGD(0.05, 0.9, True, 0.01), Adam(0.01)]


def data(n=70, n_in=6, n_out=1, dtype="float32", seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_in)).astype(dtype)
    return X, ((np.sin(X[:, :1] * np.arange(1, n_out + 1)) + 1) / 2).astype(dtype)


@pytest.fixture(autouse=True)
def sigint_interrupts():
    """Also where the tests run in the background of a shell, which lets programs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(fit, seconds, *arguments, send=_thread.interrupt_main, **options):
    """A call stopped by Ctrl-C after so many seconds; the signal comes from another thread, as a
    terminal's would."""
    timer = threading.Timer(seconds, send)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fit(*arguments, **options)
    timer.join()


def python(code, *arguments):
    """A fresh interpreter that runs code with this fastnn."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(fastnn.__file__).parents[1]), *sys.path]),
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(process):
    """The last line that it prints."""
    try:
        out, _ = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 0, f"the other process ended with {process.returncode}"
    return json.loads(out.splitlines()[-1])


# ---- stopped and gone on = never stopped ----

HANDED_ON = {
    "as it is": lambda net, path: net,
    "save and load": lambda net, path: (net.save(path), fastnn.load(path))[1],
    "pickle": lambda net, path: pickle.loads(pickle.dumps(net)),
    "copy": lambda net, path: net.copy(),
    "deepcopy": lambda net, path: copy.deepcopy(net),
}


@pytest.fixture(params=HANDED_ON)
def hand_on(request, tmp_path):
    return lambda net: HANDED_ON[request.param](net, tmp_path / "net.safetensors")


def everything(net):
    """All that may influence what comes, as comparable values."""
    state = net.state
    return (
        net.params.tobytes(),
        state.moments.tobytes(),
        state.step,
        state.epoch,
        state.row,
        str(net.rng.bit_generator.state),
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_five_epochs_and_five_more_are_ten(optimizer, hand_on, dtype):
    X, y = data()
    whole, halves = MLP([6, 9, 1], dtype=dtype, rng=0), MLP([6, 9, 1], dtype=dtype, rng=0)
    history = whole.fit(X, y, optimizer=optimizer, epochs=10)
    first = halves.fit(X, y, optimizer=optimizer, epochs=5)
    halves = hand_on(halves)
    second = halves.fit(X, y, epochs=5, resume=True)
    assert first.loss + second.loss == history.loss and second.n_steps == 15
    assert everything(halves) == everything(whole)


def test_training_goes_on_within_the_epoch_that_ctrl_c_stopped(hand_on):
    X, y = data(150_000)
    options = dict(batch_size=5, optimizer=Adam(0.001))
    net, whole = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0)
    interrupted(net.fit, 0.1, X, y, epochs=3000, **options)
    history, state = net.history, net.state
    assert (
        history.n_steps == state.step == 30_000 * state.epoch + state.row // 5
        and history.n_epochs == state.epoch == len(history.loss)
    )
    net = hand_on(net)
    rest = net.fit(X, y, epochs=state.epoch + 1 - net.state.epoch, batch_size=5, resume=True)
    assert history.loss + rest.loss == whole.fit(X, y, epochs=len(history.loss) + 1, **options).loss
    assert everything(net) == everything(whole)


def test_partial_fit_is_one_pass_in_order_that_goes_on():
    X, y = data(90)
    net, twin = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0)
    for i, rows in enumerate([slice(0, 40), slice(40, 41), slice(41, 90)]):
        ours = net.partial_fit(
            X[rows], y[rows], optimizer=None if i else SGD(0.1, 0.9), batch_size=16
        )
        theirs = twin.fit(
            X[rows],
            y[rows],
            optimizer=None if i else SGD(0.1, 0.9),
            batch_size=16,
            epochs=1,
            shuffle=False,
            resume=i > 0,
        )
        assert (ours.loss, ours.n_epochs, ours.n_steps) == (
            theirs.loss,
            1,
            theirs.n_steps,
        ) and net.history is ours
    assert everything(net) == everything(twin) and (net.state.step, net.state.epoch) == (8, 3)


def test_other_numbers_of_the_same_optimizer_may_go_on():
    X, y = data()
    net, same = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0)
    for n in (net, same):
        n.fit(X, y, optimizer=Adam(0.01), epochs=2)
    net.fit(X, y, optimizer=Adam(0.001), epochs=1, resume=True)
    same.fit(X, y, optimizer=Adam(0.01), epochs=1, resume=True)
    assert net.state.optimizer == Adam(0.001) and net.state.step == same.state.step == 9
    assert net.params.tobytes() != same.params.tobytes()


@pytest.mark.parametrize("other", [SGD(0.1), SGD(0.1, 0.9), "sgd"], ids=repr)
def test_another_optimizers_moments_are_refused(other):
    X, y = data()
    net = MLP([6, 9, 1], rng=0)
    with pytest.raises(
        ValueError, match="has not been trained: there is no state to go on from; use resume=False"
    ):
        net.fit(X, y, resume=True)
    net.fit(X, y, optimizer=Adam(0.01), epochs=2)
    before = everything(net)
    with pytest.raises(
        ValueError, match=r"goes on with the moments of Adam\(lr=0.01.*cannot use; use resume=False"
    ):
        net.fit(X, y, optimizer=other, resume=True)
    with pytest.raises(
        ValueError, match=r"moments of Adam\(lr=0.01.*cannot use; set net.state = None"
    ):
        net.partial_fit(X, y, optimizer=other)
    assert everything(net) == before and net.state.optimizer == Adam(0.01)


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_a_refused_call_leaves_the_state_of_a_stopped_epoch(call):
    X, y = data(100_000)
    net = MLP([6, 9, 1], rng=0)
    interrupted(net.fit, 0.05, X, y, epochs=3000, batch_size=5)
    before, optimizer, order = everything(net), net.state.optimizer, net.state.order.tobytes()
    with pytest.raises(ValueError, match="X"):
        net.fit(
            X[:10], y[:10], optimizer=Adam(0.5), resume=True
        ) if call == "fit" else net.partial_fit(X[:, :5], y)
    assert (
        everything(net) == before
        and net.state.optimizer == optimizer
        and net.state.order.tobytes() == order
    )


# ---- Ctrl-C ----

LONG = [256, 1024, 1024, 1], 4096  # a step of some 0.2 s and more
SHORT = [6, 9, 1], 70


@pytest.mark.parametrize(
    "send",
    [_thread.interrupt_main, lambda: signal.raise_signal(signal.SIGINT)],
    ids=["interrupt", "signal"],
)
@pytest.mark.parametrize(
    ("case", "seconds"),
    [(SHORT, 0.12), (LONG, 0.1), (LONG, 0.7)],
    ids=["short steps", "in a step", "long steps"],
)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_leaves_the_last_whole_step(case, seconds, n_threads, send):
    sizes, n = case
    X, y = data(n, sizes[0])
    net, twin = MLP(sizes, rng=0), MLP(sizes, rng=0)
    interrupted(
        net.fit, seconds, X, y, epochs=10**6, batch_size=None, n_threads=n_threads, send=send
    )
    steps = net.history.n_steps  # of one epoch each
    assert (net.state.step, net.state.epoch, net.state.row, net.history.n_epochs) == (
        steps,
        steps,
        0,
        steps,
    )
    assert twin.fit(X, y, epochs=steps, batch_size=None).loss == net.history.loss
    assert (
        everything(net)[:-1] == everything(twin)[:-1]
    )  # the order of a dropped step has been drawn
    net.fit(X[:70], y[:70], epochs=2)
    assert np.isfinite(net.params).all()


def test_ctrl_c_at_any_moment_leaves_parameters_state_and_history_of_one_step():
    """Signals at random microseconds of short epochs with a callback, where most of the time passes
    in Python code."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("this system has no timer signals")
    X, y = data(20, 3)
    trace, histories = [MLP([3, 4, 1], rng=0).params.tobytes()], MLP([3, 4, 1], rng=0)
    whole = histories.fit(
        X,
        y,
        epochs=3000,
        batch_size=None,
        callbacks=lambda net, h: trace.append(net.params.tobytes()),
    )
    before, random = (
        signal.signal(signal.SIGALRM, signal.default_int_handler),
        np.random.default_rng(0),
    )
    try:
        for _ in range(500):
            net = MLP([3, 4, 1], rng=0)
            with contextlib.suppress(KeyboardInterrupt):
                try:
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 3e-3))
                    net.fit(X, y, epochs=3000, batch_size=None, callbacks=lambda net, h: None)
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            steps = net.state.step if net.state else 0
            assert net.params.tobytes() == trace[steps]
            if net.state:
                assert (net.state.epoch, net.history.n_steps, net.history.n_epochs) == (
                    steps,
                    steps,
                    steps,
                )
                assert net.history.loss == whole.loss[:steps]
            assert net.fit(X, y, epochs=1).n_steps == 1
    finally:
        signal.signal(signal.SIGALRM, before)


def test_ctrl_c_in_the_last_step_of_an_epoch(sizes_of_a_watched_step):
    """Where the step is still updated: steps of some milliseconds, every one the last of its epoch,
    and each epoch a slice."""
    sizes = sizes_of_a_watched_step
    X, y = data(256, sizes[0], sizes[-1])
    options = dict(batch_size=256, callbacks=lambda net, history: None)
    twin = MLP(sizes, rng=0)
    trace = [(twin.params.tobytes(), bytes(2 * twin.params.nbytes))]
    for i in range(8):
        net = MLP(sizes, rng=0)
        interrupted(net.fit, 0.06 + 0.0037 * i, X, y, epochs=3000, **options)
        steps = net.state.step
        assert net.history.n_steps == steps == net.state.epoch == len(net.history.loss)
        if steps >= len(trace):

            def keep(net, history):
                trace.append((net.params.tobytes(), net.state.moments.tobytes()))

            twin.fit(
                X,
                y,
                epochs=steps + 1 - len(trace),
                batch_size=256,
                callbacks=keep,
                resume=len(trace) > 1,
            )
        assert (net.params.tobytes(), net.state.moments.tobytes()) == trace[steps]


CTRL_C = """
import json, signal, sys, numpy as np, fastnn
signal.signal(signal.SIGINT, signal.default_int_handler)
sizes, n = json.loads(sys.argv[1])
X = np.random.default_rng(1).normal(size=(n, sizes[0])).astype("float32")
net, twin = (fastnn.MLP(sizes, rng=0) for _ in range(2))
try:
    print("ready", flush=True)
    net.fit(X, X[:, 0], epochs=10**6, batch_size=None, shuffle=False, n_threads=2)
except KeyboardInterrupt:
    steps = net.history.n_steps if net.history else 0
    twin.fit(X, X[:, 0], epochs=steps, batch_size=None, shuffle=False)
    same = net.params.tobytes() == twin.params.tobytes()
    net.fit(X, X[:, 0], epochs=1, batch_size=None, shuffle=False, resume=True)
    twin.fit(X, X[:, 0], epochs=1, batch_size=None, shuffle=False, resume=True)
    print(json.dumps([same, net.params.tobytes() == twin.params.tobytes(), bool(np.isfinite(net.params).all())]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a single process")
@pytest.mark.parametrize("case", [SHORT, LONG], ids=["short steps", "long steps"])
def test_ctrl_c_from_outside(case):
    process = python(CTRL_C, json.dumps(case))
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert answer(process) == [True, True, True]


@pytest.mark.parametrize("call", ["loss", "loss_and_grad", "backward"])
def test_ctrl_c_stops_a_long_loss_or_gradient(call):
    net = MLP([100, 512, 512, 1], rng=0)
    X, y = np.zeros((200_000, 100), "float32"), np.zeros((200_000, 1), "float32")
    net._kept = X
    interrupted(getattr(net, call), 0.1, *[y] if call == "backward" else [X, y])
    assert net.loss(X[:5], y[:5]) >= 0 and net.fit(X[:5], y[:5], epochs=1).n_steps == 1


@pytest.mark.parametrize("callbacks", [(), [lambda net, history: None]], ids=["", "callback"])
def test_ctrl_c_in_a_long_validation(callbacks):
    """The epoch counts, its validation loss is not known."""
    net, twin = (MLP([100, 512, 512, 1], rng=0) for _ in range(2))
    X, y = np.ones((200_000, 100), "float32"), np.zeros(200_000, "float32")
    interrupted(
        net.fit, 0.15, X[:64], y[:64], epochs=100, validation_data=(X, y), callbacks=callbacks
    )
    epochs = net.state.epoch
    assert (net.state.row, net.history.n_epochs, len(net.history.loss)) == (0, epochs, epochs)
    assert len(net.history.val_loss) == epochs - 1
    assert (
        twin.fit(X[:64], y[:64], epochs=epochs).loss == net.history.loss
        and twin.params.tobytes() == net.params.tobytes()
    )
    assert (
        len(net.fit(X[:64], y[:64], epochs=2, resume=True, validation_data=(X[:9], y[:9])).val_loss)
        == 2
    )


def test_ctrl_c_in_forward_lets_go_of_its_arrays():
    net = MLP([100, 512, 512, 1], rng=0)
    X, out = np.zeros((300_000, 100), "float32"), np.empty((300_000, 1), "float32")
    before = sys.getrefcount(X), sys.getrefcount(out)
    interrupted(net.forward, 0.1, X, out)
    assert (sys.getrefcount(X), sys.getrefcount(out)) == before


# ---- divergence ----


@pytest.mark.parametrize("callbacks", [(), [lambda net, history: None]], ids=["", "callback"])
def test_an_epoch_that_diverged_is_not_validated(callbacks):
    X, y = data(40)
    net = MLP([6, 1], output="identity", rng=0)
    with pytest.raises(DivergenceError) as error:
        net.fit(X, y, optimizer=SGD(1e3), epochs=1000, validation_data=(X, y), callbacks=callbacks)
    assert 1 < len(net.history.val_loss) == error.value.epoch - 1
    X, targets = (
        np.ones((1, 1), "float32"),
        np.full(1, 3e38, "float32"),
    )  # the update is the first number that overflows
    net = MLP([1, 1], output="identity", dtype="float32", rng=0)
    with pytest.raises(DivergenceError):
        net.fit(
            X,
            targets,
            "mae",
            SGD(1e39),
            epochs=1,
            validation_data=(X, targets),
            callbacks=callbacks,
        )
    assert net.history.val_loss == []


@pytest.mark.parametrize("optimizer", [SGD(3.0), SGD(2.0, 0.5)], ids=repr)
@pytest.mark.parametrize("callbacks", [(), [lambda net, history: None]], ids=["", "callback"])
def test_divergence_goes_back_to_the_start_of_its_epoch(optimizer, callbacks, dtype):
    X, y = data(dtype=dtype)
    net, twin = MLP([6, 1], dtype=dtype, rng=0), MLP([6, 1], dtype=dtype, rng=0)
    with pytest.raises(DivergenceError) as caught:
        net.fit(X, y, optimizer=optimizer, epochs=10**5, batch_size=8, callbacks=callbacks)
    error = caught.value
    assert error.epoch > 1 and 9 * (error.epoch - 1) < error.step <= 9 * error.epoch
    assert f"in epoch {error.epoch}, step {error.step}:" in str(
        error
    ) and "start of that epoch" in str(error)
    assert f"lower the learning rate (lr={optimizer.lr:g})" in str(error)
    history = twin.fit(X, y, optimizer=optimizer, epochs=error.epoch - 1, batch_size=8)
    assert (
        everything(net)[:-1] == everything(twin)[:-1] and np.isfinite(net.params).all()
    )  # one more order has been drawn
    assert (net.history.loss, net.history.n_epochs, net.history.n_steps) == (
        history.loss,
        history.n_epochs,
        history.n_steps,
    )
    net.params[:] = 0.1
    assert net.fit(X, y, epochs=2).n_epochs == 2


@pytest.mark.parametrize(("where", "step"), [((13, 2), 2), ((69, 0), 9)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_divergence_names_what_is_not_finite_in_X(where, step, value):
    X, y = data()
    X[where] = value
    net = MLP([6, 1], rng=0)
    before = net.params.tobytes()
    with pytest.raises(
        DivergenceError, match=f"X itself is not finite .first in row {where[0]}, column {where[1]}"
    ) as caught:
        net.fit(X, y, batch_size=8, shuffle=False)
    assert (caught.value.epoch, caught.value.step) == (1, step) and net.params.tobytes() == before


def test_parameters_that_overflow_in_the_very_last_step_diverge_too():
    X, y = data()
    net = MLP([6, 1], rng=0)
    before = net.params.tobytes()
    with pytest.raises(DivergenceError):
        net.fit(X, y * 100, optimizer=SGD(3e38), epochs=1, batch_size=None)
    assert net.params.tobytes() == before and (
        net.history.loss,
        net.history.n_steps,
        net.state.step,
    ) == ([], 0, 0)


def test_a_stopped_epoch_that_goes_on_with_bad_parameters_gets_them_back():
    X, y = data(100_000)
    net = MLP([6, 9, 1], rng=0)
    interrupted(net.fit, 0.05, X, y, epochs=3000, batch_size=5)
    net.params[0] = np.nan
    before = everything(net)
    with pytest.raises(DivergenceError):
        net.fit(X, y, batch_size=5, resume=True)
    assert everything(net) == before


@pytest.mark.parametrize("name", ["y", "sample_weight"])
def test_divergence_names_targets_and_weights_that_are_not_finite(name):
    X, y = data()
    arguments = {"y": y.astype(float), "sample_weight": np.ones(len(X))}
    arguments[name][7] = np.nan
    with pytest.raises(DivergenceError, match=f"{name} itself is not finite .first in row 7"):
        MLP([6, 9, 1], rng=0).fit(X, **arguments)


@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), Adam()])
def test_a_trainer_without_room_for_moments_says_so(optimizer):
    net = MLP([2, 1], rng=0)
    settings = optimizer.to_kernel()
    trainer = kernels.Trainer(
        net, np.ones((3, 2), "f4"), np.ones((3, 1), "f4"), loss=1, batch_size=3, optimizer=settings
    )
    for call in (trainer.load, trainer.store):
        with pytest.raises(ValueError, match=r"needs . moments"):
            call()
        with pytest.raises(ValueError, match="expected"):
            call(np.zeros(1, "f4"))


def test_divergence_error_can_be_pickled():
    error = pickle.loads(pickle.dumps(DivergenceError("a message", 3, 17)))
    assert (type(error), str(error), error.epoch, error.step) == (
        DivergenceError,
        "a message",
        3,
        17,
    )
    assert isinstance(error, ArithmeticError)
