"""Tables, options, streams and tables of cases for the tests of the command line."""

import csv
import importlib
import io
import re
import textwrap

import pytest

from fastnn.cli import options


def option_items(command):
    """The pairs (argument of Python, option) of a command."""
    module = importlib.import_module(f"fastnn.cli.{command}")
    return options.options_of_arguments(module.Options).items()


def cells(text):
    """The rows of a table of cases: cells between bars. An indented line continues the one before."""
    lines = re.sub(r"\n +", " ", textwrap.dedent(text).strip("\n")).splitlines()
    return [tuple(map(str.strip, re.split(r"(?<!\S)\|(?!\S)", line))) for line in lines]


def each_row(text):
    """Parametrize a test with the rows of a table of cases, the first of which has the names."""
    names, *rows = cells(text)
    return pytest.mark.parametrize(names, rows)


def write_csv(file_name, /, **columns):
    with open(file_name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Closed(io.StringIO):
    """A standard error that nobody reads any more."""

    def write(self, text):
        raise BrokenPipeError


#: Options of a training that takes little time, without a limit: then the result would depend on
#: the speed of the machine.
FAST = ("--folds", "1", "--hidden", "8")
