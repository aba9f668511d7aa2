"""A command's options as data: each command is a frozen dataclass, and its parser is made from it.

A field is one argument of the command line, with what argparse needs to know of it:

    @dataclass(frozen=True, kw_only=True)
    class DemoOptions:
        model: str = positional("MODEL", "model file written by 'fastnn train'")
        out: str | None = option("FILE", "file to write")
        quick: bool = flag("train for a second")
        table: TableOptions = part(TableOptions)

A field is required unless it has a default. A `part` is another dataclass: some arguments that
several commands have. Other fields are what the program adds. The default of a field stands here
alone: argparse sets no other values than those on the command line. A static method `complete` of
the dataclass may add to these values, or refuse some.
"""

import argparse
import dataclasses
from typing import Any, NamedTuple

from .parser import thread_count, whole_number

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


def part(cls, group=None) -> Any:
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


# ---- the parser, and the values ----


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
