"""The parser of the commands, and types and checks of values.

Each error of the parser is one line that helps to correct the command.
"""

import argparse
import math
import os
import re
import sys

from ..core.messages import LONG, one_line, printable, similar
from ..core.validation import check_threads
from .console import CommandError, wrap

#: A value, not an option. argparse takes the same texts for negative numbers.
NEGATIVE_NUMBER = re.compile(r"-\d+$|-\d*\.\d+$")
NO_VALUE = re.compile(r"argument (?:-h/)?(--[\w-]+): expected (?:one|at least one) argument")


class Parser(argparse.ArgumentParser):
    """A parser of options that are written in full.

    It looks for unknown commands and options first: argparse would report that another argument is
    missing, or let the parser of `fastnn` report the options of its commands.
    """

    def __init__(self, **options):
        super().__init__(allow_abbrev=False, **options)
        self._commands: dict | None = None

    def add_subparsers(self, **options):
        commands = super().add_subparsers(**options)
        self._commands = commands.choices
        return commands

    def all_arguments(self):
        """Yield the arguments of the parser and of its commands."""
        yield from self._actions
        for command in (self._commands or {}).values():
            yield from command.all_arguments()

    def parse_known_args(self, args=None, namespace=None):
        args = sys.argv[1:] if args is None else list(args)
        for text in args:
            if text == "--":
                break
            if text.startswith("-") and text != "-" and not NEGATIVE_NUMBER.match(text):
                self._check_option(text.partition("=")[0])
            elif self._commands is not None:
                self._check_command(text, self._commands)
                break  # the rest belongs to the command
        namespace, others = super().parse_known_args(args, namespace)
        if others:
            advice = "Quote values that contain spaces." if len(others) > 1 else "Remove it."
            self.error(f"unexpected argument{'s' * (len(others) > 1)} {' '.join(others)}. {advice}")
        return namespace, []

    def _check_option(self, option):
        """Report an option that does not exist."""
        known = self._option_string_actions
        if option in known or (option[:2] in known and option[1] != "-"):
            return
        close = similar(option, known)
        if close is None:  # --cat is not similar to --category
            close = next((name for name in known if name.startswith(option)), None)
        self.error(f"unknown option {option}.{f' Did you mean {close}?' if close else ''}")

    def _check_command(self, name, known):
        """Report a command that does not exist."""
        if name in known:
            return
        close = similar(name, known)
        if name == "help":
            advice = "For the options of a command: fastnn COMMAND --help."
        elif close:
            advice = f"Did you mean {close!r}?"
        elif "." in name:  # a file
            advice = (
                f"To look at a table: fastnn info {name}. To train on it: fastnn train {name} "
                "--target COL --out FILE."
            )
        else:
            advice = f"The commands are {', '.join(known)}."
        self.error(f"unknown command {name!r}. {advice}")

    def error(self, message):
        message = NO_VALUE.sub(r"\1 needs a value. If it begins with -, write \1=VALUE", message)
        message = printable(one_line(message), LONG)
        end = "" if message.endswith((".", "?")) else "."
        self.exit(2, f"{self.prog}: {message}{end} See '{self.prog} --help'.\n")


# ---- types of values ----


def whole_number(minimum, maximum=math.inf):
    """Return an argparse type for whole numbers of at least `minimum` and at most `maximum`."""
    limits = f"of at least {minimum}" if maximum == math.inf else f"from {minimum} to {maximum}"

    def convert(text):
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if not minimum <= number <= maximum:
            raise argparse.ArgumentTypeError(f"expected a whole number {limits}, got {text!r}")
        return number

    return convert


def number(minimum=0.0, below=math.inf, above=-math.inf):
    """Return an argparse type for numbers x with minimum <= x < below and x > above."""
    limits = f"above {above:g}" if above > -math.inf else f"of at least {minimum:g}"
    limits += f" and below {below:g}" if below < math.inf else ""

    def convert(text):
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (minimum <= number < below and number > above):
            raise argparse.ArgumentTypeError(f"expected a number {limits}, got {text!r}")
        return number

    return convert


def thread_count(text):
    """Parse `--threads`."""
    try:
        return check_threads(int(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 1, or -1 for all CPUs, got {text!r}"
        ) from None


# ---- help ----


def help_texts(text):
    """Split a help text for argparse: the description, then the examples after the options."""
    description, _, examples = text.strip().partition("\n\nexamples:")
    return dict(
        description=description,
        epilog="examples:" + examples,
        formatter_class=HelpFormatter,
    )


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Leaves the lines of descriptions and examples as they are, if the terminal is wide enough."""

    def add_argument(self, action):
        super().add_argument(action)
        if action.nargs == argparse.PARSER:  # argparse forgets that commands are indented
            self._action_max_length += 2

    def _split_lines(self, text, width):
        return wrap(text, width)  # argparse breaks lines at the hyphens of options

    def _format_usage(self, usage, *others):
        text = super()._format_usage(usage, *others)
        return text if usage is None else "\n".join(wrap(text, self._width + 2, 4)) + "\n\n"

    def _fill_text(self, text, width, indent):
        if max(map(len, text.splitlines())) <= width + 2:
            return text
        blocks = []
        for block in text.split("\n\n"):
            lines, hanging = block.splitlines(), 2
            if not any(line.startswith(" ") for line in lines):
                lines, hanging = [" ".join(lines)], 0
            blocks.append("\n".join("\n".join(wrap(line, width, hanging)) for line in lines))
        return "\n\n".join(blocks)


def check_output(path, *inputs, option="--out"):
    """Raise CommandError unless the file of an option can be written, before the work begins."""
    for other in inputs:
        if os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other):
            raise CommandError(
                f"{path}: {option} would overwrite an input file. Choose another name."
            )
    if os.path.exists(path) and not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "not a regular file"
        raise CommandError(f"{path}: {option} is {kind}. Pass the name of a file.")
    folder, name = os.path.split(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise CommandError(
            f"{os.path.dirname(path) or folder}: no such folder. Create it first, or choose another "
            f"{option}."
        )
    temporary = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb"):
            pass
        os.unlink(temporary)
    except OSError as error:
        raise CommandError(
            f"{path}: cannot be written: {error.strerror}. Choose another {option}."
        ) from None
