"""Rows of a text table that have fewer or more values than there are columns.

Short rows are filled with missing values, and footers below the table are left out. Long rows are an
error, unless they are to be skipped. A quote that is not closed takes the rest of a file for one
value, so it is looked for in rows of several lines.
"""

import csv
import io
import re

from ..core.errors import Argument
from ..core.messages import plural, printable
from .encodings import BytesInPieces
from .layout import DELIMITER_NAMES
from .table_errors import TableError

MAX_FOOTER_LINES = 20
LETTER = re.compile(r"[^\W\d_]")


def is_too_long(fields, n):
    """Whether a row has values beyond the n columns."""
    return len(fields) > n and any(fields[n:])


class EvenRows(BytesInPieces):
    """The rows of a text table as bytes of UTF-8, each with one value for each column.

    Parameters
    ----------
    table : TextTable

    Attributes
    ----------
    n_full, n_short, n_long, n_trimmed : int
        Numbers of rows: as they should be, filled, left out, and without empty values at the end.
    first_short, first_long, first_trimmed : tuple of int
        The line where the first of them begins, and its number of values.
    footer : list of (int, str)
        Number and text of the lines below the table.
    """

    def __init__(self, table):
        self.table = table
        self.n_columns = len(table.layout.names)
        self.n_full = self.n_short = self.n_long = self.n_trimmed = 0
        self.first_short: tuple = (0, 0)
        self.first_long: tuple = (0, 0)
        self.first_trimmed: tuple = (0, 0)
        self.footer: list = []
        self._rows = self._even_rows()

    def next_piece(self):
        return next(filter(None, self._rows), "").encode("utf-8", "replace")

    def _even_rows(self):
        held: list = []  # rows that may be a footer
        has_heading = False  # whether rows like a footer are above others
        for line, fields, text in self._records():
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
        if self.n_full or self.n_trimmed:
            self.footer = [(line, text.strip()) for line, _, text in held]
        else:
            yield from (self._fill(*row) for row in held)

    def _records(self):
        """Yield the first line, the fields and the text of each row."""
        layout = self.table.layout
        with (
            self.table.open_rows() as data,
            io.TextIOWrapper(data, "utf-8", "replace", newline="") as text,
        ):
            lines = _Lines(text)
            reader = csv.reader(lines, delimiter=layout.delimiter)
            line = layout.line + 1
            try:
                for fields in reader:
                    lines_taken = lines.take()
                    if fields:
                        row = "".join(lines_taken)
                        if len(lines_taken) > 1 or row.count('"') % 2:
                            self._check_quotes(line, fields, lines_taken)
                        yield line, fields, row
                    line = layout.line + reader.line_num + 1
            except csv.Error:
                raise long_value(self.table, line) from None

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
            self.n_full += 1
            return text if text.endswith(("\n", "\r")) else text + "\n"
        if len(fields) < self.n_columns:
            return self._fill(line, fields, text)
        if is_too_long(fields, self.n_columns):
            self.n_long += 1
            self.first_long = self.first_long if self.n_long > 1 else (line, len(fields))
            return None
        self.n_trimmed += 1
        self.first_trimmed = self.first_trimmed if self.n_trimmed > 1 else (line, len(fields))
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self.table.layout.delimiter, lineterminator="\n")
        writer.writerow(fields[: self.n_columns])
        return out.getvalue()

    def _fill(self, line, fields, text):
        self.n_short += 1
        self.first_short = self.first_short if self.n_short > 1 else (line, len(fields))
        missing = self.table.layout.delimiter * (self.n_columns - len(fields))
        return text.rstrip("\r\n") + missing + "\n"

    # ---- what to tell the user ----

    def check(self, skips_long):
        """Raise TableError if rows have too many values, or none has as many as there are columns."""
        if self.n_long and not skips_long:
            raise self._error(self.first_long, self.n_long)
        if not self.n_full and not self.n_trimmed and self.n_short:
            raise self._error(self.first_short, 1)

    def _error(self, first, n_lines):
        layout, (line, n) = self.table.layout, first
        advice = "Correct the line. Put a value that contains a {character} in quotes."
        if n > self.n_columns:
            advice += " {skip} leaves such lines out."
        return TableError(
            "has {values}, but {what} {expected}{more}.",
            advice,
            place=f"{self.table.source.label}, line {line}",
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
        if self.n_short:
            line, n = self.first_short
            yield (
                f"{label}, line {line}: has {plural(n, 'value')} for {self.n_columns:,} columns. "
                f"{_tell(self.n_short)} filled with missing values."
            )
        if self.n_long:
            line, n = self.first_long
            yield (
                f"{label}, line {line}: has {plural(n, 'value')} for {self.n_columns:,} columns. "
                f"{_tell(self.n_long)} left out."
            )
        if self.n_trimmed:
            yield (
                f"{label}, line {self.first_trimmed[0]}: empty values at the end of "
                f"{plural(self.n_trimmed, 'line')} left out"
            )
        if self.footer:
            line, text = self.footer[0]
            text = text.strip(self.table.layout.delimiter)
            yield (
                f"{label}, line {line}: {plural(len(self.footer), 'line')} below the table left "
                f"out ({printable(text)!r})"
            )


def _tell(n):
    return "It was" if n == 1 else f"{n:,} such lines were"


class _Lines:
    """Lines that are remembered until `take` returns them."""

    def __init__(self, file):
        self.file, self.taken = file, []

    def __iter__(self):
        return self

    def __next__(self):
        line = next(self.file)
        self.taken.append(line)
        return line

    def take(self):
        taken, self.taken = self.taken, []
        return taken


def check_end(table):
    """Raise TableError if the last value of a text table has a quote that is not closed."""
    rows = EvenRows(table)
    while rows.read(1 << 20):
        pass


def long_value(table, line):
    """Return the TableError for a value that is too long for the csv module."""
    return TableError(
        "cannot be read: a value has more than {most:,} characters (is a closing quote missing?).",
        "Correct the line.",
        place=f"{table.source.label}, line {line}",
        most=csv.field_size_limit(),
    )
