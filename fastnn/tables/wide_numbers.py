"""Whole numbers from 2**53 on, such as long ids, most of which float64 cannot hold."""

import re

from .number_texts import PLAIN_STYLE, is_written
from .part_texts import STYLES
from .table_errors import import_pyarrow

LIMIT = 2**53
LEAST_DIGITS = 16  # of a wide number
DIGITS = re.compile(r"[-+]?\d+")


def is_wide(text, style=PLAIN_STYLE):
    """Whether a text is the digits of a wide number.

    style : of the column; see `number_texts`
    """
    if len(text) < LEAST_DIGITS or style in STYLES:
        return False
    number = to_whole(text, style)
    return number is not None and abs(number) >= LIMIT


def is_wide_integer(value):
    """Whether a value of any type is a wide number."""
    return isinstance(value, int) and abs(value) >= LIMIT


def to_whole(text, style=PLAIN_STYLE):
    """Return the whole number whose digits a text is, as an int; None for another text."""
    text = text.strip()
    decimal, thousands = style.split("|")[:2]
    if thousands and thousands in text and is_written(text.lstrip("+-"), decimal, thousands):
        text = text.replace(thousands, "")
    return int(text) if DIGITS.fullmatch(text) else None


def are_wide(column):
    """Whether an Arrow column of numbers holds any that is as large as a wide number."""
    pa = import_pyarrow()
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return False
    least, most = pa.compute.min_max(column).as_py().values()
    return least is not None and (least <= -LIMIT or most >= LIMIT)
