"""Dates that are written as texts: find the format of a column, and parse it.

A format is the text "iso" (2026-01-31) or the order of day, month and year with the directives of
`datetime.strptime`, such as "%d.%m.%Y". In any format a time can follow the date: hours and
minutes, then seconds and a fraction, AM or PM, and an offset from UTC; a weekday can precede it.
`month_names` has the languages.
"""

import datetime
import math
import re
from functools import lru_cache

from .month_names import MONTHS, WEEKDAYS
from .units import DAY

#: In the order of preference: where day and month can be swapped, the month comes first.
FORMATS = (
    "iso",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d.%m.%y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d/%b/%Y",
    "%d.%b.%Y",
    "%d-%b-%y",
    "%d %b %y",
    "%d. %b %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%b-%d-%Y",
    "%Y %b %d",
    "%Y-%b-%d",
    "%Y-%m",
    "%b %Y",
    "%b-%Y",
    "%b-%y",
    "%m/%Y",
    "%d de %b de %Y",
    "%d%b%Y",
    "%d%b%y",
    "%b_%Y",
    "%b/%Y",
    "%b%Y",
    "%Y %b",
    "%Y-%b",
    "%Y_%b",
    "%Y Q%q",
    "%Y-Q%q",
    "%YQ%q",
    "Q%q %Y",
    "Q%q-%Y",
    "Q%q/%Y",
)
COMPACT = "%Y%m%d"  # 20260131
#: Formats of eight digits, in the order of preference.
COMPACTS = (COMPACT, "%m%d%Y", "%d%m%Y")
SWAPPED = {
    "%m/%d/%Y": "%d/%m/%Y",
    "%m-%d-%Y": "%d-%m-%Y",
    "%m/%d/%y": "%d/%m/%y",
}
PARTS = {
    "%Y": r"(?P<year>\d{4})",
    "%y": r"(?P<year>\d{2})",
    "%m": r"(?P<month>\d{1,2})",
    "%d": r"(?P<day>\d{1,2})",
    "%b": r"(?P<month>[^\W\d_]{3,12})\.?",
    "%q": r"(?P<quarter>[1-4])",
}
#: The day before or after the name of a month: 1st, 1er.
ORDINAL_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|ª)?"
TIME = (
    r"(?:(?:\s*T|\s*,|\s+at|\s+um|:)?\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?(?:\s*Uhr)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|(?:UTC|GMT)?[+-]\d{2}:?(?:\d{2})?)?)?"
)
#: Any word before the name of a month, a weekday before digits.
WORD = r"(?:[^\W\d_]{2,13}(?:-feira)?\.?,?\s+)?"
WEEKDAY = (
    rf"(?:(?=[^\W\d_])(?:{'|'.join(sorted(WEEKDAYS, key=len, reverse=True))})(?:-feira)?\.?,?\s+)?"
)
FIRST = 50  # texts to try before all
#: Texts, from all parts of the column, that show whether most are dates, and the format.
FEW, SAMPLE = 50, 500
LEAST = 0.5  # of the texts that must be dates of a format
#: Distinct texts, and years, that show that eight digits are dates and not other numbers.
LEAST_COMPACT = 5
FIRST_YEAR, LAST_YEAR = "1900", "2099"


@lru_cache(maxsize=64)
def _pattern(name):
    """Return the compiled pattern of a format."""
    if name in COMPACTS:
        digits = {"%Y": r"(?P<year>\d{4})", "%m": r"(?P<month>\d{2})", "%d": r"(?P<day>\d{2})"}
        return re.compile("".join(digits[part] for part in re.findall("%.", name)) + TIME)
    text = "%Y-%m-%d" if name == "iso" else name.replace("%B", "%b")
    unknown = re.sub(r"%[Yymdbq]", "", text)
    if "%" in unknown:
        raise ValueError(f"format {name!r} is unknown. Pass one such as {', '.join(FORMATS[:5])}.")
    has_name = "%b" in text
    parts = PARTS | {"%d": ORDINAL_DAY} if has_name else PARTS
    pattern = "".join(
        parts[part] if part[:1] == "%" else re.escape(part).replace(r"\ ", r"\s+")
        for part in re.split(r"(%[Yymdbq])", text)
    )
    return re.compile((WORD if has_name else WEEKDAY) + pattern + TIME, re.I)


