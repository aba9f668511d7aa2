"""Columns of a table -> numbers for a network, and what a model must remember to do it again.

Numbers are standardised, categories become one column each (one-hot), a missing value becomes the
column's mean, or no category, and a mark in a column of its own. All that is learned comes from the
training rows alone and is plain data (`Encoding.to_text`), kept in the model file. Whatever cannot
be right is a `TableError`.
"""

import json
import math
from dataclasses import asdict, dataclass, field

import numpy as np

from .files import MOST_COLUMNS, TableError, arrow, shown, where
from .values import (
    check_known,
    column,
    is_float,
    is_number,
    is_text,
    kind,
    mean_and_scale,
    not_a_number,
    standardised,
    to_numbers,
    to_texts,
)

MOST_CATEGORIES = 1000
LONGEST_CATEGORY = 200  # characters
FEW_CLASSES = 10  # whole numbers with at most so many different values are classes
MOST_DIGITS = 308  # that np.round knows: it multiplies by a power of ten
LONGEST_TEXT = 3_000_000  # characters of an Encoding; a model file's header must hold it, escaped
TASKS = ("binary", "classes", "number")


def _check(good, what):
    if not good:
        raise ValueError(what)


def _are_texts(values):
    return (
        isinstance(values, list)
        and len(values) > 0
        and all(isinstance(v, str) for v in values)
        and len(set(values)) == len(values)
    )


def _is_scale(mean, scale):
    return all(type(x) is float and math.isfinite(x) for x in (mean, scale)) and scale > 0


# ---- columns ----


@dataclass
class Column:
    """How one column of the table becomes columns of X.

    Attributes
    ----------
    name : str
    values : list of str or None
        The categories, in order; None for a number.
    mean, scale : float
        A number x becomes (x - mean) / scale.
    marks_missing : bool
        Whether a further column says 1 where the value is missing.
    """

    name: str
    values: list | None = None
    mean: float = 0.0
    scale: float = 1.0
    marks_missing: bool = False

    def __post_init__(self):
        _check(
            isinstance(self.name, str) and (self.values is None or _are_texts(self.values)),
            "name or values",
        )
        _check(
            _is_scale(self.mean, self.scale) and type(self.marks_missing) is bool,
            "mean, scale or marks_missing",
        )

    @property
    def width(self):
        return (1 if self.values is None else len(self.values)) + self.marks_missing

    def encode(self, path, array, out, unseen_is_missing):
        """Fill out (n, width), which is all zeros; what a user should know about it, or None."""
        pa = arrow()
        name, note = repr(shown(self.name)), None
        if self.values is None:
            numbers = to_numbers(path, self.name, array)
            missing = np.isnan(numbers)
            out[:, 0] = standardised(
                path, self.name, np.where(missing, self.mean, numbers), self.mean, self.scale
            )
        else:
            texts = to_texts(path, self.name, array)
            codes = pa.compute.index_in(texts, value_set=pa.array(self.values, pa.string()))
            missing = codes.is_null().to_numpy(zero_copy_only=False)
            unseen = missing & texts.is_valid().to_numpy(zero_copy_only=False)
            if unseen.any():
                row = int(unseen.argmax())
                if not unseen_is_missing:
                    raise TableError(
                        f"{where(path, row)}: column {name} holds {shown(texts[row].as_py())!r}, which the training data did not have; "
                        "--unseen-as-missing takes it for missing"
                    )
                note = f"{name}: {unseen.sum():,} rows hold what the training rows did not, such as {shown(texts[row].as_py())!r}: missing"
            rows = np.flatnonzero(~missing)
            out[rows, codes.fill_null(0).to_numpy(zero_copy_only=False)[rows]] = 1
        if self.marks_missing:
            out[:, -1] = missing
        elif missing.any() and note is None:
            instead = "taken for the mean" if self.values is None else "taken for none"
            note = f"{name}: missing in {missing.sum():,} rows, but never in the training rows: {instead}"
        return note


def _learn_column(path, name, array, rows):
    """A Column from the training rows; or, for one that tells nothing, why."""
    if is_number(array.type):
        numbers = to_numbers(path, name, array)[rows]
        known = numbers[~np.isnan(numbers)]
        marks = len(known) < len(numbers)
        if len(known) == 0:
            return "empty"
        if known.min() == known.max() and not marks:
            return "the same in every row"
        mean, scale = mean_and_scale(path, name, known)
        return Column(name, None, mean, scale, marks)
    if not is_text(array.type):
        raise TableError(
            f"{path}: column {shown(name)!r} holds {kind(array.type)}: give numbers made of them (year, weekday, days since ...), "
            f"or --drop {shown(name)}"
        )
    texts = to_texts(path, name, array)
    different = texts.unique().drop_null().to_pylist()
    if len(different) > 10 and sum(map(is_float, different)) > 0.9 * len(different):
        row, text = not_a_number(texts)
        if row is not None:
            raise TableError(
                f"{where(path, row)}: column {shown(name)!r} holds numbers, but {shown(text)!r} here: leave it empty for missing, "
                f"or --drop {shown(name)}"
            )
    texts = texts.take(arrow().array(rows))
    values = sorted(value for value in texts.unique().to_pylist() if value is not None)
    marks = texts.null_count > 0
    if len(values) > MOST_CATEGORIES or (len(values) > 20 and len(values) > 0.5 * len(texts)):
        return f"{len(values):,} different texts in {len(texts):,} rows"
    if values and max(map(len, values)) > LONGEST_CATEGORY:
        return "long texts"
    if len(values) + marks < 2:
        return "the same in every row" if values else "empty"
    return Column(name, values, marks_missing=marks)


