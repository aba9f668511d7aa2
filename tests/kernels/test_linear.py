"""F.linear and F.linear_backward against the NumPy reference in float64.

Every size is used as number of rows, inputs and outputs, beside mixed others. Errors must stay
below a rounding bound that is computed for each number from the length of its sum. Where all sums
are exact (small integers), the results must be equal.
"""

import itertools
from functools import cache

import cases
import numpy as np
import pytest
from array_kinds import read_only
from checks import assert_finite, assert_same_bits, assert_within
from numpy.testing import assert_allclose, assert_array_equal

import fastnn
from fastnn import functional as F
from fastnn import reference as ref
from fastnn.activations import ACTIVATIONS, HIDDEN

# around the blocks of rows, vectors, panels, chunks
MIXED = (3, 33, 8, 1, 17, 7, 16, 9, 5, 32)


def shapes():
    """(n, n_in, n_out)"""
    for i, size in enumerate((0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 257)):
        a, b = MIXED[i % 10], MIXED[(3 * i + 1) % 10]
        yield from [(size, a, b), (b, size, a), (a, b, size)]
    yield from itertools.product((1, 9), (0, 1), (0, 1, 2))
    yield from [(256, 5, 3), (512, 1, 1), (513, 3, 1), (600, 20, 17), (257, 257, 1), (257, 300, 10)]
    yield from [(40, 513, 33), (20, 520, 514), (300, 515, 5), (40, 300, 1), (257, 1200, 1)]


SHAPES = sorted(set(shapes()))


@cache
def smooth_data(dtype, n, n_in, n_out):
    """X, W, b, dY: normal numbers, z about 1."""
    rng = np.random.default_rng([n, n_in, n_out])
    X, W = rng.normal(size=(n, n_in)), rng.normal(size=(n_in, n_out)) / max(1, n_in) ** 0.5
    return frozen(dtype, X, W, rng.normal(size=n_out), rng.normal(size=(n, n_out)))


@cache
def whole_data(dtype, n, n_in, n_out):
    """Arrays of small whole numbers: sums are exact, and some inputs of kinks are exactly 0."""
    rng = np.random.default_rng([n, n_in, n_out])
    shapes = (n, n_in), (n_in, n_out), n_out, (n, n_out)
    return frozen(dtype, *(rng.integers(-4, 5, shape) for shape in shapes))


def frozen(dtype, *arrays):
    return [read_only(a.astype(dtype)) for a in arrays]


@cache
def expected(data, dtype, shape, activation):
    """Y and (dX, dW, db) of the reference in float64."""
    X, W, b, dY = (a.astype(np.float64) for a in data(dtype, *shape))
    if activation == "softmax" and shape[2] == 0:  # a row's maximum needs a number
        return np.zeros((shape[0], 0)), (np.zeros_like(X), np.zeros_like(W), np.zeros_like(b))
    Y = ref.linear(X, W, b, activation)
    return Y, ref.linear_backward(dY, X, W, b, Y, activation)


def rounding_of_Z(eps, X, W, b):
    """A bound of the rounding error of X W + b: n roundings change at most n eps/2 of the sum of
    magnitudes."""
    return (X.shape[1] + 2) * eps * (np.abs(X) @ np.abs(W) + np.abs(b))


def rounding_of_dZ(eps, X, W, b, dY):
    """dZ = dY f'(Z): every |f''| <= 1, and f' itself is computed to some eps (1 + |z|); softmax
    mixes a row."""
    slope = (16 + dY.shape[1]) * eps * (1 + np.abs(X @ W + b)) + 2 * rounding_of_Z(eps, X, W, b)
    largest, slope = (a.max(axis=1, initial=0, keepdims=True) for a in (np.abs(dY), slope))
    return largest * slope + np.zeros_like(dY)


# ---- the grid ------------------------------------------------------------------------------------


def test_forward_matches_the_reference_for_all_shapes(isa, dtype, activation):
    for shape in SHAPES:
        X, W, b, _ = smooth_data(dtype, *shape)
        Y, _ = expected(smooth_data, dtype, shape, activation)
        actual = F.linear(X, W, b, activation)
        eps = np.finfo(dtype).eps
        of_Z = rounding_of_Z(eps, X, W, b)
        if activation == "softmax":
            of_Z = 2 * of_Z.max(axis=1, initial=0, keepdims=True)
        z = np.abs(X.astype(float) @ W + b)
        assert actual.dtype == dtype
        assert_within(actual, Y, 1.2 * of_Z + 16 * eps * (np.abs(Y) + z), f"shape {shape}")


