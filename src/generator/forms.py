"""The forms of activations in files that others read: C99, ONNX, PyTorch, and the file format."""

import re

from operations import ACTIVATIONS


def c99(layers):
    rows = [f'    "{row.name}": "{row.c99}",' for row in ACTIVATIONS if row.c99]
    layers.region("expressions", ["EXPRESSIONS = {", *rows, "}"])
    slopes = []
    for row in ACTIVATIONS:
        if row.c99:
            parts = [f'"{part}"' for part in (row.c99_terms, row.c99_slope, row.c99_curvature)]
            line = f'    "{row.name}": ({", ".join(parts)}),'
            several = [f'    "{row.name}": (', *(f"        {part}," for part in parts), "    ),"]
            slopes += [line] if len(line) <= 100 else several
    inputs = ", ".join(f'"{row.name}"' for row in ACTIVATIONS if row.c99 and row.reads_input)
    layers.region("slopes", ["SLOPES = {", *slopes, "}", f"FROM_INPUTS = {inputs}"])


def ngrams(header, exported):
    """Copy a header, without what it includes, as a template whose names begin with that of a file."""
    text = re.sub(r"#include .*\n", "", header.now)
    text = re.sub(r"\b(?=ngram_|visit_)", "${name}_", text)
    text = re.sub(r"\b(?=NGRAM_)", "${NAME}_", text)
    exported.region("ngrams", ['NGRAMS = """', *text.splitlines(), '"""'])


def onnx(layers):
    rows = [f'    "{row.name}": "{row.onnx}",' for row in ACTIVATIONS]
    layers.region("operators", ["OPERATORS = {", *rows, "}"])


def pytorch(sequential, modules):
    rows = [row for row in ACTIVATIONS if row.torch]
    sequential.region(
        "modules",
        [
            "#: {activation: class of its module, in torch.nn or in estimators/pytorch.py}",
            "ACTIVATION_MODULES = {",
            *(f'    "{row.name}": "{row.torch}",' for row in rows),
            "}",
            "#: Options of modules, and the values with which they compute the activations of fastnn.",
            "MODULE_OPTIONS: dict = {",
            *(
                f'    "{row.torch}": {_dict(row.torch_options)},'
                for row in rows
                if row.torch_options
            ),
            "}",
        ],
    )
    own = [row for row in rows if row.torch_forward]
    lines = []
    for row in own:
        lines += [
            f"class {row.torch}(nn.Module):",
            f'    """{row.formula}, for which torch.nn has no module."""',
            "",
            "    def forward(self, z):",
            f"        return {row.torch_forward}",
            "",
            "",
        ]
    names = ", ".join(f'"{row.torch}": {row.torch}' for row in own)
    modules.region("modules", [*lines, f"OWN_MODULES: dict = {{{names}}}"])


def _dict(options):
    items = [
        f'"{name}": ({", ".join(map(_literal, values))}{"," * (len(values) == 1)})'
        for name, values in options.items()
    ]
    return "{" + ", ".join(items) + "}"


def _literal(value):
    return f'"{value}"' if isinstance(value, str) else repr(value)


def specification(page):
    """Write the table of f(z) in docs/model_file.md."""
    rows = [f"| `{row.name}` | `{row.numpy}` |\n" for row in ACTIVATIONS]
    page.replace(
        r"^\| name \| f\(z\) \|\n\|---\|---\|\n(?P<old>(?:\|[^\n]*\n)+)",
        "".join(rows),
        "table of f(z)",
    )
