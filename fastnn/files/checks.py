"""Checks of what a file holds. A ValueError becomes a ModelFileError: see `kinds.damage_refused`."""

import math


def check(valid, what):
    """Raise ValueError if a part of a file is not valid. what : the name of the part"""
    if not valid:
        raise ValueError(what)


def is_finite(x):
    """Whether a value of JSON is a finite number with a decimal point."""
    return type(x) is float and math.isfinite(x)
