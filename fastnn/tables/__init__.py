"""Tables: reading and writing files, numbers and dates in texts, and data checks."""

from .convert import convert_texts
from .data_checks import check_data
from .files import TableError, TableWarning, read, write

__all__ = ["TableError", "TableWarning", "check_data", "convert_texts", "read", "write"]
