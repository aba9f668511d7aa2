"""The column to predict: what it is, and its values as the estimators expect them."""

import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.messages import did_you_mean, join, plural, printable
from ..tables import recognition, texts
from ..tables.missing_marks import present_texts
from ..tables.number_styles import describe_number_style, find_style, with_ranges
from ..tables.number_texts import is_unambiguous
from ..tables.table_errors import import_pyarrow
from ..tables.wide_numbers import are_wide
from .console import CommandError

TASKS = ("binary", "classes", "number")
ALIASES = ("classification", "regression")  # scikit-learn's words: binary or classes; number
MAX_CLASSES = 1000


@dataclass
class Target:
    """The column to predict.

    Attributes
    ----------
    name : str
    task : {"binary", "classes", "number"}
    values : pyarrow.Array
        Classes (texts, whole numbers or Booleans) or float64, without missing values.
    rows : ndarray of intp
        The rows of the file that have a target.
    style : str or None
        How numbers are written as texts; see `fastnn.tables.number_texts`.
    """

    name: str
    task: str
    values: Any
    rows: np.ndarray
    style: str | None = None

    @property
    def is_number(self):
        return self.task == "number"

    def take(self, rows):
        """Return the values with these positions as an array."""
        return np.array(self.values.take(import_pyarrow().array(rows)).to_pylist())

    def classes(self):
        """Return the classes, sorted, and the class number of each value."""
        encoded = self.values.dictionary_encode()
        labels, code_of = np.unique(np.array(encoded.dictionary.to_pylist()), return_inverse=True)
        return labels, code_of[encoded.indices.to_numpy(zero_copy_only=False)]


def read_target(table, file, name, task=None, skip_missing=False):
    """Return the Target of a table.

    Parameters
    ----------
    table : MemoryTable or StreamedTable
    file : TableFile
        Which the table is read from.
    name : str
    task : str, optional
        One of TASKS or ALIASES. None: find it.
    skip_missing : bool, default False
        Whether to leave out the rows without a target. Otherwise they are an error.

    Returns
    -------
    Target
    """
    return _Reader(table, file, name, task, skip_missing).read()


