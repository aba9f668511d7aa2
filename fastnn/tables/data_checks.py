"""Find columns and rows that spoil a model, or leak the target.

`check_data` returns `DataIssue` objects for the user to judge; it changes nothing. Row numbers and
IDs tell a network the order of the rows. Leakage, by copies of the target and by columns that are
known only after it, makes held-out scores good and predictions bad. Copies of rows are in both parts
of a split.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core.errors import Argument, DataError, Message
from ..core.messages import did_you_mean, printable
from .group_check import find_groups
from .recognition import examples, recognise, truth
from .table_errors import import_pyarrow, to_table
from .texts import convert_texts, other_texts

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
    """What may be wrong with a table.

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
                values = values.cast(
                    pa.int32() if str(kind) in ("date32[day]", "time32[s]") else pa.int64()
                )
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
        names = table.column_names
        raise DataError(
            "target is {column!r}, but there is no such column.",
            "{did_you_mean}",
            argument="target",
            column=target,
            did_you_mean=did_you_mean(target, names),
        )
    columns = _encode_all(table)
    goal = next((column for column in columns if column.name == target), None)
    inputs = [column for column in columns if column is not goal]
    n, out = table.num_rows, []
    sample = np.random.default_rng(0).permutation(n)[:MAX_SAMPLE]
    for column in inputs:
        found = _constant(column) or _copy_of_target(column, goal) or _id(column)
        if found is None or found.kind == "id":
            found = _target_alone(column, goal, sample, len(inputs) == 1) or found
        out += [found or _almost_numbers(column)]
    for column, text in find_groups(inputs, goal, TIME_NAME.search):
        out.append(DataIssue("group", column.name, text))
    out += _duplicate_columns(inputs)
    out += [_duplicate_rows(columns, n)]
    return [issue for issue in out if issue is not None]


def _encode_all(table):
    """Return the _Columns of a table, without those whose values are not compared."""
    encoded = (_encode(name, table.column(name)) for name in table.column_names)
    return [column for column in encoded if column is not None]


def _encode(name, column):
    pa = import_pyarrow()
    values = column.combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks() if values.num_chunks == 0 else values.chunk(0)
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
    if not others or recognise(texts, lambda: _count_rows(column, texts)) is not None:
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


def _count_rows(column, texts):
    n_of_code = np.bincount(column.codes[column.codes >= 0], minlength=len(texts))
    return dict(zip(texts, n_of_code.tolist()))


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
    if target is None or not np.array_equal(column.codes, target.codes):
        return None
    if _have_equal_values(column, target):
        what = "is a copy of the target"
    elif target.n_distinct <= len(target.codes) / 2:
        what = "has one value for each value of the target"
    else:
        return None
    return _issue("target copy", column, f"{what} {printable(target.name)!r}.", "Pass {drop}.")


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
    sample = sample[:0] if target is None else sample[target.codes[sample] >= 0]
    train, test = sample[: len(sample) // 2], sample[len(sample) // 2 :]
    if len(train) < MIN_ROWS:
        return None
    numbers = column.numbers()
    few = column.n_distinct <= len(train) / MIN_ROWS_PER_VALUE
    if numbers is None and not few:
        return None
    nearest = None if few else _nearest(numbers, train, test)
    goal = target.numbers()
    may_be_classes = target.is_integer or target.is_text
    if goal is None or (may_be_classes and target.n_distinct <= MAX_CLASSES):
        score = _score_classes(column, nearest, target.codes, train, test)
    else:
        score = _score_numbers(column, nearest, _ranks(goal), train, test)
    is_time = import_pyarrow().types.is_temporal(column.plain.type)
    if score is None or (is_only and not is_time):  # the only input is no leak
        return None
    what = f"alone predicts the target almost perfectly ({score} on other rows)"
    if is_time:
        advice = "If new rows will come later, pass {time}."
        return _issue("time", column, f"{what}: rows have neighbours in time.", advice)
    advice = "Pass {drop}, unless it is known when you predict."
    return _issue("target alone", column, f"{what}.", advice)


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
        if other is column:
            continue
        if _have_equal_values(column, other):
            what = "is a copy of"
        elif column.n_distinct <= len(column.codes) / 2:
            what = "has one value for each value of"
        else:
            continue
        label = printable(other.name)
        what = f"{what} column {label!r}, so one of them is enough."
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
