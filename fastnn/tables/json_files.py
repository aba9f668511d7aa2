"""Read and write JSON: one object for each line, an array of objects, or an object around them.

The rows in one JSON value can also be given by columns, or as pandas writes them.
"""

import datetime
import decimal
import json
from contextlib import AbstractContextManager
from itertools import chain

from ..core.messages import join, nan_to_null, plural, printable, reason
from .cells.numbers import are_wide
from .column_layout import number_repeated
from .encodings import find_encoding, open_as_utf8
from .errors import TableError, import_pyarrow
from .limits import check_text_memory, check_width
from .source import lend

ADVICE = "Write one object for each row, each in a line (JSON lines)."
MAX_DEPTH = 5  # of objects around the rows


def read_json_lines(source, options, note):
    """Read one JSON object for each row. The members of nested objects become columns."""
    pa = import_pyarrow()
    import pyarrow.json

    check_text_memory(source, 8)
    encoding = find_encoding(source, options.encoding, note)
    options = pyarrow.json.ReadOptions(block_size=1 << 24)
    parse = pyarrow.json.ParseOptions(newlines_in_values=True)
    try:
        with open_as_utf8(source, encoding) as file:
            table = lend(file, pyarrow.json.read_json, options, parse)
    except pa.ArrowException:
        return _read_each_line(source, encoding, note)
    if any(map(_may_be_rounded, table.columns)):  # digits of more than 64 bits
        return _read_each_line(source, encoding, note)
    is_nested = list(map(pa.types.is_nested, table.schema.types))
    if table.num_rows == 1 and any(is_nested):
        rows = _read_value(source, encoding, note)
        if rows is not None:
            return _from_rows(source.label, rows, note)
        if all(is_nested):
            raise _one_object(source)
    return _flatten(source.label, table, note)


def _may_be_rounded(column):
    """Whether a column of floats, in objects and lists or not, holds any as large as a wide number."""
    types = import_pyarrow().types
    if types.is_struct(column.type):
        return any(map(_may_be_rounded, column.flatten()))
    if types.is_list(column.type):
        return _may_be_rounded(import_pyarrow().compute.list_flatten(column))
    return types.is_floating(column.type) and are_wide(column)


def _read_value(source, encoding, note):
    """Return the rows in a file with one JSON value, None if it holds none."""
    check_text_memory(source, 1)  # objects of Python take more than the columns of pyarrow
    with open_as_utf8(source, encoding) as file:
        try:
            value = _parse(file.read())
        except (ValueError, RecursionError):
            return None
    rows, where = _find_rows(value)
    if rows is None and where:
        raise TableError(
            "contains several lists of rows: {paths}.",
            "Write one of them to a file.",
            place=source.label,
            paths=where,
        )
    if rows is not None and where:
        note(f"{source.label}: the rows are the list {printable(where)!r}")
    return rows


