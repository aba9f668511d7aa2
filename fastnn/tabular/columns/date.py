"""Columns of dates and times, and of texts that are dates."""

import math
from typing import ClassVar

import numpy as np

from ...core.errors import Argument, DataError, Message
from ...core.messages import printable
from ...tables.cells import dates
from ...tables.cells.dates import (
    COMPACT,
    COMPACTS,
    DATE_FORMATS,
    date_format,
    describe_date_format,
    is_date,
    parse_date,
)
from ...tables.cells.missing import present_texts
from ...tables.cells.units import DAY, YEAR
from .column import MIN_COUNT, CategoryFeature, NumberFeature, Numeric, where_present
from .input_column import InputColumn, number_text, read_texts, time_text
from .other_texts import OtherTexts

#: Numbers that a date becomes besides itself, with their period in seconds: position in the cycle
#: as sine and cosine.
CYCLES = {"year": YEAR, "day": DAY}
#: Sines and cosines are rounded to multiples of 1 / CYCLE_STEPS. Then the same hour has the same
#: number on each day, and with the mathematical functions of each machine.
CYCLE_STEPS = 1e9
LEAST_DIGITS, MOST_DIGITS = 1e6, 1e8  # of whole numbers that are dates such as 20260131, or 1312026
COMPACT_EXAMPLE = "20260131"
EXAMPLES = {COMPACT: COMPACT_EXAMPLE, "%m%d%Y": "01312026", "%d%m%Y": "31012026"}
LAST_PART = 1231  # the 31st of December, the largest number of a part of a date
#: Cycles of days after which weekdays and dates are the same again: the first day, counted from
#: 1970-01-01, and the number of days. Years that begin in March end with the leap day.
WEEK = -3, 7  # from a Monday
FOUR_CENTURIES = 11017, 146097  # from 2000-03-01

DAY_OF_CYCLE = """
/* The day of a date in a cycle of n days, from 0; first: a first day of it, from 1970-01-01 */
static int32_t ${name}_day(double t, double first, double n)
{
    const double day = fmod(floor(t / $day) - first, n);
    return (int32_t)(day < 0.0 ? day + n : day);
}
"""

DAY_OF_YEAR = """
/* The day in a year that begins on March 1, from 0, of a day of 400 years that begin in March */
static int32_t ${name}_day_of_year(int32_t day)
{
    const int32_t century = day / 36524 < 3 ? day / 36524 : 3; /* the last one has a day more */
    const int32_t of_4_years = (day - 36524 * century) % 1461;
    const int32_t year = of_4_years / 365 < 3 ? of_4_years / 365 : 3;
    return of_4_years - 365 * year;
}
"""

CYCLE = """
/* The sine, or the cosine, of where a date is in a cycle of so many seconds */
static double ${name}_cycle(double t, double period, int is_sine)
{
    const double angle = $two_pi * (fmod(t, period) / period);
    return rint($steps * (is_sine ? sin(angle) : cos(angle))) / $steps;
}
"""


