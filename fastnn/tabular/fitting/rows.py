"""The rows of a table that `fit` holds in memory, as features and targets."""

from dataclasses import dataclass

import numpy as np

from .folds import weights_of


@dataclass(eq=False, repr=False)
class FitRows:
    """Rows of a table.

    Attributes
    ----------
    numbers : list of ndarray (n,)
        Of each number feature.
    codes : ndarray (n, k) of int32
        Of the category features.
    y : ndarray (n,)
        Class numbers, or numbers.
    weight : ndarray (n,) or None
    """

    numbers: list
    codes: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None

    def __len__(self):
        return len(self.y)

    def take(self, rows):
        """Return some rows. Without weights, if all of these are 0. rows : indices or a slice"""
        numbers, weight = [x[rows] for x in self.numbers], weights_of(self.weight, rows)
        return FitRows(numbers, self.codes[rows], self.y[rows], weight)

    def encode(self, encoders):
        """Return {key: Table} for encoders by key."""
        return {key: e.encode(self.numbers, self.codes) for key, e in encoders.items()}
