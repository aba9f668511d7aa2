"""The output of the commands: errors and notes with options in place of arguments, lines, JSON.

Lines have the width of the terminal, but at most 80 columns, and at least 30.
"""

import contextlib
import importlib.util
import json
import re
import shlex
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable

from ..core.errors import Words
from ..core.messages import LONG, format_number, join, nan_to_null, printable

WIDTH, MIN_WIDTH = 80, 30  # columns of the output
#: Returns the option of an argument of Python. `fastnn.cli`, which knows the commands, sets it.
option_of: Callable[[str], str] = str


class CommandError(Exception):
    """A command cannot do what was requested. The message is one line."""


def describe_missing(packages, extra):
    """Return which packages are missing, and how to install them; None if all are there."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return (
        f"{join(missing, quoted=False)}, which {'is' if len(missing) == 1 else 'are'} not installed. "
        f'Run: python -m pip install "fastnn-mlp[{extra}]"'
    )


class CommandWords(Words):
    """The words of a command.

    Parameters
    ----------
    target : str, optional
        The name of the column that is learned.
    locate_row : callable, optional
        Returns what to call a row: "line 3".
    """

    def __init__(self, target=None, locate_row=None):
        self.target, self.locate_row = target, locate_row

    def argument(self, argument):
        name, value = argument.name, argument.value
        if name == "X":
            return "the table"
        if name == "y":
            return "the target" + (f" {printable(self.target)!r}" if self.target else "")
        option = self.option(name)
        if value is ... or value is True or name == "header":
            return option
        if value is False:
            return f"leave out {option}"
        value = ",".join(value) if isinstance(value, list) else str(value).removesuffix(".0")
        return f"{option} {shlex.quote(printable(value))}"

    def option(self, name):
        """Return the option of a command for an argument of Python."""
        return option_of(name)

    def row(self, row):
        return f"row {row.number + 1}" if self.locate_row is None else self.locate_row(row.number)

    def wording(self, wording):
        return wording.command


# ---- output ----


def terminal_width():
    """Return the columns that output may have: those of the terminal, from 30 to 80."""
    return max(MIN_WIDTH, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


def print_line(text="", stream=None):
    """Print one line. It may hold text of a file, whose control characters are replaced.

    On a narrow terminal the columns of tables move together, and a line that is still too long
    becomes several.
    """
    text, width = printable(text, LONG), terminal_width()
    if width < WIDTH and len(text) > width:
        text = "\n".join(wrap(text, width, 2))
    print(text, file=stream or sys.stdout, flush=True)


def wrap(text, width=None, hanging=0):
    """Return the lines of a text. Those after the first are indented by `hanging`.

    width : by default that of the terminal
    """
    width = terminal_width() if width is None else width
    inner = text.lstrip()
    indent = " " * min(len(text) - len(inner), 4)
    return textwrap.wrap(
        indent + re.sub(" {2,}", "  ", inner),
        width,
        subsequent_indent=indent + " " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def print_json(report):
    """Print a JSON object. Infinite numbers and NaN become null."""
    text = json.dumps(nan_to_null(report), allow_nan=False, indent=2)
    print(text.replace("\x7f", r"\u007f"))  # the only control character that json does not escape


def print_note(text):
    """Print a remark on standard error, in lines of the width of a terminal.

    text : str or Message
    """
    text = printable(f"note: {CommandWords().say(text)}", LONG)
    for line in wrap(text, hanging=2) if sys.stderr.isatty() else [text]:
        print_line(line, sys.stderr)


class Notes:
    """Prints each note once: some columns are read twice, and --tune reads all of them again.

    Parameters
    ----------
    is_printed : bool, default True
        Whether to print the notes, or only to keep them.

    Attributes
    ----------
    texts : list of str
        The notes, in order.
    """

    def __init__(self, is_printed=True):
        self.is_printed = is_printed
        self.texts: list[str] = []

    def __call__(self, note):
        """Add a note. note : str or Message"""
        text = CommandWords().say(note)
        if text not in self.texts:
            self.texts.append(text)
            if self.is_printed:
                print_note(text)


@contextlib.contextmanager
def warnings_as_notes(note, category=None):
    """Call note(text) for what fastnn warns of in the block: by default, what estimators say about a table.

    Other warnings are left out.
    """
    from ..tables.files import TableWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", category or TableWarning)
        warnings.showwarning = lambda warning, *place: note(warning.args[0])
        yield


# ---- lines of text ----

LABEL = 12  # columns of the labels on the left
MAX_NAMES = 30  # of columns in one paragraph
NAME = 24  # characters of a name in a table
UNBROKEN = "\N{NO-BREAK SPACE}"


def choose_columns(wide, narrow):
    """Return the widths of the columns of a table: the first ones, if they fit.

    wide, narrow : tuple of int
    """
    return wide if sum(wide) <= terminal_width() else narrow


def table_line(widths, first, *others):
    """Return a row of a table: the first cell on the left of its column, the others on the right."""
    cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:]))
    return f"{first:<{widths[0]}}" + "".join(cells)


def paragraph(label, text, indent=LABEL):
    """Return lines of text with a label on the left. indent : of those after the first"""
    lines = textwrap.wrap(
        f"{label:<{LABEL}}{text}",
        terminal_width(),
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )
    return [line.replace(UNBROKEN, " ") for line in lines]


def wrap_command(command, most=None):
    """Return the lines of a command, with a backslash at the end of all but the last.

    most : int, optional
        Number of columns; by default that of the terminal.
    """
    most = terminal_width() if most is None else most
    lines = [" "]
    for word in map(shlex.quote, shlex.split(command)):
        if len(lines[-1]) + len(word) > most - 4:
            lines[-1] += " \\"
            lines.append("     ")
        lines[-1] += f" {word}"
    return lines


def short_path(path, maximum=40):
    """Return a path, without its beginning if it is long."""
    path = "standard input" if path == "-" else printable(path, 1000)
    return path if len(path) <= maximum else "..." + path[3 - maximum :]


def file_name(path, maximum=60):
    """Return the last part of the path or the address of a table, for titles."""
    if path == "-":
        return "standard input"
    last = path.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    return shorten(last or path, maximum)


def shorten(name, maximum):
    """Return a name without its middle, if it is long: names of surveys often begin alike."""
    name = printable(name, 1000)
    half = (maximum - 3) // 2
    return name if len(name) <= maximum else f"{name[: maximum - 3 - half]}...{name[-half:]}"


def list_names(names):
    """Join the first names of columns with commas. Lines do not break within a name."""
    more = f", ... ({len(names) - MAX_NAMES:,} more)" if len(names) > MAX_NAMES else ""
    shown = (name.replace(" ", UNBROKEN) for name in _shorten_apart(list(names[:MAX_NAMES])))
    return ", ".join(shown) + more


def _shorten_apart(names):
    """Return names in few characters, and in more where two would be the same."""
    shown, n = [shorten(name, NAME) for name in names], NAME
    while len(set(shown)) < len(set(names)) and n < max(map(len, names)):
        n *= 2
        shown = [shorten(a, n) if shown.count(b) > 1 else b for a, b in zip(names, shown)]
    return shown


def format_error(x):
    """Return a number with four digits, or all digits before the decimal point."""
    return f"{x:#.4g}" if 0.001 <= x < 1000 else format_number(x)
