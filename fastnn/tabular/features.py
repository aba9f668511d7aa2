"""Features: the numbers and categories that the columns of a table become."""

from dataclasses import asdict, dataclass

import numpy as np

from ..errors import DataError, Wording
from ..messages import printable
from ..tables.texts import first_other_text, parse_date
from . import columns

DAY, YEAR = 86400.0, 365.2425 * 86400.0  # seconds
#: Numbers that a date becomes besides itself, with their period in seconds: position in the cycle
#: as sine and cosine.
CYCLES = {"year": YEAR, "day": DAY}
#: Sines and cosines are rounded to so many parts of 1. Then the same hour has the same number on each
#: day, and with the mathematical functions of each machine.
CYCLE_STEPS = 1e9
MIN_SPREAD, MAX_SPREAD = 1e-300, 1e305  # of the values of a number
MIN_COUNT = 2  # rows that a category must have
MAX_LEVELS = 2000  # of a category: each step updates the weights of all
#: Parts of columns that are numbers, and those that are categories.
NUMBERS = (
    "value",
    *(f"{function} {cycle}" for cycle in CYCLES for function in ("sin", "cos")),
    "day of month",
)
DATE_CATEGORIES = "weekday", "month", "day of year"
CATEGORIES = "value", "presence", *DATE_CATEGORIES
NO_COLUMN = Wording("X has no usable column", "no column besides the target can be used")
DROPPED = Wording(columns.NAMED_IN_DROP, "--drop")
LAST_PART = 1231  # the 31st of December, the largest level of a part of a date


@dataclass
class Number:
    """A number of each row: a column, or a part of a date.

    Attributes
    ----------
    source : int
        Position of the column in `Features.columns`.
    part : {"value", "sin year", "cos year", "sin day", "cos day", "day of month"}
    """

    source: int
    part: str = "value"


@dataclass
class Category:
    """A category of each row: a column, or a part of a date.

    Attributes
    ----------
    source : int
    part : {"value", "presence", "weekday", "month", "day of year"}
        "presence" tells the rows that have a value, in a column with one distinct value.
    levels : list of str
        The texts of the categories, in the order of their codes. Weekdays count from 0, Monday;
        months from 1. The 24th of December is "1224".
    marks_missing : bool
        Whether missing values are a category of their own, the last.
    """

    source: int
    part: str
    levels: list
    marks_missing: bool = False

    @property
    def n_levels(self):
        return len(self.levels) + self.marks_missing


class Features:
    """What the columns of the training table are, and the features that they become.

    Attributes
    ----------
    names : list of str or None
        Names of all columns of the table; None for an array.
    columns : list of Column
    positions : list of int
        Position of each of `columns` in the table.
    left_out : dict of str to str
        Reasons why columns are not used.
    numbers : list of Number
    categories : list of Category
    """

    def __init__(self, names, columns, positions, left_out, numbers=(), categories=()):
        self.names, self.columns, self.positions = names, columns, positions
        self.left_out, self.numbers, self.categories = left_out, list(numbers), list(categories)

    @classmethod
    def fit(cls, frame, numbers=(), categories=(), dates=(), drop=()):
        """Return the Features of a training table."""
        found, left_out = columns.find(frame, numbers, categories, dates, drop)
        self = cls(frame.names, [c for _, c in found], [i for i, _ in found], left_out)
        for j, (i, column) in enumerate(found):
            values = columns.convert(frame.columns[i], column)
            reason = self._add(j, column.kind, values)
            if reason:
                left_out[column.label] = reason
        if not self.numbers and not self.categories:
            raise DataError(
                "{what}{reasons}.",
                "Pass columns whose values differ between the rows.",
                what=NO_COLUMN,
                reasons=_reasons(left_out),
            )
        return self

    def _add(self, source, kind, values):
        """Add the features of a column. Return the reason if it has none."""
        if kind == "category":
            category = _category(source, *values)
            if category.n_levels < 2:
                return _why_no_category(*values)
            self.categories.append(category)
            return None
        present = values[~np.isnan(values)]
        with np.errstate(over="ignore"):
            spread = float(np.ptp(present))
        if spread == 0:
            if len(present) == len(values):
                return "all values are equal"
            self.categories.append(Category(source, "presence", ["present"], True))
            return None
        if not MIN_SPREAD < spread < MAX_SPREAD:
            raise DataError(
                "column {column!r} holds numbers from {low:g} to {high:g}, but their range must be "
                "{least:g} to {most:g}.",
                "Correct or rescale the values.",
                column=self.columns[source].label,
                low=present.min(),
                high=present.max(),
                least=MIN_SPREAD,
                most=MAX_SPREAD,
            )
        self.numbers.append(Number(source))
        if kind == "date":
            self._add_parts(source, present, spread, len(present) < len(values))
        return None

    def _add_parts(self, source, present, spread, has_missing):
        """Add the parts of a date."""
        parts = ["weekday"] if spread > 7 * DAY else []
        if spread > 0.5 * YEAR:
            self.numbers += [Number(source, "sin year"), Number(source, "cos year")]
            self.numbers.append(Number(source, "day of month"))
            parts += ["month", "day of year"]
        if (present % DAY != 0).any():
            self.numbers += [Number(source, "sin day"), Number(source, "cos day")]
        for part in parts:
            found, counts = np.unique(date_part(present, part), return_counts=True)
            levels = [str(int(x)) for x in found[counts >= MIN_COUNT]]
            if levels:
                self.categories.append(Category(source, part, levels, has_missing))

    def transform(self, frame):
        """Return the features of a table: a list of numbers (n,), and codes (n, k) as int32.

        Categories that the training table did not have get the code -1, as missing values do if
        the training table had none.
        """
        values = {
            j: columns.convert(frame.columns[self.positions[j]], self.columns[j])
            for j in self.used()
        }
        numbers = [_part(values[n.source], n.part) for n in self.numbers]
        codes = np.empty((frame.n_rows, len(self.categories)), np.int32)
        for j, category in enumerate(self.categories):
            codes[:, j] = _codes(category, values[category.source])
        return numbers, codes

    def has_days(self):
        """Return whether the day of the year of a column is a category."""
        return any(category.part == "day of year" for category in self.categories)

    def unknown_categories(self, frame):
        """Return {label: (number of rows, example)} of texts that are none of the categories.

        Values that cannot be what their column is raise an error, as in `transform`.
        """
        levels = {c.source: c.levels for c in self.categories if c.part == "value"}
        out = {}
        for j in self.used():
            values = columns.convert(frame.columns[self.positions[j]], self.columns[j])
            if j in levels:
                codes, texts = values
                known = set(levels[j])
                unknown = np.array([text not in known for text in texts] + [False])[codes]
                if unknown.any():
                    example = texts[codes[unknown.argmax()]]
                    out[self.columns[j].label] = int(unknown.sum()), example
        return out

    def used(self):
        """Return the positions in `columns` of those that have features, sorted."""
        return sorted({f.source for f in (*self.numbers, *self.categories)})

    def kinds(self):
        """Return {label: kind} of the columns in use."""
        return {self.columns[j].label: self.columns[j].kind for j in self.used()}

    def sources(self):
        """Return the position in `columns` of each feature, numbers first, as an array."""
        return np.array([f.source for f in (*self.numbers, *self.categories)], np.intp)

    def texts(self):
        """Return the labels of columns whose texts only their Column can read.

        These are categories, and numbers that are not plain: 1.234 stands for 1234 in some styles.
        """
        return [
            c.label
            for c in self.columns
            if c.from_text
            and (c.kind == "category" or (c.kind == "number" and c.style != columns.PLAIN))
        ]

    def to_json(self):
        """Return a dict that JSON can hold."""
        return dict(
            names=self.names,
            columns=[asdict(c) for c in self.columns],
            positions=self.positions,
            left_out=self.left_out,
            numbers=[asdict(n) for n in self.numbers],
            categories=[asdict(c) for c in self.categories],
        )

    @classmethod
    def from_json(cls, d):
        """Return the Features that `to_json` described."""
        return cls(
            d["names"],
            [columns.Column(**c) for c in d["columns"]],
            d["positions"],
            d["left_out"],
            [Number(**n) for n in d["numbers"]],
            [Category(**c) for c in d["categories"]],
        )


