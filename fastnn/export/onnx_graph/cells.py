"""Cells of a table as nodes: the dense inputs that they stand for."""

import numpy as np

from .builder import number


def dense(g, cells, layout):
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
        column, bins, scale = _columns(layout.n_bins, layout.position_scale)
        part = g.add("Sub", g.add("Gather", positions, column, axis=1), bins.astype(np.float32))
        part = g.add("Clip", part, number(0), number(1))
        part = g.add("Sub", g.add("Mul", part, number(2)), number(1))
        parts.append(g.add("Mul", part, scale))
    if layout.n_categories:
        column, levels, scale = _columns(layout.n_categories, layout.code_scale)
        part = g.add("Equal", g.add("Gather", codes, column, axis=1), levels.astype(np.int32))
        parts.append(g.add("Mul", g.cast(part, np.float32), scale))
    return parts[0] if len(parts) == 1 else g.add("Concat", *parts, axis=1)


def _columns(counts, scales):
    """Return the column of each input, its place among those of the column, and its scale."""
    column = np.repeat(np.arange(len(counts)), counts)
    place = np.concatenate([np.arange(n) for n in counts])
    return column, place, np.array(scales, np.float32)[column]
