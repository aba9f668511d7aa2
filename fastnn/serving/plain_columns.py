"""Read the values of a few rows without the conversions of whole tables, which take a millisecond.

Each reader takes the values of one column as JSON has them. It returns what `Column.convert` would
make of them, or None for all values that are not plain: texts that are not what their column holds,
unknown categories, infinite or very large numbers, mixed types, other dates than those of ISO 8601.
The request is then read as a table, which has all rules, errors and notes.
"""

import math

from ..tables.dates import seconds_of
from ..tables.missing_marks import is_missing_mark
from ..tabular.columns.input_column import InputColumn, number_text
from ..tabular.columns.number import to_number

NONE = type(None)
NUMBERS = {int, float, NONE}
TEXTS = {str, NONE}
BOOLEANS = {bool, NONE}
LARGEST = 2.0**53  # integers up to here are float64 numbers


def reader_of(column, categories):
    """Return the reader of a Column: read(values) returns numbers with NaN, or texts with None.

    categories : list of str, or None if it is not a category
    """
    if column.kind == "category":
        known = {*categories, None}
        return lambda values: _read_categories(values, known)
    if column.kind == "number":
        style = column.find_style(None)[0]
        return lambda values: _read_numbers(values, style)
    if column.kind == "date":
        style = column.style or "iso"
        return lambda values: _read_dates(values, style)
    return lambda values: None


def _read_numbers(values, style):
    types = set(map(type, values))
    if types <= NUMBERS:
        return [math.nan if x is None else x for x in values] if _are_small(values) else None
    if types <= TEXTS:
        return _read_texts(values, to_number, style)
    return [math.nan if x is None else float(x) for x in values] if types <= BOOLEANS else None


def _are_small(numbers):
    """Whether numbers, NaN and None are so small that float64 holds them. Integers have any size."""
    return all(-LARGEST <= x <= LARGEST for x in numbers if x is not None and x == x)


def _read_dates(values, style):
    if set(map(type, values)) <= TEXTS:
        return _read_texts(values, seconds_of, style)
    return None


def _read_texts(values, parse, style):
    out = []
    for text in values:
        x = math.nan if text is None else parse(text, style)
        if not math.isfinite(x) and text is not None and not is_missing_mark(text):
            return None
        out.append(x if math.isfinite(x) else math.nan)
    return out


def _read_categories(values, known):
    types = set(map(type, values))
    if types <= TEXTS:
        out = values
    elif (types <= NUMBERS and _are_small(values)) or types <= BOOLEANS:
        out = [None if value is None else number_text(float(value)) for value in values]
    else:
        return None
    return out if known.issuperset(out) else None


def to_input_column(column, values, to_array):
    """Return the InputColumn of what a reader has returned. to_array : numpy.array"""
    if column.kind == "category":
        code_of: dict = {}
        codes = [-1 if x is None else code_of.setdefault(x, len(code_of)) for x in values]
        return InputColumn("text", to_array(codes, "int64"), list(code_of))
    kind = "time" if column.kind == "date" else "number"
    return InputColumn(kind, to_array(values, "float64"))
