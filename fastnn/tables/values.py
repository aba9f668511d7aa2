"""Convert the values of a column to numbers or text, and report the line of an invalid value."""

import math

import numpy as np

from .errors import TableError, did_you_mean, import_pyarrow, printable
from .files import locate

MIN_DIRECT_SCALE = 1e-140  # squares of smaller numbers lose digits or underflow to 0


def is_number(arrow_type):
    types = import_pyarrow().types
    return (
        types.is_integer(arrow_type)
        or types.is_floating(arrow_type)
        or types.is_decimal(arrow_type)
        or types.is_boolean(arrow_type)
        or types.is_null(arrow_type)
    )


def is_text(arrow_type):
    return import_pyarrow().types.is_string(arrow_type)


def describe_type(arrow_type):
    if import_pyarrow().types.is_temporal(arrow_type):
        return "dates or times"
    return "text" if is_text(arrow_type) else f"values of type {arrow_type}"


def to_numbers(path, name, array):
    """Convert a column to float64, with NaN for missing values. Infinite values are an error."""
    pa = import_pyarrow()
    if not is_number(array.type):
        row, text = first_non_number(array) if is_text(array.type) else (None, "")
        what = f"{printable(text)!r}" if row is not None else describe_type(array.type)
        place = path if row is None else locate(path, row)
        raise TableError(
            f"{place}: column {printable(name)!r} contains {what}, but the model expects numbers. "
            "Leave missing values empty."
        )
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    if not pa.types.is_floating(array.type):  # older pyarrow cannot cast float16
        array = array.cast(pa.float64(), safe=False)
    numbers = np.array(array.to_numpy(), dtype=float)
    infinite = np.isinf(numbers)
    if infinite.any():
        raise TableError(
            f"{locate(path, int(infinite.argmax()))}: column {printable(name)!r} is infinite. "
            "Use a finite number, or leave the value empty if it is missing."
        )
    return numbers


def to_texts(path, name, array):
    """Convert a column to one pyarrow array of strings. Whole numbers have no decimal point."""
    pa = import_pyarrow()
    try:
        if pa.types.is_floating(array.type):
            whole = pa.compute.equal(array, pa.compute.round(array))
            exact = pa.compute.and_(whole, pa.compute.less(pa.compute.abs(array), 2.0**53))
            integers = pa.compute.if_else(exact, array, None).cast(pa.int64())
            array = pa.compute.coalesce(integers.cast(pa.string()), array.cast(pa.string()))
        texts = array.cast(pa.string())
        return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    except pa.ArrowException:
        raise TableError(
            f"{path}: column {printable(name)!r} contains {describe_type(array.type)}. "
            "Only text and numbers are supported."
        ) from None


def is_float(text):
    """Return whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def first_non_number(texts):
    """Return (row, text) of the first text that is not a number, or (None, "")."""
    for row, text in enumerate(texts.to_pylist()):
        if text is not None and not is_float(text):
            return row, text
    return None, ""


def mean_and_scale(path, name, numbers):
    """Return the mean, and the standard deviation or 1 if it is 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(numbers.mean()), float(numbers.std())
    if not math.isfinite(mean) or not math.isfinite(scale):
        raise TableError(
            f"{path}: column {printable(name)!r} contains numbers up to "
            f"{np.abs(numbers).max():.0e}, which is too large. Rescale the column."
        )
    if numbers.min() == numbers.max():
        return mean, scale if scale > 0 else 1.0
    if scale < MIN_DIRECT_SCALE:
        unit = power_of_two(numbers - mean)
        scale = float(np.std((numbers - mean) / unit)) * unit
        if scale < np.finfo(float).tiny:
            raise TableError(
                f"{path}: column {printable(name)!r} contains numbers that differ by less than "
                f"{np.finfo(float).tiny:.0e}, which is too little. Rescale the column."
            )
    return mean, scale


def power_of_two(numbers):
    """Return the largest power of two that is not above the largest absolute value.

    It is at least the smallest normal float64, and 1 if all numbers are 0. Division by it is exact,
    and the squares of the quotients neither overflow nor underflow.
    """
    largest = float(np.abs(numbers).max())
    return max(2.0 ** (math.frexp(largest)[1] - 1), float(np.finfo(float).tiny)) if largest else 1.0


def get_column(path, table, name):
    """Return a column by name. If it is absent, raise a TableError that lists the columns."""
    if name not in table.column_names:
        what = did_you_mean(name, table.column_names)
        raise TableError(f"{path}: has no column {printable(name)!r}. {what}")
    return table.column(name)


def standardize(path, name, numbers, mean, scale):
    """Return (x - mean) / scale as float64. Results too large for float32 training are an error."""
    with np.errstate(over="ignore"):
        z = (numbers - mean) / scale
    extreme = ~(np.abs(z) < 1e15)  # float32 must hold the squares
    if extreme.any():
        row = int(extreme.argmax())
        raise TableError(
            f"{locate(path, row)}: column {printable(name)!r} is {numbers[row]:g}, far outside the "
            f"training data (mean {mean:g}). Correct the value."
        )
    return z


def check_not_missing(path, name, array):
    """Raise TableError if a value of the target is missing."""
    missing = import_pyarrow().compute.is_null(array, nan_is_null=True).to_numpy()
    if missing.any():
        row, n = int(missing.argmax()), int(missing.sum())
        raise TableError(
            f"{locate(path, row)}: the target {printable(name)!r} is missing "
            f"(in {n:,} row{'s' * (n != 1)}). Fill in the value, or remove the row."
        )
