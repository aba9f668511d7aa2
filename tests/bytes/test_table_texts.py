"""Numbers and dates that are written as texts: marks for missing values, styles, formats, and columns
that hold a few other texts.

`tests/support/cell_cases.py` has the forms that are read.
"""

import datetime
import math

import pytest

from fastnn.tables import convert_texts
from fastnn.tables.cells import numbers
from fastnn.tables.cells.dates import date_format, describe_date_format, parse_date
from fastnn.tables.cells.missing import is_missing_mark
from fastnn.tables.cells.numbers import number_style, parse_number
from fastnn.tables.cells.recognition import other_texts, recognise

# ---- missing values ----


@pytest.mark.parametrize("text", ["0", "no", "unknown", "other", "x", "nano", "1.", "- 1", "inf"])
def test_other_texts_are_values(text):
    assert not is_missing_mark(text)


# ---- numbers ----


def test_a_late_text_decides():
    assert number_style([*map(str, range(1000)), "1,5"]) == ",||"
    assert number_style([*map(str, range(1000)), "x"]) is None


PARSED = {  # style: {text: number}; 1,234 is 1234, or 1.234 with a decimal comma
    ".||": {"1,234": None, "1,234.5": 1234.5, "1,234,567": 1234567, "7%": None, "inf": math.inf},
    ",||": {"1.234": None, "1.234,5": 1234.5},
    ",|.|": {"1.234": 1234},
    ".||%": {"7": None},
    ".||$": {"7": 7, "7 €": None},
}
PARSED[".||"] |= dict.fromkeys(("x", "", "NA"))
PARSED = [(text, style, n) for style, texts in PARSED.items() for text, n in texts.items()]


@pytest.mark.parametrize(("text", "style", "number"), PARSED)
def test_a_number_of_another_table_is_read_in_the_same_style(text, style, number):
    result = parse_number(text, style)
    assert math.isnan(result) if number is None else result == number


def test_the_texts_that_keep_a_column_from_being_numbers():
    numbers = list(map(str, range(30)))
    assert other_texts([*numbers, "NA", "unknown"]) == ["unknown"]
    assert other_texts(numbers) == [] and other_texts([*numbers, *"abcdefghij"]) == []
    assert other_texts(["1", "2", "unknown"]) == []
    assert recognise(["NA", "-"]) is None


# ---- dates ----


DAY = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC).timestamp()


DAYS = range(10, 20)
DIGITS = [
    ([f"202601{day}" for day in DAYS], "%Y%m%d"),
    ([f"10{day}2018" for day in DAYS], "%m%d%Y"),
    ([f"{day}102018" for day in DAYS], "%d%m%Y"),
    ([f"{day}102018" for day in range(10, 14)], None),  # too few
    ([f"1010{year}" for year in range(2000, 2010)], None),  # numbers in a row
    ([f"10{day}1066" for day in DAYS], None),
    ([f"{day}132018" for day in DAYS], None),
]


@pytest.mark.parametrize(("levels", "name"), DIGITS)
def test_eight_digits_that_can_only_be_dates(levels, name):
    found = recognise(levels)
    assert (found.kind, found.style) == (("number", ".||") if name is None else ("date", name))


def test_digits_alone_are_dates_only_if_the_user_says_so():
    assert date_format(["20260131"], compact=True) == "%Y%m%d"
    assert parse_date("20260131", "%Y%m%d") == DAY and math.isnan(parse_date("20261331", "%Y%m%d"))


def test_the_column_decides_between_day_and_month():
    levels = [f"{day}/1/2026" for day in range(1, 13)]
    assert date_format(levels) == "%m/%d/%Y" and date_format([*levels, "13/1/2026"]) == "%d/%m/%Y"
    text = "dates written as month/day/year (day and month could be swapped, as in 1/1/2026)"
    assert describe_date_format("%m/%d/%Y", levels) == text
    assert describe_date_format("%d/%m/%Y", levels) == "dates written as day/month/year"
    assert describe_date_format("iso") == "dates"
    assert describe_date_format("%m%d%Y") == "dates written as month day year"
    assert describe_date_format("%Y Q%q") == "dates written as year quarter"


def test_a_date_in_another_format_is_nan():
    assert math.isnan(parse_date("31.01.2026", "iso")) and math.isnan(parse_date("x", "%d.%m.%Y"))
    with pytest.raises(ValueError, match=r"format '%Q' is unknown\. Pass one such as iso"):
        parse_date("1", "%Q")


# ---- units, multipliers and bounds ----


def test_a_style_keeps_its_meaning_in_another_table():
    assert math.isnan(parse_number("10+", ".||")) and math.isnan(parse_number("<5", ".||"))
    assert math.isnan(parse_number("5K", ".||")) and parse_number("5k", ".||k") == 5
    assert math.isnan(parse_number("5 kg", ".||km")) and parse_number("1 mi", ".||km") == 1.609344
    assert not any(map(numbers.is_number_style, ("", ".|,", ".|||x", ".||||", "m:h", ";||")))


