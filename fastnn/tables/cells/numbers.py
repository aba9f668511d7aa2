"""Numbers that are written as texts: the number that a text stands for, and the style of a column.

The style of a column is a text, so that a model file can keep it: the decimal mark, the separator of
thousands and the unit, with vertical bars between them, as in ",|.|€". If the column has multipliers
(K, million), bounds (10+, <5) or ranges (10 - 20), a fourth part names them: ".||€|K", ".|,||+".
Numbers in parts (01:20:00, 1h 20m, 5'11") have styles of their own: they are seconds or inches.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ...core.messages import join, join_all
from ..errors import import_pyarrow
from . import units
from .dates import hour_of_day
from .missing import present_texts
from .units import CURRENCIES, DAY, MONTH, MULTIPLIERS, THOUSANDS, UNSURE, YEAR, is_currency

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN_STYLE, DECIMAL_COMMA, NO_THOUSANDS = ".||", ",|.|", ",||"
BOUND, OPEN_END, MULTIPLIED, RANGED = "<", "+", "K", "-"  # what the fourth part of a style names
#: (decimal mark, thousands separator), in the order of preference.
PUNCTUATION = (
    *((".", ""), (".", ","), (",", ""), (",", ".")),
    *((".", " "), (",", " "), (".", "'"), (",", "'")),
)
PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?inf(?:inity)?|nan", re.I)
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
POSITIVE = "", "+"


# ---- one text ----


class WrittenUnit(NamedTuple):
    """The unit after a number, or before it.

    Attributes
    ----------
    name : str
        "" if there is none.
    multiplier : str
        One of MULTIPLIERS, or "". One alone after a number is taken for a unit.
    is_after : bool
        Whether the unit is after the number.
    """

    name: str
    multiplier: str = ""
    is_after: bool = True


class NumberText(NamedTuple):
    """A text that may stand for a number.

    Attributes
    ----------
    number : str
        Digits and punctuation.
    unit : WrittenUnit
    mark : str
        BOUND, OPEN_END or "".
    exponent : str
    negative : bool
    """

    number: str
    unit: WrittenUnit
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
     closed) = match.groups("")  # fmt: skip
    unit = _written_unit(before, word, money, second)
    is_item = word and number[-1] in ".,"  # 2. North, an item of a list
    if unit is None or is_item or bool(opened) != bool(closed):
        return None
    negative = bool(opened or minus or sign not in POSITIVE or sign2 not in POSITIVE)
    return NumberText(number, unit, BOUND if bound else plus or plus2, exponent, negative)


@lru_cache(maxsize=4096)
def _written_unit(before, word, money, second):
    """Return the WrittenUnit of the words around a number, None if they do not go together."""
    if before:
        if money or second or (word and word not in MULTIPLIERS):
            return None
        return WrittenUnit(before, word, False)
    if money:
        return WrittenUnit(money, word) if word in MULTIPLIERS else None
    if not second:
        return WrittenUnit(word)
    if word in MULTIPLIERS:
        return WrittenUnit(second, word)
    if is_currency(word):
        return WrittenUnit(word, second) if second in MULTIPLIERS else None
    return WrittenUnit(f"{word} {second}")


def parse_number(text, style=PLAIN_STYLE):
    """Return the number that a text stands for, NaN if it is none.

    12% is 12, and 10 - 20 is 15 if the style has ranges. Parentheses and a minus sign after the
    number make it negative. A unit, a currency sign or a thousands separator may be absent, but not
    differ from the style, unless the unit converts to that of the style.
    """
    return parser(style)(text.strip())


@lru_cache(maxsize=256)
def parser(style):
    """Return the function that `parse_number` calls with a text without spaces around it."""
    if style in PART_STYLES:
        return PART_STYLES[style].parse
    decimal, thousands, unit, marks = _fields(style)
    is_plain = decimal == "." and thousands != "." and unit != "%"

    def parse(text):
        if is_plain and PLAIN.fullmatch(text):
            return float(text)
        found = match_number(text)
        if found is None or found.mark not in marks:
            return math.nan
        digits = _digits(found.number, decimal, thousands)
        if digits is None:
            return math.nan
        value = float(digits + found.exponent) * _factor(found.unit, unit, marks)
        return -value if found.negative else value

    def parse_range(text):
        value = parse(text)
        match = RANGE.fullmatch(text) if math.isnan(value) else None
        if match is None:
            return value
        low, high = map(parse, match.groups())
        return (low + high) / 2 if low < high else math.nan

    return parse_range if RANGED in marks else parse


def _fields(style):
    """Return the decimal mark, the thousands separator, the unit and the marks of a style."""
    decimal, thousands, unit, *marks = style.split("|")
    return decimal, thousands, unit, "".join(marks)


@lru_cache(maxsize=32)
def _punctuated(decimal, thousands):
    """Return the pattern of numbers with this punctuation."""
    d, t = re.escape(decimal), re.escape(thousands)
    grouped = rf"[1-9]\d{{0,2}}(?:{t}\d{{3}})+(?:{d}\d*)?|" if thousands else ""
    if thousands == ",":  # 4,25,000 as in India
        grouped += rf"[1-9]\d?(?:,\d\d)+,\d{{3}}(?:{d}\d*)?|"
    return re.compile(rf"{grouped}\d+(?:{d}\d*)?|{d}\d+")


def _digits(number, decimal, thousands):
    """Return a number as Python writes it, None if its punctuation is another."""
    if _punctuated(decimal, thousands).fullmatch(number) is None:
        thousands = thousands or {".": ",", ",": "."}[decimal]
        is_clear = decimal in number or number.count(thousands) > 1  # 1,234 could be 1.234
        if not is_clear or _punctuated(decimal, thousands).fullmatch(number) is None:
            return None
    return number.replace(thousands, "").replace(decimal, ".")


@lru_cache(maxsize=4096)
def _factor(written, unit, marks):
    """Return what to multiply a number by to have it in the unit of a style, NaN if it is another."""
    name, multiplier, _ = written
    if multiplier:
        if MULTIPLIED not in marks:
            return math.nan
        return MULTIPLIERS[multiplier] * _factor(WrittenUnit(name), unit, marks)
    if name == unit:
        return 1.0
    if name == "":
        return math.nan if unit == "%" else 1.0
    if MULTIPLIED in marks and name in MULTIPLIERS:
        return MULTIPLIERS[name]
    ratio = units.ratio(unit, name)
    return math.nan if ratio is None else ratio


# ---- numbers in parts ----


HOURS, MINUTES, DURATION, AGE, LENGTH = "h:m", "m:s", "1h 20m", "1y 6m", "5'11\""
CLOCK = re.compile(
    r"(?P<sign>-)?(?:(?P<days>\d+)\s*d(?:ays?)?,?\s+)?(?P<first>\d{1,4})(?::(?P<second>[0-5]\d))?"
    r"(?::(?P<third>[0-5]\d))?(?P<fraction>[.,]\d{1,9})?\s*(?P<half>[AaPp](?:\.[Mm]\.|[Mm]))?"
)
LAST_HOUR, MIDNIGHT = 23, "24:00"
MANY_HOURS = 10  # of 11:20:00, which is a time of the day rather than a duration
#: A number and its unit, in a duration such as 1h 20m, 2 hrs and 5 min, or PT1H20M.
PART = re.compile(r"\s*,?\s*(?:and\s+|T)?(\d+(?:\.\d+)?)\s*([a-z]+)\.?", re.I)
SECONDS = {
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), YEAR),
    **dict.fromkeys(("mo", "mos", "mon", "mons", "mth", "mths", "month", "months"), MONTH),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), 7 * DAY),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "std"), 3600.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
}
YEARS = frozenset(name for name, seconds in SECONDS.items() if seconds == YEAR)
SHORT = frozenset(name for name, seconds in SECONDS.items() if seconds <= 3600) - {"m"}
#: A column with such a name has months rather than minutes.
AGE_NAME = re.compile(r"(?:^|[\W_\d])(?:age|ages|term|terms|tenor|tenors)(?:$|[\W_\d])", re.I)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")  # of loanTerm
FEET = re.compile(
    r"(?P<feet>\d+)\s*(?:'(?!')|\u2019(?!\u2019)|\u2032|ft\.?|feet|foot)"
    r"(?:[\s-]*(?P<inches>\d{1,2}(?:\.\d+)?)\s*(?:\"|\u201d|\u2033|''|\u2019\u2019|in\.?|inch(?:es)?)?)?",
    re.I,
)


def parse_clock(text, style=HOURS):
    """Return the seconds of 01:20:00, 1:20 PM, 0 days 01:20:00 or 1:20, NaN for another text.

    style : HOURS or MINUTES, the first part if there are two
    """
    match = CLOCK.fullmatch(text)
    if match is None or not (match["second"] or match["half"]):
        return math.nan
    sign, days, first, second, third, fraction, half = match.groups()
    hour, minute = hour_of_day(int(first), half), int(second or 0)
    if third is None and (fraction or (style == MINUTES and not half)):
        seconds = 60.0 * hour + minute
    else:
        seconds = 3600.0 * hour + 60.0 * minute + int(third or 0)
    if fraction:
        seconds += float("0." + fraction[1:])
    seconds += DAY * int(days or 0)
    return -seconds if sign else seconds


def parse_duration(text, m=60.0):
    """Return the seconds of 1h 20m, 2 hrs and 5 min, or PT1H20M, NaN for another text.

    After a year, m is a month, as it is before the T of ISO 8601.

    m : the seconds of m elsewhere
    """
    sign = -1.0 if text.startswith("-") else 1.0
    text = text.removeprefix("-")
    if text.startswith("P"):
        text, m = text[1:].replace("T", " T"), MONTH
    total, position, before = 0.0, 0, math.inf
    while position < len(text):
        match = PART.match(text, position)
        if match is None:
            return math.nan
        unit = match[2].lower()
        seconds = SECONDS.get(unit, math.inf)
        if unit == "m":
            is_minute = "T" in match[0] or before <= SECONDS["h"]
            seconds = 60.0 if is_minute else MONTH if before == YEAR else m
        if not seconds < before:
            return math.nan
        total += float(match[1]) * seconds
        position, before = match.end(), seconds
    return sign * total if text else math.nan


def parse_length(text):
    """Return the inches of 5'11", 5 ft 11 in or 6', NaN for another text."""
    match = FEET.fullmatch(text)
    if match is None or float(match["inches"] or 0) >= 12:
        return math.nan
    return 12.0 * int(match["feet"]) + float(match["inches"] or 0)


class PartStyle(NamedTuple):
    """A style of numbers in parts: its function, its name, and what the numbers are read as."""

    parse: Callable[[str], float]
    name: str
    read_as: str


PART_STYLES = {
    HOURS: PartStyle(parse_clock, "times or durations", "seconds (1:20 is an hour and 20 minutes)"),
    MINUTES: PartStyle(
        partial(parse_clock, style=MINUTES),
        "durations",
        "seconds (1:20 is a minute and 20 seconds)",
    ),
    DURATION: PartStyle(parse_duration, "durations", "seconds (m is a minute)"),
    AGE: PartStyle(partial(parse_duration, m=MONTH), "durations", "seconds (m is a month)"),
    LENGTH: PartStyle(parse_length, "lengths in feet and inches", "inches"),
}


def is_clock(text):
    """Whether a text is a time such as 01:20:00 or 1:20 PM."""
    return not math.isnan(parse_clock(text))


# ---- the style of a column ----


SAMPLE = 50  # texts, from all parts of the column, that decide whether to look at all
FIRST = 50  # texts that show whether they are numbers in parts
LEAST = 0.5  # of the texts that must be numbers of a style
MOST_RANGES = 0.2  # of the texts
EURO = "€", "EUR"
HALVES = re.compile(r"[AaPp]\.?[Mm]\.?")
TIMES = "times"  # the key of multipliers without a unit


def number_style(distinct):
    """Return the style in which all texts are numbers, or None.

    Parameters
    ----------
    distinct : sequence of str
        The distinct texts of a column. Marks for missing values are ignored.

    Returns
    -------
    str or None
        The decimal mark, the thousands separator and the unit, separated by vertical bars: ".||" for
        plain numbers, ",|.|€" for 1.234,50 €, ".||%" for percentages; see the top of this file for
        more. None if a text is not a number, if the units differ and do not convert, or if all texts
        are missing.
    """
    style, n_others = find_style(present_texts(distinct))
    return style if n_others == 0 else None


def find_style(present, name=""):
    """Return (style, number of others) for texts that are mostly numbers, else (None, None).

    Parameters
    ----------
    present : list of str
        Distinct texts, without marks for missing values.
    name : str, default ""
        That of the column: in one called age or term, 6m is six months.
    """
    if not present:
        return None, None
    if len(present) > SAMPLE and _best_style(present[:: len(present) // SAMPLE], name)[0] is None:
        return None, None
    return _best_style(present, name)


def _best_style(present, name):
    if all(map(PLAIN.fullmatch, present)):
        return PLAIN_STYLE, 0
    if _is_age_name(name) and _style_of_parts(present, name) == (AGE, 0):
        return AGE, 0  # 6M is not 6 million
    style, n_others = _style_with_unit(present)
    if n_others:
        found = (style, n_others), _style_of_parts(present, name)
        style, n_others = min(found, key=lambda each: each[1])
    return (None, None) if n_others > (1 - LEAST) * len(present) else (style, n_others)


def _style_with_unit(present):
    """Return (style, number of others) of numbers with one unit or none, as `find_style` does."""
    n = len(present)
    matches = [found for found in map(match_number, present) if found is not None]
    if len(matches) < LEAST * n:
        return None, n
    unit, marks, written = _choose_unit(Counter(found.unit for found in matches))
    if HALVES.fullmatch(unit):  # 1 PM is a time
        return None, n
    matches = [found for found in matches if found.unit in written]
    marks += _choose_marks(matches)
    matches = [found for found in matches if found.mark in marks]
    decimal, thousands, n_others = _choose_punctuation(matches)
    style = f"{decimal}|{thousands}|{unit}{'|' if marks else ''}{marks}"
    return style, n - len(matches) + n_others


def _choose_unit(n_of_unit):
    """Return the unit of a column, MULTIPLIED or "", and the units that go with it.

    n_of_unit : Counter of WrittenUnit
    """
    names = {each.name for each in n_of_unit}
    are_multipliers = not names.isdisjoint(MULTIPLIERS.keys() - UNSURE)
    groups: dict = defaultdict(Counter)  # of units that are one or convert
    for each, n in n_of_unit.items():
        groups[_common(each, are_multipliers)][each] = n
    absent = groups.pop("", Counter())
    if not groups:
        return "", "", absent
    key, found = max(groups.items(), key=lambda group: group[1].total())
    may_be_absent = _may_be_absent(key, found, absent.total())
    if not may_be_absent and found.total() < absent.total():
        return "", "", absent
    is_multiplied = key == TIMES or any(each.multiplier for each in found)
    unit = "" if key == TIMES else _usual_name(found)
    return unit, MULTIPLIED if is_multiplied else "", found + absent if may_be_absent else found


def _usual_name(found):
    n_of_name: Counter = Counter()
    for each, n in found.items():
        n_of_name[each.name] += n
    return n_of_name.most_common(1)[0][0]


def _common(written, are_multipliers):
    """Return what units have in common that convert: "" for no unit."""
    unit = written.name
    if not unit:
        return ""
    if unit == "%" or is_currency(unit):
        return unit if unit == "Fr." else unit.removesuffix(".")
    if are_multipliers and not written.multiplier and unit in MULTIPLIERS:
        return TIMES
    known = units.find_unit(unit)
    return known[0] if known else f"unit {units.fold(unit)}"


def _may_be_absent(key, found, n_absent):
    """Whether numbers without the unit are in this unit, too. found : Counter of WrittenUnit"""
    if n_absent == 0 or is_currency(key):
        return True
    names = {each.name for each in found}
    if key == TIMES:
        return bool(names & THOUSANDS)  # 985 beside 1.2K
    if key == "%" or key.startswith("unit "):
        return False
    is_clear = any(len(name) > 1 for name in names)  # 12 and 12g are houses
    return is_clear or found.total() >= n_absent


def _choose_marks(matches):
    """Return OPEN_END if 10+ is a number, and BOUND if <5 is one."""
    marks = OPEN_END if any(found.mark == OPEN_END for found in matches) else ""
    bounded = {(found.number, found.unit) for found in matches if found.mark == BOUND}
    exact = {(found.number, found.unit) for found in matches if found.mark != BOUND}
    are_numbers = 0 < len(bounded) <= len(exact) and not bounded & exact  # <5 and 5 differ
    return marks + BOUND if are_numbers else marks


def _choose_punctuation(matches):
    """Return the decimal mark, the separator of thousands, and how many numbers have others."""
    best, found = len(matches) + 1, PUNCTUATION[0]
    for marks in ((",", "."),) if _are_euro_thousands(matches) else PUNCTUATION:
        is_written = _punctuated(*marks).fullmatch
        others = (each for each in matches if not is_written(each.number))
        n_others = sum(1 for _ in islice(others, best))
        if n_others < best:
            best, found = n_others, marks
        if n_others == 0:
            break
    return *found, best


def _are_euro_thousands(matches):
    """Whether the dots of 1.234 € separate thousands: prices do not have three decimals."""
    dotted = [found for found in matches if "." in found.number and not found.unit.multiplier]
    return (
        len(dotted) > 0
        and any(found.unit.name in EURO and found.unit.is_after for found in matches)
        and all(re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", found.number) for found in dotted)
    )


def _is_age_name(name):
    """Whether the name of a column says that its values are ages or terms."""
    return AGE_NAME.search(CAMEL.sub("_", name)) is not None


def _style_of_parts(present, name):
    """Return (style, number of others) of numbers in parts, as `find_style` does."""
    styles = Counter(map(_part_style, present[:FIRST]))
    likely = [style for style, _ in styles.most_common(2) if style is not None]
    if not likely:
        return None, len(present)
    style = likely[0]
    if style == HOURS:
        style = clock_style(present)
    elif style == DURATION:
        style = _duration_style(present, name)
    parse = PART_STYLES[style].parse
    return style, sum(math.isnan(parse(text)) for text in present)


def _part_style(text):
    """Return the style of a text. Others decide between HOURS and MINUTES, DURATION and AGE."""
    styles = (HOURS, LENGTH, DURATION)
    return next((style for style in styles if not math.isnan(PART_STYLES[style].parse(text))), None)


def _duration_style(texts, name):
    """Return AGE if m is a month, as beside years, else DURATION."""
    found = {
        unit.lower()
        for text in texts
        if not math.isnan(parse_duration(text, MONTH))
        for _, unit in PART.findall(text)
    }
    is_age = bool(found & YEARS) or _is_age_name(name)
    return AGE if "m" in found and is_age and not found & SHORT else DURATION


def clock_style(texts):
    """Return HOURS or MINUTES: with which of them times of two parts begin."""
    pairs, triples = [-1], [-1]
    for match in filter(None, map(CLOCK.fullmatch, texts)):
        if match["half"]:
            return HOURS
        if match[0] != MIDNIGHT:
            (pairs if match["third"] is None else triples).append(int(match["first"]))
    if max(pairs) > LAST_HOUR:
        return MINUTES
    return MINUTES if 0 <= max(triples) < MANY_HOURS and max(pairs) >= 0 else HOURS


def with_ranges(style, present):
    """Return a style in which ranges such as 10 - 20 are numbers, too, if a few of the texts are some.

    style : str or None
    """
    if style is None or style in PART_STYLES:
        return style
    ranged = f"{style}{RANGED}" if style.count("|") > 2 else f"{style}|{RANGED}"
    parse, middle = parser(style), parser(ranged)
    texts = (text for text in present if RANGE.fullmatch(text))
    n = sum(math.isnan(parse(text)) and math.isfinite(middle(text)) for text in texts)
    return ranged if 0 < n <= MOST_RANGES * len(present) else style


# ---- what a style says ----


MARKS = {",": "commas", ".": "dots", " ": "spaces", "'": "apostrophes"}
#: The fourth part of a style.
READINGS = {
    MULTIPLIED: "multipliers such as K and M",
    OPEN_END: "a plus sign (10+ is read as 10)",
    BOUND: "bounds (<5 is read as 5)",
    RANGED: "ranges (10 - 20 is read as 15)",
}
NO_DIGITS = str.maketrans("", "", "0123456789")


def is_number_style(style):
    """Whether a text is a style."""
    if style in PART_STYLES:
        return True
    marks = style.split("|")
    known = set("".join(marks[3:])) <= READINGS.keys()
    return len(marks) in (3, 4) and tuple(marks[:2]) in PUNCTUATION and known


def is_unambiguous(style):
    """Whether few texts show that they are numbers, and not classes such as 10+ or 8:00."""
    return style not in PART_STYLES and style.count("|") == 2


def describe_number_style(style, distinct=()):
    """Return a style as text for people: 'numbers with a currency sign (€)'.

    distinct : sequence of str
        The texts of a column. Which of their units convert is said, too.
    """
    if style in PART_STYLES:
        return f"{PART_STYLES[style].name}, read as {PART_STYLES[style].read_as}"
    decimal, thousands, unit, marks = _fields(style)
    what = []
    if unit == "%":
        what.append("a percent sign (12% is read as 12)")
    elif unit:
        what.append(f"a currency sign ({unit})" if is_currency(unit) else f"the unit {unit}")
    if thousands:
        what.append(f"{MARKS[thousands]} between thousands")
    if decimal == ",":
        what.append("a decimal comma")
    what += [text for mark, text in READINGS.items() if mark in marks]
    if not what:
        return "numbers"
    return f"numbers with {join_all(what)}{_describe_conversion(distinct, style)}"


def _describe_conversion(distinct, style):
    """Return which units are converted to that of the style, as text for people; "" for none."""
    names = other_units(distinct, style)
    if not names:
        return ""
    shown = [f"{name} (as {known})" if (known := units.read_as(name)) else name for name in names]
    known = units.read_as(_fields(style)[2])
    return f"; {join(shown, quoted=False)} converted into it{f', as {known}' if known else ''}"


def other_units(distinct, style):
    """Return the units of texts that are converted to that of the style, or taken for it, sorted."""
    if style in PART_STYLES or not (unit := _fields(style)[2]):
        return []
    one_of_each = {text.translate(NO_DIGITS): text for text in present_texts(distinct)}
    found = {match.unit.name for match in map(match_number, one_of_each.values()) if match}
    return sorted(
        name
        for name in found - {unit, ""}
        if (ratio := units.ratio(unit, name)) is not None and (ratio != 1 or units.read_as(name))
    )


# ---- whole numbers that float64 cannot hold ----


WIDE = 2**53  # from which on most whole numbers, such as long ids, are rounded
LEAST_DIGITS = 16  # of a wide number
DIGITS = re.compile(r"[-+]?\d+")


def is_wide(text, style=PLAIN_STYLE):
    """Whether a text is the digits of a wide number.

    style : of the column
    """
    if len(text) < LEAST_DIGITS or style in PART_STYLES:
        return False
    return is_wide_integer(to_whole(text, style))


def is_wide_integer(value):
    """Whether a value of any type is a wide number."""
    return isinstance(value, int) and abs(value) >= WIDE


def to_whole(text, style=PLAIN_STYLE):
    """Return the whole number whose digits a text is, as an int; None for another text."""
    text = text.strip()
    decimal, thousands = style.split("|")[:2]
    if thousands and _punctuated(decimal, thousands).fullmatch(text.lstrip("+-")):
        text = text.replace(thousands, "")
    return int(text) if DIGITS.fullmatch(text) else None


def are_wide(column):
    """Whether an Arrow column of numbers holds any that is as large as a wide number."""
    pa = import_pyarrow()
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return False
    least, most = pa.compute.min_max(column).as_py().values()
    return least is not None and (least <= -WIDE or most >= WIDE)
