"""The first layer of networks that read an EncodedTable: what a cell adds, from the weights of its inputs."""

import numpy as np


def split(W, layout):
    """Return what numbers, positions and codes add to z = x W.

    A position in bin k with the fraction f adds (1 - f) K[k] + f K[k + 1], for the knots K of its
    column (`fastnn.reference.table_linear`). A code adds its row of `levels`.

    Parameters
    ----------
    W : ndarray (n_networks, n_inputs, n_out)
    layout : TableLayout

    Returns
    -------
    numbers : ndarray (n_networks, n_numbers, n_out)
    knots : ndarray (n_networks, sum of n_bins + 1, n_out)
    levels : ndarray (n_networks, sum of n_categories, n_out)
    """
    numbers, bins, levels = np.split(
        W, [layout.n_numbers, layout.n_numbers + sum(layout.n_bins)], 1
    )
    knots = np.empty((len(W), bins.shape[1] + len(layout.n_bins), W.shape[2]), W.dtype)
    first = 0
    for j, (n, scale) in enumerate(zip(layout.n_bins, layout.position_scale)):
        below = np.cumsum(bins[:, first : first + n], axis=1, dtype=np.float64)
        K = knots[:, first + j : first + j + n + 1]
        K[:, 0] = -scale * below[:, -1]
        K[:, 1:] = scale * (2 * below - below[:, -1:])
        first += n
    scales = np.repeat(layout.code_scale, layout.n_categories).astype(W.dtype)
    return numbers, knots, levels * scales[:, None]


def first_rows(counts):
    """Return the first row of each column, for columns of this many rows one after the other."""
    return np.cumsum([0, *counts])[:-1].tolist()
