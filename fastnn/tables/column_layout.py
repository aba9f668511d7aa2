"""How tables are laid out: separators, lines with the column names, decimal marks, fixed widths.

`find_layout` finds the Layout of a text table, `find_header` the column names, also of a sheet, and
`find_fixed_columns` columns of a fixed width.

A column has one name, which no other has. Files have names with blanks around, several times, or in
two lines. Whatever is changed is noted.

Text tables whose columns have a fixed width have values below each other, with blanks between them:

    id        heduc   heblack     years
     9  12-15 years        No    10.546
    11   < 12 years        No    34.943

A blank may be within a value. Between two columns, all lines have a blank at the same place.
"""

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise

from ..core.errors import Argument, Message
from ..core.messages import has_lone_surrogate, join, plural, printable
from ..core.validation import check_flag, describe_type, refuse_text
from .errors import TableError

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

    delimiter: str = ","
    names: list = field(default_factory=list)
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

    def __post_init__(self) -> None:
        for name in ("sep", "encoding", "decimal", "comment", "sql"):
            if not isinstance(value := getattr(self, name), (str, type(None))):
                raise TypeError(f"{name} must be a str, got {describe_type(value)}")
        refuse_text("text_columns", self.text_columns)
        for text in filter(has_lone_surrogate, map(str, (self.encoding, self.comment, *self.na))):
            raise ValueError(
                f"encoding, comment and na must be texts that a file can hold, got {text!r}. Remove "
                "the lone surrogate."
            )
        for name in ("header", "skip_bad_lines"):
            check_flag(name, getattr(self, name))


def find_layout(label, file, options, note=lambda text: None):
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
    layout = Layout(delimiter, header=header)
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
    header = find_header([fields for fields, _ in records], _find_title_end(records))
    first, last = header.first, header.end - 1
    if _is_unclosed(sample, layout.delimiter, records, last):
        raise TableError(
            "cannot be read: a quote in the column names is not closed.",
            "Correct the first line.",
            place=label,
        )
    if first:
        n_lines = records[first][1] - _length(records, first)
        title = " ".join(value for value in records[0][0] if value)
        note(
            f"{label}: {plural(n_lines, 'line')} before the column names left "
            f"out ({printable(title)!r})"
        )
    line = records[first][1]
    header.note(label, "line", [line, records[last][1] if header.n_rows == 2 else line + 1], note)
    layout.line = records[last][1]
    lines = io.StringIO(sample, newline="").readlines()[: layout.line]
    layout.offset = sum(len(line.encode()) for line in lines)
    rows = [fields for fields, _ in records[header.end :]]
    names = _complete_names(label, header.names, rows, note)
    layout.has_spaces = _have_spaces(layout.delimiter, rows)
    if layout.has_spaces:  # which is noted when they are removed
        names = [name.strip() for name in names]
    layout.names = unique_names(label, names, note)
    _check_names(label, layout.names, note)
    return rows


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
    data = more = file.read(SAMPLE_BYTES)
    while more and len(data) < MAX_SAMPLE_BYTES and not re.search(rb"[\r\n]", data):
        more = file.read(len(data))
        data += more
    is_all = not file.read(1)
    end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    if not is_all and end:  # the last line may be incomplete
        data = data[:end]
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
        records = _records(sample, delimiter, is_all) if delimiter in sample else []
        if not records:
            continue
        first = _find_title_end(records)
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


def _find_title_end(records):
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
    if delimiter == "," or any(
        WITH_POINT.fullmatch(v) and not WITH_THOUSANDS.fullmatch(v) for v in values
    ):
        return "."
    written = [v for v in values if WITH_COMMA.fullmatch(v) or GROUPED.fullmatch(v)]
    if not written:
        return options.likely_decimal or "."
    example = next((v for v in written if not GROUPED.fullmatch(v)), None)
    if example is None and not _may_be_decimal(written, values, options.likely_decimal):
        note(
            Message(
                "{label}: commas separate thousands, as in {example!r}. If they are decimal commas, "
                "pass {decimal}.",
                label=label,
                example=written[0].strip(),
                decimal=Argument("decimal", ","),
            )
        )
        return "."
    example = (example or written[0]).strip()
    note(f"{label}: numbers are read with a decimal comma, such as {example!r}")
    return ","


