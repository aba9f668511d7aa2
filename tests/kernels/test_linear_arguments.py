"""Arguments of F.linear and F.linear_backward: kinds of arrays, `out`, and errors."""

import numpy as np
import pytest
from array_kinds import LAYOUTS, unfit_outs

from fastnn import functional as F

ARGUMENTS = dict(X=np.ones((4, 2)), W=np.ones((2, 3)), b=np.ones(3), activation="tanh")
ARGUMENTS |= dict(Y=np.ones((4, 3)), dY=np.ones((4, 3)))


def check_refusal(changed, error, message):
    """Check that every function that takes the changed argument refuses it."""
    a = ARGUMENTS | changed
    with pytest.raises(error, match=message):
        F.linear_backward(a["dY"], a["X"], a["W"], a["b"], a["Y"], a["activation"])
    if not {"dY", "Y"} & set(changed):
        with pytest.raises(error, match=message):
            F.linear(a["X"], a["W"], a["b"], a["activation"])


# ---- kinds of input ------------------------------------------------------------------------------


class OfAnotherLibrary:
    """An object that NumPy can convert to an array."""

    def __init__(self, a):
        self.a = a

    def __array__(self, dtype=None, copy=None):
        return np.array(self.a, dtype)


KINDS = LAYOUTS | {
    "transposed view": lambda a: a.T.copy().T,
    "list": np.ndarray.tolist,
    "memoryview": memoryview,
    "unsigned": lambda a: abs(a).astype(np.uint16),
    "bool": lambda a: a > 0,
    "object with __array__": OfAnotherLibrary,
    "masked without a mask": np.ma.masked_array,
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
}
for name in ("float16", "float32", "float64", "longdouble", "int8", "int64"):
    KINDS[name] = lambda a, name=name: a.astype(name)


def in_float64(a):
    return np.asarray(a, np.float64).copy()


@pytest.mark.parametrize("kind", [*KINDS, "memmap"])
@pytest.mark.parametrize("n", [5, 20])
def test_any_kind_of_array_is_accepted_and_left_unchanged(isa, dtype, kind, n, tmp_path, rng):
    def of_kind(a):
        if kind != "memmap":
            return KINDS[kind](a)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        a.tofile(path)
        return np.memmap(path, a.dtype, "r", shape=a.shape)

    shapes = (n, 4), (4, 3), 3, (n, 3)
    X, W, b, dY = (of_kind(rng.integers(-4, 5, shape).astype(dtype)) for shape in shapes)
    before = [in_float64(a) for a in (X, W, b, dY)]
    Y = F.linear(X, W, b)
    np.testing.assert_array_equal(Y, before[0] @ before[1] + before[2])
    dX, dW, db = F.linear_backward(dY, X, W, b, Y)
    np.testing.assert_array_equal(dX, before[3] @ before[1].T)
    np.testing.assert_array_equal(dW, before[0].T @ before[3])
    np.testing.assert_array_equal(db, before[3].sum(axis=0))
    for a, a0 in zip((X, W, b, dY), before, strict=True):
        np.testing.assert_array_equal(in_float64(a), a0)


COMPUTED = dict.fromkeys(("f2", "f4", ">f4"), "f4")
COMPUTED |= dict.fromkeys(("f8", ">f8", "g", "i4", "u1", "?"), "f8")


@pytest.mark.parametrize(("W_dtype", "computed"), COMPUTED.items())
def test_computes_in_the_dtype_of_W(W_dtype, computed):
    W = np.ones((2, 3), W_dtype)
    for other in ("f4", "f8", "i8"):
        X, b, dY = np.ones((4, 2), other), np.ones(3, other), np.ones((4, 3), other)
        Y = F.linear(X, W, b)
        results = [Y, *F.linear_backward(dY, X, W, b, Y)]
        assert [a.dtype for a in results] == [np.dtype(computed)] * 4


NOT_NUMBERS = [np.ones((4, 2), complex), np.full((4, 2), None), np.full((4, 2), "1")]
NOT_NUMBERS += [np.zeros((4, 2), kind) for kind in ("M8[s]", [("a", "f4")])]
NOT_NUMBERS += [[["a", "b"]] * 4, [[1j, 0]] * 4, [object()] * 4]


