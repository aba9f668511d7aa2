"""Columns with a role: the target, and those of --time, --group and --weight, by which rows are split."""

import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.messages import did_you_mean, join, plural, printable
from ..tables.cells import recognition
from ..tables.cells.dates import date_format
from ..tables.cells.missing import is_missing_mark, present_texts
from ..tables.cells.numbers import (
    are_wide,
    describe_number_style,
    find_style,
    is_unambiguous,
    with_ranges,
)
from ..tables.errors import import_pyarrow
from ..tables.source import without_secrets
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
        How numbers are written as texts; see `fastnn.tables.cells.numbers`.
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


def read_target(table, file, name, task=None, *, skip_missing):
    """Return the Target of a table.

    Parameters
    ----------
    table : MemoryTable or StreamedTable
    file : TableFile
        Which the table is read from.
    name : str
    task : str, optional
        One of TASKS or ALIASES. None: find it.
    skip_missing : bool
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
        if name not in table.column_names:
            advice = did_you_mean(name, table.column_names)
            raise CommandError(f"{file.name}: has no column {printable(name)!r}. {advice}")
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

    def note(self, text):
        self.file.notes(f"{self.file.name}: {self.label}: {text}")

    def check_type(self):
        types, kind = import_pyarrow().types, self.column.type
        is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        if not (
            is_number or types.is_string(kind) or types.is_boolean(kind) or types.is_null(kind)
        ):
            what = "dates or times" if types.is_temporal(kind) else f"values of type {kind}"
            self.fail(f"contains {what}. Only numbers and classes can be predicted.")

    def read_numbers(self):
        """Return a column of texts as float64 if they are numbers such as 1,234 or 12%.

        Texts that are not become missing, if nearly all texts are numbers.
        """
        counts = recognition.count_rows(self.column)
        found = self.recognise_numbers(counts)
        if found is not None:
            self.note_numbers(found, counts)
            self.style = found.style
            return recognition.to_values(self.column, counts, found)
        if self.task == "number":
            first = next(text for text in counts if not is_missing_mark(text))
            self.fail(
                f"is {printable(first)!r}, but --task number needs numbers. Choose another --task.",
                self.column.index(first).as_py(),
            )
        if len(counts) > 2 and date_format(list(counts)) is not None:
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
        found = recognition.recognise_in_style(list(counts), "number", style)
        if self.task != "number" and recognition.find_wide(counts, found) is not None:
            return None
        n = len(counts) - len(found.others)
        if self.task == "number" or (n_others == 0 and is_unambiguous(style)):
            return found
        if n <= recognition.MAX_CLASS_NUMBERS:
            return None
        nearly = recognition.recognise(list(counts), lambda: counts, self.name)
        if nearly is not None and nearly.kind == "number":
            return nearly
        return found if len(found.others) <= recognition.MOST_OTHERS * len(counts) else None

    def note_numbers(self, found, counts):
        """Say that texts are read as numbers. Others need --skip-missing-target."""
        n = sum(counts[text] for text in found.others)
        what = describe_number_style(found.style, counts)
        self.note_rounded(recognition.find_wide(counts, found))
        if n and not self.skip_missing:
            first = found.others[0]
            present = {text: k for text, k in counts.items() if not is_missing_mark(text)}
            n_missing = len(self.column) - sum(present.values())
            missing = f", and missing in {plural(n_missing, 'row')}" if n_missing else ""
            self.fail(
                f"is a number in {plural(sum(present.values()) - n, 'row')}, but not in "
                f"{plural(n, 'row')} ({recognition.examples(found.others)}){missing}. Correct the "
                "values, pass --skip-missing-target to leave such rows out, or --task classes.",
                self.column.index(first).as_py(),
            )
        advice = "--task classes takes them for classes"
        if what != "numbers" or not found.others:
            self.note(f"{what} ({advice})")
        if n:
            self.note(
                f"{n:,} of {sum(counts.values()):,} values are not numbers "
                f"({recognition.examples(found.others)}) and count as missing"
            )

    def note_rounded(self, wide):
        """Say that whole numbers are rounded. wide : one of them, or None"""
        if wide is not None:
            self.note(
                f"whole numbers such as {printable(wide)} are rounded to 16 digits (--task classes "
                "takes them for classes)"
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
                f"to leave such rows out. {self.describe_marks(column)}".rstrip(),
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
            self.note(text)

    def describe_marks(self, values):
        """Return a sentence about the classes that look like marks for missing values, or ""."""
        if not import_pyarrow().types.is_string(values.type):
            return ""
        counts = recognition.count_rows(values)
        marks = list(filter(is_missing_mark, counts))
        if not marks:
            return ""
        options = " ".join(f"--na {shlex.quote(printable(mark))}" for mark in marks)
        what, them = "is a class", "it stands for a missing value"
        if len(marks) > 1:
            what, them = "are classes", "they stand for missing values"
        return (
            f"{join(marks, quoted=False)} {what}, in "
            f"{plural(sum(counts[mark] for mark in marks), 'row')}. If {them}, pass {options} "
            "--skip-missing-target."
        )

    def note_single_rows(self, values):
        """Say which classes have one row: it may be an error, and no fold can score them."""
        counts = recognition.count_rows(values)
        single = [str(value) for value, n in counts.items() if n == 1]
        if single:
            verb, them = ("has", "it") if len(single) == 1 else ("have", "them")
            self.note(
                f"{join(single, 4)} {verb} a single row, too few to learn and to score. If that is a "
                f"mistake, correct {them}."
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


# ---- times, groups and weights ----

#: The options that name a column of the rows, and the argument of `fit`.
ROLES = {"time": "time", "group": "groups", "weight": "sample_weight"}
OF_THE_OTHER_PART = "earlier rows of groups of the test, and later rows of other groups"


def require_column(data, option, name, names):
    """Raise CommandError unless the table `data` has a column of this name."""
    if name not in names:
        raise CommandError(
            f"--{option}: {without_secrets(data)} has no column {printable(name)!r}. "
            + did_you_mean(name, names)
        )


def refuse_target(option, name, target):
    """Raise CommandError if an option names the target."""
    if name == target:
        raise CommandError(f"--{option} names the target {printable(name)!r}. Name another column.")


def check_roles(options, names, columns):
    """Raise CommandError unless the columns of the options exist, each for one purpose.

    columns : dict
        {option: names of columns} of the other options, of `resolve_columns`.
    """
    option_of: dict = {}
    for option in ROLES:
        name = getattr(options, option)
        if name is None:
            continue
        require_column(options.data, option, name, names)
        refuse_target(option, name, options.target)
        other = option_of.setdefault(name, option)
        if other != option:
            raise CommandError(
                f"column {printable(name)!r} is in both --{other} and --{option}. Name it once."
            )
        others = [key for key, values in columns.items() if name in values]
        if option != "time" and others:
            raise CommandError(
                f"column {printable(name)!r} is in both --{option} and --{others[0]}. "
                f"--{option} leaves it out of the inputs already."
            )


def role_arguments(options):
    """Return what `fit` is passed: the names of the columns by argument."""
    names = {argument: getattr(options, option) for option, argument in ROLES.items()}
    return {argument: name for argument, name in names.items() if name is not None}


@dataclass
class RowRoles:
    """What the columns of the options say of the rows with a target.

    Attributes
    ----------
    passed : dict
        What `passed` returned.
    times, groups : ndarray (n,) of int, or None
        The numbers of the time values and of the groups, for --test-size; -1 for rows without one.
        None if they are not needed.
    weight : ndarray (n,) or None
    """

    passed: dict
    times: np.ndarray | None = None
    groups: np.ndarray | None = None
    weight: np.ndarray | None = None


def read_roles(table, target, file, options):
    """Return the RowRoles. `table.set_target` has not been called yet.

    Parameters
    ----------
    table : MemoryTable or StreamedTable
    target : Target
    file : TableFile
        Which they are from.
    options : TrainOptions
    """
    roles = RowRoles(role_arguments(options))
    if not roles.passed:
        return roles
    from ..tabular.columns import input_column
    from ..tabular.roles import to_groups, to_times, to_weights

    def column(name):
        values = table.column(name).take(import_pyarrow().array(target.rows))
        return input_column.from_chunks(values, name), name

    try:
        # In memory in any case, so that errors come early.
        are_read = options.test_size or table.is_in_memory
        if are_read and options.time is not None:
            roles.times = to_times(*column(options.time)).numbers
        if are_read and options.group is not None:
            roles.groups = to_groups(*column(options.group))
        if options.weight is not None:
            roles.weight = to_weights(*column(options.weight))
    except DataError as error:
        raise file.explain(error, None, target.rows) from None
    return roles


def groups_of_rows(rows, chosen):
    """Return the number of the group of some rows, from 0, or None without --group.

    Parameters
    ----------
    rows : TrainingRows
    chosen : ndarray (n,)
        Positions among the rows with a target.
    """
    name = rows.roles.passed.get("groups")
    if name is None or not len(chosen):
        return None
    from ..tabular.columns import input_column
    from ..tabular.roles import to_groups

    values = rows.sample.column(name)
    found = to_groups(input_column.from_chunks(values, name), name)
    return np.unique(found[rows.sample_positions(chosen)], return_inverse=True)[1]


# ---- the rows of the test ----


def split_off_test(roles, target, note, options):
    """Return the rows to train on, and those of --test-size. Each class is trained on.

    The rows of the test are the last time values, the rows of some groups, or both, if the options
    name such columns, else drawn at random.

    roles : RowRoles; target : Target; note : Notes
    """
    n, fraction = len(target.rows), options.test_size
    if not fraction:
        return np.arange(n), np.arange(0)
    codes = None if target.is_number else target.classes()[1]
    by_option = {"--time": roles.times, "--group": roles.groups}
    by_option = {option: numbers for option, numbers in by_option.items() if numbers is not None}
    is_test, is_left_out, known = np.zeros(n, bool), np.zeros(n, bool), np.ones(n, bool)
    if by_option:
        known = np.all([numbers >= 0 for numbers in by_option.values()], axis=0)
        times, groups = (
            None if numbers is None else numbers[known] for numbers in (roles.times, roles.groups)
        )
        is_test[known], is_left_out[known] = _by_columns(times, groups, fraction, options.seed)
        unknown = f"{' or '.join(by_option)} is missing there, or cannot be read"
        for left_out, why in ((is_left_out, OF_THE_OTHER_PART), (~known, unknown)):
            if left_out.any():
                rows = f"{int(left_out.sum()):,} of {n:,} rows"
                note(f"{rows} are neither trained on nor tested: {why}")
    else:
        is_test = _at_random(n, codes, fraction, options.seed)
    train, test = np.flatnonzero(known & ~is_test & ~is_left_out), np.flatnonzero(is_test)
    if codes is None:
        return train, test
    is_new = ~np.isin(codes[test], codes[train])
    if not by_option:
        train = np.sort(np.concatenate([train, test[is_new]]))
    elif is_new.any():
        note(
            f"{plural(int(is_new.sum()), 'row')} of the test left out: the rows to train on do not "
            "have their class"
        )
    return train, test[~is_new]


def _at_random(n, codes, fraction, seed):
    from sklearn.model_selection import train_test_split

    n_test = max(1, round(fraction * n))
    stratify = codes is not None and np.bincount(codes).min() >= 2 <= n_test // (codes.max() + 1)
    if n - n_test < 2:
        raise CommandError(f"--test-size {fraction:g} of {n} rows leaves {n - n_test} to train on.")
    _, test = train_test_split(
        np.arange(n), test_size=n_test, random_state=seed, stratify=codes if stratify else None
    )
    return np.isin(np.arange(n), test)


def _by_columns(times, groups, fraction, seed):
    """Return which rows are in the test, and which are in neither part."""
    rng = np.random.default_rng(seed)
    if times is None:
        is_test = np.isin(groups, _draw_groups(groups, fraction, rng))
        _check_groups(groups[~is_test], fraction)
        return is_test, np.zeros(len(groups), bool)
    n_rows = np.bincount(times)
    if len(n_rows) < 3:
        raise CommandError(
            f"--test-size with --time needs at least 3 time values, but there are {len(n_rows)}. "
            "Leave out --test-size."
        )
    before = np.cumsum(n_rows) - n_rows
    first = int(np.argmin(np.abs(before - (1 - fraction) * len(times))))
    is_late = times >= min(max(first, 2), len(n_rows) - 1)
    if groups is None:
        return is_late, np.zeros(len(times), bool)
    known = np.isin(groups, groups[~is_late])
    drawn = _draw_groups(groups[is_late & known], fraction, rng)
    is_test = is_late & (~known | np.isin(groups, drawn))
    is_train = ~is_late & ~np.isin(groups, drawn)
    _check_groups(groups[is_train], fraction)
    return is_test, ~is_test & ~is_train


def _draw_groups(groups, fraction, rng):
    """Return random groups with about this fraction of the rows, at least one group."""
    if not len(groups):
        return groups
    values, n_rows = np.unique(groups, return_counts=True)
    order = rng.permutation(len(values))
    n = np.searchsorted(np.cumsum(n_rows[order]), fraction * len(groups)) + 1
    return values[order[:n]]


def _check_groups(groups, fraction):
    n = len(np.unique(groups))
    if n < 2:
        raise CommandError(
            f"--test-size {fraction:g} leaves {plural(n, 'group')} to train on, but --group needs at "
            "least 2. Choose a smaller one."
        )
