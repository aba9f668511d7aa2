"""Numbers and dates that are written as texts: marks for missing values, styles, formats."""

import datetime
import math

import pytest

from fastnn.tables.texts import (
    date_format,
    describe_date_format,
    describe_number_style,
    is_missing_mark,
    number_style,
    other_texts,
    parse_date,
    parse_number,
    recognise,
)

# ---- missing values ----


@pytest.mark.parametrize(
    "text",
    "|?|-|--|.|..|*|NA|na|N/A|n.a.|k.A.|nan|NaN|NULL|None| none |<NA>|(null)|\\N|#N/A|#NV|#DIV/0!|"
    "#WERT!|NaT|missing|(blank)|\u2013".split("|"),
)
def test_marks_for_missing_values(text):
    assert is_missing_mark(text)


@pytest.mark.parametrize("text", ["0", "no", "unknown", "other", "x", "nano", "1.", "- 1", "inf"])
def test_other_texts_are_values(text):
    assert not is_missing_mark(text)


# ---- numbers ----

STYLES = [
    (["1", "-2.5", "+3", ".5", "5.", "1e5", "inf"], ".||", [1, -2.5, 3, 0.5, 5, 1e5, math.inf]),
    (["1,234", "5", "1,234,567.5"], ".|,|", [1234, 5, 1234567.5]),
    (["1,5", "2", "-0,25"], ",||", [1.5, 2, -0.25]),
    (["1.234,5", "3"], ",|.|", [1234.5, 3]),
    (["1.234.567", "1.234"], ",|.|", [1234567, 1234]),
    (["0,500", "1,234"], ",||", [0.5, 1.234]),
    (["1,234", "12,5"], ",||", [1.234, 12.5]),
    (["1 234,5", "2"], ",| |", [1234.5, 2]),
    (["1\u202f234.5", "2\u00a0000", "7"], ".| |", [1234.5, 2000, 7]),
    (["1'234.50", "2\u2019000", "3"], ".|'|", [1234.5, 2000, 3]),
    (["$1,234.50", "$5", "-$6", "$-7", "8"], ".|,|$", [1234.5, 5, -6, -7, 8]),
    (["1.234,50 €", "3 €"], ",|.|€", [1234.5, 3]),
    (["1.234 €", "25.000 €", "5 €"], ",|.|€", [1234, 25000, 5]),
    (["$3.459", "$2.999"], ".||$", [3.459, 2.999]),
    (["USD 5", "USD 1,000"], ".|,|USD", [5, 1000]),
    (["R$ 1.234,56"], ",|.|R$", [1234.56]),
    (["12%", "3.5 %", "-1%"], ".||%", [12, 3.5, -1]),
    (["12,5 %", "3 %"], ",||%", [12.5, 3]),
    (["(1,234)", "5"], ".|,|", [-1234, 5]),
    (["($5.50)", "$1.00"], ".||$", [-5.5, 1]),
    (["1.200,00-", "3,50"], ",|.|", [-1200, 3.5]),
    (["\u22125", "6"], ".||", [-5, 6]),
    (["5 kg", "7.5kg"], ".||kg", [5, 7.5]),
    (["12 °C", "-3 °C"], ".||°C", [12, -3]),
    (["50 km/h"], ".||km/h", [50]),
    ([" 1 ", "2 "], ".||", [1, 2]),
]


@pytest.mark.parametrize(("levels", "style", "numbers"), STYLES, ids=lambda x: str(x)[:30])
def test_styles_of_numbers(levels, style, numbers):
    assert number_style(levels) == style
    assert number_style([*levels, "NA", "-", ""]) == style
    assert [parse_number(text, style) for text in levels] == numbers


