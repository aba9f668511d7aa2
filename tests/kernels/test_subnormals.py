"""Kernels read subnormal numbers as 0 and write 0 for them (src/simd/primitives.h).

The reference computes with them. So elementwise kernels give the bits of the reference for flushed
inputs, flushed, and the bits of all instruction sets with FMA are equal on subnormal numbers, too.
Loads and selects pass them on, so some results are inputs that no arithmetic touched.
"""

from functools import partial

import numpy as np
import pytest
from cases import EVERY_MOMENT, LOSSES, STEPS, counts, moments_of, step_of
from checks import assert_same_bits, assert_within, flushed
from instruction_sets import assert_same_on_every_variant, same_bits

import fastnn
from fastnn import MLP
from fastnn import functional as F
from fastnn import reference as ref
from fastnn.activations import HIDDEN


def with_subnormals(x, seed=0):
    """An array, half of whose numbers are replaced by subnormal numbers, numbers just above, zeros."""
    rng, info = np.random.default_rng(seed), np.finfo(x.dtype)
    tiny = info.tiny * rng.normal(size=x.shape) * rng.choice([1, 4, 1 / info.eps], x.shape)
    out = np.where(rng.random(x.shape) < 0.5, tiny, x).astype(x.dtype)
    ends = [0, -0.0, info.smallest_subnormal, -info.smallest_subnormal, info.tiny, -info.tiny]
    out.ravel()[: len(ends)] = ends[: out.size]
    return out


def normal(shape, dtype, seed=0):
    return with_subnormals(np.random.default_rng(seed).normal(size=shape).astype(dtype), seed + 1)


def bound_of_sum(terms, dtype):
    """How much a sum of so many products may lose: each term, and each partial sum, may become 0."""
    return 2 * terms * np.finfo(dtype).tiny


# ---- elementwise kernels: the bits of the reference ----------------------------------------------


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "identity"])
def test_activations_have_the_bits_of_the_flushed_reference(isa, dtype, name):
    z = normal((50, 20), dtype)
    expected = flushed(ref.activation(flushed(z), name))
    assert_same_bits(flushed(F.activation(z, name)) + 0, expected + 0, name)  # -0 + 0 is 0


@pytest.mark.parametrize("name", HIDDEN)
def test_activations_of_subnormal_numbers_are_those_of_zero(isa, dtype, name):
    z, dA = normal((50, 20), dtype), normal((50, 20), dtype, 7)
    assert_same_bits(flushed(F.activation(z, name)), F.activation(flushed(z), name), name)
    actual, expected = F.activation_backward(dA, z, name), (flushed(dA), flushed(z))
    assert_same_bits(flushed(actual), flushed(F.activation_backward(*expected, name)), name)


@pytest.mark.parametrize("name", STEPS)
def test_updates_of_subnormal_numbers_are_those_of_zero(isa, dtype, name):
    settings = EVERY_MOMENT.get(name, {})
    arrays = [np.abs(normal((40, 3), dtype, i)) for i in range(2 + len(moments_of(name, settings)))]
    keywords = settings | ({"step": 3} if counts(name) else {})

    def step(arrays):
        params, grads, *moments = (a.copy() for a in arrays)
        step_of(name)(params, grads, **keywords, **dict(zip(moments_of(name, settings), moments)))
        return params, *moments

    found = step(arrays)
    assert_same_bits(found, step([flushed(a) for a in arrays]), name)
    assert_same_bits(found, [flushed(a) for a in found], name)


# ---- sums: an absolute bound ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 17, 1), (9, 33, 2), (70, 40, 17)])
def test_products_are_within_a_bound_of_the_reference(isa, dtype, shape):
    n, n_in, n_out = shape
    X, W, b = (normal(s, dtype, i) for i, s in enumerate([(n, n_in), (n_in, n_out), n_out]))
    factor = dtype.type(2e-19 if dtype == np.float32 else 1e-154)
    X, W = X * factor, W * factor  # products around the smallest normal number
    exact = np.asarray(X, np.longdouble) @ np.asarray(W, np.longdouble) + b
    scale = np.abs(X).astype(np.longdouble) @ np.abs(W) + np.abs(b)
    eps = np.finfo(dtype).eps
    Y = F.linear(X, W, b)
    assert_within(Y, exact.astype(dtype), bound_of_sum(n_in + 1, dtype) + n_in * eps * scale)
    dY = normal((n, n_out), dtype, 5)
    dX, dW, db = F.linear_backward(dY, X, W, b, Y)
    ones = np.ones((1, n), dtype)
    for actual, a, c, terms in ((dX, dY, W.T, n_out), (dW, X.T, dY, n), (db, ones, dY, n)):
        exact = np.asarray(a, np.longdouble) @ np.asarray(c, np.longdouble)
        scale = np.abs(a).astype(np.longdouble) @ np.abs(c)
        bound = (bound_of_sum(terms, dtype) + terms * eps * scale).reshape(actual.shape)
        assert_within(actual, exact.astype(dtype).reshape(actual.shape), bound)


