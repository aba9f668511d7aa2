"""F.linear and F.linear_backward against the NumPy reference in float64.

Every size stands in every role (rows, inputs, outputs) beside mixed others. Errors are held to what
rounding can do to sums of that length, computed for each number; where all sums are exact (small
integers) nothing may differ at all.
"""

import itertools
from functools import cache

import cases
import numpy as np
import pytest

import fastnn
from fastnn import functional as F
from fastnn import reference as ref
from fastnn.activations import ACTIVATIONS, HIDDEN

SIZES = (
    0,
    1,
    2,
    7,
    8,
    9,
    15,
    16,
    17,
    31,
    32,
    33,
    100,
    257,
)  # around the blocks of rows, vectors, panels, chunks
MIXED = (3, 33, 8, 1, 17, 7, 16, 9, 5, 32)


def shapes():
    """(n, n_in, n_out)"""
    for i, size in enumerate(SIZES):
        a, b = MIXED[i % 10], MIXED[(3 * i + 1) % 10]
        yield from [(size, a, b), (b, size, a), (a, b, size)]
    yield from itertools.product((1, 9), (0, 1), (0, 1, 2))
    yield from [
        (256, 5, 3),
        (512, 1, 1),
        (513, 3, 1),
        (600, 20, 17),
        (257, 257, 1),
        (257, 300, 10),
        (40, 513, 33),
        (20, 520, 514),
    ]


SHAPES = sorted(set(shapes()))


@cache
def smooth_data(dtype, n, n_in, n_out):
    """X, W, b, dY: normal numbers, z about 1."""
    rng = np.random.default_rng([n, n_in, n_out])
    X, W = rng.normal(size=(n, n_in)), rng.normal(size=(n_in, n_out)) / max(1, n_in) ** 0.5
    return frozen(dtype, X, W, rng.normal(size=n_out), rng.normal(size=(n, n_out)))


@cache
def whole_data(dtype, n, n_in, n_out):
    """The same in small whole numbers: every sum is exact, kinks at 0 are met exactly."""
    rng = np.random.default_rng([n, n_in, n_out])
    return frozen(
        dtype,
        *(rng.integers(-4, 5, shape) for shape in ((n, n_in), (n_in, n_out), n_out, (n, n_out))),
    )


