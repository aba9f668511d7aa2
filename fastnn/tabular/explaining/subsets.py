"""All subsets of the columns, for exact Shapley values of a few columns."""

from math import factorial

import numpy as np

from .mixed_rows import Mixture

MOST_COLUMNS = 8


class Subsets:
    """The columns that come from the row to explain, in all combinations with all background rows.

    Parameters
    ----------
    n_columns : int
    starts : ndarray (n_background, n_outputs)
        Predictions of the background rows.
    """

    n_permutations = None  # they are exact

    def __init__(self, n_columns, starts):
        self.n_columns, self.n_background = n_columns, len(starts)
        self.base = starts.mean(axis=0)
        n = 2**n_columns
        self.members = (np.arange(n)[:, None] >> np.arange(n_columns)) % 2 == 1

    @property
    def n_mixed(self):
        """int: the mixed rows of each row to explain, without the rows themselves."""
        return (2**self.n_columns - 2) * self.n_background

    def mix(self, numbers):
        """Return the Mixture of some mixed rows. numbers : row by row, then subset by subset"""
        rows, mixed = np.divmod(numbers, self.n_mixed)
        subsets, others = np.divmod(mixed, self.n_background)
        return Mixture(rows, others, self.members[subsets + 1])

    def estimate(self, mixed, ends):
        """Return the Shapley values (n, n_columns, n_outputs), and their errors, 0.

        Column j gets the weighted sum of v(S with j) - v(S) over all subsets S without j. v is the
        mean prediction over the background rows, and the weight is |S|! (k - |S| - 1)! / k! for k
        columns (Shapley, 1953).

        Parameters
        ----------
        mixed : ndarray (n * n_mixed, n_outputs)
            Predictions of the mixed rows.
        ends : ndarray (n, n_outputs)
            Predictions of the rows to explain.
        """
        k, n = self.n_columns, len(ends)
        mixed = mixed.reshape(n, 2**k - 2, self.n_background, ends.shape[1])
        values = [np.broadcast_to(self.base, ends.shape)]
        for subset in range(2**k - 2):
            total = np.zeros(ends.shape)
            for other in range(self.n_background):  # in the same order for any number of rows
                total += mixed[:, subset, other]
            values.append(total / self.n_background)
        values.append(ends)
        out = np.zeros((n, k, ends.shape[1]))
        sizes = self.members.sum(axis=1)
        for j in range(k):
            for subset in np.flatnonzero(~self.members[:, j]).tolist():
                size = int(sizes[subset])
                weight = factorial(size) * factorial(k - size - 1) / factorial(k)
                out[:, j] += weight * (values[subset + 2**j] - values[subset])
        return out, np.zeros_like(out)
