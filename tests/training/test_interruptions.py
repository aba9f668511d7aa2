"""Interrupted training: resuming, and Ctrl-C."""

import _thread
import contextlib
import copy
import gc
import json
import os
import pickle
import signal
import sys
import threading
import time

import numpy as np
import processes
import pytest
from checks import assert_finite, assert_same_bits, training_state
from interrupt import interrupted, sigint_interrupts  # noqa: F401 - for all tests here
from small_training import data, squared

import fastnn
from fastnn import MLP, SGD, Adam, DivergenceError, kernels


def answer(process):
    """The last line that a process prints, parsed as JSON."""
    try:
        out, _ = process.communicate(timeout=processes.LIMIT)
    finally:
        process.kill()
    assert process.returncode == 0, f"the other process ended with {process.returncode}"
    return json.loads(out.splitlines()[-1])


# ---- resuming ----

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


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.05, 0.9, True, 0.01), Adam(0.01)], ids=repr)
def test_two_calls_of_five_epochs_equal_one_of_ten(optimizer, hand_on, dtype):
    X, y = data()
    whole, halves = MLP([6, 9, 1], dtype=dtype, rng=0), MLP([6, 9, 1], dtype=dtype, rng=0)
    history = whole.fit(X, y, optimizer=optimizer, epochs=10)
    first = halves.fit(X, y, optimizer=optimizer, epochs=5)
    halves = hand_on(halves)
    second = halves.fit(X, y, epochs=5, resume=True)
    assert first.loss + second.loss == history.loss and second.n_steps == 15
    assert_same_bits(training_state(halves), training_state(whole))


def test_training_resumes_within_the_epoch_that_ctrl_c_stopped(hand_on):
    X, y = data(150_000)
    options = dict(batch_size=5, optimizer=Adam(0.001))
    net, whole = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0)
    interrupted(net.fit, 0.1, X, y, epochs=3000, **options)
    history, state = net.history, net.state
    assert history.n_steps == state.step == 30_000 * state.epoch + state.row // 5
    assert history.n_epochs == state.epoch == len(history.loss)
    net = hand_on(net)
    rest = net.fit(X, y, epochs=state.epoch + 1 - net.state.epoch, batch_size=5, resume=True)
    assert history.loss + rest.loss == whole.fit(X, y, epochs=len(history.loss) + 1, **options).loss
    assert_same_bits(training_state(net), training_state(whole))


@pytest.mark.parametrize("step", [0, 1, 3, 6, 7])  # an epoch has three
def test_training_resumes_from_the_step_that_an_exception_dropped(step, hand_on):
    X, y = data()
    net, whole = MLP([6, 9, 1], dropout=0.1, rng=0), MLP([6, 9, 1], dropout=0.1, rng=0)
    losses = whole.fit(X, y, squared, Adam(0.01), epochs=4).loss
    left = step

    def fails(outputs, y):
        nonlocal left
        left -= 1
        if left < 0:
            raise RuntimeError("stopped here")
        return squared(outputs, y)

    with pytest.raises(RuntimeError, match="stopped here"):
        net.fit(X, y, fails, Adam(0.01), epochs=4)
    net = hand_on(net)
    assert net.state.step == step and sorted(net.state.order) == list(range(70))
    with pytest.raises(ValueError, match="needs the same rows as before, but X has 60 rows"):
        net.fit(X[:60], y[:60], squared, resume=True)
    rest = net.fit(X, y, squared, epochs=4 - step // 3, resume=True)
    assert rest.loss == losses[step // 3 :] and net.state.order is None
    assert_same_bits(training_state(net), training_state(whole))


def test_ctrl_c_in_the_first_step_of_an_epoch_keeps_the_order_of_the_rows():
    sizes, n = LONG
    X, y = data(n, sizes[0])
    for i in range(1, 20):  # not every signal comes in a step
        net = MLP(sizes, rng=0)
        interrupted(net.fit, 0.05 * i, X, y, epochs=1000, batch_size=n)
        if net.state is not None and net.state.order is not None:
            break
    expected = MLP(sizes, rng=0).rng
    for _ in range(net.state.epoch + 1):
        order = expected.permutation(n)
    assert net.state.row == 0
    np.testing.assert_array_equal(net.state.order, order)
    assert net.rng.bit_generator.state == expected.bit_generator.state


def test_partial_fit_is_one_resumed_epoch_in_order():
    X, y = data(90)
    net, expected_net = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0)
    for i, rows in enumerate([slice(0, 40), slice(40, 41), slice(41, 90)]):
        options = dict(optimizer=None if i else SGD(0.1, 0.9), batch_size=16)
        ours = net.partial_fit(X[rows], y[rows], **options)
        options |= dict(epochs=1, shuffle=False, resume=i > 0)
        theirs = expected_net.fit(X[rows], y[rows], **options)
        assert net.history is ours and ours.loss == theirs.loss
        assert ours.n_epochs == 1 and ours.n_steps == theirs.n_steps
    assert_same_bits(training_state(net), training_state(expected_net))
    assert (net.state.step, net.state.epoch) == (8, 3)
    net.fit(X, y, batch_size=16, max_steps=2, resume=True)
    anew = net.copy()  # the rest of that epoch is dropped
    assert anew.state.row == 32 and anew.state.order is not None and anew.state.loss_sum > 0
    anew.state.row, anew.state.order, anew.state.loss_sum = 0, None, 0.0
    theirs = anew.fit(X, y, batch_size=16, epochs=1, shuffle=False, resume=True)
    assert net.partial_fit(X, y, batch_size=16).loss == theirs.loss
    assert_same_bits(training_state(net), training_state(anew))


def test_resume_with_other_settings_of_the_same_optimizer():
    X, y = data()
    net, same = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0)
    for n in (net, same):
        n.fit(X, y, optimizer=Adam(0.01), epochs=2)
    net.fit(X, y, optimizer=Adam(0.001), epochs=1, resume=True)
    same.fit(X, y, optimizer=Adam(0.01), epochs=1, resume=True)
    assert net.state.optimizer == Adam(0.001) and net.state.step == same.state.step == 9
    assert not np.array_equal(net.params, same.params)


