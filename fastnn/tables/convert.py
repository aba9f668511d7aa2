"""Convert the texts of a table that are numbers or dates, for work in Python.

The estimators do not need this: they keep how each column is written, and read new tables in the
same way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..core.messages import printable
from . import texts
from .errors import import_pyarrow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any


def recognise(distinct):
    """Return how the distinct texts of a column are written: (kind, style, description).

    The kind is "number" with a style, "date" with a format, or None.
    """
    style = texts.number_style(distinct)
    if style is not None:
        return "number", style, texts.describe_number_style(style)
    name = texts.date_format(distinct)
    if name is not None:
        return "date", name, texts.describe_date_format(name, distinct)
    return None, None, "texts"


def convert_texts(
    table: Any, text_columns: Collection[str] = (), on_note: Callable[[str], None] | None = None
) -> Any:
    """Convert columns of texts that are numbers or dates.

    Parameters
    ----------
    table : pyarrow.Table
    text_columns : collection of str, default ()
        Columns that stay texts.
    on_note : function, optional
        Called with a text for each column that is converted.

    Returns
    -------
    pyarrow.Table
        Numbers are float64, dates are timestamps in UTC, and other columns are unchanged.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from fastnn import tables
    >>> table = pa.table({"price": ["$1,234.50", "$99"], "share": ["12%", "7.5%"]})
    >>> tables.convert_texts(table).to_pydict()
    {'price': [1234.5, 99.0], 'share': [12.0, 7.5]}
    """
    pa = import_pyarrow()
    columns = []
    for name, column in zip(table.column_names, table.columns):
        if pa.types.is_string(column.type) and name not in text_columns:
            distinct = column.unique().drop_null().to_pylist()
            kind, style, description = recognise(distinct)
            if kind is not None:
                values = {text: _value(text, kind, style) for text in distinct}
                column = _map(pa, column, values, kind)
                if on_note is not None:
                    on_note(f"column {printable(name)!r}: {description}")
        columns.append(column)
    return pa.Table.from_arrays(columns, table.column_names)


def _value(text, kind, style):
    """Return a number, or whole microseconds since 1970; None for missing values."""
    if texts.is_missing_mark(text):
        return None
    if kind == "number":
        number = texts.parse_number(text, style)
        return None if math.isnan(number) else number
    seconds = texts.parse_date(text, style)
    return None if seconds is None else round(seconds * 1e6)


def _map(pa, column, values, kind):
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    numbers = [values[text] for text in encoded.dictionary.to_pylist()]
    if kind == "number":
        return pa.array(numbers, pa.float64()).take(encoded.indices)
    return pa.array(numbers, pa.int64()).take(encoded.indices).cast(pa.timestamp("us", "UTC"))
