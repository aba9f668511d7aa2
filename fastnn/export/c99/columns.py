"""The columns of a table as C99 source: the struct of a row, its features, and their encoding as cells."""

import math
from dataclasses import dataclass, field

import numpy as np

from .. import columns
from . import text

FIND_TEXT = """
/* The position of a text among sorted texts, -1 if it is not there, `missing` if it is empty */
static int32_t ${name}_find_text(const char *t, const char *const *texts, size_t n, int32_t missing)
{
    size_t low = 0, high = n;
    if (t == NULL || *t == '\\0')
        return missing;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(t, texts[middle]);
        if (order == 0)
            return (int32_t)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}
"""

FIND = """
/* The position of x among n numbers, -1 if it is not there, `missing` for NAN */
static int32_t ${name}_find(double x, const double *numbers, size_t n, int32_t missing)
{
    if (isnan(x))
        return missing;
    for (size_t k = 0; k < n; k++)
        if (numbers[k] == x)
            return (int32_t)k;
    return -1;
}
"""

DAY = """
/* The day of a date in a cycle of n days, from 0; first: a first day of it, from 1970-01-01 */
static int32_t ${name}_day(double t, double first, double n)
{
    const double day = fmod(floor(t / $day) - first, n);
    return (int32_t)(day < 0.0 ? day + n : day);
}
"""

DAY_OF_YEAR = """
/* The day in a year that begins on March 1, from 0, of a day of 400 years that begin in March */
static int32_t ${name}_day_of_year(int32_t day)
{
    const int32_t century = day / 36524 < 3 ? day / 36524 : 3; /* the last one has a day more */
    const int32_t of_4_years = (day - 36524 * century) % 1461;
    const int32_t year = of_4_years / 365 < 3 ? of_4_years / 365 : 3;
    return of_4_years - 365 * year;
}
"""

CYCLE = """
/* The sine, or the cosine, of where a date is in a cycle of so many seconds */
static double ${name}_cycle(double t, double period, int is_sine)
{
    const double angle = $two_pi * (fmod(t, period) / period);
    return rint($steps * (is_sine ? sin(angle) : cos(angle))) / $steps;
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

HELPERS = dict(
    find_text=FIND_TEXT,
    find=FIND,
    day=DAY,
    day_of_year=DAY_OF_YEAR,
    cycle=CYCLE,
    scaled=SCALED,
    position=POSITION,
)


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
        Names in `HELPERS`.
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

    def definitions(self):
        """Return the arrays and helper functions that were used."""
        if not self.arrays and not self.helpers:
            return ""
        from ...tabular.columns.features import CYCLE_STEPS, DAY  # needs scikit-learn

        constants = dict(day=DAY, two_pi=2 * math.pi, steps=CYCLE_STEPS)
        constants = {key: text.number(x) for key, x in constants.items()}
        out = [text.vector(key[0], array, key[1:]) for key, array in self.arrays.items()]
        out += [
            text.fill(template, name=self.name, **constants)
            for helper, template in HELPERS.items()
            if helper in self.helpers
        ]
        return "\n".join(out)


def struct(d, fields, name):
    """Return the struct of a row. fields : dict of str, by source."""
    levels = {c.source: c.levels for c in d.features.categories if c.part == "value"}
    lines = [
        '/* A missing number or date is NAN, a missing text NULL or "". */',
        "typedef struct {",
    ]
    for source, column in columns.inputs(d.features).items():
        declaration = f"{'const char *' if column.is_text else 'double '}{fields[source]};"
        label = text.comment(column.name)
        title = "" if label == fields[source] else f"{label}: "
        what = f"{title}{column.kind}"
        if source in levels:
            shown = ", ".join(map(text.comment, levels[source][:4]))
            what += f" ({shown}{', ...' * (len(levels[source]) > 4)})"
        elif column.kind == "date":
            what += ", seconds since 1970-01-01 00:00 UTC"
        lines.append(f"    {declaration} /* {what} */")
    return "\n".join([*lines, f"}} {name}_row;", ""])


def features(d, fields, source):
    """Return the statements of `predict` that check a row and compute its features."""
    from ...tabular.columns.features import CYCLES

    lines = []
    inputs = columns.inputs(d.features)
    for k, (j, column) in enumerate(inputs.items()):
        if not column.is_text:
            lines += [f"if (isinf(row->{fields[j]}))", f"    return {k + 1};"]
    for i, number in enumerate(d.features.numbers):
        value = f"row->{fields[number.source]}"
        if number.part == "day of month":
            days = source.array(
                "days", "double", text.numbers(columns.day_values(number.part) * 1.0)
            )
            value = f"isnan({value}) ? {value} : {days}[{_day(value, number.part, source)}]"
        elif number.part != "value":
            function, cycle = number.part.split()
            is_sine = int(function == "sin")
            value = source.call("cycle", value, text.number(CYCLES[cycle]), is_sine)
        lines.append(f"x[{i}] = {value};")
    for i, category in enumerate(d.features.categories):
        value, missing = f"row->{fields[category.source]}", -1
        if category.marks_missing:
            missing = len(category.levels)
        if category.part == "presence":
            code = f"isnan({value}) ? {missing} : 0"
        elif category.part != "value":
            items = list(map(str, columns.day_codes(category).tolist()))
            day = _day(value, category.part, source)
            code = f"isnan({value}) ? {missing} : {source.array('codes', 'int32_t', items)}[{day}]"
        elif inputs[category.source].is_text:
            items = [text.literal(level, "a category") for level in category.levels]
            texts = source.array("texts", "char *const", items)
            code = source.call("find_text", value, texts, len(items), missing)
        else:
            items = text.numbers(np.array(list(map(columns.as_number, category.levels))))
            numbers = source.array("numbers", "double", items)
            code = source.call("find", value, numbers, len(items), missing)
        lines.append(f"codes[{i}] = {code};")
    return "".join(f"    {line}\n" for line in lines)


def _day(date, part, source):
    """Return the position of a date among the `day_values` of a part."""
    if part == "weekday":
        return source.call("day", date, *map(float, columns.WEEK))
    day = source.call("day", date, *map(float, columns.FOUR_CENTURIES))
    return source.call("day_of_year", day)


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
            array = source.array("numbers", "double", text.numbers(np.array(values)))
            levels.append(source.call("find", present, array, len(values), -1))
    levels += [f"codes[{j}]" for j, n in enumerate(encoder.n_levels) if n]
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
