"""Cells of a column, and what they are in each medium: files of all formats, records, DataFrames, HTTP.

A line of data/cells/*.txt is a case: the cells, separated by " | "; how they are written; their values;
a part of the note, if there is one. Texts that people write come from the tables that are named in
docs/decisions and in comments there; the others are made by hand after them.

numbers, commas : cells => style => numbers[ => note]; None is a missing value. A comma is the decimal
    mark of the second file: a file has one mark.
dates : cells => format => ISO 8601 in UTC, separated by ", "[ => note]
categories : cells, which stay texts; those of MARKS are missing

MOST has cells of which nearly all are numbers or dates, or not nearly enough: cells, style, and how
many cells are values, and their sum (of dates: the first).
"""

import re
from typing import NamedTuple

from places import DATA


def many(form, numbers, *others):
    """Cells of a form, such as "{} km", for numbers, and others after them."""
    return " | ".join([*map(form.format, numbers), *others])


THOUSANDS_K = "multipliers such as K and M"
K, M = 1e3, 1e6
DAY, YEAR, MONTH = 86400, 365.2425 * 86400, 365.2425 * 7200
LB, MILE, OZ, HP = 0.45359237, 1.609344, 0.028349523125, 0.7456998715822702

MARKS = {"NA", "n/a", "none", "-"}

UP_TO_98, UP_TO_99 = sum(range(99)), sum(range(100))
DAYS = [f"2026-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
MOST = [
    # one of the cells is not a number, or two are
    (many("{} km", range(100), "soon"), ".||km", (100, UP_TO_99), "1 of 101 values are not"),
    (
        many("{} km", range(100), *["Varies with device"] * 20),
        ".||km",
        (100, UP_TO_99),
        "20 of 120",
    ),
    (many("{}", range(98), "low", "high"), ".||", (98, sum(range(98))), "2 of 100"),
    (many("${}", range(99), "€5"), ".||$", (99, UP_TO_98), "'€5'"),
    (many("{}", [*range(12)] * 50, "x7"), ".||", (600, 50 * 66), "'x7'"),
    (many("{} km", range(100), "5,Toyota,Prius,2012 km"), ".||km", (100, UP_TO_99), "1 of 101"),
    (
        many("{}5 km", range(186), "430", "240", "134400 ", "5"),
        ".||km",
        (190, 10 * sum(range(186)) + 5 * 186 + 430 + 240 + 134400 + 5),
    ),  # carprice.csv
    (
        many("{},49,999", range(1, 30), "80,000", *["Ask For Price"] * 4),
        ".|,|",
        (30, sum(i * 100_000 + 49_999 for i in range(1, 30)) + 80_000),
        "'Ask For Price'",
    ),  # quikr.csv
    (
        many("{},000 kms", range(1, 100), "40 kms", "Petrol"),
        ".|,|kms",
        (100, 1000 * UP_TO_99 + 40),
        "'Petrol'",
    ),
    (
        many("{}M", range(20, 60), "201k", "8.7M", *["Varies with device"] * 8),
        ".|||K",
        (42, sum(range(20, 60)) * M + 201 * K + 8.7 * M),
        THOUSANDS_K,
    ),  # playstore.csv
    (
        many("{}0+", [*range(1, 12)] * 10, "1,000+", "Free"),
        ".|,||+",
        (111, 6600 + 1000),
        "10+ is read as 10",
    ),
    (
        many("{}", range(1000, 1040), "1133 - 1384", "2830 - 2882", "34.46Sq. Meter"),
        ".|||-",
        (42, sum(range(1000, 1040)) + 1258.5 + 2856),
        "10 - 20 is read as 15",
    ),  # flats in Bengaluru
    (
        many("{}", range(100), *(f"{i} - {i + 5}" for i in range(25))),
        ".|||-",
        (125, UP_TO_99 + sum(i + 2.5 for i in range(25))),
        "10 - 20 is read as 15",
    ),
    (many("{}", DAYS, "unknown"), "iso", (336, "2026-01-01"), "'unknown'"),
    (many("{}/1/2026", range(1, 29), "5/2/2026", "soon"), "%d/%m/%Y", (29, "2026-01-01"), "'soon'"),
    # too many cells are something else
    (many("{}", range(98), *["low"] * 30, *["high"] * 30), None),
    (many("{} km", range(100), *["Varies with device"] * 120), None),
    (many("{} km", range(30), "a", "b", "c"), None),
    (many("{}", range(10), "unknown"), None),
    (many("{}", [*range(10)] * 50, "x"), None),
    (many("{}", range(100), *(f"{i} - {i + 5}" for i in range(26))), None),
    (
        many("{}", range(20, 40), *(f"{i}0 - {i}9" for i in range(1, 10))),
        None,
    ),  # ages and their groups
    (many("{}", DAYS[:40], *(f"{day} to {day}" for day in DAYS[:5])), None),
    # codes
    (many("{}", range(250, 350), "250.83", "V27", "V58", "E909", "V45", "E888"), None),  # diagnoses
    (many("{}", range(1, 100), "12A", "12B"), None),  # houses
    (many("{:05}", range(501, 700), "12345-6789"), None),  # postal codes
    (many("{:03}", range(1, 200), "136A", "136A"), None),  # families
    (many("{}", [*range(1, 23)] * 10, *["X", "Y"] * 10), None),  # chromosomes
    (many("1.0.{}", range(30), "Varies with device"), None),  # versions
]


class Case(NamedTuple):
    """A line of the lists above. kind : {"number", "date", "category"}"""

    cells: list
    kind: str
    style: str | None = None
    values: list | tuple | None = None
    note: str | None = None


def _most(cells, style, *more):
    kind = "category" if style is None else "date" if "%" in style or style == "iso" else "number"
    return Case(cells.split(" | "), kind, style, *more)


def read(name):
    """The fields of the cases in a file; the first one is a list of cells."""
    text = (DATA / "cells" / f"{name}.txt").read_text(encoding="utf-8")
    text = re.sub(r"\\u([0-9a-f]{4})", lambda code: chr(int(code[1], 16)), text)
    for line in text.strip("\n").split("\n"):
        if not line.startswith("# "):
            cells, *more = line.split(" => ")
            yield cells.split(" | "), *more


def numbers(name):
    for cells, style, values, *note in read(name):
        yield Case(cells, "number", style, eval(f"[{values}]"), *note)


#: The cases of each table: a file has one decimal mark, and all columns of a table are equally long.
TABLES = {
    "short": [
        *numbers("numbers"),
        *(Case(a, "date", form, days.split(", "), *note) for a, form, days, *note in read("dates")),
        *(Case(cells, "category") for (cells,) in read("categories")),
    ],
    "commas": list(numbers("commas")),
    "most": [_most(*case) for case in MOST],
}
