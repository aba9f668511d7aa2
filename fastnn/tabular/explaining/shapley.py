"""Contributions of the columns to the predictions of rows: Shapley values against a background.

The value of a set of columns is the mean prediction of the rows that take these columns from the row
to explain, and the others from a background row ("interventional" Shapley values: Janzing, Minorics
and Bloebaum, 2020, arXiv:1910.13413). Which columns come from which row: all `Subsets` of a few
columns, or random orders of more, `Walks`.

All sums are in the same order for any number of rows, so that a row has the same bits among others.
"""

from dataclasses import dataclass
from math import factorial

import numpy as np

from .mixtures import Mixture

MOST_COLUMNS = 8  # whose subsets are enumerated
PERMUTATIONS = 128  # by default, of more columns
LARGEST_CHANGE = 4.0  # of the weight of a walk, in units of the equal weight
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
        means = [sum(mixed[:, i].swapaxes(0, 1)) / self.n_background for i in range(2**k - 2)]
        values = [np.broadcast_to(self.base, ends.shape), *means, ends]
        out = np.zeros((n, k, ends.shape[1]))
        sizes = self.members.sum(axis=1)
        for j in range(k):
            for subset in np.flatnonzero(~self.members[:, j]).tolist():
                size = int(sizes[subset])
                weight = factorial(size) * factorial(k - size - 1) / factorial(k)
                out[:, j] += weight * (values[subset + 2**j] - values[subset])
        return out, np.zeros_like(out)


class Walks:
    """The walks of all rows.

    Parameters
    ----------
    orders : ndarray (n_walks, n_columns) of int
        Permutations, of which each two are a pair.
    others : ndarray (n_walks,) of int
        The background row from which each walk starts.
    starts : ndarray (n_background, n_outputs)
        Predictions of the background rows.
    """

    def __init__(self, orders, others, starts):
        self.orders, self.others, self.starts = orders, others, starts
        self.positions = np.argsort(orders, axis=1)  # of each column in each order
        self.neighbours = None

    @classmethod
    def draw(cls, n_walks, n_columns, starts, rng):
        """Return random walks. Each background row starts the same number of them, or one more."""
        first = np.stack([rng.permutation(n_columns) for _ in range(n_walks // 2)])
        orders = np.stack([first, first[:, ::-1]], 1).reshape(n_walks, n_columns)
        repeats = -(-n_walks // len(starts))
        others = np.concatenate([rng.permutation(len(starts)) for _ in range(repeats)])
        return cls(orders, others[:n_walks], starts)

    @property
    def n_permutations(self):
        return len(self.orders)

    @property
    def is_balanced(self):
        """bool: whether each background row starts the same number of walks."""
        return len(self.orders) % len(self.starts) == 0

    def set_neighbours(self, values):
        """Set by which values of the background rows `estimate` finds neighbours.

        values : ndarray (n_columns, n_background)
        """
        self.neighbours = np.argsort(values[:, self.others], axis=1, kind="stable")

    @property
    def n_mixed(self):
        """int: the mixed rows of each row to explain, without the two ends of its walks."""
        n_walks, n_columns = self.orders.shape
        return n_walks * (n_columns - 1)

    def mix(self, numbers):
        """Return the Mixture of some mixed rows. numbers : row by row, then walk by walk"""
        steps = self.orders.shape[1] - 1
        rows, mixed = np.divmod(numbers, self.n_mixed)
        walks, step = np.divmod(mixed, steps)
        return Mixture(rows, self.others[walks], self.positions[walks] <= step[:, None])

    def estimate(self, mixed, ends):
        """Return the contributions (n, n_columns, n_outputs), and their standard errors.

        mixed, ends : as in `contributions`
        """
        walks = list(self.contributions(mixed, ends))
        if self.is_balanced:
            return balanced_walk_mean(walks, self.neighbours)
        return weighted_walk_mean(walks, self.weights()[0])

    def contributions(self, mixed, ends):
        """Yield what each column contributes in each walk, (n, n_columns, n_outputs).

        Parameters
        ----------
        mixed : ndarray (n * n_mixed, n_outputs)
            Predictions of the mixed rows.
        ends : ndarray (n, n_outputs)
            Predictions of the rows to explain.
        """
        n_walks, n_columns = self.orders.shape
        mixed = mixed.reshape(len(ends), n_walks, n_columns - 1, ends.shape[1])
        for k in range(n_walks):
            start = np.broadcast_to(self.starts[self.others[k]], ends.shape)
            path = np.concatenate([start[:, None], mixed[:, k], ends[:, None]], axis=1)
            yield np.diff(path, axis=1)[:, self.positions[k]]

    def weights(self):
        """Return the weight of each walk in the mean, (n_walks, n_outputs), and whether all are fair.

        The mean of the predictions from which the walks start would differ from the base, the mean
        over all background rows. The weights remove this difference, which reduces the variance:
        it is a control variate, and the contributions add up to the prediction minus the base. They
        are not fair if one is negative or large, as if the starts were all alike.
        """
        starts = self.starts
        h = (starts - starts.mean(axis=0))[self.others]
        n, mean = len(h), h.mean(axis=0)
        centred = h - mean
        squares = (centred**2).sum(axis=0)
        slopes = np.divide(mean, squares, out=np.zeros_like(mean), where=squares > 0)
        weights = (1 - n * slopes * centred) / n
        is_base = np.abs((weights * h).sum(axis=0)) <= 1e-12 * np.abs(starts).max()
        return weights, bool(np.all(is_base) and np.all(abs(n * weights - 1) <= LARGEST_CHANGE))


def weighted_walk_mean(walks, weights):
    """Return the weighted mean of walks, and its standard error by the spread over pairs.

    Parameters
    ----------
    walks : list of ndarray (n, n_columns, n_outputs)
        The contributions in each walk; each two are a pair.
    weights : ndarray (n_walks, n_outputs)
    """
    values, n_pairs = sum(u * a for u, a in zip(weights, walks)), len(walks) // 2
    pairs = zip(weights[::2], walks[::2], weights[1::2], walks[1::2])
    squares = sum((u * (a - values) + v * (b - values)) ** 2 for u, a, v, b in pairs)
    return values, np.sqrt(squares * n_pairs / (n_pairs - 1))


def balanced_walk_mean(walks, neighbours):
    """Return the mean of walks that start equally often from each background row, and its error.

    What a column adds depends most on its value in the background row. This is no error here, since
    all rows are used. So the error comes from the differences between walks whose rows have
    neighbouring values of the column (von Neumann, 1941: the mean square successive difference).

    Parameters
    ----------
    walks : list of ndarray (n, n_columns, n_outputs)
    neighbours : ndarray (n_columns, n_walks) of int
        The walks in the order of the values of a column.
    """
    n = len(walks)
    values = sum(walks) / n
    squares = np.zeros_like(values)
    for j, order in enumerate(neighbours.tolist()):
        for a, b in zip(order, order[1:]):
            squares[:, j] += (walks[b][:, j] - walks[a][:, j]) ** 2
    return values, np.sqrt(squares / (2 * (n - 1) * n))
