"""Tidy a table that has been read: types, missing values, and columns that are not inputs."""

import json
import math

import numpy as np

from ..core.messages import join, plural, printable
from .cells.missing import NULLS, is_missing_mark
from .cells.numbers import DECIMAL_COMMA, NO_THOUSANDS, WIDE, number_style, parse_number, to_whole
from .cells.recognition import begins_with_zero, find_padded, plain_type
from .errors import NoRowsError, TableError, import_pyarrow

INT64 = np.iinfo(np.int64)
MARKS_TO_SHOW = 4
STYLE = b"fastnn.style"  # of a field of a table: how its numbers were written as texts
PADDED = b"fastnn.padded"  # of a field: one of the codes that have lost zeros
PANDAS_INDEX = "the index of a pandas DataFrame"
ROW_NUMBERS = "row numbers in the first column"
NAMES_OF_ROW_NUMBERS = "", "Unnamed: 0"  # of the first column, if it may hold them
SAMPLE = 1000  # distinct texts that decide whether to look at all


def check_not_empty(label, names, n_rows):
    """Raise TableError unless a table has rows and columns. names : list of str"""
    n = len(names)
    if n_rows == 0:
        error = NoRowsError(
            "has {what}.",
            "At least one row is needed.",
            place=label,
            what=f"{plural(n, 'column')} but no rows" if n else "no rows",
        )
        error.names = list(names)
        raise error
    if n == 0:
        raise TableError("has no columns.", "At least one is needed.", place=label)


def simplify_types(table):
    """Convert dictionary columns to plain values, and all string types to pyarrow.string."""

    def simplify(column):
        kind = plain_type(column.type)
        return column if kind == column.type else column.cast(kind)

    return _map_columns(table, simplify)


def _map_columns(table, convert):
    """Return the table of what a function returns for each column."""
    columns = list(map(convert, table.columns))
    return import_pyarrow().Table.from_arrays(columns, table.column_names)


def pandas_index(table):
    """Return the names of the columns that were the index of a pandas DataFrame."""
    metadata = (table.schema.metadata or {}).get(b"pandas")
    try:
        named = list(json.loads(metadata)["index_columns"]) if metadata else []
    except (ValueError, KeyError, TypeError):
        named = []
    return [
        name
        for name in table.column_names
        if name in named or (name.startswith("__index_level_") and name.endswith("__"))
    ]


def drop_index(label, table, keep, note):
    """Drop the index of a pandas DataFrame, row numbers, and an empty column without a name."""
    drop = dict.fromkeys(pandas_index(table), PANDAS_INDEX)
    first = table.column_names[0]
    if not drop and first in NAMES_OF_ROW_NUMBERS and numbers_rows(table.column(0)):
        drop[first] = ROW_NUMBERS
    if table.column_names.count("") == 1 and table.column("").null_count == table.num_rows:
        drop[""] = "an empty column without a name"
    drop = {name: what for name, what in drop.items() if name not in keep}
    if len(drop) == table.num_columns:
        return table
    note_left_out(label, drop, note)
    return table.drop_columns(list(drop)) if drop else table


def note_left_out(label, columns, note):
    """Note which columns are left out. columns : dict of str to str, the reasons."""
    for name, what in columns.items():
        note(f"{label}: column {printable(name)!r} left out: {what}")


def numbers_rows(column):
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

    def trim_texts(column):
        is_text = pa.types.is_string(column.type)
        return pa.compute.utf8_trim_whitespace(column) if is_text else column

    table = _map_columns(table, trim_texts)
    return table.rename_columns([name.strip() for name in table.column_names])


def read_marks(label, table, text_columns, decimal, note):
    """Convert texts that are all numbers, or marks for missing values.

    These numbers mean the same in each file. Other numbers that are texts (1,234 or $5 or 12%)
    stay texts: how a column is written depends on all its values.
    """
    found = find_texts(table.schema, text_columns, decimal)
    for name, numbers in found.items():
        numbers.add(table.column(name))
    note_marks(label, found, note)
    return convert_marks(table, found)


