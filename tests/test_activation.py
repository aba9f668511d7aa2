"""F.activation and F.activation_backward against the NumPy reference in float64."""

import cases
import numpy as np
import pytest

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


def is_near(actual, exact, bound):
    """Within the bound, or infinite because the dtype has no such number."""
    with np.errstate(over="ignore", invalid="ignore"):
        return (
            (np.abs(actual - exact) <= bound + np.finfo(actual.dtype).tiny)
            | (actual == exact.astype(actual.dtype))
        ).all()


def values_are_right(name, Z, actual):
    """To some roundings of the result; gelu is z Phi(z) with Phi from erf, so an error is one of
    z."""
    eps = np.finfo(Z.dtype).eps
    exact = ref.activation(Z.astype(float), name)
    bound = 6 * eps * np.abs(exact)
    if name == "gelu":
        bound += eps * np.abs(Z)
    if name == "softmax":
        bound = (10 + Z.shape[-1] / 16) * eps * exact + eps * np.abs(Z).max(
            axis=-1, keepdims=True
        ) * exact
    return actual.dtype == Z.dtype and actual.shape == Z.shape and is_near(actual, exact, bound)


def slopes_are_right(name, dA, Z, actual):
    """f' is a difference of numbers around 1, or of z: some eps of that; exponential's is f
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
    return actual.dtype == Z.dtype and actual.shape == Z.shape and is_near(actual, exact, bound)


# ---- values --------------------------------------------------------------------------------------


def test_values_are_the_reference_for_all_shapes(isa, dtype, activation):
    wrong = []
    for shape in filter(lambda shape: defined(activation, shape), SHAPES):
        Z = numbers(dtype, shape)
        if not values_are_right(activation, Z, F.activation(Z, activation)):
            wrong.append(shape)
    assert wrong == []


def test_slopes_are_the_reference_for_all_shapes(isa, dtype, activation):
    wrong = []
    for shape in filter(lambda shape: defined(activation, shape), SHAPES):
        Z, dA = numbers(dtype, shape), numbers(dtype, shape, seed=1)
        if not slopes_are_right(activation, dA, Z, F.activation_backward(dA, Z, activation)):
            wrong.append(shape)
    assert wrong == []


def test_relative_digits_last_over_all_magnitudes(isa, dtype, activation):
    """Tiny numbers keep their digits, and so do the small results of large negative ones."""
    magnitudes = np.concatenate([np.logspace(-30, 2, 3000), np.linspace(0, 40, 3000)])
    Z = np.concatenate([magnitudes, -magnitudes]).astype(dtype)
    Z = Z.reshape(-1, 4) if activation == "softmax" else Z
    assert values_are_right(activation, Z, F.activation(Z, activation))
    dA = np.ones_like(Z)
    assert slopes_are_right(activation, dA, Z, F.activation_backward(dA, Z, activation))


@pytest.mark.parametrize("name", HIDDEN)
def test_a_number_has_the_same_bits_wherever_it_stands(isa, dtype, name):
    Z = numbers(dtype, 100)
    A, dZ = F.activation(Z, name), F.activation_backward(Z, Z, name)
    for i in range(0, 100, 7):
        assert F.activation(Z[i : i + 1], name).tobytes() == A[i : i + 1].tobytes()
        assert (
            F.activation_backward(Z[i : i + 3], Z[i : i + 3], name).tobytes()
            == dZ[i : i + 3].tobytes()
        )


@pytest.mark.parametrize("k", [1, 2, 9, 17, 100])
def test_softmax_of_a_row_has_the_same_bits_in_any_company(isa, dtype, k):
    Z = numbers(dtype, (20, k))
    A = F.activation(Z, "softmax")
    np.testing.assert_allclose(A.sum(axis=1, dtype=float), 1, rtol=20 * np.finfo(dtype).eps)
    assert F.activation(Z[7], "softmax").tobytes() == A[7].tobytes()
    assert F.activation(Z.reshape(4, 5, k), "softmax").tobytes() == A.tobytes()


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
    rtol = (
        np.finfo(dtype).eps
        if activation != "softmax" and cases.ACTIVATIONS[activation].scaled
        else 0
    )
    with np.errstate(over="ignore"):  # beyond the largest number
        values = np.array([values] * 9).astype(dtype)
    np.testing.assert_allclose(F.activation(Z, activation), values, rtol=rtol)
    np.testing.assert_array_equal(
        F.activation_backward(np.ones_like(Z), Z, activation), np.array([slopes] * 9, dtype)
    )


def test_infinities_and_nan_go_by_the_reference(isa, dtype, activation):
    Z = np.array([[np.inf], [-np.inf], [np.nan], [0.0], [-0.0]], dtype)
    with np.errstate(all="ignore"):
        exact = ref.activation(Z.astype(float), activation)
    np.testing.assert_allclose(F.activation(Z, activation), exact, rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
def test_softmax_of_a_bad_row_spoils_no_other(isa, dtype, bad):
    Z = numbers(dtype, (5, 9))
    spoiled = Z.copy()
    spoiled[2, 4] = bad
    A, others = F.activation(spoiled, "softmax"), np.arange(5) != 2
    assert A[others].tobytes() == F.activation(Z, "softmax")[others].tobytes()
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
        assert (A == 0).all()
        assert not np.signbit(A[::2]).any()
        assert np.signbit(A[1::2]).all() or name == "relu"  # max(0, z)


# ---- out, and kinds of input ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0,), (9,), (100,), (5, 17), (3, 4, 5)], ids=str)
def test_out_may_be_the_input_itself(isa, dtype, shape):
    for name in filter(lambda name: defined(name, shape), ACTIVATIONS):
        Z, dA = numbers(dtype, shape), numbers(dtype, shape, seed=1)
        A, dZ = F.activation(Z, name), F.activation_backward(dA, Z, name)
        assert F.activation_backward(dA, Z, name, out=dA) is dA
        assert dA.tobytes() == dZ.tobytes(), name
        assert F.activation(Z, name, out=Z) is Z
        assert Z.tobytes() == A.tobytes(), name


def test_out_receives_the_result_and_nothing_around_it_changes(isa, dtype, activation):
    for function, n_arguments in ((F.activation, 1), (F.activation_backward, 2)):
        for n in (1, 7, 9, 33, 100):
            arguments = [numbers(dtype, n)] * n_arguments
            memory = np.full(n + 80, 99, dtype)
            function(*arguments, activation, out=memory[37 : 37 + n])
            assert memory[37 : 37 + n].tobytes() == function(*arguments, activation).tobytes()
            assert (memory[:37] == 99).all()
            assert (memory[37 + n :] == 99).all()


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
def test_any_layout_is_taken_and_left_as_it_was(isa, dtype, activation, kind):
    Z, dA = numbers(dtype, (5, 6)), numbers(dtype, (5, 6), seed=1)
    given, given_dA = kind(Z), kind(dA)
    assert F.activation(given, activation).tobytes() == F.activation(Z, activation).tobytes()
    assert (
        F.activation_backward(given_dA, given, activation).tobytes()
        == F.activation_backward(dA, Z, activation).tobytes()
    )
    np.testing.assert_array_equal(given, Z)
    np.testing.assert_array_equal(given_dA, dA)


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


def test_out_over_part_of_an_argument_is_refused(activation):
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
    with pytest.raises(TypeError, match="Z must be float32 or float64, got complex128"):
        F.activation([1j], "tanh")
