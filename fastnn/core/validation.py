"""Checks of arguments. Messages say what was expected, what was passed and what to do.

Arrays are converted once (C-contiguous, native byte order, the requested dtype) and never changed.
A function `check_...` returns the argument, converted if necessary.
"""

from __future__ import annotations

import math
import numbers
import operator
import os
import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..typing import FloatArray


FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
# The bits of 1.0 as an integer, by itemsize. The numbers in [0, 1] are those whose bits, read as an
# unsigned integer, are not above it (-0.0 is an exception).
ONE_IN_BITS = {4: 0x3F800000, 8: 0x3FF0000000000000}
ENCODE_CLASSES = "Encode classes as 0, 1, 2, ..., or use MLPClassifier, which accepts any labels"


def check_number(
    name: str,
    value: Any,
    minimum: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """Check a finite number within bounds."""
    if isinstance(value, np.generic):
        value = value.item()  # a float32 cannot be compared with the largest float
    # the type first: isinstance of an abstract class takes 1 us
    real: Any = type(value) is float or isinstance(value, numbers.Real)
    good = (
        real
        and abs(value) <= sys.float_info.max
        and (minimum is None or value >= minimum)
        and (above is None or value > above)
        and (below is None or value < below)
    )
    if not good:
        limits = {"at least": minimum, "above": above, "below": below}
        bounds = [f"{word} {limit}" for word, limit in limits.items() if limit is not None]
        within = f" {' and '.join(bounds)}" if bounds else ""
        raise ValueError(f"{name} must be a finite number{within}, got {value!r}")
    return value if type(value) in (int, float) else float(value)


def check_numbers(
    name: str,
    value: Any,
    minimum: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """Check a number, or a sequence of numbers, which becomes a tuple."""
    if isinstance(value, numbers.Real):
        return float(check_number(name, value, minimum, above, below))
    try:
        values = tuple(value)
    except (TypeError, NotImplementedError):  # of a memoryview of two dimensions
        values = ()
    if not values or isinstance(value, (str, dict)):
        raise ValueError(f"{name} must be a number or a sequence of numbers, got {value!r}")
    return tuple(float(check_number(name, each, minimum, above, below)) for each in values)


def check_count(name: str, value: Any, minimum: int = 1, maximum: int | None = None) -> int:
    """Check a whole number."""
    good = type(value) is int  # the usual case; isinstance of an abstract class is slow
    if not good and isinstance(value, numbers.Integral) and not isinstance(value, bool):
        value, good = int(value), True
    if not good or value < minimum:
        raise ValueError(f"{name} must be a whole number of at least {minimum}, got {value!r}")
    if maximum is not None and value > maximum:
        raise ValueError(f"{name} must be a whole number of at most {maximum}, got {value!r}")
    return value


def check_dtype(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64 as a NumPy dtype."""
    try:
        found = np.dtype(dtype)
    except (TypeError, UnicodeEncodeError):
        found = None
    if dtype is None or found is None or found not in FLOATS:
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    return found


def check_rng(rng: Any, name: str = "rng") -> np.random.Generator:
    """Return a Generator from anything that `numpy.random.default_rng` accepts."""
    try:
        if isinstance(rng, (list, tuple)):
            rng = [operator.index(each) for each in rng]  # NumPy crashes if a list holds itself
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be None, an int of at least 0 or a numpy.random.Generator, got {rng!r}"
        ) from None


def check_threads(n_threads: Any) -> int:
    """Return the number of threads: at most the CPUs that this process may use, all for -1."""
    if type(n_threads) is int and n_threads == 1:  # the usual case, as in `check_count`
        return 1
    if (
        isinstance(n_threads, bool)
        or not isinstance(n_threads, numbers.Integral)
        or (n_threads < 1 and n_threads != -1)
    ):
        raise ValueError(f"n_threads must be at least 1, or -1 for all CPUs, got {n_threads!r}")
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cpus if n_threads == -1 else min(int(n_threads), cpus)


def check_flag(name: str, value: Any) -> bool:
    """Return the truth of an option. An array of several values has none."""
    try:
        return bool(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be True or False, got {describe_type(value)}") from None


def check_choice(name: str, value: Any, known: Sequence[str | None]) -> Any:
    """Check a name, or None, among a few."""
    if not isinstance(value, (str, type(None))) or value not in known:
        names = ", ".join(map(repr, known[:-1]))
        raise ValueError(f"{name} must be {names} or {known[-1]!r}, got {value!r}")
    return value


def check_list(name: str, value: Any) -> list[Any]:
    """Return a list of what can be read in a loop."""
    try:
        return list(value)
    except (TypeError, NotImplementedError):  # of a memoryview of two dimensions
        raise TypeError(f"{name} must be a list, got {describe_type(value)}") from None


def check_function(name: str, value: Any) -> None:
    """Check an optional function."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function or None, got {describe_type(value)}")


def check_path(name: str, value: Any) -> Any:
    """Check the path of a file or folder."""
    if not is_path(value):
        raise TypeError(f"{name} must be a str or os.PathLike, got {describe_type(value)}")
    try:
        is_possible = b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise ValueError(
            f"{name} must be the name of a file or folder, got {value!r}. Remove its lone surrogates "
            "and null characters."
        )
    return value


def is_path(value: Any) -> bool:
    """Whether an argument is the path of a file or folder."""
    return isinstance(value, (str, bytes)) or hasattr(value, "__fspath__")


def refuse_text(name: str, value: Any) -> None:
    """Refuse one text in place of a collection of texts: each part of it would seem to be in it."""
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError(f"{name} must be a list of texts, got {value!r}. Pass [{value!r}].")


def is_names(value: Any) -> bool:
    """Whether an argument is the name of a column, or a list or tuple of names."""
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(isinstance(each, str) for each in value)
    return isinstance(value, str)


def describe_type(value: Any) -> str:
    """Return the type of a value with its article, for messages: a list, an ndarray."""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeio' or name == 'ndarray' else 'a'} {name}"


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or pandas' NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # the truth of pandas' NA is an error
        return type(value).__name__ == "NAType"


def check_array(name: str, a: Any, dtype: Any = None) -> FloatArray:
    """Return a C-contiguous array of real numbers.

    With dtype None, float32 and float64 stay, float16 becomes float32, everything else float64.
    """
    original, a = a, as_array(name, a)
    if a.dtype.kind not in "fiub":
        a = _numbers_from(name, original, a)
    if dtype is None:
        native = a.dtype.newbyteorder("=")
        dtype = native if native in FLOATS else FLOATS[0] if native == np.float16 else FLOATS[1]
    return ready(a, dtype)


def as_array(name: str, a: Any) -> FloatArray:
    """Return `a` as NumPy sees it, of any dtype."""
    if type(a) is np.ndarray:
        return a
    if hasattr(a, "toarray") and hasattr(a, "nnz"):
        raise TypeError(f"{name} is a sparse matrix. Pass {name}.toarray().")
    refuse_masked(name, a)
    try:
        return np.asarray(a)
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from None


def refuse_classes(**arguments: Any) -> None:
    """Refuse classes, which have the attributes of their objects."""
    for name, value in arguments.items():
        if isinstance(value, type):
            raise TypeError(f"{name} is the class {value.__name__}. Pass an object of it.")


def refuse_masked(name: str, a: Any) -> None:
    if np.ma.is_masked(a):
        raise ValueError(
            f"{name} has masked entries. Fill them first, for example with {name}.filled(0)."
        )


def _numbers_from(name, original, a):
    """Convert objects that are all numbers, such as a data frame of floats and bools.

    Otherwise the TypeError names the first column that holds something else.
    """
    if a.dtype.kind in "OUST" and a.ndim and a.size == 0:
        return np.zeros(a.shape)
    if a.dtype.kind == "O" and a.ndim and _are_numbers(a):
        try:
            return a.astype(np.float64)
        except OverflowError:
            raise ValueError(f"{name} holds an integer that is too large for a float64") from None
    if a.ndim == 0 or a.dtype.kind not in "OUST":
        raise TypeError(f"{name} must hold numbers, got {a.dtype if a.ndim else repr(original)}")
    value, where = _first_without_number(original, a)
    if not isinstance(value, str):
        remedy = "Convert it to a number, and fill missing values"
    elif _is_numeric(value):
        remedy = f"Convert text to numbers, for example with numpy.asarray({name}, float)"
    elif name == "y":
        remedy = ENCODE_CLASSES
    else:
        remedy = "Encode text as numbers, for example one column of 0 and 1 for each category"
    raise TypeError(f"{name} must hold numbers, got {value!r} in {where}. {remedy}.")


def _first_without_number(original, a):
    """Return the first value of an array that is not a number, and the words for its place."""
    index = next(i for i in np.ndindex(a.shape[1:]) if not _are_numbers(a[(slice(None), *i)]))
    column = a[(slice(None), *index)]
    row = next(i for i in range(len(column)) if not _are_numbers(column[i : i + 1]))
    value, where = column[row : row + 1].tolist()[0], f"row {row}"
    if index:
        # PyArrow's `columns` are the columns themselves
        arrow = hasattr(type(original), "column_names")
        names = list(original.column_names if arrow else getattr(original, "columns", ()))
        label = names[index[0]] if len(names) == a.shape[1] else index[0]
        where = f"column {label!r}, row {row}"
    return value, where


def _are_numbers(values):
    """Whether an array of objects, of any shape, holds real numbers only."""
    kinds = set(map(type, values.flat))
    return all(issubclass(kind, (numbers.Real, np.bool_)) for kind in kinds)


def _is_numeric(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def ready(a, dtype):
    """Return the array as kernels read it: of this dtype, native, C-contiguous and aligned."""
    a = np.asarray(a, dtype, order="C")
    return a if a.flags.aligned else a.copy()


def check_matrix(name: str, a: Any, dtype: Any = None, n_columns: int | None = None) -> FloatArray:
    """Check an array of shape (n, n_columns)."""
    a = check_array(name, a, dtype)
    if a.ndim != 2:
        hint = (
            f". For one row pass {name}[None, :], for one column {name}[:, None]."
            if a.ndim == 1
            else ""
        )
        raise ValueError(
            f"{name} must have 2 dimensions (rows, columns), got {a.ndim} (shape {a.shape}){hint}"
        )
    if n_columns is not None and a.shape[1] != n_columns:
        raise ValueError(
            f"{name} has {a.shape[1]} column{'s' * (a.shape[1] != 1)}, but the network expects "
            f"{n_columns}. Pass an array of shape (n, {n_columns})."
        )
    return a


def check_weight(W: Any, n_in: int | None = None, dtype: Any = None) -> FloatArray:
    """Check a weight matrix W (n_in, n_out)."""
    W = check_matrix("W", W, dtype)
    if n_in is not None and W.shape[0] != n_in:
        hint = ". W must have shape (n_in, n_out). Pass W.T." if W.shape[1] == n_in else ""
        raise ValueError(f"W has {W.shape[0]} rows, but X has {n_in} columns{hint}")
    return W


def check_shape(name: str, a: Any, shape: tuple[int, ...], dtype: Any = None) -> FloatArray:
    """Check an array of exactly this shape."""
    a = check_array(name, a, dtype)
    if a.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {a.shape}")
    return a


def check_out(name: str, a: Any, shape: tuple[int, ...], dtype: Any, *others: Any) -> FloatArray:
    """Check an ndarray that receives a result: shape, dtype, memory, no overlap with `others`."""
    if not isinstance(a, np.ndarray):
        raise TypeError(
            f"{name} must be a NumPy array, got {type(a).__name__}. A result written to a copy would be lost."
        )
    if shape is not None and a.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {a.shape}")
    if a.dtype != dtype:
        raise TypeError(f"{name} must be {dtype}, got {a.dtype}")
    if not a.flags.c_contiguous:
        raise ValueError(
            f"{name} must be C-contiguous, since a result written to a copy would be lost. "
            f"Pass an array made by numpy.empty or numpy.ascontiguousarray({name})."
        )
    if not a.flags.writeable:
        raise ValueError(f"{name} is read-only. Pass a writable array.")
    if not a.flags.aligned:
        raise ValueError(
            f"{name} is not aligned: its memory begins within a number. Pass an array that NumPy "
            "allocated."
        )
    for other in others:
        if overlaps(a, other):
            raise ValueError(f"{name} overlaps another argument. Pass a separate array.")
    return a


def overlaps(a, other):
    """Whether a shares memory with other, an array or anything with a buffer."""
    if other is None:  # the usual case; an exception takes half a microsecond
        return False
    if not isinstance(other, np.ndarray):
        try:
            other = np.asarray(memoryview(other))
        except TypeError:
            return False
    return np.may_share_memory(a, other)


def check_rows(name: str, n: int, expected: int) -> None:
    """Check that `name` has as many rows as X."""
    if n != expected:
        raise ValueError(f"{name} has {n} row{'s' * (n != 1)}, but X has {expected}")


def check_sample_weight(w: Any, n: int, dtype: Any) -> Any:
    """Return weights (n,), none negative, and the power of two that `in_range` applied.

    None stays None.
    """
    if w is None:
        return None, 1.0
    w = check_array("sample_weight", w)
    if w.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), one weight per row, got {w.shape}")
    if n and w.min() < 0:
        raise ValueError(
            f"sample_weight must not be negative, got {w.min():g} in row {int(w.argmin())}"
        )
    return in_range(w, dtype)


def in_range(w, dtype):
    """Return the weights in `dtype`, and the power of two that they were multiplied by.

    The factor keeps the largest weight from underflow and overflow. It is 1 for ordinary weights,
    which keep their bits. A loss sum(w_i l_i) / sum(w_i) does not depend on it.
    """
    exponent = max(math.frexp(w.max(initial=0))[1], -1000)  # 0 for inf and NaN
    if abs(exponent) <= (100 if dtype == np.float32 else 900):
        return ready(w, dtype), 1.0
    return ready(np.ldexp(w, -exponent), dtype), math.ldexp(1.0, -exponent)


def check_values(
    y: Any, n: int, n_out: int, dtype: Any, unit_interval: str | None = None
) -> FloatArray:
    """Return targets (n, n_out), also from (n,) for one output.

    unit_interval : name of the loss if it needs targets in [0, 1], else None.
    """
    y = check_array("y", y, dtype)
    if y.ndim == 1 and n_out == 1:
        y = y[:, None]
    if y.ndim != 2 or y.shape[1] != n_out:
        expected = f"(n,) or (n, {n_out})" if n_out == 1 else f"(n, {n_out})"
        raise ValueError(
            f"y must have shape {expected} for {n_out} output{'s' * (n_out != 1)}, got {y.shape}"
        )
    check_rows("y", len(y), n)
    # compared as integers first: one pass over good labels instead of two
    if (
        unit_interval
        and y.size
        and y.view(f"u{y.itemsize}").max() > ONE_IN_BITS[y.itemsize]
        and (y.min() < 0 or y.max() > 1)
    ):
        row = int(np.argmax(((y < 0) | (y > 1)).any(axis=1)))
        raise ValueError(
            f"y must lie in [0, 1] for loss {unit_interval!r}, got {y[row].tolist()} in row {row}. "
            "For labels -1 and 1 pass (y + 1) / 2."
        )
    return y


def check_classes(y: Any, n: int, n_out: int) -> Any:
    """Return class indices 0..n_out-1 as int64 (n,), also from (n, 1).

    None if y holds rows of probabilities.
    """
    y = as_array("y", y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        return None
    if y.dtype.kind == "O" and _are_numbers(y):  # such as a column of a mixed data frame
        y = check_array("y", y)
    if y.dtype.kind not in "fiub" or (
        y.dtype.kind == "f" and not (np.isfinite(y) & (np.rint(y) == y)).all()
    ):
        raise ValueError(
            f"y must hold class indices 0..{n_out - 1} or rows of {n_out} probabilities, "
            f"got {y.dtype} starting with {y[:3].tolist()}"
            + (f". {ENCODE_CLASSES}" if y.dtype.kind not in "fiub" else "")
        )
    check_rows("y", len(y), n)
    if n and (y.min() < 0 or y.max() >= n_out):
        row = int(np.argmax((y < 0) | (y >= n_out)))
        raise ValueError(
            f"y holds class {y[row]} in row {row}, but the network has {n_out} outputs: "
            f"classes are 0..{n_out - 1}"
        )
    return ready(y, np.int64)


def check_input_numbers(inputs: Any, n_in: int, name: str = "inputs") -> tuple[Any, int]:
    """Return the numbers of inputs as an array of intp, None for all, and how many they are."""
    if inputs is None:
        return None, n_in
    numbers: Any = as_array(name, inputs)
    if numbers.ndim == 1 and numbers.dtype == bool and len(numbers) == n_in:
        numbers = np.flatnonzero(numbers)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not len(numbers):
        raise ValueError(
            f"{name} must be a sequence of numbers of inputs, or a mask of {n_in} bools with one True at "
            f"least, got {inputs!r}"
        )
    if not (-n_in <= numbers.min() and numbers.max() < n_in):
        wrong = numbers[(numbers < -n_in) | (numbers >= n_in)][0]
        raise ValueError(f"{name} must be numbers from 0 to {n_in - 1}, got {wrong}")
    return np.ascontiguousarray(numbers % n_in, np.intp), len(numbers)


def check_distinct_inputs(inputs: Any, n_in: int, name: str) -> Any:
    """Return different numbers of inputs as an array of intp; None stands for all."""
    numbers = check_input_numbers(inputs, n_in, name)[0]
    if numbers is None:
        return np.arange(n_in, dtype=np.intp)
    if len(np.unique(numbers)) < len(numbers):
        raise ValueError(f"{name} must name each input once, got {inputs!r}")
    return numbers
