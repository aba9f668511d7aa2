"""Tables for the command line: files -> columns -> numbers, and what a model must remember to do it again.

Reading is pyarrow's work (extra `cli`). Numbers are standardised, categories become one column each (one-hot), a missing value becomes the
column's mean, or no category, and a mark in a column of its own. Everything learned from the training rows is plain data (`to_text`), kept
in the model file. Whatever cannot be right is a `TableError`: one line that names file, row or column, and the way out.
"""

import gzip
import json
import os
from dataclasses import asdict, dataclass, field

import numpy as np

MOST_COLUMNS = 10_000  # in the file, and after categories have become columns
MOST_CATEGORIES = 1000
FEW_CLASSES = 10  # whole numbers with at most so many different values are classes
TASKS = ("binary", "classes", "number")


class TableError(ValueError):
    """A table that cannot be used, said in one line."""


def _arrow():
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise TableError('tables are read by pyarrow, which is not installed: python -m pip install "fastnn-mlp[cli]"') from None
    return pyarrow


# ---- read ----


def read(path):
    """A pyarrow.Table from CSV, TSV (both also .gz) or Parquet, with sane columns."""
    pa = _arrow()
    try:
        with open(path, "rb") as file:
            magic = file.read(4)
        table = _read_parquet(pa, path) if magic == b"PAR1" else _read_text(pa, path, packed=magic[:2] == b"\x1f\x8b")
    except (OSError, EOFError) as error:
        raise TableError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    names = table.column_names
    for name in names:
        if names.count(name) > 1:
            raise TableError(f"{path}: two columns are called {name!r}: rename one")
    if table.num_rows == 0:
        raise TableError(f"{path}: has {len(names)} columns but no rows: there is nothing to learn from or to predict")
    return table


def _read_parquet(pa, path):
    try:
        return pa.parquet.read_table(path)
    except pa.ArrowException as error:
        raise TableError(f"{path}: not a readable Parquet file ({_one_line(error)})") from None


def _read_text(pa, path, packed):
    with (gzip.open if packed else open)(path, "rb") as file:
        header = file.readline()
        if not header.strip():
            raise TableError(f"{path}: is empty: a table begins with a line of column names")
        delimiter = max("\t,;", key=lambda mark: header.count(mark.encode()))
        n_columns = header.count(delimiter.encode()) + 1
        if n_columns > MOST_COLUMNS:
            raise TableError(f"{path}: has {n_columns:,} columns, fastnn takes up to {MOST_COLUMNS:,}: keep those that matter")
        file.seek(0)
        ragged = []

        def note(row):
            ragged.append(row)
            return "error"

        try:
            table = pa.csv.read_csv(
                file,
                read_options=pa.csv.ReadOptions(use_threads=False),  # only then does pyarrow know the line of a bad row
                parse_options=pa.csv.ParseOptions(delimiter=delimiter, invalid_row_handler=note),
                convert_options=pa.csv.ConvertOptions(strings_can_be_null=True),
            )
        except pa.ArrowException as error:
            if ragged:
                row = ragged[0]
                raise TableError(
                    f"{path}, line {row.number}: has {row.actual_columns} values, the header names {row.expected_columns}: "
                    "mend the line; a value with a comma in it needs quotes"
                ) from None
            raise TableError(f"{path}: {_one_line(error)}") from None
    for name, column in zip(table.column_names, table.columns):
        if pa.types.is_binary(column.type):
            raise TableError(f"{path}{_bad_line(path, packed)}: column {name!r} is not UTF-8 text: save the file as UTF-8")
    return table


def _bad_line(path, packed):
    """', line N' of the first line that is not UTF-8."""
    with (gzip.open if packed else open)(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f", line {number}"
    return ""


def _one_line(error):
    return " ".join(str(error).split())[:200]


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

    @property
    def width(self):
        return (1 if self.values is None else len(self.values)) + self.marks_missing

    def encode(self, path, array, out, unseen_is_missing):
        """Fill out (n, width)."""
        pa = _arrow()
        if self.values is None:
            numbers = _numbers(path, self.name, array)
            missing = np.isnan(numbers)
            out[:, 0] = np.where(missing, 0, (numbers - self.mean) / self.scale)
        else:
            texts = _texts(array)
            codes = pa.compute.index_in(texts, value_set=pa.array(self.values, pa.string())).to_numpy(zero_copy_only=False)
            missing = np.isnan(codes.astype(float))
            unseen = missing & ~texts.is_null().to_numpy(zero_copy_only=False)
            if unseen.any() and not unseen_is_missing:
                row = int(unseen.argmax())
                raise TableError(
                    f"{path}, data row {row + 1}: column {self.name!r} holds {texts[row].as_py()!r}, which the training data did not have; "
                    "--unseen-as-missing treats it as missing"
                )
            rows = np.flatnonzero(~missing)
            out[rows, codes[rows].astype(int)] = 1
        if self.marks_missing:
            out[:, -1] = missing


def _texts(array):
    pa = _arrow()
    return (array if isinstance(array, pa.Array) else array.combine_chunks()).cast(pa.string())


def _is_number(kind):
    types = _arrow().types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind) or types.is_null(kind)