def _may_be_decimal(grouped, values, likely):
    """Whether commas before three digits are decimal commas, as other values or files say."""
    is_likely = likely == "," or any(map(COMMA_AND_UNIT.fullmatch, values))
    return is_likely and not any(v.count(",") > 1 for v in grouped)


def _longest(sample, ends, n_names):
    lines = io.StringIO(sample, newline="").readlines()
    starts = [0, *ends[:-1]]
    return max(
        n_names, *(sum(map(len, lines[a:b])) for a, b in zip(starts, ends)), len(lines[0]), 0
    )


# ---- column names ----

NUMBER = re.compile(r"\s*[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?\s*")
MIN_ROWS_BELOW = 3  # rows that must show that the line above them holds names
BLANKS = " \t\u00a0\u3000"  # not line breaks, which are a part of quoted names
JOINT = " / "  # between the names of two lines
#: What survey programs write below a question that has one column, in some languages.
RESPONSE = re.compile(
    r"(?:open-ended )?(?:response|réponse(?: ouverte)?|antwort|respuesta(?: abierta)?|risposta|resposta"
    r"|antwoord|odpowiedź|svar|ответ|回答)",
    re.I,
)
IMPORT_ID = re.compile(
    r"\{\s*[\"']ImportId[\"']"
)  # begins each name of the third line of Qualtrics


def unique_names(label, names, note):
    """Return different names for columns. names : list of str, as in the file

    Raise TableError if all names are numbers, and some are equal: these are values.
    """
    stripped = [name.strip(BLANKS) for name in names]
    blanks = [name for name, new in zip(names, stripped) if name != new]
    if blanks:
        note(
            f"{label}: blanks around {plural(len(blanks), 'column name')} left out "
            f"({printable(blanks[0])!r})"
        )
    named = _name_columns(label, stripped, note)
    return _number_duplicates(label, named, note)


def _name_columns(label, names, note):
    """Return a name for each column without one, unless it is the only one."""
    if names.count("") < 2:
        return names
    # The first column may hold the numbers of the rows.
    unnamed = [i for i, name in enumerate(names) if i and not name]
    out = list(names)
    for i in unnamed:
        out[i] = f"column_{i + 1}"
    called = join([out[i] for i in unnamed], 2)
    verb = "is" if len(unnamed) == 1 else "are"
    note(f"{label}: {plural(len(unnamed), 'column')} without a name {verb} called {called}")
    return out


def _number_duplicates(label, names, note):
    """Return different names: a, a.1, a.2."""
    counts = Counter(names)
    if len(counts) == len(names):
        return names
    if all(NUMBER.fullmatch(name) for name in names):
        name, n = counts.most_common(1)[0]
        raise TableError(
            "{n} columns are named {column!r}.",
            "If the first line holds no names, pass {header}.",
            column=printable(name),
            place=label,
            n=n,
            header=Argument("header", False),
        )
    out = number_repeated(names)
    numbered = [new for name, new in zip(names, out) if name != new]
    verb = "has" if len(numbered) == 1 else "have"
    note(
        f"{label}: {plural(len(numbered), 'column')} {verb} the name of another one. A number was "
        f"added, as in {printable(_shorten(numbered[0]))!r}"
    )
    return out


def number_repeated(names):
    """Return names of which those that occur before have a number: a, a.1, a.2."""
    used, out = set(names), []
    numbers: Counter = Counter()
    seen: set = set()
    for name in names:
        new = name
        if name in seen:
            while new in used:
                numbers[name] += 1
                new = f"{name}.{numbers[name]}"
        seen.add(name)
        used.add(new)
        out.append(new)
    return out


def _shorten(name):
    """Return a name without its middle, if it is long."""
    return name if len(name) <= 40 else f"{name[:25]}...{name[-12:]}"


# ---- headers ----


@dataclass
class Header:
    """The rows with the column names, of a text table or a sheet.

    Attributes
    ----------
    first : int
        Number of the first of them.
    names : list of str
    n_rows : int
        2 if names are in two rows.
    captions : list of list of str
        The rows below the names that describe the columns.
    """

    first: int
    names: list
    n_rows: int = 1
    captions: list = field(default_factory=list)

    @property
    def end(self):
        """Number of the first row with values."""
        return self.first + self.n_rows + len(self.captions)

    def note(self, label, unit, numbers, note):
        """Note what is unusual. numbers : of the line or row with the names, and of the next"""
        if self.n_rows == 2:
            example = next(name for name in self.names if JOINT in name)
            note(
                f"{label}: the column names are in {unit}s {numbers[0]} and {numbers[1]}, such as "
                f"{printable(example, 80)!r}"
            )
        elif self.captions:
            caption = next(text for row in self.captions for text in row if text.strip())
            note(
                f"{label}, {unit} {numbers[1]}: {plural(len(self.captions), unit)} about the columns "
                f"below their names left out ({printable(caption, 80)!r})"
            )


