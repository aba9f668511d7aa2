"""Permutations of the columns, for Shapley values by sampling.

A walk goes from a background row to the row to explain: it takes over one column after the other,
in the order of a permutation. What the prediction changes by is the contribution of the column
(Castro, Gomez and Tejada, 2009, "Polynomial calculation of the Shapley value based on sampling").

Walks come in antithetic pairs: the second has the reverse order (Mitchell, Cooper, Frank and
Holmes, 2022, "Sampling permutations for Shapley value estimation"), so that each of two columns
comes first once. They start from different background rows, since the rows differ more than the
orders do (docs/decisions/0047-shapley-values.md).
"""

import numpy as np

from . import means
from .mixed_rows import Mixture

LARGEST_CHANGE = 4.0  # of a weight, in units of the equal weight


class Walks:
    """The walks of all rows.

    Parameters
    ----------
    orders : ndarray (n_walks, n_columns) of int
        Permutations, of which each two are a pair.
    others : ndarray (n_walks,) of int
        The background row from which each walk starts.
    starts : ndarray (n_background, n_outputs)
        Predictions of the background rows.
    """

    def __init__(self, orders, others, starts):
        self.orders, self.others, self.starts = orders, others, starts
        self.positions = np.argsort(orders, axis=1)  # of each column in each order
        self.neighbours = None

    @classmethod
    def draw(cls, n_walks, n_columns, starts, rng):
        """Return random walks. Each background row starts the same number of them, or one more."""
        first = np.stack([rng.permutation(n_columns) for _ in range(n_walks // 2)])
        orders = np.stack([first, first[:, ::-1]], 1).reshape(n_walks, n_columns)
        repeats = -(-n_walks // len(starts))
        others = np.concatenate([rng.permutation(len(starts)) for _ in range(repeats)])
        return cls(orders, others[:n_walks], starts)

    @property
    def n_permutations(self):
        return len(self.orders)

    @property
    def is_balanced(self):
        """bool: whether each background row starts the same number of walks."""
        return len(self.orders) % len(self.starts) == 0

    def set_neighbours(self, values):
        """Set by which values of the background rows `estimate` finds neighbours.

        values : ndarray (n_columns, n_background)
        """
        self.neighbours = np.argsort(values[:, self.others], axis=1, kind="stable")

    @property
    def n_mixed(self):
        """int: the mixed rows of each row to explain, without the two ends of its walks."""
        n_walks, n_columns = self.orders.shape
        return n_walks * (n_columns - 1)

    def mix(self, numbers):
        """Return the Mixture of some mixed rows. numbers : row by row, then walk by walk"""
        steps = self.orders.shape[1] - 1
        rows, mixed = np.divmod(numbers, self.n_mixed)
        walks, step = np.divmod(mixed, steps)
        return Mixture(rows, self.others[walks], self.positions[walks] <= step[:, None])

    def estimate(self, mixed, ends):
        """Return the contributions (n, n_columns, n_outputs), and their standard errors.

        mixed, ends : as in `contributions`
        """
        walks = list(self.contributions(mixed, ends))
        if self.is_balanced:
            return means.balanced(walks, self.neighbours)
        return means.weighted(walks, self.weights()[0])

    def contributions(self, mixed, ends):
        """Yield what each column contributes in each walk, (n, n_columns, n_outputs).

        Parameters
        ----------
        mixed : ndarray (n * n_mixed, n_outputs)
            Predictions of the mixed rows.
        ends : ndarray (n, n_outputs)
            Predictions of the rows to explain.
        """
        n_walks, n_columns = self.orders.shape
        mixed = mixed.reshape(len(ends), n_walks, n_columns - 1, ends.shape[1])
        for k in range(n_walks):
            start = np.broadcast_to(self.starts[self.others[k]], ends.shape)
            path = np.concatenate([start[:, None], mixed[:, k], ends[:, None]], axis=1)
            yield np.diff(path, axis=1)[:, self.positions[k]]

    def weights(self):
        """Return the weight of each walk in the mean, (n_walks, n_outputs), and whether all are fair.

        The mean of the predictions from which the walks start would differ from the base, the mean
        over all background rows. The weights remove this difference, which reduces the variance:
        it is a control variate, and the contributions add up to the prediction minus the base. They
        are not fair if one is negative or large, as if the starts were all alike.
        """
        starts = self.starts
        h = (starts - starts.mean(axis=0))[self.others]
        n, mean = len(h), h.mean(axis=0)
        centred = h - mean
        squares = (centred**2).sum(axis=0)
        slopes = np.divide(mean, squares, out=np.zeros_like(mean), where=squares > 0)
        weights = (1 - n * slopes * centred) / n
        is_base = np.abs((weights * h).sum(axis=0)) <= 1e-12 * np.abs(starts).max()
        return weights, bool(np.all(is_base) and np.all(abs(n * weights - 1) <= LARGEST_CHANGE))
