"""Read and write JSON: one object for each line, an array of objects, or an object around one."""

import datetime
import decimal
import json
import math

from ..core.messages import plural, printable, reason
from . import column_names, encodings, json_wrappers, memory
from .table_errors import TableError, import_pyarrow
from .table_source import lend
from .wide_numbers import are_wide

ADVICE = "Write one object for each row, each in a line (JSON lines)."


def read_json_lines(source, options, note=print):
    """Read one JSON object for each row. The members of nested objects become columns."""
    pa = import_pyarrow()
    import pyarrow.json

    memory.check_text(source, 8)
    encoding = encodings.find(source, options.encoding, note)
    options = pyarrow.json.ReadOptions(block_size=1 << 24)
    parse = pyarrow.json.ParseOptions(newlines_in_values=True)
    try:
        with encodings.open_as_utf8(source, encoding) as file:
            table = lend(file, pyarrow.json.read_json, options, parse)
    except pa.ArrowException:
        return _read_each_line(source, encoding, note)
    if any(map(_may_be_rounded, table.columns)):  # digits of more than 64 bits
        return _read_each_line(source, encoding, note)
    if table.num_rows == 1 and any(map(pa.types.is_nested, table.schema.types)):
        rows = _find_rows(source, encoding, note)
        if rows is not None:
            return _from_rows(source.label, rows, note)
        if all(map(pa.types.is_nested, table.schema.types)):
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


def _find_rows(source, encoding, note):
    """Return the rows in a file with one JSON value, None if it holds none."""
    memory.check_text(source, 1)  # objects of Python take more than the columns of pyarrow
    with encodings.open_as_utf8(source, encoding) as file:
        try:
            value = json.loads(file.read(), object_pairs_hook=_to_object)
        except (ValueError, RecursionError):
            return None
    rows, where = json_wrappers.find_rows(value)
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
    with encodings.open_as_utf8(source, encoding) as file:
        data = file.read()
    rows = []
    for number, line in enumerate(data.decode().split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_to_object)
        except (ValueError, RecursionError) as other:
            if _is_object(data):
                return _read_object(source, encoding, note)
            raise TableError(
                "is not JSON ({reason}).",
                ADVICE,
                place=f"{source.label}, line {number}",
                reason=reason(other),
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
    rows = _find_rows(source, encoding, note)
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


def read_json_array(source, options, note=print):
    """Read a JSON array of objects, one for each row."""
    memory.check_text(source, 1)  # objects of Python take more
    encoding = encodings.find(source, options.encoding, note)
    try:
        with encodings.open_as_utf8(source, encoding) as file:
            rows = json.loads(file.read(), object_pairs_hook=_to_object)
    except (ValueError, RecursionError) as error:
        raise TableError(
            "is not JSON ({reason}).",
            "Download or create it again.",
            place=source.label,
            reason=reason(error),
        ) from None
    rows = json_wrappers.find_rows(rows)[0] or rows
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
    memory.check_width(label, len(names))
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowException, OverflowError):
            columns[name] = pa.array([_as_text(value) for value in values], pa.string())
    return _flatten(label, pa.table(columns), note)


def _flatten(label, table, note):
    """Return a table in which the members of nested objects, and lists of numbers, are columns."""
    pa = import_pyarrow()
    while any(map(pa.types.is_struct, table.schema.types)):
        table = table.flatten()
    memory.check_width(label, table.num_columns)
    if any(map(pa.types.is_list, table.schema.types)):
        table = _split_lists(label, table, note)
        memory.check_width(label, table.num_columns)
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


def _to_object(pairs):
    """Return the dict of a JSON object. If it has a name several times, numbers are added."""
    out = dict(pairs)
    if len(out) == len(pairs):
        return out
    names = column_names.number([name for name, _ in pairs])
    return dict(zip(names, (value for _, value in pairs)))


def _as_text(value):
    if value is None or isinstance(value, str):
        return value
    return None if value != value else json.dumps(value)  # NaN


# ---- write ----


class JsonWriter:
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

    def __enter__(self):
        return self

    def write(self, table):
        """Append the rows of a pyarrow.Table."""
        for row in table.to_pylist():
            text = json.dumps(_to_json(row), ensure_ascii=False, allow_nan=False)
            before = "" if not self._is_array else "[\n" if self._is_new else ",\n"
            self._file.write((before + text + ("" if self._is_array else "\n")).encode())
            self._is_new = False

    def __exit__(self, kind, *error):
        if kind is None and self._is_array:
            self._file.write(b"[]\n" if self._is_new else b"\n]\n")


def _to_json(value):
    """Return a value of a row as JSON holds it. NaN and infinite numbers are null, times are texts."""
    if isinstance(value, dict):
        return {str(name): _to_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]
    if isinstance(value, decimal.Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if value is None or isinstance(value, (str, int)) else str(value)