def _reasons(left_out):
    """Return why the first columns are left out, for an error."""
    if not left_out:
        return Wording(" (it has no columns)", "")
    parts: list = []
    for name, why in list(left_out.items())[:3]:
        parts += ["; ", f"{name!r}: ", DROPPED if why == columns.NAMED_IN_DROP else why]
    return (" (", *parts[1:], ")")


def _category(source, codes, texts):
    """Return the Category of a column: the texts that occur often enough, sorted."""
    counts = np.bincount(codes[codes >= 0], minlength=len(texts)).tolist()
    frequent = sorted((-count, text) for text, count in zip(texts, counts) if count >= MIN_COUNT)
    levels = sorted(text for _, text in frequent[:MAX_LEVELS])
    return Category(source, "value", levels, bool(len(levels) and (codes < 0).sum() >= MIN_COUNT))


def _why_no_category(codes, texts):
    """Return why a column of categories is of no use."""
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    used = [text for text, count in zip(texts, counts) if count]
    if len(used) == 1:
        return "all values are equal"
    no_dates = [text for text in used if parse_date(text, "iso") is None]
    is_date = 0 < len(no_dates) <= 0.1 * len(used)
    wrong = no_dates[0] if is_date else first_other_text(used)
    if wrong is None:
        return "almost all texts are different"
    return (
        f"almost all texts are different; most are {'dates' if is_date else 'numbers'}, but not "
        f"{printable(wrong)!r}. Correct it, or leave it empty if it is missing"
    )


def _codes(category, values):
    """Return the code of each row, -1 if it has none."""
    if category.part == "value":
        codes, texts = values
        of_text = {text: i for i, text in enumerate(category.levels)}
        is_missing = codes < 0
        codes = np.array([of_text.get(text, -1) for text in texts] + [-1])[codes]
    else:
        is_missing = np.isnan(values)
        if category.part == "presence":
            codes = np.where(is_missing, -1, 0)
        else:
            code_of = np.full(LAST_PART + 1, -1)
            code_of[[int(level) for level in category.levels]] = range(len(category.levels))
            codes = code_of[date_part(np.where(is_missing, 0, values), category.part)]
            codes[is_missing] = -1
    if category.marks_missing:
        codes[is_missing] = len(category.levels)
    return codes.astype(np.int32)


def _part(values, part):
    if part == "value":
        return values
    if part == "day of month":
        days = date_part(np.nan_to_num(values), part)
        return np.where(np.isnan(values), np.nan, days)
    function, cycle = part.split()
    angle = 2 * np.pi * (np.fmod(values, CYCLES[cycle]) / CYCLES[cycle])
    x = np.sin(angle) if function == "sin" else np.cos(angle)
    return np.rint(CYCLE_STEPS * x) / CYCLE_STEPS


def date_part(seconds, part):
    """Return a part of dates, as integers.

    seconds : ndarray (n,)
        Seconds since 1970-01-01, a Thursday; no NaN.
    """
    days = np.floor(seconds / DAY).astype(np.int64)
    if part == "weekday":
        return (days + 3) % 7
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    if part == "month":
        return month
    day = (dates - months).astype(np.int64) + 1
    return day if part == "day of month" else 100 * month + day
