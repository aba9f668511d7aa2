"""A command's options as data, and the parser of the command line that is made from them.

Each command is a frozen dataclass. A field is one argument of the command line, with what argparse needs to know of it:

    @dataclass(frozen=True, kw_only=True)
    class DemoOptions:
        model: str = positional("MODEL", "model file written by 'fastnn train'")
        out: str | None = option("FILE", "file to write")
        quick: bool = flag("train for a second")
        table: TableOptions = option_group(TableOptions)

A field is required unless it has a default. An `option_group` is another dataclass: some arguments that
several commands have. Other fields are what the program adds. The default of a field stands here
alone: argparse sets no other values than those on the command line. A static method `complete` of
the dataclass may add to these values, or refuse some.

An error of the parser is one line that helps to correct the command.
"""

import argparse
import dataclasses
import math
import os
import re
import sys
from typing import Any, NamedTuple

from ..core.messages import LONG, one_line, printable, similar
from ..core.validation import check_threads
from .console import CommandError, wrap

LARGEST_PORT = 65535


class _Argument(NamedTuple):
    """What argparse needs to know of an argument.

    Attributes
    ----------
    dest : str
        Its attribute in a Namespace; "": the name of the field.
    is_option : bool
        Whether it is an option (`--name`), not a positional argument.
    group : str or None
        The title of its part of --help.
    argument : str or None
        What Python calls it; None: the same.
    details : dict
        The other arguments of `add_argument`.
    """

    dest: str
    is_option: bool
    group: str | None
    argument: str | None
    details: dict

    def words(self):
        """Return what it is called on the command line."""
        return "--" + self.dest.replace("_", "-") if self.is_option else self.dest


# ---- fields ----


def positional(metavar, help, **details) -> Any:
    """Return a field for an argument without a name. `nargs="?"`: it can be left out."""
    default = None if details.get("nargs") == "?" else dataclasses.MISSING
    details |= dict(metavar=metavar, help=help)
    return _field(_Argument("", False, None, None, details), default)


def option(metavar, help, *, default=None, group=None, argument=None, **details) -> Any:
    """Return a field for `--name VALUE`.

    Parameters
    ----------
    metavar : str or None
        What --help calls the value; None: as the field.
    help : str
    default : object
    group : str, optional
        The title of its part of --help.
    argument : str, optional
        The argument of Python that messages name, if it has another name than the option.
    **details
        type, choices, nargs, const of argparse.
    """
    details = dict(metavar=metavar, help=help, **details)
    return _field(_Argument("", True, group, argument, details), default)


def repeated(metavar, help, **details) -> Any:
    """Return a field for an option that can be repeated. Its value is a list, None without it."""
    return option(metavar, help, action="append", **details)


def flag(help, *, group=None, argument=None) -> Any:
    """Return a field for an option without a value: False, or True."""
    details = dict(action="store_true", help=help)
    return _field(_Argument("", True, group, argument, details), False)


def for_each(names, make) -> Any:
    """Return a field for an option of each name. Its value is {name: value} of all names.

    make : function
        Returns the field of a name, as `option` does.
    """
    arguments = [make(name).metadata["arguments"][0]._replace(dest=name) for name in names]
    return dataclasses.field(
        default_factory=lambda: dict.fromkeys(names),
        metadata={"arguments": arguments, "names": tuple(names)},
    )


def option_group(cls, group=None) -> Any:
    """Return a field for the arguments of another dataclass, in a group with this title."""
    return dataclasses.field(default_factory=cls, metadata={"part": cls, "group": group})


def seed_option(
    help="random seed of the split, the initial weights and the shuffling", **details
) -> Any:
    """Return the field of --seed."""
    text = f"{help} (default: 0)"
    return option("N", text, type=whole_number(0), default=0, **details)


def threads_option(default=-1, what="results", **details) -> Any:
    """Return the field of --threads."""
    shown = "-1, all CPUs" if default == -1 else f"{default}; -1 is all CPUs"
    text = f"maximum number of threads; does not change {what} (default: {shown})"
    return option("N", text, type=thread_count, default=default, **details)


def port_option(text, default) -> Any:
    """Return the field of --port."""
    return option("N", text, type=whole_number(0, LARGEST_PORT), default=default)


