"""Read and write tables: CSV, TSV and Parquet files (needs pyarrow, the extra `cli`).

A file that cannot be used raises a `TableError`: one line that names the file, the line or the
column, and says what to do.
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

MAX_COLUMNS = 10_000
MAX_LINE_BYTES = 1 << 26  # of the header
MAX_QUOTED_HEADER_BYTES = 1 << 20  # of further lines of the header, within quoted names
EXTENSIONS = ".csv, .tsv or .parquet, or .csv.gz, .tsv.gz"
OTHER_FORMATS = {
    b"PK\x03\x04": "a spreadsheet or a ZIP archive",
    b"%PDF": "a PDF document",
    b"ARRO": "an Arrow file",
}


class TableError(ValueError):
    """A table that cannot be used. The message is one line."""


def import_pyarrow():
    """Import pyarrow with its submodules. Raise TableError if it is not installed."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise TableError(
            "tables need pyarrow, which is not installed. "
            'Run: python -m pip install "fastnn-mlp[cli]"'
        ) from None
    return pyarrow


def printable(text, maximum=40):
    """Make text from a file safe for a terminal: one line of limited length, without control
    characters."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return text if len(text) <= maximum else text[: maximum - 3] + "..."


# ---- read ----


def read(path, text_columns=()):
    """Read a CSV file, a TSV file (both can be gzipped) or a Parquet file.

    Parameters
    ----------
    path : str
    text_columns : collection of str, default ()
        Columns to read as text, even if their values look like numbers or dates. (A column was text
        in training, but the rows to predict contain only its numeric values.)

    Returns
    -------
    pyarrow.Table
        Has at least one row and one column, unique column names, and text as plain strings.
    """
    pa = import_pyarrow()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            kind = "a directory" if os.path.isdir(path) else "not a regular file"
            raise TableError(f"{path}: is {kind}. Pass a CSV, TSV or Parquet file.")
        with open(path, "rb") as file:
            magic = file.read(4)
        if magic in OTHER_FORMATS:
            raise TableError(f"{path}: is {OTHER_FORMATS[magic]}. Save the table as CSV.")
        table = _read_parquet(pa, path) if magic == b"PAR1" else _read_text(pa, path, text_columns)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise TableError(
            f"{path}: is a damaged or truncated gzip file. Download or create it again."
        ) from None
    except OSError as error:
        raise TableError(
            f"{path}: {error.strerror or _one_line(error)}. Pass a CSV, TSV or Parquet file."
        ) from None
    for name, count in Counter(table.column_names).items():
        if count > 1:
            raise TableError(
                f"{path}: {count} columns are named {printable(name)!r}. Rename all but one."
            )
    if table.num_rows == 0:
        n = len(table.column_names)
        raise TableError(
            f"{path}: has {n} column{'s' * (n != 1)} but no rows. At least one row is needed."
        )
    return _simplify_types(pa, table)


def _read_parquet(pa, path):
    try:
        file = pa.parquet.ParquetFile(path)
        _check_width(path, len(file.schema_arrow.names))
        return file.read()
    except pa.ArrowException as error:
        raise TableError(f"{path}: not a readable Parquet file ({_one_line(error)})") from None


def _check_width(path, n_columns):
    if n_columns > MAX_COLUMNS:
        raise TableError(
            f"{path}: has {n_columns:,} columns, but at most {MAX_COLUMNS:,} are supported. "
            "Remove some columns."
        )


def _simplify_types(pa, table):
    """Convert dictionary columns to plain values, and all string types to pyarrow.string."""
    columns = []
    for column in table.columns:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        kind = pa.string() if str(kind) in ("large_string", "string_view") else kind
        columns.append(column if kind == column.type else column.cast(kind))
    return pa.Table.from_arrays(columns, table.column_names)


def _open_decompressed(path):
    """Open a text file for reading bytes, decompressed if it is a gzip file."""
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return (gzip.open if is_gzip else open)(path, "rb")


# A quoted name. The quote must be the first character of a value; the name can contain line breaks.
# Possessive quantifiers never backtrack, so matching takes linear time.
QUOTED = rb'(?<![^\t,;])"(?:[^"]++|"")*+"'
HEADER = re.compile(rb'(?:[^\r\n"]++|' + QUOTED + rb'|")*+')


def _read_header(path):
    """Return the header (the first record that is not blank) and the line after it, as bytes."""
    with _open_decompressed(path) as file:
        text = file.readline(MAX_LINE_BYTES)
        while text and not text.removeprefix(codecs.BOM_UTF8).strip():
            text = file.readline(MAX_LINE_BYTES)
        text = text.removeprefix(codecs.BOM_UTF8)
        if b'"' in text:  # a quoted name can continue on the next line
            text += file.read(MAX_QUOTED_HEADER_BYTES)
            header = next(HEADER.finditer(text))[0]
        else:
            header = text.rstrip(b"\r\n").partition(b"\r")[0]
        rest = text[len(header) :].lstrip(b"\r\n") or file.readline(MAX_LINE_BYTES)
        return header, re.split(rb"[\r\n]", rest, maxsplit=1)[0]


def _delimiter(header):
    """Return the most frequent delimiter outside quotes, and the number of columns."""
    unquoted = re.sub(QUOTED, b"", header) if b'"' in header else header
    delimiter = max("\t,;", key=lambda character: unquoted.count(character.encode()))
    return delimiter, unquoted.count(delimiter.encode()) + 1


def _read_text(pa, path, text_columns):
    header, first = _read_header(path)
    if not header:
        raise TableError(f"{path}: is empty. The first line must contain the column names.")
    if b"\0" in header:
        raise TableError(
            f"{path}: is not UTF-8 text (it contains zero bytes). Save the table as CSV in UTF-8."
        )
    delimiter, n_columns = _delimiter(header)
    _check_width(path, n_columns)
    # Where the decimal point is a comma (1,5), semicolons separate the values.
    has_decimal_comma = delimiter == ";" and re.search(rb"(^|;)\s*-?\d+,\d+\s*(;|$)", first)
    try:
        names = next(csv.reader([header.decode("utf-8-sig")], delimiter=delimiter), [])
        convert = pa.csv.ConvertOptions(
            strings_can_be_null=True,
            null_values=[*pa.csv.ConvertOptions().null_values, "?"],
            decimal_point="," if has_decimal_comma else ".",
            column_types={name: pa.string() for name in names if name in text_columns},
        )
        # A block has some hundred rows, even if the rows are long.
        block_size = min(max(1 << 20, 500 * max(len(header), len(first))), 1 << 26)
        table = _parse(pa, path, delimiter, block_size, convert)
    except (UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise TableError(_describe_error(pa, path, delimiter, error)) from None
    for name, kind in zip(table.column_names, table.schema.types):
        if pa.types.is_binary(kind):
            raise TableError(
                f"{path}{_locate_invalid_utf8(path) or ''}: column {printable(name)!r} is not "
                "UTF-8 text. Save the file as UTF-8."
            )
    return table


def _parse(pa, path, delimiter, block_size=1 << 26, convert=None, handler=None, threads=True):
    parse = pa.csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, invalid_row_handler=handler
    )
    with _open_decompressed(path) as file:
        return pa.csv.read_csv(
            file, pa.csv.ReadOptions(use_threads=threads, block_size=block_size), parse, convert
        )


def _describe_error(pa, path, delimiter, error):
    """Explain in one line why pyarrow cannot read a text file, with the line number if known."""
    line = _locate_invalid_utf8(path)
    if line:
        return f"{path}{line}: is not UTF-8 text. Save the file as UTF-8."
    invalid_rows = []

    def handle_invalid_row(row):
        invalid_rows.append(row)
        return "error"

    try:
        # pyarrow only counts rows without threads.
        _parse(pa, path, delimiter, handler=handle_invalid_row, threads=False)
    except pa.ArrowException:
        if invalid_rows and invalid_rows[0].number:
            row = invalid_rows[0]
            character = {",": "comma", "\t": "tab", ";": "semicolon"}[delimiter]
            return (
                f"{locate(path, row.number - 2)}: has {row.actual_columns} "
                f"value{'s' * (row.actual_columns != 1)}, but the header has "
                f"{row.expected_columns}. Correct the line. "
                f"Put a value that contains a {character} in quotes."
            )
    quotes = " (is a closing quote missing?)" if "straddl" in str(error) else ""
    return f"{path}: cannot be read{quotes}: {_one_line(error)}"


def _locate_invalid_utf8(path):
    """Return ', line N' for the first line that is not UTF-8, or None if there is none."""
    with _open_decompressed(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f", line {number}"
    return None


def locate(path, row):
    """Return 'PATH, line N' for a row (counted from 0), or 'PATH, row N' for a Parquet file.

    Lines count as in a text editor, including blank lines and line breaks within quoted values.
    """
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"PAR1":
                with (
                    _open_decompressed(path) as data,
                    io.TextIOWrapper(data, "utf-8", "replace", newline="") as text,
                ):
                    reader = csv.reader(text, delimiter=_delimiter(_read_header(path)[0])[0])
                    records_before, last_line = row + 1, 0  # the header is a record
                    for record in reader:
                        if record:
                            records_before -= 1
                            if records_before < 0:
                                return f"{path}, line {last_line + 1}"
                        last_line = reader.line_num
    except (OSError, csv.Error):
        pass
    return f"{path}, row {row + 1}"


def _one_line(error):
    return " ".join(str(error).split())[:200]


# ---- write ----


def check_extension(path):
    """Raise TableError if the file extension is unknown."""
    if not re.search(r"\.(csv|tsv|tab)(\.gz)?$|\.(parquet|pq)$", str(path)):
        raise TableError(f"{path}: unknown file extension. Use {EXTENSIONS}.")


def write(path, columns):
    """Write columns {name: array} to a file, completely or not at all.

    The file extension determines the format.
    """
    pa = import_pyarrow()
    check_extension(path)
    name = os.path.basename(os.path.realpath(path))
    try:
        with replacing(path) as file:
            if name.endswith((".parquet", ".pq")):
                pa.parquet.write_table(pa.table(columns), file)
            elif name.endswith(".gz"):
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:
                    compressed.write(to_text(columns, name))
            else:
                file.write(to_text(columns, name))
    except OSError as error:
        raise TableError(
            f"{path}: cannot be written: {error.strerror or _one_line(error)}"
        ) from None


def to_text(columns, name=".csv"):
    """Return columns {name: array} as bytes of CSV, or of TSV if the file extension says so."""
    pa = import_pyarrow()
    delimiter = "\t" if re.search(r"\.(tsv|tab)(\.gz)?$", name) else ","
    header = io.StringIO()  # pyarrow would quote every name
    csv.writer(header, delimiter=delimiter, lineterminator="\n").writerow(columns)
    # pyarrow's "needed" quotes every text. "none" fails if a text needs quotes.
    for style in ("none", "needed"):
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
