"""Columns of numbers, and of texts that are numbers."""

import math
import re
from numbers import Integral
from typing import ClassVar

import numpy as np

from ...core.errors import Argument, DataError, Message, Wording
from ...core.messages import printable
from ...tables.cells.missing import present_texts
from ...tables.cells.numbers import (
    DECIMAL_COMMA,
    PART_STYLES,
    PLAIN_STYLE,
    WIDE,
    describe_number_style,
    find_style,
    is_number_style,
    is_wide,
    parse_number,
    with_ranges,
)
from ...tables.cells.recognition import find_padded, truth
from .column import Numeric
from .date import compact_format
from .input_column import InputColumn, read_numbers

#: Numbers that may be times, if their column is named so: years, or seconds since 1970.
YEARS, MIN_SECONDS = (1500, 2200), 1e8
YEAR = re.compile(r"(?:^|(?<!of)[\W_])(?:year|jahr|ann[eé]e|a[nñ]o|season|timestamp|epoch)$", re.I)

#: Names of columns whose whole numbers may be ids or codes, whose order says nothing.
MAX_CODES = 10  # values of a column that is as good as numbers
ID = re.compile(r"(?:^|[\W_])(?i:ids?|codes?|zip|zipcode|postcode|plz)$|[a-z](?:Id|ID|Code)$")


class Number(Numeric):
    """A column of numbers. Its style is one of `numbers.number_style`."""

    kind: ClassVar[str] = "number"
    argument: ClassVar[str] = "numbers"
    option_help: ClassVar[str] = "columns to treat as numbers"
    has_units: ClassVar[bool] = True

    @classmethod
    def guess_values(cls, label, raw):
        is_number = raw.kind == "number" and not compact_format(raw)
        return cls(label, raw.style) if is_number else None

    @classmethod
    def declare(cls, label, raw):
        if raw.kind != "text":
            return cls(label, raw.style)
        numbers = [text for text in raw.present if truth(text) is None]
        texts = present_texts(numbers)
        style, n_others = find_style(texts, label) if numbers else (PLAIN_STYLE, 0)
        if style is None:
            wrong = (text for text in numbers if math.isnan(to_number(text, PLAIN_STYLE)))
            raw.refuse(label, next(wrong, numbers[0]), "a number")
        return cls(label, with_ranges(style, texts) if n_others else style, True, n_others > 0)

    def is_style(self):
        return self.style is None or is_number_style(self.style)

    def needs_texts(self):
        # 1.234 stands for 1234 in some styles, also of a file with decimal commas.
        return (self.from_text and self.style != PLAIN_STYLE) or self.style == DECIMAL_COMMA

    def may_be_times(self, raw):
        if not YEAR.search(self.label):
            return False
        return raw.kind != "number" or _are_years(raw.values[~np.isnan(raw.values)])

    def find_style(self, raw):
        return self.style or PLAIN_STYLE, to_number

    def expected(self):
        if self.style in PART_STYLES:
            return PART_STYLES[self.style].name
        style = self.style or PLAIN_STYLE
        return describe_number_style("|".join(style.split("|")[:3]))

    def find_wide(self, raw):
        """Return the first whole number that `convert` may round, as a text, or None."""
        if raw.kind == "text":
            style = self.style or PLAIN_STYLE
            return next((text.strip() for text in raw.texts if is_wide(text, style)), None)
        if raw.whole is None:
            return None
        large = raw.whole[np.abs(raw.values) >= WIDE]
        return next((str(x) for x in large if isinstance(x, Integral)), None)

    def explain_no_feature(self, raw, values):
        if self.find_wide(raw) is None:
            return super().explain_no_feature(raw, values)
        return "all values are equal once they are rounded to 16 digits"

    def style_note(self, raw):
        wide = self.find_wide(raw)
        if wide is not None:
            return Message(
                "column {column!r}: whole numbers such as {wide} are rounded to 16 digits. If they "
                "are ids, pass {categories} or {drop}.",
                column=printable(self.label),
                wide=printable(wide),
                categories=Argument("categories", [self.label]),
                drop=Argument("drop", [self.label]),
            )
        padded = raw.padded
        if raw.kind == "text" and self.style == PLAIN_STYLE:
            padded = find_padded(present_texts(raw.texts))
        if padded is not None:
            return Message(
                "column {column!r}: numbers such as {padded!r} lose the zeros before them. If they are "
                "codes, pass {categories}.",
                column=printable(self.label),
                padded=printable(padded),
                categories=Argument("categories", [self.label]),
            )
        if raw.kind != "text" or self.style is None:
            return None
        what = describe_number_style(self.style, raw.texts)
        if self.style.count("|") == 2 and what == describe_number_style(self.style):
            return None
        return Message(
            "column {column!r}: {what}. Pass {categories} to keep its texts.",
            column=printable(self.label),
            what=what,
            categories=Argument("categories", [self.label]),
        )

    def may_be_ids(self, raw):
        if self.style not in (None, PLAIN_STYLE) or not ID.search(self.label):
            return False
        values = self.convert(raw)
        values = np.unique(values[~np.isnan(values)])
        are_whole = (values == np.round(values)) & (np.abs(values) < 2**53)
        return len(values) > MAX_CODES and bool(are_whole.all())

    def convert(self, raw):
        if raw.kind == "time" and not np.isnan(raw.values).all():
            raise DataError(
                "column {column!r} holds dates or times, but numbers are expected.",
                "Convert it to numbers.",
                column=self.label,
            )
        values = raw.values
        if raw.kind == "text":
            is_plain = self.style in (None, PLAIN_STYLE)
            what = "a number" if is_plain else "a number like those of the training table"
            values = self.convert_texts(raw, what)
        infinite = np.isinf(values)
        if infinite.any():
            raise DataError(
                "column {column!r} is infinite in {row}.",
                "Replace the value, or leave it empty if it is missing.{rule}",
                column=self.label,
                row=int(infinite.argmax()),
                rule=Wording(" X must not contain infinity.", "", ""),
            )
        return values

    # ---- JSON ----

    def describe_json(self, categories, typical):
        example = float(f"{1.0 if typical is None else typical:.4g}")
        if example.is_integer() and math.fabs(example) < 2**53:
            example = int(example)
        is_styled = self.style not in (None, PLAIN_STYLE)
        texts = ", also as a text like those of the training table" * is_styled
        schema = {"type": ["number", "string", "boolean", "null"]}
        return f"a number{texts}; null if it is missing", schema, example

    def json_reader(self, categories):
        style, parse = self.find_style(None)
        return lambda values: read_numbers(values, parse, style)

    def from_json_values(self, values):
        return InputColumn("number", np.array(values, "float64"))


def _are_years(values):
    """Whether numbers are years, or seconds since 1970."""
    if not len(values) or (values != np.round(values)).any():
        return False
    return values.min() >= MIN_SECONDS or (YEARS[0] <= values.min() and values.max() <= YEARS[1])


def to_number(text, style):
    """Return the number that a text stands for, NaN if it is none; "true" is 1, "false" is 0."""
    value = truth(text)
    return parse_number(text, style) if value is None else value
