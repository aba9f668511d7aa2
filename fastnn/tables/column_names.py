"""Column names as files have them: with blanks around, several times, or in two lines.

A column has one name, which no other has. Whatever is changed is noted.
"""

import re
from collections import Counter

from ..core.errors import Argument
from ..core.messages import join, plural, printable
from .table_errors import TableError

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


def find(label, names, note):
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
    out = number(names)
    numbered = [new for name, new in zip(names, out) if name != new]
    verb = "has" if len(numbered) == 1 else "have"
    note(
        f"{label}: {plural(len(numbered), 'column')} {verb} the name of another one. A number was "
        f"added, as in {printable(_shorten(numbered[0]))!r}"
    )
    return out


def number(names):
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


# ---- headers of two lines ----


def join_lines(top, bottom, below):
    """Return the names of a header of two lines, None if it has one line.

    The first line names groups of columns, and the second one the columns of a group, so neither
    tells all columns apart. The rows below must hold other values than the second line.

    Parameters
    ----------
    top, bottom : list of str
    below : list of list of str
        The rows after them.
    """
    top, bottom = [name.strip() for name in top], [name.strip() for name in bottom]
    if len(top) != len(bottom) or _are_different(top):
        return None
    if _are_different(bottom) and (bottom[0] or not top[0]):
        return None
    if sum(map(bool, top)) < 2 or any(NUMBER.fullmatch(name) for name in bottom):
        return None
    names = _join(top, bottom)
    if not _are_different(names) or not _differ(top, bottom, below):
        return None
    return names


def count_captions(top, below):
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
    captions = {i: low.strip() for i, low in enumerate(below[0]) if low.strip()}
    if len(captions) < 2 or not all(map(RESPONSE.fullmatch, captions.values())):
        return 0
    rows = [row for row in below[1:] if len(row) == len(below[0])]
    are_values = any(row[i].strip() == low for row in rows for i, low in captions.items())
    return int(not are_values)


def _are_different(names):
    """Whether all names, but perhaps that of the first column, are there, and no two are equal."""
    return all(names[1:]) and len(set(names)) == len(names)


def _join(top, bottom):
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
    if len(below) < MIN_ROWS_BELOW:
        return False
    for name, low, *values in zip(top, bottom, *below):
        present = [value for value in values if value.strip()]
        is_filled = len(present) == len(values)
        are_numbers = present and all(NUMBER.fullmatch(value) for value in present)
        is_caption = RESPONSE.fullmatch(low) and low not in map(str.strip, present)
        if is_caption or (low and are_numbers) or (name and not low and is_filled):
            return True
    return False
