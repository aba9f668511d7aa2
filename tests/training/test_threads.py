"""Threads, forked processes, and memory use over many calls."""

import _thread
import copy
import os
import pickle
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import numpy as np
import processes
import pytest
from checks import assert_same_bits, training_state
from scale import SCALE, scaled
from small_training import data

import fastnn
from fastnn import MLP, SGD, Adam, AdamW, kernels
from fastnn.core import threads
from fastnn.kernels import Loss, Stop, Trainer


def test_a_network_in_training_refuses_other_threads(tmp_path):
    X, y = data()
    net, expected_net = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0)
    net.forward(X, keep=True)
    inside, outside = threading.Event(), threading.Event()

    def wait(net, history):
        inside.set()
        assert outside.wait(60)

    thread = threading.Thread(target=net.fit, args=(X, y), kwargs=dict(epochs=4, callbacks=wait))
    thread.start()
    assert inside.wait(60)
    try:
        message = r"Wait until fit returns, or make a copy with net\.copy\(\)"
        for call in [
            lambda: net.forward(X),
            lambda: net.forward(X.tolist()),
            lambda: net(X),
            lambda: net.loss(X, y),
            lambda: net.loss_and_grad(X, y),
            lambda: net.backward(y),
            lambda: net.fit(X, y),
            lambda: net.fit(X, y, optimizer=Adam(5), resume=True),
            lambda: net.partial_fit(X, y, optimizer=Adam(5)),
            lambda: net.save(tmp_path / "net"),
            net.copy,
            lambda: pickle.dumps(net),
            lambda: copy.deepcopy(net),
        ]:
            with pytest.raises(RuntimeError, match=rf"trained in another thread\. {message}"):
                call()
    finally:
        outside.set()
        thread.join()
    assert list(tmp_path.iterdir()) == []
    expected_net.fit(X, y, epochs=4)
    assert_same_bits(training_state(net), training_state(expected_net))
    assert net.state.optimizer == Adam() and net.forward(X).shape == (70, 1)


def test_two_networks_train_at_the_same_time():
    X, y = data(3000)
    alone, together = ([MLP([6, 33, 1], rng=seed) for seed in (1, 2, 3)] for _ in range(2))
    with ThreadPoolExecutor(3) as pool:
        fits = [pool.submit(net.fit, X, y, epochs=20, n_threads=2) for net in together]
        for net in alone:
            net.fit(X, y, epochs=20)
        for fit in fits:
            fit.result()
    for a, b in zip(together, alone):
        assert_same_bits(training_state(a), training_state(b))


def in_two_threads(net, X, y):
    """Make 300 steps with the kernels in two threads; return the parameters as bytes."""
    options = dict(loss=Loss.SQUARED_ERROR, optimizer=Adam(0.01).to_kernel(), batch_size=64)
    trainer, moments = Trainer(net, X, y, **options), np.zeros((2, net.n_params), net.dtype)
    trainer.load(moments)
    trainer.run(2, 1e9, np.empty(300))
    trainer.store(moments)
    return net.params.tobytes()


@pytest.mark.parametrize("optimizer", [SGD(0.05), AdamW(average=0.5)], ids=repr)
@pytest.mark.parametrize(("n_validation", "n_out"), [(5, 1), (100, 3), (1000, 2)])
def test_threads_share_the_rows_of_a_validation(optimizer, n_validation, n_out, dtype):
    """Validations at the beginning of an epoch and at the end of a slice have the bits of one
    thread."""
    X, _ = (a.astype(dtype) for a in data(n_validation + 90))
    y = np.random.default_rng(3).normal(size=(len(X), n_out)).astype(dtype)
    found = []
    for n_threads in (1, 2, 3):
        net = MLP([6, 50, n_out], "tanh", dtype=dtype, rng=0)
        options = dict(loss=Loss.SQUARED_ERROR)
        validation = Trainer(net, X[90:], y[90:], batch_size=n_validation, **options)
        options |= dict(optimizer=optimizer.to_kernel(), n_threads=n_threads, batch_size=40)
        trainer = Trainer(net, X[:90], y[:90], validation=validation, **options)
        trainer.load(np.zeros((optimizer.n_moments, net.n_params), dtype))
        losses = np.full((2, 5), np.nan)
        for part in (slice(0, 4), slice(4, 5)):
            assert trainer.run(n_threads, 1e9, losses[0, part], losses[1, part]) == Stop.EPOCHS
        found.append(losses)
    assert np.isfinite(found[0]).all()
    assert_same_bits(found[1], found[0])
    assert_same_bits(found[2], found[0])


