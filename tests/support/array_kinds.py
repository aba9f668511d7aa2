"""Kinds of arrays that functions accept and leave unchanged, and arrays that are no place for a result."""

import numpy as np
import pytest


def misaligned(a):
    return np.frombuffer(bytearray(b"\0" + a.tobytes()), a.dtype, offset=1).reshape(a.shape)


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def reversed_axes(a):
    backwards = (slice(None, None, -1),) * a.ndim
    return a[backwards].copy()[backwards]


def strided(a):
    """Every second number along each axis of a larger array."""
    every_second = (slice(None, None, 2),) * a.ndim
    large = np.full([2 * k for k in a.shape], 99, a.dtype)
    large[every_second] = a
    return large[every_second]


def big_endian(a):
    return a.astype(a.dtype.newbyteorder(">"))


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "strided": strided,
    "negative strides": reversed_axes,
    "big-endian": big_endian,
    "misaligned": misaligned,
    "read-only": read_only,
}
each_layout = pytest.mark.parametrize("kind", LAYOUTS.values(), ids=LAYOUTS)


def unfit_outs(name, shape, dtype="float64"):
    """Arrays that `name` must not be, for a test with the parameters out, error and message."""
    zeros, wrong = np.zeros(shape, dtype), "float32" if dtype == "float64" else "float64"
    unaligned = np.zeros(zeros.nbytes + 1, "u1")[1:].view(dtype).reshape(shape)
    shapes = [(*shape, 1)] if len(shape) == 1 else [shape[::-1], (zeros.size,)]
    shapes.append((shape[0] + 1, *shape[1:]))
    cases = {
        "list": (zeros.tolist(), TypeError, "must be a NumPy array, got list"),
        "dtype": (zeros.astype(wrong), TypeError, f"must be {dtype}, got {wrong}"),
        "byte order": (big_endian(zeros), TypeError, f"must be {dtype}, got >f"),
        "strided": (strided(zeros), ValueError, "must be C-contiguous"),
        "read-only": (read_only(zeros), ValueError, "is read-only"),
        "misaligned": (unaligned, ValueError, ".*align"),
    }
    for other in shapes:
        message = rf"must have shape {shape}, got {other}".replace("(", r"\(").replace(")", r"\)")
        cases[f"shape {other}"] = np.zeros(other, dtype), ValueError, message
    if len(shape) > 1:
        cases["Fortran"] = zeros.T.copy().T, ValueError, "must be C-contiguous"
    return pytest.mark.parametrize(
        ("out", "error", "message"),
        [(out, error, f"^{name} {message}") for out, error, message in cases.values()],
        ids=cases,
    )
