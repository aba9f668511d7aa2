"""Checks of what a file holds. A ValueError becomes a ModelFileError: see `kinds.damage_refused`."""

import math

from . import ModelFileError


def check(valid, what):
    """Raise ValueError if a part of a file is not valid. what : the name of the part"""
    if not valid:
        raise ValueError(what)


def is_finite(x):
    """Whether a value of JSON is a finite number with a decimal point."""
    return type(x) is float and math.isfinite(x)


def check_mapping(value, what):
    """Return the value if it is a dict, or raise a ModelFileError."""
    if not isinstance(value, dict):
        raise ModelFileError(f"{what} is missing or not a mapping")
    return value


def is_count(value, maximum, minimum=0):
    """Return whether the value is an int within these limits."""
    return type(value) is int and minimum <= value <= maximum
