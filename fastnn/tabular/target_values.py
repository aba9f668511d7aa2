"""The targets that are passed to `fit`, as arrays that can be learned, after checks."""

from numbers import Integral

import numpy as np

from ..core.errors import Argument, DataError
from ..core.messages import plural, printable
from .columns.input_column import is_missing

MAX_TEXT = 40  # characters of a value in a message


def to_labels(y):
    """Return classes as a vector that scikit-learn can sort. Missing classes are an error."""
    from sklearn.utils.validation import column_or_1d

    dtype = getattr(y, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype) and hasattr(y, "to_numpy"):
        y = y.to_numpy()  # an extension type of pandas, or Polars
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "f":
        _check_finite(y)
    if y.dtype != object:
        return y
    values = y.tolist()
    for row, value in enumerate(values):
        if is_missing(value):
            raise DataError(
                "{argument} has a missing class in {row}.", "Remove the row.", argument="y", row=row
            )
    if all(isinstance(value, bool) for value in values):
        return y.astype(bool)
    if all(isinstance(value, Integral) for value in values):
        return y.astype(np.int64)
    if len({isinstance(value, str) for value in values}) > 1:
        names = sorted({type(value).__name__ for value in values})
        raise ValueError(
            f"y holds classes of the types {', '.join(names)}, which cannot be sorted. Convert them "
            "to texts: [str(label) for label in y]"
        )
    return y


def _check_finite(y):
    """Raise DataError if a target is missing or infinite."""
    wrong = np.flatnonzero(~np.isfinite(y))
    if len(wrong):
        row = int(wrong[0])
        n = len(wrong)
        raise DataError(
            "{argument} is {what} in {row}{others}.",
            "Remove {rows} from X and y.",
            argument="y",
            row=row,
            what="missing (NaN)" if np.isnan(y[row]) else "infinite",
            others=f" and {plural(n - 1, 'other row')}" if n > 1 else "",
            rows="these rows" if n > 1 else "the row",
        )


def _refuse_text(y):
    """Raise DataError for the first of some targets that is not a number, if there is one."""
    for row, value in enumerate(y):
        try:
            float(value)
        except (TypeError, ValueError):
            raise DataError(
                "{argument} must hold numbers, but holds {value!r} in {row}.",
                "To convert texts such as $1,234 and 12%, pass "
                "fastnn.tables.convert_texts(pyarrow.table(dict(y=texts)))['y'] as y. For classes, "
                "use TabularClassifier.",
                argument="y",
                value=printable(str(value), MAX_TEXT),
                row=row,
            ) from None


def check_numbers(y, log):
    """Return targets in float64, after checks. log : whether their logarithm is learned"""
    from sklearn.utils.validation import check_array, column_or_1d

    if getattr(getattr(y, "dtype", None), "kind", "") in ("M", "m"):
        raise ValueError(f"y holds {y.dtype}, but must hold numbers. Convert it to numbers.")
    try:
        y = check_array(
            y, dtype=np.float64, ensure_2d=False, ensure_all_finite=False, input_name="y"
        )
    except ValueError as error:
        if "could not convert" not in str(error):
            raise
        _refuse_text(np.asarray(y, object).ravel())
        raise
    y = column_or_1d(y, warn=True)
    _check_finite(y)
    if log and y.min() <= 0:
        raise DataError(
            "{argument} needs targets above 0, got {value:g} in {row}.",
            "Pass log_target=False, loss='poisson' for counts, or fit np.log1p(y) and apply "
            "np.expm1 to the predictions.",
            argument=Argument("log_target", True),
            row=int(y.argmin()),
            value=y.min(),
        )
    return y
