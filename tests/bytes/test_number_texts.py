"""Forms of numbers that are written as texts, and columns that hold a few other texts."""

import math

import pytest

from fastnn.tables import convert_texts
from fastnn.tables.number_styles import describe_number_style, number_style, other_units
from fastnn.tables.number_texts import is_number_style, parse_number
from fastnn.tables.recognition import recognise

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")

# ---- units, multipliers and bounds ----

K, M = 1e3, 1e6
DAY, MONTH, YEAR = 86400.0, 30.436875 * 86400, 365.2425 * 86400
FORMS = [
    (["€110.5M", "€565K", "€0"], ".||€|K", [110.5 * M, 565 * K, 0]),
    (["201k", "19M", "8.7M", "985"], ".|||K", [201 * K, 19 * M, 8.7 * M, 985]),
    (["1.5 Mio. €", "2 Mrd €"], None, None),
    (["1.5 million USD", "2 bn USD"], ".||USD|K", [1.5 * M, 2000 * M]),
    (["₹ 12 lakh", "₹ 2.5 crore", "₹ 40,000"], ".|,|₹|K", [12e5, 25e6, 40_000]),
    (["$5m", "$3"], ".||$|K", [5 * M, 3]),
    (["10,000+", "500+", "0"], ".|,||+", [10_000, 500, 0]),
    (["$1M+", "$2M"], ".||$|K+", [M, 2 * M]),
    (["<0.5", "0.7", "1.2", "> 40"], ".|||<", [0.5, 0.7, 1.2, 40]),
    (["4,25,000", "80,000", "1,04,25,000.50"], ".|,|", [425_000, 80_000, 10_425_000.5]),
    (["5 km", "3 mi", "800 m"], ".||km", [5, 3 * 1.609344, 0.8]),
    (["5 kg", "7 lbs", "16 oz"], ".||kg", [5, 7 * 0.45359237, 16 * 0.028349523125]),
    (["2 years", "3 months", "1 year"], ".||years", [2, 3 * 30.436875 * DAY * 2 / (2 * YEAR), 1]),
    (["512MB", "2GB", "8 GB"], ".||GB", [0.512, 2, 8]),
    (["12 sq ft", "1,200 sq ft"], ".|,|sq ft", [12, 1200]),
    (["150 hp", "100 kW"], ".||hp", [150, 100 / 0.7456998715822702]),
    (["186005 km", "430"], ".||km", [186005, 430]),
    (["1 room", "2 rooms"], ".||room", [1, 2]),
    (['27"', "68.58 cm"], '.||"', [27, 27]),
    (["12", "12g"], ".||g", [12, 12]),
    (["5 mW", "20 mW", "1 W"], ".||mW", [5, 20, 1000]),
    (["5 MW", "20 MW", "700 kW"], ".||MW", [5, 20, 0.7]),
    (["5 MW", "20 MW", "700 mw"], ".||MW", [5, 20, 700]),
    (["8 Mb", "80 Mb", "5 MB"], ".||Mb", [8, 80, 40]),
    (["5 mb", "1 gb", "7 mb"], ".||mb", [5, 1000, 7]),
    (["2 Hz", "3 Hz", "5 mHz", "1 mhz"], ".||Hz", [2, 3, 0.005, 1e6]),
]
PARTS = [
    (["01:20:00", "00:05:30"], "h:m", [4800, 330]),
    (["13:45", "8:05"], "h:m", [49500, 29100]),
    (["1:20 PM", "12:05 a.m.", "11:59:59 pm", "6 AM"], "h:m", [48000, 300, 86399, 21600]),
    (["59:30", "1:02:03"], "m:s", [3570, 3723]),
    (["36:30", "20:10"], "m:s", [2190, 1210]),
    (["1:23.456", "0:59.1"], "h:m", [83.456, 59.1]),
    (["2 days 01:00:00", "0 days 00:00:10"], "h:m", [2 * DAY + 3600, 10]),
    (["1h 20m", "45m", "2 hrs and 5 min", "PT1H"], "1h 20m", [4800, 2700, 7500, 3600]),
    (["24:00", "8:05", "00:00"], "h:m", [DAY, 29100, 0]),
    (["24:01", "8:05"], "m:s", [1441, 485]),
    (["24:00", "36:30"], "m:s", [1440, 2190]),
    (["2h", "1y", "5m"], "1h 20m", [7200, YEAR, 300]),
    (["P6M", "P1Y", "P1DT2M", "PT3M"], "1y 6m", [6 * MONTH, YEAR, DAY + 120, 180]),
    (["1y 6m", "2yrs 11mon"], "1y 6m", [YEAR + 6 * MONTH, 2 * YEAR + 11 * MONTH]),
    (["1M", "6M", "1Y", "10Y"], "1y 6m", [MONTH, 6 * MONTH, YEAR, 10 * YEAR]),
    (["11m", "3w", "5d", "2 years"], "1y 6m", [11 * MONTH, 21 * DAY, 5 * DAY, 2 * YEAR]),
    (["5'11\"", "6'", "5 ft 3 in", "5\u2019 2\u201d"], "5'11\"", [71, 72, 63, 62]),
]


