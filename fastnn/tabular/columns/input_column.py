"""One column of a table as it was passed: numbers, texts or times; and what its texts are."""

import datetime
import math
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np

from ...core.errors import Argument, DataError
from ...core.messages import printable
from ...core.validation import is_missing
from ...tables import files
from ...tables.cells.missing import is_missing_mark
from ...tables.cells.numbers import HOURS, PLAIN_STYLE, WIDE, is_wide_integer
from ...tables.cells.recognition import Recognised, recognise, truth

#: Types of values that a column cannot hold.
COLLECTIONS = list, tuple, dict, set, frozenset, np.ndarray
TIMES = datetime.time, datetime.timedelta
COMPLEX = "complex numbers", "Complex data not supported: "  # what scikit-learn says


@dataclass(eq=False, repr=False)
class InputColumn:
    """One column as it was passed.

    Attributes
    ----------
    kind : {"number", "text", "time"}
    values : ndarray (n,)
        Numbers: float64 with NaN for missing values. Times: float64, seconds since 1970 with NaN.
        Texts: int64, positions in `texts`, -1 for missing values.
    texts : list of str or None
        The distinct texts.
    declared : bool
        Whether the table has a type for categories: a pandas Categorical, an Arrow dictionary.
    parsed : dict
        Numbers that the texts stand for, by their style: no text is parsed twice.
    recognised : Recognised or None
        What the texts are, if `recognise` has been called.
    style : str or None
        How the numbers are written where they are texts, if the table tells; see `cells.numbers`.
    whole : ndarray (n,) or None
        The numbers without rounding, if some are whole numbers from 2**53 on: int64, uint64 or
        objects, with any value for missing ones.
    padded : str or None
        One of the codes of digits that lost the zeros at their beginning when a file was read.
    """

    kind: str
    values: np.ndarray
    texts: Any = None
    declared: bool = False
    parsed: dict = field(default_factory=dict)
    recognised: Any = ...
    style: str | None = None
    whole: np.ndarray | None = None
    padded: str | None = None

    @cached_property
    def present(self):
        """list of str: the distinct texts that do not mark missing values."""
        return [text for text in self.texts or () if not is_missing_mark(text)]

    @property
    def has_values(self):
        """Whether some values are not missing."""
        return bool(self.present if self.kind == "text" else not np.isnan(self.values).all())

    def take(self, rows):
        """Return the column of some rows. rows : ndarray of indices."""
        values = self.values[rows]
        if self.texts is None:
            whole = None if self.whole is None else self.whole[rows]
            return InputColumn(self.kind, values, style=self.style, whole=whole)
        used, codes = np.unique(values[values >= 0], return_inverse=True)
        values[values >= 0] = codes
        return InputColumn("text", values, [self.texts[i] for i in used], self.declared)

    # ---- texts ----

    def count_texts(self):
        """Return {text: number of rows}."""
        n_rows = np.bincount(self.values[self.values >= 0], minlength=len(self.texts))
        return dict(zip(self.texts, n_rows.tolist()))

    def parse(self, style, parse):
        """Return the number of each text, and NaN, for missing values. parse(text, style) : function"""
        if style not in self.parsed:
            self.parsed[style] = np.array([parse(text, style) for text in self.texts] + [np.nan])
        return self.parsed[style]

    def recognise(self, name):
        """Return what the texts are, a Recognised, None if they are texts. name : of the column"""
        if self.recognised is ...:
            found = self.recognised = self._recognise(name)
            if found is not None:
                self.parsed[found.style] = np.array([*found.values, np.nan])
        return self.recognised

    def _recognise(self, name):
        truths = {text: truth(text) for text in self.texts if truth(text) is not None}
        others = [text for text in self.texts if text not in truths]
        if truths and all(map(is_missing_mark, others)):
            found = Recognised("number", PLAIN_STYLE, [np.nan] * len(others), [])
        else:
            found = recognise(others, self.count_texts, name)
        if not truths:
            return found
        if found is None or found.kind != "number":
            return None
        values = dict(zip(others, found.values)) | truths
        return Recognised(
            "number", found.style, [values[text] for text in self.texts], found.others
        )

    def refuse(self, label, text, what):
        """Raise the DataError for a text. what : what it should be"""
        raise DataError(
            "column {column!r} holds {value!r} in {row}, which is not {what}.",
            "Correct the value, or leave it empty if it is missing.",
            column=label,
            row=int(np.flatnonzero(self.values == self.texts.index(text))[0]),
            value=printable(text),
            what=what,
        )


