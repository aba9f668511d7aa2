"""Callbacks: when they are called and what they may do. Early stopping. Checkpoints of a killed
training."""

import dataclasses
import signal
import time
from functools import partial
from importlib.util import find_spec
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import processes
import pytest
from checks import assert_same_bits, training_state

import fastnn
from fastnn import MLP, SGD, Adam, Checkpoint, EarlyStopping, callbacks
from fastnn.callbacks import Callback
from fastnn.training import session

X = np.random.default_rng(1).normal(size=(70, 6)).astype("float32")
Y = np.sin(X[:, :1])
MANY = np.tile(X, (200, 1)), np.tile(Y, (200, 1))
NOISE = np.random.default_rng(2).normal(size=70)
needs_scipy = pytest.mark.skipif(not find_spec("scipy"), reason="needs SciPy")
OPTIMIZERS = ["adam", pytest.param("lbfgs", marks=needs_scipy)]


def network(**options):
    return MLP([6, 9, 1], "tanh", rng=0, **options)


class Recorder(Callback):
    """Records the events."""

    def __init__(self, stop_at=None):
        self.events, self.stop_at = [], stop_at

    def on_fit_begin(self, net, history):
        self.events.append(("begin", net.state.step, history.n_epochs))

    def on_epoch_end(self, net, history):
        self.events.append(("epoch", net.state.step, history.n_epochs))
        return history.n_epochs == self.stop_at

    def on_interval(self, net, history):
        self.events.append(("interval", net.state.step, net.state.row))

    def on_fit_end(self, net, history):
        self.events.append(("end", net.state.step, history.n_epochs))


