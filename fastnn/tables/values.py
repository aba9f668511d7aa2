"""What the values of a column are (numbers, texts, or what fastnn cannot use), and the errors that
name the line of a bad one."""

import math

import numpy as np

from .files import TableError, arrow, shown, where

SMALL_SCALE = 1e-140  # below it, squares of numbers lose digits or become 0


def is_number(kind):
    types = arrow().types
    return (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
    )


def is_text(kind):
    return arrow().types.is_string(kind)


def kind(arrow_type):
    types = arrow().types
    return (
        "dates or times"
        if types.is_temporal(arrow_type)
        else "text"
        if is_text(arrow_type)
        else f"values of type {arrow_type}"
    )


def to_numbers(path, name, array):
    """float64, NaN where missing; infinities refused."""
    pa = arrow()
    if not is_number(array.type):
        row, text = not_a_number(array) if is_text(array.type) else (None, "")
        what = f"{shown(text)!r}" if row is not None else kind(array.type)
        place = path if row is None else where(path, row)
        raise TableError(
            f"{place}: column {shown(name)!r} holds {what}, the model takes numbers there: give numbers, empty for missing"
        )
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    if not pa.types.is_floating(
        array.type
    ):  # those go as they are: an older pyarrow cannot cast float16
        array = array.cast(pa.float64(), safe=False)
    numbers = np.array(array.to_numpy(), dtype=float)
    infinite = np.isinf(numbers)
    if infinite.any():
        raise TableError(
            f"{where(path, int(infinite.argmax()))}: column {shown(name)!r} is infinite: give a number, or leave it empty for missing"
        )
    return numbers


def to_texts(path, name, array):
    """One pyarrow array of strings; whole numbers have no point."""
    pa = arrow()
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
            f"{path}: column {shown(name)!r} holds {kind(array.type)}: give text or numbers"
        ) from None


def is_float(text):
    """Whether it reads as a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def not_a_number(texts):
    """(row, text) of the first that is not a number."""
    for row, text in enumerate(texts.to_pylist()):
        if text is not None and not is_float(text):
            return row, text
    return None, ""


def mean_and_scale(path, name, numbers):
    """What standardises these numbers; a scale of 1 where they are all the same."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(numbers.mean()), float(numbers.std())
    if not math.isfinite(mean) or not math.isfinite(scale):
        raise TableError(
            f"{path}: column {shown(name)!r} holds numbers up to {np.abs(numbers).max():.0e}, too large to work with: rescale it"
        )
    if numbers.min() == numbers.max():
        return mean, scale if scale > 0 else 1.0
    if scale < SMALL_SCALE:
        unit = power_of_two(numbers - mean)
        scale = float(np.std((numbers - mean) / unit)) * unit
        if scale < np.finfo(float).tiny:
            raise TableError(
                f"{path}: column {shown(name)!r} holds numbers that differ by less than {np.finfo(float).tiny:.0e}, too little to work "
                "with: rescale it"
            )
    return mean, scale


def power_of_two(numbers):
    """The greatest power of two, of normal size, that is not above all of these numbers; 1 for
    zeros.

    Numbers divided by it have squares that neither overflow nor underflow, and the same digits.
    """
    largest = float(np.abs(numbers).max())
    return max(2.0 ** (math.frexp(largest)[1] - 1), float(np.finfo(float).tiny)) if largest else 1.0


def column(path, table, name, what="column"):
    """A column by name; a TableError that lists what there is otherwise."""
    if name not in table.column_names:
        close = [
            other for other in table.column_names if other.lower().strip() == name.lower().strip()
        ]
        names = ", ".join(map(shown, table.column_names[:8])) + (
            ", ..." if len(table.column_names) > 8 else ""
        )
        raise TableError(
            f"{path}: has no {what} {shown(name)!r}; "
            + (f"did you mean {close[0]!r}?" if close else f"its columns are {names}")
        )
    return table.column(name)


def standardised(path, name, numbers, mean, scale):
    """(x - mean) / scale, float64; numbers that float32 could not work with are refused."""
    with np.errstate(over="ignore"):
        z = (numbers - mean) / scale
    extreme = ~(np.abs(z) < 1e15)  # squares of it must still be float32
    if extreme.any():
        row = int(extreme.argmax())
        raise TableError(
            f"{where(path, row)}: column {shown(name)!r} is {numbers[row]:g}, far from all training data (mean {mean:g}): mend it"
        )
    return z


def check_known(path, name, array):
    """A target may not be missing."""
    missing = arrow().compute.is_null(array, nan_is_null=True).to_numpy()
    if missing.any():
        row, n = int(missing.argmax()), int(missing.sum())
        raise TableError(
            f"{where(path, row)}: the target {shown(name)!r} is missing: fill it, or leave out such rows ({n:,} in all)"
        )
