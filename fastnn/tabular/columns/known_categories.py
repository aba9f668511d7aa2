"""The categories that networks know: those of their training rows.

All folds share one encoder, so its categories are those of all rows of `fit`. A category that the
training rows of a fold lack starts with zero weights in the first layer of the networks of this fold.
Nothing moves them: no training row has the category, and weight decay leaves zeros as they are. So the
networks read the category as an unknown one, and their held-out rows are scored as new rows would be.

One configuration does not learn categories with a single training row either: it reads these rows
without them. So it learns what an unknown category means, and does not learn single rows by heart.
"""

from dataclasses import dataclass

import numpy as np

from ...encoded_table import table_of

SINGLE = 0.01  # part of the rows whose categories have no other row: from here on it is many


@dataclass(eq=False, repr=False)
class KnownCategories:
    """Which categories the training rows of a model have.

    Attributes
    ----------
    of_columns : list of ndarray (n_categories + 1,) of bool
        One for each column of codes. The last one stands for -1, no category.
    """

    of_columns: list

    @classmethod
    def find(cls, codes, n_categories, min_rows=1):
        """Return the KnownCategories of training rows, None if they have all categories.

        Parameters
        ----------
        codes : ndarray (n, k) of int
            Those of the training rows.
        n_categories : sequence of int
            Of each column.
        min_rows : int, default 1
            Rows that a known category has.
        """
        of_columns = [
            np.append(counts >= min_rows, True) for counts in count_rows(codes, n_categories)
        ]
        return None if all(map(np.all, of_columns)) else cls(of_columns)

    def hide_others(self, codes):
        """Return codes with -1 in place of those that are not known."""
        columns = [np.where(known[c], c, -1) for known, c in zip(self.of_columns, codes.T)]
        return np.stack(columns, axis=1).astype(codes.dtype)

    def hide_others_in(self, table):
        """Return an EncodedTable without the categories that are not known."""
        codes = self.hide_others(table.codes)
        return table_of((table.numbers, table.positions, codes), table.layout)

    def forget_others(self, net):
        """Set the weights of the categories that are not known to 0. They are the last inputs."""
        known = np.concatenate([known[:-1] for known in self.of_columns])
        net.weights[0][-len(known) :][~known] = 0


def count_rows(codes, n_categories):
    """Return the number of rows of each category, an array for each column of codes (n, k)."""
    return [np.bincount(c[c >= 0], minlength=n) for c, n in zip(codes.T, n_categories)]


def are_often_single(codes, n_categories):
    """Return whether many rows are the only one of their category, in some column of codes (n, k)."""
    n_single = [int((counts == 1).sum()) for counts in count_rows(codes, n_categories)]
    return max(n_single, default=0) >= SINGLE * max(1, len(codes))
