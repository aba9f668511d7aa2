"""Moments in callbacks: they are copied when a callback reads them."""

import contextlib
import copy
import pickle

import numpy as np
import pytest
from checks import assert_same_bits

import fastnn
from fastnn import MLP
from fastnn.training import session

X = np.random.default_rng(1).normal(size=(70, 3)).astype("float32")
Y = np.sin(X[:, :1])


def read(seen, net):
    seen.append(net.state.moments.copy())


def change(seen, net):
    net.state.moments *= 0.5


def assign(seen, net):
    net.state.moments = net.state.moments + 1


def change_parameters_first(seen, net):
    net.params *= 0.9
    seen.append(net.state.moments.copy())


def keep_an_array(seen, net):
    if not seen:
        seen.append(net.state.moments)
    seen.append(seen[0].copy())
    seen[0][:] *= 0.5


def keep_parts(seen, net):
    copies = net.copy(), pickle.loads(pickle.dumps(net)), copy.deepcopy(net.state)
    seen += [copies[0].state.moments, copies[1].state.moments, copies[2].moments]


def save(seen, net):
    net.save("net")
    seen.append(fastnn.load("net").state.moments)


def fail(seen, net):
    if net.state.epoch == 3:
        raise ZeroDivisionError


def train(callback, resume, deferred):
    """Return the results, and what the callback has seen; deferred: OUT, one bool a call."""
    net, seen = MLP([3, 4, 1], rng=0), []

    def each_epoch(net, history):
        deferred.append("moments" not in vars(net.state))
        callback(seen, net)

    with contextlib.suppress(ZeroDivisionError):
        for again in (False, True)[: 1 + resume]:
            net.fit(X, Y, optimizer="adam", epochs=5, callbacks=each_epoch, resume=again)
    assert "moments" in vars(net.state)
    return [net.params, net.state.moments, *seen]


CALLBACKS = [read, change, assign, change_parameters_first, keep_an_array, keep_parts, save, fail]


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("callback", CALLBACKS)
def test_callbacks_see_and_change_moments(callback, resume, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    always, deferred = [], []
    expected = train(callback, resume, always)
    monkeypatch.setattr(session, "MANY_MOMENTS", 1)
    assert_same_bits(train(callback, resume, deferred), expected)
    assert deferred[0] and not any(deferred[5:] + always)
