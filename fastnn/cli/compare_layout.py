"""A table of models or libraries with scores, differences to the first, and their standard errors."""

import math

from ..core.messages import printable
from .console import choose_columns, shorten
from .record import LABELS


def format_models(title, metric, names, models, seconds=None):
    """Yield the lines of a table.

    Parameters
    ----------
    title : str
        Of the names.
    metric : str
    names : list of str
    models : list of dict
        score, error, difference (in favour of the first), difference_error, is_worse (None for the
        first), and optionally is_better.
    seconds : list of float, optional
    """
    label = "MAE" if metric == "mae" else LABELS[metric]
    more = max(0, len(label) - 11)  # a row of 80 columns has 2 or 11 left
    less = max(0, more - (2 if seconds else 11))
    wide = (25 - less, 12 + more, 10, 12, 10, 9 if seconds else 0)
    first, *widths = choose_columns(wide, (12, 9, 8, 10, 0, 0))
    label = printable(label, widths[0] - 1)
    heads = [label, "std. err.", "worse by", "std. err.", "seconds"]
    if not widths[3]:
        heads[1] = "+/-"
    times = ["-" if x is None else f"{x:,.1f}" for x in seconds or [None] * len(models)]
    cells = [[*row, time] for row, time in zip(score_cells(models), times)]
    for name, texts in zip([title, *names], [heads, *cells]):
        line = "".join(f"{text:>{width}}" for text, width in zip(texts, widths) if width)
        yield f"{shorten(name, first - 1):<{first}}{line}"


def score_cells(models, prefix=""):
    """Return score, error, difference and its error of each model as texts.

    The digits show two digits of the smallest standard error, or of 1 % of the score of the first.

    Parameters
    ----------
    models : list of dict
    prefix : str
        Of the keys.
    """
    keys = [f"{prefix}{key}" for key in ("score", "error", "difference", "difference_error")]
    errors = [m[key] for m in models for key in keys[1::2] if m[key]]
    known = [error for error in errors if math.isfinite(error) and error > 0]
    scale = min(known, default=abs(models[0][keys[0]] or 0.0) / 100)
    digits = max(0, min(6, 1 - math.floor(math.log10(scale)))) if scale else 3
    return [[_format(m[key], digits) for key in keys] for m in models]


def _format(x, digits):
    if x is None or not math.isfinite(x):
        return "-"
    return f"{round(x, digits) + 0.0:,.{digits}f}"  # -0.0 + 0.0 is 0.0
