"""Arguments of F.linear and F.linear_backward: kinds of arrays, `out`, and errors."""

from functools import cache

import numpy as np
import pytest

from fastnn import functional as F


def frozen(dtype, *arrays):
    arrays = [a.astype(dtype) for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    return arrays


@cache
def whole_data(dtype, n, n_in, n_out):
    """Arrays of small whole numbers: sums are exact, and some inputs of kinks are exactly 0."""
    rng = np.random.default_rng([n, n_in, n_out])
    return frozen(
        dtype,
        *(rng.integers(-4, 5, shape) for shape in ((n, n_in), (n_in, n_out), n_out, (n, n_out))),
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
    """An object that NumPy can convert to an array."""

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
def test_any_kind_of_array_is_accepted_and_left_unchanged(isa, dtype, kind, n, tmp_path):
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
    ("W_dtype", "computed"),
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
def test_computes_in_the_dtype_of_W(W_dtype, computed):
    W = np.ones((2, 3), W_dtype)
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
def test_arguments_that_are_not_numeric_are_refused_by_name(wrong):
    X, W, b, Y = np.ones((4, 2)), np.ones((2, 3)), np.ones(3), np.ones((4, 3))
    for call, name in [
        (lambda: F.linear(wrong, W, b), "X"),
        (lambda: F.linear(X, wrong, b), "W"),
        (lambda: F.linear(X, W, wrong), "b"),
        (lambda: F.linear_backward(wrong, X, W, b, Y), "dY"),
        (lambda: F.linear_backward(Y, X, W, b, wrong), "Y"),
    ]:
        with pytest.raises(TypeError, match=f"^{name} must hold numbers, got "):
            call()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            dict(X=np.ones(2)),
            r"X must have 2 dimensions \(rows, columns\), got 1 .*For one row pass X\[None, :\], for one column X\[:, ",
        ),
        (dict(X=np.ones((4, 2, 1))), r"X must have 2 dimensions .*got 3"),
        (dict(X=1.0), r"X must have 2 dimensions .*got 0"),
        (dict(X=np.ones((4, 5))), "W has 2 rows, but X has 5 columns$"),
        (dict(X=[[1, 2], [3]]), "X is not a rectangular array"),
        (
            dict(X=np.ma.masked_array(np.ones((4, 2)), mask=True)),
            "X has masked entries. Fill them first",
        ),
        (dict(W=np.ones(2)), "W must have 2 dimensions"),
        (
            dict(W=np.ones((3, 2))),
            r"W has 3 rows, but X has 2 columns.* Pass W.T",
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
def test_wrong_shapes_and_names_are_refused_with_a_hint(changed, message):
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
def test_out_that_overlaps_an_argument_is_refused(argument, shift):
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
    """The same without a copy, as data frames do."""

    def __array__(self, dtype=None, copy=None):
        return self.a


@pytest.mark.parametrize("through", [memoryview, Frame])
@pytest.mark.parametrize("argument", ["X", "W", "b"])
def test_out_that_overlaps_the_memory_of_another_object_is_refused(argument, through):
    memory = np.arange(9.0)
    shared = through(memory[:3] if argument == "b" else memory.reshape(3, 3))
    arguments = dict(X=np.ones((3, 3)), W=np.ones((3, 3)), b=np.ones(3)) | {argument: shared}
    with pytest.raises(ValueError, match=r"^out overlaps another argument"):
        F.linear(**arguments, out=memory.reshape(3, 3))


def test_out_beside_arguments_in_one_block_is_accepted():
    memory = np.arange(27.0)
    X, W, out = memory.reshape(3, 3, 3)
    expected = X @ W
    F.linear(X, W, out=out)
    np.testing.assert_array_equal(out, expected)