@pytest.mark.parametrize(
    "wrong", NOT_NUMBERS, ids=lambda a: str(getattr(a, "dtype", type(a[0]).__name__))
)
def test_arguments_that_are_not_numeric_are_refused_by_name(wrong):
    for name in ("X", "W", "b", "dY", "Y"):
        check_refusal({name: wrong}, TypeError, f"^{name} must hold numbers, got ")


ONE_ROW = r"For one row pass X\[None, :\], for one column X\[:, "
WRONG = [
    (dict(X=np.ones(2)), rf"X must have 2 dimensions \(rows, columns\), got 1 .*{ONE_ROW}"),
    (dict(X=np.ones((4, 2, 1))), r"X must have 2 dimensions .*got 3"),
    (dict(X=1.0), r"X must have 2 dimensions .*got 0"),
    (dict(X=np.ones((4, 5))), "W has 2 rows, but X has 5 columns$"),
    (dict(X=[[1, 2], [3]]), "X is not a rectangular array"),
    (dict(X=np.ma.array(np.ones((4, 2)), mask=True)), "X has masked entries. Fill them first"),
    (dict(W=np.ones(2)), "W must have 2 dimensions"),
    (dict(W=np.ones((3, 2))), r"W has 3 rows, but X has 2 columns.* Pass W.T"),
    (dict(b=np.ones(2)), r"b must have shape \(3,\), got \(2,\)"),
    (dict(b=np.ones((1, 3))), r"b must have shape \(3,\), got \(1, 3\)"),
    (dict(b=1.0), r"b must have shape \(3,\), got \(\)"),
    (dict(dY=np.ones((3, 4))), r"dY must have shape \(4, 3\), got \(3, 4\)"),
    (dict(dY=np.ones(12)), r"dY must have shape \(4, 3\), got \(12,\)"),
    (dict(Y=np.ones((4, 1))), r"Y must have shape \(4, 3\), got \(4, 1\)"),
    (dict(activation="rleu"), r"activation must be one of identity, sigmoid, .*, got 'rleu'"),
    (dict(activation=None), "activation must be one of identity, .*, got None"),
]


@pytest.mark.parametrize(("changed", "message"), WRONG, ids=["-".join(c) for c, _ in WRONG])
def test_wrong_shapes_and_names_are_refused_with_a_hint(changed, message):
    check_refusal(changed, ValueError, message)


# ---- out -----------------------------------------------------------------------------------------


@unfit_outs("out", (4, 3))
def test_out_must_fit_exactly(out, error, message):
    with pytest.raises(error, match=message):
        F.linear(np.ones((4, 2)), np.ones((2, 3)), np.ones(3), out=out)
    assert not np.any(out)


class Frame(OfAnotherLibrary):
    """The same without a copy, as data frames do."""

    def __array__(self, dtype=None, copy=None):
        return self.a


SHARED = {"0": (0, np.asarray), "1": (1, np.asarray), "8": (8, np.asarray)}
SHARED |= {"memoryview": (0, memoryview), "Frame": (0, Frame)}


@pytest.mark.parametrize("argument", ["X", "W", "b"])
@pytest.mark.parametrize(("shift", "through"), SHARED.values(), ids=SHARED)
def test_out_that_overlaps_an_argument_is_refused(argument, shift, through):
    memory, shape = np.arange(40.0), (3,) if argument == "b" else (3, 3)
    shared = memory[shift : shift + 3 ** len(shape)].reshape(shape)
    arguments = dict(X=np.ones((3, 3)), W=np.ones((3, 3)), b=np.ones(3))
    with pytest.raises(ValueError, match=r"^out overlaps another argument"):
        F.linear(**arguments | {argument: through(shared)}, out=memory[:9].reshape(3, 3))
    np.testing.assert_array_equal(memory, np.arange(40.0))


def test_out_beside_arguments_in_one_block_is_accepted():
    X, W, out = np.arange(27.0).reshape(3, 3, 3)
    expected = X @ W
    F.linear(X, W, out=out)
    np.testing.assert_array_equal(out, expected)