def test_backward_matches_the_reference_for_all_shapes(isa, dtype, activation):
    for shape in SHAPES:
        # whole numbers keep the kinked ones on the same side of their kink as the reference
        data = whole_data if activation in ("relu", "leaky_relu") else smooth_data
        X, W, b, dY = data(dtype, *shape)
        Y, (dX, dW, db) = expected(data, dtype, shape, activation)
        actual = F.linear_backward(dY, X, W, b, Y, activation)
        n, n_out = dY.shape
        eps = np.finfo(dtype).eps
        of_dZ = rounding_of_dZ(eps, X, W, b, dY)
        dZ = np.abs(dY) * 1.13 + np.abs(dY).sum(axis=1, keepdims=True) * (activation == "softmax")
        absX, absWT = np.abs(X), np.abs(W).T
        for name, a, exact, bound in [
            ("dX", actual[0], dX, of_dZ @ absWT + (n_out + 2) * eps * dZ @ absWT),
            ("dW", actual[1], dW, absX.T @ of_dZ + (n + 2) * eps * absX.T @ dZ),
            ("db", actual[2], db, of_dZ.sum(axis=0) + (n + 2) * eps * dZ.sum(axis=0)),
        ]:
            assert a.dtype == dtype
            assert_within(a, exact, bound, f"{name}, shape {shape}")


@pytest.mark.parametrize("activation", ["identity", "relu"])
def test_sums_of_whole_numbers_are_exact_for_all_shapes(isa, dtype, activation):
    for shape in SHAPES:
        X, W, b, dY = whole_data(dtype, *shape)
        Y, gradients = expected(whole_data, dtype, shape, activation)
        actual = F.linear(X, W, b, activation), *F.linear_backward(dY, X, W, b, Y, activation)
        for a, e in zip(actual, (Y, *gradients), strict=True):
            assert_array_equal(a, e, err_msg=f"shape {shape}")


# ---- optional arguments --------------------------------------------------------------------------

PLAIN = [(0, 3, 2), (3, 5, 1), (9, 33, 17), (300, 7, 1), (300, 17, 33)]


@pytest.mark.parametrize("shape", PLAIN, ids=str)
def test_no_bias_is_a_bias_of_zeros(isa, dtype, shape):
    X, W, _, dY = smooth_data(dtype, *shape)
    zeros = np.zeros(shape[2], dtype)
    for name in ACTIVATIONS:
        assert_array_equal(F.linear(X, W, activation=name), F.linear(X, W, zeros, name), name)
        dX, dW, db = F.linear_backward(dY, X, W, None, dY, name)
        dX0, dW0, _ = F.linear_backward(dY, X, W, zeros, dY, name)
        assert db is None, name
        assert_array_equal(dX, dX0, err_msg=name)
        assert_array_equal(dW, dW0, err_msg=name)


@pytest.mark.parametrize("shape", PLAIN, ids=str)
def test_without_dX_the_rest_is_the_same(isa, dtype, shape):
    X, W, b, dY = smooth_data(dtype, *shape)
    for name in ACTIVATIONS:
        _, dW, db = F.linear_backward(dY, X, W, b, dY, name)
        nothing, dW1, db1 = F.linear_backward(dY, X, W, b, dY, name, need_dX=False)
        assert nothing is None, name
        assert_same_bits(dW, dW1, name)
        assert_same_bits(db, db1, name)


SHAPES_OF_OUT = [(3, 5, 1), (3, 5, 9), (9, 7, 17), (9, 33, 17), (300, 3, 33)]


@pytest.mark.parametrize("shape", SHAPES_OF_OUT, ids=str)
def test_out_receives_the_result_and_nothing_around_it_changes(isa, dtype, shape):
    X, W, b, _ = smooth_data(dtype, *shape)
    for name in ACTIVATIONS:
        Y = F.linear(X, W, b, name)
        memory = np.full(Y.size + 200, 99, dtype)
        out = memory[101 : 101 + Y.size].reshape(Y.shape)  # aligned to nothing but its items
        assert F.linear(X, W, b, name, out=out) is out
        assert_same_bits(memory[101 : 101 + Y.size], Y, name)
        assert_array_equal(memory[:101], 99, err_msg=name)
        assert_array_equal(memory[101 + Y.size :], 99, err_msg=name)


# ---- a row has the same bits in any batch --------------------------------------------------------


PARTS = [(0, 1), (255, 256), (256, 257), (259, 260), (0, 7), (1, 9), (250, 259), (2, 258)]
PARTS = [slice(first, last) for first, last in [*PARTS, (3, 260)]]


@pytest.mark.parametrize("n_in", [1, 16, 33, 300])
def test_row_has_the_same_bits_alone_and_in_any_batch(isa, dtype, activation, n_in):
    for n_out in (1, 3, 17, 32, 100):
        X, W, b, _ = smooth_data(dtype, 260, n_in, n_out)
        Y = F.linear(X, W, b, activation)
        for rows in PARTS:
            part = F.linear(X[rows], W, b, activation)
            assert_same_bits(part, Y[rows], f"{n_out} outputs, {rows}")


