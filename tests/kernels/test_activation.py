"""F.activation and F.activation_backward against the NumPy reference in float64."""

import cases
import numpy as np
import pytest
from array_kinds import unfit_outs
from checks import assert_same_bits, assert_within

from fastnn import functional as F
from fastnn import reference as ref
from fastnn.activations import ACTIVATIONS, HIDDEN

SIZES = (0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 257)
SHAPES = [*((n,) for n in SIZES), (), (0, 3), (3, 0), (1, 1), (5, 1), (1, 5), (4, 17), (33, 2)]
SHAPES += [(2, 3, 4), (2, 1, 3, 2), (3, 257)]


def numbers(dtype, shape, seed=0, scale=3.0):
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(dtype)


def defined(name, shape):
    """Softmax needs a last axis with something in it."""
    return name != "softmax" or (len(shape) > 0 and shape[-1] > 0)


def assert_near(actual, Z, exact, bound):
    """Check type and shape, and that numbers are within the bound, or infinite because the dtype
    has no such number."""
    assert actual.dtype == Z.dtype
    with np.errstate(over="ignore"):
        exact = np.where(actual == exact.astype(actual.dtype), actual, exact)
    assert_within(actual, exact, bound + np.finfo(actual.dtype).tiny, f"shape {Z.shape}")


def check_values(name, Z, actual):
    """Allow some roundings of the result. gelu is z Phi(z) with Phi from erf: its error is
    relative to z."""
    eps, size = np.finfo(Z.dtype).eps, np.abs(Z)
    exact = ref.activation(Z.astype(float), name)
    if name == "softmax":
        bound = (10 + Z.shape[-1] / 16 + size.max(axis=-1, keepdims=True)) * eps * exact
    else:  # a factor of z that is below tiny is 0
        lost = np.finfo(Z.dtype).tiny * cases.ACTIVATIONS[name].times_z
        bound = 6 * eps * np.abs(exact) + (eps * (name == "gelu") + lost) * size
    assert_near(actual, Z, exact, bound)


def check_slopes(name, dA, Z, actual):
    """Allow some eps: f' is a difference of numbers around 1, or of z. That of exponential is f
    itself."""
    eps, size = np.finfo(Z.dtype).eps, np.abs(Z)
    exact = ref.activation_backward(dA.astype(float), Z.astype(float), name)
    if name == "softmax":
        a = ref.activation(Z.astype(float), name)
        largest = np.abs(dA).max(axis=-1, keepdims=True) * (1 + size.max(axis=-1, keepdims=True))
        bound = (10 + Z.shape[-1]) * eps * a * largest
    elif name == "exponential":
        bound = 6 * eps * np.abs(exact)
    else:
        bound = 6 * eps * np.abs(dA) * (1 + size * cases.ACTIVATIONS[name].times_z)
    assert_near(actual, Z, exact, bound)


# ---- values --------------------------------------------------------------------------------------


def test_values_match_the_reference_for_all_shapes(isa, dtype, activation):
    for shape in filter(lambda shape: defined(activation, shape), SHAPES):
        Z = numbers(dtype, shape)
        check_values(activation, Z, F.activation(Z, activation))


def test_slopes_match_the_reference_for_all_shapes(isa, dtype, activation):
    for shape in filter(lambda shape: defined(activation, shape), SHAPES):
        Z, dA = numbers(dtype, shape), numbers(dtype, shape, seed=1)
        check_slopes(activation, dA, Z, F.activation_backward(dA, Z, activation))


def test_relative_error_is_small_at_all_magnitudes(isa, dtype, activation):
    """For tiny numbers, and for the small results of large negative numbers."""
    magnitudes = np.concatenate([np.logspace(-30, 2, 3000), np.linspace(0, 40, 3000)])
    Z = np.concatenate([magnitudes, -magnitudes]).astype(dtype)
    Z = Z.reshape(-1, 4) if activation == "softmax" else Z
    check_values(activation, Z, F.activation(Z, activation))
    dA = np.ones_like(Z)
    check_slopes(activation, dA, Z, F.activation_backward(dA, Z, activation))


