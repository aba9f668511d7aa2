"""Read the binary files of Arrow as a whole: Parquet, Feather and streams."""

from ..core.messages import reason
from . import memory
from .table_errors import TableError, import_pyarrow

STREAM = b"\xff\xff\xff\xff"


def read_parquet(source, options=None, note=None):
    """Read a Parquet file as a whole."""
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


def read_arrow(source, options=None, note=None):
    """Read an Arrow file, an Arrow stream, or Feather."""
    pa = import_pyarrow()
    import pyarrow.feather

    memory.check(source.label, source.size or source.stored_size)
    try:
        file = source.for_pyarrow()
        if source.read_start(4) == STREAM:
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
