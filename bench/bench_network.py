"""Whole networks, float32: an epoch of training, loss and gradient, one row, many rows."""

import copy

import numpy as np
import pytest

import fastnn
from fastnn import reference


def epoch_of_reference(net, X, y, loss, batch, optimizer):
    weights, biases = [W.copy() for W in net.weights], [b.copy() for b in net.biases]
    return lambda: reference.fit(X, y, weights, biases, net.activations, loss, optimizer, lr=1e-3, epochs=1, batch_size=batch)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_epoch(who, benchmark, network, optimizer):
    """Eight steps."""
    net, X, y, batch, loss = network
    settings = {"sgd": fastnn.SGD, "adam": fastnn.Adam}[optimizer](1e-3)

    def fast(net=net):
        return net.fit(X, y, loss, settings, epochs=1, batch_size=batch, shuffle=False).loss

    slow = epoch_of_reference(net, X, y, loss, batch, optimizer)
    np.testing.assert_allclose(fast(copy.deepcopy(net)), epoch_of_reference(net, X, y, loss, batch, optimizer)(), rtol=1e-4)
    benchmark(fast if who == "fastnn" else slow)


def test_loss_and_grad(race, network):
    net, X, y, batch, loss = network
    X, y = X[:batch], y[:batch]
    race(lambda: net.loss_and_grad(X, y), lambda: reference.loss_and_grad(X, y, net.weights, net.biases, net.activations, loss)[0])


@pytest.mark.parametrize("rows", [1, 10, 1000])
def test_forward(race, network, rows):
    net, X, *_ = network
    X = np.resize(X, (rows, X.shape[1]))
    race(lambda: net.forward(X), lambda: reference.forward(X, net.weights, net.biases, net.activations))
