"""Recognition of a column of texts as numbers, dates, or texts.

Nearly all texts decide. The others are errors of typing, lines that went wrong, or words such as
"unknown", and count as missing. Codes that are numbers but for some letters (V27, 90210-1234) are not
numbers; see docs/decisions/0038-numbers-are-numbers.md.
"""

import math
import re
from dataclasses import dataclass
from functools import partial

from ..core.messages import printable
from . import dates, number_styles
from .missing_marks import is_missing_mark, present_texts
from .number_texts import match_number, parser

FEWEST = 10  # so many distinct numbers, or fewer, are not recognised beside other texts
MOST_TEXTS = 0.05  # share of the others among the distinct texts
MOST_ROWS = 0.05  # share of the others among the rows
#: If so many distinct texts are numbers, others in few rows may be more of the texts.
MANY, MOST_TEXTS_OF_MANY, MOST_ROWS_OF_MANY = 50, 0.2, 0.02
FEW_TEXTS, FEW_ROWS = 2, 0.01  # so many others in so few rows may be more of the distinct texts
MOST_ROWS_OF_WORD = 0.5  # share of one word, such as "unknown": missing tells the same
MOST_CODES = 0.005  # share of the codes among the distinct texts
CODE = re.compile(r"[^\W\d_]\d|\d[^\W\d_]|\d-\d")
HOW_MANY = 3  # examples
MIN_CODE = 3  # digits
MAX_CLASS_NUMBERS = 10  # whole numbers with more distinct values are numbers, not classes
TRUTHS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Recognised:
    """What the texts of a column are.

    Attributes
    ----------
    kind : {"number", "date"}
    style : str
        Of a number, or the format of dates.
    values : list of float
        The number of each distinct text, or its seconds since 1970; NaN for missing values and others.
    others : list of str
        The texts that are not of this kind, which count as missing.
    """

    kind: str
    style: str
    values: list
    others: list


def recognise(distinct, rows=None, name=""):
    """Return the Recognised of a column whose texts are all, or nearly all, numbers or dates, else None.

    Parameters
    ----------
    distinct : sequence of str
        The distinct texts. Marks for missing values are ignored.
    rows : callable, optional
        Returns {text: in how many rows it is}. By default one row.
    name : str, default ""
        That of the column; see `number_styles.find_style`.
    """
    present = present_texts(distinct)
    if not present:
        return None
    date = dates.find_compact(present)
    if date is not None:
        return read(distinct, "date", date)
    style, n_others = number_styles.find_style(present, name)
    if n_others == 0:
        found = read(distinct, "number", style)
        if not found.others:
            return found
    date = dates.find_format(present)
    if date is not None:
        return read(distinct, "date", date)
    if len(present) <= FEWEST:
        return None
    counts = dict.fromkeys(distinct, 1) if rows is None else rows()
    counts = {text: n for text, n in counts.items() if not is_missing_mark(text)}
    style = number_styles.with_ranges(style, present)
    date = dates.find_format_of_most(present)
    for kind, found in (("number", style), ("date", date)):
        if found is not None:
            recognised = read(distinct, kind, found)
            others = recognised.others
            are_codes = kind == "number" and _are_codes(others, present)
            if not are_codes and _are_few(others, len(present), counts):
                return recognised
    return None


def read(distinct, kind, style):
    """Return the Recognised of texts in a style."""
    convert = parser(style) if kind == "number" else partial(dates.seconds_of, name=style)
    values, others = [], []
    for text in distinct:
        value = math.nan
        if not is_missing_mark(text):
            value = convert(text.strip())
            if not math.isfinite(value):
                others.append(text)
        values.append(value)
    return Recognised(kind, style, values, others)


def _are_few(others, n, counts):
    """Whether a column is numbers, or dates, although some of its n distinct texts are not."""
    n_others, n_rows = len(others), sum(counts.values())
    if n - n_others <= FEWEST:
        return False
    rows = sum(counts[text] for text in others)
    if n_others <= FEW_TEXTS and rows <= FEW_ROWS * n_rows:
        return True
    if n - n_others >= MANY and n_others <= MOST_TEXTS_OF_MANY * n:
        if rows <= MOST_ROWS_OF_MANY * n_rows:
            return True
    if n_others > MOST_TEXTS * n:
        return False
    words = [text for text in others if not any(map(str.isdecimal, text))]
    if words:
        frequent = max(counts[text] for text in words)
        if frequent <= MOST_ROWS_OF_WORD * n_rows:
            rows -= frequent
    return rows <= MOST_ROWS * n_rows


def _are_codes(others, present):
    """Whether numbers beside other texts are codes, such as diagnoses, houses and postal codes."""
    n = len(present)
    n_codes, n_zeros = sum(map(_is_code, others)), sum(map(begins_with_zero, present))
    return n_zeros > MOST_CODES * n or n_codes > max(1, MOST_CODES * n)


def _is_code(text):
    if CODE.search(text) is None:
        return False
    number = match_number(text.strip())
    return number is None or len(number.tail.unit) == 1  # 12A, but not 12 km


def begins_with_zero(text):
    """Whether a text is digits that begin with 0, like a postal code."""
    return text[:1] == "0" and len(text) > 1 and text.isdecimal()


def find_padded(texts):
    """Return the first text that begins with 0, if all are equally long, as postal codes are; or None."""
    lengths = set(map(len, texts))
    if len(lengths) != 1 or min(lengths) < MIN_CODE:  # 08 is an hour or a month
        return None
    return next(filter(begins_with_zero, texts), None)


def are_class_numbers(n_distinct, n_rows):
    """Return whether whole numbers are classes: few ones, most of which occur more than once."""
    return n_distinct <= min(MAX_CLASS_NUMBERS, n_rows / 2)


def truth(text):
    """Return 1.0 for a text like true, 0.0 for one like false, else None.

    `recognise` takes both for texts. The estimators take them for numbers.
    """
    return TRUTHS.get(text.strip().lower())


def examples(others):
    """Return the first of some texts for a message."""
    shown = ", ".join(repr(printable(text)) for text in others[:HOW_MANY])
    return shown + (", ..." if len(others) > HOW_MANY else "")
