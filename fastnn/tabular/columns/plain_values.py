"""Read the values of a few rows without the conversions of whole tables, which take a millisecond.

Each function takes the values of one column as JSON has them. It returns None for all values that
are not plain: texts that are not what their column holds, unknown categories, infinite or very large
numbers, mixed types, other dates than those of ISO 8601.
"""

import math

from ...tables.missing_marks import is_missing_mark
from ...tables.wide_numbers import LIMIT
from .input_column import number_text

NONE = type(None)
NUMBERS = {int, float, NONE}
TEXTS = {str, NONE}
BOOLEANS = {bool, NONE}


def read_numbers(values, parse, style):
    """Return numbers, with NaN for missing ones. parse(text, style) : as of `Numeric.find_style`"""
    types = set(map(type, values))
    if types <= NUMBERS:
        return [math.nan if x is None else x for x in values] if _are_small(values) else None
    if types <= BOOLEANS:
        return [math.nan if x is None else float(x) for x in values]
    return read_texts(values, parse, style)


def _are_small(numbers):
    """Whether numbers, NaN and None are so small that float64 holds them. Integers have any size."""
    return all(-LIMIT <= x <= LIMIT for x in numbers if x is not None and x == x)


def read_texts(values, parse, style):
    """Return the numbers that texts stand for. parse(text, style) : as of `Numeric.find_style`"""
    if not set(map(type, values)) <= TEXTS:
        return None
    out = []
    for text in values:
        x = math.nan if text is None else parse(text, style)
        if not math.isfinite(x) and text is not None and not is_missing_mark(text):
            return None
        out.append(x if math.isfinite(x) else math.nan)
    return out


def read_categories(values, known):
    """Return texts of known categories. known : set with them and None, for missing values"""
    types = set(map(type, values))
    if types <= TEXTS:
        out = values
    elif (types <= NUMBERS and _are_small(values)) or types <= BOOLEANS:
        out = [None if value is None else number_text(float(value)) for value in values]
    else:
        return None
    return out if known.issuperset(out) else None
