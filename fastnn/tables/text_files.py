"""Read CSV, TSV and other text tables."""

import csv
import io
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ..core.errors import Argument, Message
from ..core.messages import join, reason
from . import encodings, fixed_width, memory, uneven_rows
from . import layout as layouts
from .layout import Layout
from .missing_marks import NULLS, present_texts
from .number_texts import DECIMAL_COMMA, PLAIN_STYLE
from .part_texts import HOURS, MANY_HOURS, is_clock, style_of_all
from .recognition import begins_with_zero
from .table_errors import TableError, import_pyarrow
from .table_source import TableSource, lend
from .wide_numbers import are_wide, is_wide

MAX_BLOCK = 1 << 26  # bytes that pyarrow reads at once
SAMPLE = 1 << 16  # bytes that decide whether spaces separate the values
ZEROS = re.compile(rb"[,;\t|\"\r\n]0\d\d+[,;\t|\"\r\n]")
ZEROS_SAMPLE = 1 << 22  # bytes that are searched for them
SEPARATORS = {"\\t": "\t", "tab": "\t", "space": " ", r"\s+": " "}


@dataclass
class TextTable:
    """A text table whose encoding and layout are known.

    Attributes
    ----------
    source : TableSource
    encoding : str
    comment : str or None
        Lines that begin with it are left out.
    spaces : bool
        Whether spaces separate the values. They are read as tabs.
    columns : list of (int, int), or None
        Where the values begin and end, if the columns have a fixed width. They are read with tabs.
    skips_long : bool
        Whether rows with too many values are left out.
    layout : Layout
    has_odd_digits : bool
        Whether 0x1F was in the rows that have been read, or 007 in the first of them.
    """

    source: TableSource
    encoding: str
    comment: str | None = None
    spaces: bool = False
    columns: list | None = None
    skips_long: bool = False
    layout: Layout = field(default_factory=lambda: Layout(",", []))
    has_odd_digits: bool = False

    def open(self):
        """Open the file for reading bytes of UTF-8: without comments, and with tabs for spaces.

        Lines keep their numbers.
        """
        file = encodings.open_as_utf8(self.source, self.encoding)
        if self.comment is None and not self.spaces and self.columns is None:
            return file
        with file:
            data = file.read()
        if self.comment is not None:
            data = remove_comments(data, self.comment)
        if self.spaces:
            data = _with_tabs(map(_split_spaces, split_lines(data)))
        elif self.columns is not None:
            data = _with_tabs(fixed_width.split(split_lines(data), self.columns))
        return io.BytesIO(data)

    def open_rows(self):
        """Open the file after the column names."""
        file = self.open()
        left = self.layout.offset
        while left and (data := file.read(min(left, MAX_BLOCK))):
            left -= len(data)
        return file

    @contextmanager
    def _open_csv(self):
        with (
            self.open_rows() as data,
            io.TextIOWrapper(data, "utf-8", "replace", newline="") as text,
        ):
            yield csv.reader(text, delimiter=self.layout.delimiter)

    def locate(self, row):
        """Return the number of the line in which a row (counted from 0) begins, or None.

        Lines count as in a text editor, including blank lines and line breaks in quoted values.
        """
        with self._open_csv() as reader:
            end = 0
            try:
                for record in reader:
                    if record and not (self.skips_long and self._is_too_long(record)):
                        row -= 1
                        if row < 0:
                            return self.layout.line + end + 1
                    end = reader.line_num
            except csv.Error:
                pass
        return None

    def _is_too_long(self, record):
        return uneven_rows.is_too_long(record, len(self.layout.names))

    def locate_long_value(self):
        """Return the number of the line of the first row with a value that is too long for csv, or
        None."""
        with self._open_csv() as reader:
            end = 0
            try:
                for _ in reader:
                    end = reader.line_num
            except csv.Error:
                return self.layout.line + end + 1
        return None


def remove_comments(data, comment):
    """Return lines without those that begin with a comment, which become blank lines.

    A line within a quoted value is not a comment.
    """
    mark = re.escape(comment.encode())
    quoted = rb'(?:^|(?<=[\r,;|\t ]))"[^"]*+(?:""[^"]*+)*+"'
    pattern = rb"(?m)(?:^|(?<=\r))[ \t]*" + mark + rb"[^\r\n]*|(" + quoted + rb")"
    return re.sub(pattern, lambda match: match[1] or b"", data)


def split_lines(data):
    """Return lines as texts; str.splitlines would split at form feeds and others, too."""
    lines = re.split("\r\n|\r|\n", data.decode("utf-8", "replace"))
    return lines if lines[-1] else lines[:-1]


