"""Table files: CSV, TSV and Parquet to a pyarrow.Table and back (extra `cli`), and on which line of
a file something stands.

Whatever cannot be right is a `TableError`: one line that names file, line or column, and the way
out.
"""

import codecs
import csv
import gzip
import io
import os
import re
import stat
import zlib
from collections import Counter

from ..files.replacing import replacing

MOST_COLUMNS = 10_000
LONGEST_LINE = 1 << 26  # bytes of the header
LONGEST_NAMES = 1 << 20  # bytes of its lines after the first
ENDINGS = ".csv, .tsv or .parquet, or .csv.gz, .tsv.gz"
FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or a zip archive: save the table",
    b"%PDF": "a PDF document: save its table",
    b"ARRO": "an Arrow file",
}


class TableError(ValueError):
    """A table that cannot be used, said in one line."""


def arrow():
    """pyarrow, where it is installed."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise TableError(
            'tables are read by pyarrow, which is not installed: python -m pip install "fastnn-mlp[cli]"'
        ) from None
    return pyarrow


def shown(text, maximum=40):
    """Text from a file as it may stand on a terminal: one line, no control characters, not
    endless."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return text if len(text) <= maximum else text[: maximum - 3] + "..."


# ---- read ----


def read(path, as_text=()):
    """A pyarrow.Table from CSV, TSV (both also gzipped) or Parquet.

    Parameters
    ----------
    path : str
    as_text : collection of str
        Columns that are text, even where they look like numbers or dates. (A table to predict may
        have only some of the values.)

    Returns
    -------
    pyarrow.Table
        With at least one row and column, no two columns of one name, and text as plain strings.
    """
    pa = arrow()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise TableError(
                f"{path}: is {'a folder' if os.path.isdir(path) else 'not a file on disk'}: give a CSV, TSV or Parquet file"
            )
        with open(path, "rb") as file:
            magic = file.read(4)
        if magic in FOREIGN:
            raise TableError(f"{path}: is {FOREIGN[magic]} as CSV")
        table = _read_parquet(pa, path) if magic == b"PAR1" else _read_text(pa, path, as_text)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise TableError(
            f"{path}: is a damaged gzip file, perhaps cut short: get it again"
        ) from None
    except OSError as error:
        raise TableError(
            f"{path}: {error.strerror or _one_line(error)}: give a CSV, TSV or Parquet file"
        ) from None
    for name, count in Counter(table.column_names).items():
        if count > 1:
            raise TableError(
                f"{path}: {count} columns are called {shown(name)!r}: rename all but one"
            )
    if table.num_rows == 0:
        n = len(table.column_names)
        raise TableError(
            f"{path}: has {n} column{'s' * (n != 1)} but no rows: there is nothing to learn from or to predict"
        )
    return _plain_text(pa, table)


def _read_parquet(pa, path):
    try:
        file = pa.parquet.ParquetFile(path)
        _check_width(path, len(file.schema_arrow.names))
        return file.read()
    except pa.ArrowException as error:
        raise TableError(f"{path}: not a readable Parquet file ({_one_line(error)})") from None


def _check_width(path, n_columns):
    if n_columns > MOST_COLUMNS:
        raise TableError(
            f"{path}: has {n_columns:,} columns, fastnn takes up to {MOST_COLUMNS:,}: keep those that matter"
        )


def _plain_text(pa, table):
    """Dictionaries and views unfolded."""
    columns = []
    for column in table.columns:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        kind = pa.string() if str(kind) in ("large_string", "string_view") else kind
        columns.append(column if kind == column.type else column.cast(kind))
    return pa.Table.from_arrays(columns, table.column_names)


