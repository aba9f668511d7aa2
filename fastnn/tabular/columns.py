"""Find out what the columns of a table are, and convert them: numbers, categories or dates."""

import datetime
import math
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from ..tables.files import printable
from .frames import did_you_mean
from .raw_columns import number_text, time_text

KINDS = "number", "category", "date"
#: Formats of dates besides ISO 8601; a time may follow. Month before day where both are possible.
DATE_FORMATS = (
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)
TIME_FORMATS = "", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p"
FORMATS = "iso", *(d + t for d in DATE_FORMATS for t in TIME_FORMATS)
#: Texts that stand for a missing value, in lower case and without spaces around them.
MISSING = frozenset(("", "?", "-", ".", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat"))
COMPACT = "%Y%m%d"  # more often a number: only of columns that the user calls dates


@dataclass
class Column:
    """What a column of the training table is, and how to read it.

    Attributes
    ----------
    label : str
        Its name, or its number as a text.
    kind : {"number", "category", "date"}
    date_format : str or None
        How a date is written, if it is a text: "iso" or a format of `datetime.strptime`.
    from_text : bool
        Whether the training table held texts.
    """

    label: str
    kind: str
    date_format: str | None = None
    from_text: bool = False


def find(frame, numbers=(), categories=(), dates=(), drop=()):
    """Return [(position, Column)] of the usable columns, and {label: reason} of the others.

    Parameters
    ----------
    frame : Frame
    numbers, categories, dates, drop : sequences of names or positions
        Columns whose kind the user knows.
    """
    chosen: dict = {}
    for argument, names in (
        ("numbers", numbers),
        ("categories", categories),
        ("dates", dates),
        ("drop", drop),
    ):
        for position in positions(argument, names, frame):
            if chosen.setdefault(position, argument) != argument:
                raise ValueError(
                    f"column {frame.labels()[position]!r} is in both {chosen[position]} and "
                    f"{argument}. Name it once."
                )
    kind_of = {"numbers": "number", "categories": "category", "dates": "date"}
    found, left_out = [], {}
    for i, (label, raw) in enumerate(zip(frame.labels(), frame.columns)):
        kind = guess(raw)
        if chosen.get(i) == "drop":
            left_out[label] = "named in drop"
        elif kind == "empty":
            left_out[label] = "all values are missing"
        else:
            kind = kind_of.get(chosen.get(i, ""), kind)
            name = _declared_format(label, raw) if kind == "date" else None
            found.append((i, Column(label, kind, name, raw.kind == "text")))
    return found, left_out


def _declared_format(label, raw):
    """Return the format of a column of dates, None if it does not hold texts."""
    if raw.kind != "text":
        return None
    present = [text for text in raw.levels if not is_mark(text)]
    name = date_format(raw) or date_format(raw, (COMPACT,))
    if name is None:
        formats = [f for f in FORMATS if parse_date(present[0], f) is not None]
        bad = next(
            (t for t in present if formats and parse_date(t, formats[0]) is None), present[0]
        )
        raise ValueError(
            f"dates names the column {label!r}, which holds {printable(bad)!r}. That is not a date "
            + ("like the others. Correct it, or leave it empty if it is missing." if formats else
               "in a format that fastnn knows, such as 2026-01-31. Convert the column to dates.")
        )  # fmt: skip
    return name


def positions(argument, names, frame):
    """Return the positions of columns that an argument names."""
    if isinstance(names, (str, Integral)):
        names = [names]
    out = []
    for name in names:
        if isinstance(name, str):
            if frame.names is None:
                raise ValueError(
                    f"{argument} names the column {name!r}, but the columns of X have no names. Pass "
                    "its position."
                )
            if name not in frame.names:
                raise ValueError(
                    f"{argument} names the column {name!r}, which X does not have. "
                    + did_you_mean(name, frame.names)
                )
            out.append(frame.names.index(name))
        elif isinstance(name, Integral) and not isinstance(name, (bool, np.bool_)):
            i, n = int(name), len(frame.columns)
            if not -n <= i < n:
                raise ValueError(
                    f"{argument} names column {i}, but X has {n} columns. Pass a name, or a position "
                    f"from 0 to {n - 1}."
                )
            out.append(i % n)
        else:
            raise ValueError(
                f"{argument} must hold names or positions of columns, got {name!r} of type "
                f"{type(name).__name__}"
            )
    return out


def guess(raw):
    """Return the kind of a column, or "empty"."""
    if raw.kind != "text":
        if np.isnan(raw.values).all():
            return "empty"
        return "number" if raw.kind == "number" else "date"
    present = [text for text in raw.levels if not is_mark(text)]
    if not present:
        return "empty"
    if raw.declared:
        return "category"
    if all(math.isfinite(to_number(text)) for text in present):
        return "number"
    return "category" if date_format(raw) is None else "date"


def is_mark(text):
    """Whether a text stands for a missing value."""
    return text.strip().lower() in MISSING


def to_number(text):
    """Return the number that a text stands for, NaN if it is none; "true" is 1, "false" is 0."""
    lower = text.strip().lower()
    if lower in ("true", "false"):
        return float(lower == "true")
    try:
        return float(text)
    except ValueError:
        return math.nan


# ---- dates ----


def date_format(raw, formats=FORMATS):
    """Return the first format in which all texts of a column are dates, or None."""
    some = [text for text in raw.levels[:40] if not is_mark(text)]
    if not all(any(c.isdigit() for c in text) for text in some):
        return None
    for name in formats:
        if name in raw.parsed:
            return name
        numbers = _parse_all(raw.levels, name)
        if numbers is not None:
            raw.parsed[name] = numbers
            return name
    return None


def _parse_all(levels, name):
    """Return the dates of texts and a NaN for missing values, or None if a text is no date."""
    numbers = []
    for text in levels:
        number = parse_date(text, name)
        if number is None and not is_mark(text):
            return None
        numbers.append(or_nan(number))
    return np.array([*numbers, math.nan])


def parse_date(text, name):
    """Return seconds since 1970, or None."""
    text = text.strip()
    try:
        if name == "iso":
            if len(text) < 8 or text.isdigit():  # 20260131 is more often a number
                return None
            value = datetime.datetime.fromisoformat(text)
        else:
            value = datetime.datetime.strptime(text, name)
    except ValueError:
        return None
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.UTC)
    return value.timestamp()


# ---- convert ----


def convert(raw, column):
    """Return the values of a column of a table as its Column says.

    Numbers and dates: float64 (n,) with NaN for missing values. Categories: codes (n,) and the
    texts that they stand for; the code is -1 for missing values.
    """
    if column.kind == "category":
        return _to_texts(raw)
    if column.kind == "number":
        if raw.kind == "time" and not np.isnan(raw.values).all():
            raise ValueError(
                f"column {column.label!r} holds dates or times, but numbers are expected. Convert it "
                "to numbers."
            )
        values = raw.values
        if raw.kind == "text":
            values = _of_texts(raw, column, "number", to_number, "a number")
        infinite = np.isinf(values)
        if infinite.any():
            raise ValueError(
                f"column {column.label!r} is infinite in row {int(infinite.argmax())}. Replace the "
                "value, or leave it empty if it is missing. X must not contain infinity."
            )
        return values
    if raw.kind == "time":
        return raw.values
    if raw.kind == "text":
        name = column.date_format or date_format(raw) or "iso"
        what = "a date like those of fit" if column.date_format else "a date"
        return _of_texts(raw, column, name, lambda text: or_nan(parse_date(text, name)), what)
    return _of_numbers(raw.values, column)


def _of_numbers(values, column):
    """Return the dates that numbers such as 20260131 stand for."""
    distinct, codes = np.unique(values, return_inverse=True)
    texts = ["" if math.isnan(x) else number_text(x) for x in distinct.tolist()]
    dates = np.array([or_nan(parse_date(text, COMPACT)) for text in texts])
    wrong = np.isnan(dates) & ~np.isnan(distinct)
    if wrong.any():
        raise ValueError(
            f"column {column.label!r} holds the number {distinct[wrong][0]:g}, but dates are "
            "expected. Convert the column to dates; 20260131 is one, too."
        )
    return dates[codes]


def or_nan(value):
    return math.nan if value is None else value


def _of_texts(raw, column, name, parse, what):
    """Return the numbers that the texts of a column stand for. `name` is that of the parser."""
    if name not in raw.parsed:
        raw.parsed[name] = np.array([parse(text) for text in raw.levels] + [math.nan])
    of_level = raw.parsed[name]
    for i in np.flatnonzero(np.isnan(of_level[:-1])):
        text, rows = raw.levels[i], np.flatnonzero(raw.values == i)
        if not is_mark(text) and len(rows):
            raise ValueError(
                f"column {column.label!r} holds {printable(text)!r} in row {rows[0]}, which is "
                f"not {what}. Correct the value, or leave it empty if it is missing."
            )
    return of_level[raw.values]


def _to_texts(raw):
    if raw.kind == "text":
        marks = [i for i, text in enumerate(raw.levels) if is_mark(text)]
        codes = raw.values
        if marks:
            codes = np.where(np.isin(codes, marks), -1, codes)
        return codes, raw.levels
    present = ~np.isnan(raw.values)
    numbers, codes = np.unique(raw.values[present], return_inverse=True)
    out = np.full(len(raw.values), -1, np.int64)
    out[present] = codes
    return out, list(map(time_text if raw.kind == "time" else number_text, numbers.tolist()))