# ---- target ----


@dataclass
class Target:
    """The column to predict: two classes (BCE), several (softmax) or a number (squared error on the
    standardised value).

    Attributes
    ----------
    name : str
    task : str
        "binary", "classes" or "number".
    values : list of str
        The classes as text, in the order of their numbers; empty for a number.
    text : bool
        Whether the column is text, or numbers.
    mean, scale : float
        A number y becomes (y - mean) / scale.
    """

    name: str
    task: str
    values: list = field(default_factory=list)
    text: bool = False
    mean: float = 0.0
    scale: float = 1.0

    def __post_init__(self):
        _check(
            isinstance(self.name, str) and self.task in TASKS and type(self.text) is bool,
            "name, task or text",
        )
        n = {"binary": 2, "number": 0}.get(self.task) if isinstance(self.values, list) else -1
        _check(
            self.values == []
            if n == 0
            else _are_texts(self.values) and n in (None, len(self.values)),
            "values",
        )
        _check(_is_scale(self.mean, self.scale), "mean or scale")

    def describe(self):
        names = ", ".join(shown(value, 20) for value in self.values[:6]) + (
            ", ..." if len(self.values) > 6 else ""
        )
        return {
            "binary": f"two classes ({names})",
            "classes": f"{len(self.values)} classes ({names})",
            "number": "a number",
        }[self.task]

    @property
    def n_outputs(self):
        return len(self.values) if self.task == "classes" else 1

    @property
    def output(self):
        return {"binary": "sigmoid", "classes": "softmax", "number": "identity"}[self.task]

    def encode(self, path, array):
        """Class numbers (n,) int64, or the numbers as they are (n,), float64; none may be
        missing."""
        check_known(path, self.name, array)
        if self.task == "number":
            return to_numbers(path, self.name, array)
        texts = to_texts(path, self.name, array)
        codes = arrow().compute.index_in(texts, value_set=arrow().array(self.values))
        if codes.null_count:
            row = int(codes.is_null().to_numpy(zero_copy_only=False).argmax())
            classes = ", ".join(shown(value, 20) for value in self.values[:8]) + (
                ", ..." if len(self.values) > 8 else ""
            )
            raise TableError(
                f"{where(path, row)}: {shown(self.name)!r} is {shown(texts[row].as_py())!r}, none of the classes {classes}"
            )
        return codes.to_numpy(zero_copy_only=False).astype(np.int64)

    def known(self, path, array):
        """Which rows hold something that a prediction can be measured by."""
        pa = arrow()
        known = pa.compute.invert(pa.compute.is_null(array, nan_is_null=True)).to_numpy()
        if self.task != "number":
            codes = pa.compute.index_in(
                to_texts(path, self.name, array), value_set=pa.array(self.values)
            )
            known = known & codes.is_valid().to_numpy(zero_copy_only=False)
        return known

    def learn_scale(self, path, y):
        """Mean and scale from the training rows' numbers."""
        if self.task == "number":
            self.mean, self.scale = mean_and_scale(path, self.name, y)

    def standardise(self, path, y):
        """What the network learns for these y: class numbers as they are."""
        return (
            standardised(path, self.name, y, self.mean, self.scale) if self.task == "number" else y
        )

    def decode(self, outputs):
        """{column: values} from the network's outputs (n, n_outputs): the prediction, and the
        probability of each class."""
        if self.task == "number":  # float32 outputs have no more than seven digits
            digits = max(0, 6 - math.floor(math.log10(self.scale)))
            numbers = outputs[:, 0].astype(float) * self.scale + self.mean
            if digits > MOST_DIGITS:
                return {
                    "prediction": np.array([round(number, digits) for number in numbers.tolist()])
                }
            return {"prediction": np.round(numbers, digits)}
        p = (
            np.column_stack([1 - outputs[:, 0], outputs[:, 0]])
            if self.task == "binary"
            else outputs
        )
        chosen = np.array(self.values, object)[p.argmax(axis=1)]
        return {
            "prediction": chosen,
            **{f"probability_{value}": p[:, k] for k, value in enumerate(self.values)},
        }


