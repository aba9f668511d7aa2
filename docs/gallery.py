"""The gallery of the documentation site: the scripts in examples/ with their output and pictures.

The docstring of an example is plain text, which `--help` shows. sphinx-gallery wants
reStructuredText with a title. `prepare` makes copies that have one, in a folder for each group.
"""

import ast
import os
import re
import tempfile
from pathlib import Path

SOURCE = "_gallery"  # folder of the copies, beside this file
#: Title, lead and examples of each group, by its folder, in reading order.
GROUPS = {
    "tables": (
        "Tables",
        "Predict a column of a table, on the command line or in Python.",
        ("wine_table", "messy_table", "rows_to_come"),
    ),
    "networks": (
        "First networks",
        "From four lines of math to pictures.",
        (
            "three_lines",
            "binary_cross_entropy",
            "eleven_lines",
            "odd_or_even",
            "mnist",
            "cat_or_not",
        ),
    ),
    "training": (
        "Training",
        "What happens while a network learns.",
        ("decision_boundary", "optimizer_paths", "learning_rate_schedules"),
    ),
    "predictions": (
        "Predictions",
        "Numbers, intervals and probabilities, and what they are worth.",
        (
            "age_from_height",
            "quantiles",
            "pendulum",
            "heat_equation",
            "sensitivities",
            "diagnostics",
            "reliability",
        ),
    ),
    "many": (
        "Many networks",
        "One for each sensor, one for each candidate of a search, or generations that evolve.",
        ("sensors", "search", "optuna_pruning", "cart_pole"),
    ),
    "control": (
        "Control",
        "Networks in other programs.",
        ("optimal_control",),
    ),
}
NAMES = [name for _, _, names in GROUPS.values() for name in names]
#: Examples that need another package or data of the user. Their pictures are in images/.
NOT_RUN = "optuna_pruning", "optimal_control", "mnist", "cat_or_not"
RUN = rf"{re.escape(os.sep)}(?!{'|'.join(NOT_RUN)})\w+\.py$"
HEADER = """\
Examples
========

Each script shows one idea, prints numbers, and draws a plot. Pictures and
outputs were made when this page was built, but for the examples that need data
of yours or another package.
"""


def folder_of(name):
    """Return the folder of an example in the gallery."""
    return next(folder for folder, (_, _, names) in GROUPS.items() if name in names)


def prepare(examples, target):
    """Write a copy of each example to a subfolder of `target`."""
    names = {path.stem for path in examples.glob("*.py")}
    if names != set(NAMES):
        raise ValueError(f"docs/gallery.py must list the same examples as {examples}: {names}")
    files = {"GALLERY_HEADER.rst": HEADER}
    for folder, (title, lead, members) in GROUPS.items():
        files[f"{folder}/GALLERY_HEADER.rst"] = f"{title}\n{'-' * len(title)}\n\n{lead}\n"
        for name in members:
            text = to_gallery(name, (examples / f"{name}.py").read_text(encoding="utf-8"))
            files[f"{folder}/{name}.py"] = text
    for name, text in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in target.rglob("*.*"):  # of examples that have another name or place now
        if path.is_file() and path.relative_to(target).as_posix() not in files:
            path.unlink()


def to_gallery(name, source):
    """Return the source of an example whose docstring is reStructuredText with a title."""
    docstring = ast.get_docstring(ast.parse(source), clean=False)
    if docstring not in source:
        raise ValueError(f"the docstring of {name}.py has escapes, such as a backslash")
    title, *paragraphs = docstring.split("\n\n")
    title = title.rstrip(".")
    parts = [title + "\n" + "=" * len(title)]
    for paragraph in paragraphs:
        if paragraph.startswith("    "):
            parts.append("::")
        parts.append(paragraph)
    if name in NOT_RUN:
        picture = f"images/{name}.png"
        parts.append(f".. image:: /{picture}\n   :alt: What the example draws")
        source += f'\n# sphinx_gallery_thumbnail_path = "{picture}"\n'
    return source.replace(docstring, "\n\n".join(parts) + "\n\n", 1)


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


class GroupOrder(Order):
    """Sort key of folders: the position in GROUPS."""

    def __call__(self, folder):
        return list(GROUPS).index(Path(folder).name)

    def __repr__(self):
        return "GroupOrder"
