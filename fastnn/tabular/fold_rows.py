"""FoldRows: which rows the folds of a fit trained on and held out."""

from dataclasses import dataclass

import numpy as np


@dataclass(eq=False, repr=False)
class FoldRows:
    """The rows in memory of the folds of a model.

    Attributes
    ----------
    trained : list of ndarray of uint8
        For each fold a bit for each row: whether the fold was trained on it.
    fold_of_row : ndarray (n,) of int
        Position of the fold that held out each row, -1 for none.
    """

    trained: list
    fold_of_row: np.ndarray

    @classmethod
    def of(cls, folds, fold_of_row):
        """Return those of (training rows, held-out rows) of each fold."""
        n = len(fold_of_row)
        masks = (np.isin(np.arange(n), train) for train, _ in folds)
        return cls([np.packbits(mask) for mask in masks], fold_of_row)

    def __iter__(self):
        """Yield the training rows and the held-out rows of each fold, as arrays of indices."""
        n = len(self.fold_of_row)
        for k, bits in enumerate(self.trained):
            train = np.unpackbits(bits, count=n)
            yield np.flatnonzero(train), np.flatnonzero(self.fold_of_row == k)
