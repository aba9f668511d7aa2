"""Means over walks, with their standard errors.

All sums are in the same order for any number of rows, so that a row has the same bits among others.
"""

import numpy as np


def weighted(walks, weights):
    """Return the weighted mean of walks, and its standard error by the spread over pairs.

    Parameters
    ----------
    walks : list of ndarray (n, n_columns, n_outputs)
        The contributions in each walk; each two are a pair.
    weights : ndarray (n_walks, n_outputs)
    """
    values = np.zeros_like(walks[0])
    for walk, weight in zip(walks, weights):
        values += weight * walk
    squares, n_pairs = np.zeros_like(values), len(walks) // 2
    for k in range(n_pairs):
        a, b = 2 * k, 2 * k + 1
        pair = weights[a] * (walks[a] - values) + weights[b] * (walks[b] - values)
        squares += pair**2
    return values, np.sqrt(squares * n_pairs / (n_pairs - 1))


def balanced(walks, neighbours):
    """Return the mean of walks that start equally often from each background row, and its error.

    What a column adds depends most on its value in the background row. This is no error here, since
    all rows are used. So the error comes from the differences between walks whose rows have
    neighbouring values of the column (von Neumann, 1941: the mean square successive difference).

    Parameters
    ----------
    walks : list of ndarray (n, n_columns, n_outputs)
    neighbours : ndarray (n_columns, n_walks) of int
        The walks in the order of the values of a column.
    """
    n = len(walks)
    values = np.zeros_like(walks[0])
    for walk in walks:
        values += walk
    values /= n
    squares = np.zeros_like(values)
    for j, order in enumerate(neighbours.tolist()):
        for a, b in zip(order, order[1:]):
            squares[:, j] += (walks[b][:, j] - walks[a][:, j]) ** 2
    return values, np.sqrt(squares / (2 * (n - 1) * n))
