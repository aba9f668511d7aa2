"""Every check of an argument and its message: what was expected, what came, and the way out.

Arrays are converted once (C-contiguous, native byte order, the wanted dtype) and never changed; a
function named `check_...` returns what it checked, converted where that is its job.
"""

import math
import numbers
import os
import sys

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
ONE_IN_BITS = {
    4: 0x3F800000,
    8: 0x3FF0000000000000,
}  # by itemsize; as integers, the numbers from 0 to 1 are those up to it, but for -0.0


def check_number(name, value, minimum=None, above=None, below=None):
    """A finite number within bounds."""
    if isinstance(value, np.generic):
        value = value.item()  # a float32 cannot be compared with the largest float
    limits = {"at least": minimum, "above": above, "below": below}
    bounds = [f"{word} {limit}" for word, limit in limits.items() if limit is not None]
    real = type(value) is float or isinstance(
        value, numbers.Real
    )  # the short way first: asking an abstract class takes 1 us
    good = real and abs(value) <= sys.float_info.max
    good = (
        good
        and (minimum is None or value >= minimum)
        and (above is None or value > above)
        and (below is None or value < below)
    )
    if not good:
        raise ValueError(f"{name} must be a finite number {' and '.join(bounds)}, got {value!r}")
    return value


def check_numbers(name, value, minimum=None, above=None, below=None):
    """A number, or a sequence of numbers as a tuple."""
    if isinstance(value, numbers.Real):
        return float(check_number(name, value, minimum, above, below))
    try:
        values = tuple(value)
    except TypeError:
        values = ()
    if not values or isinstance(value, (str, dict)):
        raise ValueError(f"{name} must be a number or a sequence of numbers, got {value!r}")
    return tuple(float(check_number(name, each, minimum, above, below)) for each in values)


def check_count(name, value, minimum=1):
    """A whole number."""
    if type(value) is int and value >= minimum:  # spares nearly every call the slow look below
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < minimum:
        raise ValueError(f"{name} must be a whole number of at least {minimum}, got {value!r}")
    return int(value)


def check_dtype(dtype):
    """float32 or float64, as a NumPy dtype."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if dtype is None or found is None or found not in FLOATS:
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    return found


def check_rng(rng):
    """A generator from None, an int, a Generator or anything else that numpy.random.default_rng
    takes (SPEC 7)."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise ValueError(
            f"rng must be None, an int of at least 0 or a numpy.random.Generator, got {rng!r}"
        ) from None


def check_threads(n_threads):
    """How many threads are worth having: -1 means the CPUs this process may use, and more than
    those only get in each other's way."""
    if (
        isinstance(n_threads, bool)
        or not isinstance(n_threads, numbers.Integral)
        or (n_threads < 1 and n_threads != -1)
    ):
        raise ValueError(f"n_threads must be at least 1, or -1 for all CPUs, got {n_threads!r}")
    if n_threads == 1:
        return 1
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cpus if n_threads == -1 else min(int(n_threads), cpus)


def check_array(name, a, dtype=None):
    """A C-contiguous array of real numbers. dtype None: float32 or float64 stay, float16 becomes
    float32, all else float64."""
    a = as_array(name, a)
    if a.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be float32 or float64, got {a.dtype}")
    if dtype is None:
        native = a.dtype.newbyteorder("=")
        dtype = native if native in FLOATS else FLOATS[0] if native == np.float16 else FLOATS[1]
    return ready(a, dtype)


def as_array(name, a):
    """What NumPy sees as an array, whatever it holds."""
    if type(a) is np.ndarray:
        return a
    if hasattr(a, "toarray") and hasattr(a, "nnz"):
        raise TypeError(f"{name} is a sparse matrix; give {name}.toarray()")
    if np.ma.is_masked(a):
        raise ValueError(
            f"{name} has masked entries; fill them first, for example with {name}.filled(0)"
        )
    try:
        return np.asarray(a)
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from None


def ready(a, dtype):
    """As a kernel reads it: the dtype, native, C-contiguous, aligned; a itself if it is that
    already."""
    a = np.asarray(a, dtype, order="C")
    return a if a.flags.aligned else a.copy()


def check_matrix(name, a, dtype=None, n_columns=None, taker="the network"):
    """(n, n_columns)"""
    a = check_array(name, a, dtype)
    if a.ndim != 2:
        hint = (
            f"; for one row give {name}[None, :], for one column {name}[:, None]"
            if a.ndim == 1
            else ""
        )
        raise ValueError(
            f"{name} must have 2 dimensions (rows, columns), got {a.ndim} (shape {a.shape}){hint}"
        )
    if n_columns is not None and a.shape[1] != n_columns:
        raise ValueError(
            f"{name} has {a.shape[1]} column{'s' * (a.shape[1] != 1)}, {taker} takes {n_columns}"
        )
    return a


def check_weight(W, n_in=None, dtype=None):
    """W (n_in, n_out)"""
    W = check_matrix("W", W, dtype)
    if n_in is not None and W.shape[0] != n_in:
        turned = (
            "; W looks transposed: it must be (n_in, n_out), give W.T" if W.shape[1] == n_in else ""
        )
        raise ValueError(f"W has {W.shape[0]} rows, X has {n_in} columns{turned}")
    return W


