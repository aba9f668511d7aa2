"""Convert records, a list of dicts, to an Arrow table."""

from decimal import Decimal

import numpy as np

from ...core.errors import Argument, DataError
from ...core.messages import printable
from ...core.validation import describe_type
from ...tables import files
from .input_column import is_missing

MOST_DIGITS = 76  # of decimals in Arrow tables


def from_records(records):
    """Return an Arrow table of a list of dicts {column: value}, whose missing keys are missing values."""
    pyarrow = files.import_pyarrow()
    names: dict = {}
    for i, record in enumerate(records):
        if not isinstance(record, dict):
            raise ValueError(
                f"X must hold a dict for each row, but X[{i}] is {describe_type(record)}. Pass "
                "dicts {column: value}."
            )
        names |= dict.fromkeys(record)
    if not names:
        raise ValueError("X holds dicts without items. Pass dicts {column: value}.")
    columns = {}
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"X has a column named {name!r}. Names of columns must be str, as in JSON."
            )
        columns[name] = _to_arrow(pyarrow, name, [record.get(name) for record in records])
    return pyarrow.table(columns)


def _to_arrow(pyarrow, name, values):
    """Return an Arrow array of a column of records."""
    try:
        return pyarrow.array(values)
    except OverflowError:  # an integer of more than 64 bits
        if all(value is None or isinstance(value, int) for value in values):
            decimals = [None if value is None else Decimal(value) for value in values]
            if all(x is None or len(x.as_tuple().digits) <= MOST_DIGITS for x in decimals):
                return pyarrow.array(decimals, pyarrow.decimal256(MOST_DIGITS, 0))
        # float(10**400) would raise an error, too; from a text it is infinite
        floats = [float(str(value + 0)) if isinstance(value, int) else value for value in values]
        return _to_arrow(pyarrow, name, floats)
    except UnicodeEncodeError as error:
        raise DataError(
            "column {column!r} holds {value!r} in {row}, a text that UTF-8 cannot hold.",
            "Remove the lone surrogate.",
            column=printable(name),
            row=values.index(error.object),
            value=printable(error.object),
        ) from None
    except (TypeError, ValueError, pyarrow.ArrowException):
        plain = [_to_plain(value) for value in values]
        if any(a is not b for a, b in zip(plain, values)):
            return _to_arrow(pyarrow, name, plain)
        raise DataError(
            "column {column!r} of {X} mixes types, such as numbers and texts.",
            "Pass values of one type, and None for missing ones.",
            column=printable(name),
            X=Argument("X"),
        ) from None


def _to_plain(value):
    """Return a time of NumPy as a datetime and a missing value as None; others as they are.

    pyarrow takes no times of NumPy in days, minutes and longer units, and no NaT or NA of pandas.
    """
    if is_missing(value):
        return None
    return value.astype("M8[us]").item() if isinstance(value, np.datetime64) else value
