"""Numbers and dates that are written as texts: marks for missing values, styles, formats.

`tests/support/cell_cases.py` has the forms that are read.
"""

import datetime
import math

import pytest

from fastnn.tables.cells.dates import date_format, describe_date_format, parse_date
from fastnn.tables.cells.missing import is_missing_mark
from fastnn.tables.cells.numbers import describe_number_style, number_style, parse_number
from fastnn.tables.cells.recognition import other_texts, recognise

# ---- missing values ----


@pytest.mark.parametrize("text", ["0", "no", "unknown", "other", "x", "nano", "1.", "- 1", "inf"])
def test_other_texts_are_values(text):
    assert not is_missing_mark(text)


# ---- numbers ----


def test_a_late_text_decides():
    assert number_style([*map(str, range(1000)), "1,5"]) == ",||"
    assert number_style([*map(str, range(1000)), "x"]) is None


@pytest.mark.parametrize(
    ("text", "style", "number"),
    [
        ("1,234", ".||", None),  # 1234, or 1.234 with a decimal comma
        ("1,234.5", ".||", 1234.5),
        ("1,234,567", ".||", 1234567),
        ("1.234", ",||", None),
        ("1.234,5", ",||", 1234.5),
        ("1.234", ",|.|", 1234),
        ("7", ".||%", None),
        ("7%", ".||", None),
        ("7", ".||$", 7),
        ("7 €", ".||$", None),
        ("x", ".||", None),
        ("", ".||", None),
        ("NA", ".||", None),
        ("inf", ".||", math.inf),
    ],
)
def test_a_number_of_another_table_is_read_in_the_same_style(text, style, number):
    result = parse_number(text, style)
    assert math.isnan(result) if number is None else result == number


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (".||", "numbers"),
        (".|,|$", "numbers with a currency sign ($) and commas between thousands"),
        (",|.|€", "numbers with a currency sign (€), dots between thousands and a decimal comma"),
        (".||%", "numbers with a percent sign (12% is read as 12)"),
        (",||", "numbers with a decimal comma"),
        (".| |", "numbers with spaces between thousands"),
        (".||kg", "numbers with the unit kg"),
    ],
)
def test_styles_are_described(style, text):
    assert describe_number_style(style) == text


def test_the_texts_that_keep_a_column_from_being_numbers():
    numbers = list(map(str, range(30)))
    assert other_texts([*numbers, "NA", "unknown"]) == ["unknown"]
    assert other_texts(numbers) == []
    assert other_texts([*numbers, *"abcdefghij"]) == []
    assert other_texts(["1", "2", "unknown"]) == []


# ---- dates ----


DAY = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC).timestamp()


@pytest.mark.parametrize(
    ("levels", "name"),
    [
        ([f"202601{day}" for day in range(10, 20)], "%Y%m%d"),
        ([f"10{day}2018" for day in range(10, 20)], "%m%d%Y"),
        ([f"{day}102018" for day in range(10, 20)], "%d%m%Y"),
        ([f"{day}102018" for day in range(10, 14)], None),  # too few
        ([f"1010{year}" for year in range(2000, 2010)], None),  # numbers in a row
        ([f"10{day}1066" for day in range(10, 20)], None),
        ([f"{day}132018" for day in range(10, 20)], None),
    ],
)
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
