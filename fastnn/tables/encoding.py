"""Encode the columns of a table as network inputs.

Numbers are standardized and text is one-hot encoded. A missing number becomes the mean of its
column, and a missing text sets no category. If the training rows of a column have missing values,
an indicator column marks them. An `Encoding` is fitted to the training rows only and stored in the
model file (`Encoding.to_text`). Columns that cannot be used raise a `TableError`.
"""

import json
import math
from dataclasses import asdict, dataclass, field

import numpy as np

from .files import MAX_COLUMNS, TableError, import_pyarrow, locate, printable
from .values import (
    check_not_missing,
    describe_type,
    first_non_number,
    get_column,
    is_float,
    is_number,
    is_text,
    mean_and_scale,
    standardize,
    to_numbers,
    to_texts,
)

MAX_CATEGORIES = 1000
MAX_CATEGORY_LENGTH = 200  # characters
MAX_INTEGER_CLASSES = 10  # whole numbers with more distinct values are numbers, not classes
MAX_DECIMALS = 308  # of np.round, which multiplies by a power of ten
MAX_ENCODING_LENGTH = 3_000_000  # characters of JSON, which the header of a model file must hold
TASKS = ("binary", "classes", "number")


def _check(valid, what):
    if not valid:
        raise ValueError(what)


