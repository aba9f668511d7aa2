"""Options of `fastnn train` from a TOML file."""

import argparse
import tomllib

from ..core.messages import printable, similar
from .common import CommandError


class _Parser(argparse.ArgumentParser):
    """A parser whose errors name the file."""

    def __init__(self, path):
        super().__init__(prog=path, add_help=False, allow_abbrev=False)

    def actions(self):
        """Return the options and positional arguments."""
        return self._actions

    def error(self, message):
        raise CommandError(f"{self.prog}: {message.removeprefix('argument ').removeprefix('--')}")


def read_config(path, add_arguments):
    """Return the options in a TOML file as a Namespace. Options that it does not set are None.

    Parameters
    ----------
    path : str
    add_arguments : callable
        add_arguments(parser) adds the options of the command. Their names, with - or _, are the keys.
    """
    parser = _Parser(path)
    add_arguments(parser)
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}. Pass a TOML file to --config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: is not a TOML file ({error}).") from None
    known = {name: action for action in parser.actions() for name in _keys(action)}
    words = []
    for key, value in content.items():
        action = known.get(key.replace("_", "-"))
        if action is None:
            close = similar(key.replace("_", "-"), known)
            advice = f"Did you mean {close}?" if close else f"It can have {', '.join(known)}."
            raise CommandError(f"{path}: unknown key {printable(key)!r}. {advice}")
        words += _words(path, key, value, action)
    return parser.parse_args(words)


def _keys(action):
    """Return the keys for an option or a positional argument."""
    if action.help == argparse.SUPPRESS or action.dest in ("config",):
        return []
    return [name.removeprefix("--") for name in action.option_strings] or [action.dest]


def _words(path, key, value, action):
    """Return the words of a command line that set an option."""
    option = action.option_strings[0] if action.option_strings else None
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise CommandError(f"{path}: {key} must be true or false, got {value!r}")
        return [option] if value else []
    values = value if isinstance(value, list) else [value]
    for item in values:
        if isinstance(item, (bool, dict, list)) or not isinstance(item, (str, int, float)):
            raise CommandError(f"{path}: {key} must be a text or a number, got {item!r}")
    if not isinstance(action, argparse._AppendAction):
        values = [",".join(map(str, values))]
    if option is None:
        return [str(values[0])]
    return [f"{option}={item}" for item in values]
