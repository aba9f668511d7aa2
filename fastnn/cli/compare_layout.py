"""A table of models or libraries with scores, differences to the first, and their standard errors."""

import math

from ..core.messages import printable
from .record import LABELS
from .text_layout import choose_columns, shorten


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
    label, last = "MAE" if metric == "mae" else LABELS[metric], 9 if seconds else 0
    more = max(0, len(label) - 11)  # a row of 80 columns has 2 or 11 left
    less = max(0, more - (2 if seconds else 11))
    wide = (25 - less, 12 + more, 10, 12, 10, last)
    first, *cells, last = choose_columns(wide, (12, 9, 8, 10, 0, 0))
    label = printable(label, cells[0] - 1)
    heads = [label, "std. err.", "worse by", "std. err."]
    if cells[-1] == 0:
        heads[-1], heads[1] = "", "+/-"
    line = f"{shorten(title, first - 1):<{first}}" + "".join(
        f"{head:>{width}}" for head, width in zip(heads, cells)
    )
    yield line + (f"{'seconds':>{last}}" if last else "")
    errors = [m[key] for m in models for key in ("error", "difference_error") if m[key]]
    digits = digits_of(errors, models[0]["score"])
    for i, (name, model) in enumerate(zip(names, models)):
        values = [
            format_digits(model["score"], digits),
            format_digits(model["error"], digits),
            format_digits(model["difference"], digits),
            format_digits(model["difference_error"], digits),
        ]
        line = f"{shorten(name, first - 1):<{first}}" + "".join(
            f"{value:>{width}}" if width else "" for value, width in zip(values, cells)
        )
        if last:
            line += f"{'-' if seconds[i] is None else f'{seconds[i]:,.1f}':>{last}}"
        yield line


def digits_of(errors, score):
    """Return how many decimals show two digits of the smallest standard error, or of 1 % of a score."""
    known = [error for error in errors if math.isfinite(error) and error > 0]
    scale = min(known, default=abs(score or 0.0) / 100)
    if not scale:
        return 3
    return max(0, min(6, 1 - math.floor(math.log10(scale))))


def format_digits(x, digits):
    if x is None or not math.isfinite(x):
        return "-"
    return f"{round(x, digits) + 0.0:,.{digits}f}"  # -0.0 + 0.0 is 0.0
