"""Find a column of groups: patients, players, machines, whose rows are alike.

If the rows of one patient are in several folds, a network recognises the patient, and its scores are
too good for new patients. A column of groups looks different from an ordinary category, such as a
city: its values are in about the same number of rows each, or other columns have one value for each
of its values, or it is named like an ID, or it has one row for each time, like a country in a panel of
years.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import Argument, Message

MIN_GROUPS = 20
MIN_UNITS = 8  # of a column with the name of persons or things, and of a panel
MIN_ROWS = 100
MAX_ROWS = 5_000  # rows of whole groups that are looked at
MAX_CANDIDATES = 40  # that are compared with all other columns
MAX_COLUMNS = 100  # that may be fixed by another one
MIN_PRESENT = 0.9  # part of the rows with a value
MIN_ALIKE = 0.2  # intraclass correlation of the target
EVEN = 0.9  # part of the values that are in the same number of rows, give or take one
SAME = 0.95  # a column with such a part of its rows in one value says nothing
MIN_FIXED = 3  # columns
TRIED = 20  # of which fewer are fixed: the others are not looked at
MIN_ROWS_OF_TIME = 5  # mean, in a panel
MIN_REPEATED = 30  # rows of one value and one time that a panel would have by chance
MAX_ID_ROWS = 20  # mean number of rows of an ID; places of taxis and codes of goods have more
ID = re.compile(r"(?:^|[\W_])(?:id|ids|uuid|guid)$|[a-z](?:Id|ID)$")
PERSON = re.compile(
    r"(?:^|[\W_])(?:patient|subject|participant|person|respondent|customer|client|user|member|player|"
    r"student|pupil|animal|household|family|session|device|machine|sensor|probe|proband|kunde)"
    r"(?:[\W_]*(?:id|ids|no|nr|number|code|name))?$",
    re.I,
)


@dataclass(frozen=True)
class Unit:
    """A column that may name the unit of a row: a patient, a machine, a country.

    Attributes
    ----------
    rank : int
        From 0; the most likely columns have the lowest.
    column : Column of `data_checks`
    time : str or None
        The name of the column of times with which it makes a panel: a row for each pair of values.
    """

    rank: int
    column: Any
    time: str | None


def find_groups(columns, target, is_time_name):
    """Yield (column, text) of the columns that look like groups, the most likely first.

    Parameters
    ----------
    columns : list of Column of `data_checks`
        Those that may be inputs.
    target : Column
    is_time_name : callable
        Whether a name is that of a time.
    """
    if target is None:
        return
    for unit in list_units(columns, is_time_name):
        column = unit.column
        if column.n_distinct >= MIN_GROUPS and _alikeness(column.codes, target) >= MIN_ALIKE:
            yield column, _text(column)
            return


def list_units(columns, is_time_name):
    """Return the Units among some columns, the most likely first."""
    if not columns or len(columns[0].codes) < MIN_ROWS:
        return []
    candidates = [c for c in columns if _may_be_groups(c) and not is_time_name(c.name)]
    times = [c for c in columns if is_time_name(c.name)]
    others = columns if len(candidates) <= MAX_CANDIDATES else []
    found = []
    for column in candidates:
        rank = _rank(column, [other for other in others if other is not column][:MAX_COLUMNS])
        time = None
        if rank is not None or column.is_text:
            time = next((t.name for t in times if _is_panel(column, t)), None)
            rank = 2 if rank is None and time is not None else rank
        if rank is not None:
            found.append(Unit(rank, column, time))
    return sorted(found, key=lambda unit: unit.rank)


def _text(column):
    counts = np.bincount(column.codes[column.codes >= 0], minlength=column.n_distinct)
    low, high = int(counts.min()), int(counts.max())
    rows = f"{low:,} rows" if low == high else f"{low:,} to {high:,} rows"
    return Message(
        "{label} looks like a group: each of its {n:,} values is in {rows}, and rows of one value are "
        "in several folds. If new rows will come from other values, the scores are too good. Pass "
        "{groups}.",
        label=column.label,
        n=column.n_distinct,
        rows=rows,
        groups=Argument("groups", column.name),
    )


def _may_be_groups(column):
    n = int((column.codes >= 0).sum())
    return (
        (column.is_text or column.is_integer)
        and MIN_UNITS <= column.n_distinct <= n / 2
        and n >= MIN_PRESENT * len(column.codes)
    )


def _rank(column, others):
    """Return 0 to 2, or None if a column does not look like groups. others : that it may fix"""
    is_id = ID.search(column.name) and len(column.codes) <= MAX_ID_ROWS * column.n_distinct
    fixed = _fixed_columns(column, others)
    if column.n_distinct >= MIN_GROUPS and fixed >= max(MIN_FIXED, len(others) / 2):
        return 0
    if is_id or PERSON.search(column.name):
        return 1
    is_even = column.n_distinct >= MIN_GROUPS and _is_even(column)
    return 2 if is_even and (column.is_text or fixed) else None


def _is_even(column):
    counts = np.bincount(column.codes[column.codes >= 0], minlength=column.n_distinct)
    usual = np.bincount(counts).argmax()
    return usual >= 2 and (np.abs(counts - usual) <= 1).mean() >= EVEN


def _is_panel(column, time):
    """Whether no value has two rows of one time, although there are so many rows that it should."""
    rows = (column.codes >= 0) & (time.codes >= 0)
    cells = column.codes[rows] * time.n_distinct + time.codes[rows]
    n = len(cells)
    if n < MIN_ROWS_OF_TIME * max(1, time.n_distinct):
        return False
    by_chance = n * n / 2 / (column.n_distinct * time.n_distinct)
    return by_chance >= MIN_REPEATED and len(np.unique(cells)) == n


def _fixed_columns(column, others):
    """Return how many other columns have one value for each value of a column, 0 if few of the first."""
    ends = np.cumsum(np.bincount(column.codes[column.codes >= 0]))
    n_values = max(1, int(np.searchsorted(ends, MAX_ROWS, "right")))
    rows = np.flatnonzero((column.codes >= 0) & (column.codes < n_values))
    codes, n_fixed = column.codes[rows], 0
    for i, other in enumerate(others):
        values = other.codes[rows] + 1
        if np.bincount(values).max() <= SAME * len(rows):
            pairs = np.unique(codes * (other.n_distinct + 1) + values)
            n_fixed += len(pairs) == n_values
        if i + 1 >= TRIED and n_fixed < MIN_FIXED:
            return 0
    return n_fixed


def _alikeness(codes, target):
    """Return the intraclass correlation of the target: 1 if rows of one group have equal targets."""
    rows = np.flatnonzero((codes >= 0) & (target.codes >= 0))
    codes = np.unique(codes[rows], return_inverse=True)[1]
    counts = np.bincount(codes)
    n, n_groups = len(codes), len(counts)
    if n <= n_groups or n_groups < 2:
        return 0.0
    between = within = 0.0
    for y in _target_columns(target, rows):
        means = np.bincount(codes, y) / counts
        between += (counts * (means - y.mean()) ** 2).sum()
        within += ((y - means[codes]) ** 2).sum()
    between, within = between / (n_groups - 1), within / (n - n_groups)
    usual = (n - (counts**2).sum() / n) / (n_groups - 1)
    total = between + (usual - 1) * within
    return (between - within) / total if total > 0 else 0.0


def _target_columns(target, rows):
    """Yield the ranks of numbers, or an indicator of each frequent class."""
    numbers = target.numbers()
    if numbers is not None and target.n_distinct > 2:
        order = np.unique(numbers[rows], return_inverse=True)[1]
        yield order / max(1, order.max())
        return
    codes = target.codes[rows]
    for code in np.argsort(-np.bincount(codes), kind="stable")[:20]:
        yield (codes == code).astype(float)