def find_header(rows, first):
    """Return the Header of a table.

    Parameters
    ----------
    rows : list of list of str
    first : int
        Number of the row that may have the names.
    """
    for i in (first - 1, first):
        if 0 <= i < len(rows) - 1:
            names = _join_lines(rows[i], rows[i + 1], rows[i + 2 :])
            if names is not None:
                return Header(i, names, 2)
    below = rows[first + 1 :]
    return Header(first, rows[first], captions=below[: _count_captions(rows[first], below)])


def _join_lines(top, bottom, below):
    """Return the names of a header of two lines, None if it has one line.

    The first line names groups of columns, and the second one the columns of a group, so neither
    tells all columns apart. The rows below must hold other values than the second line.

    Parameters
    ----------
    top, bottom : list of str
    below : list of list of str
        The rows after them.
    """
    top, bottom = list(map(str.strip, top)), list(map(str.strip, bottom))
    if len(top) != len(bottom) or _are_different(top):
        return None
    if _are_different(bottom) and (bottom[0] or not top[0]):
        return None
    if sum(map(bool, top)) < 2 or any(map(NUMBER.fullmatch, bottom)):
        return None
    names = _join_names(top, bottom)
    return names if _are_different(names) and _differ(top, bottom, below) else None


def _are_different(names):
    """Whether all names, but perhaps that of the first column, are there, and no two are equal."""
    return all(names[1:]) and len(set(names)) == len(names)


def _join_names(top, bottom):
    groups, group = [], ""
    for name in top:
        group = name or group
        groups.append(group)
    sizes, names = Counter(groups), []
    alone = Counter(low for group, low in zip(groups, bottom) if sizes[group] == 1)
    for group, low in zip(groups, bottom):
        # "Response" below each of several questions says nothing.
        is_general = sizes[group] == 1 and alone[low] > 1
        parts = [group] if is_general else [group, low]
        names.append(JOINT.join(filter(None, parts)))
    return names


def _differ(top, bottom, below):
    """Whether the second line differs from the rows below, as names differ from values."""
    below = [row for row in below if len(row) == len(bottom)]
    return len(below) >= MIN_ROWS_BELOW and any(map(_is_name, top, bottom, zip(*below)))


def _is_name(name, low, values):
    """Whether a text of the second line differs from the values below. name : that of the first"""
    present = [value for value in values if value.strip()]
    if RESPONSE.fullmatch(low) and low not in map(str.strip, present):
        return True
    if low:
        return bool(present) and all(map(NUMBER.fullmatch, present))
    return bool(name) and len(present) == len(values)


def _count_captions(top, below):
    """Return how many lines below complete column names describe the columns: 0, or those of a survey.

    SurveyMonkey writes "Response" below each question, Qualtrics the question and an `ImportId` below
    its number.

    Parameters
    ----------
    top : list of str
        The column names.
    below : list of list of str
        The rows after them.
    """
    if not below or not all(name.strip() for name in top[1:]):
        return 0
    for n, row in enumerate(below[:2], 1):  # empty rows of sheets are left out before
        if len(row) == len(top) and all(map(IMPORT_ID.match, row)):
            return n
    return int(_are_responses(below[0], below[1:]))


def _are_responses(row, below):
    """Whether a row has what survey programs write below questions, which is no answer."""
    captions = {i: text.strip() for i, text in enumerate(row) if text.strip()}
    if len(captions) < 2 or not all(map(RESPONSE.fullmatch, captions.values())):
        return False
    others = [other for other in below if len(other) == len(row)]
    return not any(other[i].strip() == text for other in others for i, text in captions.items())


# ---- columns of a fixed width ----

MIN_LINES = 3  # with the names
MIN_ALIGNED = 0.9  # share of the values of a column that begin, or end, where the column does
MIN_BLANKS = 0.1  # share of the lines with two blanks in a row, which sentences have not
WIDE_BLANK = re.compile(r" {2,}\S")
BETWEEN_NAMES = re.compile(r"\S {2,}\S")
RULE = re.compile(r"[-=][-=+ ]*")
MAX_LINES = 2000  # that show where the columns are