@pytest.mark.parametrize("n_in", [33, 160, 515, 1100])
def test_few_outputs_have_the_bits_of_the_same_columns_of_a_wide_layer(isa, dtype, n_in):
    """Layers with few outputs have kernels of their own, if they have enough inputs and rows."""
    for n in (9, 12, 33, 100, 300):
        X, W, b, dY = smooth_data(dtype, n, n_in, 40)
        Y = F.linear(X, W, b)
        _, dW, db = F.linear_backward(dY, X, W, b, Y)
        for m in range(1, 22):
            name = f"{n} rows, {m} outputs"
            narrow = F.linear(X, W[:, :m], b[:m])
            _, dW_narrow, db_narrow = F.linear_backward(dY[:, :m], X, W[:, :m], b[:m], narrow)
            if m > 1:  # a single output is a sum in 16 lanes
                assert_same_bits(narrow, Y[:, :m], name)
                assert_same_bits(db_narrow, db[:m], name)
            assert_same_bits(dW_narrow, dW[:, :m], name)


@pytest.mark.parametrize("n_out", [1, 17])
def test_row_of_dX_has_the_same_bits_alone_and_in_any_batch(isa, dtype, activation, n_out):
    X, W, b, dY = smooth_data(dtype, 260, 9, n_out)
    dX, _, _ = F.linear_backward(dY, X, W, b, dY, activation)
    for rows in PARTS:
        part, _, _ = F.linear_backward(dY[rows], X[rows], W, b, dY[rows], activation)
        assert_same_bits(part, dX[rows])


SHAPES_OF_BAD = [*itertools.product((3, 20, 300), [7], (1, 5, 33))]
SHAPES_OF_BAD += itertools.product([90], (40, 64), (3, 10, 18))  # kernels of few outputs


@pytest.mark.parametrize("shape", SHAPES_OF_BAD, ids=str)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
def test_a_bad_number_affects_its_row_alone(isa, dtype, bad, shape):
    X, W, b, dY = smooth_data(dtype, *shape)
    spoiled, row = X.copy(), len(X) // 2
    spoiled[row, X.shape[1] - 1] = bad
    others = np.arange(len(X)) != row
    for name in ACTIVATIONS:
        Y, (dX, _, _) = F.linear(X, W, b, name), F.linear_backward(dY, X, W, b, dY, name)
        after = F.linear(spoiled, W, b, name)
        assert_same_bits(after[others], Y[others], name)
        if np.isnan(bad):
            assert_array_equal(after[row], np.nan, name)
        else:  # limits, as IEEE arithmetic has them; finite for most
            with np.errstate(all="ignore"):
                limits = ref.linear(spoiled.astype(float), W, b, name)
            assert_allclose(after, limits, rtol=1e-4, atol=1e-4, err_msg=name)
        after_dX = F.linear_backward(dY, spoiled, W, b, dY, name)[0]
        assert_same_bits(after_dX[others], dX[others], name)


BOUNDED_SIZES = [[3, 5, 1], [3, 5, 2], [3, 1, 2], [3, 1, 1], [3, 17, 17, 1], [3, 16, 1, 1]]


@pytest.mark.parametrize("output", ["identity", "sigmoid"])
@pytest.mark.parametrize("sizes", BOUNDED_SIZES, ids=str)
def test_a_row_with_an_infinity_has_the_same_bits_in_any_batch_after_a_bounded_layer(
    isa, dtype, sizes, output
):
    for name in ("sigmoid", "relu", "tanh", "elu", "softplus"):
        net = fastnn.MLP(sizes, name, output, dtype=dtype, rng=1)
        net.weights[0][...] = -np.abs(net.weights[0])  # so that an infinity comes out as 0 or -1
        X = np.ones((20, 3), dtype)
        X[4, 1] = np.inf
        Y = net.forward(X)
        assert_finite(Y)
        assert_same_bits(Y[4:5], net.forward(X[4:5]))


CHUNK_SIZES = [[3, 1, 1, 1], [3, 1], [3, 5, 1, 1], [3, 17, 1, 5], [3, 40, 3, 1, 2]]


@pytest.mark.parametrize("sizes", CHUNK_SIZES, ids=str)
def test_a_bad_row_affects_no_row_of_another_chunk(isa, dtype, sizes):
    net = fastnn.MLP(sizes, "tanh", dtype=dtype, rng=1)
    X = np.ones((600, sizes[0]), dtype)
    X[37, 0] = X[299, 1] = np.nan
    assert_array_equal(np.flatnonzero(np.isnan(net.forward(X)).any(axis=1)), [37, 299])


@pytest.mark.parametrize("n", [1, 40])
def test_large_inputs_reach_the_limits(isa, dtype, n):
    X, one = np.resize(np.array([[1e4], [-1e4]], dtype), (n, 1)), np.ones((1, 1), dtype)
    high = X > 0
    for name in HIDDEN:
        values, slopes = ([f(name, x) for x in X[:, 0]] for f in (cases.value, cases.slope))
        rtol = 4 * np.finfo(dtype).eps if cases.ACTIVATIONS[name].slow else 0
        Y = F.linear(X, one, None, name)
        assert_allclose(Y[:, 0], np.array(values, dtype), rtol, err_msg=name)
        dX = F.linear_backward(np.ones_like(X), X, one, None, Y, name)[0]
        assert_allclose(dX[:, 0], np.array(slopes, dtype), rtol, err_msg=name)
    Y = F.linear(X, np.hstack([one, -one]), None, "softmax")
    assert_array_equal(Y, np.hstack([high, ~high]))