@pytest.mark.parametrize("name", HIDDEN)
def test_bits_do_not_depend_on_the_position_in_the_array(isa, dtype, name):
    Z = numbers(dtype, 100)
    A, dZ = F.activation(Z, name), F.activation_backward(Z, Z, name)
    for i in range(0, 100, 7):
        assert_same_bits(F.activation(Z[i : i + 1], name), A[i : i + 1])
        assert_same_bits(F.activation_backward(Z[i : i + 3], Z[i : i + 3], name), dZ[i : i + 3])


@pytest.mark.parametrize("k", [1, 2, 9, 17, 100])
def test_softmax_of_a_row_has_the_same_bits_alone_and_in_any_batch(isa, dtype, k):
    Z = numbers(dtype, (20, k))
    A = F.activation(Z, "softmax")
    np.testing.assert_allclose(A.sum(axis=1, dtype=float), 1, rtol=20 * np.finfo(dtype).eps)
    assert_same_bits(F.activation(Z[7], "softmax"), A[7])
    assert_same_bits(F.activation(Z.reshape(4, 5, k), "softmax"), A)


# ---- edges ---------------------------------------------------------------------------------------


def limits(name, z):
    """Values and slopes at -z and z."""
    if name == "softmax":
        return [0, 1], [0, 0]
    return [cases.value(name, s * z) for s in (-1, 1)], [cases.slope(name, s * z) for s in (-1, 1)]


@pytest.mark.parametrize("size", [1e4, 1e30, "max"])
def test_large_numbers_reach_the_limits_exactly(isa, dtype, activation, size):
    z = dtype.type(np.finfo(dtype).max if size == "max" else size)
    values, slopes = limits(activation, z)
    Z = np.array([[-z, z]] * 9)
    case = cases.ACTIVATIONS.get(activation)  # none of softmax
    eps = np.finfo(dtype).eps
    rtol_of_slope = 4 * eps if case and case.slow else 0
    rtol = eps if case and case.scaled else rtol_of_slope
    with np.errstate(over="ignore"):  # beyond the largest number
        values = np.array([values] * 9).astype(dtype)
    np.testing.assert_allclose(F.activation(Z, activation), values, rtol=rtol)
    dZ = F.activation_backward(np.ones_like(Z), Z, activation)
    np.testing.assert_allclose(dZ, np.array([slopes] * 9, dtype), rtol=rtol_of_slope)


