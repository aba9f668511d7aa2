"""Find out what the columns of a table are, and convert them: numbers, categories or dates."""

import math
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from ..errors import Argument, DataError, Wording
from ..messages import did_you_mean, printable
from ..tables import texts
from ..tables.dates import COMPACT, FORMATS
from ..tables.texts import is_missing_mark, parse_date
from .raw_columns import number_text, to_texts

KINDS = "number", "category", "date"
TRUTHS = {"true": 1.0, "false": 0.0}
PLAIN = ".||"  # the style of plain numbers
NAMED_IN_DROP = "named in drop"  # the reason why a column is left out


class KindError(DataError):
    """A text that is not what its column holds."""


@dataclass
class Column:
    """What a column of the training table is, and how to read it.

    Attributes
    ----------
    label : str
        Its name, or its number as a text.
    kind : {"number", "category", "date"}
    style : str or None
        How the texts of a column of numbers or dates are written: a style of `texts.number_style`
        or a format of `texts.date_format`.
    from_text : bool
        Whether the training table held texts.
    """

    label: str
    kind: str
    style: str | None = None
    from_text: bool = False


def find(frame, numbers=(), categories=(), dates=(), drop=()):
    """Return [(position, Column)] of the usable columns, and {label: reason} of the others.

    Parameters
    ----------
    frame : Frame
    numbers, categories, dates, drop : sequences of names or positions
        Columns whose kind the user knows.
    """
    chosen: dict = {}
    for argument, names in (
        ("numbers", numbers),
        ("categories", categories),
        ("dates", dates),
        ("drop", drop),
    ):
        for position in positions(argument, names, frame):
            if chosen.setdefault(position, argument) != argument:
                raise DataError(
                    "column {column!r} is in both {other} and {argument}.",
                    "Name it once.",
                    argument=argument,
                    column=frame.labels()[position],
                    other=Argument(chosen[position]),
                )
    kind_of = {"numbers": "number", "categories": "category", "dates": "date"}
    found, left_out = [], {}
    for i, (label, raw) in enumerate(zip(frame.labels(), frame.columns)):
        kind, style = guess(raw)
        if chosen.get(i) == "drop":
            left_out[label] = NAMED_IN_DROP
        elif kind == "empty":
            left_out[label] = "all values are missing"
        else:
            if i in chosen:
                kind = kind_of[chosen[i]]
                style = _declared_style(label, raw, kind)
            found.append((i, Column(label, kind, style, raw.kind == "text")))
    return found, left_out


def _declared_style(label, raw, kind):
    """Return the style of a column whose kind the user knows, None if it does not hold texts."""
    if raw.kind != "text" or kind == "category":
        return None
    present = [text for text in raw.levels if not is_missing_mark(text)]
    if kind == "number":
        return _number_style(present)
    style = texts.date_format(present, compact=True)
    if style is None:
        formats = [f for f in FORMATS if parse_date(present[0], f) is not None]
        bad = next(
            (t for t in present if formats and parse_date(t, formats[0]) is None), present[0]
        )
        what, advice = (
            ("like the others", "Correct it, or leave it empty if it is missing.")
            if formats
            else (
                "in a format that fastnn knows, such as 2026-01-31",
                "Convert the column to dates.",
            )
        )
        raise DataError(
            "{argument} names the column {column!r}, which holds {value!r}. That is not a date {what}.",
            advice,
            argument="dates",
            column=label,
            value=printable(bad),
            what=what,
        )
    return style


def positions(argument, names, frame):
    """Return the positions of columns that an argument names."""
    if isinstance(names, (str, Integral)):
        names = [names]
    out = []
    for name in names:
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


def guess(raw):
    """Return the kind of a column, or "empty", and the style of its texts."""
    if raw.kind != "text":
        if np.isnan(raw.values).all():
            return "empty", None
        return "number" if raw.kind == "number" else "date", None
    present = [text for text in raw.levels if not is_missing_mark(text)]
    if not present:
        return "empty", None
    if raw.declared:
        return "category", None
    style = _number_style(present)
    if style is not None and not np.isinf(_parse(raw, style, _to_number)).any():
        return "number", style
    style = texts.date_format(present)
    return "category" if style is None else "date", style


