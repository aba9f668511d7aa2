"""Columns of tables that people work with, as they are written there, in extracts."""

import pytest

from fastnn.tables.recognition import recognise

#: The texts of a column, in how many rows some of them are, what it is, and the other texts.
COLUMNS = {
    "Mileage of used cars": (
        [f"{1000 * i + 5} km" for i in range(186)] + ["430", "240", "134400 ", "5"],
        {},
        ("number", ".||km"),
        [],
    ),
    "Price of used cars in India": (
        [
            "80,000",
            "4,25,000",
            "3,25,000",
            "10,00,000",
            *(f"{i},49,999" for i in range(1, 30)),
            "Ask For Price",
        ],
        {"Ask For Price": 4},
        ("number", ".|,|"),
        ["Ask For Price"],
    ),
    "kilometres driven": (
        [f"{i},000 kms" for i in range(1, 100)] + ["40 kms", "Petrol"],
        {},
        ("number", ".|,|kms"),
        ["Petrol"],
    ),
    "Value of soccer players": (
        ["€110.5M", "€77M", "€565K", "€0", *(f"€{i}.5M" for i in range(1, 20))],
        {},
        ("number", ".||€|K"),
        [],
    ),
    "Height of soccer players": (["5'7", "6'2", "5'9", "5'11"], {}, ("number", "5'11\""), []),
    "Size of apps": (
        ["19M", "8.7M", "201k", *(f"{i}M" for i in range(20, 60)), "Varies with device"],
        {"Varies with device": 8},
        ("number", ".|||K"),
        ["Varies with device"],
    ),
    "Installs of apps": (
        [
            "0+",
            *(f"{i}{'0' * n}+" for i in (1, 5) for n in range(3)),
            "10,000+",
            "500,000+",
            "1,000+",
            "5,000+",
            "1,000,000,000+",
            "Free",
        ],
        {"1,000+": 500, "10,000+": 600},
        ("number", ".|,||+"),
        ["Free"],
    ),
    "version of apps": (
        [
            "1.0.0",
            "2.0.0",
            "1.2.4",
            "Varies with device",
            "1.1",
            "6.1.61.1",
            "2.9.2",
            "2.8",
            "1.0.4",
            "1.0.15",
            "3.8",
            "1.2.3",
            "3.1",
            "2.20 Build 02",
        ],
        {},
        None,
        None,
    ),
    "Android version of apps": (["4.0.3 and up", "4.2 and up", "2.3 and up"], {}, None, None),
    "dates of squirrels": (
        [f"10{day:02}2018" for day in range(6, 21)],
        {},
        ("date", "%m%d%Y"),
        [],
    ),
    "diagnoses of hospital records": (
        [f"{i}" for i in range(250, 350)] + ["250.83", "V27", "V58", "E909", "V45", "E888"],
        {},
        None,
        None,
    ),
    "income of adults": (["<=50K", ">50K"], {}, None, None),
    "age groups": (["<18", "18-30", "31-45", ">45"], {}, None, None),
    "dependents": (["0", "1", "2", "3+"], {}, ("number", ".|||+"), []),
    "age of animals": (
        ["1 year", "2 years", "3 weeks", "1 month", "5 months", "4 days"],
        {},
        ("number", ".||year"),
        [],
    ),
    "length of films": (["90 min", "1 Season", "2 Seasons", "101 min"], {}, None, None),
    "duration of flights": (["2h 50m", "19h", "5m", "4h 5m"], {}, ("number", "1h 20m"), []),
    "results of a race": (["1:02:03", "58:30", "59:01"], {}, ("number", "m:s"), []),
    "login": (["12:42 PM", "6:53 AM"], {}, ("number", "h:m"), []),
    "quarters": (["1998 Q1", "1998 Q2"], {}, ("date", "%Y Q%q"), []),
    "months": (["1975 Jan", "1975 Feb"], {}, ("date", "%Y %b"), []),
    "months of a form": (["Oct_2006", "Nov_2006"], {}, ("date", "%b_%Y"), []),
    "herbicides in rivers": (["0.27", "<.05", "0.62"], {}, ("number", ".|||<"), []),
    "memory": (["128GB SSD", "1TB HDD", "256GB SSD"], {}, None, None),
    "RAM": (["8GB", "512MB"], {}, ("number", ".||GB"), []),
    "engines": (["2.0 Turbo", "3.5", "1.8", "2.5 Turbo"], {}, None, None),
    "families": ([f"{i:03}" for i in range(1, 200)] + ["136A"], {"136A": 2}, None, None),
    "regions of a survey": (["2. Middle Atlantic"], {}, None, None),
    "square feet of flats in Bengaluru": (
        [*map(str, range(1000, 1040)), "1133 - 1384", "2830 - 2882", "34.46Sq. Meter"],
        {},
        ("number", ".|||-"),
        ["34.46Sq. Meter"],
    ),
    "ages beside groups of ages": (
        [*map(str, range(20, 40)), *(f"{i}0 - {i}9" for i in range(1, 10))],
        {},
        None,
        None,
    ),
    "ratings": (["4.1/5", "3.8/5"], {}, None, None),
    "telephones": (["555-0100", "555-0199", "(555) 123-4567"], {}, None, None),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_real_tables(name):
    texts, rows, expected, others = COLUMNS[name]
    found = recognise(texts, lambda: {text: rows.get(text, 1) for text in texts})
    if expected is None:
        assert found is None
    else:
        assert (found.kind, found.style, found.others) == (*expected, others)
