"""Contributions of the columns to the predictions of rows: Shapley values against a background.

The value of a set of columns is the mean prediction of the rows that take these columns from the row
to explain, and the others from a background row ("interventional" Shapley values: Janzing, Minorics
and Bloebaum, 2020, arXiv:1910.13413).
"""

from dataclasses import dataclass

import numpy as np

from .permutations import Walks
from .subsets import MOST_COLUMNS, Subsets

PERMUTATIONS = 128  # by default, with more columns than `Subsets` are for
AT_ONCE = 4_000_000  # predictions in memory


@dataclass(eq=False)
class Contributions:
    """Contributions of the columns to predictions.

    Attributes
    ----------
    values, errors : ndarray (n, n_columns, n_outputs)
        The contributions, and their standard errors.
    predictions : ndarray (n, n_outputs)
    base : ndarray (n_outputs,)
        Mean prediction of the background rows.
    n_permutations : int or None
        None if they are exact.
    """

    values: np.ndarray
    errors: np.ndarray
    predictions: np.ndarray
    base: np.ndarray
    n_permutations: int | None


class Shapley:
    """Computes contributions against background rows.

    All rows have the same permutations, so a contribution does not depend on the other rows.

    Parameters
    ----------
    mixed_rows : MixedRows
    background : Background
    n_permutations : int or None
        Even. None enumerates all subsets of up to 8 columns, and of more draws so many that each
        background row starts the same number, at least 128 together.
    rng : numpy.random.Generator
    """

    def __init__(self, mixed_rows, background, n_permutations, rng):
        self.mixed_rows, self.others = mixed_rows, mixed_rows.encode(background)
        starts = mixed_rows.predict(self.others)
        self.base = starts.mean(axis=0)
        self.design: Subsets | Walks
        if n_permutations is None and len(mixed_rows.columns) <= MOST_COLUMNS:
            self.design = Subsets(len(mixed_rows.columns), starts)
        else:
            walks = make_walks(n_permutations, len(mixed_rows.columns), starts, rng)
            walks.set_neighbours(mixed_rows.first_features(background))
            self.design = walks

    def explain(self, rows):
        """Return the Contributions to the predictions of rows. rows : Background"""
        tables = self.mixed_rows.encode(rows)
        predictions = self.mixed_rows.predict(tables)
        n_outputs, n_mixed = predictions.shape[1], self.design.n_mixed
        step = max(1, AT_ONCE // max(1, n_mixed * n_outputs))
        parts = [np.zeros((2, 0, len(self.mixed_rows.columns), n_outputs))]
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            part, ends = [table[some] for table in tables], predictions[some]
            mixed = self.mixed_rows.predict_mixed(
                part, self.others, len(ends) * n_mixed, self.design.mix
            )
            parts.append(np.stack(self.design.estimate(mixed, ends)))
        values, errors = np.concatenate(parts, axis=1)
        return Contributions(values, errors, predictions, self.base, self.design.n_permutations)


def make_walks(n_permutations, n_columns, starts, rng):
    """Return the Walks for so many permutations, or more. Arguments as in `Shapley`."""
    n = len(starts)
    if n_permutations is None:
        n_permutations = PERMUTATIONS if n > PERMUTATIONS else balanced_number(PERMUTATIONS, n)
    walks = Walks.draw(n_permutations, n_columns, starts, rng)
    if walks.is_balanced or walks.weights()[1]:
        return walks
    return Walks.draw(balanced_number(n_permutations, n), n_columns, starts, rng)


def balanced_number(n_permutations, n_background):
    """Return the least even multiple of the number of background rows that is large enough."""
    step = n_background if n_background % 2 == 0 else 2 * n_background
    return step * -(-n_permutations // step)