def _open(path):
    """A text file's bytes, unpacked."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return (gzip.open if packed else open)(path, "rb")


# A name in quotes, which begins where a value may begin; it may hold line breaks. Possessive, so
# that one pass over the text is enough.
QUOTED = rb'(?<![^\t,;])"(?:[^"]++|"")*+"'
HEADER = re.compile(rb'(?:[^\r\n"]++|' + QUOTED + rb'|")*+')


def _head(path):
    """(the first record with something on it, the line after it), as bytes."""
    with _open(path) as file:
        text = file.readline(LONGEST_LINE)
        while text and not text.removeprefix(codecs.BOM_UTF8).strip():
            text = file.readline(LONGEST_LINE)
        text = text.removeprefix(codecs.BOM_UTF8)
        if b'"' in text:  # perhaps a name goes on in the next line
            text += file.read(LONGEST_NAMES)
            header = next(HEADER.finditer(text))[0]
        else:
            header = text.rstrip(b"\r\n").partition(b"\r")[0]
        rest = text[len(header) :].lstrip(b"\r\n") or file.readline(LONGEST_LINE)
        return header, re.split(rb"[\r\n]", rest, maxsplit=1)[0]


def _delimiter(header):
    """(the delimiter, how many columns it makes); what stands in quotes divides nothing."""
    bare = re.sub(QUOTED, b"", header) if b'"' in header else header
    delimiter = max("\t,;", key=lambda mark: bare.count(mark.encode()))
    return delimiter, bare.count(delimiter.encode()) + 1


def _read_text(pa, path, as_text):
    header, first = _head(path)
    if not header:
        raise TableError(f"{path}: is empty: a table begins with a line of column names")
    if b"\0" in header:
        raise TableError(
            f"{path}: is not text in UTF-8 (it holds zero bytes): save the table as CSV in UTF-8"
        )
    delimiter, width = _delimiter(header)
    _check_width(path, width)
    point = (
        "," if delimiter == ";" and re.search(rb"(^|;)\s*-?\d+,\d+\s*(;|$)", first) else "."
    )  # where 1,5 is a number, ; divides
    try:
        names = next(csv.reader([header.decode("utf-8-sig")], delimiter=delimiter), [])
        convert = pa.csv.ConvertOptions(
            strings_can_be_null=True,
            null_values=[*pa.csv.ConvertOptions().null_values, "?"],
            decimal_point=point,
            column_types={name: pa.string() for name in names if name in as_text},
        )
        block = min(
            max(1 << 20, 500 * max(len(header), len(first))), 1 << 26
        )  # bytes at a time: some hundred rows, however wide
        table = _parse(pa, path, delimiter, block, convert)
    except (UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise TableError(_what_is_wrong(pa, path, delimiter, error)) from None
    for name, kind in zip(table.column_names, table.schema.types):
        if pa.types.is_binary(kind):
            raise TableError(
                f"{path}{_not_utf8(path) or ''}: column {shown(name)!r} is not UTF-8 text: save the file as UTF-8"
            )
    return table


def _parse(pa, path, delimiter, block=1 << 26, convert=None, handler=None, threads=True):
    parse = pa.csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, invalid_row_handler=handler
    )
    with _open(path) as file:
        return pa.csv.read_csv(
            file, pa.csv.ReadOptions(use_threads=threads, block_size=block), parse, convert
        )


def _what_is_wrong(pa, path, delimiter, error):
    """One line about a text file that pyarrow cannot read, with the number of the line if that can
    be found."""
    line = _not_utf8(path)
    if line:
        return f"{path}{line}: is not UTF-8 text: save the file as UTF-8"
    ragged = []

    def note(row):
        ragged.append(row)
        return "error"

    try:
        _parse(
            pa, path, delimiter, handler=note, threads=False
        )  # only without threads does pyarrow count rows
    except pa.ArrowException:
        if ragged and ragged[0].number:
            row = ragged[0]
            mark = {",": "comma", "\t": "tab", ";": "semicolon"}[delimiter]
            return (
                f"{where(path, row.number - 2)}: has {row.actual_columns} value{'s' * (row.actual_columns != 1)}, "
                f"the header names {row.expected_columns}: mend the line; a value with a {mark} in it needs quotes"
            )
    quotes = " (a quote that is never closed?)" if "straddl" in str(error) else ""
    return f"{path}: cannot be read{quotes}: {_one_line(error)}"


def _not_utf8(path):
    """', line N' of the first line that is not UTF-8; None if all are."""
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f", line {number}"
    return None


def where(path, row):
    """'PATH, line N', or 'PATH, row N' in a Parquet file, of a row; rows count from 0, after the
    header.

    Lines are counted as an editor counts them: blank ones, and all that a quoted value covers.
    """
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"PAR1":
                with (
                    _open(path) as packed,
                    io.TextIOWrapper(packed, "utf-8", "replace", newline="") as text,
                ):
                    reader = csv.reader(text, delimiter=_delimiter(_head(path)[0])[0])
                    left, end = row + 1, 0
                    for record in reader:
                        if record:
                            left -= 1
                            if left < 0:
                                return f"{path}, line {end + 1}"
                        end = reader.line_num
    except (OSError, csv.Error):
        pass
    return f"{path}, row {row + 1}"


def _one_line(error):
    return " ".join(str(error).split())[:200]


# ---- write ----


def check_ending(path):
    """TableError unless the ending says what to write."""
    if not re.search(r"\.(csv|tsv|tab)(\.gz)?$|\.(parquet|pq)$", str(path)):
        raise TableError(f"{path}: its ending must say what to write: {ENDINGS}")


def write(path, columns):
    """Columns {name: array} to a file of the kind that its ending names: whole or not at all."""
    pa = arrow()
    check_ending(path)
    name = os.path.basename(os.path.realpath(path))
    try:
        with replacing(path) as file:
            if name.endswith((".parquet", ".pq")):
                pa.parquet.write_table(pa.table(columns), file)
            elif name.endswith(".gz"):
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                    packed.write(to_text(columns, name))
            else:
                file.write(to_text(columns, name))
    except OSError as error:
        raise TableError(
            f"{path}: cannot be written: {error.strerror or _one_line(error)}"
        ) from None


def to_text(columns, name=".csv"):
    """Columns {name: array} as CSV, or TSV if that is the file name's ending, in bytes."""
    pa = arrow()
    delimiter = "\t" if re.search(r"\.(tsv|tab)(\.gz)?$", name) else ","
    header = io.StringIO()
    csv.writer(header, delimiter=delimiter, lineterminator="\n").writerow(
        columns
    )  # pyarrow would quote every name
    for style in (
        "none",
        "needed",
    ):  # pyarrow's "needed" quotes every text, and "none" fails where one needs quotes
        body = pa.BufferOutputStream()
        try:
            pa.csv.write_csv(
                pa.table(columns),
                body,
                pa.csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style=style),
            )
            break
        except pa.ArrowInvalid:
            if style == "needed":
                raise
    return header.getvalue().encode() + body.getvalue().to_pybytes()
