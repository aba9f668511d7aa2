"""Read the table in a sheet of a spreadsheet file: .xlsx with openpyxl, .xls with xlrd, and .ods.

The packages come with the extra `excel`. They are in Python: readers in other languages end the
process when a damaged file asks for too much memory. OpenDocument needs only the standard library.

Files have the results of formulas, but programs that do not compute write formulas alone.
"""

import datetime
import io
import re
import warnings
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter

from ..core.errors import Argument, Message
from ..core.messages import did_you_mean, join, plural, printable
from . import tidy
from .arrow_files import to_array
from .cells.missing import NULLS, is_missing_mark
from .column_layout import find_header, unique_names
from .errors import TableError, expect_readable, import_pyarrow
from .limits import check_free_memory, check_width

MAX_ROWS_BELOW = 100  # rows that tell whether the column names are in two rows
CHUNK_BYTES = 1 << 20
NO_RESULT = object()  # the value of a formula without a stored result
OF_ZIPPED_XML = 40  # bytes of memory for each byte of the file: 29 for random numbers
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # in a file of Office with a password
FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")  # in a sheet of .xlsx


def read_sheet(source, options, note):
    """Read one sheet. options : ReadOptions"""
    check_free_memory(source.label, (source.size or source.stored_size) * OF_ZIPPED_XML)
    with source.open() as file:
        data = file.read()
    kind, damage = source.format.extensions[0], (f"{source.format.name} file", "Save it as CSV.")
    if kind == ".xls" and ENCRYPTED in data:
        raise TableError("is encrypted.", "Save it without a password.", place=source.label)
    with expect_readable(source.label, *damage):  # the packages and zipfile raise any Exception
        sheets, read_rows = OPENERS[kind](source, data)
    title = _choose(source.label, sheets, options.sheet)
    with expect_readable(source.label, *damage):
        rows = read_rows(title)
    others = [name for name in sheets if name != title]
    if options.sheet is None and others:
        note(
            Message(
                "{label}: sheet {title!r} was read, not {others}. Pass {sheet} to choose another.",
                label=source.label,
                title=printable(title),
                others=join(others, 3),
                sheet=Argument("sheet"),
            )
        )
    label = f"{source.label}, sheet {printable(title)!r}"
    names, rows = _find_table(label, rows, options.header, note)
    check_width(label, len(names))
    cells = [[row[i] for row in rows] for i in range(len(names))]
    _note_formulas(label, names, cells, note)
    missing = {*NULLS, *map(str, options.na)}
    marks: dict = {name: set() for name in names}
    columns = [
        _to_column(values, name in options.text_columns, missing, marks[name])
        for name, values in zip(names, cells)
    ]
    tidy.note_missing(label, marks, note)
    return import_pyarrow().Table.from_arrays(columns, names)


def _note_formulas(label, names, cells, note):
    """Note the formulas without a stored result, which are missing values."""
    counts = {
        name: sum(value is NO_RESULT for value in values) for name, values in zip(names, cells)
    }
    unknown = [name for name, n in counts.items() if n]
    if unknown:
        n = sum(counts.values())
        them = "It is" if n == 1 else "They are"
        note(
            f"{label}: {plural(n, 'formula')} in {join(unknown, 4)} without a stored result. {them} "
            "read as missing. Open the file in a spreadsheet program and save it, which computes them."
        )


def _choose(label, names, sheet):
    """Return the name of a sheet. sheet : its name, its number from 1, or None for the first"""
    if not names:
        raise TableError("has no sheets.", "Save the table as CSV.", place=label)
    if sheet is None:
        return names[0]
    if sheet in names:
        return sheet
    if str(sheet).isdigit() and 1 <= int(sheet) <= len(names):
        return names[int(sheet) - 1]
    raise TableError(
        "has no sheet {value!r}.",
        "{did_you_mean}",
        argument="sheet",
        place=label,
        value=printable(sheet),
        did_you_mean=did_you_mean(sheet, names, "sheets"),
    )


def _find_table(label, rows, header, note):
    """Return the column names and the rows. Empty rows, empty columns and titles are left out."""
    filled = _without_empty(rows)
    if not filled:
        raise TableError("is empty.", "The first row must contain the column names.", place=label)
    widths = [sum(map(_is_filled, row)) for _, row in filled]
    width = Counter(widths).most_common(1)[0][0]
    if not header:
        return [f"column_{i + 1}" for i in range(len(filled[0][1]))], [row for _, row in filled]
    first = next((i for i, n in enumerate(widths[:-1]) if n > width / 2), 0)
    if not all(isinstance(value, str | None) for value in filled[first][1]):
        first = 0
    found = find_header(
        [list(map(_name, row)) for _, row in filled[: first + MAX_ROWS_BELOW]], first
    )
    found.note(label, "row", [i for i, _ in filled[found.first :][:2]], note)
    if found.first:
        title = next(filter(_is_filled, filled[0][1]))
        note(
            f"{label}: {plural(found.first, 'row')} before the column names left out "
            f"({printable(title)!r})"
        )
    body = filled[found.end :]
    if width > 3:
        _leave_out_footer(label, body, note)
    n_empty = body[-1][0] - filled[found.end - 1][0] - len(body) if body else 0
    if n_empty:
        note(f"{label}: {plural(n_empty, 'empty row')} between the others left out")
    return unique_names(label, found.names, note), [row for _, row in body]