class RefusedColumn:
    """A column of values that no network can read. It may be left out, and raises an error elsewhere.

    Parameters
    ----------
    label : str or int
        The name of the column, or its position.
    what : str
        What it holds.
    before : str, default ""
        How the message begins.
    """

    def __init__(self, label, what, before=""):
        self._error = DataError(
            "{before}column {column!r} holds {what}. Only numbers, texts, Booleans, dates and missing "
            "values are supported.",
            "Convert the column, or train without it: {drop}.",
            column=str(label),
            before=before,
            what=what,
            drop=Argument("drop", [label]),
        )

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise self._error

    def take(self, rows):
        return self


# ---- parts of a column ----


def join_parts(parts, label):
    """Return the column whose parts have been read one by one.

    Numbers and times become texts if other parts hold texts, as in a column of objects.
    """
    refused = [part for part in parts if isinstance(part, RefusedColumn)]
    if refused or len(parts) == 1:
        return [*refused, *parts][0]
    kinds = {part.kind for part in parts if part.kind == "text" or not np.isnan(part.values).all()}
    if kinds == {"number", "time"}:
        raise DataError(
            "column {column!r} holds dates or times in some parts of {X}, and numbers in others.",
            "Convert it to one type.",
            column=label,
            X=Argument("X"),
        )
    if "text" in kinds:
        return _join_texts(parts)
    kind = kinds.pop() if kinds else parts[0].kind
    style = next((part.style for part in parts if part.style is not None), None)
    joined = np.concatenate([part.values for part in parts])
    return InputColumn(kind, joined, style=style, whole=_join_whole(parts))


def _join_texts(parts):
    code_of: dict = {}
    values = []
    for part in parts:
        codes, texts = to_texts(part)
        new = [code_of.setdefault(text, len(code_of)) for text in texts]
        values.append(np.array([*new, -1], np.int64)[codes])
    declared = all(part.declared for part in parts if part.kind == "text")
    return InputColumn("text", np.concatenate(values), list(code_of), declared)


def _join_whole(parts):
    """Return `InputColumn.whole` of parts of numbers, None if none has it."""
    if all(part.whole is None for part in parts):
        return None
    # As objects: NumPy would make floats of int64 and uint64.
    return np.concatenate([_as_objects(part) for part in parts])


def _as_objects(raw):
    """Return the numbers of a column without rounding, with any value for missing ones."""
    if raw.whole is not None:
        return raw.whole.astype(object)
    numbers = np.where(np.isnan(raw.values), 0.0, raw.values).tolist()
    return np.array([int(x) if x.is_integer() else x for x in numbers] + [None], object)[:-1]


def to_texts(raw):
    """Return codes (n,), -1 for missing values, and the texts that they stand for."""
    if raw.kind == "text":
        return raw.values, raw.texts
    present = ~np.isnan(raw.values)
    numbers = (raw.values if raw.whole is None else raw.whole)[present]
    distinct, codes = np.unique(numbers, return_inverse=True)
    out = np.full(len(raw.values), -1, np.int64)
    out[present] = codes
    return out, list(map(time_text if raw.kind == "time" else number_text, distinct.tolist()))


# ---- arrays and objects ----


def from_vector(x, label):
    """Return the InputColumn of a vector of any dtype."""
    if x.dtype.kind in "biuf":
        return _numbers(x.astype(np.float64), lambda: x if x.dtype.kind in "iu" else None)
    if x.dtype.kind == "M":
        return InputColumn("time", seconds(x))
    if x.dtype.kind == "m":
        return InputColumn("number", _seconds_of(x.astype("timedelta64[us]")), style=HOURS)
    if x.dtype.kind == "c":
        return RefusedColumn(label, *COMPLEX)
    return _from_objects(x, label) if x.dtype.kind == "O" else _from_texts(x)


def _from_objects(x, label):
    for value in x:
        if isinstance(value, COLLECTIONS):
            return RefusedColumn(label, f"values of type {type(value).__name__}")
        if isinstance(value, (complex, np.complexfloating)):
            return RefusedColumn(label, *COMPLEX)
    numbers = _objects_to_numbers(x)
    if numbers is not None:
        column = _numbers(numbers, lambda: _exact_objects(x))
        column.style = HOURS if any(isinstance(value, TIMES) for value in x) else None
        return column
    times = _objects_to_times(x)
    return _from_texts(x) if times is None else InputColumn("time", times)


def _from_texts(x):
    return InputColumn("text", *_factorize(x))


def _numbers(values, exact):
    """Return the InputColumn of numbers. exact() returns them without rounding, None for floats"""
    whole = exact() if (np.abs(values) >= WIDE).any() else None
    return InputColumn("number", values, whole=whole)