def _number_style(present):
    """Return the style in which all texts are numbers, or None. "true" and "false" are numbers."""
    others = [text for text in present if text.strip().lower() not in TRUTHS]
    return texts.number_style(others) if others else PLAIN


# ---- convert ----


def convert(raw, column):
    """Return the values of a column of a table as its Column says.

    Numbers and dates: float64 (n,) with NaN for missing values. Categories: codes (n,) and the
    texts that they stand for; the code is -1 for missing values.
    """
    if column.kind == "category":
        return _to_texts(raw)
    if column.kind == "number":
        if raw.kind == "time" and not np.isnan(raw.values).all():
            raise DataError(
                "column {column!r} holds dates or times, but numbers are expected.",
                "Convert it to numbers.",
                column=column.label,
            )
        values = raw.values
        if raw.kind == "text":
            style = column.style or PLAIN
            what = "a number" if style == PLAIN else "a number like those of the training table"
            values = _of_texts(raw, column, style, _to_number, what)
        infinite = np.isinf(values)
        if infinite.any():
            raise DataError(
                "column {column!r} is infinite in {row}.",
                "Replace the value, or leave it empty if it is missing.{rule}",
                column=column.label,
                row=int(infinite.argmax()),
                rule=Wording(" X must not contain infinity.", ""),
            )
        return values
    if raw.kind == "time":
        return raw.values
    if raw.kind == "text":
        style = column.style or texts.date_format(raw.levels) or "iso"
        what = "a date like those of the training table" if column.style else "a date"
        return _of_texts(raw, column, style, _to_date, what)
    return _of_numbers(raw.values, column)


def _of_numbers(values, column):
    """Return the dates that numbers such as 20260131 stand for."""
    distinct, codes = np.unique(values, return_inverse=True)
    written = ["" if math.isnan(x) else number_text(x) for x in distinct.tolist()]
    dates = np.array([_to_date(text, COMPACT) for text in written])
    wrong = np.isnan(dates) & ~np.isnan(distinct)
    if wrong.any():
        first = int(wrong[codes].argmax())
        raise DataError(
            "column {column!r} holds the number {number:g} in {row}, but dates are expected.",
            "Convert the column to dates; 20260131 is one, too.",
            column=column.label,
            row=first,
            number=values[first],
        )
    return dates[codes]


def _to_number(text, style):
    """Return the number that a text stands for, NaN if it is none; "true" is 1, "false" is 0."""
    truth = TRUTHS.get(text.strip().lower())
    return texts.parse_number(text, style) if truth is None else truth


def _to_date(text, style):
    """Return the seconds since 1970 of a text, NaN if it is no date."""
    seconds = parse_date(text, style)
    return math.nan if seconds is None else seconds


def _parse(raw, style, parse):
    """Return the numbers that the levels of a column stand for, and a NaN for missing values."""
    if style not in raw.parsed:
        raw.parsed[style] = np.array([parse(text, style) for text in raw.levels] + [math.nan])
    return raw.parsed[style]


def _of_texts(raw, column, style, parse, what):
    """Return the numbers that the texts of a column stand for."""
    of_level = _parse(raw, style, parse)
    for i in np.flatnonzero(np.isnan(of_level[:-1])):
        text, rows = raw.levels[i], np.flatnonzero(raw.values == i)
        if not is_missing_mark(text) and len(rows):
            raise KindError(
                "column {column!r} holds {value!r} in {row}, which is not {what}.",
                "Correct the value, or leave it empty if it is missing.",
                column=column.label,
                row=int(rows[0]),
                value=printable(text),
                what=what,
            )
    return of_level[raw.values]


def _to_texts(raw):
    codes, levels = to_texts(raw)
    if raw.kind == "text":
        marks = [i for i, text in enumerate(levels) if is_missing_mark(text)]
        codes = np.where(np.isin(codes, marks), -1, codes) if marks else codes
    return codes, levels
