"""The rows of a table that `fit` holds in memory, as features and targets."""

from dataclasses import dataclass

import numpy as np


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
        """Return some rows. rows : indices or a slice"""
        return FitRows([x[rows] for x in self.numbers], self.codes[rows], *self.targets(rows))

    def targets(self, rows):
        """Return y and the weights of some rows, None if all of these weights are 0."""
        weight = None if self.weight is None else self.weight[rows]
        return self.y[rows], weight if weight is not None and weight.any() else None

    def encode(self, encoders):
        """Return {key: EncodedTable} for encoders by key."""
        return {key: encoder.encode(self.numbers, self.codes) for key, encoder in encoders.items()}


def sample(rows, most, random_state):
    """Return the rows, or a random choice of them if there are more than `most`."""
    return rows if len(rows) <= most else random_state.choice(rows, most, replace=False)
