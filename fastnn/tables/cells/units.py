"""Units in texts of numbers: currencies, units of measurement that convert, and multipliers."""

import re
from functools import lru_cache

#: A pattern. Currencies do not convert: their rates change.
CURRENCIES = (
    r"(?:US|A|AU|C|CA|NZ|HK|S|R|NT|MX)?\$|[€£¥₹₽₩₺₪฿₫₴₦₱¢]|(?:USD|EUR|GBP|CHF|JPY|CNY|RMB|INR|CAD"
    r"|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|TRY|RUB|Rs\.?|kr\.?|Fr\.|SFr\.|zł|Kč)(?![^\W\d_])"
)
IS_CURRENCY = re.compile(CURRENCIES)
DAY = 86400.0  # seconds
MONTH, YEAR = 30.436875 * DAY, 365.2425 * DAY  # with their mean number of days
#: The sizes of the units of a dimension.
SIZES = {
    "length": {
        "mm millimeter millimetre": 0.001,
        "cm centimeter centimetre": 0.01,
        "m meter metre mtr": 1.0,
        "km kilometer kilometre": 1000.0,
        'in inch inches " \u2033 \u201d': 0.0254,
        "ft foot feet": 0.3048,
        "yd yard": 0.9144,
        "mi mile": 1609.344,
    },
    "mass": {
        "mg milligram": 1e-6,
        "g gm gram gramm": 0.001,
        "kg kilo kilogram kilogramm": 1.0,
        "tonne": 1000.0,
        "oz ounce": 0.028349523125,
        "lb pound": 0.45359237,
    },
    "time": {
        "ms millisecond": 0.001,
        "s sec second sekunde": 1.0,
        "min minute": 60.0,
        "h hr hour std": 3600.0,
        "d day": DAY,
        "wk week": 7 * DAY,
        "mo mth month": MONTH,
        "yr year": YEAR,
    },
    "data": {
        **{"bit": 0.125, "kbit Kbit Kb": 0.125e3, "Mbit Mb": 0.125e6, "Gbit Gb": 0.125e9},
        **{"Tbit Tb": 0.125e12, "byte": 1.0, "kB KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12},
        **{"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40},
    },
    "volume": {
        "ml mL milliliter millilitre cc": 0.001,
        "cl cL": 0.01,
        "dl dL": 0.1,
        "l L liter litre ltr": 1.0,
        "gal gallon": 3.785411784,
    },
    "area": {
        "m² sqm": 1.0,
        "km²": 1e6,
        "ha hectare": 1e4,
        "ft² sqft sq.ft": 0.09290304,
        "acre": 4046.8564224,
    },
    "power": {
        **{"mW": 1e-3, "W watt": 1.0, "kW": 1e3, "MW": 1e6, "GW": 1e9},
        **{"hp bhp": 745.6998715822702, "PS": 735.49875},
    },
    "speed": {"m/s": 3.6, "km/h kmh kmph kph": 1.0, "mph": 1.609344, "kn knot kt": 1.852},
    "frequency": {"mHz": 1e-3, "Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
    "energy": {"kJ": 1.0, "kcal": 4.184, "Wh": 3.6, "kWh": 3600.0, "MWh": 3.6e6},
}
UNITS = {
    name: (dimension, size)
    for dimension, sizes in SIZES.items()
    for names, size in sizes.items()
    for name in names.split()
}
BITS = ("Kb", "Mb", "Gb", "Tb")  # which some take for bytes
#: The names of more than one letter in lower case. The last of mW and MW is the one that mw is.
ANY_CASE = {name.lower(): name for name in UNITS if len(name) > 1}
MULTIPLIERS = {
    **dict.fromkeys(("k", "K", "thousand", "Tsd", "tsd"), 1e3),
    **dict.fromkeys(("lakh", "lakhs", "lac", "lacs", "Lakh", "Lakhs", "Lac", "Lacs"), 1e5),
    **dict.fromkeys(("M", "MM", "mn", "Mn", "mio", "Mio", "million", "Million", "millions"), 1e6),
    **dict.fromkeys(("m", "mln", "mil"), 1e6),
    **dict.fromkeys(("cr", "Cr", "crore", "crores", "Crore", "Crores"), 1e7),
    **dict.fromkeys(("b", "B", "bn", "Bn", "billion", "Billion", "billions", "Mrd"), 1e9),
    **dict.fromkeys(("T", "tn", "trillion", "Trillion"), 1e12),
}
#: These can be units or anything else, so they multiply only beside a currency or other multipliers.
UNSURE = frozenset(("m", "b", "B", "T", "MM", "cr", "Cr", "mil"))
THOUSANDS = frozenset(name for name, factor in MULTIPLIERS.items() if factor == 1e3)


def is_currency(unit):
    """Whether a unit is a currency."""
    return IS_CURRENCY.fullmatch(unit) is not None


@lru_cache(maxsize=1024)
def name_of_unit(name):
    """Return the name of a unit of measurement in UNITS, None if it is not a known one.

    Case decides between mW and MW, or Mb and MB. Where it says nothing, it does not count.
    """
    name = name.removesuffix(".")
    if name in UNITS:
        return name
    lower = name.lower().replace(". ", ".").replace("sq ft", "sq.ft")
    if lower in ANY_CASE:
        return ANY_CASE[lower]
    return ANY_CASE.get(lower.removesuffix("s")) if len(lower) > 2 else None


def find_unit(name):
    """Return (dimension, size) of a unit of measurement, None if it is not a known one."""
    known = name_of_unit(name)
    return None if known is None else UNITS[known]


def read_as(name):
    """Return the unit that a text is taken for, None if there is no other: mw for MW, Mb for Mbit."""
    known = name_of_unit(name)
    if known in BITS:
        return f"{known}it"
    return known if known is not None and {name[0], known[0]} == {"m", "M"} else None


def ratio(unit, other):
    """Return what to multiply a number with `other` by to have it in `unit`, None if it does not convert."""
    if unit == other or fold(unit) == fold(other):
        return 1.0
    a, b = find_unit(unit), find_unit(other)
    if a is None or b is None or a[0] != b[0]:
        return None
    return b[1] / a[1]


def fold(unit):
    """Return the same text for Rs and Rs., and for the singular and the plural of an unknown unit."""
    unit = unit.removesuffix(".")
    return unit.removesuffix("s") if len(unit) > 3 else unit
