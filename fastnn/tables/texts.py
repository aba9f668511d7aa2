"""Numbers and dates that are written as texts.

The functions take the distinct texts of a column. They find how the column is written once, on the
training table; `parse_number` and `parse_date` then read any table in the same way. Styles and
formats are texts, so a model file can keep them. `convert_texts` is for work in Python: the
estimators do not need it.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from ..core.messages import plural, printable
from . import dates
from .dates import parse_date
from .missing_marks import is_missing_mark, present_texts
from .number_styles import describe_number_style, find_style, number_style
from .number_texts import parse_number
from .recognition import examples, read
from .recognition import recognise as recognise_most
from .table_errors import import_pyarrow, to_table
from .wide_numbers import is_wide

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

__all__ = [
    "convert_texts",
    "date_format",
    "describe_date_format",
    "describe_number_style",
    "is_missing_mark",
    "number_style",
    "other_texts",
    "parse_date",
    "parse_number",
    "recognise",
]

MOST_OTHERS = 0.1  # share of the distinct texts
FEW = 10  # distinct texts


def other_texts(distinct):
    """Return the texts that keep a column from being numbers.

    There are none unless nine in ten of more than ten texts are numbers.
    """
    present = present_texts(distinct)
    style, n_others = find_style(present)
    if style is None or len(present) <= FEW or n_others > MOST_OTHERS * len(present):
        return []
    return read(distinct, "number", style).others


def date_format(distinct, compact=False):
    """Return the format in which all texts are dates, or None.

    Parameters
    ----------
    distinct : sequence of str
        The distinct texts of a column. Marks for missing values are ignored. They decide whether
        the day or the month comes first; the month does if both are possible.
    compact : bool, default False
        Whether eight digits, such as 20260131, are a date.

    Returns
    -------
    str or None
        "iso" or a format such as "%d.%m.%Y". A time can follow in any format.
    """
    return dates.find_format(present_texts(distinct), compact)


def describe_date_format(name, distinct=()):
    """Return a date format as text for people: 'dates written as month/day/year'."""
    if name == "iso":
        return "dates"
    text = {"%Y": "year", "%y": "year", "%m": "month", "%d": "day", "%q": "quarter"}
    text |= {"%b": "month", "%B": "month"}
    separator = " " if name in dates.COMPACTS else ""
    name_only = name.replace("Q%q", "%q")
    written = re.sub(r"%[YymdbBq]", lambda match: text[match[0]] + separator, name_only).strip()
    present = present_texts(distinct)
    swapped = present and dates.is_ambiguous(present, name)
    example = f" (day and month could be swapped, as in {present[0]})" if swapped else ""
    return f"dates written as {written}{example}"


# ---- tables ----


def recognise(distinct):
    """Return how the distinct texts of a column are written: (kind, style, description).

    The kind is "number" with a style, "date" with a format, or None.
    """
    found = recognise_most(distinct)
    if found is None:
        return None, None, "texts"
    return found.kind, found.style, describe(found, distinct)


def describe(found, distinct, n_others=None):
    """Return how numbers or dates are written, as text for people.

    Parameters
    ----------
    found : Recognised
    distinct : sequence of str
    n_others : int, optional
        In how many rows its other texts are.
    """
    if found.kind == "number":
        text = describe_number_style(found.style, distinct)
    else:
        text = describe_date_format(found.style, distinct)
    if found.others:
        n = len(found.others) if n_others is None else n_others
        text += f"; {plural(n, 'other value')} ({examples(found.others)}) missing"
    return text


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
    pa, columns = import_pyarrow(), []
    table = to_table(table)
    for name, column in zip(table.column_names, table.columns):
        kind = plain_type(column.type)
        if pa.types.is_string(kind) and name not in text_columns:
            texts = column.cast(kind)
            counts = count_rows(texts)
            found = recognise_most(list(counts), lambda counts=counts: counts, name)
            wide = find_wide(counts, found)
            if found is not None and wide is None:
                column = to_values(texts, counts, found)
            if found is not None and on_note is not None:
                n = sum(counts[text] for text in found.others)
                what = describe(found, counts, n)
                if wide is not None:
                    what = f"whole numbers such as {printable(wide)!r} stay texts, or they would be rounded"
                on_note(f"column {printable(name)!r}: {what}")
        columns.append(column)
    return pa.Table.from_arrays(columns, table.column_names)


def find_wide(distinct, found):
    """Return the first text that is a whole number which float64 may round, or None.

    found : Recognised or None
    """
    if found is None or found.kind != "number":
        return None
    return next((text for text in distinct if is_wide(text, found.style)), None)


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
    if isinstance(encoded, pa.ChunkedArray):  # of older versions of pyarrow
        encoded = encoded.combine_chunks()
    value_of = dict(zip(distinct, found.values))
    values = [value_of[text] for text in encoded.dictionary.to_pylist()]
    if found.kind == "number":
        return pa.array(values, pa.float64(), from_pandas=True).take(encoded.indices)
    microseconds = [None if math.isnan(x) else round(x * 1e6) for x in values]
    return pa.array(microseconds, pa.int64()).take(encoded.indices).cast(pa.timestamp("us", "UTC"))