def frozen(dtype, *arrays):
    arrays = [a.astype(dtype) for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    return arrays


@cache
def expected(data, dtype, shape, activation):
    """Y and (dX, dW, db) of the reference in float64."""
    X, W, b, dY = (a.astype(np.float64) for a in data(dtype, *shape))
    if activation == "softmax" and shape[2] == 0:  # a row's maximum needs a number
        return np.zeros((shape[0], 0)), (np.zeros_like(X), np.zeros_like(W), np.zeros_like(b))
    Y = ref.linear(X, W, b, activation)
    return Y, ref.linear_backward(dY, X, W, b, Y, activation)


def rounding_of_Z(eps, X, W, b):
    """What the sums of X W + b may lose; n roundings lose at most n eps/2 of the sum of
    magnitudes."""
    return (X.shape[1] + 2) * eps * (np.abs(X) @ np.abs(W) + np.abs(b))


def rounding_of_dZ(eps, X, W, b, dY):
    """dZ = dY f'(Z): every |f''| <= 1, and f' itself is computed to some eps (1 + |z|); softmax
    mixes a row."""
    z = np.abs(X @ W + b)
    slope = (16 + dY.shape[1]) * eps * (1 + z) + 2 * rounding_of_Z(eps, X, W, b)
    return np.abs(dY).max(axis=1, initial=0, keepdims=True) * slope.max(
        axis=1, initial=0, keepdims=True
    ) + np.zeros_like(dY)


def within(actual, expected, bound):
    return (
        actual.shape == expected.shape
        and np.isfinite(actual).all()
        and (np.abs(actual - expected) <= bound).all()
    )


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


# ---- the grid ------------------------------------------------------------------------------------


def forward_is_right(dtype, shape, activation):
    X, W, b, _ = smooth_data(dtype, *shape)
    Y, _ = expected(smooth_data, dtype, shape, activation)
    actual = F.linear(X, W, b, activation)
    eps = np.finfo(dtype).eps
    of_Z = rounding_of_Z(eps, X, W, b)
    if activation == "softmax":
        of_Z = 2 * of_Z.max(axis=1, initial=0, keepdims=True)
    z = np.abs(X.astype(float) @ W + b)
    return actual.dtype == dtype and within(actual, Y, 1.2 * of_Z + 16 * eps * (np.abs(Y) + z))


def backward_is_right(dtype, shape, activation):
    # whole numbers keep the kinked ones on the same side of their kink as the reference
    data = whole_data if activation in ("relu", "leaky_relu") else smooth_data
    X, W, b, dY = data(dtype, *shape)
    Y, (dX, dW, db) = expected(data, dtype, shape, activation)
    actual = F.linear_backward(dY, X, W, b, Y, activation)
    n, n_out = dY.shape
    eps = np.finfo(dtype).eps
    of_dZ = rounding_of_dZ(eps, X, W, b, dY)
    dZ = np.abs(dY) * 1.13 + np.abs(dY).sum(axis=1, keepdims=True) * (activation == "softmax")
    return (
        all(a.dtype == dtype for a in actual)
        and within(actual[0], dX, of_dZ @ np.abs(W).T + (n_out + 2) * eps * dZ @ np.abs(W).T)
        and within(actual[1], dW, np.abs(X).T @ of_dZ + (n + 2) * eps * np.abs(X).T @ dZ)
        and within(actual[2], db, of_dZ.sum(axis=0) + (n + 2) * eps * dZ.sum(axis=0))
    )


def exact_sums_are_exact(dtype, shape, activation):
    X, W, b, dY = whole_data(dtype, *shape)
    Y, gradients = expected(whole_data, dtype, shape, activation)
    actual = F.linear(X, W, b, activation), *F.linear_backward(dY, X, W, b, Y, activation)
    return all(np.array_equal(a, e) for a, e in zip(actual, (Y, *gradients), strict=True))


# A test is a whole column of the grid: what fails are the shapes (n, n_in, n_out) in its list.


def test_forward_is_the_reference_for_all_shapes(isa, dtype, activation):
    assert [shape for shape in SHAPES if not forward_is_right(dtype, shape, activation)] == []


def test_backward_is_the_reference_for_all_shapes(isa, dtype, activation):
    assert [shape for shape in SHAPES if not backward_is_right(dtype, shape, activation)] == []


@pytest.mark.parametrize("activation", ["identity", "relu"])
def test_sums_of_whole_numbers_are_exact_for_all_shapes(isa, dtype, activation):
    assert [shape for shape in SHAPES if not exact_sums_are_exact(dtype, shape, activation)] == []


# ---- optional arguments --------------------------------------------------------------------------

PLAIN = [(0, 3, 2), (3, 5, 1), (9, 33, 17), (300, 7, 1), (300, 17, 33)]


@pytest.mark.parametrize("shape", PLAIN, ids=str)
def test_no_bias_is_a_bias_of_zeros(isa, dtype, shape):
    X, W, _, dY = smooth_data(dtype, *shape)
    zeros = np.zeros(shape[2], dtype)
    for name in ACTIVATIONS:
        np.testing.assert_array_equal(
            F.linear(X, W, activation=name), F.linear(X, W, zeros, name), err_msg=name
        )
        dX, dW, db = F.linear_backward(dY, X, W, None, dY, name)
        dX0, dW0, _ = F.linear_backward(dY, X, W, zeros, dY, name)
        assert db is None, name
        np.testing.assert_array_equal(dX, dX0, err_msg=name)
        np.testing.assert_array_equal(dW, dW0, err_msg=name)


@pytest.mark.parametrize("shape", PLAIN, ids=str)
def test_without_dX_the_rest_is_the_same(isa, dtype, shape):
    X, W, b, dY = smooth_data(dtype, *shape)
    for name in ACTIVATIONS:
        _, dW, db = F.linear_backward(dY, X, W, b, dY, name)
        nothing, dW1, db1 = F.linear_backward(dY, X, W, b, dY, name, need_dX=False)
        assert nothing is None, name
        assert same_bits(dW, dW1), name
        assert same_bits(db, db1), name


def test_out_receives_the_result(isa, dtype, activation):
    X, W, b, _ = smooth_data(dtype, 9, 33, 17)
    out = np.full((9, 17), np.nan, dtype)
    assert F.linear(X, W, b, activation, out=out) is out
    assert same_bits(out, F.linear(X, W, b, activation))


@pytest.mark.parametrize("shape", [(3, 5, 1), (3, 5, 9), (9, 7, 17), (300, 3, 33)], ids=str)
def test_nothing_around_out_changes(isa, dtype, shape):
    X, W, b, _ = smooth_data(dtype, *shape)
    for name in ACTIVATIONS:
        Y = F.linear(X, W, b, name)
        memory = np.full(Y.size + 200, 99, dtype)
        F.linear(
            X, W, b, name, out=memory[101 : 101 + Y.size].reshape(Y.shape)
        )  # aligned to nothing but its items
        assert memory[101 : 101 + Y.size].tobytes() == Y.tobytes(), name
        assert (memory[:101] == 99).all(), name
        assert (memory[101 + Y.size :] == 99).all(), name


# ---- a row gets the same bits in any company -----------------------------------------------------


@pytest.mark.parametrize("n_in", [1, 16, 33, 300])
def test_row_has_the_same_bits_alone_and_in_any_batch(isa, dtype, activation, n_in):
    for n_out in (1, 3, 17, 32, 100):
        X, W, b, _ = smooth_data(dtype, 260, n_in, n_out)
        Y = F.linear(X, W, b, activation)
        for first, last in [
            (0, 1),
            (255, 256),
            (256, 257),
            (259, 260),
            (0, 7),
            (1, 9),
            (250, 259),
            (2, 258),
            (3, 260),
        ]:
            assert same_bits(F.linear(X[first:last], W, b, activation), Y[first:last]), (
                n_out,
                first,
                last,
            )


@pytest.mark.parametrize("n_out", [1, 17])
def test_row_of_dX_has_the_same_bits_alone_and_in_any_batch(isa, dtype, activation, n_out):
    X, W, b, dY = smooth_data(dtype, 260, 9, n_out)
    dX, _, _ = F.linear_backward(dY, X, W, b, dY, activation)
    for first, last in [(0, 1), (256, 257), (0, 7), (1, 9), (3, 260)]:
        part, _, _ = F.linear_backward(
            dY[first:last], X[first:last], W, b, dY[first:last], activation
        )
        assert same_bits(part, dX[first:last])


@pytest.mark.parametrize("n_out", [1, 5, 33])
@pytest.mark.parametrize("n", [3, 20, 300])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
def test_bad_number_spoils_its_row_alone(isa, dtype, bad, n, n_out):
    for name in ACTIVATIONS:
        bad_number_spoils_its_row_alone(dtype, name, bad, n, n_out)


def bad_number_spoils_its_row_alone(dtype, activation, bad, n, n_out):
    X, W, b, dY = smooth_data(dtype, n, 7, n_out)
    Y, (dX, _, _) = F.linear(X, W, b, activation), F.linear_backward(dY, X, W, b, dY, activation)
    spoiled = X.copy()
    spoiled[n // 2, 3] = bad
    others = np.arange(n) != n // 2
    after = F.linear(spoiled, W, b, activation)
    assert same_bits(after[others], Y[others])
    if np.isnan(bad):
        assert np.isnan(after[n // 2]).all()
    else:  # limits, as IEEE arithmetic has them; finite for most
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(
                after, ref.linear(spoiled.astype(float), W, b, activation), rtol=1e-4, atol=1e-4
            )
    after_dX = F.linear_backward(dY, spoiled, W, b, dY, activation)[0]
    assert same_bits(after_dX[others], dX[others])


@pytest.mark.parametrize("output", ["identity", "sigmoid"])
@pytest.mark.parametrize(
    "sizes", [[3, 5, 1], [3, 5, 2], [3, 1, 2], [3, 1, 1], [3, 17, 17, 1], [3, 16, 1, 1]], ids=str
)
def test_row_with_an_infinity_has_the_same_bits_in_any_batch_behind_a_bounded_layer(
    isa, dtype, sizes, output
):
    for name in ("sigmoid", "relu", "tanh", "elu", "softplus"):
        net = fastnn.MLP(sizes, name, output, dtype=dtype, rng=1)
        net.weights[0][...] = -np.abs(net.weights[0])  # so that an infinity comes out as 0 or -1
        X = np.ones((20, 3), dtype)
        X[4, 1] = np.inf
        Y = net.forward(X)
        assert np.isfinite(Y).all()
        assert same_bits(Y[4:5], net.forward(X[4:5]))


@pytest.mark.parametrize(
    "sizes", [[3, 1, 1, 1], [3, 1], [3, 5, 1, 1], [3, 17, 1, 5], [3, 40, 3, 1, 2]], ids=str
)
def test_bad_row_spoils_no_row_of_another_chunk(isa, dtype, sizes):
    net = fastnn.MLP(sizes, "tanh", dtype=dtype, rng=1)
    X = np.ones((600, sizes[0]), dtype)
    X[37, 0] = X[299, 1] = np.nan
    bad = np.isnan(net.forward(X)).any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(bad), [37, 299])


@pytest.mark.parametrize("n", [1, 40])
def test_large_inputs_reach_the_limits(isa, dtype, n):
    X, one = np.resize(np.array([[1e4], [-1e4]], dtype), (n, 1)), np.ones((1, 1), dtype)
    high = X > 0
    for name in HIDDEN:
        values, slopes = ([f(name, x) for x in X[:, 0]] for f in (cases.value, cases.slope))
        Y = F.linear(X, one, None, name)
        np.testing.assert_array_equal(Y[:, 0], np.array(values, dtype), err_msg=name)
        dX = F.linear_backward(np.ones_like(X), X, one, None, Y, name)[0]
        np.testing.assert_array_equal(dX[:, 0], np.array(slopes, dtype), err_msg=name)
    np.testing.assert_array_equal(
        F.linear(X, np.hstack([one, -one]), None, "softmax"), np.hstack([high, ~high])
    )


# ---- kinds of input ------------------------------------------------------------------------------


def spaced(a):
    """Every second number of every second row of something larger."""
    big = np.full([2 * k for k in a.shape], 99, a.dtype)
    view = big[tuple(slice(None, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def misaligned(a):
    return np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1).reshape(a.shape)


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


class OfAnotherLibrary:
    """Something that NumPy can see as an array."""

    def __init__(self, a):
        self.a = a

    def __array__(self, dtype=None, copy=None):
        return np.array(self.a, dtype)


KINDS = {
    "read-only": read_only,
    "Fortran": np.asfortranarray,
    "strided": spaced,
    "negative strides": lambda a: a[tuple(slice(None, None, -1) for _ in a.shape)].copy()[
        tuple(slice(None, None, -1) for _ in a.shape)
    ],
    "transposed view": lambda a: a.T.copy().T,
    "misaligned": misaligned,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "list": lambda a: a.tolist(),
    "memoryview": memoryview,
    "float16": lambda a: a.astype(np.float16),
    "float32": lambda a: a.astype(np.float32),
    "float64": lambda a: a.astype(np.float64),
    "long double": lambda a: a.astype(np.longdouble),
    "int8": lambda a: a.astype(np.int8),
    "int64": lambda a: a.astype(np.int64),
    "unsigned": lambda a: abs(a).astype(np.uint16),
    "bool": lambda a: a > 0,
    "object with __array__": OfAnotherLibrary,
    "masked without a mask": np.ma.masked_array,
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
}


def in_float64(a):
    return np.asarray(a, np.float64).copy()


@pytest.mark.parametrize("kind", [*KINDS, "memmap"])
@pytest.mark.parametrize("n", [5, 20])
def test_any_kind_of_array_is_taken_and_left_as_it_was(isa, dtype, kind, n, tmp_path):
    def of_kind(a):
        if kind != "memmap":
            return KINDS[kind](a)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        a.tofile(path)
        return np.memmap(path, a.dtype, "r", shape=a.shape)

    X, W, b, dY = (of_kind(a) for a in whole_data(dtype, n, 4, 3))
    before = [in_float64(a) for a in (X, W, b, dY)]
    Y = F.linear(X, W, b)
    np.testing.assert_array_equal(Y, before[0] @ before[1] + before[2])
    dX, dW, db = F.linear_backward(dY, X, W, b, Y)
    np.testing.assert_array_equal(dX, before[3] @ before[1].T)
    np.testing.assert_array_equal(dW, before[0].T @ before[3])
    np.testing.assert_array_equal(db, before[3].sum(axis=0))
    for a, a0 in zip((X, W, b, dY), before, strict=True):
        np.testing.assert_array_equal(in_float64(a), a0)


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        ("f2", "f4"),
        ("f4", "f4"),
        (">f4", "f4"),
        ("f8", "f8"),
        (">f8", "f8"),
        ("g", "f8"),
        ("i4", "f8"),
        ("u1", "f8"),
        ("?", "f8"),
    ],
)
def test_computes_in_the_dtype_of_W(given, computed):
    W = np.ones((2, 3), given)
    for other in ("f4", "f8", "i8"):
        X, b, dY = np.ones((4, 2), other), np.ones(3, other), np.ones((4, 3), other)
        Y = F.linear(X, W, b)
        results = [Y, *F.linear_backward(dY, X, W, b, Y)]
        assert [a.dtype for a in results] == [np.dtype(computed)] * 4


@pytest.mark.parametrize(
    "wrong",
    [
        np.ones((4, 2), complex),
        np.full((4, 2), None),
        np.full((4, 2), "1"),
        np.zeros((4, 2), "M8[s]"),
        np.zeros((4, 2), [("a", "f4")]),
        [["a", "b"]] * 4,
        [[1j, 0]] * 4,
        [object()] * 4,
    ],
    ids=lambda a: str(getattr(a, "dtype", type(a[0]).__name__)),
)
def test_numbers_that_are_none_are_refused_by_name(wrong):
    X, W, b, Y = np.ones((4, 2)), np.ones((2, 3)), np.ones(3), np.ones((4, 3))
    for call, name in [
        (lambda: F.linear(wrong, W, b), "X"),
        (lambda: F.linear(X, wrong, b), "W"),
        (lambda: F.linear(X, W, wrong), "b"),
        (lambda: F.linear_backward(wrong, X, W, b, Y), "dY"),
        (lambda: F.linear_backward(Y, X, W, b, wrong), "Y"),
    ]:
        with pytest.raises(TypeError, match=f"^{name} must be float32 or float64, got "):
            call()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            dict(X=np.ones(2)),
            r"X must have 2 dimensions \(rows, columns\), got 1 .*for one row give X\[None, :\], for one column X\[:, ",
        ),
        (dict(X=np.ones((4, 2, 1))), r"X must have 2 dimensions .*got 3"),
        (dict(X=1.0), r"X must have 2 dimensions .*got 0"),
        (dict(X=np.ones((4, 5))), "W has 2 rows, X has 5 columns$"),
        (dict(X=[[1, 2], [3]]), "X is not a rectangular array"),
        (
            dict(X=np.ma.masked_array(np.ones((4, 2)), mask=True)),
            "X has masked entries; fill them first",
        ),
        (dict(W=np.ones(2)), "W must have 2 dimensions"),
        (
            dict(W=np.ones((3, 2))),
            r"W has 3 rows, X has 2 columns; W looks transposed: it must be \(n_in, n_out\), give W.T",
        ),
        (dict(b=np.ones(2)), r"b must have shape \(3,\), got \(2,\)"),
        (dict(b=np.ones((1, 3))), r"b must have shape \(3,\), got \(1, 3\)"),
        (dict(b=1.0), r"b must have shape \(3,\), got \(\)"),
        (dict(dY=np.ones((3, 4))), r"dY must have shape \(4, 3\), got \(3, 4\)"),
        (dict(dY=np.ones(12)), r"dY must have shape \(4, 3\), got \(12,\)"),
        (dict(Y=np.ones((4, 1))), r"Y must have shape \(4, 3\), got \(4, 1\)"),
        (dict(activation="rleu"), r"activation must be one of identity, sigmoid, .*, got 'rleu'"),
        (dict(activation=None), "activation must be one of identity, .*, got None"),
    ],
    ids=lambda x: "-".join(x) if isinstance(x, dict) else "",
)
def test_wrong_shapes_and_names_are_refused_with_the_way_out(changed, message):
    a = (
        dict(
            X=np.ones((4, 2)),
            W=np.ones((2, 3)),
            b=np.ones(3),
            Y=np.ones((4, 3)),
            dY=np.ones((4, 3)),
            activation="tanh",
        )
        | changed
    )
    with pytest.raises(ValueError, match=message):
        F.linear_backward(a["dY"], a["X"], a["W"], a["b"], a["Y"], a["activation"])
    if not {"dY", "Y"} & set(changed):
        with pytest.raises(ValueError, match=message):
            F.linear(a["X"], a["W"], a["b"], a["activation"])


