"""Networks with large weights are computed in longer chunks, whose products read prefetched panels in
taller blocks, and whose gradients read packed inputs (src/ops/blocks.pxi). The bits are those of
gradients over 256 rows, which are added and then update the parameters.
"""

import numpy as np
import pytest
from checks import assert_same_bits

from fastnn import MLP, SGD, Adam
from fastnn import functional as F
from fastnn.core.threads import ThreadChoice

SIZES = [[70, 511, 350, 3], [3, 500, 400, 1], [600, 300, 18, 40, 1], [513, 17, 400, 380, 2]]
SIZES += [[2300, 60, 2], [131, 141, 2]]  # the first layers read rows: few outputs, small weights


def train_by_hand(net, X, y, batch, optimizer):
    """Train for an epoch by `loss_and_grad`, which computes 256 rows at a time, and an update."""
    m, v = np.zeros_like(net.params), np.zeros_like(net.params)
    for step, first in enumerate(range(0, len(X), batch)):
        rows = slice(first, first + batch)
        net.loss_and_grad(X[rows], y[rows], "mse")
        if isinstance(optimizer, SGD):
            F.sgd_step_(net.params, net.grads, lr=optimizer.lr)
        else:
            F.adam_step_(net.params, net.grads, m, v, step=step + 1, lr=optimizer.lr)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("batch", [37, 300, 512, 700])
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: "-".join(map(str, sizes)))
def test_wide_network_trains_like_gradients_of_256_rows(
    isa, dtype, sizes, batch, n_threads, monkeypatch
):
    # in so short a training, only one thread would be timed
    monkeypatch.setattr(ThreadChoice, "run", lambda choice, work, seconds: work(n_threads, seconds))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2 * batch - 5, sizes[0])).astype(dtype)
    y = rng.normal(size=(len(X), sizes[-1])).astype(dtype)
    options = dict(epochs=1, batch_size=batch, shuffle=False, n_threads=n_threads)
    for optimizer in SGD(0.01), Adam(0.001):
        net = MLP(sizes, dtype=dtype, rng=1)
        by_hand = net.copy()
        net.fit(X, y, "mse", optimizer, **options)
        train_by_hand(by_hand, X, y, batch, optimizer)
        assert_same_bits(net.params, by_hand.params)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("bias", [True, False])
def test_one_row_has_the_bits_of_many(isa, dtype, activation, bias):
    """One row reads large weights in the order of their memory (large_row_product)."""
    rng = np.random.default_rng(0)
    for sizes in [700, 301, 5], [33, 5000, 3], [1000, 513, 10]:
        net = MLP(sizes, activation, bias=bias, dtype=dtype, rng=1)
        net.params += rng.normal(scale=0.01, size=net.n_params).astype(dtype)
        X = rng.normal(size=(70, sizes[0])).astype(dtype)
        Y = net.forward(X)
        for i in range(3):
            assert_same_bits(net.forward(X[i : i + 1]), Y[i : i + 1])
