"""Arrays of more than 2^31 elements, where a 32-bit index overflows.

Zeros that nobody has written take no memory: the system maps one page of zeros for all of them.
The tests need 12 GB of free memory all the same.
"""

import numpy as np
import pytest

from fastnn import MLP, SGD
from fastnn import functional as F
from fastnn.network import Network

N = 2**31 + 2**16  # elements
GB = 1e9


def available():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable")) * 1024


@pytest.fixture(autouse=True, scope="module")
def enough_memory():
    if available() < 12 * GB:
        pytest.skip(f"needs 12 GB of free memory, has {available() / GB:.1f}")


def zeros_with_last_row(n, k, seed=0):
    """A matrix of zeros whose last row holds random numbers."""
    X = np.zeros((n, k), "f")
    X[-1] = np.random.default_rng(seed).normal(size=k)
    return X


@pytest.mark.parametrize("n_threads", [1, 2])
def test_predict_wide_rows(n_threads):
    X = zeros_with_last_row(N // 2**16, 2**16)
    assert X.size > 2**31
    net = MLP([2**16, 3, 1], rng=0)
    outputs = net.forward(X, n_threads=n_threads)
    assert outputs[-1] == net.forward(X[-1:])[0] != outputs[0]
    assert (outputs[:-1] == net.forward(X[:1])[0]).all()


def test_fit_on_wide_rows():
    """A shuffled epoch, which reads all rows, is that on the few rows that are not zero."""
    X = zeros_with_last_row(N // 2**16, 2**16)
    y = np.zeros(len(X), "f")
    y[-1] = 1
    net, expected_net = (MLP([2**16, 3, 1], rng=0) for _ in range(2))
    net.fit(X, y, optimizer=SGD(0.01), epochs=1, batch_size=None, shuffle=False)
    weight = np.array([len(X) - 1, 1.0])
    expected_net.fit(
        X[-2:], y[-2:], optimizer=SGD(0.01), epochs=1, batch_size=None, shuffle=False,
        sample_weight=weight,
    )  # fmt: skip
    np.testing.assert_allclose(net.params, expected_net.params, rtol=1e-4, atol=1e-7)
    assert not np.array_equal(net.weights[0], MLP([2**16, 3, 1], rng=0).weights[0])
    net.fit(X, y, epochs=1, batch_size=512)
    assert np.isfinite(net.params).all()


def test_loss_of_many_rows():
    """More than 2^31 rows. Only the last one has an error."""
    X, y = np.zeros((N, 1), "f"), np.zeros((N, 1), "f")
    net = MLP([1, 1], rng=0)
    net.biases[0][:] = 0
    assert net.loss(X, y) == 0
    y[-1] = 2.0**20
    expected = 2.0**40 / N
    assert abs(net.loss(X, y) / expected - 1) < 1e-6


def test_fit_many_rows():
    X, y = np.zeros((N, 1), "f"), np.zeros((N, 1), "f")
    y[-1] = 2.0**20
    net = MLP([1, 1], rng=0)
    history = net.fit(X, y, optimizer=SGD(0.5), epochs=1, batch_size=2**20, shuffle=False)
    assert history.n_steps == -(-N // 2**20)
    last = N - (history.n_steps - 1) * 2**20  # rows of the last batch
    assert net.state.row == 0 and abs(net.biases[0][0] / (2.0**20 / last) - 1) < 1e-5


def test_elementwise_function_in_place():
    Z = np.zeros((N // 2**16, 2**16), "f")
    Z[-1, -1] = 1
    F.activation(Z, "sigmoid", out=Z)
    assert Z[0, 0] == Z[2**15, 0] == Z[-1, -2] == 0.5 < Z[-1, -1]
    assert (Z[: -1 : 2**10] == 0.5).all()


def test_update_of_many_parameters():
    params, grads = np.zeros(N, "f"), np.zeros(N, "f")
    grads[-3:] = [1, 2, 3]
    F.sgd_step_(params, grads, lr=0.5)
    assert params[-4:].tolist() == [0, -0.5, -1, -1.5] and not params[:: 2**12].any()


def test_predict_with_many_weights():
    """The weight of the last output is beyond 2^31 weights."""
    net = Network([2**16, 2**15 + 1])
    assert net.n_params > 2**31
    net.weights[0][-1, -1] = 3
    net.biases[0][-1] = 1
    X = np.zeros((2, 2**16), "f")
    X[1, -1] = 2
    outputs = net.forward(X)
    assert outputs[:, -1].tolist() == [1, 7] and not outputs[:, :-1].any()
