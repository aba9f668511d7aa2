"""Weights, groups and times of rows, which `fit` takes besides their targets.

Each is an array, or the name of a column of X. A row without a group or a time has the number -1:
it may belong to any group, and to any time, so no fold trains on it or scores it.
"""

from dataclasses import dataclass

import numpy as np

from ..core.errors import Argument, DataError, Message
from ..core.messages import did_you_mean, plural, printable
from ..core.validation import check_rows, refuse_classes
from ..tables.cells.missing import is_missing_mark
from ..tables.cells.numbers import is_wide_integer, to_whole
from ..tables.cells.recognition import find_wide, recognise
from .columns import features, input_column
from .columns.input_column import is_missing
from .columns.number import Number


def column_names(arguments):
    """Return {argument: name} of the arguments that name a column of X. arguments : FitArguments"""
    values = {name: getattr(arguments, name) for name in (*features.NAMED_IN, "time")}
    names = {name: value for name, value in values.items() if isinstance(value, str)}
    for argument, name in names.items():
        if isinstance(arguments.y, str) and name == arguments.y:
            raise DataError(
                "{argument} names the column of the targets.",
                "Name another column.",
                argument=Argument(argument, name),
            )
    return names


def left_out(names):
    """Return {name of a column: why it is not an input}. names : {argument: name of a column}"""
    return {
        name: features.NAMED_IN[argument]
        for argument, name in names.items()
        if argument in features.NAMED_IN
    }


class RowColumns:
    """The weights, groups and times of a table, which is read at once or batch by batch.

    Parameters
    ----------
    arguments : FitArguments

    Attributes
    ----------
    names : dict
        {argument: name} of the arguments that name a column of X.
    """

    def __init__(self, arguments):
        self.arguments, self.names = arguments, column_names(arguments)
        self._parts: dict = {name: [] for name in ("groups", "time") if name in self.names}

    def weight(self, frame, passed=None):
        """Return the weights of the rows of a Frame. passed : those that were passed beside it"""
        name = self.names.get("sample_weight")
        if name is None:
            return passed
        if passed is not None:
            raise DataError(
                "{argument} names a column, but the row groups have weights, too.",
                "Pass only one of the two.",
                argument=Argument("sample_weight", name),
            )
        return to_weights(named_column(frame, "sample_weight", name), name)

    def add(self, frame):
        """Keep the groups and times of the rows of a Frame."""
        for argument, parts in self._parts.items():
            parts.append(named_column(frame, argument, self.names[argument]))

    def _named(self, argument):
        """Return the InputColumn that an argument names, and the name."""
        name = self.names[argument]
        return input_column.join_parts(self._parts[argument], name), name

    def groups(self, n):
        """Return the group numbers of all n rows, or None."""
        if "groups" in self.names:
            return to_groups(*self._named("groups"))
        groups = self.arguments.groups
        return None if groups is None else group_numbers(groups, n)

    def times(self, n):
        """Return the Times of all n rows, or None."""
        if "time" in self.names:
            return to_times(*self._named("time"))
        times = self.arguments.time
        return None if times is None else to_times(from_values("time", times, n))


def notes(names, groups, times):
    """Yield a Message about the rows without a time, and one about those without a group.

    Parameters
    ----------
    names : dict
        {argument: name} of the arguments that name a column of X.
    groups : ndarray (n,) of int, or None
    times : Times or None
    """
    gaps = {"groups": (groups, ""), "time": (None if times is None else times.numbers, "")}
    if times is not None and times.other:
        other = f" or not a time, such as {printable(times.other)!r}"
        gaps["time"] = times.numbers, other
    for argument, (numbers, other) in gaps.items():
        if numbers is not None and (n := int((numbers < 0).sum())):
            yield Message(
                "{rows} left out of training and scores: {argument} is missing there{other}.",
                rows=plural(n, "row"),
                argument=_argument(argument, names.get(argument)),
                other=other,
            )


