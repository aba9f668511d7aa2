# ruff: noqa: RUF001 - letters of other alphabets are meant
"""Dates that are written as texts: find the format of a column, and parse it.

A format is the text "iso" (2026-01-31) or the order of day, month and year with the directives of
`datetime.strptime`, such as "%d.%m.%Y". In any format a time can follow the date: hours and
minutes, then seconds and a fraction, AM or PM, and an offset from UTC; a weekday can precede it.
Names of months and weekdays are English, German, French, Spanish, Italian, Portuguese, Dutch, Polish,
Swedish, Danish, Norwegian or Russian, whatever the language of the system.
"""

import datetime
import math
import re
from contextlib import suppress
from functools import lru_cache

from .missing import present_texts
from .units import DAY

#: In the order of preference: where day and month can be swapped, the month comes first.
DATE_FORMATS = (
    *("iso", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d.%m.%y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y"),
    *(
        "%d-%m-%Y",
        "%m/%d/%y",
        "%d/%m/%y",
        "%d %b %Y",
        "%d-%b-%Y",
        "%d/%b/%Y",
        "%d.%b.%Y",
        "%d-%b-%y",
    ),
    *(
        "%d %b %y",
        "%d. %b %Y",
        "%b %d, %Y",
        "%b %d %Y",
        "%b-%d-%Y",
        "%Y %b %d",
        "%Y-%b-%d",
        "%Y-%m",
    ),
    *("%b %Y", "%b-%Y", "%b-%y", "%m/%Y", "%d de %b de %Y", "%d%b%Y", "%d%b%y", "%b_%Y", "%b/%Y"),
    *("%b%Y", "%Y %b", "%Y-%b", "%Y_%b", "%Y Q%q", "%Y-Q%q", "%YQ%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y"),
)
COMPACT = "%Y%m%d"  # 20260131
#: Formats of eight digits, in the order of preference.
COMPACTS = (COMPACT, "%m%d%Y", "%d%m%Y")
SWAPPED = {"%m/%d/%Y": "%d/%m/%Y", "%m-%d-%Y": "%d-%m-%Y", "%m/%d/%y": "%d/%m/%y"}
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar jän jänner janv janvier ene enero gen gennaio janeiro januari "
            "sty styczeń stycznia янв январь января",
            "feb february februar feber fév févr février fevr fevrier febrero febbraio fev fevereiro "
            "februari lut luty lutego фев февр февраль февраля",
            "mar march mär mrz märz mars marzo março marco mrt maart marca marzec marts "
            "мар март марта",
            "apr april avr avril abr abril aprile kwi kwiecień kwietnia апр апрель апреля",
            "may mai mayo mag maggio maio mei maj maja май мая",
            "jun june juni juin junio giu giugno junho cze czerwiec czerwca июн июнь июня",
            "jul july juli juil juillet julio lug luglio julho lip lipiec lipca июл июль июля",
            "aug august août aout ago agosto augustus augusti sie sierpień sierpnia авг август "
            "августа",
            "sep sept september septembre septiembre setiembre set settembre setembro wrz wrzesień "
            "września сен сент сентябрь сентября",
            "oct october okt oktober octobre octubre ott ottobre out outubro paź październik "
            "października окт октябрь октября",
            "nov november novembre noviembre novembro lis listopad listopada ноя нояб ноябрь ноября",
            "dec december dez dezember déc décembre decembre dic diciembre dicembre dezembro des "
            "desember gru grudzień grudnia дек декабрь декабря",
        ),
        1,
    )
    for name in names.split()
}
WEEKDAYS = frozenset(
    "mon monday tue tues tuesday wed wednesday thu thur thurs thursday fri friday sat saturday sun "
    "sunday mo montag di dienstag mi mittwoch do donnerstag fr freitag sa samstag sonnabend so sonntag "
    "lun lundi mar mardi mer mercredi jeu jeudi ven vendredi sam samedi dim dimanche lunes martes mié "
    "miércoles jue jueves vie viernes sáb sábado dom domingo lunedì martedì mercoledì giovedì venerdì "
    "sabato domenica gio gioved seg segunda ter terça qua quarta qui quinta sex sexta ma maandag "
    "dinsdag wo woensdag donderdag vr vrijdag za zaterdag zo zondag pon poniedziałek wt wtorek śr środa "
    "czw czwartek pt piątek sob sobota nd niedziela niedz mån måndag tis tisdag ons onsdag tors torsdag "
    "fre fredag lör lördag sön söndag man mandag tir tirsdag tirs lør lørdag søn søndag пн понедельник "
    "вт вторник ср среда чт четверг пт пятница сб суббота вс воскресенье".split()
)
PART_PATTERNS = {
    "%Y": r"(?P<year>\d{4})",
    "%y": r"(?P<year>\d{2})",
    "%m": r"(?P<month>\d{1,2})",
    "%d": r"(?P<day>\d{1,2})",
    "%b": r"(?P<month>[^\W\d_]{3,12})\.?",
    "%q": r"(?P<quarter>[1-4])",
}
#: What people call the parts.
PART_NAMES = {
    **{"%Y": "year", "%y": "year", "%m": "month", "%b": "month", "%B": "month", "%d": "day"},
    "%q": "quarter",
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
FIRST = 50  # texts that show whether to look at all
#: Texts, from all parts of the column, that show whether most are dates, and the format.
FEW, SAMPLE = 50, 500
LEAST = 0.5  # of the texts that must be dates of a format
#: Distinct texts, and years, that show that eight digits are dates and not other numbers.
LEAST_COMPACT = 5
FIRST_YEAR, LAST_YEAR = "1900", "2099"
#: What a date of less than eight characters contains: 1/2/26, 1.2.26, 2026-01, Jan-26, 2026Q1
SHORT_DATE = re.compile(
    r"^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}$|^\d{4}-\d{1,2}$|^\d{1,2}/\d{4}$|[Qq][1-4]|[^\W\d_]{3}"
)
EPOCH = datetime.date(1970, 1, 1).toordinal()


@lru_cache(maxsize=64)
def _pattern(name):
    """Return the compiled pattern of a format."""
    if name in COMPACTS:
        digits = {"%Y": r"(?P<year>\d{4})", "%m": r"(?P<month>\d{2})", "%d": r"(?P<day>\d{2})"}
        return re.compile("".join(digits[part] for part in re.findall("%.", name)) + TIME)
    text = "%Y-%m-%d" if name == "iso" else name.replace("%B", "%b")
    unknown = re.sub(r"%[Yymdbq]", "", text)
    if "%" in unknown:
        raise ValueError(
            f"format {name!r} is unknown. Pass one such as {', '.join(DATE_FORMATS[:5])}."
        )
    has_name = "%b" in text
    parts = PART_PATTERNS | {"%d": ORDINAL_DAY} if has_name else PART_PATTERNS
    pattern = "".join(
        parts[part] if part[:1] == "%" else re.escape(part).replace(r"\ ", r"\s+")
        for part in re.split(r"(%[Yymdbq])", text)
    )
    return re.compile((WORD if has_name else WEEKDAY) + pattern + TIME, re.I)


def parse_date(text, name):
    """Return the seconds since 1970 of a text, NaN if it is not a date in this format.

    A time without an offset is taken for UTC.
    """
    text = text.strip()
    if name == "iso" and len(text) == 10:
        with suppress(ValueError):
            return (datetime.date.fromisoformat(text).toordinal() - EPOCH) * DAY
    match = _pattern(name).fullmatch(text)
    if match is None:
        return math.nan
    part = match.groupdict()
    try:
        day = _day(part)
    except ValueError:
        return math.nan
    seconds = day * DAY + _time(part)
    return seconds + float("0." + part["fraction"]) if part["fraction"] else seconds


def is_date(text, name):
    """Whether a text is a date in this format."""
    return not math.isnan(parse_date(text, name))


def hour_of_day(hour, half):
    """Return the hour of the day of one with AM or PM, NaN if there is none. half : text or None"""
    if not half:
        return hour
    return hour % 12 + 12 * (half[0] in "Pp") if 1 <= hour <= 12 else math.nan


def _day(part):
    """Return the days since 1970 of the parts of a date. Raise ValueError if there is no such day."""
    year = int(part["year"])
    if len(part["year"]) == 2:
        year += 1900 if year >= 69 else 2000  # as datetime.strptime
    return datetime.date(year, _month(part), int(part.get("day") or 1)).toordinal() - EPOCH


def _time(part):
    """Return the whole seconds from the midnight of UTC to a time, NaN if there is none, as 25:00."""
    if part["hour"] is None:
        return 0
    hour, minute, second = int(part["hour"]), int(part["minute"]), int(part["second"] or 0)
    hour = hour_of_day(hour, part["half"])
    if not (hour < 24 and minute < 60 and second <= 60):
        return math.nan
    return hour * 3600 + minute * 60 + second - _offset(part["zone"])


def _month(part):
    """Return the month of a date, 0 for an unknown name."""
    if "quarter" in part:
        return 3 * int(part["quarter"]) - 2
    text = part["month"]
    return int(text) if text.isdecimal() else MONTHS.get(text.lower(), 0)


def _offset(zone):
    """Return the seconds of an offset from UTC, such as +02:00."""
    digits = re.sub(r"\D", "", zone or "")
    if not digits:
        return 0
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if "-" in zone else seconds


# ---- the format of a column ----


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
    for name in (*DATE_FORMATS, *COMPACTS) if compact else DATE_FORMATS:
        if all(is_date(text, name) for text in distinct):
            return name
    return None


def _may_be_date(text):
    return len(text) >= 8 or SHORT_DATE.search(text)


def find_format_of_most(distinct, compact=False):
    """Return the format in which most texts are dates, or None. Parameters: as in `find_format`"""
    names, counts = [*DATE_FORMATS, *(COMPACTS if compact else ())], {}
    for size in (FEW, SAMPLE):
        sample = distinct[:: max(1, len(distinct) // size)]
        likely = list(filter(_may_be_date, sample))
        counts = {name: _count_dates(likely, name) for name in names}
        names = [name for name in names if counts[name] > LEAST * len(sample)]
        if not names:
            return None
    found = max(names, key=lambda name: counts[name])
    swapped = SWAPPED.get(found)  # all texts decide between day and month
    if swapped is not None and _count_dates(distinct, swapped) > _count_dates(distinct, found):
        return swapped
    return found


def _count_dates(texts, name):
    return sum(is_date(text, name) for text in texts)


def find_compact(texts):
    """Return the format in which texts of eight digits are all dates, or None.

    They must look like dates and not like other numbers: from 1900 to 2099, of more than one day.
    """
    if len(texts) < LEAST_COMPACT or not all(len(t) == 8 and t.isdecimal() for t in texts):
        return None
    return next((name for name in COMPACTS if _are_compact(texts, name)), None)


def _are_compact(texts, name):
    """Whether texts of eight digits look like dates in this format."""
    if not all(is_date(text, name) for text in texts):
        return False
    found = [_pattern(name).fullmatch(text) for text in texts]
    years, days = ({match[part] for match in found} for part in ("year", "day"))
    return FIRST_YEAR <= min(years) and max(years) <= LAST_YEAR and len(days) > 1


def date_format(distinct, compact=False):
    """Return the format in which all texts are dates, or None.

    Parameters
    ----------
    distinct : sequence of str
        The distinct texts of a column. Marks for missing values are ignored. They decide whether
        the day or the month comes first; the month does if both are possible.
    compact : bool, default False
        Whether eight digits, such as 20260131, are a date.

    Returns
    -------
    str or None
        "iso" or a format such as "%d.%m.%Y". A time can follow in any format.
    """
    return find_format(present_texts(distinct), compact)


def is_ambiguous(distinct, name):
    """Whether day and month could be swapped in all dates of a column."""
    swapped = SWAPPED.get(name)
    return swapped is not None and all(is_date(text, swapped) for text in distinct)


def describe_date_format(name, distinct=()):
    """Return a date format as text for people: 'dates written as month/day/year'."""
    if name == "iso":
        return "dates"
    separator = " " if name in COMPACTS else ""
    name_only = name.replace("Q%q", "%q")
    written = re.sub(r"%[YymdbBq]", lambda m: PART_NAMES[m[0]] + separator, name_only).strip()
    present = present_texts(distinct)
    swapped = present and is_ambiguous(present, name)
    example = f" (day and month could be swapped, as in {present[0]})" if swapped else ""
    return f"dates written as {written}{example}"
