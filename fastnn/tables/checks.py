"""Find columns and rows that spoil a model, or leak the target.

`check_data` returns `DataIssue` objects for the user to judge; it changes nothing. Row numbers and
IDs tell a network the order of the rows. Leakage, by copies of the target and by columns that are
known only after it, makes held-out scores good and predictions bad. Copies of rows are in both parts
of a split.

If the rows of one group, such as a patient, are in several folds, a network recognises the patient, and
its scores are too good for new patients. A column of groups looks different from an ordinary category,
such as a city: its values are in about the same number of rows each, or other columns have one value
for each of its values, or it is named like an ID, or it has one row for each time, like a country in a
panel of years.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core.errors import Argument, DataError, Message
from ..core.messages import did_you_mean, printable
from .cells.recognition import convert_texts, examples, other_texts, recognise, truth
from .errors import import_pyarrow, to_table

MIN_ROWS = 20  # fewer rows can be different by chance
MAX_SAMPLE = 20_000  # rows that decide whether a column predicts the target
MIN_ROWS_PER_VALUE = 10
MAX_TEXT_CLASSES = 250
MAX_CLASSES = 20  # whole numbers with more distinct values are numbers
CLASS_ERROR = 0.02  # of the errors of the majority class
NUMBER_R2 = 0.995  # of the ranks
MIN_COPIES = 0.02  # share of rows
ID_NAME = re.compile(
    r"(?:^|[\W_])(?:id|ids|uuid|guid|key|index|idx|row|rowid|serial|nr|no|number)$", re.I
)
ID_SUFFIX = re.compile(r"[a-z](?:Id|ID)$")
TIME_NAME = re.compile(r"year|jahr|date|datum|time|zeit|month|monat|week|woche|day|tag|hour", re.I)


@dataclass(frozen=True)
class DataIssue:
    """A possible fault of a table.

    Attributes
    ----------
    kind : str
        "empty", "constant", "id", "target copy", "target alone", "time", "group", "duplicate
        column", "almost numbers" or "duplicate rows". `fastnn train` adds "panel".
    column : str or None
    text : str
        A sentence for the user, with what to do.
    """

    kind: str
    column: str | None
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(eq=False)
class _Column:
    """A column as the numbers of its distinct values, in the order of their first rows."""

    name: str
    values: Any  # pyarrow array
    codes: np.ndarray  # (n,) int64, -1 for missing values
    distinct: Any  # pyarrow array
    is_integer: bool
    is_text: bool

    @property
    def label(self):
        return f"column {printable(self.name)!r}"

    @property
    def n_distinct(self):
        return len(self.distinct)

    @cached_property
    def plain(self):
        """The values; texts that are numbers or dates are converted."""
        if not self.is_text:
            return self.values
        return convert_texts(import_pyarrow().table({"": self.values})).column(0).combine_chunks()

    def numbers(self):
        """Return numbers and dates, also in texts, as float64 with NaN; None for other values."""
        pa, values = import_pyarrow(), self.plain
        kind = values.type
        if pa.types.is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_dictionary(kind):
            return None
        try:
            if pa.types.is_temporal(kind):
                values = values.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
            return np.array(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        except pa.ArrowException:
            return None


def check_data(table: Any, target: str | None = None) -> list[DataIssue]:
    """Find columns and rows of a table that may spoil a model, such as IDs and copies of the target.

    Parameters
    ----------
    table : pyarrow.Table, or DataFrame (pandas, Polars)
    target : str, optional
        The column to predict.

    Returns
    -------
    list of DataIssue
        Each has a ``kind``, the name of the ``column`` (None for rows), and a ``text`` that says
        what to do.

    Raises
    ------
    ValueError
        The table has no column `target`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from fastnn import tables
    >>> table = pa.table({"id": range(100), "x": [0.5, 1.5] * 50, "y": ["no", "yes"] * 50})
    >>> [(found.kind, found.column) for found in tables.check_data(table, "y")]
    [('id', 'id'), ('target copy', 'x')]
    """
    table = to_table(table)
    if target is not None and target not in table.column_names:
        raise DataError(
            "target is {column!r}, but there is no such column.",
            "{did_you_mean}",
            argument="target",
            column=target,
            did_you_mean=did_you_mean(target, table.column_names),
        )
    columns = _encode_all(table)
    goal = next((column for column in columns if column.name == target), None)
    inputs = [column for column in columns if column is not goal]
    sample = np.random.default_rng(0).permutation(table.num_rows)[:MAX_SAMPLE]
    issues = [_check_column(column, goal, sample, len(inputs) == 1) for column in inputs]
    issues += [_group(inputs, goal), *_duplicate_columns(inputs)]
    issues.append(_duplicate_rows(columns, table.num_rows))
    return [issue for issue in issues if issue is not None]


def _check_column(column, goal, sample, is_only):
    """Return the DataIssue of an input, or None. is_only : whether there are no other inputs"""
    found = _constant(column) or _copy_of_target(column, goal) or _id(column)
    if found is None or found.kind == "id":
        found = _target_alone(column, goal, sample, is_only) or found
    return found or _almost_numbers(column)


def _encode_all(table):
    """Return the _Columns of a table, without those whose values are not compared."""
    encoded = (_encode(name, table.column(name)) for name in table.column_names)
    return [column for column in encoded if column is not None]


def _encode(name, column):
    pa = import_pyarrow()
    values = column.combine_chunks()
    kind = values.type
    if pa.types.is_null(kind):
        empty = np.full(len(values), -1, np.int64)
        return _Column(name, values, empty, pa.array([], kind), False, False)
    try:
        encoded = values if pa.types.is_dictionary(kind) else values.dictionary_encode()
    except pa.ArrowException:  # lists and objects
        return None
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    text = pa.types.is_string(encoded.dictionary.type)
    return _Column(name, values, codes, encoded.dictionary, pa.types.is_integer(kind), text)


def _constant(column):
    if column.n_distinct == 0:
        return DataIssue("empty", column.name, f"{column.label} is empty.")
    if column.n_distinct == 1 and (column.codes == 0).all():
        value = printable(column.distinct[0].as_py())
        return DataIssue("constant", column.name, f"{column.label} is {value!r} in every row.")
    return None


def _almost_numbers(column):
    """Text columns that hold numbers, but too many other texts to be read as numbers."""
    if not column.is_text:
        return None
    texts = column.distinct.to_pylist()
    others = [text for text in other_texts(texts) if truth(text) is None]
    if (
        not others
        or recognise(texts, lambda: dict(zip(texts, _count_rows(column).tolist()))) is not None
    ):
        return None
    return DataIssue(
        "almost numbers",
        column.name,
        Message(
            "{label} is text, although {n} of its {of} different values are numbers; others are not "
            "({examples}). If it holds numbers, pass {numbers}: others are then missing.",
            label=column.label,
            n=f"{len(texts) - len(others):,}",
            of=f"{len(texts):,}",
            examples=examples(others),
            numbers=Argument("numbers", [column.name]),
        ),
    )


def _count_rows(column):
    """Return in how many rows each distinct value is."""
    return np.bincount(column.codes[column.codes >= 0], minlength=column.n_distinct)


def _issue(kind, column, what, advice):
    """Return the DataIssue about a column. advice : a template, with {drop} and {time}"""
    text = Message(
        "{label} {what} " + advice,
        label=column.label,
        what=what,
        drop=Argument("drop", [column.name]),
        time=Argument("time", column.name),
    )
    return DataIssue(kind, column.name, text)


# ---- IDs ----


def _id(column):
    """Different whole numbers or texts in all rows."""
    n = len(column.codes)
    if n < MIN_ROWS or column.n_distinct < n:
        return None
    advice = "Pass {drop}, unless it helps to predict new rows."
    if column.is_text:
        what = "has a different text in each row, like a name or an ID."
        return _issue("id", column, what, advice)
    if not column.is_integer or TIME_NAME.search(column.name):
        return None
    numbers = column.values.to_numpy(zero_copy_only=False)
    if int(numbers.max()) - int(numbers.min()) + 1 == n:
        what = f"numbers the rows ({numbers.min()} to {numbers.max()})."
    elif ID_NAME.search(column.name) or ID_SUFFIX.search(column.name):
        what = "has a different number in each row, like an ID."
    else:
        return None
    return _issue("id", column, what, advice)


# ---- the target ----


def _copy_of_target(column, target):
    is_alike = target is not None and np.array_equal(column.codes, target.codes)
    how = _relation(target, column) if is_alike else None
    if how is None:
        return None
    what = f"{how} the target {printable(target.name)!r}."
    return _issue("target copy", column, what, "Pass {drop}.")


def _relation(column, other):
    """Return how two columns relate whose codes are equal, None if it may be by chance."""
    if _have_equal_values(column, other):
        return "is a copy of"
    is_by_chance = column.n_distinct > len(column.codes) / 2
    return None if is_by_chance else "has one value for each value of"


def _have_equal_values(a, b):
    pa = import_pyarrow()
    if a.is_text != b.is_text:
        return False
    try:
        kind = pa.string() if a.is_text or (a.is_integer and b.is_integer) else pa.float64()
        x, y = (c.distinct.cast(kind, safe=False) for c in (a, b))
        return bool(x.equals(y))
    except pa.ArrowException:
        return False


def _target_alone(column, target, sample, is_only):
    """Whether the target of rows with the same or the nearest value predicts it, on other rows."""
    if target is None:
        return None
    sample = sample[target.codes[sample] >= 0]
    train, test = sample[: len(sample) // 2], sample[len(sample) // 2 :]
    score = _score(column, target, train, test) if len(train) >= MIN_ROWS else None
    if score is None:
        return None
    is_time = import_pyarrow().types.is_temporal(column.plain.type)
    if is_only and not is_time:  # the only input is no leak
        return None
    what = f"alone predicts the target almost perfectly ({score} on other rows)"
    if is_time:
        advice = "If new rows will come later, pass {time}."
        return _issue("time", column, f"{what}: rows have neighbours in time.", advice)
    advice = "Pass {drop}, unless it is known when you predict."
    return _issue("target alone", column, f"{what}.", advice)


def _score(column, target, train, test):
    """Return how well a column predicts the target, as text, None if not almost perfectly."""
    nearest = None  # the rows with the same value predict
    if column.n_distinct > len(train) / MIN_ROWS_PER_VALUE:
        numbers = column.numbers()
        if numbers is None:
            return None
        nearest = _nearest(numbers, train, test)
    goal = target.numbers()
    may_be_classes = target.is_integer or target.is_text
    if goal is None or (may_be_classes and target.n_distinct <= MAX_CLASSES):
        return _score_classes(column, nearest, target.codes, train, test)
    return _score_numbers(column, nearest, _ranks(goal), train, test)


def _nearest(numbers, train, test):
    """Return the training row whose number is nearest to that of each test row."""
    missing = np.isnan(numbers)
    if missing.any():  # they are far from all others, and near to each other
        present = numbers[~missing]
        numbers = np.where(missing, present.max() + np.ptp(present) + 1, numbers)
    order = train[np.argsort(numbers[train], kind="stable")]
    right = np.searchsorted(numbers[order], numbers[test]).clip(1, len(order) - 1)
    below = numbers[test] - numbers[order[right - 1]] < numbers[order[right]] - numbers[test]
    return order[right - below]


def _ranks(numbers):
    """Return the ranks, scaled to 0..1: they have no outliers."""
    _, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return ((np.cumsum(counts) - counts / 2) / len(numbers))[inverse]


def _score_numbers(column, nearest, y, train, test):
    """Return how well a column predicts numbers, as text, None if not almost perfectly.

    nearest : what `_nearest` returned; None: the rows with the same value predict
    """
    mean = y[train].mean()
    if nearest is None:
        codes, n_codes = column.codes + 1, column.n_distinct + 1
        rows = np.bincount(codes[train], minlength=n_codes)
        sums = np.bincount(codes[train], y[train], minlength=n_codes)
        predicted = np.where(rows > 0, sums / np.maximum(rows, 1), mean)[codes[test]]
    else:
        predicted = y[nearest]
    spread = ((y[test] - mean) ** 2).sum()
    r2 = 1 - ((y[test] - predicted) ** 2).sum() / spread if spread > 0 else 0.0
    return f"R2 of the ranks {r2:.3f}" if r2 >= NUMBER_R2 else None


def _score_classes(column, nearest, y, train, test):
    """Return how well a column predicts classes, as `_score_numbers` does."""
    n_classes = int(y.max()) + 1
    if n_classes > MAX_TEXT_CLASSES:
        return None
    majority = np.bincount(y[train]).argmax()
    if nearest is None:
        codes, n_codes = column.codes + 1, column.n_distinct + 1
        cells = np.bincount(codes[train] * n_classes + y[train], minlength=n_codes * n_classes)
        cells = cells.reshape(n_codes, n_classes)
        predicted = np.where(cells.any(axis=1), cells.argmax(axis=1), majority)[codes[test]]
    else:
        predicted = y[nearest]
    errors, baseline = (predicted != y[test]).sum(), (majority != y[test]).sum()
    if baseline < MIN_ROWS or errors > max(1, CLASS_ERROR * baseline):
        return None
    return f"accuracy {1 - errors / len(test):.3f}"


# ---- duplicates ----


def _duplicate_columns(columns):
    first: dict = {}
    for column in columns:
        if column.n_distinct < 2:
            continue
        other = first.setdefault(column.codes.tobytes(), column)
        how = None if other is column else _relation(column, other)
        if how is not None:
            what = f"{how} column {printable(other.name)!r}, so one of them is enough."
            yield _issue("duplicate column", column, what, "Pass {drop}.")


def find_duplicate_rows(table):
    """Return the DataIssue of rows of which all columns are copies of others, None without them."""
    return _duplicate_rows(_encode_all(table), table.num_rows)


def _duplicate_rows(columns, n):
    mixed = np.zeros(n, np.uint64)
    for column in columns:
        mixed = (mixed ^ column.codes.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    copies = n - len(np.unique(mixed))
    if n < MIN_ROWS or copies < MIN_COPIES * n:
        return None
    return DataIssue(
        "duplicate rows",
        None,
        f"{copies:,} of {n:,} rows are copies of others, which makes held-out scores too "
        "good. Remove them, unless each is a separate observation.",
    )


# ---- columns of groups ----


MIN_GROUPS = 20
MIN_UNITS = 8  # of a column with the name of persons or things, and of a panel
MIN_GROUP_ROWS = 100
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
    column : Column
    time : str or None
        The name of the column of times with which it makes a panel: a row for each pair of values.
    """

    rank: int
    column: Any
    time: str | None


