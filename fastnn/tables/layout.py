"""Find the layout of a text table from its first lines: separator, header, decimal mark."""

import csv
import io
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from ..core.errors import Argument, Message
from ..core.messages import join, plural, printable
from . import column_names
from .column_names import NUMBER
from .table_errors import TableError

DELIMITERS = "\t;|,"  # if several fit, the first: a comma can also be a decimal mark
DELIMITER_NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar", " ": "space"}
SAMPLE_BYTES = 1 << 20
MAX_SAMPLE_BYTES = 1 << 26  # of a header without a line break
SAMPLE_RECORDS = 200
MAX_DELIMITED_FIELD = 1 << 17  # characters; the limit of the csv module
WITH_COMMA = re.compile(
    r"\s*[-+]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+),\d+(?:[eE][-+]?\d+)?\s*(?:%|€|EUR)?\s*"
)
#: The same with three digits after each comma, which can separate thousands.
GROUPED = re.compile(r"\s*[-+]?[1-9]\d{0,2}(?:,\d{3})+\s*(?:€|EUR)?\s*")
COMMA_AND_UNIT = re.compile(r"\s*[-+]?\d+,(?:\d\d?|\d{4,})\s*[^\W\d_]{1,3}[²³]?\s*")
WITH_POINT = re.compile(r"\s*[-+]?\d*\.\d+(?:[eE][-+]?\d+)?\s*")
WITH_THOUSANDS = re.compile(r"\s*[-+]?[1-9]\d{0,2}(?:\.\d{3})+\s*")


