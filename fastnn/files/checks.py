"""Checks of what a file holds. In `damage_refused`, a ValueError becomes a ModelFileError."""

import math
from contextlib import contextmanager

from ..core.messages import reason
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


@contextmanager
def damage_refused(what):
    """Context manager in which errors of a reader become a ModelFileError.

    A reader of nested JSON need not check each key and type before it uses them.

    what : what the JSON describes, for the message
    """
    try:
        yield
    except ModelFileError:
        raise
    except (
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ModelFileError(
            f"the description of the {what} is damaged ({reason(error)})"
        ) from None
