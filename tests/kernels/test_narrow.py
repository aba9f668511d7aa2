"""Layers with few outputs or inputs have kernels of their own (src/ops/narrow.pxi, dot.pxi,
few_inputs_backward_weight), which give the bits of the others.

A network is trained beside one with more units or inputs that change nothing: units whose inputs
are -1 before relu, or inputs that are 0. They add zeros to sums.
"""

import numpy as np
import pytest
from checks import assert_same_bits

from fastnn import MLP, SGD, Adam
from fastnn import functional as F

OPTIMIZERS = {"sgd": SGD(0.005), "adam": Adam(0.01)}
OPTIMIZERS["norm"] = SGD(0.005, momentum=0.9, clip_norm=0.3, l2=0.01, l1=0.001)


def train(sizes, like, dtype, optimizer, X, y, batch):
    """Train a network that begins with the parameters of `like`; other units have relu(-1)."""
    net = MLP(sizes, dtype=dtype, rng=0)
    for W, b, V, c in zip(net.weights, net.biases, like.weights, like.biases):
        W[...], b[...] = 0, -1
        W[: V.shape[0], : V.shape[1]], b[: len(c)] = V, c
    return net, net.fit(X, y, "mse", optimizer, epochs=3, batch_size=batch, rng=1, n_threads=1).loss


def assert_trains_like(sizes, wide, dtype, optimizer, batch, n_rows=70):
    rng = np.random.default_rng(sum(sizes) + batch)
    like = MLP(sizes, dtype=dtype, rng=3)
    for b in like.biases:
        b[...] = rng.normal(size=b.shape)
    X = rng.normal(size=(n_rows, sizes[0])).astype(dtype)
    X_wide = np.zeros((n_rows, wide[0]), dtype)
    X_wide[:, : sizes[0]] = X
    y = rng.normal(size=(n_rows, sizes[-1])).astype(dtype)
    net, loss = train(sizes, like, dtype, optimizer, X, y, batch)
    other, other_loss = train(wide, like, dtype, optimizer, X_wide, y, batch)
    name = f"{sizes}, batch {batch}"
    layers = zip(like.weights, net.weights, net.biases, other.weights, other.biases)
    for before, W, b, V, c in layers:
        assert_same_bits(V[: W.shape[0], : W.shape[1]], W, name)
        assert_same_bits(c[: len(b)], b, name)
        assert not np.array_equal(before, W)
    assert_same_bits(other_loss, loss, name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("n_out", [2, 5, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21])
def test_layer_with_few_outputs_trains_like_a_wide_one(isa, dtype, n_out, optimizer):
    for batch in 1, 5, 9, 10, 16, 33, 64:
        for sizes in [6, 43, n_out, 1], [67, n_out, 1], [19, n_out, 1]:
            assert_trains_like(sizes, [*sizes[:-2], 40, 1], dtype, OPTIMIZERS[optimizer], batch)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("n_in", [1, 2, 3, 4, 5])
def test_layer_with_few_inputs_trains_like_one_with_more(isa, dtype, n_in, optimizer):
    for n_out in 1, 9, 33, 70:
        for batch in 4, 32:
            assert_trains_like([n_in, n_out, 1], [9, n_out, 1], dtype, OPTIMIZERS[optimizer], batch)
    if n_in > 1:  # a layer with one output adds in another order
        assert_trains_like([6, n_in, 33, 1], [6, 8, 33, 1], dtype, OPTIMIZERS[optimizer], 32)


@pytest.mark.parametrize("n_in", [1, 2, 3, 4, 5])
def test_dW_of_few_inputs_has_the_bits_of_the_same_inputs_of_more(isa, dtype, n_in):
    rng = np.random.default_rng(n_in)
    for n, n_out in (1, 5), (20, 33), (300, 70), (600, 2):
        X, W, dY = (rng.normal(size=s).astype(dtype) for s in ((n, 9), (9, n_out), (n, n_out)))
        b = np.zeros(n_out, dtype)
        _, dW, db = F.linear_backward(dY, X, W, b, dY)
        few = F.linear_backward(dY, X[:, :n_in].copy(), W[:n_in].copy(), b, dY)
        assert_same_bits(few[1:], (dW[:n_in], db), f"{n} rows, {n_out} outputs")


def test_one_input_and_one_output_round_twice(isa, dtype):
    """The product is rounded before the bias is added, as in every layer with one output."""
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=s).astype(dtype) for s in ((300, 1), (1, 1), 1))
    x[:4, 0] = 0, -0.0, np.inf, np.nan
    assert_same_bits(F.linear(x, w, b), x * w + b)
