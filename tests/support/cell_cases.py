"""Cells of a column, and what they are in each medium: files of all formats, records, DataFrames, HTTP.

A line is a case: the cells, separated by " | ", how they are written, and their values; then a part of
the note, if there is one. Texts that people write come from the tables that are named in docs/decisions and
in comments here; the others are made by hand after them.

NUMBERS : (cells, style, numbers[, note]); None is a missing value
DATES : (cells, format, ISO 8601 in UTC, separated by ", "[, note])
CATEGORIES : cells, which stay texts; those of MARKS are missing
MOST : cells of which nearly all are numbers or dates, or not nearly enough; a line as above, the values of
    which are how many cells are values, and their sum (of dates: the first)
"""

from typing import NamedTuple


def many(form, numbers, *others):
    """Cells of a form, such as "{} km", for numbers, and others after them."""
    return " | ".join([*map(form.format, numbers), *others])


CLOCK = "times or durations, read as seconds (1:20 is an hour and 20 minutes)"
RACE = "durations, read as seconds (1:20 is a minute and 20 seconds)"
SPANS = "durations, read as seconds"
FEET = "lengths in feet and inches, read as inches"
THOUSANDS_K = "multipliers such as K and M"
K, M = 1e3, 1e6
DAY, YEAR, MONTH = 86400, 365.2425 * 86400, 365.2425 * 7200
LB, MILE, OZ, HP = 0.45359237, 1.609344, 0.028349523125, 0.7456998715822702

