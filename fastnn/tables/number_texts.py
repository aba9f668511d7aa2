"""Numbers that are written as texts: what a text consists of, and the number it stands for.

The style of a column is a text, so that a model file can keep it: the decimal mark, the separator of
thousands and the unit, with vertical bars between them, as in ",|.|€". If the column has multipliers
(K, million), bounds (10+, <5) or ranges (10 - 20), a fourth part names them: ".||€|K", ".|,||+". Times and lengths of
several parts have styles of their own; see `part_texts`.
"""

import math
import re
from functools import lru_cache
from typing import NamedTuple

from . import part_texts, units
from .units import CURRENCIES, MULTIPLIERS, is_currency

PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?inf(?:inity)?|nan", re.I)
PLAIN_STYLE, DECIMAL_COMMA, NO_THOUSANDS = ".||", ",|.|", ",||"
WORD = r"[^\W\d_]+[/.]?[^\W\d_]*[²³]?"
DISGUISED = re.compile(
    r"(?P<open>\()?\s*(?P<bound>[<>\u2264\u2265~\u2248]=?)?\s*(?P<sign>[-+\u2212])?\s*"
    rf"(?P<before>{CURRENCIES})?\s*(?P<sign2>[-+\u2212])?\s*"
    r"(?P<number>\d(?:[\d.,'\u2019 \u00a0\u202f]*\d)?[.,]?|[.,]\d+)(?P<exponent>[eE][-+]?\d+)?"
    rf"(?P<plus>\+)?\s*(?P<word>%|{CURRENCIES}|{WORD}|°[CFK]?|[\"\u2033\u201d])?"
    rf"(?:\s*(?P<money>{CURRENCIES})|\s+(?P<second>{WORD}))?(?P<plus2>\+)?"
    r"\s*(?P<minus>[-\u2212])?\s*(?P<close>\))?"
)
#: Hyphens without spaces are in codes: 90210-1234.
RANGE = re.compile(r"(\S.*?)(?:\s+(?:-|to|bis)\s+|\s*[\u2013\u2014]\s*)(\S.*)")
SPACES = re.compile("[\u00a0\u202f\u2009]")
#: (decimal mark, thousands separator), in the order of preference.
PUNCTUATION = (
    (".", ""),
    (".", ","),
    (",", ""),
    (",", "."),
    (".", " "),
    (",", " "),
    (".", "'"),
    (",", "'"),
)
POSITIVE = None, "+"
BOUND, OPEN_END, MULTIPLIED, RANGED = "<", "+", "K", "-"  # what the fourth part of a style names


class Tail(NamedTuple):
    """What a number is followed, or preceded, by.

    Attributes
    ----------
    unit : str
    multiplier : str
        One of MULTIPLIERS, or "". One alone after a number is taken for a unit.
    is_after : bool
        Whether the unit is after the number.
    """

    unit: str
    multiplier: str = ""
    is_after: bool = True


class NumberText(NamedTuple):
    """A text that may stand for a number.

    Attributes
    ----------
    number : str
        Digits and punctuation.
    tail : Tail
    mark : str
        BOUND, OPEN_END or "".
    exponent : str
    negative : bool
    """

    number: str
    tail: Tail
    mark: str
    exponent: str
    negative: bool


def match_number(text):
    """Return the NumberText of a text, None if it is not one."""
    if not text.isascii():
        text = SPACES.sub(" ", text).replace("\u2019", "'")
    match = DISGUISED.fullmatch(text)
    if match is None:
        return None
    (opened, bound, sign, before, sign2, number, exponent, plus, word, money, second, plus2, minus,
     closed) = match.groups()  # fmt: skip
    tail = _tail(before, word, money, second)
    if word and number[-1] in ".,":  # 2. North, an item of a list
        return None
    if tail is None or (opened is None) != (closed is None):
        return None
    negative = opened is not None
    if sign or sign2 or minus:
        negative = negative or sign not in POSITIVE or sign2 not in POSITIVE or minus is not None
    mark = BOUND if bound else OPEN_END if plus or plus2 else ""
    return NumberText(number, tail, mark, exponent or "", negative)


@lru_cache(maxsize=4096)
def _tail(before, word, money, second):
    """Return the Tail of the words around a number, None if they do not go together."""
    if before:
        if money or second or (word and word not in MULTIPLIERS):
            return None
        return Tail(before, word or "", False)
    if money:
        return Tail(money, word) if word in MULTIPLIERS else None
    if not second:
        return Tail(word or "")
    if word in MULTIPLIERS:
        return Tail(second, word)
    if is_currency(word):
        return Tail(word, second) if second in MULTIPLIERS else None
    return Tail(f"{word} {second}")


