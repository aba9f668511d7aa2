"""Numbers and dates that are written as texts.

The functions take the distinct texts of a column (its levels). They find how the column is written
once, on the training table; `parse_number` and `parse_date` then read any table in the same way.
Styles and formats are texts, so a model file can keep them.
"""

import math
import re
from functools import lru_cache

from . import dates
from .dates import parse_date

__all__ = [
    "date_format",
    "describe_date_format",
    "describe_number_style",
    "first_other_text",
    "is_missing_mark",
    "number_style",
    "parse_date",
    "parse_number",
]

#: Texts that stand for a missing value, in lower case and without spaces around them.
MISSING = frozenset(
    (
        *("", "?", "??", "???", "-", "--", "---", ".", "..", "...", "\u2013", "\u2014", "_", "*"),
        *(
            "na",
            "n/a",
            "n.a.",
            "n.a",
            "n. a.",
            "k.a.",
            "k. a.",
            "nan",
            "-nan",
            "null",
            "none",
            "nil",
        ),
        *("missing", "<na>", "<null>", "(null)", "[null]", "(blank)", "(none)", "nat", "\\n"),
        *("#n/a", "#n/a n/a", "#na", "#nv", "#null!", "#div/0!", "#value!", "#wert!", "#ref!"),
        *("#bezug!", "#name?", "#num!", "#zahl!", "-1.#ind", "1.#ind", "1.#qnan", "-1.#qnan"),
    )
)
CURRENCIES = (
    r"(?:US|A|AU|C|CA|NZ|HK|S|R|NT|MX)?\$|[€£¥₹₽₩₺₪฿₫₴₦₱¢]|(?:USD|EUR|GBP|CHF|JPY|CNY|RMB|INR|CAD"
    r"|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|TRY|RUB|Rs\.?|kr\.?|Fr\.|SFr\.|zł|Kč)(?![^\W\d_])"
)
PLAIN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?inf(?:inity)?|nan", re.I)
DISGUISED = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[-+\u2212])?\s*(?P<before>{CURRENCIES})?\s*(?P<sign2>[-+\u2212])?\s*"
    r"(?P<number>\d(?:[\d.,'\u2019 \u00a0\u202f]*\d)?[.,]?|[.,]\d+)(?P<exponent>[eE][-+]?\d+)?"
    rf"\s*(?P<unit>%|{CURRENCIES}|[^\W\d_]+[/.]?[^\W\d_]*[²³]?|°[CFK]?)?\s*(?P<minus>[-\u2212])?"
    r"\s*(?P<close>\))?"
)
SPACES = re.compile("[\u00a0\u202f\u2009]")
IS_CURRENCY = re.compile(CURRENCIES)
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
MARKS = {",": "commas", ".": "dots", " ": "spaces", "'": "apostrophes"}
FIRST = 100  # texts to try before all


def is_missing_mark(text):
    """Whether a text stands for a missing value, such as '', '-', 'NA' or '#N/A'."""
    return text.strip().lower() in MISSING


def _present(levels):
    return [text.strip() for text in levels if not is_missing_mark(text)]


# ---- numbers ----


def number_style(levels):
    """Return the style in which all texts are numbers, or None.

    Parameters
    ----------
    levels : sequence of str
        The distinct texts of a column. Marks for missing values are ignored.

    Returns
    -------
    str or None
        The decimal mark, the thousands separator and the unit, separated by vertical bars: ".||" for
        plain numbers, ",|.|€" for 1.234,50 €, ".||%" for percentages. None if a text is not a
        number, if the units differ, or if all texts are missing.
    """
    present = _present(levels)
    if not present:
        return None
    return _style_of(present[:FIRST]) and _style_of(present)


def _style_of(present):
    if all(PLAIN.fullmatch(text) for text in present):
        return ".||"
    matches = [_match(text) for text in present]
    if any(match is None for match in matches):
        return None
    units = {_unit(match) for match in matches}
    if len(units) > 1:
        units.discard("")  # a currency sign that some values do not have
        if len(units) != 1 or not IS_CURRENCY.fullmatch(next(iter(units))):
            return None
    numbers = [_apostrophes(match["number"]) for match in matches]
    marks = ((",", "."),) if _are_euro_thousands(matches) else PUNCTUATION
    for decimal, thousands in marks:
        if all(_is_written(number, decimal, thousands) for number in numbers):
            return f"{decimal}|{thousands}|{units.pop()}"
    return None


