"""fastnn info: what this installation is, or what is in a model file."""

import json
import os
import platform
from importlib import metadata

from .. import kernels
from ..config import __version__, show_config
from ..tables.files import shown
from .common import add_json, count, listed, load_model, print_json, texts
from .scores import in_words

MOST_ROWS = 20
HELP = """
Without a file: the version, and the instruction set that this processor uses.
With one: the network in it, the columns it takes, and how good it was.

examples:
  fastnn info
  fastnn info model.safetensors
  fastnn info model.safetensors --json
"""


def add(commands):
    parser = commands.add_parser(
        "info", help="this installation, or what is in a model file", **texts(HELP)
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a model file")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments):
    return _model(arguments) if arguments.model is not None else _installation(arguments)


def _installation(arguments):
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
    print(
        "also used:",
        ", ".join(f"{name} {version or '(not installed)'}" for name, version in extras.items()),
    )
    return 0


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _model(arguments):
    path = arguments.model
    net, encoding = load_model(path)
    training = _training(net)
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
    print(f"{shown(path, 60)}: {os.path.getsize(path) / 1000:,.0f} kB")
    print(
        f"network   {'-'.join(map(str, net.layer_sizes))}, {net.n_params:,} parameters, {net.dtype.name}{'' if net.bias else ', no biases'}"
    )
    print(f"layers    {listed(net.activations, 10)}")
    if net.state is not None:
        print(
            f"state     {count(net.state.epoch, 'epoch')}, {count(net.state.step, 'step')}; {net.state.optimizer}"
        )
    for name in net.metadata:
        if name not in ("table", "training"):
            print(f"note      {shown(name, 20)}: {shown(net.metadata[name], 46)}")
    if encoding is None:
        print("table     none: MLP.save wrote this file; use it with fastnn.load in Python")
        return 0
    target = encoding.target
    print(f"target    {shown(target.name)}: {target.describe()}")
    for line in _trained(target, training):
        print(line)
    print(f"columns   {count(len(encoding.columns), 'column')} -> {count(encoding.width, 'input')}")
    for column in encoding.columns[:MOST_ROWS]:
        what = (
            f"number, {column.mean:.4g} +- {column.scale:.4g}"
            if column.values is None
            else f"{len(column.values):,}: {listed(column.values, 4)}"
        )
        print(
            f"  {shown(column.name, 20):20}  {shown(what, 40)}{', or missing' * column.marks_missing}"
        )
    if len(encoding.columns) > MOST_ROWS:
        print(f"  ... and {len(encoding.columns) - MOST_ROWS:,} more; --json names all")
    if encoding.left_out:
        print(f"left out  {listed(encoding.left_out)}")
    return 0


def _training(net):
    """What the file says about the training; None if that is not to be understood."""
    try:
        training = json.loads(net.metadata["training"])
        return training if isinstance(training, dict) else None
    except (KeyError, ValueError, RecursionError):
        return None


def _trained(target, training):
    try:
        scores = training["scores"]
        lines = [
            f"{'held out' if scores['on'] == 'held out' else 'seen    '}  {line}"
            if i == 0
            else f"          {line}"
            for i, line in enumerate(in_words(target, scores))
        ]
        epochs = f"{training['epochs']:,} epochs over {training['trained_on']:,} rows"
        lines.append(
            f"training  {shown(training['optimizer'])}, lr {training['lr']:g}, {epochs}, seed {training['seed']}"
        )
    except (KeyError, TypeError, ValueError):
        return []
    return lines
