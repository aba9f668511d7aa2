"""The argument parser of the commands: each error is one line that helps to correct the command."""

import argparse
import re
import sys

from ..core.messages import LONG, one_line, printable, similar

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
            advice = f"To train on a table: fastnn train {name} --target COL --out FILE."
        else:
            advice = f"The commands are {', '.join(known)}."
        self.error(f"unknown command {name!r}. {advice}")

    def error(self, message):
        message = NO_VALUE.sub(r"\1 needs a value. If it begins with -, write \1=VALUE", message)
        message = printable(one_line(message), LONG)
        end = "" if message.endswith((".", "?")) else "."
        self.exit(2, f"{self.prog}: {message}{end} See '{self.prog} --help'.\n")
