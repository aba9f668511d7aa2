"""Parts of messages: plurals, lists of names, advice about names, one line, JSON, and warnings.

Names, classes and other texts of files are not safe for a terminal: see `printable`.
"""

from __future__ import annotations

import math
import os
import sys
import unicodedata
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Characters of a message, or of a line of a report, with the text of files in it.
LONG = 4000
SIMILARITY = 0.7  # of names, 0 to 1
MAX_REASON = 200  # characters of the message of another library
MAX_CHOICES = 8  # names in an advice


def printable(text, maximum=40):
    """Make text from a file safe for a terminal: one line of limited length, without control
    characters."""
    text = str(text)
    if len(text) > maximum:
        text = text[: maximum - 3] + "..."
    return text if text.isprintable() else "".join(map(_printable_character, text))


def has_lone_surrogate(text):
    """Return whether UTF-8 cannot hold a text."""
    return not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)


def _printable_character(c):
    if c.isprintable():
        return c
    # Other spaces are harmless. Control characters, line ends, directions and lone surrogates are not.
    return " " if unicodedata.category(c) == "Zs" else "\N{REPLACEMENT CHARACTER}"


def one_line(text):
    """Return a text, or the message of an exception, without line breaks."""
    return " ".join(str(text).split())


def reason(error):
    """Return the message of an exception as a part of another message, of limited length."""
    return one_line(error)[:MAX_REASON].rstrip(".")


def plural(n, noun):
    """Return a count with its noun: `1 row`, `2 rows`."""
    return f"{n:,} {noun if n == 1 else noun + 's'}"


def format_number(x):
    """Return a number with up to four digits, or all digits before the decimal point."""
    return f"{x:,.0f}" if 1000 <= abs(x) < 1e9 else f"{x:.4g}"


def format_value(x):
    """Return a number with four digits, or all digits of a whole one: years have no comma."""
    if x.is_integer() and abs(x) < 1e15:
        return f"{x:.0f}" if abs(x) < 10_000 else f"{x:,.0f}"
    return format_number(x)


def format_share(x):
    """Return a share as a percentage: `0.3 %`, `5 %`, `< 0.1 %`."""
    percent = 100 * x
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"


def join(names, maximum=6, quoted=True):
    """Join the first names with commas, and say how many are left out."""
    names = list(names)
    shown = map(printable, names[:maximum])
    more = f" and {len(names) - maximum:,} more" if len(names) > maximum else ""
    return ", ".join(map(repr, shown) if quoted else shown) + more


def join_all(texts):
    """Return texts with commas, and "and" before the last one."""
    return ", ".join(texts[:-1]) + (" and " if len(texts) > 1 else "") + texts[-1]


def similar(name, names):
    """Return the name that is most similar, ignoring case and spaces around, or None."""
    from difflib import get_close_matches

    by_lower = {str(other).lower().strip(): other for other in names}
    close = get_close_matches(str(name).lower().strip(), by_lower, 1, SIMILARITY)
    return by_lower[close[0]] if close else None


def did_you_mean(name, names, what="columns", whose="Its"):
    """Return a sentence that helps to correct the name of a column, or of something else."""
    close = similar(name, names)
    if close is not None:
        return f"Did you mean {printable(close)!r}?"
    return f"{whose} {what} are {join(names, MAX_CHOICES, quoted=False)}."


def hint_at(name: object, names: Iterable[object]) -> str:
    """Return the end of a message about an unknown name: `. Did you mean 'adam'?`, or ""."""
    close = similar(name, names) if isinstance(name, str) else None
    return "" if close is None else f". Did you mean {printable(close)!r}?"


# ---- JSON ----


def nan_to_null(value):
    """Return a value without the numbers that JSON does not have, NaN and infinity: they are null."""
    if isinstance(value, dict):
        return {str(key): nan_to_null(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [nan_to_null(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ---- warnings ----

#: Packages between the user and fastnn: scikit-learn wraps `fit`, and calls it through joblib.
INNER = ("fastnn", "sklearn", "joblib")


def warn(message, category=UserWarning):
    """Issue a warning that names the line of the user's code, however deep fastnn is in its call."""
    warnings.warn(message, category, stacklevel=_stack_level())


def _stack_level():
    """Return the level, for the caller's caller, of the first frame outside of fastnn."""
    modules = (sys.modules.get(name) for name in INNER)
    folders = tuple(os.path.join(os.path.dirname(str(m.__file__)), "") for m in modules if m)
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(folders):
        frame, level = frame.f_back, level + 1
    return level


def is_called_by(package):
    """Return whether a function of a package has called the caller, however deep in its call."""
    frame = sys._getframe(1).f_back
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name == package or name.startswith(f"{package}."):
            return True
        frame = frame.f_back
    return False
