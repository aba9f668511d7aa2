"""A table of models or libraries with scores, differences to the first, and their standard errors."""

import math

from ..core.messages import printable
from .text_layout import choose_columns, shorten
from .text_report import LABELS


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
    first, *cells = choose_columns((25, 12, 10, 12, 10), (12, 9, 8, 10, 0))
    label = printable(LABELS[metric], cells[0] - 1)
    heads = [label, "std. err.", "worse by", "std. err."]
    if cells[-1] == 0:
        heads[-1], heads[1] = "", "+/-"
    line = f"{shorten(title, first - 1):<{first}}" + "".join(
        f"{head:>{width}}" for head, width in zip(heads, cells)
    )
    yield line + (f"{'seconds':>10}" if seconds is not None and cells[-1] else "")
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
        if seconds is not None and cells[-1]:
            line += f"{'-' if seconds[i] is None else f'{seconds[i]:,.1f}':>10}"
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
    return f"{x:,.{digits}f}"