@pytest.mark.parametrize(("texts", "style", "numbers"), [*FORMS, *PARTS], ids=lambda x: str(x)[:30])
def test_forms_of_numbers(texts, style, numbers):
    assert number_style(texts) == style
    if style is not None:
        assert [parse_number(text, style) for text in texts] == pytest.approx(numbers, rel=1e-12)
        assert is_number_style(style)


@pytest.mark.parametrize(
    "texts",
    [
        ["<=50K", ">50K"],  # bounds of one number are classes
        ["<5", "5", "6"],
        ["5 km", "3 kg"],
        ["$5", "€5", "£7"],
        ["12M", "12"],  # a size, or a product
        ["12", "12A"],
        ["4/5", "3/5"],
        ["10-20", "20-30"],
        ["555-1234", "555-9876"],
        ["1.0.0", "1.2.4"],
        ["1. Male", "2. Female"],
        ["16:9", "4:3"],
        ["25:00 PM", "1:00 PM"],
        ["5'14\"", "6'2\""],
        ["20m 1h", "30m 2h"],
        ["P", "-"],
    ],
    ids=str,
)
def test_what_is_no_number(texts):
    assert number_style(texts) is None


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
DATES = [f"2026-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
#: Distinct texts, in how many rows some of them are, and what they are.
MOST = {
    "a stray word": ([*NUMBERS, "soon"], {}, "number"),
    "other currencies": ([f"${i}" for i in range(99)] + ["€5"], {}, "number"),
    "two words": ([*map(str, range(98)), "low", "high"], {}, "number"),
    "two words in many rows": (
        [*map(str, range(98)), "low", "high"],
        {"low": 30, "high": 30},
        None,
    ),
    "one word in many rows": (
        [*NUMBERS, "Varies with device"],
        {"Varies with device": 20},
        "number",
    ),
    "one word in most rows": ([*NUMBERS, "Varies with device"], {"Varies with device": 120}, None),
    "many words": ([*NUMBERS[:30], "a", "b", "c"], {}, None),
    "few numbers": ([*map(str, range(10)), "unknown"], {}, None),
    "few numbers, one rare text": (
        [*map(str, range(12)), "x7"],
        dict.fromkeys(map(str, range(12)), 50),
        "number",
    ),
    "ten numbers, one rare text": (
        [*map(str, range(10)), "x"],
        dict.fromkeys(map(str, range(10)), 50),
        None,
    ),
    "ranges": ([*map(str, range(100)), *(f"{i} - {i + 5}" for i in range(25))], {}, "number"),
    "more ranges": ([*map(str, range(100)), *(f"{i} - {i + 5}" for i in range(26))], {}, None),
    "diagnoses": ([*map(str, range(250, 350)), "V27", "V58", "E909"], {}, None),
    "houses": ([*map(str, range(1, 100)), "12A", "12B"], {}, None),
    "postal codes": ([f"{i:05}" for i in range(501, 700)] + ["12345-6789"], {}, None),
    "a mangled line": ([*NUMBERS * 1, "5,Toyota,Prius,2012 km"], {}, "number"),
    "an infinite number": (["inf", *map(str, range(99))], {}, "number"),
    "dates and a word": ([*DATES, "unknown"], {}, "date"),
    "dates and ranges": ([*DATES[:40], *(f"{a} to {a}" for a in DATES[:5])], {}, None),
}


@pytest.mark.parametrize("name", MOST)
def test_nearly_all_texts_decide(name):
    texts, rows, kind = MOST[name]
    found = recognise(
        [*texts, "NA"], lambda: {text: rows.get(text, 1) for text in texts} | {"NA": 3}
    )
    assert (None if found is None else found.kind) == kind
    if found is not None:
        assert [t for t, x in zip([*texts, "NA"], found.values) if not math.isfinite(x)] == [
            *found.others,
            "NA",
        ]


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