def named_column(frame, argument, name):
    """Return the InputColumn of a Frame that an argument names."""
    if frame.names is None:
        raise DataError(
            "{argument} names a column of X, but the columns of X have no names.",
            "Pass the values as an array.",
            argument=Argument(argument, name),
        )
    if name not in frame.names:
        raise DataError(
            "{argument} names a column that X does not have.",
            "{did_you_mean}",
            argument=Argument(argument, name),
            column=name,
            did_you_mean=did_you_mean(name, frame.names),
        )
    return frame.columns[frame.names.index(name)]


def from_values(argument, values, n):
    """Return the InputColumn of the values that were passed for n rows."""
    check_length(argument, values, n)
    if hasattr(values, "iloc") and hasattr(values, "dt"):
        return input_column.from_series(values, argument)
    if hasattr(values, "to_arrow"):  # Polars
        values = values.to_arrow()
    if hasattr(values, "dictionary_encode"):
        return input_column.from_chunks(values, argument)
    values = _to_array(values)
    if values.ndim != 1:
        raise DataError(
            "{argument} must have shape ({n},), one value for each row, got {shape}.",
            argument=argument,
            n=n,
            shape=repr(values.shape),  # a tuple would be a text in parts
        )
    return input_column.from_vector(values, argument)


def _to_array(values):
    """Return values as an array. NumPy would make floats of a list with long whole numbers."""
    array = np.asarray(values)
    if array.ndim == 1 and array.dtype.kind == "f" and isinstance(values, (list, tuple)):
        if any(map(is_wide_integer, values)):
            return np.array([*values, None], object)[:-1]
    return array


# ---- weights and groups ----


def to_weights(column, name):
    """Return a column of weights in float64. Other checks are those of an array."""
    if column.kind == "time":
        raise DataError(
            "{argument} names a column of dates or times.",
            "Name one of numbers.",
            argument=Argument("sample_weight", name),
        )
    weight = Number.declare(name, column).convert(column)
    _refuse_missing(np.isnan(weight), "sample_weight", name, "Fill it in: 0 leaves the row out.")
    if (weight < 0).any():
        row = int((weight < 0).argmax())
        raise DataError(
            "{argument} holds {value:g} in {row}, but weights must be at least 0.",
            "Correct the value.",
            argument=Argument("sample_weight", name),
            row=row,
            value=weight[row],
        )
    return weight


def to_groups(column, name):
    """Return the number of the group of each row of a column, -1 if it is missing."""
    codes, texts = input_column.to_texts(column)
    missing = codes < 0
    if column.kind == "text":
        marks = np.array([*map(is_missing_mark, texts), True])
        missing = marks[codes]
    used, first, numbers = np.unique(codes[~missing], return_index=True, return_inverse=True)
    _check_number(len(used), name)
    groups = np.full(len(codes), -1, np.intp)
    groups[~missing] = np.argsort(np.argsort(first))[numbers]  # by first occurrence
    return groups


def _check_number(n_groups, name=None):
    """Raise a DataError for fewer than two groups."""
    if n_groups < 2:
        raise DataError(
            "{argument} holds {n}, but at least 2 are needed.",
            "Leave {name} out.",
            argument=_argument("groups", name),
            n="one group" if n_groups else "no group",
        )


def _argument(argument, name):
    """Return an Argument. name : of the column that it names, None if values were passed"""
    return Argument(argument, name) if name else Argument(argument)


def _refuse_missing(missing, argument, name, advice):
    if missing.any():
        raise DataError(
            "{argument} has a missing value in {row}.",
            advice,
            argument=_argument(argument, name),
            row=int(missing.argmax()),
        )


# ---- times ----


