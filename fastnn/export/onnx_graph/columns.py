"""Columns of a table as nodes: features, and their encoding as cells."""

import numpy as np

from .. import columns
from .builder import ML, number


def f8(x):
    return number(x, np.float64)


def i8(x):
    return number(x, np.int64)


def inputs(g, features):
    """Declare an input (n, 1) for each column in use. Return {source: name}."""
    return {
        source: g.input(column.name, object if column.is_text else np.float64, 1)
        for source, column in columns.inputs(features).items()
    }


def names(features):
    """Return the names of the inputs."""
    return [column.name for column in columns.inputs(features).values()]


def features(g, features, name_of):
    """Return the numbers (n, d) in float64 and the categories (n, k) in int64, None without any."""
    numbers = [_number(g, name_of[f.source], f.part) for f in features.numbers]
    is_text = {source: column.is_text for source, column in columns.inputs(features).items()}
    codes = [_code(g, name_of[f.source], f, is_text[f.source]) for f in features.categories]
    return _concat(g, numbers), _concat(g, codes)


def _concat(g, parts):
    return g.add("Concat", *parts, axis=1) if parts else None


def _number(g, x, part):
    from ...tabular.columns.features import CYCLE_STEPS, CYCLES  # needs scikit-learn

    if part == "value":
        return x
    if part == "day of month":
        days = g.add("Gather", columns.day_values(part) * 1.0, _day(g, x, part))
        return g.add("Where", g.add("IsNaN", x), x, days)
    function, cycle = part.split()
    period = f8(CYCLES[cycle])
    part_of_cycle = g.add("Div", g.add("Mod", x, period, fmod=1), period)
    angle = g.add("Mul", part_of_cycle, f8(2 * np.pi))
    if function == "cos":  # ONNX Runtime 1.20 has no cosine in float64
        angle = g.add("Add", angle, f8(np.pi / 2))
    steps = f8(CYCLE_STEPS)
    return g.add("Div", g.add("Round", g.add("Mul", g.add("Sin", angle), steps)), steps)


def _code(g, x, category, is_text):
    """Return the code of each row, -1 if it has none."""
    levels = category.levels
    missing = len(levels) if category.marks_missing else -1
    if category.part == "value" and is_text:
        keys, values = [*levels, ""], [*range(len(levels)), missing]
        if "" in levels:
            keys, values = levels, values[:-1]
        return g.add(
            "LabelEncoder",
            x,
            domain=ML,
            keys_strings=keys,
            values_int64s=values,
            default_int64=-1,
        )
    if category.part == "value":
        code = _find(g, x, np.array([columns.as_number(level) for level in levels]))
    elif category.part != "presence":
        code = g.add("Gather", columns.day_codes(category), _day(g, x, category.part))
    else:
        code = i8(0)
    return g.add("Where", g.add("IsNaN", x), i8(missing), code)


def _day(g, x, part):
    """Return the position of each date (n, 1) among the `day_values` of a part, 0 for NaN."""
    from ...tabular.columns.features import DAY

    def whole(a, n, most):
        """Return how many whole spans of n days are in a, at most `most`."""
        return g.add("Min", g.add("Div", a, i8(n)), i8(most))

    first, n = columns.WEEK if part == "weekday" else columns.FOUR_CENTURIES
    days = g.add("Sub", g.add("Floor", g.add("Div", x, f8(DAY))), f8(first))
    day = g.add("Mod", days, f8(n), fmod=1)
    day = g.add("Where", g.add("Less", day, f8(0)), g.add("Add", day, f8(n)), day)
    day = g.cast(g.add("Where", g.add("IsNaN", x), f8(0), day), np.int64)
    if part == "weekday":
        return day
    century = whole(day, 36524, 3)  # the last one has a day more
    day = g.add("Sub", day, g.add("Mul", century, i8(36524)))
    day = g.add("Mod", day, i8(1461))  # of four years
    year = whole(day, 365, 3)
    return g.add("Sub", day, g.add("Mul", year, i8(365)))


def _find(g, x, values):
    """Return the position of each x (n, 1) among numbers, -1 if it is not there."""
    equal = g.cast(g.add("Equal", x, values), np.int64)
    place = g.add("Mul", equal, np.arange(1, len(values) + 1))
    place = g.add("ReduceSum", place, np.array([1]), keepdims=1)
    return g.add("Sub", place, i8(1))


def cells(g, numbers, codes, encoder):
    """Return the numbers, positions and codes of `Encoder.encode`, None without columns."""
    plain, positions, levels = [], [], []
    for i, (scaling, edges, values) in enumerate(
        zip(encoder.scalings, encoder.edges, encoder.values)
    ):
        if not (scaling.factor or edges or values):
            continue
        x = g.add("Gather", numbers, np.array([i]), axis=1)
        is_missing = g.add("IsNaN", x)
        x = g.add("Where", is_missing, f8(scaling.median), x)
        if scaling.factor:
            plain.append(_scaled(g, x, scaling, encoder.unit))
        if scaling.factor and scaling.marks_missing:
            flag = number(encoder.flag)
            plain.append(g.add("Mul", g.cast(is_missing, np.float32), flag))
        if edges:
            positions.append(_position(g, x, np.array(edges)))
        if values:
            levels.append(_find(g, x, np.array(values)))
    used = np.flatnonzero(encoder.n_levels)
    if len(used):
        levels.append(g.add("Gather", codes, used, axis=1))
    levels = _concat(g, levels)
    return (
        _concat(g, plain),
        _concat(g, positions),
        None if levels is None else g.cast(levels, np.int32),
    )


def _scaled(g, x, scaling, unit):
    """Return `Scaling.apply`, times the unit."""
    z = g.add("Mul", g.add("Sub", x, f8(scaling.median)), f8(scaling.factor))
    z = g.add("Clip", z, f8(-1e150), f8(1e150))
    third = g.add("Div", z, f8(3))
    root = g.add("Sqrt", g.add("Add", g.add("Mul", third, third), f8(1)))
    return g.cast(g.add("Mul", g.add("Div", z, root), f8(unit)), np.float32)


def _position(g, x, edges):
    """Return the position of each x (n, 1) on the axis of bins, as `encoder.bin_positions`."""
    above = g.cast(g.add("GreaterOrEqual", x, edges[1:-1]), np.int64)
    k = g.add("ReduceSum", above, np.array([1]), keepdims=1)
    low, width = (g.add("Gather", a, k) for a in (edges[:-1], np.diff(edges)))
    f = g.add("Clip", g.add("Div", g.add("Sub", x, low), width), f8(0), f8(1))
    return g.cast(g.add("Add", f, g.cast(k, np.float64)), np.float32)