@pytest.mark.parametrize(
    "levels",
    [
        ["a"],
        ["1", "x"],
        ["5 kg", "7 m"],
        ["$5", "€5"],
        ["5%", "0.05"],
        ["A1", "A2"],
        ["1st", "2nd"],
        ["<5", "5"],
        ["<=50K", ">50K"],
        ["1-5", "6-9"],
        ["10:75"],
        ["31.01.2026"],
        ["192.168.0.1"],
        ["1_000", "2"],
        ["0x1F"],
        ["1,,2"],
        ["1,234.5.6"],
        ["12,34,567", "1,2"],
        ["(5", "6)"],
        ["$5 kg"],
        [],
        ["NA", "-"],
    ],
    ids=str,
)
def test_texts_that_are_no_numbers(levels):
    assert number_style(levels) is None


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


def seconds(*parts):
    """Seconds since 1970 of a time in UTC."""
    return datetime.datetime(*parts, tzinfo=datetime.UTC).timestamp()


DAY = seconds(2026, 1, 31)
FORMATS = [
    (["2026-01-31", "2026-12-01"], "iso", DAY),
    (["2026-1-31"], "iso", DAY),
    (["2026-01-31 10:05", "2026-01-31"], "iso", seconds(2026, 1, 31, 10, 5)),
    (["2026-01-31T10:05:07.25"], "iso", seconds(2026, 1, 31, 10, 5, 7) + 0.25),
    (["2026-01-31T10:05:07Z"], "iso", seconds(2026, 1, 31, 10, 5, 7)),
    (["2026-01-31T10:05:07+02:00"], "iso", seconds(2026, 1, 31, 8, 5, 7)),
    (["2026-01-31 10:05:07-0530"], "iso", seconds(2026, 1, 31, 15, 35, 7)),
    (["2026-01-31 10:05 UTC"], "iso", seconds(2026, 1, 31, 10, 5)),
    (["2026/01/31"], "%Y/%m/%d", DAY),
    (["2026.01.31"], "%Y.%m.%d", DAY),
    (["31.01.2026", "1.2.2026"], "%d.%m.%Y", DAY),
    (["31.01.26"], "%d.%m.%y", DAY),
    (["31.01.2026 14:05", "01.02.2026 08:00"], "%d.%m.%Y", seconds(2026, 1, 31, 14, 5)),
    (["31.01.2026, 14:05 Uhr"], "%d.%m.%Y", seconds(2026, 1, 31, 14, 5)),
    (["1/31/2026", "2/1/2026"], "%m/%d/%Y", DAY),
    (["31/1/2026", "1/2/2026"], "%d/%m/%Y", DAY),
    (["31-01-2026"], "%d-%m-%Y", DAY),
    (["1/31/26"], "%m/%d/%y", DAY),
    (["1/31/2026 1:05 PM"], "%m/%d/%Y", seconds(2026, 1, 31, 13, 5)),
    (["1/31/2026 12:05:10 a.m."], "%m/%d/%Y", seconds(2026, 1, 31, 0, 5, 10)),
    (["31-Jan-2026", "01-DEC-2026"], "%d-%b-%Y", DAY),
    (["31-Jan-26"], "%d-%b-%y", DAY),
    (["31 January 2026"], "%d %b %Y", DAY),
    (["Sat, 31 Jan 2026 10:00:00 +0100"], "%d %b %Y", seconds(2026, 1, 31, 9)),
    (["January 31, 2026", "Feb 1, 2026"], "%b %d, %Y", DAY),
    (["31. Januar 2026", "1. März 2026"], "%d. %b %Y", DAY),
    (["2026-01"], "%Y-%m", seconds(2026, 1, 1)),
    (["Jan 2026", "Mai 2026"], "%b %Y", seconds(2026, 1, 1)),
    (["01/2026"], "%m/%Y", seconds(2026, 1, 1)),
    (["31.01.1969"], "%d.%m.%Y", seconds(1969, 1, 31)),
    (["31 janvier 2026", "1er août 2026", "2 févr. 2026"], "%d %b %Y", DAY),
    (["31 de enero de 2026", "1 de septiembre de 2026"], "%d de %b de %Y", DAY),
    (["31 gennaio 2026", "1 lug 2026"], "%d %b %Y", DAY),
    (["31 de janeiro de 2026", "1 de março de 2026"], "%d de %b de %Y", DAY),
    (["31 januari 2026", "1 mei 2026", "2 mrt 2026"], "%d %b %Y", DAY),
    (["31 stycznia 2026", "1 października 2026"], "%d %b %Y", DAY),
    (["31 januari 2026", "1 maj 2026", "2 okt. 2026"], "%d %b %Y", DAY),
    (["31 января 2026", "1 мая 2026"], "%d %b %Y", DAY),
    (["January 31st, 2026", "February 2nd, 2026"], "%b %d, %Y", DAY),
    (["Saturday, January 31, 2026 1:05 PM"], "%b %d, %Y", seconds(2026, 1, 31, 13, 5)),
    (["Sat 2026-01-31", "Sonntag 2026-02-01", "lun. 2026-02-02"], "iso", DAY),
    (["Saturday, 1/31/2026"], "%m/%d/%Y", DAY),
    (["31JAN2026", "01FEB2026"], "%d%b%Y", DAY),
    (["Jan_2026", "Oct_2006"], "%b_%Y", seconds(2026, 1, 1)),
    (["2026 Q1", "2026 Q4"], "%Y Q%q", seconds(2026, 1, 1)),
    (["2026-Q3"], "%Y-Q%q", seconds(2026, 7, 1)),
    (["2026Q2"], "%YQ%q", seconds(2026, 4, 1)),
    (["Q4 2026"], "Q%q %Y", seconds(2026, 10, 1)),
]