# ---- out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([[0.0] * 3] * 4, TypeError, "out must be a NumPy array, got list"),
        (np.zeros((4, 3), "f4"), TypeError, "out must be float64, got float32"),
        (np.zeros((4, 3), ">f8"), TypeError, "out must be float64, got >f8"),
        (np.zeros((3, 4)), ValueError, r"out must have shape \(4, 3\), got \(3, 4\)"),
        (np.zeros(12), ValueError, r"out must have shape \(4, 3\), got \(12,\)"),
        (np.zeros((3, 4)).T, ValueError, "out must be C-contiguous"),
        (np.zeros((4, 6))[:, ::2], ValueError, "out must be C-contiguous"),
        (read_only(np.zeros((4, 3))), ValueError, "out is read-only"),
        (np.frombuffer(bytearray(97), "f8", 12, offset=1).reshape(4, 3), ValueError, "out .*align"),
    ],
    ids=[
        "list",
        "dtype",
        "byte order",
        "shape",
        "flat",
        "Fortran",
        "strided",
        "read-only",
        "misaligned",
    ],
)
def test_out_must_fit_exactly(out, error, message):
    with pytest.raises(error, match=message):
        F.linear(np.ones((4, 2)), np.ones((2, 3)), np.ones(3), out=out)
    assert not np.any(out)


