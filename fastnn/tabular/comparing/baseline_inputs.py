"""Inputs of baselines: the numbers and categories that networks get, not yet encoded."""

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

    def hide_others(self, known):
        """Return the rows with -1 for categories that are not known. known : KnownCategories or None"""
        if known is None:
            return self
        return BaselineInputs(self.numbers, known.hide_others(self.codes), self.n_categories)

    def most_frequent(self, most):
        """Return the most frequent codes of each column, at most so many, sorted."""
        found = []
        for column, n in zip(self.codes.T, self.n_categories):
            counts = np.bincount(column[column >= 0], minlength=n)
            found.append(np.sort(np.argsort(-counts, kind="stable")[:most]))
        return found

    def as_numbers(self, kept=None):
        """Return categories as numbers (n, q), NaN for -1.

        kept : list of ndarray, optional
            The codes of each column that become 0, 1, ..., as `most_frequent` returns them. Others
            become NaN.
        """
        codes = self.codes.astype(np.float64)
        if kept is None:
            return np.where(codes < 0, np.nan, codes)
        out = np.full(codes.shape, np.nan)
        for j, chosen in enumerate(kept):
            number = np.full(self.n_categories[j] + 1, np.nan)  # the last one: -1
            number[chosen] = np.arange(len(chosen))
            out[:, j] = number[self.codes[:, j]]
        return out