def find_fixed_columns(lines):
    """Return [(start, end)] of the columns, None if the lines do not have a fixed width.

    lines : list of str, the first of which has the names; blank lines are ignored
    """
    lines = [line.rstrip() for line in _without_rule(lines[:MAX_LINES]) if line.strip()]
    if len(lines) < MIN_LINES or "\t" in "".join(lines):
        return None
    n_wide = sum(map(bool, map(WIDE_BLANK.search, lines)))
    if n_wide < MIN_BLANKS * len(lines) and not BETWEEN_NAMES.search(lines[0]):
        return None
    columns = _find_named(_filled_spans(lines), lines)
    if len(columns) < 2 or not all(_is_aligned(lines[1:], column) for column in columns):
        return None
    starts, ends = zip(*columns)
    return list(zip([0, *starts[1:]], [*ends[:-1], sys.maxsize]))  # other lines may be longer


def fits_columns(lines, columns):
    """Whether all lines have blanks between the columns."""
    gaps = [slice(end, start) for (_, end), (start, _) in zip(columns, columns[1:])]
    return all(not line[gap].strip() for line in _without_rule(lines) for gap in gaps)


def split_columns(lines, columns):
    """Yield the values of each line, [] for a blank line and for the line below the names."""
    for line in _without_rule(lines):
        yield [line[slice(*column)].strip() for column in columns] if line.strip() else []


def _without_rule(lines):
    """Yield lines, and a blank one for the line that some programs draw below the names."""
    n_filled = 0
    for line in lines:
        n_filled += bool(line.strip())
        yield "" if n_filled == 2 and RULE.fullmatch(line.strip()) else line


def _filled_spans(lines):
    """Return [(start, end)] of the places at which a line has something else than a blank."""
    filled = [False] * max(map(len, lines))
    for line in lines:
        for match in re.finditer(r"\S+", line):
            filled[match.start() : match.end()] = [True] * len(match[0])
    text = "".join("x" if each else " " for each in filled)
    return [match.span() for match in re.finditer("x+", text)]


def _find_named(spans, lines):
    """Return the spans of columns with a name, and of row numbers; none if others have no name."""
    (start, end), *others = spans
    numbers = [line[start:end].strip() for line in lines[1:]]
    if lines[0][start:end].strip() or numbers not in (_count(0, numbers), _count(1, numbers)):
        return _join_unnamed(spans, lines[0])
    columns = _join_unnamed(others, lines[0])
    return columns and [(start, end), *columns]


def _count(first, values):
    return [str(first + i) for i in range(len(values))]


def _join_unnamed(spans, header):
    """Return spans of which each has a name in the header, none if some cannot have one.

    A blank that all values of a column have at the same place, as in 2026-01-31 10:00, splits it. Names
    that end with their values are above the last part, others above the first.
    """
    parts: list = []  # [start, end, name]: names, and what is between them
    for start, end in spans:
        name = header[start:end].ljust(end - start)
        if parts and not name.strip() and not parts[-1][2].strip() and start - parts[-1][1] == 1:
            parts[-1][1] = end
        else:
            parts.append([start, end, name])
    named = [name for *_, name in parts if name.strip()]
    end_right = sum(name[-1] != " " for name in named) > sum(name[0] != " " for name in named)
    # Whether one blank is before each part, and after the last.
    is_near = [False, *(b[0] - a[1] == 1 for a, b in pairwise(parts)), False]
    out: list = []
    for i, (start, end, name) in enumerate(parts):
        if name.strip() or (i == 0 and not is_near[1]):  # names of rows have none
            out.append((start, end))
        elif is_near[i + 1] and (end_right or not is_near[i]):
            parts[i + 1][0] = start
        elif is_near[i]:
            out[-1] = out[-1][0], end
        else:
            return []
    return out


def _is_aligned(rows, column):
    """Whether nearly all values of a column begin, or end, at the same place."""
    starts: Counter = Counter()
    ends: Counter = Counter()
    for row in rows:
        cell = row[slice(*column)]
        if cell.strip():
            starts[len(cell) - len(cell.lstrip())] += 1
            ends[len(cell.rstrip())] += 1
    most = max([*starts.values(), *ends.values()], default=0)
    return most >= MIN_ALIGNED * starts.total()
