"""Numbers that are written in parts: 01:20:00, 1:20 PM, 1h 20m, 5'11".

Each style has a function, which returns the number that a text stands for, NaN if it is none: seconds
for times and durations, inches for lengths.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TYPE_CHECKING

from .units import DAY, MONTH, YEAR

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK = re.compile(
    r"(?P<sign>-)?(?:(?P<days>\d+)\s*d(?:ays?)?,?\s+)?(?P<first>\d{1,4})(?::(?P<second>[0-5]\d))?"
    r"(?::(?P<third>[0-5]\d))?(?P<fraction>[.,]\d{1,9})?\s*(?P<half>[AaPp](?:\.[Mm]\.|[Mm]))?"
)
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
FEET = re.compile(
    r"(?P<feet>\d+)\s*(?:'(?!')|\u2019(?!\u2019)|\u2032|ft\.?|feet|foot)"
    r"(?:[\s-]*(?P<inches>\d{1,2}(?:\.\d+)?)\s*(?:\"|\u201d|\u2033|''|\u2019\u2019|in\.?|inch(?:es)?)?)?",
    re.I,
)
HOURS, MINUTES, DURATION, AGE, LENGTH = "h:m", "m:s", "1h 20m", "1y 6m", "5'11\""
YEARS = frozenset(name for name, seconds in SECONDS.items() if seconds == YEAR)
SHORT = frozenset(name for name, seconds in SECONDS.items() if seconds <= 3600) - {"m"}
#: A column with such a name has months rather than minutes.
AGE_NAME = re.compile(r"(?:^|[\W_\d])(?:age|ages|term|terms|tenor|tenors)(?:$|[\W_\d])", re.I)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")  # of loanTerm
HALF_DAY, LAST_HOUR, MIDNIGHT = 12, 23, "24:00"
MANY_HOURS = 10  # of 11:20:00, which is a time of the day rather than a duration


def parse_clock(text, style=HOURS):
    """Return the seconds of 01:20:00, 1:20 PM, 0 days 01:20:00 or 1:20.

    style : HOURS or MINUTES, the first part if there are two
    """
    match = CLOCK.fullmatch(text)
    if match is None:
        return math.nan
    sign, days, first, second, third, fraction, half = match.groups()
    hour = int(first)
    if half:
        if not 1 <= hour <= HALF_DAY:
            return math.nan
        hour = hour % HALF_DAY + HALF_DAY * (half[0] in "Pp")
    elif second is None:
        return math.nan
    if third is None and (fraction or (style == MINUTES and not half)):
        seconds = 60.0 * hour + int(second or 0)
    else:
        seconds = 3600.0 * hour + 60.0 * int(second or 0) + int(third or 0)
    if fraction:
        seconds += float("0." + fraction[1:])
    seconds += DAY * int(days or 0)
    return -seconds if sign else seconds


def parse_duration(text, m=60.0):
    """Return the seconds of 1h 20m, 2 hrs and 5 min, or PT1H20M.

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
    """Return the inches of 5'11", 5 ft 11 in or 6'."""
    match = FEET.fullmatch(text)
    if match is None or float(match["inches"] or 0) >= 12:
        return math.nan
    return 12.0 * int(match["feet"]) + float(match["inches"] or 0)


STYLES: dict[str, Callable[[str], float]] = {
    HOURS: parse_clock,
    MINUTES: lambda text: parse_clock(text, MINUTES),
    DURATION: parse_duration,
    AGE: partial(parse_duration, m=MONTH),
    LENGTH: parse_length,
}
NAMES = {
    HOURS: "times or durations",
    MINUTES: "durations",
    DURATION: "durations",
    AGE: "durations",
    LENGTH: "lengths in feet and inches",
}
DESCRIPTIONS = {
    HOURS: "times or durations, read as seconds (1:20 is an hour and 20 minutes)",
    MINUTES: "durations, read as seconds (1:20 is a minute and 20 seconds)",
    DURATION: "durations, read as seconds (m is a minute)",
    AGE: "durations, read as seconds (m is a month)",
    LENGTH: "lengths in feet and inches, read as inches",
}


def is_clock(text):
    """Whether a text is a time such as 01:20:00 or 1:20 PM."""
    return not math.isnan(parse_clock(text))


def is_age_name(name):
    """Whether the name of a column says that its values are ages or terms."""
    return AGE_NAME.search(CAMEL.sub("_", name)) is not None


def find_style(text):
    """Return the style in which a text is written, None if it has none.

    Further texts decide between HOURS and MINUTES, DURATION and AGE: see `style_of_all`.
    """
    for style in (HOURS, LENGTH, DURATION):
        if not math.isnan(STYLES[style](text)):
            return style
    return None


def style_of_all(style, texts, name=""):
    """Return the style of a column, of which `find_style` has found the style of most texts.

    name : that of the column
    """
    if style == HOURS:
        return _clock_style(texts)
    return _duration_style(texts, name) if style == DURATION else style


def _duration_style(texts, name):
    """Return AGE if m is a month, as beside years, else DURATION."""
    units = {
        unit.lower()
        for text in texts
        if not math.isnan(parse_duration(text, MONTH))
        for _, unit in PART.findall(text)
    }
    is_age = bool(units & YEARS) or is_age_name(name)
    return AGE if "m" in units and is_age and not units & SHORT else DURATION


def _clock_style(texts):
    """Return whether times of two parts begin with hours or with minutes."""
    pairs, triples = [-1], [-1]
    for text in texts:
        match = CLOCK.fullmatch(text)
        if match is None:
            continue
        if match["half"]:
            return HOURS
        if text == MIDNIGHT:
            continue
        (pairs if match["third"] is None else triples).append(int(match["first"]))
    if max(pairs) > LAST_HOUR:
        return MINUTES
    return MINUTES if 0 <= max(triples) < MANY_HOURS and max(pairs) >= 0 else HOURS
