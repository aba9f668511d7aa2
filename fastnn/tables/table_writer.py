"""Write table files, a part of the rows at a time."""

import contextlib
import csv
import gzip
import io
import os
import re

from ..core.messages import reason
from ..files.replacing import replacing
from . import formats
from .table_errors import TableError, import_pyarrow

GROUP_ROWS, GROUP_BYTES = 1 << 20, 64e6  # with which a row group of a Parquet file ends


def check_extension(path):
    """Raise TableError if the file extension is unknown."""
    if formats.find_written(path) is None:
        raise TableError(
            "unknown file extension.", "Use {known}.", place=str(path), known=formats.written()
        )


@contextlib.contextmanager
def writing(path, quoted=None):
    """Open a table file that is written completely or not at all.

    Parameters
    ----------
    path : str or path-like
        The file extension determines the format, as in `files.write`.
    quoted : bool, optional
        As in `to_text`.

    Yields
    ------
    function
        write(table) appends the rows of a pyarrow.Table. If the block ends without an exception,
        they replace the file.

    Raises
    ------
    TableError
        The extension is unknown, or the file cannot be written.
    """
    check_extension(path)
    name = os.path.basename(os.path.realpath(path))  # of a link, the file that is written
    form = formats.find_written(name) or formats.CSV
    try:
        with replacing(path) as file, contextlib.ExitStack() as stack:
            if name.endswith(".gz"):
                file = stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0))
            writer = formats.load(form.writes)(file, formats.extension(name), quoted)
            yield stack.enter_context(writer).write
    except OSError as error:
        what = error.strerror or reason(error)
        raise TableError("cannot be written: {what}", place=str(path), what=what) from None


class TextWriter(contextlib.nullcontext):
    """Appends the rows of tables to a text table."""

    def __init__(self, file, extension, quoted):
        super().__init__(self)
        self._file, self._name, self._quoted = file, extension, quoted
        self._header = True

    def write(self, table):
        self._file.write(to_text(table, self._name, self._header, self._quoted))
        self._header = False


class ParquetWriter:
    """Collects tables until they are a row group."""

    def __init__(self, file, extension, quoted):
        self._file = file
        self._writer = None
        self._tables: list = []
        self._n_rows = self._n_bytes = 0

    def __enter__(self):
        return self

    def write(self, table):
        self._tables.append(table)
        self._n_rows += table.num_rows
        self._n_bytes += table.nbytes
        if self._n_rows >= GROUP_ROWS or self._n_bytes >= GROUP_BYTES:
            self._write_group()

    def _write_group(self):
        pa = import_pyarrow()
        if self._writer is None:
            self._writer = pa.parquet.ParquetWriter(self._file, self._tables[0].schema)
        self._writer.write_table(pa.concat_tables(self._tables))
        self._tables = []
        self._n_rows = self._n_bytes = 0

    def __exit__(self, kind, *error):
        try:
            if kind is None and self._tables:
                self._write_group()
        finally:
            if self._writer is not None:
                self._writer.close()


# ---- text ----


def to_text(columns, name=".csv", header=True, quoted=None):
    """Return a table as bytes of CSV, or of TSV if the file extension says so.

    Parameters
    ----------
    columns : pyarrow.Table, or dict of str to array_like (n,)
    name : str, default ".csv"
        Name of the file.
    header : bool, default True
        Whether the first line has the names. Without it, append the rows to others.
    quoted : bool, optional
        Whether all texts are in quotes. By default they are if one of them `needs_quotes`.
    """
    pa = import_pyarrow()
    table = pa.table(columns)
    if quoted is None:
        quoted = needs_quotes(table, name)
    names = io.StringIO()  # pyarrow would quote every name
    if header:
        csv.writer(names, delimiter=_delimiter(name), lineterminator="\n").writerow(
            table.column_names
        )
    return names.getvalue().encode() + _rows_to_text(table, name, "needed" if quoted else "none")


def needs_quotes(columns, name=".csv"):
    """Whether a text of a table contains the separator, a quote or a line break."""
    pa = import_pyarrow()
    table = pa.table(columns)
    texts = table.select([i for i, kind in enumerate(table.schema.types) if _is_text(pa, kind)])
    if texts.num_columns == 0:
        return False
    try:
        _rows_to_text(texts, name, "none")
    except pa.ArrowInvalid:
        return True
    return False


def _is_text(pa, kind):
    types = pa.types
    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
    )


def _delimiter(name):
    return "\t" if re.search(r"\.(tsv|tab)(\.gz)?$", name) else ","


def _rows_to_text(table, name, style):
    """Return the rows as bytes. style : "needed" quotes every text, "none" fails if one needs quotes."""
    pa = import_pyarrow()
    body = pa.BufferOutputStream()
    pa.csv.write_csv(
        table,
        body,
        pa.csv.WriteOptions(include_header=False, delimiter=_delimiter(name), quoting_style=style),
    )
    return body.getvalue().to_pybytes()
