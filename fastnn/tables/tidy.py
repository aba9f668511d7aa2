"""Tidy a table that has been read: types, missing values, and columns that are no inputs."""

import json
import math

import numpy as np

from .errors import count, import_pyarrow, join, printable
from .texts import is_missing_mark, number_style, parse_number

MARKS_TO_SHOW = 4
SAMPLE = 1000  # distinct texts that decide whether to look at all


def simplify_types(table):
    """Convert dictionary columns to plain values, and all string types to pyarrow.string."""
    pa = import_pyarrow()
    columns = []
    for column in table.columns:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        kind = pa.string() if str(kind) in ("large_string", "string_view") else kind
        columns.append(column if kind == column.type else column.cast(kind))
    return pa.Table.from_arrays(columns, table.column_names)


def pandas_index(table):
    """Return the names of the columns that were the index of a pandas DataFrame."""
    metadata = (table.schema.metadata or {}).get(b"pandas")
    try:
        named = json.loads(metadata)["index_columns"] if metadata else []
    except (ValueError, KeyError, TypeError):
        named = []
    return [
        name
        for name in table.column_names
        if name in named or (name.startswith("__index_level_") and name.endswith("__"))
    ]


def drop_index(label, table, keep, note):
    """Drop the index of a pandas DataFrame, row numbers, and an empty column without a name."""
    drop = dict.fromkeys(pandas_index(table), "the index of a pandas DataFrame")
    first = table.column_names[0]
    if not drop and first in ("", "Unnamed: 0") and _numbers_rows(table.column(0)):
        drop[first] = "row numbers in the first column"
    if table.column_names.count("") == 1 and table.column("").null_count == table.num_rows:
        drop[""] = "an empty column without a name"
    drop = {name: what for name, what in drop.items() if name not in keep}
    if len(drop) == table.num_columns:
        return table
    for name, what in drop.items():
        note(f"{label}: column {printable(name)!r} left out: {what}")
    return table.drop_columns(list(drop)) if drop else table


def _numbers_rows(column):
    """Whether all values are different whole numbers."""
    pa = import_pyarrow()
    return (
        pa.types.is_integer(column.type)
        and column.null_count == 0
        and len(column.unique()) == len(column)
    )


# ---- texts ----


def trim(table):
    """Remove the spaces around all texts and column names."""
    pa = import_pyarrow()
    columns = []
    for column in table.columns:
        if pa.types.is_string(column.type):
            column = pa.compute.utf8_trim_whitespace(column)
            empty = pa.compute.is_in(column, value_set=pa.array(["", "?", "NA", "NaN", "nan"]))
            column = pa.compute.if_else(empty, pa.scalar(None, pa.string()), column)
        columns.append(column)
    return pa.Table.from_arrays(columns, [name.strip() for name in table.column_names])


def read_marks(label, table, text_columns, decimal, note):
    """Convert texts that are all numbers, or marks for missing values.

    These numbers mean the same in each file. Other numbers that are texts (1,234 or $5 or 12%)
    stay texts: how a column is written depends on all its values.
    """
    pa = import_pyarrow()
    columns, changed = list(table.columns), []
    marked: dict = {}
    for i, (name, column) in enumerate(zip(table.column_names, table.columns)):
        if not pa.types.is_string(column.type) or name in text_columns:
            continue
        levels = column.unique().drop_null().to_pylist()
        marks = [text for text in levels if is_missing_mark(text)]
        style = _plain_style(levels, decimal)
        if style is None:
            continue
        parse = {t: parse_number(t, style) for t in levels if t not in marks}
        if any(math.isnan(number) for number in parse.values()):
            continue
        columns[i] = _replace(pa, column, parse)
        changed.append(name)
        if marks:
            what = ", ".join(repr(printable(mark, 12)) for mark in sorted(marks)[:MARKS_TO_SHOW])
            marked.setdefault(what, []).append(name)
        if style != ".||":
            note(f"{label}: column {printable(name)!r}: numbers with dots between thousands")
    for what, names in marked.items():
        columns_text = "column " if len(names) == 1 else f"{count(len(names), 'column')}, "
        note(f"{label}: {columns_text}{join(names, 4)}: {what} read as missing")
    return pa.Table.from_arrays(columns, table.column_names) if changed else table


def _plain_style(levels, decimal):
    """Return the style of plain numbers, with the decimal mark of the file; None for others."""
    style = ",|.|" if decimal == "," else ".||"
    first = number_style(levels[:SAMPLE])
    if first is None or not first.endswith("|") or (decimal == "." and first != style):
        return None
    present = [text for text in levels if not is_missing_mark(text)]
    return None if any(math.isnan(parse_number(text, style)) for text in present) else style


def _replace(pa, column, numbers):
    """Return a column of texts as the numbers that {text: number} gives, null for others."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    values = np.array([numbers.get(text, math.nan) for text in encoded.dictionary.to_pylist()])
    if len(values) == 0:
        return pa.nulls(len(column), pa.float64())
    codes = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
    out = values[codes]
    out[encoded.indices.is_null().to_numpy(zero_copy_only=False)] = math.nan
    if np.isfinite(values).any() and all(
        math.isnan(x) or (x.is_integer() and abs(x) < 2**53) for x in values.tolist()
    ):
        missing = np.isnan(out)
        return pa.array(np.where(missing, 0, out).astype(np.int64), mask=missing)
    return pa.array(out, from_pandas=True)


def remove_values(table, na):
    """Return a table in which the values that the user calls missing are null."""
    pa = import_pyarrow()
    if not na:
        return table
    texts = pa.array([str(value) for value in na])
    numbers = [x for x in map(_to_float, na) if not math.isnan(x)]
    columns = []
    for column in table.columns:
        kind, found = column.type, None
        if pa.types.is_string(kind):
            found = pa.compute.is_in(column, value_set=texts)
        elif numbers and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            as_float = column.cast(pa.float64(), safe=False)
            found = pa.compute.is_in(as_float, value_set=pa.array(numbers, pa.float64()))
        if found is not None:
            column = pa.compute.if_else(found, pa.scalar(None, kind), column)
        columns.append(column)
    return pa.Table.from_arrays(columns, table.column_names)


def _to_float(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
