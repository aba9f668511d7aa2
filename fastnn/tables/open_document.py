"""Read the sheets of an OpenDocument file (.ods) with the standard library."""

import datetime
import io
import xml.etree.ElementTree as ET
import zipfile

from . import memory

NAMESPACE = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
TABLE, OFFICE, TEXT = (NAMESPACE % name for name in ("table", "office", "text"))
MAX_COLUMNS, MAX_ROWS = 1 << 14, 1 << 20  # of a sheet
BYTES_PER_CELL = 8  # of a repeated cell in a list
NO_RESULT = object()  # the value of a formula without a stored result


def read(label, data):
    """Return {name of a sheet: rows as lists}. Empty cells are None."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        memory.check(label, archive.getinfo("content.xml").file_size)
        sheets: dict = {}
        with archive.open("content.xml") as file:
            rows: list = []
            for event, element in ET.iterparse(file, ("start", "end")):
                if event == "start":
                    if element.tag == f"{TABLE}table":
                        rows = sheets.setdefault(element.get(f"{TABLE}name", ""), [])
                    elif element.tag.endswith("}DOCTYPE"):
                        raise ValueError("it has a document type")
                elif element.tag == f"{TABLE}table-row":
                    _add_row(label, rows, element)
                    element.clear()
    for rows in sheets.values():
        while rows and not any(value is not None for value in rows[-1]):
            rows.pop()
    return sheets


def _add_row(label, rows, element):
    values: list = []
    for cell in element:
        if cell.tag in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            n = min(_count(cell, "number-columns-repeated"), MAX_COLUMNS - len(values))
            values += [_value(cell)] * n
    while values and values[-1] is None:
        values.pop()
    n = min(_count(element, "number-rows-repeated"), MAX_ROWS - len(rows))
    if values:
        memory.check(label, n * len(values) * BYTES_PER_CELL)
    rows += [values] * n


def _count(element, name):
    return max(1, int(element.get(TABLE + name, "1")))


def _value(cell):
    kind = cell.get(f"{OFFICE}value-type")
    if kind in ("float", "percentage", "currency"):
        number = float(cell.get(f"{OFFICE}value", "nan"))
        return int(number) if number.is_integer() else number
    if kind == "boolean":
        return cell.get(f"{OFFICE}boolean-value") == "true"
    if kind == "date":
        text = cell.get(f"{OFFICE}date-value", "")
        date = datetime.datetime.fromisoformat(text)
        return date if "T" in text else date.date()
    texts = ["".join(line.itertext()) for line in cell.iter(f"{TEXT}p")]
    if kind is None and not texts and cell.get(f"{TABLE}formula") is not None:
        return NO_RESULT
    return "\n".join(texts) or None
