"""Dates that are written as texts: find the format of a column, and parse it.

A format is the text "iso" (2026-01-31) or the order of day, month and year with the directives of
`datetime.strptime`, such as "%d.%m.%Y". In any format a time can follow the date: hours and
minutes, then seconds and a fraction, AM or PM, and an offset from UTC. Names of months and days are
English or German, whatever the language of the system.
"""

import datetime
import re
from functools import lru_cache

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar jän jänner",
            "feb february februar feber",
            "mar march mär mrz märz",
            "apr april",
            "may mai",
            "jun june juni",
            "jul july juli",
            "aug august",
            "sep sept september",
            "oct october okt oktober",
            "nov november",
            "dec december dez dezember",
        ),
        1,
    )
    for name in names.split()
}
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
)
COMPACT = "%Y%m%d"  # 20260131 is a number unless the user says that it is a date
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
    "%b": r"(?P<month>[^\W\d_]{3,9})\.?",
}
TIME = (
    r"(?:(?:\s*T|\s*,|\s+at|\s+um|:)?\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?(?:\s*Uhr)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|(?:UTC|GMT)?[+-]\d{2}:?(?:\d{2})?)?)?"
)
WEEKDAY = r"(?:[^\W\d_]{2,10}\.?,?\s+)?"
FIRST = 50  # texts to try before all


@lru_cache(maxsize=64)
def _pattern(name):
    """Return the compiled pattern of a format."""
    text = "%Y-%m-%d" if name == "iso" else COMPACT if name == COMPACT else name
    if name == COMPACT:
        return re.compile(r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})" + TIME)
    unknown = re.sub(r"%[YymdbB]", "", text)
    if "%" in unknown:
        raise ValueError(f"format {name!r} is unknown. Pass one such as {', '.join(FORMATS[:5])}.")
    parts = re.split(r"(%[YymdbB])", text)
    pattern = "".join(
        PARTS[part.replace("B", "b")] if part[:1] == "%" else re.escape(part).replace(r"\ ", r"\s+")
        for part in parts
    )
    weekday = WEEKDAY if "%b" in text or "%B" in text else ""
    return re.compile(weekday + pattern + TIME)


def parse_date(text, name):
    """Return the seconds since 1970 of a text, or None if it is not a date in this format.

    A time without an offset is taken for UTC.
    """
    text = text.strip()
    if name == "iso" and len(text) == 10:
        try:
            value = datetime.date.fromisoformat(text)
            return (value.toordinal() - EPOCH) * 86400.0
        except ValueError:
            pass
    match = _pattern(name).fullmatch(text)
    if match is None:
        return None
    part = match.groupdict()
    year, month = int(part["year"]), _month(part["month"])
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
    out = (day.toordinal() - EPOCH) * 86400 + hour * 3600 + int(part["minute"] or 0) * 60 + second
    fraction = float("0." + part["fraction"]) if part["fraction"] else 0.0
    return float(out - _offset(part["zone"])) + fraction


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


def find_format(levels, compact=False):
    """Return the format in which all texts are dates, or None.

    Parameters
    ----------
    levels : sequence of str
        Distinct texts, without marks for missing values.
    compact : bool, default False
        Whether 20260131 is a date.
    """
    if not levels or not all(8 <= len(t) or LETTERS_OR_MONTH.search(t) for t in levels[:FIRST]):
        return None
    for name in (*FORMATS, COMPACT) if compact else FORMATS:
        if all(parse_date(text, name) is not None for text in levels[:FIRST]) and all(
            parse_date(text, name) is not None for text in levels[FIRST:]
        ):
            return name
    return None


#: What a date of less than eight characters contains: 1/2/26, 1.2.26, 2026-01, Jan-26
LETTERS_OR_MONTH = re.compile(
    r"^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}$|^\d{4}-\d{1,2}$|^\d{1,2}/\d{4}$|[^\W\d_]{3}"
)


def is_ambiguous(levels, name):
    """Whether day and month could be swapped in all dates of a column."""
    swapped = SWAPPED.get(name)
    return swapped is not None and all(parse_date(text, swapped) is not None for text in levels)