def find_texts(schema, text_columns, decimal):
    """Return {name: PlainNumbers} of the columns of texts, without those of `text_columns`."""
    types = import_pyarrow().types
    return {
        field.name: PlainNumbers(decimal)
        for field in schema
        if types.is_string(field.type) and field.name not in text_columns
    }


def note_marks(label, found, note):
    """Note what `convert_marks` guesses. found : dict of str to PlainNumbers."""
    found = {name: numbers for name, numbers in found.items() if numbers.are_numbers()}
    for name, numbers in found.items():
        if numbers.are_rounded:
            note(
                f"{label}: column {printable(name)!r}: whole numbers such as "
                f"{printable(numbers.wide)!r} are rounded to 16 digits, because other numbers have "
                "decimals"
            )
        if numbers.has_dots and numbers.style != ".||":
            note(f"{label}: column {printable(name)!r}: numbers with dots between thousands")
    note_missing(label, {name: numbers.marks for name, numbers in found.items()}, note)


def note_missing(label, marks, note):
    """Note the texts that are read as missing. marks : dict of str to set of str, by column"""
    marked: dict = {}
    for name, texts in marks.items():
        if texts:
            what = ", ".join(repr(printable(text, 12)) for text in sorted(texts)[:MARKS_TO_SHOW])
            marked.setdefault(what, []).append(name)
    for what, names in marked.items():
        columns_text = "column " if len(names) == 1 else f"{plural(len(names), 'column')}, "
        note(f"{label}: {columns_text}{join(names, 4)}: {what} read as missing")


def convert_marks(table, found):
    """Return a table, or a part of it, with the columns converted that hold numbers."""
    pa = import_pyarrow()
    columns, fields = [], []
    for field, column in zip(table.schema, table.columns):
        numbers = found.get(field.name)
        if numbers is not None and numbers.are_numbers():
            column = numbers.convert(column)
            metadata = None if numbers.padded is None else {PADDED: numbers.padded}
            field = pa.field(field.name, column.type, metadata=metadata)
        columns.append(column)
        fields.append(field)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


class PlainNumbers:
    """Whether the texts of a column are plain numbers, or marks for missing values.

    All texts decide, so `add` takes the column, or one part of it after another.

    Parameters
    ----------
    decimal : {".", ","}
        The decimal mark of the file.

    Attributes
    ----------
    style : str
        As in `numbers.number_style`.
    marks : set of str
        The marks for missing values.
    wide : str or None
        The first text that is a whole number from 2**53 on.
    has_dots : bool
        Whether a number has a dot.
    """

    def __init__(self, decimal):
        self.decimal = decimal
        self.style = DECIMAL_COMMA if decimal == "," else ".||"
        self.marks: set = set()
        self._codes: dict = {}  # the first text of each length, if possible one that begins with 0
        self._sample: dict = {}  # the first distinct texts
        self._are_numbers, self.has_dots = True, False
        self._has_finite, self._are_whole = False, True
        self.wide: str | None = None
        self._are_huge = False  # more than 64 bits

    def add(self, column):
        """Look at the distinct texts of a part of the column."""
        if not self._are_numbers:
            return
        for text in column.unique().drop_null().to_pylist():
            if len(self._sample) < SAMPLE:
                self._sample[text] = None
            if is_missing_mark(text):
                self.marks.add(text)
                continue
            x = parse_number(text, self.style)
            if math.isnan(x):
                self._are_numbers = False
                return
            self._add_number(text, x)

    def _add_number(self, text, x):
        if begins_with_zero(text) or len(text) not in self._codes:
            self._codes[len(text)] = text
        self.has_dots |= "." in text
        self._has_finite |= math.isfinite(x)
        whole = to_whole(text, self.style) if x.is_integer() else None
        self._are_whole &= x.is_integer() and (whole is not None or abs(x) < WIDE)
        if whole is not None and abs(whole) >= WIDE:
            self.wide = self.wide or text
            self._are_huge |= not INT64.min <= whole <= INT64.max

    @property
    def padded(self):
        """A text that begins with 0, if all are equally long, as postal codes are; or None."""
        return find_padded(list(self._codes.values()))

    @property
    def are_rounded(self):
        """Whether some whole numbers are rounded, because other numbers are not whole."""
        return self.wide is not None and not self._are_whole

    def are_numbers(self):
        """Return whether all texts so far are numbers of the style, and at least one is.

        Whole numbers of more than 64 bits stay texts.
        """
        if self._are_whole and self._are_huge:
            return False
        first = number_style(list(self._sample)) if self._are_numbers else None
        if first is None or not first.endswith("|"):
            return False
        return self.decimal == "," or first == self.style

    def convert(self, column):
        """Return a part of the column as numbers, null for marks: int64 if all numbers are whole."""
        pa = import_pyarrow()
        encoded = column.combine_chunks().dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        values = [None if t in self.marks else parse_number(t, self.style) for t in texts]
        kind = pa.float64()
        if self._has_finite and self._are_whole:
            kind = pa.int64()
            values = [
                None if x is None else to_whole(t, self.style) if abs(x) >= WIDE else int(x)
                for x, t in zip(values, texts)
            ]
        return pa.array(values, kind, from_pandas=True).take(encoded.indices)