def learn_target(path, table, name, task=None):
    """What kind of target a column is, from its values (or as told)."""
    pa = arrow()
    array = column(path, table, name, "target")
    shown_name = repr(shown(name))
    if len(array) == array.null_count:
        raise TableError(
            f"{path}: the target {shown_name} is empty in every row: there is nothing to learn"
        )
    check_known(path, name, array)
    if not is_number(array.type) and not is_text(array.type):
        raise TableError(
            f"{path}: the target {shown_name} holds {kind(array.type)}: give a number or a class"
        )
    text = is_text(array.type)
    different = array.unique()
    if len(different) < 2:
        raise TableError(
            f"{path}: the target {shown_name} is {shown(different[0].as_py())!r} in every row: there is nothing to tell apart"
        )
    if text and len(different) > 10 and task != "classes":
        values = different.to_pylist()
        if sum(map(is_float, values)) > 0.9 * len(values) and not_a_number(array)[0] is not None:
            row, bad = not_a_number(array)
            raise TableError(
                f"{where(path, row)}: the target {shown_name} holds numbers, but {shown(bad)!r} here: mend it, or --task classes"
            )
    if task is None:
        whole = not pa.types.is_floating(array.type) and not pa.types.is_decimal(array.type)
        several = text or (whole and len(different) <= FEW_CLASSES)
        task = "binary" if len(different) == 2 else "classes" if several else "number"
    if task == "number":
        if text:
            row, bad = not_a_number(array)
            raise TableError(
                f"{where(path, row or 0)}: the target {shown_name} is {shown(bad)!r}, not a number: --task number cannot be"
            )
        to_numbers(path, name, array)  # none infinite
        return Target(name, task)
    if (task == "binary") != (len(different) == 2):
        fitting = (
            "binary" if len(different) == 2 else "classes" if text else "classes or --task number"
        )
        raise TableError(
            f"{path}: the target {shown_name} has {len(different):,} different values: choose --task {fitting}"
        )
    if len(different) > MOST_CATEGORIES or (
        text and len(different) > 20 and len(different) > 0.5 * len(array)
    ):
        way_out = "choose another --target" if text else "try --task number"
        raise TableError(
            f"{path}: the target {shown_name} has {len(different):,} different values, too many for classes: {way_out}"
        )
    values = to_texts(
        path, name, pa.array(sorted(different.to_pylist()), different.type)
    ).to_pylist()
    return Target(name, task, values, text)


# ---- a whole table ----


@dataclass
class Encoding:
    """All that turns rows of a table into numbers: learned from training rows, kept in the model
    file.

    Attributes
    ----------
    columns : list of Column
    target : Target
    left_out : dict of str to str
        Column -> why it is not used.
    """

    columns: list
    target: Target
    left_out: dict = field(default_factory=dict)

    @classmethod
    def learn(cls, path, table, target, rows, drop=()):
        """From the training rows, an array of row numbers."""
        columns, left_out = [], {}
        for name in (name for name in table.column_names if name != target.name):
            if name in drop or not name.strip():
                left_out[name] = "--drop" if name in drop else "a column without a name"
                continue
            learned = _learn_column(path, name, table.column(name), rows)
            if isinstance(learned, Column):
                columns.append(learned)
            else:
                left_out[name] = learned
        if not columns:
            reasons = (
                ", ".join(f"{shown(name)}: {why}" for name, why in list(left_out.items())[:3])
                or "there is no other column"
            )
            raise TableError(
                f"{path}: no column but the target tells anything ({reasons}): add columns to learn from"
            )
        encoding = cls(columns, target, left_out)
        if encoding.width > MOST_COLUMNS or len(encoding.to_text()) > LONGEST_TEXT:
            raise TableError(
                f"{path}: makes {encoding.width:,} inputs, fastnn takes up to {MOST_COLUMNS:,}: --drop columns with many categories"
            )
        return encoding

    @property
    def width(self):
        return sum(column.width for column in self.columns)

    @property
    def text_columns(self):
        """Columns that must be read as text, whatever they look like."""
        return {c.name for c in self.columns if c.values is not None} | (
            {self.target.name} if self.target.text else set()
        )

    def encode(self, path, table, unseen_is_missing=False):
        """(X (n, width), float32; notes: what a user should know about it)."""
        names = set(table.column_names)
        missing = [repr(shown(c.name)) for c in self.columns if c.name not in names]
        if missing:
            more = f" and {len(missing) - 6:,} more" if len(missing) > 6 else ""
            raise TableError(
                f"{path}: the model needs the column{'s' * (len(missing) > 1)} {', '.join(missing[:6])}{more}: "
                "give a table with the columns it was trained on"
            )
        X, notes, at = np.zeros((table.num_rows, self.width), np.float32), [], 0
        for c in self.columns:
            notes.append(
                c.encode(path, table.column(c.name), X[:, at : at + c.width], unseen_is_missing)
            )
            at += c.width
        return X, [note for note in notes if note]

    def to_text(self):
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, path, text):
        """The Encoding of that text, which may come from anywhere: everything is checked."""
        try:
            parts = json.loads(text)
            columns, left_out = [Column(**c) for c in parts["columns"]], parts["left_out"]
            _check(len(columns) > 0 and len({c.name for c in columns}) == len(columns), "columns")
            _check(
                isinstance(left_out, dict)
                and all(isinstance(why, str) for why in left_out.values()),
                "left_out",
            )
            return cls(columns, Target(**parts["target"]), left_out)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise TableError(
                f"{path}: what it says about columns is damaged: train the model again"
            ) from None