def _exact_objects(x):
    """Return an array of objects with ints for whole numbers, None if there are only floats."""
    exact = [_to_exact(value) for value in x]
    has_wide = any(map(is_wide_integer, exact))
    return np.array([*exact, None], object)[:-1] if has_wide else None


def _to_exact(value):
    if is_missing(value):
        return 0
    is_exact = isinstance(value, Integral) or (isinstance(value, Decimal) and value.is_finite())
    if is_exact and value == (whole := int(value)):
        return whole
    return _to_float(value)


def _objects_to_numbers(x):
    """Return numbers for an array of numbers, Booleans, None and pandas' NA; None otherwise."""
    if any(isinstance(value, (str, bytes)) for value in x):
        return None
    try:
        return np.array([_to_float(value) for value in x], np.float64)
    except (TypeError, ValueError, OverflowError):
        return None


def _to_float(value):
    if is_missing(value):
        return np.nan
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, datetime.time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    return float(value)


def _objects_to_times(x):
    """Return seconds for an array of dates, times, None and NaT; None otherwise."""
    present = [value for value in x if not is_missing(value)]
    if not present or not all(isinstance(value, datetime.date) for value in present):
        return None
    return seconds(np.array([_naive(value) for value in x], "datetime64[us]"))


def _naive(value):
    """Return a date or a time as a datetime64 in UTC, NaT if it is missing."""
    if is_missing(value):
        return np.datetime64("NaT", "us")
    if getattr(value, "tzinfo", None) is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(value, "us")


def _factorize(x):
    """Return codes (n,) and distinct texts of an array of objects or strings."""
    numbers: dict = {}
    codes = np.empty(len(x), np.int64)
    for i, value in enumerate(x.tolist()):
        if is_missing(value):
            codes[i] = -1
        else:
            text = value if isinstance(value, str) else _text_of(value)
            codes[i] = numbers.setdefault(text, len(numbers))
    return codes, list(numbers)


def _text_of(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (float, np.floating)):
        return number_text(float(value))
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (np.datetime64, datetime.date)):
        return time_text(float(seconds(np.array([_naive(value)]))[0]))
    return str(value)


def number_text(x):
    """Return the text of a number as a category: without a decimal point if it is whole."""
    return repr(int(x)) if isinstance(x, int) or x.is_integer() else repr(x)


def time_text(x):
    """Return the text of a time as a category. x : float, seconds since 1970."""
    text = str(np.datetime64(round(x * 1e6), "us")).replace("T", " ")
    return text.removesuffix(".000000").removesuffix(" 00:00:00")


def seconds(x):
    """Return an array of dates or times as float64 seconds since 1970, NaN for NaT."""
    x = x.astype("datetime64[us]")
    return _seconds_of(x - np.datetime64(0, "us"))


def _seconds_of(x):
    return np.where(np.isnat(x), np.nan, x.astype(np.int64) / 1e6)


# ---- pandas and Arrow ----