def keep_option() -> Any:
    """Return the field of --keep."""
    return repeated("COL,...", "columns of DATA to copy to the output, or all; can be repeated")


def json_flag(**details) -> Any:
    """Return the field of --json."""
    return flag("print the results as one JSON object", **details)


def _field(argument, default):
    return dataclasses.field(default=default, metadata={"arguments": [argument]})


# ---- from the dataclass to the parser, and back ----


def _arguments(cls, group=None):
    """Yield each _Argument of a dataclass, in the order of its fields."""
    for field in dataclasses.fields(cls):
        if "part" in field.metadata:
            yield from _arguments(field.metadata["part"], field.metadata["group"])
        for one in field.metadata.get("arguments", ()):
            yield one._replace(dest=one.dest or field.name, group=one.group or group)


def add_to(parser, cls):
    """Add the arguments of a dataclass to a parser."""
    groups: dict = {None: parser}
    for one in _arguments(cls):
        if one.group not in groups:
            groups[one.group] = parser.add_argument_group(one.group)
        groups[one.group].add_argument(one.words(), default=argparse.SUPPRESS, **one.details)


def names(cls):
    """Return the attributes of argparse of a dataclass, in the order of its fields."""
    return [one.dest for one in _arguments(cls)]


def options_of_arguments(cls):
    """Return {argument of Python: option} of a dataclass, for messages."""
    return {one.argument or one.dest: one.words() for one in _arguments(cls) if one.is_option}


def make(cls, values):
    """Return the options of a command.

    Parameters
    ----------
    cls : dataclass
    values : dict
        The values of the command line by the attribute of argparse, and those of the program.
    """
    if hasattr(cls, "complete"):
        values = cls.complete(values)
    own = {}
    for field in dataclasses.fields(cls):
        if "part" in field.metadata:
            own[field.name] = make(field.metadata["part"], values)
        elif "names" in field.metadata:
            own[field.name] = {name: values.get(name) for name in field.metadata["names"]}
        elif field.name in values:
            own[field.name] = values[field.name]
    return cls(**own)


# ---- the parser ----

#: Begins a value such as -1 or -5,5, not an option.
NEGATIVE_NUMBER = re.compile(r"-\.?\d")
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


def expects(what):
    """Return a decorator for a type of argparse that raises ValueError: the error says what was
    expected."""

    def decorate(parse):
        def convert(text):
            try:
                return parse(text)
            except ValueError:
                raise argparse.ArgumentTypeError(f"expected {what}, got {text!r}") from None

        return convert

    return decorate


def whole_number(minimum, maximum=math.inf):
    """Return an argparse type for whole numbers of at least `minimum` and at most `maximum`."""
    limits = f"of at least {minimum}" if maximum == math.inf else f"from {minimum} to {maximum}"
    return _in_limits(int, f"a whole number {limits}", lambda n: minimum <= n <= maximum)


def number(minimum=0.0, below=math.inf, above=-math.inf):
    """Return an argparse type for numbers x with minimum <= x < below and x > above."""
    limits = f"above {above:g}" if above > -math.inf else f"of at least {minimum:g}"
    limits += f" and below {below:g}" if below < math.inf else ""
    return _in_limits(float, f"a number {limits}", lambda x: minimum <= x < below and x > above)


def _in_limits(parse, what, are_kept):
    @expects(what)
    def convert(text):
        value = parse(text)
        if not are_kept(value):
            raise ValueError
        return value

    return convert


@expects("a whole number of at least 1, or -1 for all CPUs")
def thread_count(text):
    """Parse `--threads`."""
    return check_threads(int(text))


@expects("numbers of rows from 1 on, such as 3,10-12")
def row_numbers(text):
    """Parse `--rows`: '3,10-12' -> [(3, 3), (10, 12)]."""
    out = []
    for part in text.split(","):
        first, _, last = (word.strip() for word in part.partition("-"))
        last = last or first
        numbers = [int(x) for x in (first, last) if x.isascii() and x.isdigit() and len(x) < 16]
        if len(numbers) < 2 or not 1 <= numbers[0] <= numbers[1]:
            raise ValueError
        out.append((numbers[0], numbers[1]))
    return out


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
