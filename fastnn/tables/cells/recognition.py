"""Recognition of a column of texts as numbers, dates, or texts.

Nearly all texts decide. The others are errors of typing, lines that went wrong, or words such as
"unknown", and count as missing. Codes that are numbers but for some letters (V27, 90210-1234) are not
numbers; see docs/decisions/0038-numbers-are-numbers.md.

The functions take the distinct texts of a column. They find how the column is written once, on the
training table; `parse_number` and `parse_date` then read any table in the same way. Styles and
formats are texts, so a model file can keep them. `convert_texts` is for work in Python: the
estimators do not need it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ...core.messages import plural, printable
from ...core.validation import check_function, refuse_text
from ..errors import import_pyarrow, to_table
from . import dates, numbers
from .missing import is_missing_mark, present_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

FEWEST = 10  # so many distinct numbers, or fewer, are not recognised beside other texts
MOST_TEXTS = 0.05  # share of the others among the distinct texts
MOST_ROWS = 0.05  # share of the others among the rows
#: If so many distinct texts are numbers, others in few rows may be more of the texts.
MANY, MOST_TEXTS_OF_MANY, MOST_ROWS_OF_MANY = 50, 0.2, 0.02
FEW_TEXTS, FEW_ROWS = 2, 0.01  # so many others in so few rows may be more of the distinct texts
MOST_ROWS_OF_WORD = 0.5  # share of one word, such as "unknown": missing tells the same
MOST_CODES = 0.005  # share of the codes among the distinct texts
CODE = re.compile(r"[^\W\d_]\d|\d[^\W\d_]|\d-\d")
HOW_MANY = 3  # examples
MIN_CODE = 3  # digits
MAX_CLASS_NUMBERS = 10  # whole numbers with more distinct values are numbers, not classes
MOST_OTHERS = 0.1  # share of the distinct texts that keep a column from being numbers
TRUTHS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Recognised:
    """What the texts of a column are.

    Attributes
    ----------
    kind : {"number", "date"}
    style : str
        Of a number, or the format of dates.
    values : list of float
        The number of each distinct text, or its seconds since 1970; NaN for missing values and others.
    others : list of str
        The texts that are not of this kind, which count as missing.
    """

    kind: str
    style: str
    values: list
    others: list


def recognise(distinct, rows=None, name=""):
    """Return the Recognised of a column whose texts are all, or nearly all, numbers or dates, else None.

    Parameters
    ----------
    distinct : sequence of str
        The distinct texts. Marks for missing values are ignored.
    rows : callable, optional
        Returns {text: in how many rows it is}. By default one row.
    name : str, default ""
        That of the column; see `numbers.find_style`.
    """
    present, rows = present_texts(distinct), rows or (lambda: dict.fromkeys(distinct, 1))
    for kind, style, is_of_all in _steps(present, name):
        if style is None:
            continue
        found = recognise_in_style(distinct, kind, style)
        if not found.others if is_of_all else _are_enough(found, present, rows):
            return found
    return None


def _steps(present, name):
    """Yield what the texts of a column may be, in the order in which it is tried.

    Yields
    ------
    kind : {"number", "date"}
    style : str or None
        The style of numbers or format of dates that most texts have, if they have any.
    is_of_all : bool
        Whether all texts must have it. Otherwise a few may be others.
    """
    if not present:
        return
    yield "date", dates.find_compact(present), True  # 20260131, before it is a number
    style, n_others = numbers.find_style(present, name)
    yield "number", style if n_others == 0 else None, True
    yield "date", dates.find_format(present), True
    if len(present) > FEWEST:
        yield "number", numbers.with_ranges(style, present), False
        yield "date", dates.find_format_of_most(present), False


def recognise_in_style(distinct, kind, style):
    """Return the Recognised of texts in a style."""
    is_number = kind == "number"
    convert = numbers.parser(style) if is_number else partial(dates.parse_date, name=style)
    values, others = [], []
    for text in distinct:
        value = math.nan
        if not is_missing_mark(text):
            value = convert(text.strip())
            if not math.isfinite(value):
                others.append(text)
        values.append(value)
    return Recognised(kind, style, values, others)


def _are_enough(found, present, rows):
    """Whether a column is what a Recognised says, although some of its texts are not."""
    others = found.others
    if found.kind == "number" and _are_codes(others, present):
        return False
    counts = {text: count for text, count in rows().items() if not is_missing_mark(text)}
    n, n_others, n_rows = len(present), len(others), sum(counts.values())
    rows = sum(counts[text] for text in others)
    if n - n_others <= FEWEST:
        return False
    if n_others <= FEW_TEXTS and rows <= FEW_ROWS * n_rows:
        return True
    is_sure = n - n_others >= MANY and n_others <= MOST_TEXTS_OF_MANY * n
    if is_sure and rows <= MOST_ROWS_OF_MANY * n_rows:
        return True
    words = [counts[text] for text in others if not any(map(str.isdecimal, text))]
    frequent = max(words, default=0)
    if frequent <= MOST_ROWS_OF_WORD * n_rows:
        rows -= frequent
    return n_others <= MOST_TEXTS * n and rows <= MOST_ROWS * n_rows


def _are_codes(others, present):
    """Whether numbers beside other texts are codes, such as diagnoses, houses and postal codes."""
    n = len(present)
    n_codes, n_zeros = sum(map(_is_code, others)), sum(map(begins_with_zero, present))
    return n_zeros > MOST_CODES * n or n_codes > max(1, MOST_CODES * n)


def _is_code(text):
    if CODE.search(text) is None:
        return False
    number = numbers.match_number(text.strip())
    return number is None or len(number.unit.name) == 1  # 12A, but not 12 km


def begins_with_zero(text):
    """Whether a text is digits that begin with 0, like a postal code."""
    return text[:1] == "0" and len(text) > 1 and text.isdecimal()


def find_padded(texts):
    """Return the first text that begins with 0, if all are equally long, as postal codes are; or None."""
    lengths = set(map(len, texts))
    if len(lengths) != 1 or min(lengths) < MIN_CODE:  # 08 is an hour or a month
        return None
    return next(filter(begins_with_zero, texts), None)


def are_class_numbers(n_distinct, n_rows):
    """Return whether whole numbers are classes: few ones, most of which occur more than once."""
    return n_distinct <= min(MAX_CLASS_NUMBERS, n_rows / 2)


def truth(text):
    """Return 1.0 for a text like true, 0.0 for one like false, else None.

    `recognise` takes both for texts. The estimators take them for numbers.
    """
    return TRUTHS.get(text.strip().lower())


def examples(others):
    """Return the first of some texts for a message."""
    shown = ", ".join(repr(printable(text)) for text in others[:HOW_MANY])
    return shown + (", ..." if len(others) > HOW_MANY else "")


def other_texts(distinct):
    """Return the texts that keep a column from being numbers.

    There are none unless nine in ten of more than ten texts are numbers.
    """
    present = present_texts(distinct)
    style, n_others = numbers.find_style(present)
    if style is None or len(present) <= FEWEST or n_others > MOST_OTHERS * len(present):
        return []
    return recognise_in_style(distinct, "number", style).others


# ---- tables ----


def convert_texts(
    table: Any, text_columns: Collection[str] = (), on_note: Callable[[str], None] | None = None
) -> Any:
    """Convert columns of texts that are numbers or dates.

    Parameters
    ----------
    table : pyarrow.Table, or DataFrame (pandas, Polars)
    text_columns : collection of str, default ()
        Columns that stay texts.
    on_note : function, optional
        Called with a text for each column that is converted.

    Returns
    -------
    pyarrow.Table
        Numbers are float64, dates are timestamps in UTC, and other columns are unchanged. If nearly
        all texts of a column are numbers or dates, the others are missing. Columns with whole
        numbers from 2**53 on, such as long ids, stay texts.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from fastnn import tables
    >>> table = pa.table({"price": ["$1,234.50", "$99"], "share": ["12%", "7.5%"]})
    >>> tables.convert_texts(table).to_pydict()
    {'price': [1234.5, 99.0], 'share': [12.0, 7.5]}
    """
    refuse_text("text_columns", text_columns)
    check_function("on_note", on_note)
    pa, table, columns = import_pyarrow(), to_table(table), []
    for name, column in zip(table.column_names, table.columns):
        kind = plain_type(column.type)
        if pa.types.is_string(kind) and name not in text_columns:
            column, what = _convert_column(column, column.cast(kind), name)
            if what is not None and on_note is not None:
                on_note(f"column {printable(name)!r}: {what}")
        columns.append(column)
    return pa.Table.from_arrays(columns, table.column_names)


def _convert_column(column, texts, name):
    """Return a column converted if possible, and how it was written, as text for people, or None.

    texts : the values of the column as pyarrow.string
    """
    counts = count_rows(texts)
    found = recognise(list(counts), lambda: counts, name)
    if found is None:
        return column, None
    wide = find_wide(counts, found)
    if wide is not None:
        what = f"whole numbers such as {printable(wide)!r} stay texts, or they would be rounded"
        return column, what
    describe = {"number": numbers.describe_number_style, "date": dates.describe_date_format}
    what = describe[found.kind](found.style, counts)
    if found.others:
        n = sum(counts[text] for text in found.others)
        what += f"; {plural(n, 'other value')} ({examples(found.others)}) missing"
    return to_values(texts, counts, found), what


def find_wide(distinct, found):
    """Return the first text that is a whole number which float64 may round, or None.

    found : Recognised or None
    """
    if found is None or found.kind != "number":
        return None
    return next((text for text in distinct if numbers.is_wide(text, found.style)), None)


def plain_type(kind):
    """Return the type of the values of a column: that of a dictionary, and one type for all texts.

    pandas and Polars have texts of other types than files.
    """
    pa = import_pyarrow()
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if str(kind) in ("large_string", "string_view") else kind


def count_rows(column):
    """Return {text: number of rows} of a column of texts, in the order of their first rows."""
    counts = column.value_counts().to_pylist()
    return {d["values"]: d["counts"] for d in counts if d["values"] is not None}


def to_values(column, distinct, found):
    """Return a column of texts as float64, or as timestamps; null for missing values and others.

    distinct : the texts that `found`, a Recognised, has the values of
    """
    pa = import_pyarrow()
    encoded = column.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    value_of = dict(zip(distinct, found.values))
    values = [value_of[text] for text in encoded.dictionary.to_pylist()]
    if found.kind == "number":
        return pa.array(values, pa.float64(), from_pandas=True).take(encoded.indices)
    microseconds = [None if math.isnan(x) else round(x * 1e6) for x in values]
    return pa.array(microseconds, pa.int64()).take(encoded.indices).cast(pa.timestamp("us", "UTC"))