def test_infinities_and_nan_give_what_the_reference_gives(isa, dtype, activation):
    Z = np.array([[np.inf], [-np.inf], [np.nan], [0.0], [-0.0]], dtype)
    with np.errstate(all="ignore"):
        exact = ref.activation(Z.astype(float), activation)
    np.testing.assert_allclose(F.activation(Z, activation), exact, rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
def test_nan_in_a_row_stays_out_of_the_softmax_of_others(isa, dtype, bad):
    Z = numbers(dtype, (5, 9))
    spoiled = Z.copy()
    spoiled[2, 4] = bad
    A, others = F.activation(spoiled, "softmax"), np.arange(5) != 2
    assert_same_bits(A[others], F.activation(Z, "softmax")[others])
    with np.errstate(all="ignore"):
        exact = ref.activation(spoiled[2].astype(float), "softmax")
    np.testing.assert_allclose(A[2], exact, rtol=1e-5)


@pytest.mark.parametrize("name", cases.KINKED)
def test_slope_at_the_kink(isa, dtype, name):
    Z, dA, slope = np.array([0.0, -0.0], dtype), np.full(2, 3, dtype), cases.slope(name, 0)
    np.testing.assert_array_equal(F.activation_backward(dA, Z, name), dA * dtype.type(slope))


@pytest.mark.parametrize("name", HIDDEN)
def test_zeros_keep_their_sign_where_f_of_0_is_0(isa, dtype, name):
    A = F.activation(np.array([0.0, -0.0] * 9, dtype), name)
    if cases.value(name, 0) == 0:
        np.testing.assert_array_equal(A, 0)
        assert not np.signbit(A[::2]).any()
        assert np.signbit(A[1::2]).all() or name == "relu"  # max(0, z)


# ---- out, and kinds of input ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0,), (9,), (100,), (5, 17), (3, 4, 5)], ids=str)
def test_out_may_be_the_input(isa, dtype, shape):
    for name in filter(lambda name: defined(name, shape), ACTIVATIONS):
        Z, dA = numbers(dtype, shape), numbers(dtype, shape, seed=1)
        A, dZ = F.activation(Z, name), F.activation_backward(dA, Z, name)
        assert F.activation_backward(dA, Z, name, out=dA) is dA
        assert_same_bits(dA, dZ, name)
        assert F.activation(Z, name, out=Z) is Z
        assert_same_bits(Z, A, name)


def test_out_receives_the_result_and_nothing_around_it_changes(isa, dtype, activation):
    for function, n_arguments in ((F.activation, 1), (F.activation_backward, 2)):
        for n in (1, 7, 9, 33, 100):
            arguments = [numbers(dtype, n)] * n_arguments
            memory = np.full(n + 80, 99, dtype)
            function(*arguments, activation, out=memory[37 : 37 + n])
            assert_same_bits(memory[37 : 37 + n], function(*arguments, activation))
            np.testing.assert_array_equal(memory[:37], 99)
            np.testing.assert_array_equal(memory[37 + n :], 99)


INPUTS = [(Z, "f8") for Z in ([-1, 2], [True], 3, [])]
INPUTS += [(np.ones(2, kind), "f4") for kind in ("f2", "f4", ">f4")]


@pytest.mark.parametrize(("Z", "computed"), INPUTS)
def test_dtype_of_the_result(activation, Z, computed):
    if defined(activation, np.shape(Z)):
        assert F.activation(Z, activation).dtype == computed
        assert F.activation_backward(Z, Z, activation).dtype == computed


@unfit_outs("out", (6,))
def test_out_must_fit_exactly(activation, out, error, message):
    with pytest.raises(error, match=message):
        F.activation(np.ones(6), activation, out=out)
    with pytest.raises(error, match=message):
        F.activation_backward(np.ones(6), np.ones(6), activation, out=out)
    assert not np.any(out)


def test_out_that_overlaps_an_argument_is_refused(activation):
    memory = np.arange(20.0)
    Z, shifted = memory[:10], memory[1:11]
    for function, arguments, out in [
        (F.activation, (Z,), shifted),
        (F.activation_backward, (Z, np.ones(10)), shifted),
        (F.activation_backward, (np.ones(10), Z), Z),  # Z is read after dZ is written
        (F.activation_backward, (np.ones(10), Z), shifted),
    ]:
        with pytest.raises(ValueError, match=r"^out overlaps another argument"):
            function(*arguments, activation, out=out)
    np.testing.assert_array_equal(memory, np.arange(20.0))


def test_wrong_shapes_and_names_are_refused():
    with pytest.raises(ValueError, match=r"dA must have shape \(3,\), got \(4,\)"):
        F.activation_backward(np.ones(4), np.ones(3), "tanh")
    message = r"^name must be one of identity, sigmoid, .*softmax.*, got "
    for name in ("rleu", "TANH", None, 3, ["tanh"]):
        for function, arguments in ((F.activation, [[1.0]]), (F.activation_backward, [[1.0]] * 2)):
            with pytest.raises(ValueError, match=message):
                function(*arguments, name)
    with pytest.raises(TypeError, match="Z must hold numbers, got complex128"):
        F.activation([1j], "tanh")