@pytest.mark.parametrize("n_epochs", [1, 4])
def test_threads_do_not_validate_parameters_that_are_not_finite(n_epochs):
    """The loss of the only step is finite, but it makes the parameters infinite."""
    X, y = (a.astype("f4") for a in data(30))
    net = MLP([6, 4, 1], "relu", rng=0)
    options = dict(loss=Loss.SQUARED_ERROR, batch_size=30)
    validation = Trainer(net, X, y, **options)
    options |= dict(optimizer=SGD(3e38).to_kernel(), n_threads=2, validation=validation)
    trainer = Trainer(net, X, y, **options)
    net.params *= 10
    trainer.load()
    losses = np.full((2, n_epochs), np.nan)
    assert trainer.run(2, 1e9, *losses) == Stop.NOT_FINITE
    assert np.isfinite(losses[0, 0]) and np.isnan(losses[1]).all()
    assert trainer.epochs_validated() == 0


def test_threads_may_predict_with_one_network():
    """Eight threads, with few and with many rows each, get the bits that one thread gets."""
    X, _ = data(600, 20)
    net = MLP([20, 65, 33, 3], output="softmax", rng=0)
    sizes = [1, 2, 63, 64, 257, 600]
    expected = {n: net.forward(X[:n]) for n in sizes}
    wrong = []

    def predict(seed):
        for n in np.random.default_rng(seed).choice(sizes, scaled(200)):
            if net.forward(X[:n], n_threads=1 + seed % 2).tobytes() != expected[n].tobytes():
                wrong.append((seed, n))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(predict, range(8)))
    assert not wrong


def test_no_lock_is_held_while_an_optimizer_is_converted():
    """A lock would stay locked in a process that is forked meanwhile."""
    begun, end = threading.Event(), threading.Event()

    class Slow(SGD):
        def _rule_options(self):
            begun.set()
            assert end.wait(60)
            return super()._rule_options()

    slow = threading.Thread(target=Slow(0.1).to_kernel)
    other = threading.Thread(target=SGD(0.1).to_kernel, daemon=True)
    slow.start()
    assert begun.wait(60)
    other.start()
    other.join(60)
    is_free = not other.is_alive()
    end.set()
    slow.join()
    assert is_free


