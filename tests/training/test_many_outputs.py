"""The outputs of many networks, and their mean."""

import numpy as np
import pytest
from checks import assert_same_bits
from many_cases import X, networks

import fastnn
from fastnn import MLP, kernels


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 5, 300, 40_001])  # the last: no multiple of the threads
def test_forward_many_has_the_bits_of_forward(n, n_threads, dtype):
    nets = [MLP([7, 5 + 40 * i, 2], dtype=dtype, rng=i) for i in range(5)]
    rows = np.random.default_rng(n).normal(size=(n, 7)).astype(dtype)
    Y = fastnn.forward_many(nets, rows, n_threads=n_threads)
    assert Y.shape == (5, n, 2) and Y.dtype == dtype
    for net, outputs in zip(nets, Y):
        assert_same_bits(outputs, net.forward(rows))
    out = np.empty_like(Y)
    assert fastnn.forward_many(nets, rows, out=out, n_threads=n_threads) is out
    assert_same_bits(out, Y)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 5, 300, 40_001])
def test_each_network_has_rows_of_its_own(n, n_threads, dtype):
    nets = [MLP([7, 5 + 40 * i, 2], dtype=dtype, rng=i) for i in range(4)]
    rows = np.random.default_rng(n).normal(size=(4, n, 7)).astype(dtype)
    out = np.full((4, n, 2), np.nan, dtype)
    assert fastnn.forward_many(nets, rows, out, n_threads) is out
    for net, each, outputs in zip(nets, rows, out):
        assert_same_bits(outputs, net.forward(each))
    swapped = np.ascontiguousarray(rows.swapaxes(0, 1)).swapaxes(0, 1)
    assert_same_bits(fastnn.forward_many(nets, swapped, None, n_threads), out)


def test_forward_many_refuses_what_does_not_fit():
    nets, out = networks(2), np.empty((2, 300), np.float32)
    own = r"but there are 2 networks of 7 inputs. Pass an array of shape \(2, n, 7\)"
    for arguments, options, message in [
        (([nets[0], MLP([7, 3], rng=0)], X), {}, "network 1 has 7 inputs and 3 outputs, but net"),
        ((nets, X), dict(out=out), "out must have shape"),
        ((nets, X[:, :3]), {}, "X has 3 columns"),
        ((nets, X[None]), {}, r"X has shape \(1, 300, 7\), " + own),
        ((nets, np.ones((2, 5, 3))), {}, r"X has shape \(2, 5, 3\), " + own),
        ((nets, X[None, None]), {}, "X must have 2 dimensions"),
        ((nets, np.ones((2, 5, 7))), dict(out=out), r"out must have shape \(2, 5, 1\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            fastnn.forward_many(*arguments, **options)
    assert fastnn.forward_many(nets, X[:2].tolist()).shape == (2, 2, 1)


# ---- the mean of the outputs ----


@pytest.mark.parametrize("n_out", [1, 5])
def test_the_mean_adds_outputs_in_double_in_the_order_of_the_networks(isa, dtype, n_out):
    nets = [MLP([7, 4 + 3 * i, n_out], dtype=dtype, rng=i) for i in range(8)]
    rows = np.tile(X, (10, 1)).astype(dtype)  # sums on the stack and not, with the GIL and not
    for n in (0, 1, 3, 300, 3000):
        total = np.zeros((n, n_out))
        for net in nets:
            total += net.forward(rows[:n])
        mean = (total / 8).astype(dtype)
        assert_same_bits(kernels.forward_mean_finite(nets, rows[:n]), mean)
        out = np.full((n, n_out), np.nan, dtype)
        kernels.forward_mean(nets, rows[:n], out)
        assert_same_bits(out, mean)


def test_the_mean_refuses_rows_that_need_a_conversion():
    nets, bad = networks(), X[:2].copy()
    bad[1, 3] = np.nan
    for rows in (bad, X.astype("d"), X[:, :5].copy(), X.tolist(), X[::2]):
        assert kernels.forward_mean_finite(nets, rows) is None
    for other in (MLP([7, 4, 2], rng=0), MLP([6, 1], rng=0), MLP([7, 1], rng=0, dtype="float64")):
        with pytest.raises(ValueError, match="differ in inputs, outputs or dtype"):
            kernels.forward_mean_finite([*nets, other], X)
        with pytest.raises(ValueError, match="differ in inputs, outputs or dtype"):
            kernels.forward_many([*nets, other], X, np.empty((len(nets) + 1, 300, 1), "f"))
    with pytest.raises(ValueError, match="Expected a C-contiguous array of 300 numbers"):
        kernels.forward_mean(nets, X, np.empty((299, 1), "f"))


def test_the_probabilities_of_two_classes(dtype):
    p = np.array([[0.25], [0.1], [1.0]], dtype)
    assert_same_bits(kernels.two_classes(p), np.hstack([1 - p, p]))
    for wrong in (np.ones((3, 2), dtype), np.ones(3, dtype), np.ones((6, 1), dtype)[::2]):
        with pytest.raises(ValueError, match=r"array of shape \(n, 1\)"):
            kernels.two_classes(wrong)
