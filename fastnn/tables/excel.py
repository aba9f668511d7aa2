"""Read the table in a sheet of a spreadsheet file."""

import datetime
from collections import Counter

from ..core.errors import Argument, Message
from ..core.messages import did_you_mean, join, plural, printable
from . import column_names, memory, tidy, workbooks
from .missing_marks import NULLS, is_missing_mark
from .table_errors import TableError, import_pyarrow
from .wide_numbers import is_wide_integer

MAX_ROWS_BELOW = 100  # rows that tell whether the column names are in two rows


def read(source, options, note=lambda text: None):
    """Read one sheet. options : ReadOptions"""
    pa = import_pyarrow()
    book = workbooks.Workbook(source)
    title = _choose(source.label, book.names, options.sheet)
    others = [name for name in book.names if name != title]
    rows = book.rows(title)
    if options.sheet is None and others:
        note(
            Message(
                "{label}: sheet {title!r} was read, not {others}. Pass {sheet} to choose another.",
                label=source.label,
                title=printable(title),
                others=join(others, 3),
                sheet=Argument("sheet"),
            )
        )
    label = f"{source.label}, sheet {printable(title)!r}"
    names, rows = _find_table(label, rows, options.header, note)
    memory.check_width(label, len(names))
    missing = {*NULLS, *map(str, options.na)}
    cells = [[row[i] for row in rows] for i in range(len(names))]
    _note_formulas(label, names, cells, note)
    marks: dict = {}
    columns = [
        _to_array(pa, values, name in options.text_columns, missing, marks.setdefault(name, set()))
        for name, values in zip(names, cells)
    ]
    tidy.note_missing(label, marks, note)
    return pa.Table.from_arrays(columns, names)


def _note_formulas(label, names, cells, note):
    """Note the formulas without a stored result, which are missing values."""
    counts = {
        name: sum(value is workbooks.NO_RESULT for value in values)
        for name, values in zip(names, cells)
    }
    unknown = [name for name, n in counts.items() if n]
    if unknown:
        n = sum(counts.values())
        them = "It is" if n == 1 else "They are"
        note(
            f"{label}: {plural(n, 'formula')} in {join(unknown, 4)} without a stored result. {them} "
            "read as missing. Open the file in a spreadsheet program and save it, which computes them."
        )


def _choose(label, names, sheet):
    """Return the name of a sheet. sheet : its name, its number from 1, or None for the first"""
    if not names:
        raise TableError("has no sheets.", "Save the table as CSV.", place=label)
    if sheet is None:
        return names[0]
    if sheet in names:
        return sheet
    if str(sheet).isdigit() and 1 <= int(sheet) <= len(names):
        return names[int(sheet) - 1]
    raise TableError(
        "has no sheet {value!r}.",
        "{did_you_mean}",
        argument="sheet",
        place=label,
        value=printable(sheet),
        did_you_mean=did_you_mean(sheet, names, "sheets"),
    )


def _is_filled(value):
    return value is not None and value != ""


def _find_table(label, rows, header, note):
    """Return the column names and the rows. Empty rows, empty columns and titles are left out."""
    filled = [(i, row) for i, row in enumerate(rows, 1) if any(map(_is_filled, row))]
    if not filled:
        raise TableError("is empty.", "The first row must contain the column names.", place=label)
    n_columns = max(map(len, rows))
    used = [
        j for j in range(n_columns) if any(j < len(row) and _is_filled(row[j]) for _, row in filled)
    ]
    filled = [(i, [row[j] if j < len(row) else None for j in used]) for i, row in filled]
    widths = [sum(map(_is_filled, row)) for _, row in filled]
    width = Counter(widths).most_common(1)[0][0]
    if not header:
        return [f"column_{i + 1}" for i in range(len(used))], [row for _, row in filled]
    first = next(i for i, n in enumerate(widths) if n > width / 2 or i == len(widths) - 1)
    if first == len(widths) - 1 or not all(isinstance(v, str | None) for v in filled[first][1]):
        first = 0
    first, names, body = _find_names(label, filled, first, note)
    above = filled[len(filled) - len(body) - 1][0]  # the last row of the names
    if first:
        title = next(v for v in filled[0][1] if _is_filled(v))
        note(
            f"{label}: {plural(first, 'row')} before the column names left out "
            f"({printable(title)!r})"
        )
    while len(body) > 1 and width > 3 and sum(map(_is_filled, body[-1][1])) == 1:
        if not isinstance(next(v for v in body[-1][1] if _is_filled(v)), str):
            break
        note(
            f"{label}, row {body[-1][0]}: a row below the table left out "
            f"({printable(next(v for v in body[-1][1] if _is_filled(v)))!r})"
        )
        body.pop()
    n_empty = body[-1][0] - above - len(body) if body else 0
    if n_empty:
        note(f"{label}: {plural(n_empty, 'empty row')} between the others left out")
    return column_names.find(label, names, note), [row for _, row in body]


def _find_names(label, filled, first, note):
    """Return the first row of the column names, which may be two, the names, and the rows below.

    filled : list of (number, row); first : the row that may have the names
    """
    texts = [list(map(_name, row)) for _, row in filled[: first + MAX_ROWS_BELOW]]
    for i in (first - 1, first):
        if 0 <= i < len(texts) - 1:
            names = column_names.join_lines(texts[i], texts[i + 1], texts[i + 2 :])
            if names is not None:
                example = next(name for name in names if column_names.JOINT in name)
                note(
                    f"{label}: the column names are in rows {filled[i][0]} and "
                    f"{filled[i + 1][0]}, such as {printable(example, 80)!r}"
                )
                return i, names, filled[i + 2 :]
    n = column_names.count_captions(texts[first], texts[first + 1 :])
    if n:
        captions = [text for row in texts[first + 1 : first + 1 + n] for text in row]
        caption = next(text for text in captions if text.strip())
        note(
            f"{label}, row {filled[first + 1][0]}: {plural(n, 'row')} about the columns below their names "
            f"left out ({printable(caption, 80)!r})"
        )
    return first, texts[first], filled[first + 1 + n :]


def _name(value):
    return _to_text(value) if _is_filled(value) and value is not workbooks.NO_RESULT else ""


def _to_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _to_array(pa, values, as_text, missing, marks):
    """Return the values of a column as numbers, Booleans or dates if all are, else as texts.

    missing : set of str, texts for missing values in each column
    marks : set, to which texts for missing values beside numbers, Booleans and dates are added
    """
    values = [
        None if v is workbooks.NO_RESULT or (isinstance(v, str) and v.strip() in missing) else v
        for v in values
    ]
    texts = {v for v in values if isinstance(v, str)}
    kinds = {type(v) for v in values if v is not None}
    if not as_text and len(kinds) > 1 and all(map(is_missing_mark, texts)):
        marks |= texts
        values = [None if isinstance(v, str) else v for v in values]
        kinds.discard(str)
    if not as_text and (kinds <= {int, float} or len(kinds) == 1):
        try:
            if kinds == {int, float} and not any(map(is_wide_integer, values)):
                values = [None if v is None else float(v) for v in values]
            return pa.array(values, pa.string() if kinds == {str} else None)
        except (pa.ArrowException, OverflowError):
            pass
    return pa.array([None if v is None else _to_text(v) for v in values], pa.string())
