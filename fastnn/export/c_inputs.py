"""The inputs of a model as C99 source: the structs of a row, checks, features, and their encoding as cells."""

from dataclasses import dataclass, field

import numpy as np

from ..tables.cells.missing import MISSING
from . import c_text
from .export_model import cell_counts, table_inputs

IS_MISSING = """
/* The number of bytes of white space at t, in UTF-8 */
static size_t ${name}_space(const char *t)
{
    static const char *const wide[] = {$spaces};
    size_t n = 0;
    for (;;) {
        size_t k = 0;
        if (t[n] == ' ' || (t[n] >= 9 && t[n] <= 13) || (t[n] >= 28 && t[n] <= 31)) {
            n++;
            continue;
        }
        while (k < sizeof wide / sizeof wide[0] && strncmp(t + n, wide[k], strlen(wide[k])) != 0)
            k++;
        if (k == sizeof wide / sizeof wide[0])
            return n;
        n += strlen(wide[k]);
    }
}

/* Whether a text is missing: NULL, "" or another mark, in capitals or not, with white space around it or not */
static int ${name}_is_missing(const char *t)
{
    static const char *const marks[] = {
$marks
    };
    if (t == NULL)
        return 1;
    t += ${name}_space(t);
    for (size_t k = 0; k < sizeof marks / sizeof marks[0]; k++) {
        size_t i = 0;
        while (marks[k][i] != '\\0' && marks[k][i] == (t[i] >= 'A' && t[i] <= 'Z' ? t[i] + ('a' - 'A') : t[i]))
            i++;
        if (marks[k][i] == '\\0' && t[i + ${name}_space(t + i)] == '\\0')
            return 1;
    }
    return 0;
}
"""

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

#: Before those of columns, which may call them.
HELPERS = dict(is_missing=IS_MISSING, scaled=SCALED, position=POSITION)