@dataclass(eq=False, repr=False)
class Times:
    """The time values of the rows.

    Attributes
    ----------
    numbers : ndarray (n,) of int
        The position of the value of each row among the distinct ones, which ascend; -1 if it is
        missing, or a text that is not a time.
    first, last : str
        The first and the last value as texts.
    other : str
        One of the texts that are not times, "" without any.
    """

    numbers: np.ndarray
    first: str
    last: str
    other: str = ""


def to_times(column, name=None):
    """Return the Times of a column of dates, times or numbers.

    name : str, optional
        Of the column, for messages; None if values were passed.
    """
    argument, other = _argument("time", name), ""
    values, kind, exact = column.values, column.kind, column.whole
    if kind == "text":
        values, kind, exact, other = _parse(column, argument)
    known = ~np.isnan(values)
    present = values[known] if exact is None else exact[known]
    distinct, numbers = np.unique(present, return_inverse=True)
    if not len(distinct):
        raise DataError(
            "{argument} is missing in every row.",
            "Leave {name} out, or choose another column.",
            argument=argument,
        )
    to_text = input_column.number_text if kind == "number" else input_column.time_text
    first, last = map(to_text, distinct[[0, -1]].tolist())
    if len(distinct) < 2:
        raise DataError(
            "{argument} is {value} in every row that has a time, but at least 2 values are needed.",
            "Leave {name} out, or choose another column.",
            argument=argument,
            value=first,
        )
    all_numbers = np.full(len(values), -1, np.intp)
    all_numbers[known] = numbers
    return Times(all_numbers, first, last, other)


def _parse(column, argument):
    """Return the numbers, or seconds since 1970, of a column of texts, and which they are.

    Also return the numbers without rounding, if that matters, as `InputColumn.whole` does, and a text
    that is neither a number nor a date.
    """
    present = column.present
    if not present:
        return np.full(len(column.values), np.nan), "number", None, ""
    found = recognise(column.texts, column.count_texts)
    if found is not None:
        values, exact = np.array([*found.values, np.nan])[column.values], None
        if find_wide(present, found) is not None:
            numbers = [to_whole(text, found.style) for text in column.texts]
            numbers = [x if n is None else n for n, x in zip(numbers, found.values)]
            exact = np.array([*numbers, 0], object)[column.values]
        return values, found.kind, exact, found.others[0] if found.others else ""
    text = next((t for t in present if recognise([present[0], t]) is None), present[0])
    like = "" if recognise(present[:1]) is None else " like the others"
    raise DataError(
        "{argument} holds {value!r} in {row}, which is not a date or a number{like}.",
        "Correct the value, or convert the column to dates such as 2026-01-31.",
        argument=argument,
        row=int((column.values == column.texts.index(text)).argmax()),
        value=printable(text),
        like=like,
    )


def check_length(argument, values, n):
    """Check that an argument has a value for each of n rows."""
    refuse_classes(**{argument: values})
    has_rows = hasattr(values, "__len__") and getattr(values, "ndim", 1) > 0
    shape = (len(values),) if has_rows else np.asarray(values).shape
    if not shape:
        raise ValueError(
            f"{argument} must have shape ({n},), one value for each row, got {values!r}"
        )
    check_rows(argument, shape[0], n)


def group_numbers(groups, n):
    """Return the number of the group of each row, -1 if it is missing."""
    check_length("groups", groups, n)
    if hasattr(groups, "to_arrow"):  # Polars
        groups = groups.to_arrow()
    if hasattr(groups, "dictionary_encode"):  # NumPy would round whole numbers beside missing ones
        groups = groups.to_pylist()
    groups = _to_array(groups)
    if groups.ndim != 1:
        raise ValueError(
            f"groups must have shape ({n},), one group for each row, got {groups.shape}"
        )
    numbers: dict = {}
    out = np.full(n, -1, np.intp)
    for i, group in enumerate(groups.tolist()):
        is_mark = isinstance(group, str) and is_missing_mark(group)
        if not (is_mark or is_missing(group)):
            out[i] = numbers.setdefault(group, len(numbers))
    _check_number(len(numbers))
    return out