def _read_each_line(source, encoding, note):
    """Read what pyarrow cannot: numbers and texts in one column. Else name the line."""
    with open_as_utf8(source, encoding) as file:
        data = file.read()
    rows = []
    for number, line in enumerate(data.decode().split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = _parse(line)
        except (ValueError, RecursionError) as error:
            if _is_object(data):
                return _read_object(source, encoding, note)
            raise TableError(
                "is not JSON ({reason}).",
                ADVICE,
                place=f"{source.label}, line {number}",
                reason=reason(error),
            ) from None
        if not isinstance(row, dict):
            raise TableError(
                "is {value}, not an object with column names.",
                ADVICE,
                place=f"{source.label}, line {number}",
                value=printable(line, 20),
            )
        rows.append(row)
    if len(rows) == 1:
        return _read_object(source, encoding, note)
    return _from_rows(source.label, rows, note)


def _read_object(source, encoding, note):
    rows = _read_value(source, encoding, note)
    if rows is None:
        raise _one_object(source)
    return _from_rows(source.label, rows, note)


def _one_object(source):
    """Return the TableError for a file that holds one object."""
    return TableError("holds one JSON object, not rows.", ADVICE, place=source.label)


def _is_object(data):
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


def read_json_array(source, options, note):
    """Read a JSON array of objects, one for each row."""
    check_text_memory(source, 1)  # objects of Python take more
    encoding = find_encoding(source, options.encoding, note)
    try:
        with open_as_utf8(source, encoding) as file:
            rows = _parse(file.read())
    except (ValueError, RecursionError) as error:
        raise TableError(
            "is not JSON ({reason}).",
            "Download or create it again.",
            place=source.label,
            reason=reason(error),
        ) from None
    rows = _find_rows(rows)[0] or rows
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise TableError(
                "item {number} of the JSON array is {value}, not an object with column names.",
                ADVICE,
                place=source.label,
                number=i + 1,
                value=printable(json.dumps(row), 20),
            )
    return _from_rows(source.label, rows, note)


def _from_rows(label, rows, note):
    """Return the table of a list of dicts. A column of several types becomes texts."""
    pa = import_pyarrow()
    names = dict.fromkeys(name for row in rows for name in row)
    if rows and not names:
        raise TableError("holds objects without members.", ADVICE, place=label)
    check_width(label, len(names))
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowException, OverflowError):
            columns[name] = pa.array(list(map(_to_text, values)), pa.string())
    return _flatten(label, pa.table(columns), note)


def _flatten(label, table, note):
    """Return a table in which the members of nested objects, and lists of numbers, are columns."""
    pa = import_pyarrow()
    while any(map(pa.types.is_struct, table.schema.types)):
        table = table.flatten()
    check_width(label, table.num_columns)
    if any(map(pa.types.is_list, table.schema.types)):
        table = _split_lists(label, table, note)
        check_width(label, table.num_columns)
    return table


def _split_lists(label, table, note):
    """Return a table with a column for each position in lists of numbers that are equally long."""
    pa = import_pyarrow()
    names, columns = [], []
    for name, column in zip(table.column_names, table.columns):
        n = _length_of_lists(column)
        if n == 0 or {f"{name}.{i}" for i in range(n)} & set(table.column_names):
            names.append(name)
            columns.append(column)
            continue
        note(
            f"{label}: column {printable(name)!r}: each list of {plural(n, 'number')} was split into "
            f"columns, {printable(f'{name}.0')!r} first"
        )
        for i in range(n):
            names.append(f"{name}.{i}")
            columns.append(pa.compute.list_element(column, i))
    return pa.table(columns, names)


def _length_of_lists(column):
    """Return the length of the lists of numbers in a column, 0 if it holds something else."""
    pa = import_pyarrow()
    kind = column.type
    if not pa.types.is_list(kind):
        return 0
    if not (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)):
        return 0
    lengths = pa.compute.unique(pa.compute.list_value_length(column)).drop_null().to_pylist()
    return lengths[0] if len(lengths) == 1 else 0


def _parse(text):
    """Return a JSON value. Of names that an object has several times, the later ones get numbers."""
    return json.loads(text, object_pairs_hook=_to_object)


def _to_object(pairs):
    out = dict(pairs)
    if len(out) == len(pairs):
        return out
    names = number_repeated([name for name, _ in pairs])
    return dict(zip(names, (value for _, value in pairs)))


def _to_text(value):
    if value is None or isinstance(value, str):
        return value
    return None if value != value else json.dumps(value)  # NaN


# ---- rows in one JSON value ----


def _find_rows(value):
    """Return the rows in a JSON value as a list of dicts, and where they are.

    Returns
    -------
    rows : list of dict, or None
        None if the value holds no rows, or several lists of them.
    where : str
        "" if they are the whole value; the paths of the lists if there are several.
    """
    if isinstance(value, list):
        return value if _are_all(value, dict) else _with_header(value), ""
    for find in (_with_schema, _by_position, _by_column, _by_label):
        rows = find(value)
        if rows is not None:
            return rows, ""
    found = list(_lists_of_objects(value, (), MAX_DEPTH))
    where = [".".join(path) for path, _ in found]
    return (found[0][1], where[0]) if len(found) == 1 else (None, join(where, 4))