def test_a_range_is_its_middle():
    for text in ("10 - 20", "10 to 20", "10\u201320", "10 \u2014 20"):
        assert parse_number(text, ".|||-") == 15 and math.isnan(parse_number(text, ".||"))
    assert parse_number("1,000 - 2,000 km", ".|,|km|-") == 1500
    assert parse_number("5K - 1M", ".|||K-") == 502_500 and parse_number("7", ".|||-") == 7
    for text in ("10-20", "20 - 10", "10 - 10", "10 - x", "1 - 2 - 3"):
        assert math.isnan(parse_number(text, ".|||-")), text


STYLES = {
    ".||": "numbers",
    ".||%": "numbers with a percent sign (12% is read as 12)",
    ",||": "numbers with a decimal comma",
    ".| |": "numbers with spaces between thousands",
    ".||kg": "numbers with the unit kg",
    ".|,|$": "numbers with a currency sign ($) and commas between thousands",
    ",|.|€": "numbers with a currency sign (€), dots between thousands and a decimal comma",
    ".||€|K": "numbers with a currency sign (€) and multipliers such as K and M",
    ".|,||+": "numbers with commas between thousands and a plus sign (10+ is read as 10)",
    ".|||<": "numbers with bounds (<5 is read as 5)",
    ".|||-": "numbers with ranges (10 - 20 is read as 15)",
    "h:m": "times or durations, read as seconds (1:20 is an hour and 20 minutes)",
    "1h 20m": "durations, read as seconds (m is a minute)",
    "1y 6m": "durations, read as seconds (m is a month)",
    "5'11\"": "lengths in feet and inches, read as inches",
}
UNITS = [
    (["5 mW", "1 W"], ".||mW", "mW; W converted into it"),
    (["5 MW", "1 mw"], ".||MW", "MW; mw (as MW) converted into it"),
    (["5 mw", "6 mw", "1 kW"], ".||mw", "mw; kW converted into it, as MW"),
    (["5 MB", "1 Mb"], ".||MB", "MB; Mb (as Mbit) converted into it"),
    (["5 L", "1 ML"], ".||L", "L; ML (as mL) converted into it"),
    (["5 km", "1 KM", "3 mi"], ".||km", "km; mi converted into it"),
    (["5 mw", "6 mw"], ".||mw", "mw"),
]
MONTHS = [
    ("age", ["6m", "11m"], "1y 6m"),
    ("loanTerm", ["6M", "12M"], "1y 6m"),
    ("swap_tenor", ["3M", "2W"], "1y 6m"),
    ("age", ["6m", "2h"], "1h 20m"),
    ("stage", ["6m", "11m"], ".||m"),
    ("stage", ["6M", "12M", "3K"], ".|||K"),
    ("wage", ["6m", "3d"], "1h 20m"),
    ("age", ["6", "11"], ".||"),
]


@pytest.mark.parametrize(("style", "text"), STYLES.items())
def test_forms_are_described(style, text):
    assert numbers.describe_number_style(style) == text


def test_units_that_are_converted():
    assert numbers.other_units(["5 km", "3 mi", "7", "1 m", "2 kms", "x"], ".||km") == ["m", "mi"]
    assert numbers.other_units(["5", "3"], ".||") == numbers.other_units(["1:20"], "h:m") == []


@pytest.mark.parametrize(("texts", "style", "text"), UNITS)
def test_how_units_are_read_is_described(texts, style, text):
    pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
    assert numbers.describe_number_style(style, texts) == f"numbers with the unit {text}"
    notes = []
    convert_texts(pa.table({"a": texts}), on_note=notes.append)
    assert notes == [f"column 'a': numbers with the unit {text}"]


@pytest.mark.parametrize(("name", "texts", "style"), MONTHS)
def test_months_by_the_name_of_a_column(name, texts, style):
    pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
    assert recognise(texts, name=name).style == style
    want = [parse_number(text, style) for text in texts]
    assert convert_texts(pa.table({name: texts}))[name].to_pylist() == want


# ---- columns that hold a few other texts ----

NUMBERS = [f"{i} km" for i in range(100)]


def test_day_and_month_of_most_dates():
    texts = [f"{day}/{month}/2026" for day in range(1, 29) for month in (1, 2)]
    assert recognise([*texts, "soon"]).style == "%d/%m/%Y"
    pairs = [(a, b) for a in range(1, 13) for b in range(1, 13)]
    texts = [f"{a}/{b}/{year}" for year in range(2000, 2010) for a, b in pairs]
    texts[1], texts[3] = "13/1/2026", "25/1/2026"  # between the texts that are tried first
    assert recognise([*texts, "soon"]).style == "%d/%m/%Y"


def test_other_texts_become_missing():
    pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
    notes = []
    table = pa.table({"a": [*NUMBERS, "soon", "soon", None]})
    column = convert_texts(table, on_note=notes.append).column("a")
    assert column.to_pylist() == [*map(float, range(100)), None, None, None]
    assert notes == ["column 'a': numbers with the unit km; 2 other values ('soon') missing"]