def from_series(series, label):
    import pandas as pd

    kind = series.dtype
    if isinstance(kind, pd.CategoricalDtype):
        code_of, categories = _factorize(np.array([*kind.categories.tolist(), None], object))
        return InputColumn("text", code_of[series.cat.codes.to_numpy()], categories, True)
    if isinstance(kind, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        kind = series.dtype
    if pd.api.types.is_datetime64_dtype(kind):
        return InputColumn("time", seconds(series.to_numpy()))
    if isinstance(kind, pd.PeriodDtype):
        return InputColumn("time", seconds(series.dt.to_timestamp().to_numpy()))
    if pd.api.types.is_complex_dtype(kind):
        return RefusedColumn(label, *COMPLEX)
    if pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
        if isinstance(kind, pd.SparseDtype):
            series = series.sparse.to_dense()
        floats = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return _numbers(floats, lambda: _exact_series(series))
    if isinstance(kind, pd.StringDtype):
        codes, texts = pd.factorize(series)
        return InputColumn("text", codes.astype(np.int64), list(map(str, texts)))
    if hasattr(kind, "pyarrow_dtype"):
        return from_chunks(series.array.__arrow_array__(), label)
    return from_vector(series.to_numpy(), label)


def _exact_series(series):
    """Return a Series of numbers without rounding, None for floats."""
    if isinstance(series.dtype, np.dtype):
        return series.to_numpy() if series.dtype.kind in "iu" else None
    return _exact_objects(series.to_numpy(dtype=object, na_value=None))


def from_chunks(column, label):
    """Return the InputColumn of a pyarrow ChunkedArray or Array."""
    pa = files.import_pyarrow()
    types, column = pa.types, _plain_chunks(pa, column)
    kind = column.type
    if types.is_timestamp(kind) or types.is_date(kind):
        column = column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        return InputColumn("time", seconds(column.cast(pa.timestamp("us")).to_numpy()))
    if types.is_time(kind):
        column = column.cast(pa.time64("us"), safe=False).cast(pa.int64())
        return InputColumn("number", np.array(column.to_numpy(), np.float64) / 1e6, style=HOURS)
    if types.is_duration(kind):
        spans = column.cast(pa.duration("us"), safe=False).to_numpy()
        return InputColumn("number", _seconds_of(spans), style=HOURS)
    if types.is_boolean(kind):
        column = column.cast(pa.int8())
    are_numbers = types.is_integer, types.is_floating, types.is_decimal, types.is_null
    if any(are_of_kind(column.type) for are_of_kind in are_numbers):
        numbers = np.array(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
        return _numbers(numbers, lambda: _exact_chunks(column))
    if types.is_dictionary(kind):
        return _from_dictionary(pa, column, True)
    if types.is_nested(kind) or types.is_interval(kind):
        return RefusedColumn(label, f"values of type {kind}")
    return _from_dictionary(pa, column.dictionary_encode(), False)


def _plain_chunks(pa, column):
    """Return a ChunkedArray without extension types and run ends."""
    if isinstance(column, pa.Array):
        column = pa.chunked_array([column])
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([c.storage for c in column.chunks], column.type.storage_type)
    if pa.types.is_run_end_encoded(column.type):
        chunks = [pa.compute.run_end_decode(chunk) for chunk in column.chunks]
        column = pa.chunked_array(chunks, column.type.value_type)
    return column


def _from_dictionary(pa, column, declared):
    codes, texts = np.zeros(0, np.int64), []
    if column.num_chunks:  # pyarrow 16 makes no array of long strings from no chunks
        column = column.unify_dictionaries().combine_chunks()
        codes = column.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        texts = column.dictionary.to_pylist()
    code_of, categories = _factorize(np.array([*texts, None], object))
    return InputColumn("text", code_of[codes], categories, declared)  # -1 is the last, None


def _exact_chunks(column):
    """Return an Arrow column of numbers without rounding, None for floats."""
    types = files.import_pyarrow().types
    if types.is_decimal(column.type):
        return _exact_objects(column.to_pylist())
    return column.fill_null(0).to_numpy() if types.is_integer(column.type) else None


# ---- requests ----
# Read the values of a few rows without the conversions of whole tables, which take a millisecond.
# Each function takes the values of one column as JSON has them. It returns None for all values that
# are not plain: texts that are not what their column holds, unknown categories, infinite or very large
# numbers, mixed types, other dates than those of ISO 8601.

NONE = type(None)
NUMBERS = {int, float, NONE}
TEXTS = {str, NONE}
BOOLEANS = {bool, NONE}


def read_numbers(values, parse, style):
    """Return numbers, with NaN for missing ones. parse(text, style) : as of `Numeric.find_style`"""
    types = set(map(type, values))
    if types <= NUMBERS:
        return [math.nan if x is None else x for x in values] if _are_small(values) else None
    if types <= BOOLEANS:
        return [math.nan if x is None else float(x) for x in values]
    return read_texts(values, parse, style)


def is_plain(value):
    """Whether a value is a number, a truth, None or an ASCII text, which any table can hold."""
    if type(value) in NUMBERS:
        return _are_small([value])
    return type(value) is bool or (type(value) is str and value.isascii())


def _are_small(numbers):
    """Whether numbers, NaN and None are so small that float64 holds them. Integers have any size."""
    return all(-WIDE <= x <= WIDE for x in numbers if x is not None and x == x)


def read_texts(values, parse, style):
    """Return the numbers that texts stand for. parse(text, style) : as of `Numeric.find_style`"""
    if not set(map(type, values)) <= TEXTS:
        return None
    out = []
    for text in values:
        x = math.nan if text is None else parse(text, style)
        if not math.isfinite(x) and text is not None and not is_missing_mark(text):
            return None
        out.append(x if math.isfinite(x) else math.nan)
    return out


def read_categories(values, known):
    """Return texts of known categories. known : set with them and None, for missing values"""
    types = set(map(type, values))
    if types <= TEXTS:
        out = values
    elif (types <= NUMBERS and _are_small(values)) or types <= BOOLEANS:
        out = [None if value is None else number_text(float(value)) for value in values]
    else:
        return None
    return out if known.issuperset(out) else None
