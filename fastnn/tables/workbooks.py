"""Open spreadsheet files: .xlsx with openpyxl, .xls, .xlsb and .ods with python-calamine.

Both come with the extra `excel`. A `Workbook` has the names of the sheets, and their rows as lists.
"""

import io
import warnings

from ..core.messages import reason
from . import memory
from .table_errors import TableError

OF_ZIPPED_XML = 40  # bytes of memory for each byte of the file: 29 for random numbers
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # in a file of Office with a password
INSTALL = 'Run: python -m pip install "fastnn-mlp[excel]", or save the sheet as CSV.'


class Workbook:
    """The sheets of a file.

    Parameters
    ----------
    source : TableSource
        Its `spreadsheet` says what it is.

    Attributes
    ----------
    names : list of str
        Of the sheets.
    """

    def __init__(self, source):
        memory.check(source.label, source.stored_size * OF_ZIPPED_XML)
        self._source = source
        with source.open_stored() as file:
            data = file.read()
        if source.spreadsheet == "xls" and ENCRYPTED in data:
            raise TableError(
                "is encrypted.", "Save it without a password.", place=self._source.label
            )
        if source.spreadsheet == "xlsx":
            self._open_xlsx(data)
        else:
            self._open_other(data)

    def _open_xlsx(self, data):
        try:
            import openpyxl
        except ImportError:
            raise TableError(
                "Excel files need openpyxl, which is not installed.",
                INSTALL,
                place=self._source.label,
            ) from None
        with _explained(self._source), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles
            self._book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            self.names = [worksheet.title for worksheet in self._book.worksheets]

    def _open_other(self, data):
        try:
            import python_calamine
        except ImportError:
            raise TableError(
                "files such as .{kind} need python-calamine, which is not installed.",
                INSTALL,
                place=self._source.label,
                kind=self._source.spreadsheet,
            ) from None
        with _explained(self._source):
            self._book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
            self.names = list(self._book.sheet_names)

    def rows(self, name):
        """Return the rows of a sheet. Empty cells are None or ""."""
        with _explained(self._source):
            if self._source.spreadsheet == "xlsx":
                return [list(row) for row in self._book[name].iter_rows(values_only=True)]
            sheet = self._book.get_sheet_by_name(name)
            return [list(map(_to_int, row)) for row in sheet.to_python(skip_empty_area=False)]


def _to_int(value):
    """Return a whole number as int: these formats hold only floating-point numbers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _explained:
    """Turn an error in a damaged file into a TableError."""

    def __init__(self, source):
        self.source = source

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        # openpyxl and zipfile raise any Exception, and the panics of Rust are BaseExceptions.
        is_damage = isinstance(error, Exception) or "Panic" in getattr(kind, "__name__", "")
        if not is_damage or isinstance(error, TableError):
            return False
        raise TableError(
            "not a readable {what} file ({reason}).",
            "Save it as CSV.",
            place=self.source.label,
            what="OpenDocument" if self.source.spreadsheet == "ods" else "Excel",
            reason=reason(error),
        ) from None
