"""Arrays of any layout and dtype: every public call gives the result of a plain float64 array of the
same numbers, or a clean error where it gives one; inputs never change."""

import mmap

import numpy as np
import pytest
from array_kinds import misaligned, read_only
from checks import assert_same_bits
from public_calls import CALLS, FLAT, K, N

NUMBERS = np.random.default_rng(0).integers(0, 2, (N, K))  # every dtype below holds 0 and 1

# ---- dtypes ----

RIGHT = {name: name for name in "float16 float32 float64 longdouble int8 int64 uint64 bool".split()}
RIGHT |= {"big-endian float32": ">f4", "big-endian float64": ">f8", "big-endian int32": ">i4"}
RIGHT["objects"] = object
WRONG = {
    "complex": lambda a: a.astype(complex),
    "datetime": lambda a: a.astype("datetime64[D]"),
    "words": lambda a: np.where(a > 0, "yes", "no"),
    "records": lambda a: a.astype([("x", float)]),
}
DTYPES = {name: lambda a, dtype=dtype: a.astype(dtype) for name, dtype in RIGHT.items()} | WRONG

# ---- layouts: an array of NUMBERS, or of some of them, from a plain array ----


def memory_mapped(a):
    if a.dtype == object:
        return a
    memory = mmap.mmap(-1, max(a.nbytes, 1))
    mapped = np.frombuffer(memory, a.dtype, a.size).reshape(a.shape)
    mapped[...] = a
    return mapped


def every_other(a, axis):
    wide = np.repeat(a, 2, axis=axis)
    return wide[::2] if axis == 0 else wide[:, ::2]


def inside(a):
    large = np.zeros([size + 6 for size in a.shape], a.dtype)
    large[(slice(3, -3),) * a.ndim] = a
    return large[(slice(3, -3),) * a.ndim]


def data_frame(a):
    pandas = pytest.importorskip("pandas")
    if a.dtype.names or not a.dtype.isnative:  # pandas has no such columns
        return a.reshape(len(a), -1)
    return pandas.DataFrame(a)


def masked(a):
    mask = np.zeros(a.shape, bool)
    mask.flat[:1] = True
    return np.ma.masked_array(a, mask)


LAYOUTS = {
    "C order": lambda a: a,
    "Fortran order": np.asfortranarray,
    "every other row": lambda a: every_other(a, 0),
    "every other column": lambda a: every_other(a, a.ndim - 1),
    "rows backwards": lambda a: a[::-1].copy()[::-1],
    "columns backwards": lambda a: a[..., ::-1].copy()[..., ::-1],
    "one row repeated": lambda a: np.broadcast_to(a[:1], a.shape),
    "read-only": read_only,
    "memory-mapped": memory_mapped,
    "misaligned": lambda a: a if a.dtype == object else misaligned(a),
    "part of a larger array": inside,
    "transposed": lambda a: a.T.copy().T,
    "nested lists": lambda a: a.tolist(),
    "tuple of rows": tuple,
    "masked array without mask": np.ma.masked_array,
    "masked array": masked,
    "no rows": lambda a: a[:0],
    "one row": lambda a: a[:1],
    "no columns": lambda a: a[..., :0],
    "one dimension more": lambda a: a[np.newaxis],
    "one dimension less": lambda a: a[0],
    "data frame": data_frame,
}


def snapshot(array):
    """What must not change."""
    if isinstance(array, np.ndarray):
        return np.asarray(array).tobytes(), array.dtype, array.strides, array.flags.writeable
    return repr(array)


def outcome(call, array):
    try:
        return "result", call(array)
    except (TypeError, ValueError) as error:
        assert str(error)
        return "error", error


@pytest.mark.spread(14)
@pytest.mark.filterwarnings("ignore")  # of few epochs; of a masked float16, by NumPy
@pytest.mark.parametrize("name", CALLS)
def test_every_layout_and_dtype(name):
    if name.startswith("MLP"):
        pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    call, numbers = CALLS[name], NUMBERS[:, 0] if name in FLAT else NUMBERS
    as_float32 = ["float16", "float32", "big-endian float32"]
    if name.startswith("MLP"):  # scikit-learn's rule
        as_float32 = ["float32"]
    wrong, results = [], 0
    for layout, arrange in LAYOUTS.items():
        if layout == "tuple of rows" and name.startswith("MLP"):
            continue  # scikit-learn converts each row to float64, dates too
        expected = {np.float32: ("error", None), np.float64: ("error", None)}
        if layout != "masked array":
            for dtype in expected:
                expected[dtype] = outcome(call, np.array(arrange(numbers.astype(dtype)), order="C"))
        for dtype, convert in DTYPES.items():
            array = arrange(convert(numbers))
            before = snapshot(array)
            kind, value = outcome(call, array)
            cell = f"{layout} of {dtype}"
            if snapshot(array) != before:
                wrong.append(f"{cell} was changed")
            expected_kind, exact = expected[np.float32 if dtype in as_float32 else np.float64]
            if dtype in WRONG:
                if not np.size(array) or np.asarray(array).dtype.kind == "f":
                    continue  # without values, or a list of the numbers of the records
                expected_kind = "error"
            if kind != expected_kind:
                wrong.append(f"{cell}: {kind} {value!r}, not {expected_kind}")
            elif kind == "result" and dtype in RIGHT:
                results += 1
                try:
                    assert_same_bits(value, exact, cell)
                except AssertionError as error:
                    wrong.append(str(error))
    assert not wrong, f"{len(wrong)} cells, the first: {wrong[:10]}"
    assert results >= 100
