"""Extreme settings and gradients: eps that rounds to 0, NAdam at any step number, squares that
overflow."""

import time

import numpy as np
import pytest
from checks import assert_finite, assert_same_bits
from trainers import make_trainer, stored

import fastnn
from fastnn import MLP, SGD, Adam, NAdam, kernels
from fastnn.kernels import Loss


@pytest.mark.parametrize("make", [Adam, fastnn.RMSprop, fastnn.Adagrad])
def test_an_eps_below_the_smallest_number_still_keeps_zero_from_zero(make, dtype):
    net = MLP([3, 4, 1], dtype=dtype, rng=0)
    X, y = np.zeros((8, 3), dtype), np.zeros(8, dtype)  # all gradients of W are 0
    history = net.fit(X, y, optimizer=make(eps=1e-320 if dtype == np.float64 else 1e-50), epochs=3)
    assert_finite(history.loss)
    assert_finite(net.params)


NADAMS = [(0.9, 0.004), (0.5, 0.0), (1 - 1e-9, 5.0), (1 - 1e-12, 1000.0), (1 - 1e-15, 910.0)]
NADAMS.append((0.9, 1e-9))


@pytest.mark.parametrize(("beta1", "decay"), NADAMS)
def test_nadam_starts_from_any_step_without_delay(beta1, decay):
    settings = kernels.packed(NAdam(0.01, betas=(beta1, 0.999), momentum_decay=decay).to_kernel())

    def step(t):
        w, g, m, v = np.zeros(1), np.ones(1), np.ones(1), np.ones(1)
        kernels.update(settings, t, w, g, m, v)
        return w[0]

    began = time.perf_counter()
    assert np.isfinite(step(2**62))
    assert time.perf_counter() - began < 1
    for t in (1, 2, 300, 5000):
        product = np.prod(beta1 * (1 - 0.5 * 0.96 ** (np.arange(1, t + 1) * decay)))
        mu, after = (beta1 * (1 - 0.5 * 0.96 ** (i * decay)) for i in (t, t + 1))
        first, second = 0.01 * after / (1 - product * after), 0.01 * (1 - mu) / (1 - product)
        expected = -(first + second) / (1 / np.sqrt(1 - 0.999**t) + 1e-8)
        assert step(t) == pytest.approx(expected, rel=1e-6 if 1 - product * after < 1e-3 else 1e-9)


def test_resumed_nadam_has_the_bits_of_one_that_never_stopped():
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.ones(40)
    optimizer = NAdam(0.001, betas=(1 - 1e-6, 0.999), momentum_decay=20.0)  # from step 46 on
    whole, halves = (MLP([3, 5, 1], dtype="float64", rng=0) for _ in range(2))
    options = dict(optimizer=optimizer, batch_size=10)
    whole.fit(X, y, epochs=30, **options)
    for epochs in (3, 10, 17):
        halves.fit(X, y, epochs=epochs, resume=halves.state is not None, **options)
    assert_same_bits(whole.params, halves.params)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_clip_norm_works_when_squares_overflow(isa, dtype, n_threads):
    """A gradient g of norm |g| > 2e19 (1e154 in float64), all of it finite, becomes g / |g|."""
    huge = dtype.type(1e25 if dtype == np.float32 else 1e200)
    for sizes in ([6, 1], [6, 5], [6, 40, 1]):
        net = MLP(sizes, "identity", dtype=dtype, rng=0)
        X = np.random.default_rng(0).normal(size=(300, 6)).astype(dtype)
        dY = np.full((300, sizes[-1]), huge / 300, dtype)
        options = dict(loss=Loss.GIVEN_GRADIENT, n_threads=n_threads)
        trainer, moments = make_trainer(net, X, dY, SGD(0.5, clip_norm=1.0), **options)
        before, grads = net.params.copy(), np.empty(net.n_params, dtype)
        trainer.run(n_threads, 100.0, np.empty(1))
        stored(net, trainer, moments)
        trainer.store_gradient(grads)
        assert_finite(grads)
        assert np.abs(grads).max() > huge / 1000
        g = grads.astype(np.longdouble)
        expected = (-0.5 * g / np.sqrt((g * g).sum())).astype(float)
        np.testing.assert_allclose(net.params - before, expected, rtol=1e-3, atol=1e-6)
