"""Read CSV, TSV and other text tables."""

import csv
import io
import re
from dataclasses import dataclass, field, replace

from ..core.errors import Argument
from ..core.messages import reason
from . import encodings, memory, uneven_rows
from . import layout as layouts
from .layout import Layout
from .missing_marks import present_texts
from .number_texts import DECIMAL_COMMA, PLAIN_STYLE
from .part_texts import HOURS, MANY_HOURS, is_clock, style_of_all
from .table_errors import TableError, import_pyarrow
from .table_source import TableSource, lend
from .wide_numbers import are_wide, is_wide

MAX_BLOCK = 1 << 26  # bytes that pyarrow reads at once
SPACES_SAMPLE = 1 << 16  # bytes that decide whether spaces separate the values
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
    skips_long : bool
        Whether rows with too many values are left out.
    layout : Layout
    """

    source: TableSource
    encoding: str
    comment: str | None = None
    spaces: bool = False
    skips_long: bool = False
    layout: Layout = field(default_factory=lambda: Layout(",", []))

    def open(self):
        """Open the file for reading bytes of UTF-8: without comments, and with tabs for spaces.

        Lines keep their numbers.
        """
        file = encodings.open_as_utf8(self.source, self.encoding)
        if self.comment is None and not self.spaces:
            return file
        with file:
            data = file.read()
        if self.comment is not None:
            data = remove_comments(data, self.comment)
        return io.BytesIO(spaces_to_tabs(data) if self.spaces else data)

    def open_rows(self):
        """Open the file after the column names."""
        file = self.open()
        left = self.layout.offset
        while left and (data := file.read(min(left, MAX_BLOCK))):
            left -= len(data)
        return file

    def locate(self, row):
        """Return the number of the line in which a row (counted from 0) begins, or None.

        Lines count as in a text editor, including blank lines and line breaks in quoted values.
        """
        with (
            self.open_rows() as data,
            io.TextIOWrapper(data, "utf-8", "replace", newline="") as text,
        ):
            reader = csv.reader(text, delimiter=self.layout.delimiter)
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
        with (
            self.open_rows() as data,
            io.TextIOWrapper(data, "utf-8", "replace", newline="") as text,
        ):
            reader = csv.reader(text, delimiter=self.layout.delimiter)
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


def spaces_to_tabs(data):
    """Return lines whose values are separated by spaces as lines with tabs."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    for line in split_lines(data):
        text = line.replace("\t", " ").strip()
        if text:
            writer.writerow(_split_spaces(text))
        else:
            out.write("\n")
    return out.getvalue().encode()


def _split_spaces(text):
    return next(csv.reader([text], delimiter=" ", skipinitialspace=True))


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
    table = TextTable(source, encoding, options.comment, options.sep == " ", options.skip_bad_lines)
    if options.sep is None:
        table.spaces = _has_spaces(table)
        if table.spaces:
            note(f"{source.label}: the values are separated by spaces")
    if table.spaces:
        options = replace(options, sep="\t")
    with table.open() as file:
        table.layout = layouts.find(source.label, file, options, note)
    return table


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


def _has_spaces(table):
    """Whether spaces separate the values: each line has the same number, and no other separator."""
    with table.open() as file:
        data = file.read(SPACES_SAMPLE)
    lines = split_lines(data)
    if len(data) == SPACES_SAMPLE:  # the last line may be incomplete
        lines.pop()
    lines = [line.strip() for line in lines[:100] if line.strip()]
    if len(lines) < 2 or any(mark in line for line in lines for mark in layouts.DELIMITERS):
        return False
    try:
        header, *widths = [len(_split_spaces(line)) for line in lines]
    except csv.Error:
        return False
    # R writes row names without a column name.
    return len(set(widths)) == 1 and header >= 2 and header in (widths[0], widths[0] - 1)


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
        null_values=[*pa.csv.ConvertOptions().null_values, "?", *map(str, options.na)],
        decimal_point=table.layout.decimal,
        column_types=text,
    )
    out = _read(pa, table, convert, options, note or (lambda text: None))
    misread = [name for name, column in zip(names, out.columns) if _may_be_misread(pa, column)]
    if misread:
        convert.include_columns, convert.column_types = misread, dict.fromkeys(misread, pa.string())
        texts = _read(pa, table, convert, options, lambda text: None)
        for name, column in zip(misread, texts.columns):
            if _are_misread(column, table.layout.decimal):
                out = out.set_column(names.index(name), name, column)
    return out


def _may_be_misread(pa, column):
    """Whether pyarrow may have rounded digits, or taken minutes and seconds for hours and minutes."""
    if pa.types.is_time(column.type):
        last = pa.compute.max(pa.compute.hour(column)).as_py()
        return last is not None and last < MANY_HOURS
    return pa.types.is_floating(column.type) and are_wide(column)


def _are_misread(column, decimal):
    """Whether the texts of a column are not what pyarrow has read."""
    distinct = present_texts(column.unique().drop_null().to_pylist())
    if any(map(is_clock, distinct)):
        return style_of_all(HOURS, distinct) != HOURS
    style = PLAIN_STYLE if decimal == "." else DECIMAL_COMMA
    return any(is_wide(text, style) for text in distinct)


def _read(pa, table, convert, options, note):
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
            file,
            pa.csv.read_csv,
            pa.csv.ReadOptions(block_size=block_size, column_names=layout.names),
            pa.csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
            convert,
        )


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