def style_of(field):
    """Return how the numbers of a field were written as texts, None if the table does not tell."""
    return (field.metadata or {}).get(STYLE, b"").decode() or None


def padded_of(field):
    """Return one of the codes of a field that have lost the zeros at their beginning, or None."""
    return (field.metadata or {}).get(PADDED, b"").decode() or None


def keep_decimal_comma(table, texts):
    """Return a table whose fields tell that the numbers of the file had a decimal comma.

    texts : table
        What it was before texts were converted, some of which have dots between thousands.
    """
    pa = import_pyarrow()
    fields = []
    for field, old in zip(table.schema, texts.columns):
        is_converted = field.type != old.type
        if is_converted and pa.compute.any(pa.compute.match_substring(old, ".")).as_py():
            field = field.with_metadata({STYLE: DECIMAL_COMMA})
        elif pa.types.is_float64(field.type):
            field = field.with_metadata({STYLE: NO_THOUSANDS})
        fields.append(field)
    schema = pa.schema(fields, table.schema.metadata)
    return pa.Table.from_arrays(table.columns, schema=schema)


def remove_values(table, na):
    """Return a table in which the values that mean missing are null: `NULLS`, and those of the user."""
    pa = import_pyarrow()

    def remove(column):
        values = _missing_values(column.type, na)
        if len(values) == 0:
            return column
        found = pa.compute.is_in(column.cast(values.type), value_set=values)
        return pa.compute.if_else(found, pa.scalar(None, column.type), column)

    return _map_columns(table, remove)


def _missing_values(kind, na):
    """Return an Arrow array of what means missing in a column of a type."""
    pa = import_pyarrow()
    if pa.types.is_string(kind):
        return pa.array([*NULLS, *map(str, na)])
    if pa.types.is_integer(kind):
        limits = np.iinfo(kind.to_pandas_dtype())
        whole = (n for n in map(_to_int, na) if n is not None)
        return pa.array([n for n in whole if limits.min <= n <= limits.max], kind)
    if pa.types.is_floating(kind):
        return pa.array([x for x in map(_to_float, na) if not math.isnan(x)], pa.float64())
    return pa.nulls(0)


def _to_int(value):
    """Return the whole number that a value is, as an int: -999 for "-999.0"; None for another."""
    try:
        return int(str(value))
    except ValueError:
        x = _to_float(value)
        return int(x) if x.is_integer() else None


def _to_float(value):
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        return math.nan