@pytest.mark.parametrize("other", [SGD(0.1), SGD(0.1, 0.9), "sgd"], ids=repr)
def test_resume_with_another_optimizer_is_refused(other):
    X, y = data()
    net = MLP([6, 9, 1], rng=0)
    with pytest.raises(ValueError, match="has not been trained"):
        net.fit(X, y, resume=True)
    net.fit(X, y, optimizer=Adam(0.01), epochs=2)
    before = training_state(net)
    message = r"cannot continue with the moments of Adam\(lr=0.01.*Pass resume=False"
    with pytest.raises(ValueError, match=message):
        net.fit(X, y, optimizer=other, resume=True)
    with pytest.raises(ValueError, match=r"moments of Adam\(lr=0.01.* Set net.state = None"):
        net.partial_fit(X, y, optimizer=other)
    assert_same_bits(training_state(net), before)
    assert net.state.optimizer == Adam(0.01)


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_a_refused_call_keeps_the_state_of_a_stopped_epoch(call):
    X, y = data(100_000)
    net = MLP([6, 9, 1], rng=0)
    interrupted(net.fit, 0.05, X, y, epochs=3000, batch_size=5)
    before, optimizer, order = training_state(net), net.state.optimizer, net.state.order.copy()
    with pytest.raises(ValueError, match="X"):
        if call == "fit":
            net.fit(X[:10], y[:10], optimizer=Adam(0.5), resume=True)
        else:
            net.partial_fit(X[:, :5], y)
    assert_same_bits(training_state(net), before)
    assert net.state.optimizer == optimizer
    assert_same_bits(net.state.order, order)


def test_divergence_in_a_resumed_epoch_restores_the_state_it_resumed_from():
    X, y = data(100_000)
    net = MLP([6, 9, 1], rng=0)
    interrupted(net.fit, 0.05, X, y, epochs=3000, batch_size=5)
    net.params[0] = np.nan
    before = training_state(net)
    with pytest.raises(DivergenceError):
        net.fit(X, y, batch_size=5, resume=True)
    assert_same_bits(training_state(net), before)


# ---- Ctrl-C ----

LONG = [256, 1024, 1024, 1], 4096  # a step of some 0.2 s and more
SHORT = [6, 9, 1], 70


STEPS = [(SHORT, 0.12), (LONG, 0.1), (LONG, 0.7)]


SENDERS = dict(interrupt=_thread.interrupt_main, signal=lambda: signal.raise_signal(signal.SIGINT))


