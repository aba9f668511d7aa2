"""fastnn export: write a model for programs without fastnn."""

import os
from dataclasses import dataclass

from .. import export
from ..core.errors import DataError
from .console import CommandError, print_line, print_note, warnings_as_notes
from .model_file import load_fitted
from .options import check_output, for_each, number, option, positional, whole_number

HELP = """
Write a model as a C file, as an ONNX file, for CasADi or for PyTorch.

A C file is for a program or a microcontroller, an ONNX file for ONNX Runtime
and other programs. Both contain the encoding of the columns, all networks and
the classes. --torch writes the parameters of one network, a state_dict of
PyTorch, to a safetensors file. --casadi writes one network as a C function with
its derivatives, which casadi.external loads.

examples:
  fastnn export model.safetensors --c model.c
  fastnn export model.safetensors --c src/model.c --name flats
  fastnn export net.safetensors --c net.c --derivatives 2
  fastnn export model.safetensors --c model.c --interval 0.9
  fastnn export model.safetensors --onnx model.onnx
  fastnn export net.safetensors --torch net-torch.safetensors

The comment at the top of a C file shows how to call it. The inputs of an ONNX
file have the names of the columns.
"""

#: The formats by the name of their option: what it writes, and how.
EXPORTS = {
    "c": (
        "one C99 file",
        lambda model, path, options: export.c(
            model,
            path,
            options.name,
            derivatives=options.derivatives or 0,
            interval=options.interval,
        ),
    ),
    "casadi": (
        "a C file of one network for CasADi",
        lambda model, path, options: export.casadi(model, path, options.name or "fastnn_net"),
    ),
    "onnx": ("an ONNX file; needs the extra onnx", lambda model, path, _: export.onnx(model, path)),
    "torch": (
        "the parameters of one network for PyTorch",
        lambda model, path, _: export.torch(model, path),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn export`."""

    model: str = positional("MODEL", "model file")
    #: The files to write, by format.
    files: dict[str, str | None] = for_each(
        EXPORTS, lambda name: option("FILE", f"write {EXPORTS[name][0]}")
    )
    name: str | None = option(
        "NAME",
        "begins the names in the C file (default: the name of the file without .c; fastnn_net with "
        "--casadi)",
    )
    derivatives: int | None = option(
        "N",
        "functions for derivatives in the C file: 1, or 2 with the Hessian",
        type=whole_number(0, 2),
    )
    interval: float | None = option(
        "P",
        "a function in the C file for an interval that holds the true number with probability P",
        type=number(above=0.0, below=1.0),
    )


def run(options):
    wanted = {name: path for name, path in options.files.items() if path is not None}
    _check_options(options, wanted)
    try:
        model = load_fitted(options.model)
        for name, path in wanted.items():
            with warnings_as_notes(print_note, UserWarning):
                EXPORTS[name][1](model, path, options)
            print_line(f"Saved {path} ({os.path.getsize(path) / 1000:,.0f} kB).")
    except DataError:
        raise
    except (ValueError, ImportError) as error:
        raise CommandError(error) from None
    return 0


def _check_options(options, wanted):
    if not wanted:
        raise CommandError(
            f"no file to write. Pass {' or '.join(f'--{name} FILE' for name in EXPORTS)}."
        )
    if options.name is not None and not wanted.keys() & {"c", "casadi"}:
        raise CommandError("--name is the name in a C file. Pass --c FILE, too, or leave it out.")
    for name, verb in (("derivatives", "are"), ("interval", "is")):
        if getattr(options, name) is not None and "c" not in wanted:
            raise CommandError(f"--{name} {verb} of a C file. Pass --c FILE, too, or leave it out.")
    for name, path in wanted.items():
        if os.path.exists(path) and os.path.realpath(path) == os.path.realpath(options.model):
            raise CommandError(f"{path}: --{name} would overwrite the model. Choose another name.")
        check_output(path, option=f"--{name}")
