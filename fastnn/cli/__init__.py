"""The command line: `fastnn COMMAND ...`, or `python -m fastnn COMMAND ...`.

Exit codes: 0; 2 with one line on standard error for wrong usage and for files that cannot be used;
1 if the work itself failed (training diverged, two libraries disagree) or nobody reads the output
any more; 130 after Ctrl-C.
"""

import argparse
import os
import sys

from ..config import __version__
from ..files import ModelFileError
from ..tables.files import TableError
from ..training.state import DivergenceError
from . import bench, demo, info, predict, train
from .common import CommandError, texts

HELP = """
Small dense neural networks on CPUs: learn from tables, predict, measure.

examples:
  fastnn demo                                      see it work
  fastnn train digits --target digit --out digits.safetensors
                                                   learn from a table
  fastnn predict digits.safetensors digits         what it says about rows
  fastnn info digits.safetensors                   what is in the file
  fastnn train --help                              what a command takes

'digits' and 'wine' are small tables that ship with fastnn; yours are files:
CSV, TSV (both also as .gz) or Parquet.
"""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options):
        super().__init__(allow_abbrev=False, **options)

    def error(self, message):
        self.exit(2, f"{self.prog}: {_line(message)} (see {self.prog} --help)\n")


def main(argv=None):
    """Run one command; the exit code."""
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # names from a table must not end a command where a terminal cannot show them
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    parser = _Parser(prog="fastnn", **texts(HELP))
    parser.add_argument("--version", action="version", version=f"fastnn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for command in (demo, train, predict, info, bench):
        command.add(commands)
    arguments = argparse.Namespace(command=None)
    try:
        try:
            parser.parse_args(argv, arguments)
            if arguments.command is None:
                parser.print_help()
            code = arguments.run(arguments) if arguments.command else 0
        finally:  # also after --help: what cannot be written is said here, not when Python closes
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except (CommandError, TableError, ModelFileError) as error:
        return _failed(arguments, error, 2)
    except DivergenceError as error:
        advice = ""
        if "lr" in arguments:
            lr = arguments.lr
            smaller = (
                "--lr with a rate below the default"
                if lr is None
                else f"a smaller --lr than {lr:g}, such as --lr {lr / 10:g}"
            )
            advice = f": try {smaller}"
        return _failed(
            arguments,
            f"training diverged in epoch {error.epoch}, step {error.step}; nothing was written{advice}",
            1,
        )
    except MemoryError:
        return _failed(
            arguments, "not enough memory: give a smaller table or a smaller --hidden", 2
        )
    except OSError as error:
        if not error.filename:
            _silence_stdout()
        return _failed(
            arguments, f"{error.filename or 'standard output'}: {error.strerror or error}", 2
        )


def _failed(arguments, error, code):
    print(
        f"fastnn{' ' + arguments.command if arguments.command else ''}: {_line(error)}",
        file=sys.stderr,
    )
    return code


def _line(message):
    return " ".join(str(message).split())


def _silence_stdout():
    """Nothing more can be written there, also not what is still in the buffer when Python closes
    it."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # standard output is no file here
        pass