def _is_text(kind):
    types = _arrow().types
    return types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind)


def _numbers(path, name, array):
    """float64, NaN where missing; infinities refused."""
    pa = _arrow()
    if not _is_number(array.type):
        raise TableError(f"{path}: column {name!r} holds {_kind(array.type)}, but numbers in the training data: {_first_text(array)}")
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    numbers = np.array(array.cast(pa.float64()).to_numpy(), dtype=float)
    infinite = np.isinf(numbers)
    if infinite.any():
        row = int(infinite.argmax())
        raise TableError(f"{path}, data row {row + 1}: column {name!r} is infinite: give a number, or leave it empty for missing")
    return numbers


def _kind(arrow_type):
    types = _arrow().types
    return "dates or times" if types.is_temporal(arrow_type) else "text" if _is_text(arrow_type) else f"values of type {arrow_type}"


def _first_text(array):
    for row, value in enumerate(array):
        try:
            float(value.as_py() if value.is_valid else "nan")
        except (TypeError, ValueError):
            return f"{str(value)!r} in data row {row + 1} is not one"
    return f"its type is {array.type}"


def _learn_column(path, name, array):
    """A Column from training rows, or None for one that says nothing (all the same)."""
    if _is_number(array.type):
        numbers = _numbers(path, name, array)
        known = numbers[~np.isnan(numbers)]
        marks = len(known) < len(numbers)
        if len(known) == 0 or (known.min() == known.max() and not marks):
            return None
        scale = float(known.std())
        return Column(name, None, float(known.mean()), scale if scale > 0 else 1.0, marks)
    if not _is_text(array.type):
        raise TableError(
            f"{path}: column {name!r} holds {_kind(array.type)}: give numbers made of them (year, weekday, days since ...), or --drop {name}"
        )
    texts = _texts(array)
    values = sorted(value for value in texts.unique().to_pylist() if value is not None)
    marks = texts.null_count > 0
    if len(values) > MOST_CATEGORIES or (len(values) > 20 and len(values) > 0.9 * len(texts)):
        raise TableError(
            f"{path}: column {name!r} holds {len(values):,} different texts in {len(texts):,} rows, too many for categories: "
            f"--drop {name}, or group them"
        )
    if len(values) + marks < 2:
        return None
    return Column(name, values, marks_missing=marks)


# ---- target ----


@dataclass
class Target:
    """The column to predict: two classes (BCE), several (softmax) or a number (squared error on the standardised value)."""

    name: str
    task: str
    values: list = field(default_factory=list)  # classes as text, in the order of their numbers
    mean: float = 0.0
    scale: float = 1.0

    def describe(self):
        shown = ", ".join(self.values[:6]) + (", ..." if len(self.values) > 6 else "")
        return {
            "binary": f"two classes ({shown}): sigmoid output, binary cross-entropy",
            "classes": f"{len(self.values)} classes ({shown}): softmax output, cross-entropy",
            "number": "a number: identity output, squared error",
        }[self.task]

    @property
    def n_outputs(self):
        return len(self.values) if self.task == "classes" else 1

    @property
    def output(self):
        return {"binary": "sigmoid", "classes": "softmax", "number": "identity"}[self.task]

    def encode(self, path, array):
        """Class numbers (n,) int64, or standardised numbers (n,)."""
        pa = _arrow()
        _check_known(path, self.name, array)
        if self.task == "number":
            return (_numbers(path, self.name, array) - self.mean) / self.scale
        texts = _texts(array)
        codes = pa.compute.index_in(texts, value_set=pa.array(self.values, pa.string()))
        if codes.null_count:
            row = codes.to_pylist().index(None)
            classes = ", ".join(self.values[:10])
            raise TableError(f"{path}, data row {row + 1}: {self.name!r} is {texts[row].as_py()!r}, none of the classes {classes}")
        return codes.to_numpy(zero_copy_only=False).astype(np.int64)


def _check_known(path, name, array):
    missing = _arrow().compute.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)
    if missing.any():
        row, n = int(missing.argmax()), int(missing.sum())
        raise TableError(f"{path}, data row {row + 1}: the target {name!r} is missing: fill it, or leave out such rows ({n} in all)")