def _are_all(values, kind):
    return bool(values) and all(isinstance(value, kind) for value in values)


def _are_lists(value, n):
    return isinstance(value, list) and all(isinstance(r, list) and len(r) == n for r in value)


def _with_header(rows):
    """Lists of values, of which the first holds the names."""
    if len(rows) < 2 or not isinstance(rows[0], list) or not _are_lists(rows, len(rows[0])):
        return None
    names = rows[0]
    are_texts = _are_all(list(chain.from_iterable(rows)), str)
    if not _are_all(names, str) or are_texts or len(set(names)) < len(names):
        return None
    return [dict(zip(names, row)) for row in rows[1:]]


def _with_schema(value):
    """The objects of DataFrame.to_json(orient="table")."""
    has_schema = isinstance(value.get("schema"), dict) and "fields" in value["schema"]
    rows = value.get("data")
    return rows if has_schema and isinstance(rows, list) and _are_all(rows, dict) else None


def _by_position(value):
    """The lists of DataFrame.to_json(orient="split"), or of an export of Socrata."""
    names = value.get("columns")
    if names is None:
        try:
            names = [column["name"] for column in value["meta"]["view"]["columns"]]
        except (KeyError, TypeError):
            return None
    rows = value.get("data")
    if not isinstance(names, list) or not names or not rows or not _are_lists(rows, len(names)):
        return None
    return [dict(zip(map(str, names), row)) for row in rows]


def _by_column(value):
    """A list of values for each column."""
    lists = list(value.values())
    if not _are_all(lists, list) or not lists[0] or len(set(map(len, lists))) > 1:
        return None
    if any(isinstance(x, (dict, list)) for x in chain.from_iterable(lists)):
        return None
    return [dict(zip(value, row)) for row in zip(*lists)]


def _by_label(value):
    """The values of DataFrame.to_json() or of orient="index", by the number of the row."""
    objects = list(value.values())
    if not _are_all(objects, dict):
        return None
    if all(map(str.isdecimal, value)):  # a row for each number
        return objects
    labels = dict.fromkeys(chain.from_iterable(objects))
    if not labels or not all(map(str.isdecimal, labels)):
        return None
    return [{name: values.get(label) for name, values in value.items()} for label in labels]


def _lists_of_objects(value, path, depth):
    """Yield each list of objects, and before it the keys that lead to it."""
    if isinstance(value, list):
        if _are_all(value, dict):
            yield path, value
    elif isinstance(value, dict) and depth:
        for key, item in value.items():
            yield from _lists_of_objects(item, (*path, key), depth - 1)


# ---- write ----


class JsonWriter(AbstractContextManager):
    """Appends the rows of tables to a file.

    As a context manager, it ends an array, if no exception is raised.

    Parameters
    ----------
    file : binary file
    extension : str
        The rows are the items of an array for ".json", else lines.
    """

    def __init__(self, file, extension, quoted=None):
        self._file, self._is_array = file, extension == ".json"
        self._is_new = True

    def write(self, table):
        """Append the rows of a pyarrow.Table."""
        for row in table.to_pylist():
            text = json.dumps(
                nan_to_null(row), ensure_ascii=False, allow_nan=False, default=_to_json
            )
            before = "" if not self._is_array else "[\n" if self._is_new else ",\n"
            self._file.write((before + text + ("" if self._is_array else "\n")).encode())
            self._is_new = False

    def __exit__(self, kind, *error):
        if kind is None and self._is_array:
            self._file.write(b"[]\n" if self._is_new else b"\n]\n")


def _to_json(value):
    """Return what JSON does not have: times as texts, and decimals and durations as numbers."""
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
