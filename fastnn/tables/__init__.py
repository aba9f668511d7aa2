"""Tables: reading and writing files, numbers and dates in texts, suspicious columns, and the encoding
of columns as network inputs."""

from .convert import convert_texts
from .files import TableError, TableWarning, read, write
from .suspicions import find as find_suspicions

__all__ = ["TableError", "TableWarning", "convert_texts", "find_suspicions", "read", "write"]