class Date(Numeric):
    """A column of dates or times, in seconds since 1970. Its style is one of `dates.date_format`.

    Weekdays count from 0, Monday; months from 1. The 24th of December is "1224".
    """

    kind: ClassVar[str] = "date"
    argument: ClassVar[str] = "dates"
    option_help: ClassVar[str] = "columns to treat as dates, such as 20260131"
    number_parts: ClassVar[tuple] = (
        *Numeric.number_parts,
        *(f"{function} {cycle}" for cycle in CYCLES for function in ("sin", "cos")),
        "day of month",
    )
    category_parts: ClassVar[tuple] = (
        *Numeric.category_parts,
        *("weekday", "month", "day of year"),
    )
    c_helpers: ClassVar[dict] = dict(day=DAY_OF_CYCLE, day_of_year=DAY_OF_YEAR, cycle=CYCLE)
    c_constants: ClassVar[dict] = dict(day=DAY, two_pi=2 * math.pi, steps=CYCLE_STEPS)

    @classmethod
    def guess_values(cls, label, raw):
        if raw.kind == "time":
            return cls(label)
        style = compact_format(raw)
        return None if style is None else cls(label, style)

    @classmethod
    def declare(cls, label, raw):
        present = raw.present
        if raw.kind != "text":
            style = compact_format(raw) if raw.kind == "number" else None
            return cls(label, None if style == COMPACT else style)
        style = date_format(present, compact=True)
        if style is not None:
            return cls(label, style, True)
        style = dates.find_format_of_most(present_texts(present), compact=True)
        if style is not None:
            return cls(label, style, True, True)
        likely = next((f for f in DATE_FORMATS if is_date(present[0], f)), None)
        if likely is None:
            bad, what = present[0], "in a format that fastnn knows, such as 2026-01-31"
            advice = "Convert the column to dates."
        else:
            bad = next((t for t in present if not is_date(t, likely)), present[0])
            what, advice = "like the others", "Correct it, or leave it empty if it is missing."
        raise DataError(
            "{argument} names the column {column!r}, which holds {value!r}. That is not a date {what}.",
            advice,
            argument="dates",
            column=label,
            value=printable(bad),
            what=what,
        )

    def is_style(self):
        return self.style in (None, *COMPACTS, *DATE_FORMATS)

    def may_be_times(self, raw):
        return True

    def can_have(self, part, categories):
        if part == "presence":
            return super().can_have(part, categories)
        numbers = [int(text) for text in categories]
        is_part = numbers and 0 <= min(numbers) and max(numbers) <= LAST_PART
        return is_part and categories == list(map(str, numbers))

    def convert(self, raw):
        if raw.kind == "time":
            return raw.values
        if raw.kind == "text":
            what = "a date like those of the training table" if self.style else "a date"
            return self.convert_texts(raw, what)
        return self._of_numbers(raw.values)

    def find_style(self, raw):
        return self.style or date_format(raw.texts) or "iso", parse_date

    def expected(self):
        return describe_date_format(self.style or "iso")

    def style_note(self, raw):
        if raw.kind == "text" and self.style is not None:
            texts = present_texts(raw.texts)
            if not dates.is_ambiguous(texts, self.style):
                return None
            return Message(
                "column {column!r}: {what}. Write them as 2026-01-31 if that is wrong.",
                column=printable(self.label),
                what=describe_date_format(self.style, texts),
            )
        if raw.kind != "number" or self.style is None:
            return None
        return Message(
            "column {column!r}: whole numbers such as {example} are {what}. Pass {numbers} to keep "
            "them as numbers.",
            column=printable(self.label),
            example=number_text(float(raw.values[~np.isnan(raw.values)][0])),
            what=describe_date_format(self.style),
            numbers=Argument("numbers", [self.label]),
        )

    def others(self, raw):
        if raw.kind != "number" or self.style not in COMPACTS:
            return super().others(raw)
        numbers, codes, found = self._parse_numbers(raw.values)
        as_texts = InputColumn("text", np.where(np.isnan(raw.values), -1, codes),
                               ["" if math.isnan(x) else number_text(x) for x in numbers.tolist()])  # fmt: skip
        return OtherTexts.find(as_texts, found)

    def _parse_numbers(self, values):
        """Return distinct numbers, the position of each value among them, and their dates or NaN."""
        distinct, codes = np.unique(values, return_inverse=True)
        style = self.style if self.style in COMPACTS else COMPACT
        written = ["" if math.isnan(x) else _digits(x) for x in distinct.tolist()]
        return distinct, codes, np.array([parse_date(text, style) for text in written])

    def _of_numbers(self, values):
        """Return the dates that numbers such as 20260131 stand for."""
        distinct, codes, found = self._parse_numbers(values)
        wrong = np.isnan(found) & ~np.isnan(distinct)
        if wrong.any() and not self.has_others and (self.style is None or np.isnan(found).all()):
            first = int(wrong[codes].argmax())
            raise DataError(
                "column {column!r} holds the number {number} in {row}, but dates are expected.",
                "Convert the column to dates; {example} is one, too.",
                column=self.label,
                row=first,
                number=number_text(float(values[first])),
                example=EXAMPLES.get(self.style or COMPACT, COMPACT_EXAMPLE),
            )
        return found[codes]

    # ---- features ----

    def parts(self, source, present, spread, has_missing):
        numbers, categories = [], ["weekday"] if spread > 7 * DAY else []
        if spread > 0.5 * YEAR:
            numbers += ["sin year", "cos year", "day of month"]
            categories += ["month", "day of year"]
        if (present % DAY != 0).any():
            numbers += ["sin day", "cos day"]
        out: list = [NumberFeature(source, part) for part in numbers]
        for part in categories:
            found, counts = np.unique(date_part(present, part), return_counts=True)
            categories = [str(int(x)) for x in found[counts >= MIN_COUNT]]
            if categories:
                out.append(CategoryFeature(source, part, categories, has_missing))
        return out

    def number(self, values, part):
        if part == "value":
            return values
        if part == "day of month":
            days = date_part(np.nan_to_num(values), part)
            return np.where(np.isnan(values), np.nan, days)
        function, cycle = part.split()
        angle = 2 * np.pi * (np.fmod(values, CYCLES[cycle]) / CYCLES[cycle])
        x = np.sin(angle) if function == "sin" else np.cos(angle)
        return np.rint(CYCLE_STEPS * x) / CYCLE_STEPS

    def find_codes(self, values, category):
        if category.part == "presence":
            return super().find_codes(values, category)
        code_of = category.code_of_part
        part = date_part(np.nan_to_num(values), category.part)
        return code_of[np.minimum(part, len(code_of) - 1)]

    def write(self, x, write_number):
        return time_text(x)

    def to_axis(self, values):
        return np.round(values * 1e6).astype("datetime64[us]")

    def grid(self, values, n_points):
        found = super().grid(values, n_points)
        present = values[~np.isnan(values)]
        is_day = len(found) < len(np.unique(present)) and (present % DAY == 0).all()
        return np.unique(np.round(found / DAY) * DAY) if is_day else found

    # ---- JSON ----

    def describe_json(self, categories, typical):
        example = time_text(0.0 if typical is None else typical)
        about = "a date such as 2026-01-31, with or without a time; null if it is missing"
        if self.style not in (None, "iso"):
            about = f"a date, written like those of the training table ({self.style}), or null"
            example = _format_date(example, self.style)
        types = ["string", "null"] if self.from_text else ["string", "number", "null"]
        return about, {"type": types}, example

    def json_reader(self, categories):
        style = self.style or "iso"
        return lambda values: read_texts(values, parse_date, style)

    def from_json_values(self, values):
        return InputColumn("time", np.array(values, "float64"))

    # ---- other formats ----

    def c_comment(self, writer, categories):
        return f"{self.kind}, seconds since 1970-01-01 00:00 UTC"

    def to_c(self, writer, x, feature):
        part = feature.part
        if part in Numeric.number_parts + Numeric.category_parts:
            return super().to_c(writer, x, feature)
        if part == "day of month":
            days = writer.array("days", "double", writer.numbers(day_values(part) * 1.0))
            return f"isnan({x}) ? {x} : {days}[{_day_in_c(writer, x, part)}]"
        if isinstance(feature, NumberFeature):
            function, cycle = part.split()
            period = writer.number(CYCLES[cycle])
            return writer.call("cycle", x, period, int(function == "sin"))
        items = list(map(str, day_codes(feature).tolist()))
        day = _day_in_c(writer, x, part)
        codes = writer.array("codes", "int32_t", items)
        return f"isnan({x}) ? {feature.missing_code} : {codes}[{day}]"

    def to_onnx(self, writer, x, feature):
        part = feature.part
        if part in Numeric.number_parts + Numeric.category_parts:
            return super().to_onnx(writer, x, feature)
        if part == "day of month":
            days = writer.add("Gather", day_values(part) * 1.0, _day_in_onnx(writer, x, part))
            return writer.add("Where", writer.add("IsNaN", x), x, days)
        if isinstance(feature, NumberFeature):
            return _cycle_in_onnx(writer, x, *part.split())
        codes = writer.add("Gather", day_codes(feature), _day_in_onnx(writer, x, part))
        return where_present(writer, x, codes, feature)


