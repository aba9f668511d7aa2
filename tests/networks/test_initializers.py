"""Initial weights: their distributions, the values of `init`, and stable results for a given
seed."""

import numpy as np
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import initializers
from fastnn.activations import ACTIVATIONS
from fastnn.initializers import FOR_ACTIVATION, INITIALIZERS

VARIANCES = {  # the variance of each family
    "glorot": lambda n_in, n_out: 2 / (n_in + n_out),
    "he": lambda n_in, n_out: 2 / n_in,
    "lecun": lambda n_in, n_out: 1 / n_in,
}


def filled(activations, init=None, sizes=(5, 4, 3), dtype="float64", seed=3):
    weights = [np.full(shape, np.nan, dtype) for shape in zip(sizes, sizes[1:])]
    initializers.initialize(np.random.default_rng(seed), weights, activations, init)
    return weights


def drawn(functions, sizes=(5, 4, 3), seed=3):
    """The results of these functions, called one after the other."""
    rng = np.random.default_rng(seed)
    return [np.asarray(f(rng, *shape), float) for f, shape in zip(functions, zip(sizes, sizes[1:]))]


# ---- distributions -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [x for x in INITIALIZERS if x != "orthogonal"])
def test_weights_have_their_variance(name):
    (family, kind), sizes = name.split("_"), np.int8([100, 90])  # int8 cannot hold their sum
    deviation, rng = np.sqrt(VARIANCES[family](100, 90)), np.random.default_rng(3)
    limit = np.sqrt(3) * deviation
    numbers = dict(uniform=(-limit, limit), normal=(0, deviation))[kind]
    expected = getattr(rng, kind)(*numbers, sizes)
    assert_allclose(INITIALIZERS[name](np.random.default_rng(3), *sizes), expected, atol=1e-15)


@pytest.mark.parametrize("shape", [(7, 7), (9, 4), (4, 9), (1, 1), (1, 5), (5, 1), (120, 60)])
def test_orthogonal_weights_are_orthonormal_along_their_shorter_side(shape, rng):
    W = initializers.orthogonal(rng, *shape)
    assert W.shape == shape and W.dtype == np.float64
    assert_allclose(W.T @ W if shape[0] >= shape[1] else W @ W.T, np.eye(min(shape)), atol=1e-13)


@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (2, 3)])
def test_no_direction_is_preferred_by_orthogonal_weights(shape, rng):
    """Without the signs of R's diagonal LAPACK's Q leans to one side: the mean of its first number
    would be near -0.5."""
    first = np.mean([initializers.orthogonal(rng, *shape) for _ in range(2000)], axis=0)
    assert np.abs(first).max() < 5 * np.sqrt(0.5 / 2000)


# ---- values of init ------------------------------------------------------------------------------


def test_by_default_each_layer_gets_the_initializer_of_its_activation():
    """The expected weights are drawn here: a change would change the weights of all seeds."""
    rng = np.random.default_rng(3)
    he = rng.normal(0, np.sqrt(2 / 5), (5, 4))
    r = np.sqrt(6 / (4 + 3))
    glorot = rng.uniform(-r, r, (4, 3))
    for init in (None, [None, None]):
        assert_same_bits(filled(["relu", "tanh"], init), [he, glorot])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_variants_of_relu_get_he_weights_and_all_others_glorot(activation):
    expected = FOR_ACTIVATION.get(activation, initializers.glorot_uniform)
    assert_array_equal(filled([activation], sizes=(5, 4))[0], drawn([expected], (5, 4))[0])


def test_he_weights_are_for_variants_of_relu():
    he = dict.fromkeys("relu leaky_relu elu gelu silu mish".split(), initializers.he_normal)
    assert FOR_ACTIVATION == {**he, "selu": initializers.lecun_normal}


def whole_numbers(rng, n_in, n_out):
    return rng.integers(1, 100, (n_in, n_out)).tolist()  # no array


@pytest.mark.parametrize("init", [*INITIALIZERS, whole_numbers])
def test_a_name_or_a_function_is_for_all_layers(init):
    """A function gets the generator and the shape."""
    assert_same_bits(filled(["relu", "tanh"], init), drawn([INITIALIZERS.get(init, init)] * 2))


@pytest.mark.parametrize("kind", [list, tuple])
def test_each_layer_may_have_its_own_initializer(kind):
    init, sizes = kind(["orthogonal", None, whole_numbers, "lecun_normal"]), (5, 4, 3, 2, 6)
    functions = [INITIALIZERS.get(f, f) for f in ("orthogonal", "he_normal", *init[2:])]
    assert_same_bits(filled(["relu"] * 4, init, sizes), drawn(functions, sizes))


# ---- errors --------------------------------------------------------------------------------------


ONE_OF = "init must be one of glorot_uniform, .*orthogonal, None or a function .*got 'xavier'"
INVALID = [
    ("xavier", ONE_OF),
    ("check", "init must be one of"),
    ("", "init must be one of"),
    (0.1, "init must be one of .*got 0.1"),
    (["he_normal", "He_normal"], r"init\[1\] must be one of .*got 'He_normal'"),
    (["he_normal", ["he_normal"]], r"init\[1\] must be one of"),
    (["he_normal"], "init lists 1 initializers for 2 layers. Pass one, or one for each layer"),
    ([], "init lists 0 initializers for 2 layers"),
    (("he_normal", None, None), "init lists 3 initializers for 2 layers"),
]


@pytest.mark.parametrize(("init", "message"), INVALID)
def test_invalid_initializers_are_refused(init, message):
    with pytest.raises(ValueError, match=message):
        initializers.resolve_initializers(init, 2)
    with pytest.raises(ValueError, match=message):
        filled(["relu", "tanh"], init)


RESULT = r"the result of init for weights\[1\] must"
FINITE = r"weights\[1\] must be finite numbers of"
INVALID_VALUES = [
    ("float64", np.zeros((3, 4)), ValueError, rf"{RESULT} have shape \(4, 3\), got \(3, 4\)"),
    ("float64", 0.0, ValueError, r"must have shape \(4, 3\), got \(\)"),
    ("float64", np.full((4, 3), np.nan), ValueError, f"{FINITE} float64, got nan"),
    ("float64", np.full((4, 3), -np.inf), ValueError, f"{FINITE} float64, got -inf"),
    ("float32", np.full((4, 3), 1e39), ValueError, rf"{FINITE} float32, got 1e\+39"),
    ("float64", np.full((4, 3), 1j), TypeError, f"{RESULT} hold numbers, got complex128"),
    ("float64", None, TypeError, "must hold numbers, got "),
]


@pytest.mark.parametrize(("dtype", "values", "error", "message"), INVALID_VALUES)
def test_a_custom_initializer_must_return_weights(dtype, values, error, message):
    with pytest.raises(error, match=message):
        filled(["relu", "tanh"], [None, lambda rng, n_in, n_out: values], dtype=dtype)


def test_the_largest_number_of_a_dtype_is_accepted(dtype):
    largest = np.finfo(dtype).max
    (W,) = filled(["relu"], lambda rng, n_in, n_out: np.full((n_in, n_out), largest), (5, 4), dtype)
    assert_array_equal(W, largest)