@pytest.mark.parametrize("send", SENDERS.values(), ids=SENDERS)
@pytest.mark.parametrize(("case", "seconds"), STEPS, ids=["short steps", "in a step", "long steps"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_leaves_the_last_whole_step(case, seconds, n_threads, send):
    sizes, n = case
    X, y = data(n, sizes[0])
    net, expected_net = MLP(sizes, rng=0), MLP(sizes, rng=0)
    options = dict(epochs=10**6, batch_size=None, n_threads=n_threads)
    interrupted(net.fit, seconds, X, y, send=send, **options)
    steps = net.history.n_steps  # of one epoch each
    assert net.state.step == net.state.epoch == net.history.n_epochs == steps
    assert net.state.row == 0
    assert expected_net.fit(X, y, epochs=steps, batch_size=None).loss == net.history.loss
    # all but the generator, from which the order of a dropped step has been drawn
    assert_same_bits(training_state(net)[:-1], training_state(expected_net)[:-1])
    net.fit(X[:70], y[:70], epochs=2)
    assert_finite(net.params)


def test_ctrl_c_at_any_moment_leaves_parameters_state_and_history_of_one_step():
    """Signals at random microseconds of short epochs with a callback, where most of the time passes
    in Python code."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("this system has no timer signals")
    X, y = data(20, 3)
    trace, options = [MLP([3, 4, 1], rng=0).params], dict(epochs=3000, batch_size=None)
    record = lambda net, history: trace.append(net.params.copy())  # noqa: E731
    whole = MLP([3, 4, 1], rng=0).fit(X, y, callbacks=record, **options)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    random = np.random.default_rng(0)
    try:
        for _ in range(500):
            net = MLP([3, 4, 1], rng=0)
            with contextlib.suppress(KeyboardInterrupt):
                try:
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 3e-3))
                    net.fit(X, y, callbacks=lambda net, history: None, **options)
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            steps = net.state.step if net.state else 0
            assert_same_bits(net.params, trace[steps])
            if net.state:
                assert net.state.epoch == net.history.n_steps == net.history.n_epochs == steps
                assert net.history.loss == whole.loss[:steps]
            assert net.fit(X, y, epochs=1).n_steps == 1
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_context_that_is_lost_ends():
    """In Python 3.14, Ctrl-C between `__enter__` and the block of a with statement loses the context:
    `__exit__` is not called (github.com/python/cpython/issues/148874)."""
    net, other = MLP([3, 4, 1], rng=0), MLP([3, 4, 1], rng=0)
    kept, lost = other._in_training(), net._in_training()
    for context in (kept, lost, net._in_gradient()):
        context.__enter__()
    with pytest.raises(RuntimeError, match="callback of the same network"):
        net.fit([[1, 2, 3]], [1], epochs=1)
    del lost, context
    assert net.fit([[1, 2, 3]], [1], epochs=1).n_steps == 1
    assert net.loss_and_grad([[1, 2, 3]], [1])
    with pytest.raises(RuntimeError, match="callback of the same network"):
        other.fit([[1, 2, 3]], [1], epochs=1)
    kept.__exit__(None, None, None)
    kept.__exit__(None, None, None)
    del kept
    assert other.fit([[1, 2, 3]], [1], epochs=1).n_steps == 1
    gc.enable()  # other tests may leave it off
    paused = kernels.PausedCollector()
    paused.__enter__()
    assert not gc.isenabled()
    del paused
    assert gc.isenabled()


def test_ctrl_c_in_the_last_step_of_an_epoch(sizes_with_signal_checks):
    """During the update: steps take some milliseconds, each is the last of its epoch, and each
    epoch is a slice."""
    sizes = sizes_with_signal_checks
    X, y = data(256, sizes[0], sizes[-1])
    expected_net = MLP(sizes, rng=0)
    trace = [(expected_net.params.copy(), np.zeros((2, expected_net.n_params), expected_net.dtype))]
    for i in range(8):
        net = MLP(sizes, rng=0)
        timer = threading.Timer(0.03 + 0.0037 * i, _thread.interrupt_main)

        def start_clock(net, history, timer=timer):  # a busy machine may begin late
            if history.n_epochs == 1:
                timer.start()

        with pytest.raises(KeyboardInterrupt):
            net.fit(X, y, epochs=3000, batch_size=256, callbacks=start_clock)
        timer.join()
        steps = net.state.step
        assert net.history.n_steps == steps == net.state.epoch == len(net.history.loss)
        if steps >= len(trace):

            def keep(net, history):
                trace.append((net.params.copy(), net.state.moments.copy()))

            options = dict(epochs=steps + 1 - len(trace), resume=len(trace) > 1)
            expected_net.fit(X, y, batch_size=256, callbacks=keep, **options)
        assert_same_bits((net.params, net.state.moments), trace[steps])


CTRL_C = """
import json, signal, sys, numpy as np, fastnn
signal.signal(signal.SIGINT, signal.default_int_handler)
sizes, n = json.loads(sys.argv[1])
X = np.random.default_rng(1).normal(size=(n, sizes[0])).astype("float32")
net, expected_net = (fastnn.MLP(sizes, rng=0) for _ in range(2))
try:
    print("ready", flush=True)
    net.fit(X, X[:, 0], epochs=10**6, batch_size=None, shuffle=False, n_threads=2)
except KeyboardInterrupt:
    steps = net.history.n_steps if net.history else 0
    expected_net.fit(X, X[:, 0], epochs=steps, batch_size=None, shuffle=False)
    same = net.params.tobytes() == expected_net.params.tobytes()
    net.fit(X, X[:, 0], epochs=1, batch_size=None, shuffle=False, resume=True)
    expected_net.fit(X, X[:, 0], epochs=1, batch_size=None, shuffle=False, resume=True)
    print(json.dumps([same, net.params.tobytes() == expected_net.params.tobytes(), bool(np.isfinite(net.params).all())]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a single process")
@pytest.mark.parametrize("case", [SHORT, LONG], ids=["short steps", "long steps"])
def test_ctrl_c_from_outside(case):
    process = processes.start(CTRL_C, json.dumps(case))
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert answer(process) == [True, True, True]


def test_ctrl_c_in_fit_many_leaves_the_last_whole_step_of_each_network():
    X, y = data()
    nets = [MLP([6, 9, 1], rng=seed) for seed in range(3)]
    interrupted(fastnn.fit_many, 0.15, nets, X, y, epochs=10**6, batch_size=None)
    for seed, net in enumerate(nets):
        expected_net = MLP([6, 9, 1], rng=seed)
        if net.state:
            expected_net.fit(X, y, epochs=net.state.step, batch_size=None)
            assert_same_bits(training_state(net)[:-1], training_state(expected_net)[:-1])
            assert net.history.stop_reason == "interrupted"
        else:
            assert_same_bits(net.params, expected_net.params)
    assert any(net.state for net in nets)


@pytest.mark.parametrize("call", ["loss", "loss_and_grad", "backward"])
def test_ctrl_c_stops_a_long_loss_or_gradient(call):
    net = MLP([100, 512, 512, 1], rng=0)
    X, y = np.zeros((100_000, 100), "float32"), np.zeros((100_000, 1), "float32")
    if call == "backward":
        net.forward(X, keep=True)
    interrupted(getattr(net, call), 0.1, *[y] if call == "backward" else [X, y])
    assert net.loss(X[:5], y[:5]) >= 0 and net.fit(X[:5], y[:5], epochs=1).n_steps == 1


@pytest.mark.parametrize("callbacks", [(), [lambda net, history: None]], ids=["", "callback"])
def test_ctrl_c_in_a_long_validation(callbacks):
    """The epoch counts, but has no validation loss."""
    net, expected_net = (MLP([100, 512, 512, 1], rng=0) for _ in range(2))
    X, y = np.ones((200_000, 100), "float32"), np.zeros(200_000, "float32")
    options = dict(validation_data=(X, y), callbacks=callbacks)
    interrupted(net.fit, 0.5, X[:64], y[:64], epochs=100, **options)
    epochs = net.state.epoch
    assert (net.state.row, net.history.n_epochs, len(net.history.loss)) == (0, epochs, epochs)
    assert len(net.history.val_loss) == epochs - 1
    assert expected_net.fit(X[:64], y[:64], epochs=epochs).loss == net.history.loss
    assert_same_bits(expected_net.params, net.params)
    again = net.fit(X[:64], y[:64], epochs=2, resume=True, validation_data=(X[:9], y[:9]))
    assert len(again.val_loss) == 2


def test_ctrl_c_in_forward_releases_its_arrays():
    net = MLP([100, 512, 512, 1], rng=0)
    X, out = np.zeros((300_000, 100), "float32"), np.empty((300_000, 1), "float32")
    before = sys.getrefcount(X), sys.getrefcount(out)
    interrupted(net.forward, 0.1, X, out)
    assert (sys.getrefcount(X), sys.getrefcount(out)) == before
