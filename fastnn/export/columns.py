"""The columns of a table that a model reads: names, kinds, and levels that are numbers."""

import math
from dataclasses import dataclass


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


def as_number(level):
    """Return the number that is a level of a column of numbers, NaN for another text."""
    try:
        x = float(level)
    except ValueError:
        return math.nan
    return x if math.isfinite(x) else math.nan