def _with_tabs(rows):
    """Return rows as lines with tabs between the values. Blank lines have none."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    for values in rows:
        if values:
            writer.writerow(values)
        else:
            out.write("\n")
    return out.getvalue().encode()


def _split_spaces(line):
    text = line.replace("\t", " ").strip()
    return next(csv.reader([text], delimiter=" ", skipinitialspace=True), [])


def find(source, options, note=lambda text: None):
    """Return the TextTable of a source. `note(text)` is called for each guess.

    options : ReadOptions
    """
    options = replace(options, sep=_check_separator(options.sep, options.decimal))
    if options.comment == "":
        raise TableError(
            "{argument} is empty.",
            "Pass the character that begins a comment, such as #.",
            argument="comment",
        )
    encoding = encodings.find(source, options.encoding, note, options.likely_encoding)
    table = TextTable(
        source, encoding, options.comment, options.sep == " ", skips_long=options.skip_bad_lines
    )
    if options.sep is None:
        with table.open() as file:
            lines = _first_lines(file.read(SAMPLE))
        n_more = _count_spaces(lines)
        table.columns = None if n_more == 0 else _find_columns(table, lines)
        table.spaces = n_more is not None and table.columns is None
        if table.spaces:
            note(f"{source.label}: the values are separated by spaces")
    if table.spaces or table.columns is not None:
        options = replace(options, sep="\t")
    notes: list = []
    with table.open() as file:
        table.layout = layouts.find(source.label, file, options, notes.append)
    if table.columns is not None:
        note(
            Message(
                "{label}: columns of a fixed width: {names}. If they are not, pass {sep}.",
                label=source.label,
                names=join(table.layout.names, 4),
                sep=Argument("sep", ","),
            )
        )
    for text in notes:
        note(text)
    return table


def _find_columns(table, lines):
    """Return where the columns of a table of a fixed width are, None if it has none.

    lines : list of str, the first ones
    """
    header = next((line for line in lines if line.strip()), "")
    if any(mark in header for mark in layouts.DELIMITERS):
        return None
    columns = fixed_width.find_columns(lines)
    if columns is None:
        return None
    with table.open() as file, io.TextIOWrapper(file, "utf-8", "replace") as text:
        return columns if fixed_width.fit(text, columns) else None


def _first_lines(data):
    """Return the lines of a sample without the last one, which may be incomplete."""
    lines = split_lines(data)
    return lines[:-1] if len(data) == SAMPLE else lines


def _check_separator(sep, decimal):
    sep = SEPARATORS.get(sep, sep)
    if sep is not None and (len(sep) != 1 or not sep.isascii() or sep in '"\r\n'):
        raise TableError(
            "{argument} is {value!r}, but one character is needed, such as ; or tab.",
            argument="sep",
            value=sep,
        )
    if decimal not in (None, ".", ","):
        raise TableError(
            "{argument} is {value!r}, but must be . or a comma.", argument="decimal", value=decimal
        )
    if sep is not None and sep == decimal:
        raise TableError(
            "{argument} and {decimal} are both {value!r}.",
            "Pass another {argument} or {decimal}.",
            argument="sep",
            decimal=Argument("decimal"),
            value=sep,
        )
    return sep


def _count_spaces(lines):
    """Return how many values more than the header each line has, 0 or 1, if spaces separate them.

    None: the lines have other numbers of values, or another separator.
    """
    lines = [line.strip() for line in lines[:100] if line.strip()]
    if len(lines) < 2 or any(mark in line for line in lines for mark in layouts.DELIMITERS):
        return None
    try:
        header, *widths = [len(_split_spaces(line)) for line in lines]
    except csv.Error:
        return None
    n_more = widths[0] - header  # R writes row names without a column name
    return n_more if len(set(widths)) == 1 and header >= 2 and n_more in (0, 1) else None


# ---- parse ----


def read(table, options, note=None):
    """Return the pyarrow Table of a TextTable. options : ReadOptions"""
    pa = import_pyarrow()
    label, names = table.source.label, table.layout.names
    memory.check_text(table.source, table.layout.value_length)
    memory.check_width(label, len(names))
    text = {name: pa.string() for name in names if name in options.text_columns}
    convert = pa.csv.ConvertOptions(
        strings_can_be_null=True,
        null_values=[*NULLS, *map(str, options.na)],
        decimal_point=table.layout.decimal,
        column_types=text,
    )
    out = _read_rows(pa, table, convert, options, note or (lambda text: None))
    misread = [
        name
        for name, column in zip(names, out.columns)
        if _may_be_misread(pa, column, table.has_odd_digits)
    ]
    if misread:
        convert.include_columns, convert.column_types = misread, dict.fromkeys(misread, pa.string())
        texts = _read_rows(pa, table, convert, options, lambda text: None)
        for name, column in zip(misread, texts.columns):
            if _are_misread(pa, out.column(name).type, column, table.layout.decimal):
                out = out.set_column(names.index(name), name, column)
    return out


def _may_be_misread(pa, column, has_odd_digits):
    """Whether pyarrow may have rounded digits, read 0x1F or 007 as a number, or minutes as hours."""
    if pa.types.is_time(column.type):
        last = pa.compute.max(pa.compute.hour(column)).as_py()
        return last is not None and last < MANY_HOURS
    if pa.types.is_integer(column.type):
        return has_odd_digits
    return pa.types.is_floating(column.type) and are_wide(column)


def _are_misread(pa, kind, column, decimal):
    """Whether the texts of a column are not what pyarrow has read. kind : the type that it read"""
    distinct = present_texts(column.unique().drop_null().to_pylist())
    if pa.types.is_integer(
        kind
    ):  # 0x1F is a text, as in files of other formats, and 007 gets a note
        return any("x" in text or "X" in text or begins_with_zero(text) for text in distinct)
    if any(map(is_clock, distinct)):
        return style_of_all(HOURS, distinct) != HOURS
    style = PLAIN_STYLE if decimal == "." else DECIMAL_COMMA
    return any(is_wide(text, style) for text in distinct)


def _read_rows(pa, table, convert, options, note):
    try:
        out = _parse(pa, table, convert)
    except pa.ArrowException as error:
        if "Empty CSV" in str(error):
            names = convert.include_columns or table.layout.names
            return pa.table({name: [] for name in names})
        return _read_uneven(pa, table, convert, options, note)
    if _ends_with_lines(pa, out):
        uneven_rows.check_end(table)
    return out


def _parse(pa, table, convert, rows=None):
    """Return the pyarrow Table of the rows of a TextTable. rows : EvenRows, or None"""
    layout = table.layout
    # A block has some hundred rows, even if the rows are long.
    block_size = MAX_BLOCK if rows else min(max(1 << 20, 500 * layout.row_length), MAX_BLOCK)
    with table.open_rows() if rows is None else io.BufferedReader(rows, 1 << 20) as file:
        return lend(
            _Watched(file, table),
            pa.csv.read_csv,
            pa.csv.ReadOptions(block_size=block_size, column_names=layout.names),
            pa.csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
            convert,
        )


class _Watched:
    """A file that tells its TextTable if it has digits that pyarrow reads without a word: hexadecimal
    ones, and those that begin with 0, like postal codes."""

    def __init__(self, file, table):
        self.file, self.table = file, table
        self.last, self.n_read = b"\n", 0

    def read(self, n):
        data = self.file.read(n)
        if not self.table.has_odd_digits:
            text = self.last + data  # x may be the first byte of a block
            has_zeros = self.n_read < ZEROS_SAMPLE and ZEROS.search(text) is not None
            self.table.has_odd_digits = has_zeros or b"0x" in text or b"0X" in text
            self.last, self.n_read = data[-1:], self.n_read + len(data)
        return data


def _read_uneven(pa, table, convert, options, note):
    """Read a table whose rows have different numbers of values, or explain why it cannot be read."""
    rows = uneven_rows.EvenRows(table)
    try:
        out = _parse(pa, table, convert, rows)
    except pa.ArrowException as error:
        if "straddl" in str(error):  # a line longer than a block
            raise _long_line(table) from None
        if "Empty CSV" not in str(error):
            raise TableError(
                "cannot be read: {reason}", place=table.source.label, reason=reason(error)
            ) from None
        out = pa.table({name: [] for name in table.layout.names})
    rows.check(options.skip_bad_lines)
    for text in rows.notes():
        note(text)
    return out


def _ends_with_lines(pa, out):
    """Whether a value of the last row has several lines: its quote may not be closed."""
    if not out.num_rows:
        return False
    last = out.slice(out.num_rows - 1).to_pylist()[0]
    return any(isinstance(value, str) and "\n" in value for value in last.values())


def _long_line(table):
    """Return the TableError for a line that is longer than a block."""
    line = table.locate_long_value()
    if line is None:
        return TableError(
            "cannot be read: a line has more than {most:,} bytes.",
            "Write one row in each line.",
            place=table.source.label,
            most=MAX_BLOCK,
        )
    return uneven_rows.long_value(table, line)