def _without_empty(rows):
    """Return the number and the values of each row that is not empty, without empty columns."""
    filled = [(i, row) for i, row in enumerate(rows, 1) if any(map(_is_filled, row))]
    used = sorted({j for _, row in filled for j, value in enumerate(row) if _is_filled(value)})
    return [(i, [row[j] if j < len(row) else None for j in used]) for i, row in filled]


def _leave_out_footer(label, body, note):
    """Remove the last rows if they hold a text alone. body : list of (number, row)"""
    while len(body) > 1:
        number, row = body[-1]
        values = list(filter(_is_filled, row))
        if len(values) != 1 or not isinstance(values[0], str):
            return
        note(f"{label}, row {number}: a row below the table left out ({printable(values[0])!r})")
        body.pop()


def _is_filled(value):
    return value is not None and value != ""


def _name(value):
    return _to_text(value) if _is_filled(value) and value is not NO_RESULT else ""


def _to_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _to_column(values, as_text, missing, marks):
    """Return the values of a column as numbers, Booleans or dates if all are, else as texts.

    missing : set of str, texts for missing values in each column
    marks : set, to which texts for missing values beside numbers, Booleans and dates are added
    """
    pa = import_pyarrow()
    values = [
        None if v is NO_RESULT or (isinstance(v, str) and v.strip() in missing) else v
        for v in values
    ]
    if as_text:
        return pa.array([None if v is None else _to_text(v) for v in values], pa.string())
    texts = {v for v in values if isinstance(v, str)}
    others = [None if isinstance(v, str) else v for v in values]
    if all(map(is_missing_mark, texts)) and any(v is not None for v in others):
        marks |= texts
        values = others
    return to_array(values, _to_text)


# ---- files with sheets ----
# Functions return the names of the sheets, and a function that returns the rows of one as lists.
# Empty cells are None or "", formulas alone NO_RESULT.


def _open_xlsx(source, data):
    openpyxl = source.format.import_package(source.label)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        formulas = None
        if _has_formulas(data):
            formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True)

    def read_rows(name):
        if formulas is None:
            return list(map(list, book[name].iter_rows(values_only=True)))
        pairs = zip(book[name].rows, formulas[name].rows)
        return [list(map(_result, *pair)) for pair in pairs]

    return [worksheet.title for worksheet in book.worksheets], read_rows


def _has_formulas(data):
    """Whether a sheet of an .xlsx file has a formula."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/"):
                with archive.open(name) as file:
                    before = b""
                    while chunk := file.read(CHUNK_BYTES):
                        if FORMULA.search(before + chunk):
                            return True
                        before = chunk[-32:]
    return False


def _result(cell, formula):
    """Return the value of a cell that may hold a formula. The text "" is a result, too."""
    is_alone = formula.data_type == "f" and cell.value is None and cell.data_type != "str"
    return NO_RESULT if is_alone else cell.value


def _open_xls(source, data):
    xlrd = source.format.import_package(source.label)
    book = xlrd.open_workbook(file_contents=data, logfile=io.StringIO())

    def read_rows(name):
        sheet = book.sheet_by_name(name)
        return [[_xls_value(c, book.datemode) for c in sheet.row(i)] for i in range(sheet.nrows)]

    return book.sheet_names(), read_rows


def _xls_value(cell, datemode):
    """Return the value of a cell, as openpyxl would."""
    from xlrd import biffh, xldate

    if cell.ctype == biffh.XL_CELL_DATE:
        date = xldate.xldate_as_datetime(cell.value, datemode)
        return date.time() if cell.value < 1 else date
    if cell.ctype == biffh.XL_CELL_BOOLEAN:
        return bool(cell.value)
    if cell.ctype == biffh.XL_CELL_ERROR:
        return biffh.error_text_from_code.get(cell.value)
    is_whole = cell.ctype == biffh.XL_CELL_NUMBER and cell.value.is_integer()
    return int(cell.value) if is_whole else cell.value


# ---- OpenDocument ----

NAMESPACE = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
TABLE, OFFICE, TEXT = (NAMESPACE % name for name in ("table", "office", "text"))
MAX_SHEET_COLUMNS, MAX_SHEET_ROWS = 1 << 14, 1 << 20  # of a sheet
BYTES_PER_CELL = 8  # of a repeated cell in a list


def _open_ods(source, data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        check_free_memory(source.label, archive.getinfo("content.xml").file_size)
        sheets: dict = {}
        with archive.open("content.xml") as file:
            rows: list = []
            for event, element in ET.iterparse(file, ("start", "end")):
                if event == "start":
                    if element.tag == f"{TABLE}table":
                        rows = sheets.setdefault(element.get(f"{TABLE}name", ""), [])
                elif element.tag == f"{TABLE}table-row":
                    _add_row(source.label, rows, element)
                    element.clear()
    return list(sheets), sheets.__getitem__


def _add_row(label, rows, element):
    values: list = []
    for cell in element:
        if cell.tag in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            n = min(_count(cell, "number-columns-repeated"), MAX_SHEET_COLUMNS - len(values))
            values += [_value(cell)] * n
    while values and values[-1] is None:
        values.pop()
    n = min(_count(element, "number-rows-repeated"), MAX_SHEET_ROWS - len(rows))
    check_free_memory(label, n * len(values) * BYTES_PER_CELL)
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


OPENERS = {".xlsx": _open_xlsx, ".xls": _open_xls, ".ods": _open_ods}
