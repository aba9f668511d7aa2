"""The output of the commands: errors and notes with options in place of arguments, lines, JSON."""

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
from ..core.messages import LONG, join, nan_to_null, printable

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
    if sys.stderr.isatty():
        for line in wrap(text, hanging=2):
            print_line(line, sys.stderr)
    else:
        print_line(text, sys.stderr)


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
def warnings_as_notes(note):
    """Call note(text) for what estimators warn of in the block about a table.

    Other warnings are left out.
    """
    from ..tables.files import TableWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", TableWarning)
        warnings.showwarning = lambda warning, *place: note(warning.args[0])
        yield
