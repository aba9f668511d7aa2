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
        Even. None enumerates all subsets of up to 8 columns, and draws 128 permutations of more.
    rng : numpy.random.Generator
    """

    def __init__(self, mixed_rows, background, n_permutations, rng):
        self.mixed_rows, self.others = mixed_rows, mixed_rows.encode(background)
        self.starts = mixed_rows.predict(self.others)
        n, self.base = len(background), self.starts.mean(axis=0)
        n_columns = len(mixed_rows.columns)
        self.design: Subsets | Walks
        if n_permutations is None and n_columns <= MOST_COLUMNS:
            self.design = Subsets(n_columns, n)
            return
        self.n_permutations = n_permutations or PERMUTATIONS
        self.design = Walks.draw(self.n_permutations, n_columns, n, rng)
        self.weights, is_fair = self.design.weights(self.starts)
        if not is_fair:  # the base needs all background rows
            self.n_permutations = 2 * n * -(-self.n_permutations // (2 * n))
            self.design = Walks.draw(self.n_permutations, n_columns, n, rng)
            self.weights, _ = self.design.weights(self.starts)

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
            parts.append(np.stack(self._estimate(mixed, ends)))
        values, errors = np.concatenate(parts, axis=1)
        is_exact = isinstance(self.design, Subsets)
        n_permutations = None if is_exact else self.n_permutations
        return Contributions(values, errors, predictions, self.base, n_permutations)

    def _estimate(self, mixed, ends):
        """Return the contributions and their standard errors."""
        if isinstance(self.design, Subsets):
            values = self.design.contributions(mixed, ends, self.base)
            return values, np.zeros_like(values)
        walks = list(self.design.contributions(mixed, ends, self.starts))
        return weighted_mean(walks, self.weights)


def weighted_mean(walks, weights):
    """Return the weighted mean of walks, and its standard error, by the spread over pairs.

    The sums are in the same order for any number of rows.

    Parameters
    ----------
    walks : list of ndarray (n, n_columns, n_outputs)
    weights : ndarray (n_walks, n_outputs)
    """
    values = np.zeros_like(walks[0])
    for walk, weight in zip(walks, weights):
        values += weight * walk
    squares = np.zeros_like(values)
    n_pairs = len(walks) // 2
    for k in range(n_pairs):
        a, b = 2 * k, 2 * k + 1
        pair = weights[a] * (walks[a] - values) + weights[b] * (walks[b] - values)
        squares += pair**2
    return values, np.sqrt(squares * n_pairs / (n_pairs - 1))
