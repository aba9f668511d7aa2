"""The layer of the reference, compared with numbers worked by hand, mpmath (50 digits, rounded)
and finite differences; dropout masks with a C program of their formula."""

import itertools
from functools import partial

import cases
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnn import reference as ref
from fastnn.activations import ACTIVATIONS

# ---- activations ---------------------------------------------------------------------------------

POINTS = [-30, -2, -1e-9, 0.5, 3]
SLOPE_POINTS = [-30, -2, 0.5, 30]


def test_the_cases_are_all_activations_but_softmax():
    assert {*cases.ACTIVATIONS, "softmax"} == set(ACTIVATIONS)


@pytest.mark.parametrize("name", cases.ACTIVATIONS)
def test_activation_is_exact_to_rounding(name):
    exact = [cases.value(name, z) for z in POINTS]
    np.testing.assert_allclose(ref.activation(np.array(POINTS, float), name), exact, rtol=2e-13)


@pytest.mark.parametrize("name", [name for name in cases.ACTIVATIONS if name != "tanh"])
def test_derivative_is_exact_to_rounding(name):
    exact = [cases.slope(name, z) for z in SLOPE_POINTS]
    found = ref.activation_backward(np.ones(4), np.array(SLOPE_POINTS, float), name)
    np.testing.assert_allclose(found, exact, rtol=2e-13)


def test_softmax_by_hand():
    # exp: 1, 2, 5 -> 1/8, 2/8, 5/8.  da = (1, 0, 2): da . a = 11/8, dz = a (da - 11/8)
    z = np.log([[1.0, 2.0, 5.0]])
    np.testing.assert_allclose(ref.activation(z, "softmax"), [[0.125, 0.25, 0.625]], rtol=1e-15)
    dz = ref.activation_backward(np.array([[1.0, 0.0, 2.0]]), z, "softmax")
    np.testing.assert_allclose(dz, [[0.125 * -0.375, 0.25 * -1.375, 0.625 * 0.625]], rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_backward_is_the_derivative(name, rng, assert_derivative):
    Z = rng.uniform(0.1, 3, (2, 4, 5)) * rng.choice([-1, 1], (2, 4, 5))  # not across a kink at 0
    dA = rng.normal(size=Z.shape)
    dZ = ref.activation_backward(dA, Z, name)
    assert_derivative(dZ, lambda: np.sum(dA * ref.activation(Z, name)), Z)


@pytest.mark.parametrize("name", cases.KINKED)
def test_derivative_at_the_kink(name):
    dZ = ref.activation_backward(np.full(2, 3.0), np.array([0.0, -0.0]), name)
    np.testing.assert_array_equal(dZ, 3 * cases.slope(name, 0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_at_extremes(name, dtype):
    Z = np.array([[-1e4, 1e4]], dtype)
    both = ([f(name, z) for z in Z[0]] for f in (cases.value, cases.slope))
    values, slopes = ([0, 1], [0, 0]) if name == "softmax" else both
    over = "ignore" if name == "exponential" else "raise"
    with np.errstate(all="raise", under="ignore", over=over):
        A, dZ = ref.activation(Z, name), ref.activation_backward(np.ones_like(Z), Z, name)
    np.testing.assert_allclose(A, [values], rtol=1e-6)
    np.testing.assert_allclose(dZ, [slopes], rtol=1e-6)
    assert A.dtype == dZ.dtype == dtype


@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(-1e4, 1e4)))
def test_sigmoid_and_softmax_are_probabilities(Z):
    sigmoid, softmax = (partial(ref.activation, name=name) for name in ("sigmoid", "softmax"))
    np.testing.assert_allclose(sigmoid(Z) + sigmoid(-Z), 1, rtol=1e-15)
    np.testing.assert_allclose(softmax(Z).sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(softmax(Z + 5), softmax(Z), atol=1e-11)
    dZ = ref.activation_backward(np.ones_like(Z), Z, "softmax")
    np.testing.assert_allclose(dZ, 0, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_writes_out_and_nothing_else(name, rng):
    Z, dA = rng.normal(size=(2, 3, 4))
    Z0, dA0 = Z.copy(), dA.copy()
    for function, arguments in ((ref.activation, [Z]), (ref.activation_backward, [dA, Z])):
        arguments = *arguments, name
        result, out = function(*arguments), np.full_like(Z, np.nan)
        assert not np.shares_memory(result, Z) and not np.shares_memory(result, dA)
        assert function(*arguments, out=out) is out
        np.testing.assert_array_equal(out, result)
    np.testing.assert_array_equal(Z, Z0)
    np.testing.assert_array_equal(dA, dA0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_of_no_rows(name):
    Z = np.empty((0, 3))
    assert ref.activation(Z, name).shape == ref.activation_backward(Z, Z, name).shape == (0, 3)


# ---- linear --------------------------------------------------------------------------------------

X = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5]])
W = np.array([[1.0, -1.0, 0.0], [2.0, 0.5, -3.0]])
B = np.array([0.5, -0.5, 1.0])
XW = np.array([[5.0, 0.0, -6.0], [11.0, -1.0, -12.0], [0.0, 1.25, -1.5]])


def test_linear_by_hand():
    np.testing.assert_array_equal(ref.linear(X, W), XW)
    np.testing.assert_array_equal(ref.linear(X, W, B), XW + B)
    out = np.empty((3, 3))
    assert ref.linear(X, W, B, "relu", out=out) is out
    np.testing.assert_array_equal(out, [[5.5, 0, 0], [11.5, 0, 0], [0.5, 0.75, 0]])


def test_linear_backward_by_hand():
    dY = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [2.0, 4.0, 1.0]])
    # relu passes dY where Y above is positive: rows (1, 0, 0), (1, 0, 0), (2, 4, 0)
    dX, dW, db = ref.linear_backward(dY, X, W, B, ref.linear(X, W, B, "relu"), "relu")
    np.testing.assert_array_equal(dX, [[1, 2], [1, 2], [2 - 4, 4 + 2]])
    np.testing.assert_array_equal(dW, [[1 + 3 - 2, -4, 0], [2 + 4 + 1, 2, 0]])
    np.testing.assert_array_equal(db, [4, 4, 0])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_linear_backward_is_the_derivative(name, bias, rng, assert_derivative):
    X, W, dY = rng.normal(size=(6, 3)), rng.normal(size=(3, 4)), rng.normal(size=(6, 4))
    b = rng.normal(size=4) if bias else None
    dX, dW, db = ref.linear_backward(dY, X, W, b, ref.linear(X, W, b, name), name)

    def f():
        return np.sum(dY * ref.linear(X, W, b, name))

    assert_derivative(dX, f, X)
    assert_derivative(dW, f, W)
    if bias:
        assert_derivative(db, f, b)
    else:
        assert db is None


