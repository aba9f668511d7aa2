"""Arguments, files and output shared by the commands.

The module of a command has two functions. `add_parser(commands)` adds its parser. `run(arguments)`
prints to standard output and returns the exit code; `fastnn.cli` prints the errors it raises.
"""

import argparse
import json
import math
import os
import sys

from .. import datasets
from ..core.messages import LONG, join, printable, similar
from ..core.validation import check_threads
from ..files import ModelFileError
from ..mlp import MLP
from ..saving import load
from .words import CommandWords


class CommandError(Exception):
    """A command cannot do what was requested. The message is one line."""


# ---- arguments ----


def help_texts(text):
    """Split a help text for argparse: the description, then the examples after the options."""
    description, _, examples = text.strip().partition("\n\nexamples:")
    return dict(
        description=description,
        epilog="examples:" + examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def whole_number(minimum):
    """Return an argparse type for whole numbers of at least `minimum`."""

    def convert(text):
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {minimum}, got {text!r}"
            )
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


def add_seed(parser):
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="random seed of the split, the initial weights and the shuffling (default: 0)",
    )


def add_threads(parser, default=1):
    what = "-1, all CPUs" if default == -1 else f"{default}; -1 is all CPUs"
    parser.add_argument(
        "--threads",
        type=thread_count,
        default=default,
        metavar="N",
        help=f"maximum number of threads; does not change results (default: {what})",
    )


def add_json(parser):
    parser.add_argument("--json", action="store_true", help="print the results as one JSON object")


# ---- files ----


def resolve_table_path(path):
    """Return the path of a table. The names of the sample tables stand for their files, unless
    the working directory has a file of that name."""
    sample = os.path.join(os.path.dirname(datasets.__file__), f"{path}.csv.gz")
    is_sample = path.isidentifier() and not os.path.exists(path) and os.path.exists(sample)
    return sample if is_sample else path


def check_output(path, *inputs, option="--out"):
    """Raise CommandError unless the file of an option can be written, before the work begins."""
    for other in inputs:
        if os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other):
            raise CommandError(
                f"{path}: {option} would overwrite an input file. Choose another name."
            )
    if os.path.exists(path) and not os.path.isfile(path):
        kind = "a directory" if os.path.isdir(path) else "not a regular file"
        raise CommandError(f"{path}: {option} is {kind}. Pass the name of a file.")
    directory, name = os.path.split(os.path.realpath(path))
    if not os.path.isdir(directory):
        raise CommandError(
            f"{path}: the directory {os.path.dirname(path) or directory} does not exist. "
            f"Create it, or choose another {option}."
        )
    temporary = os.path.join(directory, f".{name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb"):
            pass
        os.unlink(temporary)
    except OSError as error:
        raise CommandError(
            f"{path}: cannot be written: {error.strerror}. Choose another {option}."
        ) from None


def load_model(path, data=None):
    """Read a model file of `fastnn train`.

    Parameters
    ----------
    path : str
    data : str, optional
        The other file of the command, to notice that both are in the wrong order.

    Returns
    -------
    TabularClassifier or TabularRegressor
    """
    try:
        model = load(path)
    except OSError as error:
        what = "is a directory" if os.path.isdir(path) else error.strerror
        raise CommandError(f"{path}: {what}. {_advise_model(path)}") from None
    except ModelFileError as error:
        if data is not None and is_model_name(data) and not is_model_name(path):
            raise CommandError(
                f"{path}: is not a fastnn model. The model comes first: {data} {path}"
            ) from None
        raise CommandError(
            f"{path}: not a fastnn model, or damaged ({error.problem.removesuffix('.')}). "
            "Pass a file written by 'fastnn train'."
        ) from None
    except ImportError:
        raise CommandError(
            f"{path}: needs scikit-learn, which is not installed. "
            'Run: python -m pip install "fastnn-mlp[cli]"'
        ) from None
    if not hasattr(model, "columns_"):
        what = "a network" if isinstance(model, MLP) else "an estimator"
        raise CommandError(
            f"{path}: holds {what} without the columns of a table (written by "
            f"{type(model).__name__}.save). Use fastnn.load in Python, or train a model with "
            "'fastnn train'."
        )
    return model


def is_model_name(path):
    """Whether a file name is that of a model."""
    return path.endswith(".safetensors")


def _advise_model(path):
    """Return what to do about a path that is not a file."""
    if path == "-":
        return "A model is read from a file; only DATA can be standard input."
    folder, name = (path, "") if os.path.isdir(path) else os.path.split(path)
    try:
        stems = sorted(
            other.removesuffix(".safetensors")
            for other in os.listdir(folder or ".")
            if is_model_name(other)
        )
    except OSError:
        stems = []
    close = similar(name.partition(".")[0], stems)
    if close is not None:
        close = os.path.join(folder, f"{close}.safetensors")
        return f"Did you mean {printable(close, 80)}?"
    if stems:
        names = join([f"{stem}.safetensors" for stem in stems], 3, quoted=False)
        return f"The models in {folder or 'this folder'} are {names}."
    return "Pass a file written by 'fastnn train'."


# ---- output ----


def print_line(text="", stream=None):
    """Print one line. It may hold text of a file, whose control characters are replaced."""
    print(printable(text, LONG), file=stream or sys.stdout, flush=True)


def print_json(report):
    """Print a JSON object. Infinite numbers and NaN become null."""
    text = json.dumps(to_json(report), allow_nan=False, indent=2)
    print(text.replace("\x7f", r"\u007f"))  # the only control character that json does not escape


def to_json(value):
    """Return a value without numbers that JSON does not have: they become None."""
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_note(text):
    """Print a remark on standard error. text : str or Message"""
    print_line(f"note: {CommandWords().say(text)}", sys.stderr)
