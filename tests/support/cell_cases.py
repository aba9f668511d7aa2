"""Cells of a column, and what they are in each medium: files of all formats, records, DataFrames, HTTP.

A line of data/cells/*.txt is a case: the cells, separated by " | "; how they are written; their values;
a part of the note, if there is one. Texts that people write come from the tables that are named in
docs/decisions and in comments there; the others are made by hand after them.

numbers, commas : cells => style => numbers[ => note]; None is a missing value. A comma is the decimal
    mark of the second file: a file has one mark.
dates : cells => format => ISO 8601 in UTC, separated by ", "[ => note]
categories : cells, which stay texts; those of MARKS are missing

MOST has cells of which nearly all are numbers or dates, or not nearly enough: style, how many cells are
values, their sum (of dates: the first), a part of the note, and a form of the cells, such as "{} km",
numbers for it, and other cells.
"""

import re
from typing import NamedTuple

from places import DATA

THOUSANDS_K = "multipliers such as K and M"
K, M = 1e3, 1e6
DAY, YEAR, MONTH = 86400, 365.2425 * 86400, 365.2425 * 7200
LB, MILE, OZ, HP = 0.45359237, 1.609344, 0.028349523125, 0.7456998715822702

MARKS = {"NA", "n/a", "none", "-"}

UP_TO_98, UP_TO_99 = sum(range(99)), sum(range(100))
DAYS = [f"2026-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
VARIES, UNKNOWN = "Varies with device", ["Ask For Price"] * 4
METRES = 1000 * UP_TO_99 + 40
PRICES = 10 * sum(range(186)) + 5 * 186 + 430 + 240 + 134400 + 5
LAKHS = sum(i * 100_000 + 49_999 for i in range(1, 30)) + 80_000
INSTALLS = sum(range(20, 60)) * M + 201 * K + 8.7 * M
AREAS = sum(range(1000, 1040)) + 1258.5 + 2856
MIDDLES = UP_TO_99 + sum(i + 2.5 for i in range(25))
FLATS = "1133 - 1384", "2830 - 2882"
RANGES = [f"{i} - {i + 5}" for i in range(26)]
RANGE, PLUS, NO = "10 - 20 is read as 15", "10+ is read as 10", (None, None, None, None)
WORDS = [*"abcdefghijkl"]
MOST = [
    # one of the cells is not a number, or two are
    (".||km", 100, UP_TO_99, "1 of 101 values are not", "{} km", range(100), "soon"),
    (".||km", 100, UP_TO_99, "20 of 120", "{} km", range(100), *[VARIES] * 20),
    (".||", 98, sum(range(98)), "2 of 100", "{}", range(98), "low", "high"),
    (".||$", 99, UP_TO_98, "'€5'", "${}", range(99), "€5"),
    (".||", 550, 50 * 55, "'x7'", "{}", [*range(11)] * 50, "x7"),
    # as few as may be others: of the texts, of the rows, and of many texts
    (".||", 19, sum(range(19)), "1 of 20", "{}", range(19), "low"),
    (".||", 54, 703 + 120, "6 of 60", "{}", [*range(38), *range(16)], *["low", "high"] * 3),
    (".||", 600, 12 * 1225, "12 of 612", "{}", [*range(50)] * 12, *WORDS),
    (".||km", 100, UP_TO_99, "1 of 101", "{} km", range(100), "5,Toyota,Prius,2012 km"),
    # carprice.csv, quikr.csv, playstore.csv, flats in Bengaluru
    (".||km", 190, PRICES, None, "{}5 km", range(186), "430", "240", "134400 ", "5"),
    (".|,|", 30, LAKHS, "'Ask For Price'", "{},49,999", range(1, 30), "80,000", *UNKNOWN),
    (".|,|kms", 100, METRES, "'Petrol'", "{},000 kms", range(1, 100), "40 kms", "Petrol"),
    (".|||K", 42, INSTALLS, THOUSANDS_K, "{}M", range(20, 60), "201k", "8.7M", *[VARIES] * 8),
    (".|,||+", 111, 6600 + 1000, PLUS, "{}0+", [*range(1, 12)] * 10, "1,000+", "Free"),
    (".|||-", 42, AREAS, RANGE, "{}", [*range(1000, 1040), *FLATS], "34.46Sq. Meter"),
    (".|||-", 125, MIDDLES, RANGE, "{}", range(100), *RANGES[:25]),
    ("iso", 336, "2026-01-01", "'unknown'", "{}", DAYS, "unknown"),
    ("%d/%m/%Y", 29, "2026-01-01", "'soon'", "{}/1/2026", range(1, 29), "5/2/2026", "soon"),
    # too many cells are something else
    (*NO, "{}", range(18), "low"),
    (*NO, "{}", [*range(38), *range(15)], *["low", "high"] * 3),
    (*NO, "{}", [*range(49)] * 13 + [*range(14)], *WORDS),
    (*NO, "{}", [*range(50)] * 12, *WORDS, "a"),
    (*NO, "{}", [*range(50)] * 13, *WORDS, "m"),
    (*NO, "{}", range(98), *["low"] * 30, *["high"] * 30),
    (*NO, "{} km", range(100), *[VARIES] * 120),
    (*NO, "{} km", range(30), "a", "b", "c"),
    (*NO, "{}", range(10), "unknown"),
    (*NO, "{}", [*range(10)] * 50, "x"),
    (*NO, "{}", range(100), *RANGES),
    (*NO, "{}", range(20, 40), *(f"{i}0 - {i}9" for i in range(1, 10))),  # ages and their groups
    (*NO, "{}", DAYS[:40], *(f"{day} to {day}" for day in DAYS[:5])),
    # codes
    (*NO, "{}", range(250, 350), *("250.83", "V27", "V58", "E909", "V45", "E888")),  # diagnoses
    (*NO, "{}", range(1, 100), "12A", "12B"),  # houses
    (*NO, "{:05}", range(501, 700), "12345-6789"),  # postal codes
    (*NO, "{:03}", range(1, 200), "136A", "136A"),  # families
    (*NO, "{}", [*range(1, 23)] * 10, *["X", "Y"] * 10),  # chromosomes
    (*NO, "1.0.{}", range(30), VARIES),  # versions
]


class Case(NamedTuple):
    """A line of the lists above. kind : {"number", "date", "category"}"""

    cells: list
    kind: str
    style: str | None = None
    values: list | tuple | None = None
    note: str | None = None


def _most(style, n, total, note, form, numbers, *others):
    kind = "category" if style is None else "date" if "%" in style or style == "iso" else "number"
    return Case([*map(form.format, numbers), *others], kind, style, n and (n, total), note)


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
