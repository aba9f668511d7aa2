"""The lock of a random generator: a slice that shuffles holds it, but never while Python code runs.

In numpy 1.26 it is a plain Lock, so that a thread which holds it and draws waits for itself; later
it is an RLock.
"""

import signal
import threading
import time

import numpy as np
import processes
import pytest

import fastnn
from fastnn import MLP

X, Y = np.ones((64, 3), "f4"), np.ones(64, "f4")

HANDLER = """
import faulthandler, signal
import numpy as np, fastnn
faulthandler.dump_traceback_later(30, exit=True)
rng = np.random.default_rng(0)
drawn = []
def handler(*arguments):
    drawn.append(rng.random())
net = fastnn.MLP([200, 800, 400, 1], rng=rng)
X, y = np.ones((4096, 200), "f4"), np.ones(4096, "f4")
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
net.fit(X, y, epochs=2, batch_size=4096, optimizer=fastnn.SGD(1e-6), validation_data=(X, y))    # steps so long that signals are seen within
net.fit(X[:64], y[:64], epochs=100, optimizer=fastnn.SGD(1e-6))
net.fit(X[:64], y[:64], epochs=20, loss=lambda Y, y: (float(net.rng.random()), np.zeros_like(Y)), optimizer="sgd")
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(drawn))
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timer")
def test_a_signal_handler_may_draw_from_the_generator():
    """This once deadlocked on NumPy 1.26."""
    done = processes.run(HANDLER)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 3


def test_networks_that_share_a_generator_do_not_wait_without_shuffling():
    shared = np.random.default_rng(0)
    net = MLP([3, 4, 1], rng=shared)
    held, finished = threading.Event(), threading.Event()

    def hold():
        with shared.bit_generator.lock:
            held.set()
            finished.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(20)
    options = dict(target=net.fit, args=(X, Y), daemon=True)
    trains = threading.Thread(**options, kwargs=dict(epochs=3, shuffle=False))
    trains.start()
    trains.join(10)
    waits = threading.Thread(**options, kwargs=dict(epochs=3))
    ended = not trains.is_alive()
    if ended:
        waits.start()
        time.sleep(0.2)
        assert waits.is_alive()  # this one shuffles
    finished.set()
    holder.join()
    assert ended
    waits.join(20)
    assert not waits.is_alive() and net.state.epoch == 3


def test_fit_many_holds_no_lock_while_it_waits_for_another():
    """Else two calls with the same generators in another order would wait for each other."""
    generators = [np.random.default_rng(i) for i in range(3)]
    nets = [MLP([3, 4, 1], rng=0) for _ in range(3)]
    held, finished = threading.Event(), threading.Event()

    def hold():
        with generators[1].bit_generator.lock:
            held.set()
            finished.wait(60)

    def train():
        fastnn.fit_many(nets, X, Y, rng=generators, epochs=2, n_threads=1)

    threads = [threading.Thread(target=call, daemon=True) for call in (hold, train)]
    threads[0].start()
    assert held.wait(60)
    threads[1].start()
    for _ in range(100):  # the training waits after at most a few of these
        time.sleep(0.002)
        for generator in (generators[0], generators[2]):
            assert is_free(generator, timeout=1)
    assert threads[1].is_alive()
    finished.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert all(is_free(generator) for generator in generators)
    assert [net.state.epoch for net in nets] == [2] * 3


def test_the_lock_is_released_however_training_ends():
    net = MLP([3, 4, 1], rng=0)
    for error in (ZeroDivisionError, KeyboardInterrupt):

        def fails(outputs, y, error=error):
            raise error

        with pytest.raises(error):
            net.fit(X, Y, loss=fails)
        assert free(net)
    with pytest.raises(fastnn.DivergenceError):
        net.fit(X * 1e30, Y, optimizer=fastnn.SGD(1e30))
    assert free(net)


def test_another_thread_may_draw_while_a_custom_loss_runs():
    net, seen = MLP([3, 4, 1], rng=0), []
    loss = lambda outputs, y: (seen.append(free(net)) or 1.0, np.zeros_like(outputs))  # noqa: E731
    net.fit(X, Y, loss=loss, epochs=2, batch_size=32)
    assert seen == [True] * 4


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timer")
def test_another_thread_may_draw_while_a_signal_handler_runs(sizes_with_signal_checks):
    sizes = sizes_with_signal_checks
    net, seen = MLP(sizes, rng=0), []
    X = np.ones((256, sizes[0]), "f4")
    Y = np.ones((256, sizes[-1]), "f4")

    def handler(*_):
        seen.append(free(net))
        if len(seen) == 5 or not seen[-1]:
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, 0.03)  # one at a time, however long this takes

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        with pytest.raises(KeyboardInterrupt):
            net.fit(X, Y, optimizer=fastnn.SGD(1e-3), epochs=10**4, batch_size=256)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen == [True] * 5 and free(net)


def free(net):
    """Whether another thread gets the lock of a network's generator."""
    return is_free(net.rng)


def is_free(generator, timeout=5):
    """Whether another thread gets the lock of a generator."""
    got = []

    def take():
        if generator.bit_generator.lock.acquire(timeout=timeout):
            generator.bit_generator.lock.release()
            got.append(True)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return got == [True]
