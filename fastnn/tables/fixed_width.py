"""Text tables whose columns have a fixed width: values below each other, with blanks between them.

    id        heduc   heblack     years
     9  12-15 years        No    10.546
    11   < 12 years        No    34.943

A blank may be within a value. Between two columns, all lines have a blank at the same place.
"""

import re
import sys
from collections import Counter

MIN_LINES = 3  # with the names
MIN_ALIGNED = 0.9  # share of the values of a column that begin, or end, where the column does
MIN_BLANKS = 0.1  # share of the lines with two blanks in a row, which sentences have not
WIDE_BLANK = re.compile(r" {2,}\S")
BETWEEN_NAMES = re.compile(r"\S {2,}\S")
RULE = re.compile(r"[-=][-=+ ]*")
MAX_LINES = 2000  # that show where the columns are


def find_columns(lines):
    """Return [(start, end)] of the columns, None if the lines do not have a fixed width.

    lines : list of str, the first of which has the names; blank lines are ignored
    """
    lines = [line.rstrip() for line in _without_rule(lines[:MAX_LINES]) if line.strip()]
    if len(lines) < MIN_LINES or any("\t" in line for line in lines):
        return None
    n_wide = sum(map(bool, map(WIDE_BLANK.search, lines)))
    if n_wide < MIN_BLANKS * len(lines) and not BETWEEN_NAMES.search(lines[0]):
        return None
    columns = _find_named(_filled_spans(lines), lines)
    if columns is None or len(columns) < 2:
        return None
    if not all(_is_aligned(lines[1:], column) for column in columns):
        return None
    starts = [0, *(start for start, _ in columns[1:])]  # further lines may have longer values
    return list(zip(starts, [*(end for _, end in columns[:-1]), sys.maxsize]))


def fit(lines, columns):
    """Whether all lines have blanks between the columns."""
    gaps = [slice(end, start) for (_, end), (start, _) in zip(columns, columns[1:])]
    return all(not line[gap].strip() for line in _without_rule(lines) for gap in gaps)


def split(lines, columns):
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
    """Return the spans of columns with a name, and of row numbers, None if others have no name."""
    (start, end), *others = spans
    numbers = [line[start:end].strip() for line in lines[1:]]
    if not lines[0][start:end].strip() and numbers in (_count(0, numbers), _count(1, numbers)):
        columns = _join_unnamed(others, lines[0])
        return None if columns is None else [(start, end), *columns]
    return _join_unnamed(spans, lines[0])


def _count(first, values):
    return [str(first + i) for i in range(len(values))]


def _join_unnamed(spans, header):
    """Return spans of which each has a name in the header, None if some have none.

    A blank that all values of a column have at the same place, as in 2026-01-31 10:00, splits it. Names
    that end with their values are above the last part, others above the first.
    """
    names = [header[start:end].ljust(end - start) for start, end in spans]
    named = [name for name in names if name.strip()]
    end_right = sum(name[-1] != " " for name in named) > sum(name[0] != " " for name in named)
    parts: list = []  # [start, end, has_name]: names, and what is between them
    for (start, end), name in zip(spans, names):
        has_name = bool(name.strip())
        if parts and not has_name and not parts[-1][2] and start - parts[-1][1] == 1:
            parts[-1][1] = end
        else:
            parts.append([start, end, has_name])
    out: list = []
    left = None  # the start of what belongs to the next name
    for i, (start, end, has_name) in enumerate(parts):
        is_near_right = i + 1 < len(parts) and parts[i + 1][0] - end == 1
        is_near_left = bool(out) and start - out[-1][1] == 1
        if not has_name and is_near_right and (end_right or not is_near_left):
            left = start
        elif not has_name and is_near_left:
            out[-1] = out[-1][0], end
        elif has_name or i == 0:  # names of rows have none
            out.append((start if left is None else left, end))
            left = None
        else:
            return None
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