def test_linear_backward_without_dX(rng):
    dY, Y = rng.normal(size=(3, 3)), ref.linear(X, W, B, "tanh")
    _, dW, db = ref.linear_backward(dY, X, W, B, Y, "tanh")
    nothing, dW_alone, db_alone = ref.linear_backward(dY, X, W, B, Y, "tanh", need_dX=False)
    assert nothing is None
    np.testing.assert_array_equal(dW_alone, dW)
    np.testing.assert_array_equal(db_alone, db)


CALLS = {
    ref.activation: [np.zeros(2)],
    ref.activation_backward: [np.zeros(2), np.zeros(2)],
    ref.linear: [X, W, B],
    ref.linear_backward: [XW, X, W, B, XW],
}


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_activation_is_refused_with_the_known_ones(call):
    message = r"activation must be one of identity, sigmoid, .*exponential.*, got 'swish'"
    with pytest.raises(ValueError, match=message):
        call(*CALLS[call], "swish")


# ---- dropout -------------------------------------------------------------------------------------

# (rate, seed, step, layer): which of the first rows and units stay, by a C program
MASKS = {
    (0.4, 7, 0, 1): "1..11111..11.1..11.111.1 ...111...111111111.1111. 1.11111111...111.1.11..1",
    (0.5, 2**64 - 1, 10**6, 3): "1.111.1..1.11..11111.1.1 .11.1........1..111.1... "
    "11..1..1..1111..11..1..1",
}


@pytest.mark.parametrize(("arguments", "rows"), MASKS.items())
def test_dropout_masks_are_those_of_the_formula(arguments, rows):
    mask = ref.dropout_mask(*arguments, 3, 24, np.float64)
    assert ["".join(".1"[int(m > 0)] for m in row) for row in mask] == rows.split()
    assert set(mask.flat) == {0, 1 / (1 - arguments[0])}


@pytest.mark.parametrize(("seed", "dropped"), [(1, 400948), (2, 400014)])
def test_dropout_drops_as_many_as_the_c_program(seed, dropped):
    # 15 of a million hang on the last bits of the hash
    assert (ref.dropout_mask(0.4, seed, 2, 5, 1000, 1000, np.float32) == 0).sum() == dropped


def test_dropout_drops_the_rate_everywhere_and_independently():
    rate, rows, units = 0.3, 600, 500
    draws = [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1)]  # (seed, step, layer)
    masks = [ref.dropout_mask(rate, *draw, rows, units, np.float32) for draw in draws]
    dropped = np.array(masks) == 0

    def deviations(events, chance, n):
        """How often something happened in n trials, in standard deviations from n chance."""
        return np.abs(events - n * chance) / np.sqrt(n * chance * (1 - chance))

    assert deviations(dropped.sum(axis=(1, 2)), rate, rows * units).max() < 4
    assert deviations(dropped.sum(axis=2), rate, units).max() < 5
    assert deviations(dropped.sum(axis=1), rate, rows).max() < 5
    for a, b in itertools.combinations(dropped, 2):  # another seed, step or layer
        assert deviations((a & b).sum(), rate**2, rows * units) < 4
    for d in (1, 2, 16):  # neighbouring units and rows
        along, down = dropped[0, :, d:] & dropped[0, :, :-d], dropped[0, d:] & dropped[0, :-d]
        assert deviations(along.sum(), rate**2, rows * (units - d)) < 4
        assert deviations(down.sum(), rate**2, (rows - d) * units) < 4


def test_the_dropout_mask_of_a_unit_does_not_depend_on_the_shape():
    mask = ref.dropout_mask(0.5, 3, 1, 2, 20, 30, np.float64)
    np.testing.assert_array_equal(ref.dropout_mask(0.5, 3, 1, 2, 7, 11, np.float64), mask[:7, :11])
    np.testing.assert_array_equal(ref.dropout_mask(0.5, 3 + 2**64, 1, 2, 20, 30, np.float64), mask)
    more = ref.dropout_mask(0.6, 3, 1, 2, 20, 30, np.float64)
    assert not more[mask == 0].any() and (more == 0).sum() > (mask == 0).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_keeps_the_dtype_and_the_mean(dtype):
    mask = ref.dropout_mask(0.9, 5, 0, 0, 500, 400, dtype)
    assert mask.dtype == dtype and mask.shape == (500, 400)
    assert mask.mean() == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(ref.dropout_mask(0, 5, 0, 0, 3, 4, dtype), np.ones((3, 4)))
    assert ref.dropout_mask(0.5, 5, 0, 0, 0, 4, dtype).shape == (0, 4)