def _group(columns, target):
    """Return the DataIssue of the column that most likely holds groups, None if there is none."""
    if target is None:
        return None
    for unit in list_units(columns):
        column = unit.column
        if column.n_distinct >= MIN_GROUPS and _alikeness(column.codes, target) >= MIN_ALIKE:
            return DataIssue("group", column.name, _describe_group(column))
    return None


def list_units(columns, is_time_name=TIME_NAME.search):
    """Return the Units among some columns, the most likely first.

    Parameters
    ----------
    columns : list of Column
        Those that may be inputs.
    is_time_name : callable
        Whether a name is that of a time.
    """
    if not columns or len(columns[0].codes) < MIN_GROUP_ROWS:
        return []
    candidates = [c for c in columns if _may_be_groups(c) and not is_time_name(c.name)]
    times = [c for c in columns if is_time_name(c.name)]
    others = columns if len(candidates) <= MAX_CANDIDATES else []
    found = [_find_unit(column, others, times) for column in candidates]
    return sorted((unit for unit in found if unit is not None), key=lambda unit: unit.rank)


def _find_unit(column, others, times):
    """Return the Unit of a column, or None. others : columns that it may fix"""
    rank = _rank(column, [other for other in others if other is not column][:MAX_COLUMNS])
    if rank is None and not column.is_text:
        return None
    time = next((t.name for t in times if _is_panel(column, t)), None)
    if rank is None and time is not None:
        rank = 2
    return None if rank is None else Unit(rank, column, time)


def _describe_group(column):
    counts = _count_rows(column)
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
    counts = _count_rows(column)
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