CELL_CHECKS = {
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


@dataclass
class ColumnWriter:
    """What the functions of columns need: arrays of constants, each once, and helper functions.

    Attributes
    ----------
    name : str
        Begins the names.
    fields : dict of str
        The names of the fields in the struct of a row, by the source of the column.
    arrays : dict of str to str
        Name of the array by its type and content.
    helpers : set of str
        Names of the templates in `HELPERS` and in `Column.c_helpers`.
    """

    name: str
    fields: dict
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
        array = self.array("numbers", "double", c_text.c_numbers(np.array(numbers)))
        return self.call("find", x, array, len(numbers), missing)

    number, numbers = staticmethod(c_text.c_number), staticmethod(c_text.c_numbers)
    literal, comment = staticmethod(c_text.literal), staticmethod(c_text.comment)

    def definitions(self):
        """Return the arrays and helper functions that were used."""
        from ..tabular.columns import KINDS

        out = [c_text.vector(key[0], array, key[1:]) for key, array in self.arrays.items()]
        columns = KINDS.values()
        templates = HELPERS | {key: text for c in columns for key, text in c.c_helpers.items()}
        constants: dict = {key: float(x) for c in columns for key, x in c.c_constants.items()}
        constants |= _missing_marks() if "is_missing" in self.helpers else {}
        out += [
            c_text.fill(template, name=self.name, **constants)
            for helper, template in templates.items()
            if helper in self.helpers
        ]
        return "\n".join(out)


def _missing_marks():
    """Return the lists of the template `IS_MISSING`, which does what `is_missing_mark` does.

    A Kelvin sign is a k in lower case, and the only letter beside ASCII that becomes one of ASCII.
    """
    marks = sorted({mark.replace("k", k) for mark in MISSING for k in "k\u212a"})
    wide = [chr(c) for c in range(128, 2**16) if chr(c).isspace()]
    spaces, texts = ([c_text.literal(text, "a mark") for text in some] for some in (wide, marks))
    return {"spaces": c_text.rows(spaces).strip(), "marks": c_text.rows(texts)}


def row_struct(model, writer):
    """Return the struct of a row."""
    lines = [
        '/* A missing number or date is NAN, a missing text NULL, "" or a mark such as "NA". */',
        "typedef struct {",
    ]
    for j, item in table_inputs(model.features).items():
        name = writer.fields[j]
        declaration = f"{'const char *' if item.is_text else 'double '}{name};"
        label = c_text.comment(item.name)
        title = "" if label == name else f"{label}: "
        lines.append(
            f"    {declaration} /* {title}{item.column.c_comment(writer, item.categories)} */"
        )
    return "\n".join([*lines, f"}} {writer.name}_row;", ""])


def features(model, writer):
    """Return the statements of `predict` that check a row and compute its features."""
    lines = []
    for k, (j, item) in enumerate(table_inputs(model.features).items()):
        if not item.is_text:
            lines += [f"if (isinf(row->{writer.fields[j]}))", f"    return {k + 1};"]
    plain = model.features.numbers[: len(model.features.numbers) - model.n_text_outputs]
    for name, features in ("x", plain), ("codes", model.features.categories):
        for i, feature in enumerate(features):
            column = model.features.columns[feature.source]
            value = column.to_c(writer, f"row->{writer.fields[feature.source]}", feature)
            lines.append(f"{name}[{i}] = {value};")
    lines += _text_outputs(model, writer, len(plain))
    return "".join(f"    {line}\n" for line in lines)


def _text_outputs(model, writer, first):
    """Return the statements that add the outputs of text layers: the numbers of a row for each fold."""
    lines, n, n_folds = [], len(model.features.numbers), model.features.n_folds
    if n_folds > 1 and first:
        lines += [
            f"for (size_t fold = 1; fold < {n_folds}; fold++)",
            f"    memcpy(x + {n} * fold, x, {first} * sizeof(double));",
        ]
    for k, (source, layer) in enumerate(model.text_layers.items()):
        lines.append(f"{writer.name}_layer{k}(row->{writer.fields[source]}, x + {first});")
        first += layer.n_outputs
    return lines


def encode(model, k, writer):
    """Return the function that encodes features as the cells of encoder k, and a call of it."""
    cells = _encoded_cells(model.encoders[k], writer)
    body = "\n".join(
        f"    c->{what}[{i}] = {value};"
        for what, values in cells.items()
        for i, value in enumerate(values)
    )
    used = [
        (name, ctype)
        for name, ctype in (("x", "double"), ("codes", "int32_t"))
        if any(f"{name}[" in value for values in cells.values() for value in values)
    ]
    head = "".join(f"const {ctype} *{name}, " for name, ctype in used)
    function = (
        "/* Encode the features of a row as inputs of networks */\n"
        f"static void {writer.name}_encode{k}({head}{writer.name}_cells{k} *c)\n{{\n{body}\n}}\n"
    )
    n_folds, cells = model.features.n_folds, f"&cells{k}"
    arguments = [name for name, _ in used]
    if n_folds == 1:
        return function, f"{writer.name}_encode{k}({', '.join([*arguments, cells])});"
    numbers = f"x + {len(model.features.numbers)} * fold"
    arguments = [numbers if name == "x" else name for name in arguments]
    call = f"{writer.name}_encode{k}({', '.join([*arguments, f'cells{k} + fold'])});"
    return function, f"for (size_t fold = 0; fold < {n_folds}; fold++)\n        {call}"


def _encoded_cells(encoder, writer):
    """Return {kind of cells: expressions}, of the features x and codes."""
    unit, flag = c_text.c_number(encoder.unit), c_text.c_number(encoder.flag, np.float32)
    numbers, positions, codes = [], [], []
    for i, (scaling, edges, values) in enumerate(
        zip(encoder.scalings, encoder.edges, encoder.values)
    ):
        median = c_text.c_number(scaling.median)
        if scaling.factor:
            factor = c_text.c_number(scaling.factor)
            numbers.append(writer.call("scaled", f"x[{i}]", median, factor, unit))
            if scaling.marks_missing:
                numbers.append(f"isnan(x[{i}]) ? {flag} : 0.0f")
        present = f"isnan(x[{i}]) ? {median} : x[{i}]"
        if edges:
            array = writer.array("edges", "double", c_text.c_numbers(np.array(edges)))
            positions.append(writer.call("position", present, array, len(edges)))
        if values:
            codes.append(writer.find(present, values, -1))
    codes += [f"codes[{j}]" for j, n in enumerate(encoder.n_categories) if n]
    return {"numbers": numbers, "positions": positions, "codes": codes}


# ---- cells of an EncodedTable ----


def cells_type(model, encoder, name):
    """Return the type of the cells that an encoder makes, None for dense inputs."""
    if not model.layouts:
        return None
    return f"{name}_row" if model.features is None else f"{name}_cells{encoder}"


def cells_struct(layout, type_name, real):
    """Return the struct of the cells of a row."""
    fields = {
        "numbers": (real, ""),
        "positions": (real, f" /* from 0 to the number of bins: {_first(layout.n_bins)} */"),
        "codes": (
            "int32_t",
            f" /* -1 for none; numbers of levels: {_first(layout.n_categories)} */",
        ),
    }
    lines = ["typedef struct {"]
    for what, n in cell_counts(layout).items():
        if n:
            ctype, comment = fields[what]
            lines.append(f"    {ctype} {what}[{n}];{comment}")
    return "\n".join([*lines, f"}} {type_name};", ""])


def _first(counts):
    """Return the first of some numbers as text."""
    return ", ".join(map(str, counts[:12])) + ", ..." * (len(counts) > 12)


def cell_checks(layout, encoder, values):
    """Return the statements of `predict` that check the cells of a row."""
    out, before = "", 0
    for what, n in cell_counts(layout).items():
        if n:
            out += c_text.fill(CELL_CHECKS[what], n=n, first=before + 1, encoder=encoder, **values)
        before += n
    return out
