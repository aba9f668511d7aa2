"""The columns of a table that a model reads, as inputs of an exported file."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Input:
    """A column of a table that a model reads.

    Attributes
    ----------
    name : str
        Its name, or x and its position if it has none.
    column : tabular.columns.column.Column
    levels : sequence of str
        Its categories, if its values are categories.
    """

    name: str
    column: Any
    levels: Any

    @property
    def is_text(self):
        """bool: whether its values are passed as texts."""
        return self.column.is_text(self.levels)


def inputs(features):
    """Return {source: Input} of the columns in use, in the order of the table. All names differ."""
    known = features.value_categories()
    out, taken = {}, set()
    for source in features.used():
        column = features.columns[source]
        name = column.label if features.names is not None and column.label.strip() else ""
        name = name or f"x{features.positions[source]}"
        while name in taken:
            name += "_"
        taken.add(name)
        out[source] = Input(name, column, known.get(source, ()))
    return out
