"""The categories that the networks of a fold know: those of its training rows.

All folds share one encoder, so its categories are those of all rows of `fit`. A category that the
training rows of a fold lack starts with zero weights in the first layer of the networks of this fold.
Nothing moves them: no training row has the category, and weight decay leaves zeros as they are. So the
networks read the category as an unknown one, and their held-out rows are scored as new rows would be.
"""

from dataclasses import dataclass

import numpy as np

from ...encoded_table import table_of


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
    def find(cls, codes, n_categories):
        """Return the KnownCategories of training rows, None if they have all categories.

        codes : ndarray (n, k) of int, those of the training rows; n_categories : of each column
        """
        of_columns = [np.zeros(n + 1, bool) for n in n_categories]
        for known, column in zip(of_columns, codes.T):
            known[column] = known[-1] = True
        return None if all(map(np.all, of_columns)) else cls(of_columns)

    def hide_others(self, codes):
        """Return codes with -1 in place of those that are not known."""
        columns = [np.where(known[c], c, -1) for known, c in zip(self.of_columns, codes.T)]
        return np.stack(columns, axis=1).astype(codes.dtype)

    def hide_others_in(self, table):
        """Return an EncodedTable without the categories that are not known."""
        codes = self.hide_others(table.codes)
        return table_of(table.numbers, table.positions, codes, table.layout)

    def forget_others(self, net):
        """Set the weights of the categories that are not known to 0. They are the last inputs."""
        known = np.concatenate([known[:-1] for known in self.of_columns])
        net.weights[0][-len(known) :][~known] = 0