# ---- events ----


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_callbacks_see_the_beginning_every_epoch_and_the_end(optimizer):
    recorder, n = Recorder(), 3 if optimizer == "adam" else 1
    network().fit(X, Y, optimizer=optimizer, epochs=3, callbacks=recorder)
    epochs = [("epoch", n * epoch, epoch) for epoch in (1, 2, 3)]
    assert recorder.events == [("begin", 0, 0), *epochs, ("end", 3 * n, 3)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_on_fit_end_is_called_after_a_callback_stops_the_training(optimizer):
    recorder, other = Recorder(stop_at=2), Recorder()
    history = network().fit(X, Y, optimizer=optimizer, epochs=9, callbacks=[recorder, other])
    assert recorder.events == other.events and recorder.events[-1][0] == "end"
    assert history.n_epochs == 2


def test_on_fit_end_is_not_called_after_an_exception():
    recorder, net = Recorder(), network()
    with pytest.raises(ZeroDivisionError):
        net.fit(X, Y, callbacks=[recorder, lambda net, history: 1 / 0])
    assert [event[0] for event in recorder.events] == ["begin", "epoch"]
    net.fit(X, Y)  # the network can be trained again


def test_on_interval_is_called_within_an_epoch(monkeypatch):
    monkeypatch.setattr(session, "SLICE_SECONDS", 0)
    often, never, seldom = Recorder(), Recorder(), Recorder()
    often.interval, seldom.interval = 0.0, 1e9
    network().fit(*MANY, epochs=2, callbacks=[often, never, seldom])
    intervals = [event for event in often.events if event[0] == "interval"]
    assert any(row > 0 for *_, row in intervals)
    assert len({step for _, step, _ in intervals}) == len(intervals)
    assert not any(event[0] == "interval" for event in never.events + seldom.events)


def test_callbacks_are_due_again_after_their_interval(monkeypatch):
    clock = SimpleNamespace(perf_counter=[0.5, 1.0, 1.5, 2.5, 5.0].__iter__().__next__)
    monkeypatch.setattr(callbacks, "time", clock)
    often, seldom, never = Recorder(), Recorder(), Recorder()
    often.interval, seldom.interval = 1, 2.5
    timer = callbacks.IntervalTimer([often, seldom, never], 0)
    both = [often, seldom]
    assert [timer.due() for _ in range(5)] == [[], [often], [], both, both]


@pytest.mark.parametrize("options", [dict(), dict(frozen=True), dict(eq=False)], ids=str)
def test_callbacks_that_are_equal_or_have_no_hash_are_called_each(options):
    """A dataclass compares by its values, and has no hash unless it is frozen."""

    @dataclasses.dataclass(**options)
    class Timed(Callback):
        interval: float = 1e-9
        calls: ClassVar[list] = []

        def on_interval(self, net, history):
            self.calls.append(id(self))

        def __len__(self):
            return 0

    for fit in (MLP.fit, lambda net, *a, **k: fastnn.fit_many([net, net.copy()], *a, **k)):
        each, Timed.calls[:] = [Timed(), Timed()], []
        fit(network(), X, Y, epochs=3, callbacks=each)
        assert set(Timed.calls) == {id(callback) for callback in each}
    Timed.calls.clear()
    network().fit(X, Y, epochs=3, callbacks=Timed())
    assert Timed.calls


def test_on_interval_may_stop_within_an_epoch(monkeypatch):
    monkeypatch.setattr(session, "SLICE_SECONDS", 0)
    stop = Recorder()
    stop.interval, stop.on_interval = 0.0, lambda net, history: net.state.row > 0
    net, whole = network(), network()
    net.fit(*MANY, epochs=2, callbacks=stop)
    assert net.state.row > 0
    net.fit(*MANY, epochs=2, resume=True)
    whole.fit(*MANY, epochs=2)
    assert_same_bits(net.params, whole.params)


# ---- changes by callbacks ----


def test_a_callback_may_change_settings_of_the_optimizer():
    net, expected_net = network(), network()

    def halved(epoch):
        return SGD(0.1 / 2**epoch, momentum=0.9)

    def slower(net, history):
        net.state.optimizer = halved(history.n_epochs)

    net.fit(X, Y, optimizer=halved(0), epochs=3, callbacks=slower)
    for epoch in range(3):
        expected_net.fit(X, Y, optimizer=halved(epoch), epochs=1, resume=epoch > 0)
    assert_same_bits(net.params, expected_net.params)
    assert net.state.lr == 0.1 / 8


MOMENTS = [np.zeros((1, 3), "f4"), np.zeros((2, 65)), np.zeros((65, 2), "f4").T, None]


@pytest.mark.parametrize("moments", MOMENTS, ids=["shape", "dtype", "strides", "None"])
@pytest.mark.parametrize("event", ["on_epoch_end", "on_fit_begin"])
def test_moments_that_the_optimizer_cannot_use_are_refused(event, moments):
    """The training keeps those that it had."""

    def replace(self, net, history):
        net.state.moments = moments

    callback = type("Replace", (fastnn.callbacks.Callback,), {event: replace})()
    X, y = np.ones((20, 6), "f4"), np.ones(20, "f4")
    net, expected_net = MLP([6, 8, 1], rng=0), MLP([6, 8, 1], rng=0)
    with pytest.raises(ValueError, match=r"replaced net.state.moments, float32 \(2, 65\), by"):
        net.fit(X, y, epochs=3, callbacks=callback)
    assert net.state.epoch == (event == "on_epoch_end")
    net.fit(X, y, epochs=2 - net.state.epoch, resume=True)
    expected_net.fit(X, y, epochs=2)
    assert_same_bits(training_state(net), training_state(expected_net))


def test_an_optimizer_with_different_moments_is_refused():
    net = network()

    def other(net, history):
        net.state.optimizer = Adam()

    message = r"replaced the optimizer SGD\(lr=0.001\) by Adam\(lr=0.001\), which cannot continue"
    with pytest.raises(ValueError, match=message):
        net.fit(X, Y, optimizer=SGD(), callbacks=other)
    assert net.state.optimizer == SGD() and net.state.epoch == 1


NO_CALLBACKS = [
    (3, "must hold functions callback"),
    ([None], "must hold functions"),
    (EarlyStopping, r"the class EarlyStopping. Pass an instance, such as EarlyStopping\(\)"),
    ([EarlyStopping(), EarlyStopping(3)], "more than one EarlyStopping"),
]


@pytest.mark.parametrize(("callbacks", "message"), NO_CALLBACKS)
def test_objects_that_are_not_callbacks_are_refused(callbacks, message):
    net = network()
    before = net.params.copy()
    with pytest.raises((TypeError, ValueError), match=message):
        net.fit(X, Y, callbacks=callbacks)
    assert_same_bits(net.params, before)
    assert net.state is None


# ---- early stopping ----


def overfit(stopping, net=None, epochs=500, **options):
    net, held_out = net or network(), (X[40:], NOISE[40:])
    options |= dict(optimizer=Adam(0.02), validation_data=held_out, callbacks=stopping)
    net.fit(X[:40], NOISE[:40], epochs=epochs, **options)
    return net


def test_early_stopping_stops_after_patience_epochs_without_improvement():
    seen = []
    net = overfit([EarlyStopping(patience=4), lambda net, history: seen.append(net.params.copy())])
    losses, best = net.history.val_loss, net.state.best
    assert best.epoch == np.argmin(losses) + 1 and best.loss == min(losses)
    assert len(losses) == best.epoch + 4 < 500
    assert_same_bits(net.params, best.params)
    assert_same_bits(seen[best.epoch - 1], best.params)
    assert_same_bits(net.state.params, seen[-1])


def test_resuming_after_restore_best_continues_from_the_last_step():
    net, whole = overfit(EarlyStopping(3)), overfit(EarlyStopping(100), epochs=20)
    overfit(EarlyStopping(100), net, epochs=20 - net.state.epoch, resume=True)
    assert_same_bits(net.params, whole.params)
    assert net.state.best.epoch == whole.state.best.epoch
    assert_same_bits(net.state.params, whole.state.params)
    net.fit(X, NOISE, epochs=1)  # a new training
    assert net.state.best is None and net.state.params is None


def test_without_restore_best_the_last_parameters_stay():
    net = overfit(EarlyStopping(4, restore_best=False))
    assert_same_bits(net.params, overfit((), epochs=net.history.n_epochs).params)
    assert net.state.params is None


def test_without_validation_data_early_stopping_uses_the_training_loss():
    net = network()
    net.fit(X, Y, optimizer=SGD(0.0), epochs=50, callbacks=EarlyStopping(patience=2), shuffle=False)
    assert net.history.n_epochs == 3 and net.state.best.loss == net.history.loss[0]


# ---- checkpoints ----


def test_a_checkpoint_every_few_epochs(tmp_path):
    path, epochs = tmp_path / "net", []

    def record(net, history):
        epochs.append(path.exists() and fastnn.load(path).state.epoch)

    network().fit(X, Y, epochs=7, callbacks=[Checkpoint(path, every_epochs=3), record])
    assert epochs == [False, False, 3, 3, 3, 6, 6]


save = partial(Checkpoint, "net")
WRONG_SETTINGS = [
    *((EarlyStopping, dict(patience=n), "patience") for n in (0, 1.5)),
    *((EarlyStopping, dict(min_delta=x), "min_delta") for x in (-1, np.nan)),
    (save, {}, "at least one of every_epochs, every_seconds"),
    *((save, {name: 0}, name) for name in ("every_epochs", "every_seconds")),
]


@pytest.mark.parametrize(("make", "options", "message"), WRONG_SETTINGS)
def test_settings_of_callbacks_out_of_range(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


TRAIN = """
import sys
import time

import numpy as np
import fastnn
from fastnn.schedules import CosineDecay

X = np.random.default_rng(1).normal(size=(20_000, 20))
y = np.sin(X[:, 0])
path, seconds = sys.argv[1], float(sys.argv[2])
optimizer = fastnn.Adam(CosineDecay(0.01, duration=100), clip_norm=1.0, average=0.99)
options = dict(epochs=100, validation_fraction=0.1, rng=3, n_threads=2)
callbacks = [fastnn.EarlyStopping(patience=30), fastnn.Checkpoint(path, every_seconds=seconds)]
"""
BEGIN = """
def wait(net, history):  # so that it is killed before it ends
    time.sleep(0.03 if history.n_epochs < 60 else 1e9)

net = fastnn.MLP([20, 60, 1], rng=0, dropout=0.1)
net.fit(X, y, "huber", optimizer, callbacks=[*callbacks, wait], **options)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill")
def test_a_killed_training_resumes_from_its_checkpoint_to_the_same_bits(tmp_path):
    path = tmp_path / "net"
    with processes.start(TRAIN + BEGIN, path, 0.01) as process:
        processes.wait_for(lambda: path.exists() or process.poll() is not None)
        time.sleep(0.1)
        assert process.poll() is None
        process.kill()
    net, names = fastnn.load(path), {}
    exec(TRAIN.replace("sys.argv[1]", "'unused'").replace("float(sys.argv[2])", "1e9"), names)
    rows, options = (names["X"], names["y"], "huber"), dict(callbacks=names["callbacks"])
    options |= names["options"]
    assert 0 < net.state.step and net.state.epoch < 100
    net.fit(*rows, resume=True, **options | dict(rng=None, epochs=100 - net.state.epoch))
    whole = MLP([20, 60, 1], rng=0, dropout=0.1)
    whole.fit(*rows, names["optimizer"], **options)
    assert_same_bits(net.params, whole.params)
    assert_same_bits(net.state.moments, whole.state.moments)
    assert net.state.best.epoch == whole.state.best.epoch and net.state.step == whole.state.step
