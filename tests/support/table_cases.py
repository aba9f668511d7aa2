"""Tables of several layouts, for the tests of the first layer on a table."""

import functools

import numpy as np

from fastnn import EncodedTable, reference

# numbers, bins of each column of positions, levels of each column of codes. 1,100 levels are three
# pieces of phase B.
LAYOUTS = {
    "all": (3, (4, 17), (3, 6)),
    "wide": (20, (5, 1, 70), (2, 40)),
    "numbers": (6, (), ()),
    "positions": (0, (12, 3, 1), ()),
    "codes": (0, (), (1, 5)),
    "levels": (1, (2,), (1100,)),
}


@functools.cache
def make_table(layout="all", n=300, seed=1, dtype="float64"):
    d, bins, levels = LAYOUTS[layout]
    rng = np.random.default_rng(seed)
    positions = rng.uniform(0, 1, (n, len(bins))) * np.array(bins)
    if n > 2:
        positions[0], positions[1] = 0, bins
    codes = np.stack([rng.integers(-1, k, n) for k in levels], 1) if levels else None
    scales = [1 + j / 4 for j in range(len(bins))]
    return EncodedTable(rng.normal(size=(n, d)), positions, bins, scales, codes, levels, 0.7, dtype)


def to_reference(table):
    layout = table.layout
    positions = table.positions, layout.n_bins, layout.position_scale
    codes = table.codes, layout.n_categories, layout.code_scale
    return reference.EncodedTable(table.numbers, *positions, *codes)


def targets(n, n_out=1, seed=2):
    return np.random.default_rng(seed).normal(size=(n, n_out))


def params_of(weights, biases):
    return np.concatenate([a.ravel() for pair in zip(weights, biases) for a in pair])