def _are_distinct_strings(values):
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
    """Encoding of one column of the table as columns of X.

    Attributes
    ----------
    name : str
    values : list of str or None
        The sorted categories; None for a numeric column.
    mean, scale : float, default 0.0, 1.0
        A number x becomes (x - mean) / scale.
    marks_missing : bool, default False
        Whether a further column of X is 1 for missing values.
    """

    name: str
    values: list | None = None
    mean: float = 0.0
    scale: float = 1.0
    marks_missing: bool = False

    def __post_init__(self):
        _check(
            isinstance(self.name, str)
            and (self.values is None or _are_distinct_strings(self.values)),
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
        """Fill `out` (n, width), which is zero. Return a note for the user, or None."""
        pa = import_pyarrow()
        name, note = repr(printable(self.name)), None
        if self.values is None:
            numbers = to_numbers(path, self.name, array)
            missing = np.isnan(numbers)
            out[:, 0] = standardize(
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
                        f"{locate(path, row)}: column {name} contains "
                        f"{printable(texts[row].as_py())!r}, which is not in the training data. "
                        "To treat unseen categories as missing, pass --unseen-as-missing."
                    )
                note = (
                    f"column {name}: {_count_rows(unseen)} with unseen categories, such as "
                    f"{printable(texts[row].as_py())!r}, treated as missing"
                )
            rows = np.flatnonzero(~missing)
            out[rows, codes.fill_null(0).to_numpy(zero_copy_only=False)[rows]] = 1
        if self.marks_missing:
            out[:, -1] = missing
        elif missing.any() and note is None:
            substitute = "the mean" if self.values is None else "no category"
            note = (
                f"column {name}: {_count_rows(missing)} with missing values, which the training "
                f"rows do not have, encoded as {substitute}"
            )
        return note


def _count_rows(mask):
    n = int(mask.sum())
    return f"{n:,} row{'s' * (n != 1)}"


def _fit_column(path, name, array, rows):
    """Fit a Column to the training rows. Return the reason instead if the column is not useful."""
    if is_number(array.type):
        numbers = to_numbers(path, name, array)[rows]
        present = numbers[~np.isnan(numbers)]
        has_missing = len(present) < len(numbers)
        if len(present) == 0:
            return "empty"
        if present.min() == present.max() and not has_missing:
            return "constant"
        mean, scale = mean_and_scale(path, name, present)
        return Column(name, None, mean, scale, has_missing)
    if not is_text(array.type):
        raise TableError(
            f"{path}: column {printable(name)!r} contains {describe_type(array.type)}. Convert "
            "them to numbers (such as year, weekday or days since a date), "
            f"or pass --drop {printable(name)}."
        )
    texts = to_texts(path, name, array)
    distinct = texts.unique().drop_null().to_pylist()
    if len(distinct) > 10 and sum(map(is_float, distinct)) > 0.9 * len(distinct):
        row, text = first_non_number(texts)
        if row is not None:
            raise TableError(
                f"{locate(path, row)}: column {printable(name)!r} contains numbers, but "
                f"{printable(text)!r} in this row. Leave the value empty if it is missing, "
                f"or pass --drop {printable(name)}."
            )
    texts = texts.take(import_pyarrow().array(rows))
    values = sorted(value for value in texts.unique().to_pylist() if value is not None)
    has_missing = texts.null_count > 0
    if len(values) > MAX_CATEGORIES or (len(values) > 20 and len(values) > 0.5 * len(texts)):
        return f"{len(values):,} distinct texts in {len(texts):,} rows"
    if values and max(map(len, values)) > MAX_CATEGORY_LENGTH:
        return f"texts longer than {MAX_CATEGORY_LENGTH} characters"
    if len(values) + has_missing < 2:
        return "constant" if values else "empty"
    return Column(name, values, marks_missing=has_missing)


# ---- target ----


@dataclass
class Target:
    """The column to predict.

    The task is "binary" (sigmoid, binary cross-entropy), "classes" (softmax, cross-entropy) or
    "number" (squared error of the standardized value).

    Attributes
    ----------
    name : str
    task : str
        "binary", "classes" or "number".
    values : list of str, default []
        The classes as text, in the order of their class indices; empty for a number.
    text : bool, default False
        Whether the column contains text rather than numbers.
    mean, scale : float, default 0.0, 1.0
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
            else _are_distinct_strings(self.values) and n in (None, len(self.values)),
            "values",
        )
        _check(_is_scale(self.mean, self.scale), "mean or scale")

    def describe(self):
        """Return the task and the classes as text."""
        names = ", ".join(printable(value, 20) for value in self.values[:6]) + (
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
        """Return class indices (n,) as int64, or numbers (n,) as float64, not standardized.

        Missing values and unknown classes are an error.
        """
        check_not_missing(path, self.name, array)
        if self.task == "number":
            return to_numbers(path, self.name, array)
        texts = to_texts(path, self.name, array)
        pa = import_pyarrow()
        codes = pa.compute.index_in(texts, value_set=pa.array(self.values))
        if codes.null_count:
            row = int(codes.is_null().to_numpy(zero_copy_only=False).argmax())
            classes = ", ".join(printable(value, 20) for value in self.values[:8]) + (
                ", ..." if len(self.values) > 8 else ""
            )
            raise TableError(
                f"{locate(path, row)}: the target {printable(self.name)!r} is "
                f"{printable(texts[row].as_py())!r}, which is not one of the classes {classes}"
            )
        return codes.to_numpy(zero_copy_only=False).astype(np.int64)

    def usable_rows(self, path, array):
        """Return a mask of the rows with a target: not missing, and one of the classes."""
        pa = import_pyarrow()
        usable = pa.compute.invert(pa.compute.is_null(array, nan_is_null=True)).to_numpy()
        if self.task != "number":
            codes = pa.compute.index_in(
                to_texts(path, self.name, array), value_set=pa.array(self.values)
            )
            usable = usable & codes.is_valid().to_numpy(zero_copy_only=False)
        return usable

    def fit_scale(self, path, y):
        """Set mean and scale from the training rows."""
        if self.task == "number":
            self.mean, self.scale = mean_and_scale(path, self.name, y)

    def standardize(self, path, y):
        """Return the targets of the network: standardized numbers, or unchanged class indices."""
        return (
            standardize(path, self.name, y, self.mean, self.scale) if self.task == "number" else y
        )

    def decode(self, outputs):
        """Convert outputs (n, n_outputs) to {column: values}.

        The columns are the prediction and the probability of each class.
        """
        if self.task == "number":  # round to the seven digits of float32
            digits = max(0, 6 - math.floor(math.log10(self.scale)))
            numbers = outputs[:, 0].astype(float) * self.scale + self.mean
            if digits > MAX_DECIMALS:
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


def infer_target(path, table, name, task=None):
    """Return the Target for a column. Without a task, infer it from the values."""
    pa = import_pyarrow()
    array = get_column(path, table, name)
    label = f"the target {printable(name)!r}"
    if len(array) == array.null_count:
        raise TableError(f"{path}: {label} is empty in every row. Choose another --target.")
    check_not_missing(path, name, array)
    if not is_number(array.type) and not is_text(array.type):
        raise TableError(
            f"{path}: {label} contains {describe_type(array.type)}. Only text and numbers are "
            "supported."
        )
    text = is_text(array.type)
    distinct = array.unique()
    n_distinct = len(distinct)
    if n_distinct < 2:
        raise TableError(
            f"{path}: {label} is {printable(distinct[0].as_py())!r} in every row. "
            "It needs at least two different values."
        )
    if text and n_distinct > 10 and task != "classes":
        row, value = first_non_number(array)
        if sum(map(is_float, distinct.to_pylist())) > 0.9 * n_distinct and row is not None:
            raise TableError(
                f"{locate(path, row)}: {label} contains numbers, but {printable(value)!r} in this "
                "row. Correct the value, or pass --task classes."
            )
    if task is None:
        whole = not pa.types.is_floating(array.type) and not pa.types.is_decimal(array.type)
        are_classes = text or (whole and n_distinct <= MAX_INTEGER_CLASSES)
        task = "binary" if n_distinct == 2 else "classes" if are_classes else "number"
    if task == "number":
        if text:
            row, value = first_non_number(array)
            raise TableError(
                f"{locate(path, row or 0)}: {label} is {printable(value)!r}, but --task number "
                "needs numbers. Choose another --task."
            )
        to_numbers(path, name, array)  # raises an error for infinite values
        return Target(name, task)
    if (task == "binary") != (n_distinct == 2):
        tasks = "binary" if n_distinct == 2 else "classes" if text else "classes or --task number"
        raise TableError(
            f"{path}: {label} has {n_distinct:,} different values. Use --task {tasks}."
        )
    if n_distinct > MAX_CATEGORIES or (text and n_distinct > 20 and n_distinct > 0.5 * len(array)):
        advice = "Choose another --target." if text else "Use --task number."
        raise TableError(
            f"{path}: {label} has {n_distinct:,} different values, too many for classes. {advice}"
        )
    values = to_texts(path, name, pa.array(sorted(distinct.to_pylist()), distinct.type)).to_pylist()
    return Target(name, task, values, text)


# ---- a whole table ----


@dataclass
class Encoding:
    """Encoding of a table: its input columns and its target.

    Attributes
    ----------
    columns : list of Column
    target : Target
    left_out : dict of str to str, default {}
        Maps the name of each ignored column to the reason.
    """

    columns: list
    target: Target
    left_out: dict = field(default_factory=dict)

    @classmethod
    def fit(cls, path, table, target, rows, drop=()):
        """Fit an Encoding to the training rows, an array of row numbers."""
        columns, left_out = [], {}
        for name in (name for name in table.column_names if name != target.name):
            if name in drop or not name.strip():
                left_out[name] = "--drop" if name in drop else "no column name"
                continue
            column_or_reason = _fit_column(path, name, table.column(name), rows)
            if isinstance(column_or_reason, Column):
                columns.append(column_or_reason)
            else:
                left_out[name] = column_or_reason
        if not columns:
            reasons = ", ".join(
                f"{printable(name)}: {reason}" for name, reason in list(left_out.items())[:3]
            )
            raise TableError(
                f"{path}: has no usable column besides the target "
                f"({reasons or 'there is no other column'}). Add columns to predict from."
            )
        encoding = cls(columns, target, left_out)
        if encoding.width > MAX_COLUMNS or len(encoding.to_text()) > MAX_ENCODING_LENGTH:
            raise TableError(
                f"{path}: the columns make {encoding.width:,} inputs, but at most {MAX_COLUMNS:,} "
                "are supported. Drop columns with many categories (--drop)."
            )
        return encoding

    @property
    def width(self):
        return sum(column.width for column in self.columns)

    @property
    def text_columns(self):
        """The names of the columns to read as text, even if their values look like numbers."""
        return {c.name for c in self.columns if c.values is not None} | (
            {self.target.name} if self.target.text else set()
        )

    def encode(self, path, table, unseen_is_missing=False):
        """Encode a table. Return X (n, width) as float32, and a list of notes for the user."""
        names = set(table.column_names)
        missing = [repr(printable(c.name)) for c in self.columns if c.name not in names]
        if missing:
            more = f" and {len(missing) - 6:,} more" if len(missing) > 6 else ""
            raise TableError(
                f"{path}: has no column {', '.join(missing[:6])}{more}. "
                "Pass a table with the columns that the model was trained on."
            )
        X = np.zeros((table.num_rows, self.width), np.float32)
        notes, start = [], 0
        for column in self.columns:
            out = X[:, start : start + column.width]
            notes.append(column.encode(path, table.column(column.name), out, unseen_is_missing))
            start += column.width
        return X, [note for note in notes if note]

    def to_text(self):
        """Return the encoding as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, path, text):
        """Create an Encoding from JSON. The text is not trusted: every value is checked."""
        try:
            parts = json.loads(text)
            columns, left_out = [Column(**c) for c in parts["columns"]], parts["left_out"]
            _check(len(columns) > 0 and len({c.name for c in columns}) == len(columns), "columns")
            _check(
                isinstance(left_out, dict)
                and all(isinstance(reason, str) for reason in left_out.values()),
                "left_out",
            )
            return cls(columns, Target(**parts["target"]), left_out)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise TableError(
                f"{path}: the column encoding in this file is damaged. Train the model again."
            ) from None