def compact_format(raw):
    """Return the format in which whole numbers such as 20260131 are all dates, None if they are not.

    raw : InputColumn
        Of numbers.
    """
    values = raw.values[~np.isnan(raw.values)]
    if not len(values) or not (values.min() >= LEAST_DIGITS and values.max() < MOST_DIGITS):
        return None
    if (values != np.floor(values)).any():
        return None
    return dates.find_compact(list(map(_digits, np.unique(values).tolist())))


def _digits(x):
    """Return a whole number as text of eight digits, with a zero that a number has lost."""
    return number_text(x).zfill(8) if x >= LEAST_DIGITS else number_text(x)


def _format_date(text, style):
    """Return an ISO date in a format of `fastnn.tables.cells.dates`."""
    if "%q" in style:
        quarter = (int(text[5:7]) + 2) // 3
        style = style.replace("%q", str(quarter))
    date = np.datetime64(text.replace(" ", "T"), "s").item()
    return date.strftime(style)


def date_part(seconds, part):
    """Return a part of dates, as integers.

    seconds : ndarray (n,)
        Seconds since 1970-01-01, a Thursday; no NaN.
    """
    days = np.floor(seconds / DAY).astype(np.int64)
    if part == "weekday":
        return (days + 3) % 7
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    if part == "month":
        return month
    day = (dates - months).astype(np.int64) + 1
    return day if part == "day of month" else 100 * month + day


