"""What the commands share: arguments, files, and what is shown.

A command is a function `add(commands)` that adds its parser, and one that does the work: it prints
to standard output what was asked for, returns the exit code, and raises what `fastnn.cli` turns
into one line on standard error.
"""

import argparse
import json
import math
import os
import sys

from .. import datasets
from ..files import ModelFileError
from ..mlp import load
from ..tables.encoding import Encoding
from ..tables.files import shown
from ..validation import check_threads


class CommandError(Exception):
    """Something asked for cannot be done, said in one line."""


# ---- arguments ----


def texts(text):
    """A command's help, kept line by line: what it does before the options, the examples after."""
    description, _, examples = text.strip().partition("\n\nexamples:")
    return dict(
        description=description,
        epilog="examples:" + examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def whole_number(minimum):
    """The type of an argument that counts something."""

    def convert(text):
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum:
            raise argparse.ArgumentTypeError(
                f"give a whole number of at least {minimum}, got {text!r}"
            )
        return number

    return convert


def number(minimum=0.0, below=math.inf, above=-math.inf):
    """The type of an argument that measures something."""
    limits = f"above {above:g}" if above > -math.inf else f"of at least {minimum:g}"
    limits += f" and below {below:g}" if below < math.inf else ""

    def convert(text):
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (minimum <= number < below and number > above):
            raise argparse.ArgumentTypeError(f"give a number {limits}, got {text!r}")
        return number

    return convert


def seed(text):
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(f"a seed is 0 or more, got {seed}")
    return seed


def threads(text):
    try:
        return check_threads(int(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"give a number of at least 1, or -1 for all CPUs, got {text!r}"
        ) from None


def add_seed(parser):
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="draws the split, the first weights and the order of the rows (default: 0)",
    )


def add_threads(parser):
    parser.add_argument(
        "--threads",
        type=threads,
        default=1,
        metavar="N",
        help="at most so many, -1 for all CPUs; the result is the same (default: 1)",
    )


def add_json(parser):
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, for a program to read"
    )


# ---- files ----


def find_data(path):
    """The path of a table; `digits` and `wine` are the sets that ship, unless there are files of
    that name."""
    shipped = os.path.join(os.path.dirname(datasets.__file__), f"{path}.csv.gz")
    return (
        shipped
        if path.isidentifier() and not os.path.exists(path) and os.path.exists(shipped)
        else path
    )


def check_output(path, *inputs):
    """CommandError unless a new file can be written there. Asked first, so that no work is done in
    vain."""
    for other in inputs:
        if os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other):
            raise CommandError(f"{path}: --out is a file that is read: give another name")
    if os.path.exists(path) and not os.path.isfile(path):
        raise CommandError(
            f"{path}: --out is {'a folder' if os.path.isdir(path) else 'not a file on disk'}: give the name of a file"
        )
    folder, name = os.path.split(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise CommandError(
            f"{path}: there is no folder {os.path.dirname(path) or folder}: make it first, or give another --out"
        )
    beside = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(beside, "xb"):
            pass
        os.unlink(beside)
    except OSError as error:
        raise CommandError(
            f"{path}: cannot be written: {error.strerror}: give another --out"
        ) from None


def load_model(path):
    """(net, what the file says about tables: an Encoding or None)"""
    try:
        net = load(path)
    except OSError as error:
        what = "is a folder" if os.path.isdir(path) else error.strerror
        raise CommandError(f"{path}: {what}: give a file that 'fastnn train' wrote") from None
    except ModelFileError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise CommandError(
            f"{path}: no fastnn model, or damaged ({reason}): give a file that 'fastnn train' wrote"
        ) from None
    if "table" not in net.metadata:
        return net, None
    encoding = Encoding.from_text(path, net.metadata["table"])
    sizes = net.layer_sizes
    if (encoding.width, encoding.target.n_outputs, encoding.target.output) != (
        sizes[0],
        sizes[-1],
        net.activations[-1],
    ):
        raise CommandError(
            f"{path}: what it says about columns does not fit its network: train the model again"
        )
    return net, encoding


# ---- what is shown ----


def print_json(report):
    """One object on standard output; numbers that are none become null."""
    print(json.dumps(_plain(report), allow_nan=False, indent=2))


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def note(text):
    """A remark on standard error."""
    print(f"note: {text}", file=sys.stderr)


def count(n, thing, things=None):
    """`1 row`, `2 rows`"""
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"


def listed(names, maximum=6):
    """a, b, c, ..."""
    names = [shown(name, 24) for name in names]
    return ", ".join(names[:maximum]) + (
        f", ... ({len(names) - maximum:,} more)" if len(names) > maximum else ""
    )
