"""Write rows as JSON: an object in each line, or an array of objects."""

import datetime
import decimal
import json
import math


class JsonWriter:
    """Appends the rows of tables to a file.

    As a context manager, it ends an array, if no exception is raised.

    Parameters
    ----------
    file : binary file
    is_array : bool
        Whether the rows are the items of an array, else lines.
    """

    def __init__(self, file, is_array):
        self._file, self._is_array = file, is_array
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
