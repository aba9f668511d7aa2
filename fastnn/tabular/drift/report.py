"""DriftReport: what is different in new rows, as an object, a text, a DataFrame and JSON."""

import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any

from ...core.messages import plural, printable

MAX_SHOWN = 50  # changes in a text
TABLE_WIDTH = 72  # columns of the text from which on it is a table
MAX_NAME = 60  # characters of a column in a text
HEADINGS = "column", "what changed", "training rows", "new rows"


@dataclass(frozen=True)
class Change:
    """A difference between a column of new rows and that of the training rows.

    Attributes
    ----------
    column : str
        Its name, or its position as a text.
    kind : {"absent", "type", "missing", "range", "unknown", "distribution", "time", "unused"}
        The column is not there; its values are something else than they were; missing; outside the
        range; categories that the model does not know; distributed otherwise; later, which is
        expected; not a column of the training table.
    what : str
        A phrase about the new rows.
    training, new : str
        What the training rows and the new rows hold.
    is_drift : bool
        Whether it counts as drift.
    p : float or None
        How likely so large a difference is by chance in any column of the table: the probability of
        the test, times the number of tests. None if the change is certain.
    """

    column: str
    kind: str
    what: str
    training: str = ""
    new: str = ""
    is_drift: bool = True
    p: float | None = None


@dataclass(repr=False)
class DriftReport:
    """Differences between new rows and the rows that a model was trained on.

    Attributes
    ----------
    n_rows : int
        Number of new rows.
    n_training_rows : int
        Number of training rows that they were compared with.
    n_columns : int
        Number of columns that the model uses.
    n_tests : int
        Number of tests, by which the probabilities are multiplied.
    changes : list of Change
        In the order of the columns.
    """

    n_rows: int
    n_training_rows: int
    n_columns: int
    n_tests: int
    changes: list[Change] = field(default_factory=list)

    @property
    def has_drift(self) -> bool:
        """bool: whether any change counts as drift."""
        return any(change.is_drift for change in self.changes)

    @property
    def drifted_columns(self) -> list[str]:
        """list of str: the columns with drift, in their order."""
        return list(dict.fromkeys(c.column for c in self.changes if c.is_drift))

    def to_frame(self) -> Any:
        """Return the changes as a pandas DataFrame, one row each."""
        import pandas

        names = list(Change.__dataclass_fields__)
        return pandas.DataFrame(map(asdict, self.changes), columns=names)

    def to_json(self) -> dict[str, Any]:
        """Return a dict that JSON can hold."""
        return {
            "rows": self.n_rows,
            "training_rows": self.n_training_rows,
            "columns": self.n_columns,
            "tests": self.n_tests,
            "has_drift": self.has_drift,
            "drifted_columns": self.drifted_columns,
            "changes": [asdict(change) for change in self.changes],
        }

    def headline(self) -> str:
        """Return one sentence."""
        n, of = len(self.drifted_columns), plural(self.n_columns, "column")
        rows = f"{plural(self.n_rows, 'new row')} beside {self.n_training_rows:,} training rows"
        if not n:
            return f"No drift in {of}: {rows}."
        return f"Drift in {n:,} of {of}: {rows}."

    def lines(self, width: int = 80) -> list[str]:
        """Return the text in lines of at most `width` characters."""
        out = textwrap.wrap(self.headline(), width)
        shown = self.changes[:MAX_SHOWN]
        cells = [
            [printable(c.column, MAX_NAME), c.what, c.training or "-", c.new or "-"] for c in shown
        ]
        if shown:
            out += ["", *(_table(cells, width) if width >= TABLE_WIDTH else _blocks(cells, width))]
        more = len(self.changes) - len(shown)
        if more:
            out.append(f"... and {plural(more, 'more change')}")
        others = [c for c in self.changes if not c.is_drift]
        if others and self.has_drift:
            out += ["", *textwrap.wrap("Changes in (brackets) do not count as drift.", width)]
        return out

    def __repr__(self) -> str:
        return "\n".join(self.lines())


def _table(cells, width):
    """Return the lines of a table whose cells are wrapped."""
    first = min(20, max(8, *(len(row[0]) for row in cells)))
    rest = width - first - 6
    widths = [first, rest - 2 * (rest * 3 // 10), rest * 3 // 10, rest * 3 // 10]
    lines = []
    for row in [list(HEADINGS), *cells]:
        wrapped = [textwrap.wrap(text, w) or [""] for text, w in zip(row, widths)]
        for i in range(max(map(len, wrapped))):
            parts = (some[i] if i < len(some) else "" for some in wrapped)
            lines.append("  ".join(f"{p:<{w}}" for p, w in zip(parts, widths)).rstrip())
    return lines


def _blocks(cells, width):
    """Return the lines for a narrow terminal: a block for each change."""
    lines = []
    for column, what, training, new in cells:
        lines += textwrap.wrap(f"{column}: {what}", width, subsequent_indent="  ")
        for label, text in (("training", training), ("new", new)):
            if text != "-":
                lines += textwrap.wrap(f"  {label}: {text}", width, subsequent_indent="    ")
    return lines
