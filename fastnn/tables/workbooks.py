"""Open spreadsheet files: .xlsx with openpyxl, .xls with xlrd, and .ods.

The packages come with the extra `excel`. They are in Python: readers in other languages end the
process when a damaged file asks for too much memory. A `Workbook` has the names of the sheets, and
their rows as lists.

Files have the results of formulas, but programs that do not compute write formulas alone.
"""

import io
import re
import warnings
import zipfile

from ..core.messages import reason
from . import memory, open_document
from .table_errors import TableError

CHUNK = 1 << 20
NO_RESULT = open_document.NO_RESULT
OF_ZIPPED_XML = 40  # bytes of memory for each byte of the file: 29 for random numbers
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # in a file of Office with a password
FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")  # in a sheet of .xlsx


class Workbook:
    """The sheets of a file.

    Parameters
    ----------
    source : TableSource
        Its `format` says what it is.

    Attributes
    ----------
    names : list of str
        Of the sheets.
    """

    def __init__(self, source):
        memory.check(source.label, (source.size or source.stored_size) * OF_ZIPPED_XML)
        self._source, self._formulas = source, None
        with source.open() as file:
            data = file.read()
        self._kind = source.format.extensions[0]
        if self._kind == ".xls" and ENCRYPTED in data:
            raise TableError("is encrypted.", "Save it without a password.", place=source.label)
        {".xlsx": self._open_xlsx, ".xls": self._open_xls, ".ods": self._open_ods}[self._kind](data)

    def _open_xlsx(self, data):
        openpyxl = self._source.format.import_package(self._source.label)
        with _explained(self._source), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles
            self._book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            self.names = [worksheet.title for worksheet in self._book.worksheets]
            if _has_formulas(data):
                self._formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True)

    def _open_xls(self, data):
        xlrd = self._source.format.import_package(self._source.label)
        with _explained(self._source):
            self._book = xlrd.open_workbook(file_contents=data, logfile=io.StringIO())
            self.names = self._book.sheet_names()

    def _open_ods(self, data):
        with _explained(self._source):
            self._book = open_document.read(self._source.label, data)
            self.names = list(self._book)

    def rows(self, name):
        """Return the rows of a sheet. Empty cells are None or "", formulas alone NO_RESULT."""
        with _explained(self._source):
            if self._kind == ".xlsx" and self._formulas is not None:
                pairs = zip(self._book[name].rows, self._formulas[name].rows)
                return [list(map(_result, *pair)) for pair in pairs]
            if self._kind == ".xlsx":
                return [list(row) for row in self._book[name].iter_rows(values_only=True)]
            if self._kind == ".ods":
                return self._book[name]
            sheet = self._book.sheet_by_name(name)
            return [[self._xls_value(c) for c in sheet.row(i)] for i in range(sheet.nrows)]

    def _xls_value(self, cell):
        """Return the value of a cell, as openpyxl would."""
        from xlrd import biffh, xldate

        if cell.ctype == biffh.XL_CELL_DATE:
            date = xldate.xldate_as_datetime(cell.value, self._book.datemode)
            return date.time() if cell.value < 1 else date
        if cell.ctype == biffh.XL_CELL_BOOLEAN:
            return bool(cell.value)
        if cell.ctype == biffh.XL_CELL_ERROR:
            return biffh.error_text_from_code.get(cell.value)
        is_whole = cell.ctype == biffh.XL_CELL_NUMBER and cell.value.is_integer()
        return int(cell.value) if is_whole else cell.value


def _has_formulas(data):
    """Whether a sheet of an .xlsx file has a formula."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/"):
                with archive.open(name) as file:
                    before = b""
                    while chunk := file.read(CHUNK):
                        if FORMULA.search(before + chunk):
                            return True
                        before = chunk[-32:]
    return False


def _result(cell, formula):
    """Return the value of a cell that may hold a formula. The text "" is a result, too."""
    is_alone = formula.data_type == "f" and cell.value is None and cell.data_type != "str"
    return NO_RESULT if is_alone else cell.value


class _explained:
    """Turn an error in a damaged file into a TableError."""

    def __init__(self, source):
        self.source = source

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        # The packages and zipfile raise any Exception.
        if not isinstance(error, Exception) or isinstance(error, TableError):
            return False
        raise TableError(
            "not a readable {what} file ({reason}).",
            "Save it as CSV.",
            place=self.source.label,
            what=self.source.format.name,
            reason=reason(error),
        ) from None