FORKS = """
import os, signal, sys, threading, time, numpy as np, fastnn
X = np.random.default_rng(0).normal(size=(300, 20)).astype("float32")

def train(epochs):
    net = fastnn.MLP([20, 33, 1], rng=0)
    net.fit(X, X[:, 0], epochs=epochs, batch_size=64, n_threads=2)
    return net.params.tobytes() + net.forward(X, n_threads=2).tobytes()

expected = train(3)
stop = threading.Event()

def train_until_stopped():
    while not stop.is_set():
        train(50)

def fork():
    child = os.fork()
    if child == 0:
        os._exit(0 if train(3) == expected else 3)
    for _ in range(6000):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"

n = int(sys.argv[1])
results = [fork() for _ in range(n // 2)]
thread = threading.Thread(target=train_until_stopped)
thread.start()
results += [fork() for _ in range(n - n // 2)]
stop.set()
thread.join()
print(n - results.count(0), set(results))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_train_in_two_threads():
    """Forks after a training in two threads, and during one in another thread."""
    done = processes.run(FORKS, scaled(30), timeout=60 + 10 * scaled(30))
    assert (done.returncode, done.stdout) == (0, "0 {0}\n"), done.stdout + done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_trains_in_two_threads_after_its_parent_did():
    X, y = data(64, 20)
    nets = [MLP([20, 33, 1], rng=0) for _ in range(2)]
    expected = in_two_threads(nets[0], X, y)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if in_two_threads(nets[1], X, y) == expected else 3)
        finally:
            os._exit(4)
    assert processes.exit_code(child) == 0


LONG_LIFE = """
import gc, sys, numpy as np, fastnn
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
rng = np.random.default_rng(0)
X, y = rng.normal(size=(100, 8)).astype("float32"), rng.uniform(size=100)
net = fastnn.MLP([8, 16, 1], "tanh", "sigmoid", rng=0)
def live(steps, forwards):
    net.fit(X, y, epochs=steps // 20, batch_size=10)
    for _ in range(steps // 20):
        net.fit(X, y, epochs=1, batch_size=10, sample_weight=y, n_threads=2)
    for i in range(forwards):
        net.forward(X[: i % 30] if i % 2 else X[: 1 + i % 30].tolist())
        if i % 10 == 0:
            net.loss_and_grad(X, y)
        for _ in range(i % 2):
            try:
                net.forward(X[:, :3])
            except ValueError:
                pass
    net.history = None
    gc.collect()
live(2000, 400)
before = resident(), sys.getallocatedblocks()
for _ in range(int(sys.argv[1])):  # not one long training: Python keeps memory of a long history
    live(100_000, 20_000)
print(resident() - before[0], sys.getallocatedblocks() - before[1])
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads memory in /proc")
def test_memory_does_not_grow_over_many_calls():
    """100,000 steps in 5,000 fits, 20,000 predictions and 10,000 calls that fail."""
    life = processes.run(LONG_LIFE, SCALE, timeout=100 * SCALE)
    assert life.returncode == 0, life.stderr
    bytes_more, blocks_more = map(int, life.stdout.split())
    assert (bytes_more < 2_000_000, blocks_more < 100) == (True, True), (bytes_more, blocks_more)


def test_no_more_threads_start_than_networks_train(monkeypatch):
    monkeypatch.setattr("fastnn.many.check_threads", lambda n: n)
    started, start = Counter(), _thread.start_new_thread

    def record(function, arguments):
        started.update(arguments)  # the gate of the slice
        return start(function, arguments)

    monkeypatch.setattr(_thread, "start_new_thread", record)
    networks = [MLP([3, 1], rng=i) for i in range(3)]
    fastnn.fit_many(networks, np.ones((9, 3)), np.ones(9), n_threads=50)
    assert max(started.values()) == 2


class Worker:
    """Work for a ThreadChoice with a simulated clock: a unit takes `one` seconds in one thread
    and `many` in several, which take `start` seconds each to begin. many: a number, or a function of
    the number of threads."""

    def __init__(self, monkeypatch, thread_trials, one, many, start=1e-4, n=2):
        self.one, self.many, self.start, self.now, self.seen = one, many, start, 0.0, []
        monkeypatch.setattr(threads, "time", SimpleNamespace(perf_counter=lambda: self.now))
        self.share = 1  # of the time that this thread has a CPU
        monkeypatch.setattr(threads, "thread_time", lambda: self.share * self.now)
        for name, value in thread_trials.items():
            monkeypatch.setattr(threads.ThreadChoice, name, value)
        self.units = Counter()
        self.choice = threads.ThreadChoice({}, "work", n)

    def run(self, units):
        """A call with so many units to do, in slices of up to 50 ms. Returns the seconds it took."""
        self.left, began = units, self.now
        while self.left > 0:
            self.choice.run(self.work, 0.05)
        return self.now - began

    def unit(self, n_threads):
        """Return the seconds that a unit takes now."""
        many = self.many(n_threads) if callable(self.many) else self.many
        return self.one if n_threads == 1 else many

    def work(self, n_threads, seconds):
        deadline, done = self.now + seconds, 0
        self.now += self.start * (n_threads - 1)
        while done < self.left and (not done or self.now < deadline):
            unit = self.unit(n_threads)
            units = min(self.left - done, max(1, int(1e-4 / unit)))
            self.now += units * unit
            done += units
        self.left -= done
        self.seen.append(n_threads)
        self.units[n_threads] += done
        return done


@pytest.fixture
def make_worker(monkeypatch, thread_trials):
    return partial(Worker, monkeypatch, thread_trials)


# Seconds of a unit in one thread, and how many times as long it takes in two threads: beside nothing
# else, and while another process occupies a CPU, as measured.
COSTS = [
    (8e-6, 1.25, 10),
    (8e-6, 0.75, 10),
    (1e-4, 0.6, 4),
    (1e-3, 0.55, 1.6),
    (2e-2, 0.52, 1.1),
    (0.5, 0.51, 1.1),
]
LENGTHS = 0.001, 0.005, 0.018, 0.03, 0.1, 0.4, 2, 10


@pytest.mark.parametrize(("one", "quiet", "busy"), COSTS)
@pytest.mark.parametrize("neighbour", ["none", "busy", "changing"])
def test_two_threads_cost_at_most_1_05_times_one(neighbour, one, quiet, busy, make_worker):
    """Of any length, in one call and in many short ones."""
    for seconds, n_calls in [*((length, 1) for length in LENGTHS), (2e-3, 300)]:
        worker = make_worker(one, None)

        def many(n_threads, worker=worker):
            is_busy = neighbour == "busy" or (neighbour == "changing" and worker.now % 0.7 > 0.3)
            return one * (busy if is_busy else quiet)

        worker.many = many
        units = max(1, round(seconds / one))
        ratio = sum(worker.run(units) for _ in range(n_calls)) / (n_calls * units * one)
        assert ratio <= 1.05, (seconds, n_calls, worker.seen)
        if neighbour == "none" and quiet < 1 and n_calls * units * one > max(0.3, 20 * one):
            assert ratio < quiet + 0.1, (seconds, n_calls, worker.seen)


@pytest.mark.parametrize(("many", "expected"), [(0.6e-4, 2), (0.97e-4, 1), (2e-4, 1)])
def test_the_faster_number_of_threads_is_chosen(many, expected, make_worker):
    worker = make_worker(1e-4, many)
    worker.run(100)
    assert set(worker.seen) == {1}  # a short call has no trial
    worker.run(100_000)
    assert 2 in worker.seen
    assert worker.units[expected] > 0.95 * worker.units.total()


SPEEDS = [
    (64, lambda n: 1e-4 / n, [1, 2, 4, 8, 16, 32, 64], 64),
    (48, lambda n: 1e-4 / n, [1, 2, 4, 8, 16, 32, 48], 48),
    (64, lambda n: 1e-4 / min(n, 4) + 2e-6 * n, [1, 2, 4, 8, 16], 4),
    (64, lambda n: 3e-4, [1, 2, 4], 1),
    (3, lambda n: 1e-4 / n, [1, 2, 3], 3),
    # two threads are not faster, but four are
    (8, lambda n: 1e-4 if n == 2 else 0.5e-4, [1, 2, 4, 8], 4),
]


@pytest.mark.parametrize(("n", "many", "tried", "expected"), SPEEDS)
def test_the_fastest_of_many_numbers_of_threads_is_chosen(n, many, tried, expected, make_worker):
    worker = make_worker(1e-4, many, start=1e-5, n=n)
    worker.run(300_000)
    assert list(dict.fromkeys(worker.seen)) == tried
    assert worker.units[expected] > 0.8 * worker.units.total()


def test_the_choice_from_short_calls_does_not_last(make_worker):
    """For eight units, two threads are not faster. For many units they are, and are used mostly."""
    worker = make_worker(1e-4, 0.9e-4, start=2e-4)
    for _ in range(100):
        worker.run(8)
    assert worker.seen.count(2) < 10
    worker.units.clear()
    worker.run(30_000)
    assert worker.units[2] > 0.5 * worker.units.total()


def slow_at_times(worker):
    """Let every fifteenth slice of two threads be slow, as another process has a CPU for a moment."""
    worker.many = lambda n_threads: 0.5 if worker.seen.count(2) % 15 == 14 else 0.13


def slow_at_first(worker):
    """Let another process occupy a CPU for ten seconds."""
    worker.many = lambda n_threads: 0.28 if worker.now < 10 else 0.13


@pytest.mark.parametrize(("neighbour", "limit"), [(slow_at_times, 0.165), (slow_at_first, 0.195)])
def test_long_units_return_to_two_threads_soon(neighbour, limit, make_worker):
    """A unit takes a quarter of a second with one thread, and half of that with two."""
    worker = make_worker(0.25, None)
    neighbour(worker)
    assert worker.run(100) < limit * 100


def test_a_long_step_waits_for_a_late_thread(monkeypatch):
    """A thread that begins half a millisecond late works in all steps but the first."""
    monkeypatch.setattr(threads.ThreadChoice, "run", lambda choice, work, seconds: work(2, 0))
    seconds, start = [], _thread.start_new_thread

    def start_late(function, arguments):
        def run():
            time.sleep(0.0005)
            before = time.thread_time()
            function(*arguments)
            seconds.append(time.thread_time() - before)

        return start(run, ())

    monkeypatch.setattr(_thread, "start_new_thread", start_late)
    net, X, y = MLP([1000, 1000, 1], rng=0), np.ones((6000, 1000), "f"), np.ones((6000, 1), "f")
    kernels.await_all_helpers(False)
    try:
        for _ in range(20):  # on a busy machine some threads come later
            net.fit(X, y, epochs=1, batch_size=2000, n_threads=2)
            if max(seconds, default=0) > 0.01:
                break
    finally:
        kernels.await_all_helpers(True)
    assert max(seconds) > 0.01


def test_no_trial_begins_while_other_processes_occupy_all_cpus(make_worker):
    worker = make_worker(1e-4, 0.6e-4)
    worker.share = 0.6
    worker.run(50_000)
    assert set(worker.seen) == {1}
    worker.share = 1
    worker.run(50_000)
    assert worker.units[2] > 40_000


def test_threads_that_become_slow_are_given_up(make_worker):
    worker = make_worker(1e-4, 0.6e-4)
    worker.run(50_000)
    worker.many = 9e-4  # another process uses the other CPU
    worker.seen.clear()
    worker.run(50_000)
    assert worker.seen.count(2) < 0.1 * len(worker.seen)
    worker.many = 0.6e-4
    worker.units.clear()
    worker.run(50_000)
    assert worker.units[2] > 0.7 * worker.units.total()


def test_a_good_trial_risks_little(make_worker):
    """Another process uses the other CPU just after the first trial of two threads."""
    worker = make_worker(1e-4, None)
    worker.many = lambda n_threads: 1e-3 if worker.units[2] else 5e-5
    assert worker.run(1000) < 1.05 * 1000 * 1e-4
    assert worker.seen.count(2) > 1
