"""The inputs of a model as nodes: columns of a table, their features, and the cells of an EncodedTable."""

import numpy as np

from ..export_model import table_inputs
from .graph import number


def f8(x):
    return number(x, np.float64)


def inputs(g, features):
    """Declare an input (n, 1) for each column in use. Return {source: name}."""
    return {
        source: g.input(column.name, object if column.is_text else np.float64, 1)
        for source, column in table_inputs(features).items()
    }


def input_names(features):
    """Return the names of the inputs."""
    return [column.name for column in table_inputs(features).values()]


def features(g, features, name_of):
    """Return the numbers (n, d) in float64 and the categories (n, k) in int64, None without any."""
    numbers, codes = (
        [features.columns[f.source].to_onnx(g, name_of[f.source], f) for f in some]
        for some in (features.numbers, features.categories)
    )
    return _concat(g, numbers), _concat(g, codes)


def _concat(g, parts):
    return g.add("Concat", *parts, axis=1) if parts else None


def encode(g, numbers, codes, encoder):
    """Return the numbers, positions and codes of `Encoder.encode`, None without columns."""
    plain, positions, categories = [], [], []
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
            categories.append(g.find(x, np.array(values)))
    used = np.flatnonzero(encoder.n_levels)
    if len(used):
        categories.append(g.add("Gather", codes, used, axis=1))
    categories = _concat(g, categories)
    return (
        _concat(g, plain),
        _concat(g, positions),
        None if categories is None else g.cast(categories, np.int32),
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


def dense_inputs(g, cells, layout):
    """Return the inputs of networks, (n, n_inputs), as `EncodedTable.to_dense` does.

    Parameters
    ----------
    g : Graph
    cells : iterable of str or None
        Names of numbers, positions and codes (n, columns) in float32, float32 and int32; None
        without columns.
    layout : TableLayout
    """
    numbers, positions, codes = cells
    parts = []
    if layout.n_numbers:
        parts.append(numbers)
    if layout.n_bins:
        column, bins, scale = _dense_columns(layout.n_bins, layout.position_scale)
        part = g.add("Sub", g.add("Gather", positions, column, axis=1), bins.astype(np.float32))
        part = g.add("Clip", part, number(0), number(1))
        part = g.add("Sub", g.add("Mul", part, number(2)), number(1))
        parts.append(g.add("Mul", part, scale))
    if layout.n_levels:
        column, categories, scale = _dense_columns(layout.n_levels, layout.code_scale)
        part = g.add("Equal", g.add("Gather", codes, column, axis=1), categories.astype(np.int32))
        parts.append(g.add("Mul", g.cast(part, np.float32), scale))
    return parts[0] if len(parts) == 1 else g.add("Concat", *parts, axis=1)


def _dense_columns(counts, scales):
    """Return the column of each input, its place among those of the column, and its scale."""
    column = np.repeat(np.arange(len(counts)), counts)
    place = np.concatenate([np.arange(n) for n in counts])
    return column, place, np.array(scales, np.float32)[column]