def parse_date(text, name):
    """Return the seconds since 1970 of a text, or None if it is not a date in this format.

    A time without an offset is taken for UTC.
    """
    text = text.strip()
    if name == "iso" and len(text) == 10:
        try:
            value = datetime.date.fromisoformat(text)
            return (value.toordinal() - EPOCH) * DAY
        except ValueError:
            pass
    match = _pattern(name).fullmatch(text)
    if match is None:
        return None
    part = match.groupdict()
    quarter = part.get("quarter")
    year, month = int(part["year"]), 3 * int(quarter) - 2 if quarter else _month(part["month"])
    if len(part["year"]) == 2:
        year += 1900 if year >= 69 else 2000  # as datetime.strptime
    hour = int(part["hour"] or 0)
    if part["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (part["half"][0] in "Pp")
    second = int(part["second"] or 0)
    try:
        day = datetime.date(year, month, int(part.get("day") or 1))
    except ValueError:
        return None
    if hour > 23 or int(part["minute"] or 0) > 59 or second > 60:
        return None
    out = (day.toordinal() - EPOCH) * DAY + hour * 3600 + int(part["minute"] or 0) * 60 + second
    fraction = float("0." + part["fraction"]) if part["fraction"] else 0.0
    return out - _offset(part["zone"]) + fraction


def seconds_of(text, name):
    """Return the seconds since 1970 of a text, NaN if it is not a date in this format."""
    seconds = parse_date(text, name)
    return math.nan if seconds is None else seconds


EPOCH = datetime.date(1970, 1, 1).toordinal()


def _month(text):
    return int(text) if text.isdecimal() else MONTHS.get(text.lower(), 0)


def _offset(zone):
    """Return the seconds of an offset from UTC, such as +02:00."""
    digits = re.sub(r"\D", "", zone or "")
    if not digits:
        return 0
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if "-" in zone else seconds


def find_format(distinct, compact=False):
    """Return the format in which all texts are dates, or None.

    Parameters
    ----------
    distinct : sequence of str
        Distinct texts, without marks for missing values.
    compact : bool, default False
        Whether eight digits, such as 20260131, are a date.
    """
    if not distinct or not all(map(_may_be_date, distinct[:FIRST])):
        return None
    for name in (*FORMATS, *COMPACTS) if compact else FORMATS:
        if all(parse_date(text, name) is not None for text in distinct[:FIRST]) and all(
            parse_date(text, name) is not None for text in distinct[FIRST:]
        ):
            return name
    return None


def find_format_of_most(distinct, compact=False):
    """Return the format in which most texts are dates, or None. Parameters: as in `find_format`"""
    names = [*FORMATS, *(COMPACTS if compact else ())]
    found = names[0]
    for size in (FEW, SAMPLE):
        sample = distinct[:: max(1, len(distinct) // size)]
        likely = [text for text in sample if _may_be_date(text)]
        counts = {
            name: sum(parse_date(text, name) is not None for text in likely) for name in names
        }
        names = [name for name, n in counts.items() if n > LEAST * len(sample)]
        if not names:
            return None
        found = max(names, key=lambda name: counts[name])
    swapped = SWAPPED.get(found)
    if swapped is not None:  # all texts decide between day and month
        n, other = (sum(parse_date(t, f) is not None for t in distinct) for f in (found, swapped))
        found = swapped if other > n else found
    return found


def find_compact(texts):
    """Return the format in which texts of eight digits are all dates, or None.

    They must look like dates and not like other numbers: from 1900 to 2099, of more than one day.
    """
    if len(texts) < LEAST_COMPACT or not all(len(t) == 8 and t.isdecimal() for t in texts):
        return None
    for name in COMPACTS:
        if any(parse_date(text, name) is None for text in texts):
            continue
        found = [_pattern(name).fullmatch(text) for text in texts]
        years, days = ({match[part] for match in found} for part in ("year", "day"))
        if FIRST_YEAR <= min(years) and max(years) <= LAST_YEAR and len(days) > 1:
            return name
    return None


def _may_be_date(text):
    return 8 <= len(text) or LETTERS_OR_MONTH.search(text)


#: What a date of less than eight characters contains: 1/2/26, 1.2.26, 2026-01, Jan-26, 2026Q1
LETTERS_OR_MONTH = re.compile(
    r"^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}$|^\d{4}-\d{1,2}$|^\d{1,2}/\d{4}$|[Qq][1-4]|[^\W\d_]{3}"
)


def is_ambiguous(distinct, name):
    """Whether day and month could be swapped in all dates of a column."""
    swapped = SWAPPED.get(name)
    return swapped is not None and all(parse_date(text, swapped) is not None for text in distinct)
