"""F.activation and F.activation_backward against the NumPy reference in float64."""

import cases
import numpy as np
import pytest
from checks import assert_same_bits, assert_within

from fastnn import functional as F
from fastnn import reference as ref
from fastnn.activations import ACTIVATIONS, HIDDEN

SIZES = (0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 257)
SHAPES = [
    *((n,) for n in SIZES),
    (),
    (0, 3),
    (3, 0),
    (1, 1),
    (5, 1),
    (1, 5),
    (4, 17),
    (33, 2),
    (2, 3, 4),
    (2, 1, 3, 2),
    (3, 257),
]


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
    eps = np.finfo(Z.dtype).eps
    exact = ref.activation(Z.astype(float), name)
    bound = 6 * eps * np.abs(exact)
    if name == "gelu":
        bound += eps * np.abs(Z)
    if (
        name != "softmax" and cases.ACTIVATIONS[name].times_z
    ):  # a factor of z that is below tiny is 0
        bound += np.finfo(Z.dtype).tiny * np.abs(Z)
    if name == "softmax":
        bound = (10 + Z.shape[-1] / 16) * eps * exact + eps * np.abs(Z).max(
            axis=-1, keepdims=True
        ) * exact
    assert_near(actual, Z, exact, bound)


def check_slopes(name, dA, Z, actual):
    """Allow some eps: f' is a difference of numbers around 1, or of z. That of exponential is f
    itself."""
    eps = np.finfo(Z.dtype).eps
    exact = ref.activation_backward(dA.astype(float), Z.astype(float), name)
    bound = (
        6
        * eps
        * np.abs(dA)
        * (1 + np.abs(Z) * (name != "softmax" and cases.ACTIVATIONS[name].times_z))
    )
    if name == "exponential":
        bound = 6 * eps * np.abs(exact)
    if name == "softmax":
        a = ref.activation(Z.astype(float), name)
        bound = (
            (10 + Z.shape[-1])
            * eps
            * a
            * np.abs(dA).max(axis=-1, keepdims=True)
            * (1 + np.abs(Z).max(axis=-1, keepdims=True))
        )
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


@pytest.mark.parametrize(
    "name", [name for name, activation in cases.ACTIVATIONS.items() if activation.kinked]
)
def test_slope_at_the_kink(isa, dtype, name):
    Z, slope = np.array([0.0, -0.0], dtype), dtype.type(cases.slope(name, 0))
    np.testing.assert_array_equal(
        F.activation_backward(np.full(2, 3, dtype), Z, name), np.full(2, 3, dtype) * slope
    )


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


@pytest.mark.parametrize(
    "kind",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
        lambda a: np.broadcast_to(a, a.shape),
    ],
    ids=["Fortran", "strided", "negative strides", "big-endian", "misaligned", "read-only"],
)
def test_any_memory_layout_is_accepted_and_left_unchanged(isa, dtype, activation, kind):
    Z, dA = numbers(dtype, (5, 6)), numbers(dtype, (5, 6), seed=1)
    Z_in, dA_in = kind(Z), kind(dA)
    assert_same_bits(F.activation(Z_in, activation), F.activation(Z, activation))
    assert_same_bits(
        F.activation_backward(dA_in, Z_in, activation), F.activation_backward(dA, Z, activation)
    )
    np.testing.assert_array_equal(Z_in, Z)
    np.testing.assert_array_equal(dA_in, dA)


@pytest.mark.parametrize(
    ("Z", "computed"),
    [
        ([-1, 2], "f8"),
        ([True], "f8"),
        (np.ones(2, "f2"), "f4"),
        (np.ones(2, "f4"), "f4"),
        (np.ones(2, ">f4"), "f4"),
        (3, "f8"),
        ([], "f8"),
    ],
)
def test_dtype_of_the_result(activation, Z, computed):
    if np.ndim(Z) and np.size(Z):
        assert F.activation(Z, activation).dtype == computed
        assert F.activation_backward(Z, Z, activation).dtype == computed
    elif activation != "softmax":
        assert F.activation(Z, activation).dtype == computed


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([0.0] * 6, TypeError, "out must be a NumPy array, got list"),
        (np.zeros(6, "f4"), TypeError, "out must be float64, got float32"),
        (np.zeros((6, 1)), ValueError, r"out must have shape \(6,\), got \(6, 1\)"),
        (np.zeros(12)[::2], ValueError, "out must be C-contiguous"),
        (np.frombuffer(bytes(48), "f8"), ValueError, "out is read-only"),
        (np.frombuffer(bytearray(49), "f8", 6, offset=1), ValueError, "out .*align"),
    ],
    ids=["list", "dtype", "shape", "strided", "read-only", "misaligned"],
)
def test_out_must_fit_exactly(activation, out, error, message):
    with pytest.raises(error, match=message):
        F.activation(np.ones(6), activation, out=out)
    with pytest.raises(error, match=message):
        F.activation_backward(np.ones(6), np.ones(6), activation, out=out)
    assert not np.any(out)


def test_out_that_overlaps_an_argument_is_refused(activation):
    memory = np.arange(20.0)
    Z, shifted = memory[:10], memory[1:11]
    with pytest.raises(ValueError, match=r"^out overlaps another argument"):
        F.activation(Z, activation, out=shifted)
    with pytest.raises(ValueError, match=r"^out overlaps another argument"):
        F.activation_backward(Z, np.ones(10), activation, out=shifted)
    for out in (Z, shifted):  # Z is read after dZ is written
        with pytest.raises(ValueError, match=r"^out overlaps another argument"):
            F.activation_backward(np.ones(10), Z, activation, out=out)
    np.testing.assert_array_equal(memory, np.arange(20.0))


def test_wrong_shapes_and_names_are_refused():
    with pytest.raises(ValueError, match=r"dA must have shape \(3,\), got \(4,\)"):
        F.activation_backward(np.ones(4), np.ones(3), "tanh")
    for name in ("rleu", "TANH", None, 3, ["tanh"]):
        with pytest.raises(
            ValueError, match=r"^name must be one of identity, sigmoid, .*softmax.*, got "
        ):
            F.activation([1.0], name)
        with pytest.raises(
            ValueError, match=r"^name must be one of identity, sigmoid, .*softmax.*, got "
        ):
            F.activation_backward([1.0], [1.0], name)
    with pytest.raises(TypeError, match="Z must hold numbers, got complex128"):
        F.activation([1j], "tanh")