@pytest.mark.parametrize("argument", ["X", "W", "b"])
@pytest.mark.parametrize("shift", [0, 1, 8], ids=lambda n: f"shifted by {n}")
def test_out_over_another_argument_is_refused(argument, shift):
    size = 3
    memory = np.arange(40.0)
    shape = (size,) if argument == "b" else (size, size)
    shared = memory[shift : shift + int(np.prod(shape))].reshape(shape)
    arguments = dict(X=np.ones((size, size)), W=np.ones((size, size)), b=np.ones(size)) | {
        argument: shared
    }
    out = memory[:9].reshape(3, 3)
    with pytest.raises(ValueError, match=r"^out overlaps another argument"):
        F.linear(**arguments, out=out)
    np.testing.assert_array_equal(memory, np.arange(40.0))


class Frame(OfAnotherLibrary):
    """The same, giving away its own memory, as data frames do."""

    def __array__(self, dtype=None, copy=None):
        return self.a


@pytest.mark.parametrize("through", [memoryview, Frame])
@pytest.mark.parametrize("argument", ["X", "W", "b"])
def test_out_over_memory_that_came_through_another_object_is_refused(argument, through):
    memory = np.arange(9.0)
    shared = through(memory[:3] if argument == "b" else memory.reshape(3, 3))
    arguments = dict(X=np.ones((3, 3)), W=np.ones((3, 3)), b=np.ones(3)) | {argument: shared}
    with pytest.raises(ValueError, match=r"^out overlaps another argument"):
        F.linear(**arguments, out=memory.reshape(3, 3))


def test_out_beside_other_arguments_in_one_block_is_taken():
    memory = np.arange(27.0)
    X, W, out = memory.reshape(3, 3, 3)
    expected = X @ W
    F.linear(X, W, out=out)
    np.testing.assert_array_equal(out, expected)
