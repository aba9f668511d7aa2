"""The cells of a row of an EncodedTable as C99 source: their struct, checks, and the first layer."""

from .. import cells
from . import text

NUMBERS = """
    for (size_t j = 0; j < $n; j++)
        ${name}_axpy($m, x->numbers[j], ${name}_W${g}_0$i + $m * j, $z);
"""

POSITIONS = """
    for (size_t j = 0; j < $n; j++) { /* between the ends of its bin, both stored in W */
        const size_t k = ${name}_bin(x->positions[j], $first_bin[j + 1] - $first_bin[j] - 1);
        const $real f = x->positions[j] - ($real)k;
        const $real *W = ${name}_knots$g$i + $m * ($first_bin[j] + k);
        ${name}_axpy($m, 1.0$f - f, W, $z);
        ${name}_axpy($m, f, W + $m, $z);
    }
"""

CODES = """
    for (size_t j = 0; j < $n; j++)
        if (x->codes[j] >= 0)
            ${name}_axpy($m, 1.0$f, ${name}_levels$g$i + $m * ($first_level[j] + (size_t)x->codes[j]), $z);
"""

BIN = """
/* The bin of a position, of n bins */
static size_t ${name}_bin($real position, size_t n)
{
    const size_t k = (size_t)position;
    return k < n ? k : n - 1;
}
"""


CHECKS = {
    "numbers": """
    for (size_t j = 0; j < $n; j++)
        if (!isfinite(row->numbers[j]))
            return (int)j + $first;
""",
    "positions": """
    for (size_t j = 0; j < $n; j++) {
        const size_t n = ${name}_first_bin$encoder[j + 1] - ${name}_first_bin$encoder[j] - 1;
        if (!(row->positions[j] >= 0 && row->positions[j] <= ($real)n))
            return (int)j + $first;
    }
""",
    "codes": """
    for (size_t j = 0; j < $n; j++) {
        const size_t n = ${name}_first_level$encoder[j + 1] - ${name}_first_level$encoder[j];
        if (row->codes[j] < -1 || row->codes[j] >= (int32_t)n)
            return (int)j + $first;
    }
""",
}


def type_name(d, encoder, name):
    """Return the type of the cells that an encoder makes, None for dense inputs."""
    if not d.layouts:
        return None
    return f"{name}_row" if d.features is None else f"{name}_cells{encoder}"


def struct(layout, type_name, real):
    """Return the struct of the cells of a row."""
    n_positions, n_codes = len(layout.n_bins), len(layout.n_categories)
    lines = ["typedef struct {"]
    if layout.n_numbers:
        lines.append(f"    {real} numbers[{layout.n_numbers}];")
    if n_positions:
        bins = ", ".join(map(str, layout.n_bins[:12])) + ", ..." * (n_positions > 12)
        lines.append(
            f"    {real} positions[{n_positions}]; /* from 0 to the number of bins: {bins} */"
        )
    if n_codes:
        levels = ", ".join(map(str, layout.n_categories[:12])) + ", ..." * (n_codes > 12)
        lines.append(
            f"    int32_t codes[{n_codes}]; /* -1 for none; numbers of levels: {levels} */"
        )
    return "\n".join([*lines, f"}} {type_name};", ""])


def parameters(g, W, layout, name):
    """Return the arrays of the first layer: weights, knots and levels."""
    numbers, knots, levels = cells.split(W, layout)
    parts = {f"{name}_W{g}_0": numbers, f"{name}_knots{g}": knots, f"{name}_levels{g}": levels}
    return "\n".join(text.parameters(key, part) for key, part in parts.items() if part.size)


def columns(encoder, layout, name):
    """Return the arrays with the first knot and the first level of each column."""
    n_knots = [n + 1 for n in layout.n_bins]
    out = []
    for what, counts in ("bin", n_knots), ("level", layout.n_categories):
        if counts:
            first = [*cells.first_rows(counts), sum(counts)]
            out.append(
                text.vector("size_t", f"{name}_first_{what}{encoder}", list(map(str, first)))
            )
    return "\n".join(out)


def products(encoder, layout, values):
    """Return the lines that add to z what the cells x stand for, times the weights of group g.

    values : those of the templates, among them g, the number m of outputs, i and z
    """
    name = values["name"]
    values = values | dict(
        first_bin=f"{name}_first_bin{encoder}",
        first_level=f"{name}_first_level{encoder}",
    )
    parts = (
        (NUMBERS, layout.n_numbers),
        (POSITIONS, len(layout.n_bins)),
        (CODES, len(layout.n_categories)),
    )
    return "".join(text.fill(template, n=n, **values) for template, n in parts if n).rstrip("\n")


def checks(layout, encoder, values):
    """Return the statements of `predict` that check the cells of a row."""
    parts = (
        ("numbers", layout.n_numbers),
        ("positions", len(layout.n_bins)),
        ("codes", len(layout.n_categories)),
    )
    out, before = "", 0
    for what, n in parts:
        if n:
            out += text.fill(CHECKS[what], n=n, first=before + 1, encoder=encoder, **values)
        before += n
    return out
