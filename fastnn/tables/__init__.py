"""Tables: reading and writing files, numbers and dates in texts, and suspicious columns."""

from .convert import convert_texts
from .files import TableError, TableWarning, read, write
from .suspicions import find as find_suspicions

__all__ = ["TableError", "TableWarning", "convert_texts", "find_suspicions", "read", "write"]
