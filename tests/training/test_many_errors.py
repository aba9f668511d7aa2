"""Many networks: errors of one, and locks while they train."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from checks import assert_same_bits
from many_cases import X, Y, assert_same_training, networks

import fastnn
from fastnn.training.engines import dense


def test_an_exception_of_a_callback_leaves_every_network_usable():
    def fail(net, history):
        if net is nets[2]:
            raise ZeroDivisionError("mine")

    nets = networks(4)
    with pytest.raises(ZeroDivisionError, match="mine"):
        fastnn.fit_many(nets, X, Y, epochs=5, callbacks=fail)
    for net in nets:
        net.fit(X, Y, epochs=1, resume=net.state is not None)
        assert np.isfinite(net.params).all()


def test_an_error_when_one_network_is_stored_does_not_affect_the_others(monkeypatch):
    """The state and the parameters of the others are those of the same step."""
    nets = networks(3)
    store = dense.DenseEngine.store

    def fail_to_store(self, state, moments=True):
        if state is nets[0].state:
            raise MemoryError
        store(self, state, moments)

    def fail(net, history):
        if history.n_epochs == 3:
            monkeypatch.setattr(dense.DenseEngine, "store", fail_to_store)
            raise ZeroDivisionError

    with pytest.raises(MemoryError):
        fastnn.fit_many(nets, X, Y, epochs=5000, callbacks=[[fail], [], []], n_threads=1)
    monkeypatch.undo()
    for net, expected in zip(nets[1:], networks(3)[1:]):
        epochs = net.state.epoch + 1
        assert net.state.step > 0
        net.fit(X, Y, epochs=1, resume=True)
        expected.fit(X, Y, epochs=epochs)
        assert_same_bits(net.params, expected.params)


def error_in_thread(function, *arguments):
    """Call a function in another thread, and return its error as text."""
    with ThreadPoolExecutor(1) as pool:
        return str(pool.submit(function, *arguments).exception())


BUSY = "being trained in another thread"


def test_networks_are_locked_while_they_train():
    nets, errors = networks(2), []
    use = lambda net, history: errors.append(error_in_thread(nets[1].forward, X))  # noqa: E731
    fastnn.fit_many(nets, X, Y, epochs=1, callbacks=use)
    assert errors and all(BUSY in error for error in errors)
    nets[1].forward(X)


def test_networks_are_locked_while_an_executor_trains_them():
    nets, expected, errors = networks(2), networks(2), []

    class Spy(ThreadPoolExecutor):
        def submit(self, *arguments):
            errors.append(error_in_thread(nets[0].fit, X, Y))
            return super().submit(*arguments)

    fastnn.fit_many(expected, X, Y, epochs=2)
    with Spy(1) as executor:
        fastnn.fit_many(nets, X, Y, epochs=2, executor=executor)
    assert len(errors) == 2 and all(BUSY in error for error in errors)
    for net, other in zip(nets, expected):
        assert_same_training(net, other)
    nets[0].fit(X, Y, epochs=1)
