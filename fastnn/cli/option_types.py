"""Types of the options of a command: each parses a text, or says what was expected."""

import argparse
import math

from ..core.errors import DataError
from ..core.messages import similar
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS, find_name
from ..tabular.thresholds import parse
from .console import describe_missing

MAX_UNITS = 100_000  # of a hidden layer


def hidden_sizes(text):
    """Parse `--hidden`: '64,32' -> (64, 32)."""
    sizes = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= MAX_UNITS for part in sizes):
        raise argparse.ArgumentTypeError(
            f"expected layer sizes from 1 to {MAX_UNITS:,}, such as 64 or 64,32, got {text!r}"
        )
    return tuple(map(int, sizes))


def row_numbers(text):
    """Parse `--rows`: '3,10-12' -> [(3, 3), (10, 12)]."""
    out = []
    for part in text.split(","):
        first, _, last = (word.strip() for word in part.partition("-"))
        last = last or first
        numbers = [int(x) for x in (first, last) if x.isascii() and x.isdigit() and len(x) < 16]
        if len(numbers) < 2 or not 1 <= numbers[0] <= numbers[1]:
            raise argparse.ArgumentTypeError(
                f"expected numbers of rows from 1 on, such as 3,10-12, got {text!r}"
            )
        out.append((numbers[0], numbers[1]))
    return out


def metric_name(text):
    """Parse `--metric`: 'log-loss' -> 'log_loss'."""
    name, known = find_name(text), [*CLASS_METRICS, *NUMBER_METRICS]
    if name not in known:
        close = similar(name, known)
        hint = f"Did you mean {close}? " if close else ""
        raise argparse.ArgumentTypeError(f"{hint}It can be {', '.join(known)}, got {text!r}")
    return name


def threshold(text):
    """Parse `--threshold`: '0.2' -> 0.2, 'F1' -> 'f1', 'cost:5, 1' -> 'cost:5,1'."""
    try:
        number = float(text)
    except ValueError:
        try:
            return parse(text).text
        except DataError:
            number = math.nan
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(
            "expected a number above 0 and below 1, f1, or the costs of a missed row of the second "
            f"class and of a false alarm, such as cost:5,1, got {text!r}"
        )
    return number


def report_file(name):
    """Check the name of a report. The command fails before training without its packages."""
    for packages, extra in ((["matplotlib"], "plot"), (["jinja2", "starlette"], "web")):
        if missing := describe_missing(packages, extra):
            raise argparse.ArgumentTypeError(f"a report needs {missing}")
    if not name.lower().endswith((".html", ".htm")):
        raise argparse.ArgumentTypeError(f"the file name must end in .html, got {name!r}")
    return name