NUMBERS = [
    # plain numbers
    ("0 | 1 | 2", ".||", [0, 1, 2]),
    ("-1 | 0 | 1", ".||", [-1, 0, 1]),
    ("1 | -2.5 | +3 | .5 | 5. | 1e5", ".||", [1, -2.5, 3, 0.5, 5, 1e5]),
    ("1e-3 | 2.5E+4 | -1E2", ".||", [0.001, 25000, -100]),
    ("0.1 | 0.2 | 0.3", ".||", [0.1, 0.2, 0.3]),
    ("3.141592653589793 | 2.718281828459045", ".||", [3.141592653589793, 2.718281828459045]),
    ("5e-324 | 1.7976931348623157e308", ".||", [5e-324, 1.7976931348623157e308]),
    ("9007199254740991 | -9007199254740991", ".||", [9007199254740991, -9007199254740991]),
    ("9007199254740993 | 1", ".||", [2**53, 1], "rounded to 16 digits"),
    (
        "123456789012345678 | 123456789012345679",
        ".||",
        [123456789012345680] * 2,
        "rounded to 16 digits",
    ),
    ("1900 | 1999 | 2026", ".||", [1900, 1999, 2026]),
    ("00 | 01 | 10", ".||", [0, 1, 10]),
    ("1000 | 007", ".||", [1000, 7]),
    ("01067 | 80331 | NA", ".||", [1067, 80331, None], "'01067' lose the zeros"),  # postal codes
    ("001 | 003 | 120", ".||", [1, 3, 120], "lose the zeros before them"),  # counties
    ("5 | NA | 7", ".||", [5, None, 7]),
    ("5 | N/A | 7.5", ".||", [5, None, 7.5]),
    ("5 | nan | NULL | ?", ".||", [5, None, None, None]),
    ("5 | - | 7", ".||", [5, None, 7]),
    ("5 | -- | ... | 7", ".||", [5, None, None, 7]),
    ("5 | none | 7", ".||", [5, None, 7]),
    ("5 | None | <NA> | 7", ".||", [5, None, None, 7]),
    ("5 | n.a. | k.A. | 7", ".||", [5, None, None, 7]),
    ("5 | #DIV/0! | #WERT! | #NV", ".||", [5, None, None, None]),
    ("5 | #N/A | #VALUE! | 1", ".||", [5, None, None, 1]),
    ("5 | \\N | 7", ".||", [5, None, 7]),
    ("5 | missing | (blank) | 7", ".||", [5, None, None, 7]),
    (
        "5 | * | . | .. | na | Nan | null | NULL",
        ".||",
        [5, None, None, None, None, None, None, None],
    ),
    ("5 | \u2013 | \u2014 | _ | ??", ".||", [5, None, None, None, None]),
    ("5 | <null> | [null] | (none) | n. a. | k. a.", ".||", [5, None, None, None, None, None]),
    (" 1  | 2 ", ".||", [1, 2]),
    ("5 | (null) | nil | NaT", ".||", [5, None, None, None]),
    ("5 | -1.#IND | 1.#QNAN | 7", ".||", [5, None, None, 7]),
    ("\u22125 | 6", ".||", [-5, 6]),
    ("(5) | 6", ".||", [-5, 6]),
    ("true | false", ".||", [1, 0]),
    ("True | False | NA", ".||", [1, 0, None]),
    ("TRUE | FALSE", ".||", [1, 0]),
    ("true | false | 2", ".||", [1, 0, 2]),
    # thousands and decimals
    ("1,234.50 | 5 | 1,234,567.5", ".|,|", [1234.5, 5, 1234567.5]),
    ("1,234 | 12,500 | 999", ".|,|", [1234, 12500, 999]),
    ("-1,234 | (2,500) | 10", ".|,|", [-1234, -2500, 10]),
    ("1,234,567 | 89,000,000", ".|,|", [1234567, 89000000]),
    ("4,25,000 | 80,000 | 1,04,25,000.50", ".|,|", [425000, 80000, 10425000.5]),  # quikr.csv
    ("1 234.5 | 2 000 | 7", ".| |", [1234.5, 2000, 7]),
    ("1\u202f234.5 | 2\u00a0000 | 7", ".| |", [1234.5, 2000, 7]),
    ("1'234.50 | 2\u2019000 | 3", ".|'|", [1234.5, 2000, 3]),
    ("12'500 | 1'000'000", ".|'|", [12500, 1000000]),
    # currencies
    ("$1,234.50 | $5 | -$6 | $-7 | 8", ".|,|$", [1234.5, 5, -6, -7, 8]),
    ("$3.459 | $2.999", ".||$", [3.459, 2.999]),
    ("($5.50) | $1.00", ".||$", [-5.5, 1]),
    ("$12.50 | - | $3", ".||$", [12.5, None, 3]),
    ("$0 | $1,000,000", ".|,|$", [0, 1000000]),
    ("US$5 | US$1,000", ".|,|US$", [5, 1000]),
    ("USD 5 | USD 1,000", ".|,|USD", [5, 1000]),
    ("5 USD | 1,000 USD", ".|,|USD", [5, 1000]),
    ("£12 | £1,250.75", ".|,|£", [12, 1250.75]),
    ("¥1200 | ¥900", ".||¥", [1200, 900]),
    ("₹1,20,000 | ₹5,000", ".|,|₹", [120000, 5000]),
    ("Rs. 1,200 | Rs. 900", ".|,|Rs.", [1200, 900]),
    ("CHF 1'200.50 | CHF 80", ".|'|CHF", [1200.5, 80]),
    ("12.50 € | 3 €", ".||€", [12.5, 3]),
    ("€ 1,200 | € 80", ".|,|€", [1200, 80]),
    ("A$5 | A$7.50", ".||A$", [5, 7.5]),
    ("R$ 5.50 | R$ 80", ".||R$", [5.5, 80]),
    ("20 kr | 35 kr", ".||kr", [20, 35]),
    # percentages
    ("12% | 3.5 % | -1%", ".||%", [12, 3.5, -1]),
    ("0% | 100%", ".||%", [0, 100]),
    ("+0.5% | -0.25% | NA", ".||%", [0.5, -0.25, None]),
    ("1,200% | 5%", ".|,|%", [1200, 5]),
    # units
    ("5 kg | 7.5kg", ".||kg", [5, 7.5]),
    ("12 °C | -3 °C", ".||°C", [12, -3]),
    ("50 km/h | 120 km/h", ".||km/h", [50, 120]),
    ("186005 km | 430", ".||km", [186005, 430]),  # carprice.csv
    ("1 room | 2 rooms", ".||room", [1, 2]),
    ("12 sq ft | 1,200 sq ft", ".|,|sq ft", [12, 1200]),
    ("159lbs | 170lbs", ".||lbs", [159, 170]),
    ("8GB | 16GB", ".||GB", [8, 16]),
    ("12 | 12g", ".||g", [12, 12]),
    ("3 pcs | 10 pcs", ".||pcs", [3, 10]),
    ("250 ml | 330 ml", ".||ml", [250, 330]),
    ("5 km | 3 mi | 800 m", ".||km", [5, 3 * MILE, 0.8], "m, mi converted into it"),
    ("5 kg | 7 lbs | 16 oz", ".||kg", [5, 7 * LB, 16 * OZ], "lbs, oz converted into it"),
    ("512MB | 2GB | 8 GB", ".||GB", [0.512, 2, 8], "MB converted into it"),  # laptops.csv
    ("150 hp | 100 kW", ".||hp", [150, 100 / HP], "kW converted into it"),
    ('27" | 68.58 cm', '.||"', [27, 27], "cm converted into it"),
    ("100 cm | 1 m | 1500 mm", ".||cm", [100, 100, 150], "m, mm converted into it"),
    ("2 l | 500 ml", ".||l", [2, 0.5], "ml converted into it"),
    ("5 mW | 20 mW | 1 W", ".||mW", [5, 20, 1000], "W converted into it"),
    ("5 MW | 20 MW | 700 kW", ".||MW", [5, 20, 0.7], "kW converted into it"),
    ("5 MW | 20 MW | 700 mw", ".||MW", [5, 20, 700], "mw (as MW) converted into it"),
    ("8 Mb | 80 Mb | 5 MB", ".||Mb", [8, 80, 40], "MB converted into it, as Mbit"),
    ("5 mb | 1 gb | 7 mb", ".||mb", [5, 1000, 7], "gb converted into it, as MB"),
    ("2 Hz | 3 Hz | 5 mHz | 1 mhz", ".||Hz", [2, 3, 0.005, M], "mHz, mhz (as MHz) converted"),
    ("2 years | 3 months | 1 year", ".||years", [2, 0.25, 1], "months converted into it"),
    ("2 hours | 30 minutes", ".||hours", [2, 0.5], "minutes converted into it"),
    ("1 year | 2 years | 6 months", ".||year", [1, 2, 0.5], "months converted into it"),  # animals
    ("3 weeks | 5 days", ".||weeks", [3, 5 / 7], "days converted into it"),
    # multipliers, bounds
    ("€110.5M | €565K | €0", ".||€|K", [110.5 * M, 565 * K, 0], THOUSANDS_K),  # FIFA
    (
        "201k | 19M | 8.7M | 985",
        ".|||K",
        [201 * K, 19 * M, 8.7 * M, 985],
        THOUSANDS_K,
    ),  # playstore.csv
    ("1.5 million USD | 2 bn USD", ".||USD|K", [1.5 * M, 2000 * M], THOUSANDS_K),
    ("₹ 12 lakh | ₹ 2.5 crore | ₹ 40,000", ".|,|₹|K", [12e5, 25e6, 4e4], THOUSANDS_K),
    ("$5m | $3", ".||$|K", [5 * M, 3], THOUSANDS_K),
    ("$1.2B | $350M", ".||$|K", [1200 * M, 350 * M], THOUSANDS_K),
    ("10,000+ | 500+ | 0", ".|,||+", [10000, 500, 0], "10+ is read as 10"),  # playstore.csv
    ("0 | 1 | 2 | 3+", ".|||+", [0, 1, 2, 3], "10+ is read as 10"),
    ("$1M+ | $2M", ".||$|K+", [M, 2 * M], "10+ is read as 10"),
    ("<0.5 | 0.7 | 1.2 | > 40", ".|||<", [0.5, 0.7, 1.2, 40], "<5 is read as 5"),
    ("0.27 | <.05 | 0.62", ".|||<", [0.27, 0.05, 0.62], "<5 is read as 5"),  # herbicides in rivers
    # parts
    ("01:20:00 | 00:05:30", "h:m", [4800, 330], CLOCK),
    ("13:45 | 8:05", "h:m", [49500, 29100], CLOCK),
    ("00:00 | 23:59", "h:m", [0, 86340], CLOCK),
    ("24:00 | 8:05 | 00:00", "h:m", [DAY, 29100, 0], CLOCK),
    ("05:57 | 12:30", "h:m", [21420, 45000], CLOCK),
    ("24:01 | 8:05", "m:s", [1441, 485], RACE),
    ("24:00 | 36:30", "m:s", [1440, 2190], RACE),
    ("1:20 PM | 12:05 a.m. | 11:59:59 pm | 6 AM", "h:m", [48000, 300, 86399, 21600], CLOCK),
    ("12:42 PM | 6:53 AM", "h:m", [45720, 24780], CLOCK),
    ("59:30 | 1:02:03", "m:s", [3570, 3723], RACE),
    ("36:30 | 20:10", "m:s", [2190, 1210], RACE),
    ("1:02:03 | 58:30 | 59:01", "m:s", [3723, 3510, 3541], RACE),  # results of a race
    ("1:23.456 | 0:59.1", "h:m", [83.456, 59.1], CLOCK),
    (
        "2 days 01:00:00 | 0 days 00:00:10",
        "h:m",
        [2 * DAY + 3600, 10],
        CLOCK,
    ),  # Timedelta of pandas
    ("1h 20m | 45m | 2 hrs and 5 min | PT1H", "1h 20m", [4800, 2700, 7500, 3600], SPANS),
    ("2h 50m | 19h | 5m | 4h 5m", "1h 20m", [10200, 68400, 300, 14700], SPANS),  # flights
    ("2h | 1y | 5m", "1h 20m", [7200, YEAR, 300], SPANS),
    ("P6M | P1Y | P1DT2M | PT3M", "1y 6m", [6 * MONTH, YEAR, DAY + 120, 180], "m is a month"),
    ("1y 6m | 2yrs 11mon", "1y 6m", [YEAR + 6 * MONTH, 2 * YEAR + 11 * MONTH], "m is a month"),
    ("1M | 6M | 1Y | 10Y", "1y 6m", [MONTH, 6 * MONTH, YEAR, 10 * YEAR], "m is a month"),  # bonds
    ("11m | 3w | 5d | 2 years", "1y 6m", [11 * MONTH, 21 * DAY, 5 * DAY, 2 * YEAR], "m is a month"),
    ("5'11\" | 6' | 5 ft 3 in | 5\u2019 2\u201d", "5'11\"", [71, 72, 63, 62], FEET),
    ("5'7 | 6'2 | 5'9 | 5'11", "5'11\"", [67, 74, 69, 71], FEET),  # FIFA
]
#: A comma is the decimal mark: a file has one mark, so these columns are in files of their own.
COMMAS = [
    ("1,5 | 2 | -0,25", ",||", [1.5, 2, -0.25]),
    ("0,500 | 1,234", ",||", [0.5, 1.234]),
    ("1,234 | 12,5", ",||", [1.234, 12.5]),
    ("1.234,5 | 3", ",|.|", [1234.5, 3]),
    ("1.234.567 | 1.234", ",|.|", [1234567, 1234]),
    ("1 234,5 | 2", ",| |", [1234.5, 2]),
    ("1.234,50 € | 3 €", ",|.|€", [1234.5, 3]),
    ("1.234 € | 25.000 € | 5 €", ",|.|€", [1234, 25000, 5]),
    ("R$ 1.234,56 | R$ 80", ",|.|R$", [1234.56, 80]),
    ("12,50 EUR | 3 EUR", ",||EUR", [12.5, 3]),
    ("12,5 % | 3 %", ",||%", [12.5, 3]),
    ("1.200,00- | 3,50", ",|.|", [-1200, 3.5]),  # SAP
    ("-1.234,5 | (2,5)", ",|.|", [-1234.5, -2.5]),
    ("1,5 kg | 12 kg", ",||kg", [1.5, 12]),
    ("1,5 | - | 2,25", ",||", [1.5, None, 2.25]),
    ("1,5 | k. A. | 2,25", ",||", [1.5, None, 2.25]),
    ("1,5e3 | 2", ",||", [1500, 2]),
]
DATES = [
    ("2026-01-31 | 2026-12-01", "iso", "2026-01-31, 2026-12-01"),
    ("2026-1-31 | 2026-2-1", "iso", "2026-01-31, 2026-02-01"),
    ("2026-01-31 10:05 | 2026-01-31", "iso", "2026-01-31 10:05:00, 2026-01-31"),
    ("2026-01-31 10:05:07 | 2026-02-01 00:00:00", "iso", "2026-01-31 10:05:07, 2026-02-01"),
    (
        "2026-01-31T10:05:07.25 | 2026-02-01T00:00:00",
        "iso",
        "2026-01-31 10:05:07.250000, 2026-02-01",
    ),
    ("2026-01-31T10:05:07Z | 2026-02-01T00:00:00Z", "iso", "2026-01-31 10:05:07, 2026-02-01"),
    ("2026-01-31T10:05:07+02:00 | 2026-02-01T00:00:00Z", "iso", "2026-01-31 08:05:07, 2026-02-01"),
    ("2026-01-31 10:05:07-0530", "iso", "2026-01-31 15:35:07"),
    ("2026-01-31 10:05 UTC | 2026-02-01", "iso", "2026-01-31 10:05:00, 2026-02-01"),
    ("2026-01-31 | NA | 2026-02-01", "iso", "2026-01-31, None, 2026-02-01"),
    ("2026-01-31 | - | 2026-02-01", "iso", "2026-01-31, None, 2026-02-01"),
    ("1969-12-31 | 1900-01-01", "iso", "1969-12-31, 1900-01-01"),
    ("1066-10-14 | 2026-01-31", "iso", "1066-10-14, 2026-01-31"),
    ("2024-02-29 | 2024-03-01", "iso", "2024-02-29, 2024-03-01"),
    ("2026/01/31 | 2026/02/01", "%Y/%m/%d", "2026-01-31, 2026-02-01"),
    ("2026.01.31 | 2026.02.01", "%Y.%m.%d", "2026-01-31, 2026-02-01"),
    ("31.01.2026 | 1.2.2026", "%d.%m.%Y", "2026-01-31, 2026-02-01"),
    ("31.01.26 | 01.02.26", "%d.%m.%y", "2026-01-31, 2026-02-01"),
    ("31.01.1969 | 01.02.2026", "%d.%m.%Y", "1969-01-31, 2026-02-01"),
    ("31.01.2026 14:05 | 01.02.2026 08:00", "%d.%m.%Y", "2026-01-31 14:05:00, 2026-02-01 08:00:00"),
    ("31.01.2026, 14:05 Uhr | 01.02.2026", "%d.%m.%Y", "2026-01-31 14:05:00, 2026-02-01"),
    ("1/31/2026 | 2/1/2026", "%m/%d/%Y", "2026-01-31, 2026-02-01"),
    ("31/1/2026 | 1/2/2026", "%d/%m/%Y", "2026-01-31, 2026-02-01"),
    ("1/2/2026 | 3/4/2026", "%m/%d/%Y", "2026-01-02, 2026-03-04", "day and month could be swapped"),
    ("1/31/26 | 2/1/26", "%m/%d/%y", "2026-01-31, 2026-02-01"),
    ("31-01-2026 | 01-02-2026", "%d-%m-%Y", "2026-01-31, 2026-02-01"),
    ("1/31/2026 1:05 PM | 2/1/2026", "%m/%d/%Y", "2026-01-31 13:05:00, 2026-02-01"),
    ("1/31/2026 12:05:10 a.m. | 2/1/2026", "%m/%d/%Y", "2026-01-31 00:05:10, 2026-02-01"),
    ("13/01/2012 | 14/01/2012", "%d/%m/%Y", "2012-01-13, 2012-01-14"),  # bikes.csv
    ("31-Jan-2026 | 01-DEC-2026", "%d-%b-%Y", "2026-01-31, 2026-12-01"),
    ("31-Jan-26 | 01-Feb-26", "%d-%b-%y", "2026-01-31, 2026-02-01"),
    ("31JAN2026 | 01FEB2026", "%d%b%Y", "2026-01-31, 2026-02-01"),  # SAS
    ("31 January 2026 | 1 May 2026", "%d %b %Y", "2026-01-31, 2026-05-01"),
    ("Sat, 31 Jan 2026 10:00:00 +0100", "%d %b %Y", "2026-01-31 09:00:00"),  # of a mail
    ("January 31, 2026 | Feb 1, 2026", "%b %d, %Y", "2026-01-31, 2026-02-01"),
    ("January 31st, 2026 | February 2nd, 2026", "%b %d, %Y", "2026-01-31, 2026-02-02"),
    (
        "Saturday, January 31, 2026 1:05 PM | May 1, 2026",
        "%b %d, %Y",
        "2026-01-31 13:05:00, 2026-05-01",
    ),
    (
        "Sat 2026-01-31 | Sonntag 2026-02-01 | lun. 2026-02-02",
        "iso",
        "2026-01-31, 2026-02-01, 2026-02-02",
    ),
    ("Saturday, 1/31/2026 | Sunday, 2/1/2026", "%m/%d/%Y", "2026-01-31, 2026-02-01"),
    ("31. Januar 2026 | 1. März 2026", "%d. %b %Y", "2026-01-31, 2026-03-01"),
    (
        "31 janvier 2026 | 1er août 2026 | 2 févr. 2026",
        "%d %b %Y",
        "2026-01-31, 2026-08-01, 2026-02-02",
    ),
    ("31 de enero de 2026 | 1 de septiembre de 2026", "%d de %b de %Y", "2026-01-31, 2026-09-01"),
    ("31 gennaio 2026 | 1 lug 2026", "%d %b %Y", "2026-01-31, 2026-07-01"),
    ("31 de janeiro de 2026 | 1 de março de 2026", "%d de %b de %Y", "2026-01-31, 2026-03-01"),
    ("31 januari 2026 | 1 mei 2026 | 2 mrt 2026", "%d %b %Y", "2026-01-31, 2026-05-01, 2026-03-02"),
    ("31 stycznia 2026 | 1 października 2026", "%d %b %Y", "2026-01-31, 2026-10-01"),
    (
        "31 januari 2026 | 1 maj 2026 | 2 okt. 2026",
        "%d %b %Y",
        "2026-01-31, 2026-05-01, 2026-10-02",
    ),
    ("31 января 2026 | 1 мая 2026", "%d %b %Y", "2026-01-31, 2026-05-01"),
    ("2026-01 | 2026-02", "%Y-%m", "2026-01-01, 2026-02-01"),
    ("Jan 2026 | Mai 2026", "%b %Y", "2026-01-01, 2026-05-01"),
    ("January 2026 | February 2026", "%b %Y", "2026-01-01, 2026-02-01"),
    ("01/2026 | 02/2026", "%m/%Y", "2026-01-01, 2026-02-01"),
    ("1975 Jan | 1975 Feb", "%Y %b", "1975-01-01, 1975-02-01"),
    ("Jan_2026 | Oct_2006", "%b_%Y", "2026-01-01, 2006-10-01"),
    ("2026 Q1 | 2026 Q4", "%Y Q%q", "2026-01-01, 2026-10-01"),
    ("2026-Q3 | 2026-Q4", "%Y-Q%q", "2026-07-01, 2026-10-01"),
    ("2026Q2 | 2026Q3", "%YQ%q", "2026-04-01, 2026-07-01"),
    ("Q4 2026 | Q1 2027", "Q%q %Y", "2026-10-01, 2027-01-01"),
    (
        " | ".join(f"202601{day}" for day in range(10, 20)),
        "%Y%m%d",
        ", ".join(f"2026-01-{day}" for day in range(10, 20)),
    ),
    (
        " | ".join(f"10{day:02}2018" for day in range(10, 20)),  # squirrels.csv
        "%m%d%Y",
        ", ".join(f"2018-10-{day}" for day in range(10, 20)),
    ),
]
#: Of these, MARKS are missing.
CATEGORIES = [
    "a | b",
    "red | green | blue",
    "yes | no",
    "Y | N",
    "M | F | M",
    "male | female | NA",
    "none | some | many",  # "none" is missing
    "Köln | São Paulo | Łódź",
    "Москва | Київ",
    "東京 | 大阪",
    "New York | Los Angeles",
    "a b  c | d",
    "a, b | c; d",
    "it's | don't",
    "say 'yes' | no",
    "1 | x",
    "1 | 2 | x",
    "5 kg | 7 m",
    "5 km | 3 kg",
    "$5 | €5",
    "$5 | €5 | £7",
    "5% | 0.05",
    "A1 | A2",
    "1st | 2nd",
    "<5 | 5",
    "<5 | 5 | 6",
    "<=50K | >50K",  # income of adults
    "<18 | 18-30 | 31-45 | >45",
    "1-5 | 6-9",
    "10-12 | 18-25",
    "10-20 | 20-30",
    "18 - 29 | 30 - 44",
    "$0 - $24,999 | $25,000 - $49,999",  # household incomes of a survey
    "10:75 | 10:80",
    "16:9 | 4:3",
    "25:00 PM | 1:00 PM",
    "2026-01-31 25:00 | 2026-01-31",
    "2026-01-31 13:00 PM | 2026-01-31",
    "30.02.2026 | 31.01.2026",
    "31.01.2026 | x",
    "1/31/2026 | 31/1/2026",
    "2026 Q5 | 2026 Q1",
    "31 brumaire 2026 | 1 May 2026",
    "may | june",
    "Mon | Tue | Sun",
    "hello you | hello",
    "hello 2026-01-31 | x",
    "192.168.0.1 | 10.0.0.1",
    "1.2.3 | 4.5.6",
    "1.0.0 | 1.2.4",  # playstore.csv
    "1.0.0 | 2.0.0 | 1.1 | Varies with device",
    "4.0.3 and up | 4.2 and up | 2.3 and up",
    "1_000 | 2",
    "0x1F | 0x20",
    "1,,2 | 3",
    "1,234.5.6 | 1",
    "12,34,567 | 1,2",
    "(5 | 6)",
    "$5 kg | $6 kg",
    "12M | 12",
    "12 | 12A",
    "4/5 | 3/5",
    "4.1/5 | 3.8/5",
    "555-1234 | 555-9876",
    "(555) 123-4567 | 555-0100",
    "+49 30 1234567 | +33 1 23456789",
    "1. Male | 2. Female",
    "2. Middle Atlantic | 3. South",
    "5'14\" | 6'2\"",
    "20m 1h | 30m 2h",
    "90 min | 1 Season | 2 Seasons",  # netflix_titles.csv
    "2.0 Turbo | 3.5 | 1.8",
    "128GB SSD | 1TB HDD",  # laptops.csv
    "1.5 Mio. € | 2 Mrd €",
    "P | -",
    "A | B | n/a",
    "low | medium | high",
    "[1, 2] | [3]",
    "a@b.org | c@d.org",
    "https://a.org/x?y=1 | https://b.org",
    "/usr/bin | C:\\temp",
    "#1 | #2",
    "@name | =x",
    "SW1A 1AA | EC1A 1BB",
    "D-80331 | D-10115",
    "K1A 0B1 | H0H 0H0",
    "V27 | 250.83",  # diagnoses
    "B12 | B6",
    "3rd | 1st",
    "I | II | III",
    "size 5 | size 6",
    "Rs. five | Rs. six",
    "one | two",
    "inf | x",
    "true | maybe",
    "yes | true",
    "x | unknown",
    "Unknown | Other",
    "😀 | 😃",
    "a\u0301 | \u00e1",
    "\u200bx | x",
]
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


#: The cases of each table: a file has one decimal mark, and all columns of a table are equally long.
TABLES = {
    "short": [
        *(Case(cells.split(" | "), "number", *more) for cells, *more in NUMBERS),
        *(
            Case(cells.split(" | "), "date", form, days.split(", "), *note)
            for cells, form, days, *note in DATES
        ),
        *(Case(cells.split(" | "), "category") for cells in CATEGORIES),
    ],
    "commas": [Case(cells.split(" | "), "number", *more) for cells, *more in COMMAS],
    "most": [_most(*case) for case in MOST],
}