class _Reader:
    def __init__(self, table, file, name, task, skip_missing):
        self.file, self.name, self.skip_missing = file, name, skip_missing
        self.task = "number" if task == "regression" else task
        if self.name not in table.column_names:
            advice = did_you_mean(self.name, table.column_names)
            raise CommandError(
                f"{self.file.name}: has no column {printable(self.name)!r}. {advice}"
            )
        self.column = table.column(self.name).combine_chunks()
        self.style: str | None = None
        self.label = f"the target {printable(self.name)!r}"

    def read(self):
        pa = import_pyarrow()
        self.check_type()
        column = self.column
        if pa.types.is_string(column.type) and self.task not in ("classes", "classification"):
            column = self.read_numbers()
        if pa.types.is_decimal(column.type):
            floats = column.cast(pa.float64(), safe=False)
            are_classes = self.task not in (None, "number") and are_wide(floats)
            column = column.cast(pa.string()) if are_classes else floats
        rows = self.present_rows(column)
        values = column.take(pa.array(rows))
        n_distinct = len(values.unique())
        if n_distinct < 2:
            self.fail(
                f"is {printable(values[0].as_py())!r} in every row. It needs at least two "
                "different values."
            )
        task = self.task or self.guess_task(values, n_distinct)
        if task == "classification":
            task = "binary" if n_distinct == 2 else "classes"
        if task == "number":
            return Target(self.name, task, self.to_float(values, rows), rows, self.style)
        self.check_classes(values, n_distinct, task)
        self.note_marks(values)
        self.note_single_rows(values)
        return Target(self.name, task, _to_labels(values), rows)

    def fail(self, what, row=None):
        place = self.file.name if row is None else ", ".join(self.file.locate(row))
        raise CommandError(f"{place}: {self.label} {what}")

    def check_type(self):
        types, kind = import_pyarrow().types, self.column.type
        if types.is_temporal(kind):
            self.fail("contains dates or times. Only numbers and classes can be predicted.")
        if not (
            types.is_string(kind)
            or types.is_integer(kind)
            or types.is_floating(kind)
            or types.is_decimal(kind)
            or types.is_boolean(kind)
            or types.is_null(kind)
        ):
            self.fail(f"contains values of type {kind}. Only numbers and classes can be predicted.")

    def read_numbers(self):
        """Return a column of texts as float64 if they are numbers such as 1,234 or 12%.

        Texts that are not become missing, if nearly all texts are numbers.
        """
        counts = texts.count_rows(self.column)
        found = self.recognise_numbers(counts)
        if found is not None:
            self.note_numbers(found, counts)
            self.style = found.style
            return texts.to_values(self.column, counts, found)
        if self.task == "number":
            first = next(text for text in counts if not texts.is_missing_mark(text))
            self.fail(
                f"is {printable(first)!r}, but --task number needs numbers. Choose another --task.",
                self.column.index(first).as_py(),
            )
        if len(counts) > 2 and texts.date_format(list(counts)) is not None:
            self.fail(
                "contains dates. Only numbers and classes can be predicted. If the dates are "
                "classes, pass --task classes."
            )
        return self.column

    def recognise_numbers(self, counts):
        """Return the Recognised of numbers, None if the texts are classes.

        counts : dict of str to int
            The number of rows of each text.
        """
        present = present_texts(counts)
        style, n_others = find_style(present, self.name)
        if style is None:
            return None
        style = with_ranges(style, present) if n_others else style
        found = recognition.read(list(counts), "number", style)
        if self.task != "number" and texts.find_wide(counts, found) is not None:
            return None
        n = len(counts) - len(found.others)
        if self.task == "number" or (n_others == 0 and is_unambiguous(style)):
            return found
        if n <= recognition.MAX_CLASS_NUMBERS:
            return None
        nearly = recognition.recognise(list(counts), lambda: counts, self.name)
        if nearly is not None and nearly.kind == "number":
            return nearly
        return found if len(found.others) <= texts.MOST_OTHERS * len(counts) else None

    def note_numbers(self, found, counts):
        """Say that texts are read as numbers. Others need --skip-missing-target."""
        n = sum(counts[text] for text in found.others)
        what = describe_number_style(found.style, counts)
        self.note_rounded(texts.find_wide(counts, found))
        if n and not self.skip_missing:
            first = found.others[0]
            present = {text: k for text, k in counts.items() if not texts.is_missing_mark(text)}
            n_missing = len(self.column) - sum(present.values())
            missing = f", and missing in {plural(n_missing, 'row')}" if n_missing else ""
            self.fail(
                f"is a number in {plural(sum(present.values()) - n, 'row')}, but not in "
                f"{plural(n, 'row')} ({recognition.examples(found.others)}){missing}. Correct the "
                "values, pass "
                "--skip-missing-target to leave such rows out, or --task classes.",
                self.column.index(first).as_py(),
            )
        advice = "--task classes takes them for classes"
        if what != "numbers" or not found.others:
            self.file.notes(f"{self.file.name}: {self.label}: {what} ({advice})")
        if n:
            self.file.notes(
                f"{self.file.name}: {self.label}: {n:,} of {sum(counts.values()):,} values are not "
                f"numbers ({recognition.examples(found.others)}) and count as missing"
            )

    def note_rounded(self, wide):
        """Say that whole numbers are rounded. wide : one of them, or None"""
        if wide is not None:
            self.file.notes(
                f"{self.file.name}: {self.label}: whole numbers such as {printable(wide)} are rounded "
                "to 16 digits (--task classes takes them for classes)"
            )

    def present_rows(self, column):
        """Return the rows that have a target."""
        missing = import_pyarrow().compute.is_null(column, nan_is_null=True)
        missing = missing.to_numpy(zero_copy_only=False)
        n = int(missing.sum())
        if n == len(missing):
            self.fail("is empty in every row. Choose another --target.")
        if n and not self.skip_missing:
            self.fail(
                f"is missing (in {plural(n, 'row')}). Fill it in, or pass --skip-missing-target "
                f"to leave such rows out.{self.describe_marks(column)}",
                int(missing.argmax()),
            )
        if n:
            self.file.notes(f"{plural(n, 'row')} without a target left out")
        return np.flatnonzero(~missing)

    def guess_task(self, values, n_distinct):
        types = import_pyarrow().types
        if n_distinct == 2:
            return "binary"
        if types.is_string(values.type):
            return "classes"
        is_whole = types.is_integer(values.type)
        is_class = is_whole and recognition.are_class_numbers(n_distinct, len(values))
        return "classes" if is_class else "number"

    def to_float(self, values, rows):
        pa = import_pyarrow()
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.int8())
        if pa.types.is_integer(values.type) and are_wide(values):
            self.note_rounded(str(pa.compute.max(values).as_py()))
        numbers = values.cast(pa.float64(), safe=False)
        infinite = np.isinf(numbers.to_numpy(zero_copy_only=False))
        if infinite.any():
            self.fail("is infinite. Correct the value.", int(rows[infinite.argmax()]))
        return numbers

    def check_classes(self, values, n_distinct, task):
        is_text = import_pyarrow().types.is_string(values.type)
        if task == "binary" and n_distinct != 2:
            tasks = "classes" if is_text else "classes or --task number"
            self.fail(f"has {n_distinct:,} different values. Use --task {tasks}.")
        if n_distinct > MAX_CLASSES or (n_distinct > 20 and n_distinct > 0.5 * len(values)):
            advice = "Choose another --target." if is_text else "Use --task number."
            self.fail(f"has {n_distinct:,} different values, too many for classes. {advice}")

    def note_marks(self, values):
        """Say which classes look like marks for missing values."""
        if text := self.describe_marks(values):
            self.file.notes(f"{self.file.name}: {self.label}:{text}")

    def describe_marks(self, values):
        """Return a sentence about the classes that look like marks for missing values, or ""."""
        if not import_pyarrow().types.is_string(values.type):
            return ""
        counts = texts.count_rows(values)
        marks = list(filter(texts.is_missing_mark, counts))
        if not marks:
            return ""
        options = " ".join(f"--na {shlex.quote(printable(mark))}" for mark in marks)
        what, them = "is a class", "it stands for a missing value"
        if len(marks) > 1:
            what, them = "are classes", "they stand for missing values"
        return (
            f" {join(marks, quoted=False)} {what}, in "
            f"{plural(sum(counts[mark] for mark in marks), 'row')}. If {them}, pass {options} "
            "--skip-missing-target."
        )

    def note_single_rows(self, values):
        """Say which classes have one row: it may be an error, and no fold can score them."""
        counts = texts.count_rows(values)
        single = [str(value) for value, n in counts.items() if n == 1]
        if single:
            verb, them = ("has", "it") if len(single) == 1 else ("have", "them")
            self.file.notes(
                f"{self.file.name}: {self.label}: {join(single, 4)} {verb} a single row, too few to "
                f"learn and to score. If that is a mistake, correct {them}."
            )


def _to_labels(values):
    """Return classes as texts, whole numbers or Booleans."""
    pa = import_pyarrow()
    if not pa.types.is_floating(values.type):
        return values
    whole = pa.compute.all(pa.compute.equal(values, pa.compute.round(values))).as_py()
    largest = pa.compute.max(pa.compute.abs(values)).as_py()
    if whole and largest < 2**53:
        return values.cast(pa.int64())
    return values.cast(pa.string())
