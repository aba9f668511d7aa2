"""Generate enums, kernel dispatch, imports, forms of activations, steps of optimizers and
documentation from the tables in src/operations.py, and a copy of src/binding/ngrams.h for export.

    python src/generate.py            # run after a change of the tables
    python src/generate.py --check    # write nothing; print stale files and exit with 1

Generated code lies between the comments `generated: NAME` and `end of NAME`. Enums, imports and
`__all__` are found by their names. Tables and lists in texts are found by an anchor, the words in
front of them.
"""

import pathlib
import sys

from generator import forms, kernels, package, rows, steps
from generator.text import Text, autosummary
from operations import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATHS = dict(
    pxd="fastnn/kernels.pxd",
    pyi="fastnn/kernels.pyi",
    activation="src/ops/activation.pxi",
    loss="src/ops/loss.pxi",
    update="src/ops/update.pxi",
    activations="fastnn/activations.py",
    initializers="fastnn/initializers.py",
    losses="fastnn/losses/__init__.py",
    optimizers="fastnn/optimizers/__init__.py",
    schedules="fastnn/schedules/__init__.py",
    public="fastnn/__init__.py",
    functional="fastnn/functional/__init__.py",
    updates="fastnn/functional/updates.py",
    reference="fastnn/reference/__init__.py",
    layer="fastnn/reference/layer.py",
    typing="fastnn/typing.py",
    mlp="fastnn/mlp.py",
    classifier="fastnn/estimators/classifier.py",
    targets="fastnn/tabular/targets.py",
    train_options="fastnn/cli/train_options.py",
    c99="fastnn/export/c_networks.py",
    ngrams="src/binding/ngrams.h",
    c_ngrams="fastnn/export/c_ngrams.py",
    onnx="fastnn/export/onnx_file.py",
    sequential="fastnn/estimators/sequential.py",
    pytorch="fastnn/estimators/pytorch.py",
    guide="docs/guide.md",
    moving="docs/moving.md",
    model_file="docs/model_file.md",
    api_functional="docs/api/functional.rst",
    api_losses="docs/api/losses.rst",
    api_optimizers="docs/api/optimizers.rst",
)


def main(check):
    problems = rows.problems(ACTIVATIONS, LOSSES, OPTIMIZERS)
    problems = problems or rows.undefined(LOSSES, OPTIMIZERS, ROOT)
    if problems:
        print("src/operations.py is not complete:", *problems, sep="\n")
        return True
    files = {name: Text(path, ROOT) for name, path in PATHS.items()}
    in_kernels(files)
    in_package(files)
    in_documentation(files)
    stale = [text for text in files.values() if text.now != text.before]
    for text in stale:
        print(("stale: " if check else "written: ") + text.name)
        if not check:
            text.path.write_text(text.now, encoding="utf-8")
    return bool(stale and check)


def in_kernels(files):
    kernels.enums(files["pxd"], files["pyi"])
    kernels.activation_kernels(files["activation"])
    kernels.loss_kernels(files["loss"])
    kernels.update_kernels(files["update"])


def in_package(files):
    package.activations_in(files["activations"], files["layer"], files["initializers"])
    package.losses_in(files["losses"], files["functional"], files["reference"])
    package.optimizers_in(
        files["optimizers"], files["public"], files["functional"], files["reference"]
    )
    package.schedules_in(files["schedules"])
    package.names_in(files["typing"])
    package.losses_of_tables(files["targets"], files["train_options"])
    steps.steps_in(files["updates"], ROOT)
    forms.c99(files["c99"])
    forms.ngrams(files["ngrams"], files["c_ngrams"])
    forms.onnx(files["onnx"])
    forms.pytorch(files["sequential"], files["pytorch"])
    files["mlp"].listing(
        "Activation of the hidden layers, one name or one for each: ",
        package.hidden(),
        ".",
        indent=8,
    )
    names = ["logistic (or sigmoid)" if name == "sigmoid" else name for name in package.hidden()]
    files["classifier"].listing(
        "Activation of all hidden layers, or a list with one for each: ", names, ".", indent=8
    )


def in_documentation(files):
    forms.specification(files["model_file"])
    in_sklearn = ("identity", "sigmoid", "relu", "tanh", "exponential")
    files["moving"].words("additional names (", package.hidden(in_sklearn), ")")
    guide = files["guide"]
    for start, table, stop in (
        ("- **Losses**: ", LOSSES, ", or a Python function"),
        ("- **Optimizers**: ", OPTIMIZERS, ", with PyTorch's"),
        ("- **Schedules** of the learning rate: ", SCHEDULES, "."),
    ):
        guide.listing(start, [row.label for row in table if row.label], stop, 80, 2)
    guide.listing("- **Activations**: ", package.hidden(["exponential"]), "; softmax", 80, 2)
    losses = [row.cls for row in LOSSES if row.cls]
    autosummary(files["api_losses"], "fastnn.losses", losses)
    optimizers = files["api_optimizers"]
    autosummary(optimizers, "fastnn.optimizers", [row.cls for row in OPTIMIZERS])
    autosummary(optimizers, "fastnn.schedules", [row.cls for row in SCHEDULES])
    functional = files["functional"].now.partition("__all__ = [")[2].partition("]")[0]
    autosummary(
        files["api_functional"],
        "fastnn.functional",
        functional.replace('"', "").replace(",", "").split(),
    )


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
