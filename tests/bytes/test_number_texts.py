"""Forms of numbers that are written as texts, and columns that hold a few other texts.

`tests/support/cell_cases.py` has the forms that are read.
"""

import math

import pytest

from fastnn.tables import convert_texts
from fastnn.tables.cells.numbers import (
    describe_number_style,
    is_number_style,
    other_units,
    parse_number,
)
from fastnn.tables.cells.recognition import recognise

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")

# ---- units, multipliers and bounds ----


def test_a_style_keeps_its_meaning_in_another_table():
    assert math.isnan(parse_number("10+", ".||")) and math.isnan(parse_number("<5", ".||"))
    assert math.isnan(parse_number("5K", ".||")) and parse_number("5k", ".||k") == 5
    assert math.isnan(parse_number("5 kg", ".||km")) and parse_number("1 mi", ".||km") == 1.609344
    assert not any(map(is_number_style, ("", ".|,", ".|||x", ".||||", "m:h", ";||")))


def test_a_range_is_its_middle():
    for text in ("10 - 20", "10 to 20", "10\u201320", "10 \u2014 20"):
        assert parse_number(text, ".|||-") == 15 and math.isnan(parse_number(text, ".||"))
    assert parse_number("1,000 - 2,000 km", ".|,|km|-") == 1500
    assert parse_number("5K - 1M", ".|||K-") == 502_500 and parse_number("7", ".|||-") == 7
    for text in ("10-20", "20 - 10", "10 - 10", "10 - x", "1 - 2 - 3"):
        assert math.isnan(parse_number(text, ".|||-")), text


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (".||€|K", "numbers with a currency sign (€) and multipliers such as K and M"),
        (".|,||+", "numbers with commas between thousands and a plus sign (10+ is read as 10)"),
        (".|||<", "numbers with bounds (<5 is read as 5)"),
        (".|||-", "numbers with ranges (10 - 20 is read as 15)"),
        ("h:m", "times or durations, read as seconds (1:20 is an hour and 20 minutes)"),
        ("1h 20m", "durations, read as seconds (m is a minute)"),
        ("1y 6m", "durations, read as seconds (m is a month)"),
        ("5'11\"", "lengths in feet and inches, read as inches"),
    ],
)
def test_forms_are_described(style, text):
    assert describe_number_style(style) == text


def test_units_that_are_converted():
    assert other_units(["5 km", "3 mi", "7", "1 m", "2 kms", "x"], ".||km") == ["m", "mi"]
    assert other_units(["5", "3"], ".||") == other_units(["1:20"], "h:m") == []


@pytest.mark.parametrize(
    ("texts", "style", "text"),
    [
        (["5 mW", "1 W"], ".||mW", "mW; W converted into it"),
        (["5 MW", "1 mw"], ".||MW", "MW; mw (as MW) converted into it"),
        (["5 mw", "6 mw", "1 kW"], ".||mw", "mw; kW converted into it, as MW"),
        (["5 MB", "1 Mb"], ".||MB", "MB; Mb (as Mbit) converted into it"),
        (["5 L", "1 ML"], ".||L", "L; ML (as mL) converted into it"),
        (["5 km", "1 KM", "3 mi"], ".||km", "km; mi converted into it"),
        (["5 mw", "6 mw"], ".||mw", "mw"),
    ],
)
def test_how_units_are_read_is_described(texts, style, text):
    assert describe_number_style(style, texts) == f"numbers with the unit {text}"
    notes = []
    convert_texts(pa.table({"a": texts}), on_note=notes.append)
    assert notes == [f"column 'a': numbers with the unit {text}"]


@pytest.mark.parametrize(
    ("name", "texts", "style"),
    [
        ("age", ["6m", "11m"], "1y 6m"),
        ("loanTerm", ["6M", "12M"], "1y 6m"),
        ("swap_tenor", ["3M", "2W"], "1y 6m"),
        ("age", ["6m", "2h"], "1h 20m"),
        ("stage", ["6m", "11m"], ".||m"),
        ("stage", ["6M", "12M", "3K"], ".|||K"),
        ("wage", ["6m", "3d"], "1h 20m"),
        ("age", ["6", "11"], ".||"),
    ],
)
def test_months_by_the_name_of_a_column(name, texts, style):
    assert recognise(texts, name=name).style == style
    want = [parse_number(text, style) for text in texts]
    assert convert_texts(pa.table({name: texts}))[name].to_pylist() == want


# ---- columns that hold a few other texts ----

NUMBERS = [f"{i} km" for i in range(100)]


def test_day_and_month_of_most_dates():
    texts = [f"{day}/{month}/2026" for day in range(1, 29) for month in (1, 2)]
    assert recognise([*texts, "soon"]).style == "%d/%m/%Y"
    texts = [
        f"{a}/{b}/{year}" for year in range(2000, 2010) for a in range(1, 13) for b in range(1, 13)
    ]
    texts[1], texts[3] = "13/1/2026", "25/1/2026"  # between the texts that are tried first
    assert recognise([*texts, "soon"]).style == "%d/%m/%Y"


def test_other_texts_become_missing():
    notes = []
    table = pa.table({"a": [*NUMBERS, "soon", "soon", None]})
    column = convert_texts(table, on_note=notes.append).column("a")
    assert column.to_pylist() == [*map(float, range(100)), None, None, None]
    assert notes == ["column 'a': numbers with the unit km; 2 other values ('soon') missing"]
