"""Columns of numbers, and of texts that are numbers."""

from typing import ClassVar

import numpy as np

from ...core.errors import DataError, Wording
from ...tables import texts
from .column import Numeric, parse_distinct, parse_texts

TRUTHS = {"true": 1.0, "false": 0.0}
PLAIN = ".||"  # the style of plain numbers


class Number(Numeric):
    """A column of numbers. Its style is one of `texts.number_style`."""

    kind: ClassVar[str] = "number"
    argument: ClassVar[str] = "numbers"
    option_help: ClassVar[str] = "columns to treat as numbers"

    @classmethod
    def guess(cls, label, raw, present):
        if present is None:
            return cls(label) if raw.kind == "number" else None
        style = number_style(present)
        if style is None or np.isinf(parse_distinct(raw, style, to_number)).any():
            return None
        return cls(label, style, True)

    @classmethod
    def declare(cls, label, raw, present):
        return cls(label) if present is None else cls(label, number_style(present), True)

    def is_style(self):
        if self.style is None:
            return True
        marks = self.style.split("|")
        return len(marks) == 3 and tuple(marks[:2]) in texts.PUNCTUATION

    def needs_texts(self):
        return self.from_text and self.style != PLAIN  # 1.234 stands for 1234 in some styles

    def convert(self, raw):
        if raw.kind == "time" and not np.isnan(raw.values).all():
            raise DataError(
                "column {column!r} holds dates or times, but numbers are expected.",
                "Convert it to numbers.",
                column=self.label,
            )
        values = raw.values
        if raw.kind == "text":
            style = self.style or PLAIN
            what = "a number" if style == PLAIN else "a number like those of the training table"
            values = parse_texts(raw, self.label, style, to_number, what)
        infinite = np.isinf(values)
        if infinite.any():
            raise DataError(
                "column {column!r} is infinite in {row}.",
                "Replace the value, or leave it empty if it is missing.{rule}",
                column=self.label,
                row=int(infinite.argmax()),
                rule=Wording(" X must not contain infinity.", ""),
            )
        return values


def number_style(present):
    """Return the style in which all texts are numbers, or None. "true" and "false" are numbers."""
    others = [text for text in present if text.strip().lower() not in TRUTHS]
    return texts.number_style(others) if others else PLAIN


def to_number(text, style):
    """Return the number that a text stands for, NaN if it is none; "true" is 1, "false" is 0."""
    truth = TRUTHS.get(text.strip().lower())
    return texts.parse_number(text, style) if truth is None else truth
