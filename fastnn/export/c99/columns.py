"""The columns of a table as C99 source: the struct of a row, its features, and their encoding as cells."""

from dataclasses import dataclass, field

import numpy as np

from .. import columns
from . import text

SCALED = """
/* A number with the median 0 and a typical size of 1, at most 3; NAN is 0 */
static float ${name}_scaled(double x, double median, double factor, double unit)
{
    const double z = fmin(fmax((x - median) * factor, -1e150), 1e150);
    return isnan(x) ? 0.0f : (float)(unit * (z / hypot(1.0, z / 3.0)));
}
"""

POSITION = """
/* The position of x among the n edges of bins: the number of its bin, and the fraction of it */
static float ${name}_position(double x, const double *edges, size_t n)
{
    size_t low = 0, high = n - 1;
    double f;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (x < edges[middle])
            high = middle;
        else
            low = middle;
    }
    f = (x - edges[low]) / (edges[low + 1] - edges[low]);
    return (float)((double)low + fmin(fmax(f, 0.0), 1.0));
}
"""

HELPERS = dict(scaled=SCALED, position=POSITION)


@dataclass
class Source:
    """What the functions of columns need: arrays of constants, each once, and helper functions.

    Attributes
    ----------
    name : str
        Begins the names.
    arrays : dict of str to str
        Name of the array by its type and content.
    helpers : set of str
        Names of the templates in `HELPERS` and in `Column.c_helpers`.
    """

    name: str
    arrays: dict = field(default_factory=dict)
    helpers: set = field(default_factory=set)

    def array(self, kind, ctype, items):
        """Return the name of an array of constants."""
        key = ctype, *items
        return self.arrays.setdefault(key, f"{self.name}_{kind}{len(self.arrays)}")

    def call(self, helper, *arguments):
        """Return the call of a helper function."""
        self.helpers.add(helper)
        return f"{self.name}_{helper}({', '.join(map(str, arguments))})"

    def find(self, x, numbers, missing):
        """Return the position of x among numbers: -1 if it is not there, `missing` for NAN."""
        array = self.array("numbers", "double", text.numbers(np.array(numbers)))
        return self.call("find", x, array, len(numbers), missing)

    number, numbers = staticmethod(text.number), staticmethod(text.numbers)
    literal, comment = staticmethod(text.literal), staticmethod(text.comment)

    def definitions(self):
        """Return the arrays and helper functions that were used."""
        from ...tabular.columns.kinds import KINDS

        out = [text.vector(key[0], array, key[1:]) for key, array in self.arrays.items()]
        templates: dict = {}
        constants: dict = {}
        for column in KINDS.values():
            templates |= column.c_helpers
            constants |= {key: text.number(x) for key, x in column.c_constants.items()}
        out += [
            text.fill(template, name=self.name, **constants)
            for helper, template in (templates | HELPERS).items()
            if helper in self.helpers
        ]
        return "\n".join(out)


def struct(d, fields, source):
    """Return the struct of a row. fields : dict of str, by the source of the column"""
    lines = [
        '/* A missing number or date is NAN, a missing text NULL or "". */',
        "typedef struct {",
    ]
    for j, item in columns.inputs(d.features).items():
        declaration = f"{'const char *' if item.is_text else 'double '}{fields[j]};"
        label = text.comment(item.name)
        title = "" if label == fields[j] else f"{label}: "
        lines.append(f"    {declaration} /* {title}{item.column.c_comment(source, item.levels)} */")
    return "\n".join([*lines, f"}} {source.name}_row;", ""])


def features(d, fields, source):
    """Return the statements of `predict` that check a row and compute its features."""
    lines = []
    for k, (j, item) in enumerate(columns.inputs(d.features).items()):
        if not item.is_text:
            lines += [f"if (isinf(row->{fields[j]}))", f"    return {k + 1};"]
    for name, features in ("x", d.features.numbers), ("codes", d.features.categories):
        for i, feature in enumerate(features):
            column = d.features.columns[feature.source]
            value = column.to_c(source, f"row->{fields[feature.source]}", feature)
            lines.append(f"{name}[{i}] = {value};")
    return "".join(f"    {line}\n" for line in lines)


def encode(d, k, source):
    """Return the function that encodes features as the cells of encoder k, and a call of it."""
    encoder, unit = d.encoders[k], text.number(d.encoders[k].unit)
    numbers, positions, levels = [], [], []
    for i, (scaling, edges, values) in enumerate(
        zip(encoder.scalings, encoder.edges, encoder.values)
    ):
        median = text.number(scaling.median)
        if scaling.factor:
            factor = text.number(scaling.factor)
            numbers.append(source.call("scaled", f"x[{i}]", median, factor, unit))
        if scaling.factor and scaling.marks_missing:
            flag = text.number(encoder.flag, np.float32)
            numbers.append(f"isnan(x[{i}]) ? {flag} : 0.0f")
        present = f"isnan(x[{i}]) ? {median} : x[{i}]"
        if edges:
            array = source.array("edges", "double", text.numbers(np.array(edges)))
            positions.append(source.call("position", present, array, len(edges)))
        if values:
            levels.append(source.find(present, values, -1))
    levels += [f"codes[{j}]" for j, n in enumerate(encoder.n_categories) if n]
    lines = [
        f"    c->{what}[{i}] = {value};"
        for what, cells in (("numbers", numbers), ("positions", positions), ("codes", levels))
        for i, value in enumerate(cells)
    ]
    body = "\n".join(lines)
    arguments = {"x": "const double *x, ", "codes": "const int32_t *codes, "}
    used = [key for key in arguments if f"{key}[" in body.replace("->codes[", "")]
    head = "".join(arguments[key] for key in used)
    function = (
        "/* Encode the features of a row as inputs of networks */\n"
        f"static void {source.name}_encode{k}({head}{source.name}_cells{k} *c)\n{{\n{body}\n}}\n"
    )
    call = f"{source.name}_encode{k}({''.join(f'{key}, ' for key in used)}&cells{k});"
    return function, call
