"""The gallery of the documentation site: the scripts in examples/ with their output and pictures.

The docstring of an example is plain text, which `--help` shows. sphinx-gallery wants
reStructuredText with a title. `prepare` makes copies that have one.
"""

import ast
import os
import re
import tempfile
from pathlib import Path

SOURCE = "_gallery"  # folder of the copies, beside this file
#: In reading order.
NAMES = (
    *("three_lines", "binary_cross_entropy", "eleven_lines", "odd_or_even", "decision_boundary"),
    *("optimizer_paths", "learning_rate_schedules", "age_from_height", "quantiles"),
    *("diagnostics", "reliability", "sensors", "search", "optuna_pruning", "mnist", "cat_or_not"),
)
NOT_RUN = "optuna_pruning", "mnist", "cat_or_not"  # need another package, or data of the user
RUN = rf"{re.escape(os.sep)}(?!{'|'.join(NOT_RUN)})\w+\.py$"
HEADER = """\
Examples
========

Each script shows one idea, prints numbers, and draws a plot. The pictures and
outputs below were made when this page was built.
"""


def prepare(examples, target):
    """Write a copy of each example to the folder `target`."""
    target.mkdir(exist_ok=True)
    names = {path.stem for path in examples.glob("*.py")}
    if names != set(NAMES):
        raise ValueError(f"docs/gallery.py must list the same examples as {examples}: {names}")
    files = {f"{name}.py": to_gallery((examples / f"{name}.py").read_text()) for name in NAMES}
    for name, text in {"GALLERY_HEADER.rst": HEADER, **files}.items():
        path = target / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def to_gallery(source):
    """Return the source of an example whose docstring is reStructuredText with a title."""
    docstring = ast.get_docstring(ast.parse(source), clean=False)
    title, *paragraphs = docstring.split("\n\n")
    title = title.rstrip(".")
    parts = [title + "\n" + "=" * len(title)]
    for paragraph in paragraphs:
        if paragraph.startswith("    "):
            parts.append("::")
        parts.append(paragraph)
    return source.replace(docstring, "\n\n".join(parts), 1)


class Arguments:
    """The arguments of each example: draw the plot, which sphinx-gallery then collects."""

    def __call__(self, gallery_conf, script_vars):
        return ["--plot", str(Path(tempfile.gettempdir(), "fastnn_gallery.png"))]

    def __repr__(self):
        return "Arguments"


class Order:
    """Sort key of examples: the position in NAMES."""

    def __init__(self, folder):
        pass

    def __call__(self, name):
        return NAMES.index(Path(name).stem)

    def __repr__(self):
        return "Order"