def _match(text):
    match = DISGUISED.fullmatch(SPACES.sub(" ", text))
    if match is None or (match["open"] is None) != (match["close"] is None):
        return None
    return None if match["before"] and match["unit"] else match


def _unit(match):
    return match["before"] or match["unit"] or ""


def _apostrophes(number):
    return number.replace("\u2019", "'")


@lru_cache(maxsize=32)
def _written(decimal, thousands):
    """Return the pattern of numbers with this punctuation."""
    d = re.escape(decimal)
    grouped = rf"[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+(?:{d}\d*)?|" if thousands else ""
    return re.compile(rf"{grouped}\d+(?:{d}\d*)?|{d}\d+")


def _is_written(number, decimal, thousands):
    return _written(decimal, thousands).fullmatch(number) is not None


def _are_euro_thousands(matches):
    """Whether the dots of 1.234 € separate thousands: prices do not have three decimals."""
    dotted = [match["number"] for match in matches if "." in match["number"]]
    return (
        len(dotted) > 0
        and any((match["unit"] or "") in ("€", "EUR") for match in matches)
        and all(re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", number) for number in dotted)
    )


def parse_number(text, style=".||"):
    """Return the number that a text stands for, NaN if it is none.

    12% is 12. Parentheses and a minus sign after the number make it negative. A unit, a currency
    sign or a thousands separator may be absent, but not differ from the style.
    """
    text = text.strip()
    decimal, thousands, unit = style.split("|")
    if decimal == "." and PLAIN.fullmatch(text) and not (thousands == "." or unit == "%"):
        return float(text)
    match = _match(text)
    if match is None or _unit(match) not in (unit, "") or (unit == "%" and _unit(match) != "%"):
        return math.nan
    number = _apostrophes(match["number"])
    if not _is_written(number, decimal, thousands):
        thousands = {".": ",", ",": "."}[decimal] if not thousands else thousands
        clear = decimal in number or number.count(thousands) > 1  # 1,234 could be 1.234
        if not (clear and _is_written(number, decimal, thousands)):
            return math.nan
    if thousands:
        number = number.replace(thousands, "")
    value = float(number.replace(decimal, ".") + (match["exponent"] or ""))
    minuses = [match["sign"], match["sign2"], match["minus"]]
    negative = match["open"] is not None or any(m in ("-", "\u2212") for m in minuses if m)
    return -value if negative else value


def describe_number_style(style):
    """Return a style as text for people: 'numbers with a currency sign (€)'."""
    decimal, thousands, unit = style.split("|")
    what = []
    if unit == "%":
        what.append("a percent sign (12% is read as 12)")
    elif unit and IS_CURRENCY.fullmatch(unit):
        what.append(f"a currency sign ({unit})")
    elif unit:
        what.append(f"the unit {unit}")
    if thousands:
        what.append(f"{MARKS[thousands]} between thousands")
    if decimal == ",":
        what.append("a decimal comma")
    if not what:
        return "numbers"
    return "numbers with " + (", ".join(what[:-1]) + " and " if len(what) > 1 else "") + what[-1]


def first_other_text(levels):
    """Return the first text that keeps a column from being numbers, or None.

    It is None unless nine in ten of more than ten texts are numbers.
    """
    present = _present(levels)
    if len(present) <= 10:
        return None
    others = [text for text in present if _match(text) is None and not PLAIN.fullmatch(text)]
    return others[0] if 0 < len(others) <= 0.1 * len(present) else None


# ---- dates ----


def date_format(levels, compact=False):
    """Return the format in which all texts are dates, or None.

    Parameters
    ----------
    levels : sequence of str
        The distinct texts of a column. Marks for missing values are ignored. They decide whether
        the day or the month comes first; the month does if both are possible.
    compact : bool, default False
        Whether 20260131 is a date: only the user knows.

    Returns
    -------
    str or None
        "iso" or a format such as "%d.%m.%Y". A time can follow in any format.
    """
    return dates.find_format(_present(levels), compact)


def describe_date_format(name, levels=()):
    """Return a date format as text for people: 'dates written as month/day/year'."""
    if name == "iso":
        return "dates"
    text = {"%Y": "year", "%y": "year", "%m": "month", "%d": "day", "%b": "month", "%B": "month"}
    written = re.sub(r"%[YymdbB]", lambda match: text[match[0]], name)
    present = _present(levels)
    swapped = present and dates.is_ambiguous(present, name)
    example = f" (day and month could be swapped, as in {present[0]})" if swapped else ""
    return f"dates written as {written}{example}"
