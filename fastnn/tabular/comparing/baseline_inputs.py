"""What baselines get of a table: the numbers and categories that networks get, not yet encoded."""

from dataclasses import dataclass

import numpy as np

#: Parts of dates that only some configurations of networks get.
NOT_FOR_BASELINES = ("day of year",)


@dataclass(eq=False, repr=False)
class BaselineInputs:
    """Rows for baselines.

    Attributes
    ----------
    numbers : ndarray (n, p) of float64
        With NaN for missing values.
    codes : ndarray (n, q) of int
        Categories, -1 for those that are unknown or missing.
    n_categories : list of int
    """

    numbers: np.ndarray
    codes: np.ndarray
    n_categories: list

    @classmethod
    def of(cls, features, frame):
        """Return the rows of a Frame. features : Features"""
        numbers, codes = features.transform(frame)
        used = [i for i, c in enumerate(features.categories) if c.part not in NOT_FOR_BASELINES]
        table = np.stack(numbers, 1) if numbers else np.zeros((frame.n_rows, 0))
        return cls(table, codes[:, used], [features.categories[i].n_categories for i in used])

    def __len__(self):
        return len(self.numbers)

    def take(self, rows):
        return BaselineInputs(self.numbers[rows], self.codes[rows], self.n_categories)

    def limited(self, most):
        """Return categories as numbers, (n, q) float64: the first `most - 1` by code, NaN for others."""
        codes = self.codes.astype(np.float64)
        return np.where((codes < 0) | (codes >= most), np.nan, codes)