@dataclass
class Layout:
    """How a text table is written.

    Attributes
    ----------
    delimiter : str
        One character.
    names : list of str
    header : bool
        Whether the names are in the file.
    offset : int
        Number of bytes (of UTF-8) before the first row.
    line : int
        Number of lines before the first row.
    decimal : {".", ","}
    has_spaces : bool
        Whether a space follows each delimiter.
    row_length : int
        Number of characters of the longest row among the first ones.
    value_length : float
        Mean number of characters of a value and its separator.
    """

    delimiter: str
    names: list
    header: bool = True
    offset: int = 0
    line: int = 0
    decimal: str = "."
    has_spaces: bool = False
    row_length: int = 0
    value_length: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What the user says about a file, as in `files.read`. None: find it."""

    text_columns: Collection[str] = ()
    sep: str | None = None
    encoding: str | None = None
    na: Collection[str | float] = ()
    decimal: str | None = None
    comment: str | None = None
    sheet: str | int | None = None
    sql: str | None = None
    header: bool = True
    skip_bad_lines: bool = False
    #: Of similar files, if this one does not tell.
    likely_encoding: str | None = None
    likely_decimal: str | None = None


def find(label, file, options, note=lambda text: None):
    """Return the Layout of a text table.

    Parameters
    ----------
    label : str
        How messages begin.
    file : binary file
        UTF-8 without a byte order mark.
    options : ReadOptions
    note : function
        Called with a text for each guess that changes what is read.
    """
    header = options.header
    sample, is_all = _read_sample(file)
    if not sample.strip():
        advice = "The first line must contain the column names." if header else ""
        raise TableError("is empty.", advice, place=label)
    delimiter = options.sep or _find_delimiter(sample, is_all)
    records = _records(sample, delimiter, is_all)
    if not records:
        raise TableError(
            "cannot be read: a value has more than {most:,} characters (is a closing quote missing?)",
            place=label,
            most=MAX_DELIMITED_FIELD,
        )
    layout = Layout(delimiter, [], header)
    if header:
        rows = _set_names(layout, label, sample, records, note)
    else:
        rows = [fields for fields, _ in records]
        width = Counter(map(len, rows)).most_common(1)[0][0]
        layout.names = [f"column_{i}" for i in range(1, width + 1)]
        layout.has_spaces = _have_spaces(delimiter, rows)
    values = [value for fields in rows for value in fields]
    layout.decimal = options.decimal or _find_decimal(label, delimiter, values, options, note)
    layout.row_length = _longest(sample, [end for _, end in records], len(layout.names))
    layout.value_length = 1 + sum(map(len, values)) / max(1, len(values))
    return layout


def _set_names(layout, label, sample, records, note):
    """Set the column names and where the rows begin. Return the fields of the first rows."""
    first, last, names = _find_names(records)
    n_captions = 0
    if last == first:
        n_captions = column_names.count_captions(
            names, [fields for fields, _ in records[last + 1 :]]
        )
    last += n_captions
    end = records[last][1]
    if _is_unclosed(sample, layout.delimiter, records, last):
        raise TableError(
            "cannot be read: a quote in the column names is not closed.",
            "Correct the first line.",
            place=label,
        )
    if first:
        n_lines = records[first][1] - _length(records, first)
        note(
            f"{label}: {plural(n_lines, 'line')} before the column names left "
            f"out ({printable(_content(records[0][0]))!r})"
        )
    if n_captions:
        captions = [text for row, _ in records[first + 1 : first + 1 + n_captions] for text in row]
        caption = next(text for text in captions if text.strip())
        note(
            f"{label}, line {records[first][1] + 1}: {plural(n_captions, 'line')} about the columns below "
            f"their names left out ({printable(caption, 80)!r})"
        )
    elif last > first:
        example = next(name for name in names if column_names.JOINT in name)
        note(
            f"{label}: the column names are in lines {records[first][1]} and {end}, such as "
            f"{printable(example, 80)!r}"
        )
    lines = io.StringIO(sample, newline="").readlines()[:end]
    layout.offset = sum(len(line.encode()) for line in lines)
    layout.line = end
    rows = [fields for fields, _ in records[last + 1 :]]
    names = _complete_names(label, names, rows, note)
    layout.has_spaces = _have_spaces(layout.delimiter, rows)
    if layout.has_spaces:  # which is noted when they are removed
        names = [name.strip() for name in names]
    layout.names = column_names.find(label, names, note)
    _check_names(label, layout.names, note)
    return rows


def _find_names(records):
    """Return the numbers of the first and the last record with column names, and the names."""
    first = _find_header(records)
    for i in (first - 1, first):
        if 0 <= i < len(records) - 1:
            below = [fields for fields, _ in records[i + 2 :]]
            names = column_names.join_lines(records[i][0], records[i + 1][0], below)
            if names is not None:
                return i, i + 1, names
    return first, first, records[first][0]


def _have_spaces(delimiter, rows):
    """Whether a space follows each delimiter."""
    after = [value for fields in rows for value in fields[1:]]
    return delimiter not in " \t" and len(after) > 0 and all(v.startswith(" ") for v in after)


def _check_names(label, names, note):
    """Note names that look like values or like a comment."""
    numbers = [name for name in names if NUMBER.fullmatch(name)]
    has_decimals = any("." in name for name in numbers)
    years = all(re.fullmatch(r"(19|20)\d\d", name) for name in numbers)
    if len(names) > 1 and not years and (has_decimals or len(numbers) == len(names)):
        note(
            Message(
                "{label}: column names are numbers ({numbers}). If the file has no line with column "
                "names, pass {header}.",
                label=label,
                numbers=join(numbers, 3),
                header=Argument("header", False),
            )
        )
    if names[0].startswith("#"):
        note(
            Message(
                "{label}: the first column name begins with # ({name!r}). If the line is a comment, "
                "pass {comment}.",
                label=label,
                name=printable(names[0]),
                comment=Argument("comment", "#"),
            )
        )


def _read_sample(file):
    """Return the first lines, and whether they are the whole file."""
    data = file.read(SAMPLE_BYTES)
    size = len(data)
    while size >= SAMPLE_BYTES and size < MAX_SAMPLE_BYTES and not re.search(rb"[\r\n]", data):
        more = file.read(size)
        if not more:
            break
        data += more
        size = len(data)
    is_all = not file.read(1)
    if not is_all and re.search(rb"[\r\n]", data):  # the last line may be incomplete
        data = data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1]
    return data.decode("utf-8", "replace"), is_all


def _records(sample, delimiter, is_all):
    """Return [(fields, number of lines up to its end)] of the first records that are not blank."""
    records = []
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        for fields in reader:
            if fields:
                records.append((fields, reader.line_num))
            if len(records) == SAMPLE_RECORDS:
                return records
    except csv.Error:
        return records
    # The sample may end within a quoted value.
    return records if is_all or len(records) == 1 else records[:-1]


def _n_filled(fields):
    return sum(value != "" and not value.isspace() for value in fields)


def _find_delimiter(sample, is_all):
    """Return the delimiter that gives most records the number of fields of the header."""
    best, best_score = ",", (0.0, False, 0)
    for delimiter in DELIMITERS:
        if delimiter not in sample:
            continue
        records = _records(sample, delimiter, is_all)
        if not records:
            continue
        first = _find_header(records)
        width = len(records[first][0])
        if width < 2 or _is_unclosed(sample, delimiter, records, first):
            continue
        equal = sum(len(fields) == width for fields, _ in records[first + 1 :])
        # A decimal comma can be in each row below a header that has none, which is then no title.
        score = (equal + 1) / (len(records) - first), first == 0, width
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _usual_width(records):
    """Return the most frequent number of fields: of the lines with several, if they are not rare."""
    widths = Counter(len(fields) for fields, _ in records)
    width = widths.most_common(1)[0][0]
    several = [(n, k) for k, n in widths.items() if k > 1]
    if width == 1 and several and max(several)[0] >= max(3, len(records) / 4):
        return max(several)[1]
    return width


def _find_header(records):
    """Return the number of the record with the column names: lines of a title may precede it."""
    width = _usual_width(records)
    first = next((i for i, (f, _) in enumerate(records) if _n_filled(f) > width / 2), 0)
    names = records[first][0]
    is_header = (
        len(names) == width >= 2
        and first < len(records) - 1
        and not any(NUMBER.fullmatch(name) for name in names)
    )
    return first if is_header else 0


def _length(records, i):
    """Return the number of lines of record i and of the blank lines before it."""
    return records[i][1] - (records[i - 1][1] if i else 0)


def _content(fields):
    return " ".join(value for value in fields if value)


def _is_unclosed(sample, delimiter, records, first):
    """Whether the header begins a quoted name that never ends."""
    if _length(records, first) == 1:
        return False
    lines = io.StringIO(sample, newline="").readlines()[: records[first][1]]
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "end of data" in str(error)
    return False


def _complete_names(label, names, rows, note):
    """Return the names of all columns, if each row has one value more than the header."""
    if len(names) < 2 or not rows or any(len(fields) != len(names) + 1 for fields in rows):
        return names
    if all(fields[-1].strip() == "" for fields in rows):
        return [*names, ""]
    firsts = [fields[0] for fields in rows]
    start = int(firsts[0]) if firsts[0].isdigit() else -1
    if len(rows) > 1 and firsts == [str(i) for i in range(start, start + len(rows))]:
        note(
            f"{label}: each row has one value more than the header: the first is taken for the "
            "number of the row"
        )
        return ["", *names]
    return names


def _find_decimal(label, delimiter, values, options, note):
    """Return "," if numbers have a decimal comma, else "."."""
    if delimiter == ",":
        return "."
    if any(WITH_POINT.fullmatch(v) and not WITH_THOUSANDS.fullmatch(v) for v in values):
        return "."
    written = [v for v in values if WITH_COMMA.fullmatch(v) or GROUPED.fullmatch(v)]
    example = next((v for v in written if not GROUPED.fullmatch(v)), None)
    if written and example is None:
        is_decimal = options.likely_decimal == "," or any(map(COMMA_AND_UNIT.fullmatch, values))
        if not is_decimal or any(v.count(",") > 1 for v in written):
            note(
                Message(
                    "{label}: commas separate thousands, as in {example!r}. If they are decimal "
                    "commas, pass {decimal}.",
                    label=label,
                    example=written[0].strip(),
                    decimal=Argument("decimal", ","),
                )
            )
            return "."
        example = written[0]
    if example is not None:
        note(f"{label}: numbers are read with a decimal comma, such as {example.strip()!r}")
        return ","
    return options.likely_decimal or "."


def _longest(sample, ends, n_names):
    lines = io.StringIO(sample, newline="").readlines()
    starts = [0, *ends[:-1]]
    return max(
        n_names, *(sum(map(len, lines[a:b])) for a, b in zip(starts, ends)), len(lines[0]), 0
    )
