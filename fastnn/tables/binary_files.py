"""Find the reader of a file, and read Parquet and Feather (Arrow IPC)."""

import codecs

from ..core.messages import reason
from . import memory
from .errors import TableError, import_pyarrow
from .json_files import read_json_array, read_json_lines

ARROW_STREAM = b"\xff\xff\xff\xff"


def find(start):
    """Return the reader of a file that begins with these bytes, or None for other text.

    It is called with the source, the encoding that the user names, and a function for notes.
    """
    if start.startswith(b"PAR1"):
        return read_parquet
    if start.startswith((b"ARROW1", b"FEA1", ARROW_STREAM)):
        return read_arrow
    text = start.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"").lstrip(b"\xff\xfe \t\r\n")
    if text.startswith(b"{"):
        return read_json_lines
    if text.startswith(b"[") and text[1:].lstrip()[:1] in (b"{", b"]", b"["):
        return read_json_array
    return None


def read_parquet(source, encoding=None, note=None):
    pa = import_pyarrow()
    try:
        with pa.parquet.ParquetFile(source.for_pyarrow()) as file:
            memory.check_width(source.label, len(file.schema_arrow.names))
            memory.check_parquet(source.label, file.metadata)
            return file.read()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise TableError(
            "not a readable Parquet file ({reason}).",
            "Download or create it again.",
            place=source.label,
            reason=reason(error),
        ) from None


def read_arrow(source, encoding=None, note=None):
    """Read an Arrow file, an Arrow stream, or Feather."""
    pa = import_pyarrow()
    import pyarrow.feather

    memory.check(source.label, source.size or source.stored_size)
    try:
        file = source.for_pyarrow()
        if source.read_start(4) == ARROW_STREAM:
            opened = pa.OSFile(file) if isinstance(file, str) else file
            table = pa.ipc.open_stream(opened).read_all()
        else:
            table = pyarrow.feather.read_table(file)
        table.validate(full=True)
        memory.check_width(source.label, len(table.column_names))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise TableError(
            "not a readable Feather or Arrow file ({reason}).",
            "Download or create it again.",
            place=source.label,
            reason=reason(error),
        ) from None
    return table
