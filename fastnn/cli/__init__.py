"""The command line: `fastnn COMMAND ...`, or `python -m fastnn COMMAND ...`.

Exit codes:

0    success
1    the command failed: training diverged, two libraries disagree, the output pipe was closed;
     `check`: the table has changed
2    wrong usage, an unusable file or too little memory; one line on standard error says why
130  interrupted by Ctrl-C
143  stopped by SIGTERM, which does the same as Ctrl-C

- `train`, `predict`, `check`, `compare`, `explain`, `info`, `export`, `serve`, `play`, `bench`,
  `demo`: the commands. `completion`: the one for shells. `model_card`: the --card of `info`.
- `options`: arguments as data, and their parser. `console`: errors, notes, lines of text and JSON.
  `progress`: the progress of a training.
- `table_file`, `model_file`: the files that commands read. `column_roles`: the column to predict,
  and those of times, groups and weights.
- `record`: what `train` learned about a table and its model, as the model file has it.
- `scores`: scores of predictions, and rows that look wrong.
- `train_options`: options of `train`. `trained_models`: its estimator, --tune and --baselines.
- `text_report`, `html_report`: a training, and models below each other, as text and as a page.
- `model_rows`: rows for a model, read part by part, checked, scored and written.
"""

import argparse
import functools
import os
import signal
import sys
import threading
from contextlib import contextmanager
from importlib import import_module

from ..config import __version__
from ..core.errors import DataError
from ..core.messages import one_line
from ..distributed import mpi_ranks
from ..files import ModelFileError
from ..state import DivergenceError
from . import console, options
from .console import CommandError, CommandWords, print_line
from .options import Parser, help_texts

#: The commands: what --help says. Each is a module of this package, which is imported when its
#: command runs, so that --help and errors come at once. It has HELP, USAGE (unless argparse writes
#: it well), the dataclass Options, and `run(options)`, which prints to standard output and returns
#: the exit code; `main` prints the errors that it raises.
COMMANDS = {
    "demo": "train a small network on handwritten digits",
    "train": "train a model on a table",
    "predict": "predict the rows of a table",
    "check": "compare a table with the training table of a model",
    "compare": "compare models on the rows of a table",
    "explain": "show what each column adds to the predictions for rows",
    "info": "show this installation, a model file, or a table",
    "export": "write a model as C or ONNX, or for PyTorch",
    "serve": "answer requests for predictions over HTTP",
    "play": "watch a network learn in the browser",
    "bench": "compare the speed with other libraries",
    "completion": "complete commands, options and files in a shell",
}
HELP = """
Train small dense neural networks on tables, predict with them, and measure
their speed.

examples:
  fastnn demo                                 see what fastnn does
  fastnn train digits --target digit --out digits.safetensors
                                              train on a table
  fastnn predict digits.safetensors digits    predict each row of a table
  fastnn explain digits.safetensors digits    show what columns add to predictions
  fastnn info digits.safetensors              show what a model file contains
  fastnn export digits.safetensors --c digits.c
                                              write a C file, or --onnx
  fastnn serve digits.safetensors             answer requests over HTTP
  fastnn train --help                         show the options of a command

'digits', 'flats' and 'wine' are sample tables that ship with fastnn. Your own tables can
be files such as CSV, Excel or Parquet (see fastnn train --help).
"""


@functools.cache
def option_of(argument):
    """Return the option of an argument of Python, or the argument itself if no command has one.

    An argument has the same option in all commands. A message of any may advise `train`, so it comes
    after the commands that are imported, and before the others.
    """
    for command in sorted(("train", *COMMANDS), key=lambda x: f"{__name__}.{x}" not in sys.modules):
        found = options.options_of_arguments(_module_of(command).Options)
        if argument in found:
            return found[argument]
    return argument


def _module_of(command):
    return import_module(f".{command}", __name__)


console.option_of = option_of


def main(argv=None):
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Escape what the terminal's encoding lacks, such as names from a table.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    argv = sys.argv[1:] if argv is None else list(argv)
    if not mpi_ranks.are_launched():
        return _run_command(argv)
    try:
        return mpi_ranks.run_on_rank_0(lambda executor: _run_command(argv, executor))
    except ModuleNotFoundError as error:
        print_line(f"fastnn: {error}", sys.stderr)
        return 2


def _run_command(argv, executor=None):
    """Run one command and return its exit code. executor : the ranks of an MPI job"""
    parser = _build_parser(COMMANDS if argv[:1] == ["completion"] else argv[:1])
    with _sigterm_interrupts() as received:
        code = _run(parser, argv, executor)
        return 128 + signal.SIGTERM if received and code == 130 else code


def _build_parser(names):
    """Return the parser of `fastnn`, with the arguments of the commands of these names."""
    parser = Parser(prog="fastnn", **help_texts(HELP))
    parser.add_argument(
        "--version",
        action="version",
        version=f"fastnn {__version__}",
        help="show the version and exit",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for command, summary in COMMANDS.items():
        if command not in names:
            commands.add_parser(command, help=summary)
            continue
        module = _module_of(command)
        usage = getattr(module, "USAGE", None)
        options.add_to(
            commands.add_parser(command, help=summary, usage=usage, **help_texts(module.HELP)),
            module.Options,
        )
    return parser


def _run(parser, argv, executor):
    """Run the command of a command line, report its error, and return its exit code."""
    command, given = "fastnn", argparse.Namespace(command=None)
    try:
        try:
            parser.parse_args(argv, given)
            if given.command is None:
                parser.print_help()
                return 0
            command = f"fastnn {given.command}"
            module = _module_of(given.command)
            values = vars(given) | {"executor": executor, "parser": parser}
            return module.run(options.make(module.Options, values))
        finally:  # also after --help: report write errors here, not when Python exits
            sys.stdout.flush()
    except KeyboardInterrupt as error:
        print(f"\nInterrupted. {error}".rstrip(), file=sys.stderr)
        return 130
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except DataError as error:
        return _fail(command, error.say(CommandWords()), 2)
    except (CommandError, ModelFileError) as error:
        return _fail(command, error, 2)
    except DivergenceError as error:
        where = f"in epoch {error.epoch}, step {error.step}"
        return _fail(command, f"training diverged {where}. No model was saved.", 1)
    except MemoryError:
        return _fail(command, "not enough memory. Use a smaller table or a smaller --hidden.", 2)
    except OSError as error:
        if not error.filename:
            _silence_stdout()
        name = error.filename or "standard output"
        return _fail(command, f"{name}: {error.strerror or error}", 2)


@contextmanager
def _sigterm_interrupts():
    """Let SIGTERM do what Ctrl-C does. Yield a list that is not empty after one.

    Schedulers and `timeout` send it before they kill a process. A handler that the caller has set
    stays, and so does the default in other threads than the main one, which get no signals.
    """
    received: list = []

    def interrupt(number, frame):
        received.append(number)
        raise KeyboardInterrupt

    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if is_ours:
        signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _fail(command, error, code):
    """Print an error on standard error and return the exit code."""
    print_line(f"{command}: {one_line(error)}", sys.stderr)
    return code


def _silence_stdout():
    """Send standard output to the null device, so that Python does not fail to flush it at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # standard output has no file descriptor
        pass
