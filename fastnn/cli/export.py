"""fastnn export: write a model for programs without fastnn."""

import os

from .. import export
from ..core.errors import DataError
from ..saving import load
from .console import CommandError, print_line
from .parser import check_output, help_texts

HELP = """
Write a model as a C file, as an ONNX file, or for PyTorch.

A C file is for a program or a microcontroller, an ONNX file for ONNX Runtime
and other programs. Both contain the encoding of the columns, all networks and
the classes. --torch writes the parameters of one network, a state_dict of
PyTorch, to a safetensors file.

examples:
  fastnn export model.safetensors --c model.c
  fastnn export model.safetensors --c src/model.c --name flats
  fastnn export model.safetensors --onnx model.onnx
  fastnn export net.safetensors --torch net-torch.safetensors

The comment at the top of a C file shows how to call it. The inputs of an ONNX
file have the names of the columns.
"""

#: The formats by the name of their option: what it writes, and how.
FORMATS = {
    "c": ("one C99 file", lambda model, path, name: export.c(model, path, name)),
    "onnx": (
        "an ONNX file; needs the extra onnx",
        lambda model, path, name: export.onnx(model, path),
    ),
    "torch": (
        "the parameters of one network for PyTorch",
        lambda model, path, name: export.torch(model, path),
    ),
}


def add_parser(commands, summary):
    parser = commands.add_parser("export", help=summary, **help_texts(HELP))
    parser.add_argument("model", metavar="MODEL", help="model file")
    for option, (what, _) in FORMATS.items():
        parser.add_argument(f"--{option}", metavar="FILE", help=f"write {what}")
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="begins the names in the C file (default: the name of the file without .c)",
    )
    parser.set_defaults(run=run)


def run(arguments):
    wanted = {
        option: path for option in FORMATS if (path := getattr(arguments, option)) is not None
    }
    if not wanted:
        raise CommandError(f"no file to write. Pass {' or '.join(f'--{o} FILE' for o in FORMATS)}.")
    if arguments.name is not None and "c" not in wanted:
        raise CommandError("--name is the name in a C file. Pass --c FILE, too, or leave it out.")
    for option, path in wanted.items():
        if os.path.exists(path) and os.path.realpath(path) == os.path.realpath(arguments.model):
            raise CommandError(
                f"{path}: --{option} would overwrite the model. Choose another name."
            )
        check_output(path, option=f"--{option}")
    try:
        model = load(arguments.model)
        for option, path in wanted.items():
            FORMATS[option][1](model, path, arguments.name)
            print_line(f"Saved {path} ({os.path.getsize(path) / 1000:,.0f} kB).")
    except DataError:
        raise
    except (ValueError, ImportError) as error:
        raise CommandError(error) from None
    return 0
