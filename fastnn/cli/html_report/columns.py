"""What the columns of a training table hold: missing and distinct values, and their range."""

from dataclasses import dataclass

import numpy as np

from ...core.messages import printable
from ...tables.texts import is_missing_mark
from ..report import format_number

MOST_FREQUENT = 3


@dataclass
class Summary:
    """What a column holds.

    Attributes
    ----------
    label : str
    kind : str or None
        What it was taken for; None if it is left out.
    missing : float
        Share of the rows.
    n_distinct : int
        Number of distinct values, without missing ones.
    text : str
        The range of numbers and dates, or the most frequent categories.
    """

    label: str
    kind: str | None
    missing: float
    n_distinct: int
    text: str


def summarize(frame, features):
    """Return the Summary of each column of a training table, in its order.

    Parameters
    ----------
    frame : Frame
        The table without its target.
    features : Features
        What its columns were taken for.
    """
    kinds = features.kinds()
    of_position = dict(zip(features.positions, features.columns))
    return [
        _used(raw, of_position[i]) if label in kinds else _left_out(raw, label)
        for i, (label, raw) in enumerate(zip(frame.labels(), frame.columns))
    ]


def _used(raw, column):
    contents = column.summarize(column.convert(raw), format_number)
    if contents.span is None:
        text = _most_frequent(contents.counts, len(raw.values))
    else:
        low, middle, high = contents.span
        text = f"{low} to {high}, median {middle}" if low != high else low
    return Summary(column.label, column.kind, contents.missing, contents.n_distinct, text)


def _most_frequent(counts, n):
    counts = sorted(((text, k) for text, k in counts.items() if k), key=lambda item: -item[1])
    parts = [f"{printable(text, 24)} {format_share(k / n)}" for text, k in counts[:MOST_FREQUENT]]
    return ", ".join(parts) + (", ..." if len(counts) > MOST_FREQUENT else "")


def _left_out(raw, label):
    if raw.kind == "text":
        is_missing = np.array([*map(is_missing_mark, raw.texts), True])[raw.values]
    else:
        is_missing = np.isnan(raw.values)
    n_distinct = len(np.unique(raw.values[~is_missing]))
    return Summary(label, None, float(is_missing.mean()), n_distinct, "")


def format_share(x):
    """Return a share as a percentage: `0.3 %`, `5 %`, `< 0.1 %`."""
    percent = 100 * x
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"