@lru_cache(maxsize=32)
def _written(decimal, thousands):
    """Return the pattern of numbers with this punctuation."""
    d, t = re.escape(decimal), re.escape(thousands)
    grouped = rf"[1-9]\d{{0,2}}(?:{t}\d{{3}})+(?:{d}\d*)?|" if thousands else ""
    if thousands == ",":  # 4,25,000 as in India
        grouped += rf"[1-9]\d?(?:,\d\d)+,\d{{3}}(?:{d}\d*)?|"
    return re.compile(rf"{grouped}\d+(?:{d}\d*)?|{d}\d+")


def is_written(number, decimal, thousands):
    """Whether the digits and punctuation of a number are as a style says."""
    return _written(decimal, thousands).fullmatch(number) is not None


def is_number_style(style):
    """Whether a text is a style."""
    if style in part_texts.STYLES:
        return True
    marks = style.split("|")
    known = {BOUND, OPEN_END, MULTIPLIED, RANGED}
    return len(marks) in (3, 4) and tuple(marks[:2]) in PUNCTUATION and set(*marks[3:]) <= known


def is_unambiguous(style):
    """Whether few texts show that they are numbers, and not classes such as 10+ or 8:00."""
    return style not in part_texts.STYLES and style.count("|") == 2


def parse_number(text, style=PLAIN_STYLE):
    """Return the number that a text stands for, NaN if it is none.

    12% is 12, and 10 - 20 is 15 if the style has ranges. Parentheses and a minus sign after the
    number make it negative. A unit, a currency
    sign or a thousands separator may be absent, but not differ from the style, unless the unit
    converts to that of the style.
    """
    return parser(style)(text.strip())


@lru_cache(maxsize=256)
def parser(style):
    """Return the function that `parse_number` calls with a text without spaces around it."""
    if style in part_texts.STYLES:
        return part_texts.STYLES[style]
    return _Parser(*style.split("|"))


class _Parser:
    """Reads texts in a style."""

    def __init__(self, decimal, thousands, unit, marks=""):
        self.decimal, self.thousands, self.unit, self.marks = decimal, thousands, unit, marks
        self.is_plain = decimal == "." and thousands != "." and unit != "%"
        self.factors: dict = {}  # of each Tail

    def __call__(self, text):
        value = self.parse_one(text)
        if RANGED in self.marks and math.isnan(value):
            return self.middle(text)
        return value

    def middle(self, text):
        """Return the middle of a range, NaN if a text is none."""
        match = RANGE.fullmatch(text)
        if match is None:
            return math.nan
        low, high = map(self.parse_one, match.groups())
        return (low + high) / 2 if low < high else math.nan

    def parse_one(self, text):
        if self.is_plain and PLAIN.fullmatch(text):
            return float(text)
        found = match_number(text)
        if found is None or (found.mark and found.mark not in self.marks):
            return math.nan
        factor = self.factors.get(found.tail)
        if factor is None:
            factor = self.factors[found.tail] = self.factor(found.tail)
        number, thousands = found.number, self.thousands
        if not is_written(number, self.decimal, thousands):
            thousands = {".": ",", ",": "."}[self.decimal] if not thousands else thousands
            clear = self.decimal in number or number.count(thousands) > 1  # 1,234 could be 1.234
            if not (clear and is_written(number, self.decimal, thousands)):
                return math.nan
        if thousands:
            number = number.replace(thousands, "")
        value = float(number.replace(self.decimal, ".") + found.exponent) * factor
        return -value if found.negative else value

    def factor(self, tail):
        """Return what to multiply the number by, NaN if the unit is another."""
        unit, multiplier, _ = tail
        if multiplier:
            if MULTIPLIED not in self.marks:
                return math.nan
            return MULTIPLIERS[multiplier] * self.factor(Tail(unit))
        if unit == self.unit:
            return 1.0
        if unit == "":
            return math.nan if self.unit == "%" else 1.0
        if MULTIPLIED in self.marks and unit in MULTIPLIERS:
            return MULTIPLIERS[unit]
        ratio = units.ratio(self.unit, unit)
        return math.nan if ratio is None else ratio