def loss_examples(name, dtype, *shapes):
    """Outputs, targets and weights, half of which are subnormal."""
    loss = LOSSES[name]
    for n, k in shapes:
        if k >= loss.least_k:
            rng = np.random.default_rng(0)
            Y, y = loss.outputs(rng, n, k).astype(dtype), loss.targets(rng, n, k)
            y = y if y.dtype.kind == "i" else with_subnormals(y.astype(dtype), 1)
            y = np.abs(y) if name not in ("mse", "mae") else y
            Y = np.abs(with_subnormals(Y, 2)) if "bce" in name else with_subnormals(Y, 2)
            yield Y, y, np.abs(normal(n, dtype, 3))


def loss_and_gradient(name, *arguments):
    grad = np.empty_like(arguments[0])
    return [np.float64(LOSSES[name].loss(*arguments, grad=grad)), grad]


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_flushed_outputs_targets_and_weights(isa, dtype, name):
    for arrays in loss_examples(name, dtype, (30, 1), (30, 5)):
        L, grad = loss_and_gradient(name, *arrays)
        exact = loss_and_gradient(name, *(a if a.dtype.kind == "i" else flushed(a) for a in arrays))
        assert_same_bits([L, flushed(grad)], [exact[0], flushed(exact[1])], name)


# ---- the same bits on all instruction sets with FMA ----------------------------------------------


@same_bits
def test_products_have_the_same_bits(dtype, activation):
    for n, n_in, n_out in ((1, 7, 5), (3, 17, 1), (9, 33, 2), (70, 40, 17), (257, 31, 1)):
        sizes = (n, n_in), (n_in, n_out), n_out, (n, n_out)
        X, W, b, dY = (normal(size, dtype, i) for i, size in enumerate(sizes))

        def compute(a=(dY, X, W, b, dY)):
            return [F.linear(*a[1:4], activation), *F.linear_backward(*a, activation)]

        assert_same_on_every_variant(compute)


@same_bits
@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_the_same_bits(dtype, name):
    for arrays in loss_examples(name, dtype, (9, 1), (300, 17)):
        assert_same_on_every_variant(partial(loss_and_gradient, name, *arrays))


@same_bits
@pytest.mark.parametrize("name", STEPS)
def test_updates_have_the_same_bits(dtype, name):
    shared = dict(average=0.9, l1=1e-3, l2=1e-3, clip_value=2)
    optimizer = STEPS[name](**EVERY_MOMENT.get(name, {}), **shared)
    X, y = normal((70, 9), dtype), np.minimum(np.abs(normal((70, 2), dtype, 1)), 1)

    def train():
        net = MLP([9, 17, 2], "relu", output="sigmoid", dtype=dtype, dropout=0.2, rng=0)
        net.params[...] = with_subnormals(net.params, 3)
        history = net.fit(X, y, optimizer=optimizer, epochs=3, batch_size=32, rng=0)
        return [net.params, net.state.moments, np.array(history.loss), net.forward(X)]

    assert_same_on_every_variant(train)


@same_bits
def test_tables_have_the_same_bits(dtype):
    rng = np.random.default_rng(0)
    numbers, positions = normal((80, 3), dtype), rng.uniform(0, 4, (80, 2))
    options = dict(codes=rng.integers(-1, 5, (80, 2)), n_categories=[5, 6], dtype=dtype)
    rows = fastnn.EncodedTable(numbers, positions, [4, 5], **options)
    y = np.minimum(np.abs(normal((80, 1), dtype, 1)), 1)

    def train():
        net = MLP([rows.shape[1], 9, 1], "relu", output="sigmoid", dtype=dtype, rng=0)
        net.params[...] = with_subnormals(net.params, 3)
        net.fit(rows, y, epochs=3, batch_size=32, rng=0)
        return [net.params, net.state.moments, net.forward(rows)]

    assert_same_on_every_variant(train)


# ---- trainings stay free of them -----------------------------------------------------------------


@pytest.mark.parametrize("average", [None, 0.999])
@pytest.mark.parametrize("name", STEPS)
def test_ten_thousand_steps_leave_no_subnormal_number(isa, dtype, name, average):
    """Dead units, inputs that are zero in all rows, and tiny weights: moments decay to nothing."""
    X = np.random.default_rng(0).normal(size=(40, 6)).astype(dtype)
    X[:, ::2] = 0
    y = (X[:, 1] > 0).astype(dtype)
    net = MLP([6, 8, 8, 1], "relu", output="sigmoid", dtype=dtype, rng=0)
    optimizer = STEPS[name](**EVERY_MOMENT.get(name, {}), average=average)
    net.fit(X, y, optimizer=optimizer, epochs=2, batch_size=4)  # moments to decay
    net.biases[0][:4] = net.biases[1][:4] = -100  # dead from here on
    net.weights[1][:, 4:] *= np.finfo(dtype).tiny
    net.fit(X, y, optimizer=optimizer, epochs=1000, batch_size=4, resume=True)
    assert net.state.step >= 10_000
    for numbers in (net.params, net.state.moments):
        assert_same_bits(numbers, flushed(numbers))
