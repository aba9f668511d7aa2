"""The kinds of the columns of a training table."""

from numbers import Integral

import numpy as np

from ...core.errors import Argument, DataError
from ...core.messages import did_you_mean
from ...files.checks import check
from ...tables.texts import is_missing_mark
from . import KINDS
from .category import Category

#: The arguments of the estimators that name columns.
ARGUMENTS = (*(cls.argument for cls in KINDS.values()), "drop")
NAMED_IN_DROP = "named in drop"  # the reason why a column is left out
#: The same of the columns that hold a weight or a group, by argument of `fit`.
NAMED_IN = {"sample_weight": "named in sample_weight", "groups": "named in groups"}
#: These reasons on the command line.
OPTIONS = {
    NAMED_IN_DROP: "--drop",
    NAMED_IN["groups"]: "--group",
    NAMED_IN["sample_weight"]: "--weight",
}


def from_json(d):
    """Return the Column that `Column.to_json` described."""
    fields = dict(d)
    check(fields["kind"] in KINDS, "columns")
    return KINDS[fields.pop("kind")](**fields)


def find(frame, no_inputs=(), **declared):
    """Return [(position, Column)] of the usable columns, and {label: reason} of the others.

    Parameters
    ----------
    frame : Frame
    no_inputs : dict of str to str, or ()
        Why columns are not inputs, by label.
    declared : sequences of names or positions, or None
        Columns whose kind the user knows, by the name in `ARGUMENTS`.
    """
    chosen: dict = {}
    for argument in ARGUMENTS:
        for position in positions(argument, declared.get(argument), frame):
            if chosen.setdefault(position, argument) != argument:
                raise DataError(
                    "column {column!r} is in both {other} and {argument}.",
                    "Name it once.",
                    argument=argument,
                    column=frame.labels()[position],
                    other=Argument(chosen[position]),
                )
    class_of = {cls.argument: cls for cls in KINDS.values()}
    found, left_out = [], {}
    for i, (label, raw) in enumerate(zip(frame.labels(), frame.columns)):
        if label in no_inputs or chosen.get(i) == "drop":
            left_out[label] = no_inputs[label] if label in no_inputs else NAMED_IN_DROP
            continue
        present = None
        if raw.kind == "text":
            present = [text for text in raw.texts if not is_missing_mark(text)]
        if not present if raw.kind == "text" else np.isnan(raw.values).all():
            left_out[label] = "all values are missing"
        elif i in chosen:
            found.append((i, class_of[chosen[i]].declare(label, raw, present)))
        else:
            found.append((i, guess(label, raw, present)))
    return found, left_out


def guess(label, raw, present):
    """Return the Column of values whose kind the user does not know, as `Column.guess` does."""
    for cls in KINDS.values():
        column = None if raw.declared else cls.guess(label, raw, present)
        if column is not None:
            return column
    return Category.declare(label, raw, present)


def positions(argument, names, frame):
    """Return the positions of columns that an argument names. names : as passed, or None"""
    if isinstance(names, (str, Integral)):
        names = [names]
    out = []
    for name in () if names is None else names:
        if isinstance(name, str):
            if frame.names is None:
                raise DataError(
                    "{argument} names the column {column!r}, but the columns of X have no names.",
                    "Pass its position.",
                    argument=argument,
                    column=name,
                )
            if name not in frame.names:
                raise DataError(
                    "{argument} names the column {column!r}, which X does not have.",
                    "{did_you_mean}",
                    argument=argument,
                    column=name,
                    did_you_mean=did_you_mean(name, frame.names),
                )
            out.append(frame.names.index(name))
        elif isinstance(name, Integral) and not isinstance(name, (bool, np.bool_)):
            i, n = int(name), len(frame.columns)
            if not -n <= i < n:
                raise DataError(
                    "{argument} names column {i}, but X has {n} columns.",
                    "Pass a name, or a position from 0 to {last}.",
                    argument=argument,
                    i=i,
                    n=n,
                    last=n - 1,
                )
            out.append(i % n)
        else:
            raise DataError(
                "{argument} must hold names or positions of columns, got {value!r} of type {type}",
                argument=argument,
                value=name,
                type=type(name).__name__,
            )
    return out