def check_shape(name, a, shape, dtype=None):
    a = check_array(name, a, dtype)
    if a.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {a.shape}")
    return a


def check_out(name, a, shape, dtype, *others):
    """An ndarray that receives a result: right shape and dtype, writable, C-contiguous, not
    overlapping `others`."""
    if not isinstance(a, np.ndarray):
        raise TypeError(
            f"{name} must be a NumPy array, got {type(a).__name__}: a result written to a copy would be lost"
        )
    if shape is not None and a.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {a.shape}")
    if a.dtype != dtype:
        raise TypeError(f"{name} must be {dtype}, got {a.dtype}")
    if not a.flags.c_contiguous:
        raise ValueError(
            f"{name} must be C-contiguous: a result written to a copy would be lost; keep numpy.ascontiguousarray({name})"
        )
    if not a.flags.writeable:
        raise ValueError(f"{name} is read-only")
    if not a.flags.aligned:
        raise ValueError(
            f"{name} is not aligned (its memory begins within a number): use memory that NumPy allocated"
        )
    for other in others:
        if overlaps(a, other):
            raise ValueError(f"{name} overlaps another argument: give it memory of its own")
    return a


def overlaps(a, other):
    """Whether a shares memory with other, an array or anything with a buffer."""
    if other is None:  # often; an exception takes half a microsecond
        return False
    if not isinstance(other, np.ndarray):
        try:
            other = np.asarray(memoryview(other))
        except TypeError:
            return False
    return np.may_share_memory(a, other)


def check_rows(name, n, expected):
    if n != expected:
        raise ValueError(f"{name} has {n} row{'s' * (n != 1)}, X has {expected}")


def check_sample_weight(w, n, dtype):
    """(n,), none negative, and what they were multiplied by, see `in_range`; None stays None."""
    if w is None:
        return None, 1.0
    w = check_array("sample_weight", w)
    if w.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), one number a row, got {w.shape}")
    if n and w.min() < 0:
        raise ValueError(
            f"sample_weight must not be negative, got {w.min()!r} in row {int(w.argmin())}"
        )
    return in_range(w, dtype)


def in_range(w, dtype):
    """Weights in a dtype, and the power of two that they were multiplied by so that their largest
    is neither lost nor infinite there.

    It is 1 for ordinary weights, which keep their bits. A loss sum(w_i l_i) / sum(w_i) does not
    depend on it.
    """
    exponent = max(
        math.frexp(w.max(initial=0))[1], -1000
    )  # of inf and NaN, which go through, it is 0
    if abs(exponent) <= (100 if dtype == np.float32 else 900):
        return ready(w, dtype), 1.0
    return ready(np.ldexp(w, -exponent), dtype), math.ldexp(1.0, -exponent)


def check_values(y, n, n_out, dtype, unit_interval=None):
    """Targets as numbers: (n, n_out), from (n,) too where n_out is 1. unit_interval: the loss that
    wants them in [0, 1]."""
    y = check_array("y", y, dtype)
    if y.ndim == 1 and n_out == 1:
        y = y[:, None]
    if y.ndim != 2 or y.shape[1] != n_out:
        expected = f"(n,) or (n, {n_out})" if n_out == 1 else f"(n, {n_out})"
        raise ValueError(
            f"y must have shape {expected} for {n_out} output{'s' * (n_out != 1)}, got {y.shape}"
        )
    check_rows("y", len(y), n)
    # the integers first: one pass for labels that are right, instead of two
    if (
        unit_interval
        and y.size
        and y.view(f"u{y.itemsize}").max() > ONE_IN_BITS[y.itemsize]
        and (y.min() < 0 or y.max() > 1)
    ):
        row = int(np.argmax(((y < 0) | (y > 1)).any(axis=1)))
        way_out = "for labels -1 and 1 give (y + 1) / 2"
        raise ValueError(
            f"y must lie in [0, 1] for loss {unit_interval!r}, got {y[row].tolist()} in row {row}; {way_out}"
        )
    return y


def check_classes(y, n, n_out):
    """Targets as class numbers 0..n_out-1: int64 (n,), from (n, 1) too; None if y is rows of
    probabilities."""
    y = as_array("y", y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        return None
    if y.dtype.kind not in "fiub" or (
        y.dtype.kind == "f" and not (np.isfinite(y) & (np.rint(y) == y)).all()
    ):
        raise ValueError(
            f"y must be class numbers 0..{n_out - 1} or rows of {n_out} probabilities, got {y.dtype} {y[:3].tolist()}..."
        )
    check_rows("y", len(y), n)
    if n and (y.min() < 0 or y.max() >= n_out):
        row = int(np.argmax((y < 0) | (y >= n_out)))
        raise ValueError(
            f"y holds class {y[row]} in row {row}; the network has {n_out} outputs, so classes are 0..{n_out - 1}"
        )
    return ready(y, np.int64)
