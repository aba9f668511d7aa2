"""Lines of text for a terminal: paragraphs, tables and numbers.

Lines have the width of the terminal, but at most 80 columns, and at least 30.
"""

import shlex
import textwrap

from ..core.messages import format_number, printable
from .console import terminal_width

LABEL = 12  # columns of the labels on the left
MAX_NAMES = 30  # of columns in one paragraph
NAME = 24  # characters of a name in a table
UNBROKEN = "\N{NO-BREAK SPACE}"


def choose_columns(wide, narrow):
    """Return the widths of the columns of a table: the first ones, if they fit.

    wide, narrow : tuple of int
    """
    return wide if sum(wide) <= terminal_width() else narrow


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
