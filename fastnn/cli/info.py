"""fastnn info: show this installation, or what a model file contains."""

import json
import os
import platform
from importlib import metadata
from itertools import zip_longest

from .. import kernels
from ..config import __version__, show_config
from ..tables.files import printable
from .common import add_json, help_texts, join_names, load_model, plural, print_json
from .scores import format_scores

MAX_COLUMNS_SHOWN = 20
HELP = """
Without MODEL: show the version and the instruction set that fastnn uses.
With MODEL: show its network, its input columns and its scores after training.

examples:
  fastnn info
  fastnn info model.safetensors
  fastnn info model.safetensors --json
"""


def add_parser(commands):
    parser = commands.add_parser(
        "info", help="show this installation, or a model file", **help_texts(HELP)
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="model file")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments):
    return _show_installation(arguments) if arguments.model is None else _show_model(arguments)


def _show_installation(arguments):
    extras = {
        name: _version(name) for name in ("pyarrow", "rich", "matplotlib", "scikit-learn", "torch")
    }
    if arguments.json:
        built = {
            name.lower(): getattr(kernels, name)
            for name in ("BUILT", "SUPPORTED", "CHOSEN", "COMPILER")
        }
        print_json(
            {
                "fastnn": __version__,
                **built,
                "numpy": _version("numpy"),
                "python": platform.python_version(),
                "extras": extras,
            }
        )
        return 0
    show_config()
    for name, version in extras.items():
        print(f"{name}: {version or 'not installed'}")
    return 0


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _show_model(arguments):
    path = arguments.model
    net, encoding = load_model(path)
    training = _read_training_record(net)
    if arguments.json:
        network = {
            "layer_sizes": net.layer_sizes,
            "activations": net.activations,
            "bias": net.bias,
            "dtype": net.dtype.name,
        }
        table = json.loads(encoding.to_text()) if encoding else None
        print_json(
            {
                "file": path,
                "bytes": os.path.getsize(path),
                **network,
                "parameters": net.n_params,
                "table": table,
                "training": training,
            }
        )
        return 0
    sizes, no_biases = "-".join(map(str, net.layer_sizes)), "" if net.bias else ", no biases"
    print(f"{printable(path, 60)}: {os.path.getsize(path) / 1000:,.0f} kB")
    print(f"network   {sizes}, {net.n_params:,} parameters, {net.dtype.name}{no_biases}")
    print(f"layers    {join_names(net.activations, 10)}")
    if net.state is not None:
        epochs, steps = plural(net.state.epoch, "epoch"), plural(net.state.step, "step")
        print(f"state     {epochs}, {steps}; {net.state.optimizer}")
    for name in net.metadata:
        if name not in ("table", "training"):
            print(f"metadata  {printable(name, 20)}: {printable(net.metadata[name], 46)}")
    if encoding is None:
        print("table     none (written by MLP.save); use fastnn.load in Python")
        return 0
    target = encoding.target
    print(f"target    {printable(target.name)}: {target.describe()}")
    for line in _format_training(target, training):
        print(line)
    columns, inputs = plural(len(encoding.columns), "column"), plural(encoding.width, "input")
    print(f"columns   {columns} -> {inputs}")
    for column in encoding.columns[:MAX_COLUMNS_SHOWN]:
        print(f"  {printable(column.name, 20):20}  {_describe_column(column)}")
    if len(encoding.columns) > MAX_COLUMNS_SHOWN:
        more = len(encoding.columns) - MAX_COLUMNS_SHOWN
        print(f"  ... and {more:,} more (--json lists all)")
    if encoding.left_out:
        print(f"ignored   {join_names(encoding.left_out)}")
    return 0


def _describe_column(column):
    if column.values is None:
        what = f"mean {column.mean:.4g}, std {column.scale:.4g}"
    else:
        what = f"{len(column.values):,} values: {join_names(column.values, 4)}"
    return printable(what, 40) + ", can be missing" * column.marks_missing


def _read_training_record(net):
    """Return the training record of a model file, or None if it is absent or damaged."""
    try:
        training = json.loads(net.metadata["training"])
        return training if isinstance(training, dict) else None
    except (KeyError, ValueError, RecursionError):
        return None


def _format_training(target, training):
    """Return lines with the scores and options of a training; none if the record is damaged."""
    try:
        scores = training["scores"]
        labels = ["held out" if scores["on"] == "held out" else "in-sample"]
        lines = [
            f"{label:9} {line}"
            for label, line in zip_longest(labels, format_scores(target, scores), fillvalue="")
        ]
        epochs = f"{training['epochs']:,} epochs over {training['trained_on']:,} rows"
        optimizer = f"{printable(training['optimizer'])}, lr {training['lr']:g}"
        lines.append(f"training  {optimizer}, {epochs}, seed {training['seed']}")
    except (KeyError, TypeError, ValueError):
        return []
    return lines
