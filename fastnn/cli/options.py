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
alone: argparse sets no other values than those on the command line.
"""

import argparse
import dataclasses
from typing import Any, NamedTuple

from .console import OPTIONS
from .parser import thread_count, whole_number


class _Argument(NamedTuple):
    """What argparse needs to know of an argument.

    Attributes
    ----------
    dest : str or None
        Its attribute in a Namespace; None: the name of the field.
    is_option : bool
        Whether it has the name --dest.
    group : str or None
        The title of its part of --help.
    argument : str or None
        What Python calls it; None: the same.
    details : dict
        The rest.
    """

    dest: str | None
    is_option: bool
    group: str | None
    argument: str | None
    details: dict


# ---- fields ----


def positional(metavar, help, **details) -> Any:
    """Return a field for an argument without a name. `nargs="?"` or a default: it can be left out."""
    default = details.pop("default", None if details.get("nargs") == "?" else dataclasses.MISSING)
    details |= dict(metavar=metavar, help=help)
    return _field(_Argument(None, False, None, None, details), default)


def option(metavar, help, *, default=None, group=None, argument=None, name=None, **details) -> Any:
    """Return a field for `--name VALUE`.

    Parameters
    ----------
    metavar, help : str
        What --help calls the value, and says of it.
    default : object
    group : str, optional
        The title of its part of --help.
    argument : str, optional
        The argument of Python that messages name, if it has another name than the option.
    name : str, optional
        The option without --, if it is not the name of the field.
    **details
        type, choices, nargs, const of argparse.
    """
    details = dict(metavar=metavar, help=help, **details)
    return _field(_Argument(name, True, group, argument, details), default)


def repeated(metavar, help, **details) -> Any:
    """Return a field for an option that can be repeated. Its value is a list, None without it."""
    return option(metavar, help, action="append", **details)


def flag(help, *, group=None, argument=None, name=None) -> Any:
    """Return a field for an option without a value: False, or True."""
    details = dict(action="store_true", help=help)
    return _field(_Argument(name, True, group, argument, details), False)


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


def keep_option() -> Any:
    """Return the field of --keep."""
    return repeated("COL,...", "columns of DATA to copy to the output, or all; can be repeated")


def json_flag(**details) -> Any:
    """Return the field of --json."""
    return flag("print the results as one JSON object", **details)


def _field(argument, default):
    return dataclasses.field(default=default, metadata={"arguments": [argument]})


# ---- the parser, and the values ----


def add_to(parser, cls):
    """Add the arguments of a dataclass to a parser, and name its options in messages."""
    groups: dict = {None: parser}

    def add(cls, title):
        for field in dataclasses.fields(cls):
            if "part" in field.metadata:
                add(field.metadata["part"], field.metadata["group"])
                continue
            for one in field.metadata.get("arguments", ()):
                dest, group = one.dest or field.name, one.group or title
                if group not in groups:
                    groups[group] = parser.add_argument_group(group)
                name = "--" + dest.replace("_", "-") if one.is_option else dest
                groups[group].add_argument(name, default=argparse.SUPPRESS, **one.details)
                if one.is_option:
                    OPTIONS[one.argument or dest] = name

    add(cls, None)


def names(cls):
    """Return the attributes of argparse of a dataclass, in the order of its fields."""
    found: list = []
    for field in dataclasses.fields(cls):
        if "part" in field.metadata:
            found += names(field.metadata["part"])
        found += [one.dest or field.name for one in field.metadata.get("arguments", ())]
    return found


def make(cls, given):
    """Return the options of a command. `cls.complete(given)` may return more values, or refuse some.

    Parameters
    ----------
    cls : dataclass
    given : dict
        The values of the command line by the attribute of argparse, and those of the program.
    """
    if hasattr(cls, "complete"):
        given = cls.complete(given)
    values = {}
    for field in dataclasses.fields(cls):
        if "part" in field.metadata:
            values[field.name] = make(field.metadata["part"], given)
        elif "names" in field.metadata:
            values[field.name] = {name: given.get(name) for name in field.metadata["names"]}
        else:
            (one,) = field.metadata.get("arguments", (None,))
            dest = field.name if one is None else one.dest or field.name
            if dest in given:
                values[field.name] = given[dest]
    return cls(**values)