def day_values(part):
    """Return a part of dates for each day of a week, or of a leap year that begins in March."""
    days = np.arange(7) - 3 if part == "weekday" else np.arange(366) + 10651  # 1999-03-01
    return date_part(DAY * days, part)


def day_codes(category):
    """Return the code of each of the `day_values`, -1 for a day that is none of the categories."""
    code_of = {int(text): code for code, text in enumerate(category.categories)}
    return np.array([code_of.get(x, -1) for x in day_values(category.part).tolist()])


def _day_in_c(writer, date, part):
    """Return the position of a date among the `day_values` of a part."""
    if part == "weekday":
        return writer.call("day", date, *map(float, WEEK))
    return writer.call("day_of_year", writer.call("day", date, *map(float, FOUR_CENTURIES)))


def _cycle_in_onnx(writer, x, function, cycle):
    """Return the sine or the cosine of where dates are in a cycle."""
    period, steps = np.array(CYCLES[cycle]), np.array(CYCLE_STEPS)
    part_of_cycle = writer.add("Div", writer.add("Mod", x, period, fmod=1), period)
    angle = writer.add("Mul", part_of_cycle, np.array(2 * np.pi))
    if function == "cos":  # ONNX Runtime 1.20 has no cosine in float64
        angle = writer.add("Add", angle, np.array(np.pi / 2))
    rounded = writer.add("Round", writer.add("Mul", writer.add("Sin", angle), steps))
    return writer.add("Div", rounded, steps)


def _day_in_onnx(writer, x, part):
    """Return the position of each date (n, 1) among the `day_values` of a part, 0 for NaN."""

    def integer(n):
        return np.array(n, np.int64)

    def whole(a, n, most):
        """Return how many whole spans of n days are in a, at most `most`."""
        return writer.add("Min", writer.add("Div", a, integer(n)), integer(most))

    first, n = map(float, WEEK if part == "weekday" else FOUR_CENTURIES)
    days = writer.add(
        "Sub", writer.add("Floor", writer.add("Div", x, np.array(DAY))), np.array(first)
    )
    day = writer.add("Mod", days, np.array(n), fmod=1)
    zero = np.array(0.0)
    day = writer.add(
        "Where", writer.add("Less", day, zero), writer.add("Add", day, np.array(n)), day
    )
    day = writer.cast(writer.add("Where", writer.add("IsNaN", x), zero, day), np.int64)
    if part == "weekday":
        return day
    century = whole(day, 36524, 3)  # the last one has a day more
    day = writer.add("Sub", day, writer.add("Mul", century, integer(36524)))
    day = writer.add("Mod", day, integer(1461))  # of four years
    year = whole(day, 365, 3)
    return writer.add("Sub", day, writer.add("Mul", year, integer(365)))
