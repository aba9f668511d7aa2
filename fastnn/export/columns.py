"""The columns of a table that a model reads: names, kinds, and levels that are numbers."""

import math
from dataclasses import dataclass

import numpy as np

#: Cycles of days after which weekdays and dates are the same again: the first day, counted from
#: 1970-01-01, and the number of days. Years that begin in March end with the leap day.
WEEK = -3, 7  # from a Monday
FOUR_CENTURIES = 11017, 146097  # from 2000-03-01


@dataclass
class Input:
    """A column of a table that a model reads.

    Attributes
    ----------
    name : str
        Its name, or x and its position if it has none.
    kind : {"number", "category", "date"}
    is_text : bool
        Whether its values are passed as texts.
    """

    name: str
    kind: str
    is_text: bool


def inputs(features):
    """Return {source: Input} of the columns in use, in the order of the table. All names differ."""
    levels = {c.source: c.levels for c in features.categories if c.part == "value"}
    out, taken = {}, set()
    for source in features.used():
        column = features.columns[source]
        name = column.label if features.names is not None and column.label.strip() else ""
        is_text = column.kind == "category" and (
            column.from_text or any(map(math.isnan, map(as_number, levels[source])))
        )
        name = name or f"x{features.positions[source]}"
        while name in taken:
            name += "_"
        taken.add(name)
        out[source] = Input(name, column.kind, is_text)
    return out


def day_values(part):
    """Return a part of dates for each day of a week, or of a leap year that begins in March."""
    from ..tabular.columns.features import DAY, date_part  # needs scikit-learn

    days = np.arange(7) - 3 if part == "weekday" else np.arange(366) + 10651  # 1999-03-01
    return date_part(DAY * days, part)


def day_codes(category):
    """Return the code of each of the `day_values`, -1 for a day that is none of the levels."""
    code_of = {int(level): code for code, level in enumerate(category.levels)}
    return np.array([code_of.get(x, -1) for x in day_values(category.part).tolist()])


def as_number(level):
    """Return the number that is a level of a column of numbers, NaN for another text."""
    try:
        x = float(level)
    except ValueError:
        return math.nan
    return x if math.isfinite(x) else math.nan