@pytest.mark.parametrize(("levels", "name", "first"), FORMATS, ids=lambda x: str(x)[:40])
def test_formats_of_dates(levels, name, first):
    assert date_format([*levels, "", "NA"]) == name
    assert parse_date(levels[0], name) == first
    assert recognise(levels)[:2] == ("date", name)


@pytest.mark.parametrize(
    "levels",
    [
        ["20260131"],
        ["2026"],
        ["12:30"],
        ["10-12", "18-25"],
        ["1.2.3"],
        ["30.02.2026"],
        ["31.01.2026", "x"],
        ["1/31/2026", "31/1/2026"],
        ["2026-01-31 25:00"],
        ["2026-01-31 13:00 PM"],
        ["may", "june"],
        ["hello you"],
        ["hello 2026-01-31"],
        ["2026 Q5"],
        ["31 brumaire 2026"],
        [],
        ["NA"],
    ],
    ids=str,
)
def test_texts_that_are_no_dates(levels):
    assert date_format(levels) is None


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
    assert recognise(levels)[:2] == (("number", ".||") if name is None else ("date", name))


def test_digits_alone_are_dates_only_if_the_user_says_so():
    assert date_format(["20260131"], compact=True) == "%Y%m%d"
    assert parse_date("20260131", "%Y%m%d") == DAY and parse_date("20261331", "%Y%m%d") is None


def test_the_column_decides_between_day_and_month():
    levels = [f"{day}/1/2026" for day in range(1, 13)]
    assert date_format(levels) == "%m/%d/%Y" and date_format([*levels, "13/1/2026"]) == "%d/%m/%Y"
    text = "dates written as month/day/year (day and month could be swapped, as in 1/1/2026)"
    assert describe_date_format("%m/%d/%Y", levels) == text
    assert describe_date_format("%d/%m/%Y", levels) == "dates written as day/month/year"
    assert describe_date_format("iso") == "dates"
    assert describe_date_format("%m%d%Y") == "dates written as month day year"
    assert describe_date_format("%Y Q%q") == "dates written as year quarter"


def test_a_date_in_another_format_is_none():
    assert parse_date("31.01.2026", "iso") is None and parse_date("x", "%d.%m.%Y") is None
    with pytest.raises(ValueError, match=r"format '%Q' is unknown\. Pass one such as iso"):
        parse_date("1", "%Q")
