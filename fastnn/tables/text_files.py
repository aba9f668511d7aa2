"""Read and write CSV, TSV and other text tables.

Rows may have fewer or more values than there are columns. Short rows are filled with missing values,
and footers below the table are left out. Long rows are an error, unless they are to be skipped. A
quote that is not closed takes the rest of a file for one value, so it is looked for in rows of
several lines.
"""

import csv
import io
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from ..core.errors import Argument, Message
from ..core.messages import join, plural, printable, reason
from .cells.missing import NULLS, present_texts
from .cells.numbers import (
    DECIMAL_COMMA,
    MANY_HOURS,
    MINUTES,
    PLAIN_STYLE,
    are_wide,
    clock_style,
    is_clock,
    is_wide,
)
from .cells.recognition import begins_with_zero
from .column_layout import (
    DELIMITER_NAMES,
    DELIMITERS,
    Layout,
    find_fixed_columns,
    find_layout,
    fits_columns,
    split_columns,
)
from .encodings import ByteStream, find_encoding, open_as_utf8
from .errors import TableError, import_pyarrow
from .limits import check_text_memory, check_width
from .source import TableSource, lend

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
    split : function, optional
        split(lines): yields the values of each line, if spaces separate them, or they have a fixed
        width. They are read with tabs.
    skips_long : bool
        Whether rows with too many values are left out.
    layout : Layout
    has_odd_digits : bool
        Whether 0x1F was in the rows that have been read, or 007 in the first of them.
    """

    source: TableSource
    encoding: str
    comment: str | None = None
    split: Callable | None = None
    skips_long: bool = False
    layout: Layout = field(default_factory=Layout)
    has_odd_digits: bool = False

    def open(self):
        """Open the file for reading bytes of UTF-8: without comments, and with tabs for spaces.

        Lines keep their numbers.
        """
        file = open_as_utf8(self.source, self.encoding)
        if self.comment is None and self.split is None:
            return file
        with file:
            data = file.read()
        if self.comment is not None:
            data = _remove_comments(data, self.comment)
        if self.split is not None:
            data = _with_tabs(self.split(_split_lines(data)))
        return io.BytesIO(data)

    def open_rows(self):
        """Open the file after the column names."""
        file = self.open()
        left = self.layout.offset
        while left and (data := file.read(min(left, MAX_BLOCK))):
            left -= len(data)
        return file

    def records(self):
        """Yield the number of the first line, the values and the lines of each row.

        Lines count as in a text editor, including blank lines and line breaks in quoted values.
        """
        lines: list = []  # of a row
        with (
            self.open_rows() as data,
            io.TextIOWrapper(data, "utf-8", "replace", newline="") as text,
        ):
            reader = csv.reader(_remember(text, lines), delimiter=self.layout.delimiter)
            line = self.layout.line + 1
            try:
                for fields in reader:
                    if fields:
                        yield line, fields, lines[:]
                    lines.clear()
                    line = self.layout.line + reader.line_num + 1
            except csv.Error:
                raise TableError(
                    "cannot be read: a value has more than {most:,} characters (is a closing quote "
                    "missing?).",
                    "Correct the line.",
                    place=f"{self.source.label}, line {line}",
                    most=csv.field_size_limit(),
                ) from None

    def is_too_long(self, fields):
        """Whether a row has values beyond the columns."""
        return any(fields[len(self.layout.names) :])

    def locate(self, row):
        """Return the number of the line in which a row (counted from 0) begins, or None."""
        starts = (
            line
            for line, fields, _ in self.records()
            if not (self.skips_long and self.is_too_long(fields))
        )
        return next(islice(starts, row, None), None)


def _remember(lines, remembered):
    """Yield lines, and append them to a list."""
    for line in lines:
        remembered.append(line)
        yield line


def _remove_comments(data, comment):
    """Return lines without those that begin with a comment, which become blank lines.

    A line within a quoted value is not a comment.
    """
    mark = re.escape(comment.encode())
    quoted = rb'(?:^|(?<=[\r,;|\t ]))"[^"]*+(?:""[^"]*+)*+"'
    pattern = rb"(?m)(?:^|(?<=\r))[ \t]*" + mark + rb"[^\r\n]*|(" + quoted + rb")"
    return re.sub(pattern, lambda match: match[1] or b"", data)


def _split_lines(data):
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


def _to_line(values, delimiter):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerow(values)
    return out.getvalue()


def _split_at_spaces(lines):
    """Yield the values of each line, [] for a blank line."""
    for line in lines:
        text = line.replace("\t", " ").strip()
        yield next(csv.reader([text], delimiter=" ", skipinitialspace=True), [])


def detect(source, options, note=lambda text: None):
    """Return the TextTable of a source. `note(text)` is called for each guess.

    options : ReadOptions
    """
    sep = _check_separator(options.sep, options.decimal)
    if options.comment == "":
        raise TableError(
            "{argument} is empty.",
            "Pass the character that begins a comment, such as #.",
            argument="comment",
        )
    encoding = find_encoding(source, options.encoding, note, options.likely_encoding)
    table = TextTable(source, encoding, options.comment, skips_long=options.skip_bad_lines)
    columns = None
    if sep == " ":
        table.split = _split_at_spaces
    elif sep is None:
        with table.open() as file:
            lines = _first_lines(file.read(SAMPLE))
        n_more = _count_spaces(lines)
        columns = None if n_more == 0 else _find_columns(table, lines)
        if columns is not None:
            table.split = partial(split_columns, columns=columns)
        elif n_more is not None:
            table.split = _split_at_spaces
            note(f"{source.label}: the values are separated by spaces")
    options = replace(options, sep=sep if table.split is None else "\t")
    notes: list = []
    with table.open() as file:
        table.layout = find_layout(source.label, file, options, notes.append)
    if columns is not None:
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
    if any(mark in header for mark in DELIMITERS):
        return None
    columns = find_fixed_columns(lines)
    if columns is None:
        return None
    with table.open() as file, io.TextIOWrapper(file, "utf-8", "replace") as text:
        return columns if fits_columns(text, columns) else None


def _first_lines(data):
    """Return the lines of a sample without the last one, which may be incomplete."""
    lines = _split_lines(data)
    return lines[:-1] if len(data) == SAMPLE else lines


def _check_separator(sep, decimal):
    sep = SEPARATORS.get(sep, sep)
    if sep is not None and (len(sep) != 1 or not sep.isascii() or sep in '"\r\n\0'):
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
    if len(lines) < 2 or any(mark in line for line in lines for mark in DELIMITERS):
        return None
    try:
        header, *widths = map(len, _split_at_spaces(lines))
    except csv.Error:
        return None
    n_more = widths[0] - header  # R writes row names without a column name
    return n_more if len(set(widths)) == 1 and header >= 2 and n_more in (0, 1) else None


# ---- parse ----


def read_text(table, options, note):
    """Return the pyarrow Table of a TextTable. options : ReadOptions"""
    pa = import_pyarrow()
    label, names = table.source.label, table.layout.names
    check_text_memory(table.source, table.layout.value_length)
    check_width(label, len(names))
    text = {name: pa.string() for name in names if name in options.text_columns}
    convert = pa.csv.ConvertOptions(
        strings_can_be_null=True,
        null_values=[*NULLS, *map(str, options.na)],
        decimal_point=table.layout.decimal,
        column_types=text,
    )
    out = _read_rows(pa, table, convert, note)
    misread = [
        name
        for name, column in zip(names, out.columns)
        if _may_be_misread(pa, column, table.has_odd_digits)
    ]
    if misread:
        convert.include_columns, convert.column_types = misread, dict.fromkeys(misread, pa.string())
        texts = _read_rows(pa, table, convert, lambda text: None)
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
    if pa.types.is_integer(kind):
        # 0x1F is a text, as in files of other formats, and 007 gets a note.
        return any("x" in text or "X" in text or begins_with_zero(text) for text in distinct)
    if any(map(is_clock, distinct)):
        return clock_style(distinct) == MINUTES
    style = PLAIN_STYLE if decimal == "." else DECIMAL_COMMA
    return any(is_wide(text, style) for text in distinct)


def _read_rows(pa, table, convert, note):
    try:
        out = _parse(pa, table, convert)
    except pa.ArrowException:
        return _read_uneven(pa, table, convert, note)
    if _ends_with_lines(out):
        for _ in EvenRows(table):  # which checks that quotes are closed
            pass
    return out


def _parse(pa, table, convert, rows=None):
    """Return the pyarrow Table of the rows of a TextTable. rows : EvenRows, or None"""
    layout = table.layout
    # A block has some hundred rows, even if the rows are long.
    block_size = MAX_BLOCK if rows else min(max(1 << 20, 500 * layout.row_length), MAX_BLOCK)
    try:
        with table.open_rows() if rows is None else rows.open() as file:
            return lend(
                _Watched(file, table),
                pa.csv.read_csv,
                pa.csv.ReadOptions(block_size=block_size, column_names=layout.names),
                pa.csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
                convert,
            )
    except pa.ArrowInvalid as error:
        if "Empty CSV" not in str(error):
            raise
        return pa.table({name: [] for name in convert.include_columns or layout.names})


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


def _read_uneven(pa, table, convert, note):
    """Read a table whose rows have different numbers of values, or explain why it cannot be read."""
    rows = EvenRows(table)
    try:
        out = _parse(pa, table, convert, rows)
    except pa.ArrowException as error:
        if "straddl" in str(error):  # a line longer than a block
            raise _long_line(table) from None
        raise TableError(
            "cannot be read: {reason}", place=table.source.label, reason=reason(error)
        ) from None
    rows.check()
    for text in rows.notes():
        note(text)
    return out


def _ends_with_lines(out):
    """Whether a value of the last row has several lines: its quote may not be closed."""
    last = out.slice(max(0, out.num_rows - 1)).to_pylist()
    return any(isinstance(value, str) and "\n" in value for row in last for value in row.values())


def _long_line(table):
    """Return the TableError for a line that is longer than a block."""
    for _ in table.records():  # which raises one for a value that is too long
        pass
    return TableError(
        "cannot be read: a line has more than {most:,} bytes.",
        "Write one row in each line.",
        place=table.source.label,
        most=MAX_BLOCK,
    )


# ---- rows of other lengths ----

MAX_FOOTER_LINES = 20
LETTER = re.compile(r"[^\W\d_]")


@dataclass
class _OddRows:
    """How many rows have another length than the table, the line of the first, and its length."""

    n: int = 0
    line: int = 0
    n_values: int = 0

    def add(self, line, fields):
        if not self.n:
            self.line, self.n_values = line, len(fields)
        self.n += 1


class EvenRows:
    """The rows of a text table as texts, each with one value for each column.

    Parameters
    ----------
    table : TextTable

    Attributes
    ----------
    has_even : bool
        Whether rows have as many values as there are columns, without empty ones at the end.
    short, long, trimmed : _OddRows
        Rows that were filled, left out, or had empty values at the end.
    footer : list of (int, str)
        Number and text of the lines below the table.
    """

    def __init__(self, table):
        self.table = table
        self.n_columns = len(table.layout.names)
        self.has_even = False
        self.short, self.long, self.trimmed = _OddRows(), _OddRows(), _OddRows()
        self.footer: list = []

    def open(self):
        """Open them for reading bytes of UTF-8."""
        return io.BufferedReader(
            ByteStream(text.encode("utf-8", "replace") for text in self), 1 << 20
        )

    def __iter__(self):
        held: list = []  # rows that may be a footer
        has_heading = False  # whether rows like a footer are above others
        for line, fields, lines in self.table.records():
            text = "".join(lines)
            if len(lines) > 1 or text.count('"') % 2:
                self._check_quotes(line, fields, lines)
            may_be_footer = self._may_be_footer(fields) and not has_heading
            if may_be_footer and len(held) < MAX_FOOTER_LINES:
                held.append((line, fields, text))
                continue
            has_heading = has_heading or bool(held)
            yield from (self._fill(*row) for row in held)
            held = []
            row = self._even(line, fields, text)
            if row is not None:
                yield row
        if self.has_even:
            self.footer = [(line, text.strip()) for line, _, text in held]
        else:
            yield from (self._fill(*row) for row in held)

    def _check_quotes(self, line, fields, lines):
        """Raise TableError if a row of several lines has a quote that is not closed."""
        try:
            list(csv.reader(lines, delimiter=self.table.layout.delimiter, strict=True))
        except csv.Error as error:
            # Other errors: the quote was closed by the opening quote of a later value.
            if "end of data" in str(error) or len(fields) != self.n_columns:
                raise TableError(
                    "a quote is not closed.",
                    "Correct the line.",
                    place=f"{self.table.source.label}, line {line}",
                ) from None

    def _may_be_footer(self, fields):
        return len(fields) <= self.n_columns / 2 and bool(LETTER.search(" ".join(fields)))

    def _even(self, line, fields, text):
        """Return the text of a row, None if it is too long."""
        if len(fields) == self.n_columns:
            self.has_even = True
            return text if text.endswith(("\n", "\r")) else text + "\n"
        if len(fields) < self.n_columns:
            return self._fill(line, fields, text)
        if self.table.is_too_long(fields):
            self.long.add(line, fields)
            return None
        self.has_even = True
        self.trimmed.add(line, fields)
        return _to_line(fields[: self.n_columns], self.table.layout.delimiter)

    def _fill(self, line, fields, text):
        self.short.add(line, fields)
        missing = self.table.layout.delimiter * (self.n_columns - len(fields))
        return text.rstrip("\r\n") + missing + "\n"

    # ---- what to tell the user ----

    def check(self):
        """Raise TableError if rows have too many values, or none has as many as there are columns."""
        if self.long.n and not self.table.skips_long:
            raise self._error(self.long, self.long.n)
        if self.short.n and not self.has_even:
            raise self._error(self.short, 1)

    def _error(self, rows, n_lines):
        layout, n = self.table.layout, rows.n_values
        advice = "Correct the line. Put a value that contains a {character} in quotes."
        if n > self.n_columns:
            advice += " {skip} leaves such lines out."
        return TableError(
            "has {values}, but {what} {expected}{more}.",
            advice,
            place=f"{self.table.source.label}, line {rows.line}",
            values=plural(n, "value"),
            what="the header has" if layout.header else "most lines have",
            expected=self.n_columns,
            more=f" ({n_lines:,} lines have too many)" if n_lines > 1 else "",
            character=DELIMITER_NAMES.get(layout.delimiter, repr(layout.delimiter)),
            skip=Argument("skip_bad_lines", True),
        )

    def notes(self):
        """Yield a text for each thing that was done."""
        label = self.table.source.label
        for rows, done in ((self.short, "filled with missing values"), (self.long, "left out")):
            if rows.n:
                they = "It was" if rows.n == 1 else f"{rows.n:,} such lines were"
                yield (
                    f"{label}, line {rows.line}: has {plural(rows.n_values, 'value')} for "
                    f"{self.n_columns:,} columns. {they} {done}."
                )
        if self.trimmed.n:
            yield (
                f"{label}, line {self.trimmed.line}: empty values at the end of "
                f"{plural(self.trimmed.n, 'line')} left out"
            )
        if self.footer:
            line, text = self.footer[0]
            text = text.strip(self.table.layout.delimiter)
            yield (
                f"{label}, line {line}: {plural(len(self.footer), 'line')} below the table left "
                f"out ({printable(text)!r})"
            )


# ---- write ----


class TextWriter(nullcontext):
    """Appends the rows of tables to a text table."""

    def __init__(self, file, extension, quoted):
        super().__init__(self)
        self._file, self._name, self._quoted = file, extension, quoted
        self._header = True

    def write(self, table):
        self._file.write(to_csv(table, self._name, self._header, self._quoted))
        self._header = False


def to_csv(columns, name=".csv", header=True, quoted=None):
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
    table = import_pyarrow().table(columns)
    if quoted is None:
        quoted = needs_quotes(table, name)
    # pyarrow would quote every name.
    names = _to_line(table.column_names, _delimiter(name)) if header else ""
    return names.encode() + _rows_to_csv(table, name, "needed" if quoted else "none")


def needs_quotes(columns, name=".csv"):
    """Whether a text of a table contains the separator, a quote or a line break."""
    pa = import_pyarrow()
    table = pa.table(columns)
    types = [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()]
    texts = [
        i
        for i, kind in enumerate(table.schema.types)
        if kind in types or pa.types.is_fixed_size_binary(kind)
    ]
    if not texts:
        return False
    try:
        _rows_to_csv(table.select(texts), name, "none")
    except pa.ArrowInvalid:
        return True
    return False


def _delimiter(name):
    return "\t" if re.search(r"\.(tsv|tab)(\.gz)?$", name) else ","


def _rows_to_csv(table, name, style):
    """Return the rows as bytes. style : "needed" quotes every text, "none" fails if one needs quotes."""
    pa = import_pyarrow()
    body = pa.BufferOutputStream()
    options = pa.csv.WriteOptions(
        include_header=False, delimiter=_delimiter(name), quoting_style=style
    )
    pa.csv.write_csv(table, body, options)
    return body.getvalue().to_pybytes()