def learn_target(path, table, name, task=None):
    """What kind of target a column is, from its values (or as told)."""
    pa = _arrow()
    array = column(path, table, name, "target")
    _check_known(path, name, array)
    if not _is_number(array.type) and not _is_text(array.type):
        raise TableError(f"{path}: the target {name!r} holds {_kind(array.type)}: give a number or a class")
    different = array.unique()
    if len(different) < 2:
        raise TableError(f"{path}: the target {name!r} is {different[0].as_py()!r} in every row: there is nothing to tell apart")
    if task is None:
        whole = not pa.types.is_floating(array.type) and not pa.types.is_decimal(array.type)
        several = _is_text(array.type) or (whole and len(different) <= FEW_CLASSES)
        task = "binary" if len(different) == 2 else "classes" if several else "number"
    if task == "number":
        numbers = _numbers(path, name, array)
        return Target(name, task, mean=float(numbers.mean()), scale=float(numbers.std()))
    if (task == "binary") != (len(different) == 2):
        fitting = "binary" if len(different) == 2 else "classes or number"
        raise TableError(f"{path}: the target {name!r} has {len(different)} different values: choose --task {fitting}")
    if len(different) > MOST_CATEGORIES:
        raise TableError(f"{path}: the target {name!r} has {len(different):,} different values, too many for classes: try --task number")
    if pa.types.is_dictionary(different.type):
        different = different.cast(pa.string())
    return Target(name, task, _texts(pa.array(sorted(different.to_pylist()), different.type)).to_pylist())


def column(path, table, name, what="column"):
    """A column by name; a TableError that lists what there is otherwise."""
    if name not in table.column_names:
        close = [other for other in table.column_names if other.lower().strip() == name.lower().strip()]
        names = ", ".join(table.column_names[:12]) + (", ..." if len(table.column_names) > 12 else "")
        raise TableError(f"{path}: has no {what} {name!r}; " + (f"did you mean {close[0]!r}?" if close else f"its columns are {names}"))
    return table.column(name)


# ---- a whole table ----


@dataclass
class Encoding:
    """All that turns rows of a table into numbers: learned from training rows, kept in the model file."""

    columns: list
    target: Target

    @classmethod
    def learn(cls, path, table, target, drop=()):
        for name in drop:
            column(path, table, name)
        used = [name for name in table.column_names if name != target.name and name not in drop]
        columns = [learned for learned in (_learn_column(path, name, table.column(name)) for name in used) if learned is not None]
        if not columns:
            raise TableError(f"{path}: no column but the target says anything (all empty or all the same)")
        encoding = cls(columns, target)
        if encoding.width > MOST_COLUMNS:
            raise TableError(f"{path}: makes {encoding.width:,} inputs, fastnn takes up to {MOST_COLUMNS:,}: --drop columns with many categories")
        return encoding

    @property
    def width(self):
        return sum(column.width for column in self.columns)

    def encode(self, path, table, unseen_is_missing=False):
        """X (n, width), float32."""
        missing = [c.name for c in self.columns if c.name not in table.column_names]
        if missing:
            names = ", ".join(repr(name) for name in missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
            plural = "s" * (len(missing) > 1)
            raise TableError(f"{path}: the model needs the column{plural} {names}: give a table with the columns it was trained on")
        X, at = np.zeros((table.num_rows, self.width), np.float32), 0
        for c in self.columns:
            c.encode(path, table.column(c.name), X[:, at : at + c.width], unseen_is_missing)
            at += c.width
        return X

    def to_text(self):
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, path, text):
        try:
            parts = json.loads(text)
            return cls([Column(**c) for c in parts["columns"]], Target(**parts["target"]))
        except (ValueError, KeyError, TypeError):
            raise TableError(f"{path}: what it says about columns is damaged: train the model again") from None


# ---- write ----


def write(path, columns):
    """columns {name: array} to CSV, TSV or Parquet, by the ending of path: whole or not at all."""
    pa = _arrow()
    table = pa.table(columns)
    beside = f"{path}.{os.urandom(4).hex()}.tmp"
    try:
        if str(path).endswith((".parquet", ".pq")):
            pa.parquet.write_table(table, beside)
        else:
            write_text(table, beside, "\t" if str(path).endswith((".tsv", ".tab")) else ",")
        os.replace(beside, path)
    except OSError as error:
        raise TableError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if os.path.exists(beside):
            os.unlink(beside)


def write_text(table, file, delimiter=","):
    pa = _arrow()
    pa.csv.write_csv(table, file, pa.csv.WriteOptions(delimiter=delimiter, quoting_style="needed"))
