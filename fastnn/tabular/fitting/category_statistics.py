"""Statistics of the targets in place of categories, for columns of many categories.

A network that reads a category as a one-hot vector learns a row of weights for each category. One that
reads statistics of the targets of the rows of a category, their mean and their number, learns a few
weights for all. Both are the same function if the weights of a category are those of the statistics
times their values. So a network trains on statistics and reads the one-hot table once it is trained:
`CategoryStatistics.fold_into` computes its first layer. Predictions, files and exported code know
nothing of statistics.

Statistics of a fold come from its training rows. For these rows themselves they come from other parts
of the training rows, since the mean of a category would reveal the target of a row in it.
"""

import math
from dataclasses import dataclass

import numpy as np

from ...encoded_table import table_of
from ...files.model import NETWORK
from ...mlp import blank_network
from .permutation import InputWeights

N_PARTS = 5  # into which the training rows are split
PRIOR_ROWS = 3.0  # rows with the mean of all that each category has besides its own
SMALLEST = 1e-9  # standard deviation of a statistic that differs between rows
MIN_CATEGORIES = 10  # a column of fewer categories stays one-hot


def columns_of(n_categories):
    """Return the positions of the columns of codes that have statistics. n_categories : of each"""
    return [j for j, n in enumerate(n_categories) if n >= MIN_CATEGORIES]


@dataclass(eq=False, repr=False)
class CategoryStatistics:
    """The statistics of the categories of some columns, for the networks of a fold.

    Attributes
    ----------
    values : dict of int to ndarray (N_PARTS + 1, n_categories + 1, n_statistics) of float32
        The inputs that stand for the categories, by the position of the column among those of codes:
        from all training rows but those of a part, and last from all. The last category stands for
        -1, no category.
    parts : ndarray (n,) of int8
        The part of each row in memory, N_PARTS for rows that are not trained on.
    n_inputs : int
        Inputs of the networks.
    scale : float
        What the other inputs of the table are multiplied by, since there are fewer inputs.
    """

    values: dict
    parts: np.ndarray
    n_inputs: int
    scale: float

    @classmethod
    def fit(cls, table, target, weight, train, width, rng):
        """Return the CategoryStatistics of the training rows of a fold.

        Parameters
        ----------
        table : EncodedTable
        target : ndarray (n,) or (n, n_classes)
            What the means are of.
        weight : ndarray (n,) or None
        train : ndarray of int
        width : int
            Units of the first layer.
        rng : numpy.random.Generator
            Draws the parts.
        """
        n_categories, n = table.layout.n_categories, len(train)
        parts = np.full(len(table), N_PARTS, np.int8)
        parts[train] = rng.permutation(n) % N_PARTS
        y = np.asarray(target, float)[train].reshape(n, -1)
        w = np.ones(n) if weight is None else weight[train] / weight[train].mean()
        y = y - w @ y / n
        values = {
            j: _statistics(table.codes[train, j], parts[train], y, w, n_categories[j])
            for j in columns_of(n_categories)
        }
        n_inputs = table.n_inputs + sum(x.shape[2] - n_categories[j] for j, x in values.items())
        unit = math.sqrt(width / n_inputs)
        values = {j: (unit * x).astype(np.float32) for j, x in values.items()}
        return cls(values, parts, n_inputs, math.sqrt(table.n_inputs / n_inputs))

    def inputs(self, table, parts=N_PARTS):
        """Return encoded rows with statistics as further numbers, in place of the columns.

        parts : ndarray (n,) of int
            Those of the rows. By default, the statistics are those of all training rows.
        """
        layout = table.layout
        counts = layout.n_numbers, len(layout.n_bins), len(layout.n_categories)
        scaled = InputWeights(*(np.full(n, self.scale, np.float32) for n in counts)).multiply(table)
        found = [x[parts, table.codes[:, j]] for j, x in self.values.items()]
        numbers = np.concatenate([scaled.numbers, *found], axis=1)
        left = self._left(layout)
        layout = scaled.layout._replace(
            n_numbers=numbers.shape[1],
            n_categories=tuple(layout.n_categories[j] for j in left),
            code_scale=tuple(scaled.layout.code_scale[j] for j in left),
        )
        return table_of((numbers, table.positions, table.codes[:, left]), layout)

    def fold_into(self, net, layout):
        """Return the network that reads encoded rows as `net` reads what `inputs` returns of them.

        layout : TableLayout
            That of the rows.
        """
        W, b, left = net.weights[0], net.biases[0].astype(float), self._left(layout)
        sizes = [layout.n_numbers, *(x.shape[2] for x in self.values.values()), sum(layout.n_bins)]
        sizes += [layout.n_categories[j] for j in left]
        parts = iter(np.split(W, np.cumsum(sizes)[:-1]))
        numbers, codes = self.scale * next(parts), {}
        for j, x in self.values.items():
            inputs, w = x[N_PARTS].astype(float), next(parts).astype(float)
            codes[j] = (inputs[:-1] - inputs[-1]) @ w / layout.code_scale[j]
            b += inputs[-1] @ w
        bins = self.scale * next(parts)
        codes |= {j: self.scale * w for j, w in zip(left, parts)}
        sizes = [layout.n_inputs, *net.layer_sizes[1:]]
        found = blank_network(
            {name: getattr(net, name) for name in NETWORK} | {"layer_sizes": sizes}, net.rng
        )
        found.weights[0][...] = np.concatenate([numbers, bins, *(codes[j] for j in sorted(codes))])
        found.biases[0][...] = b
        n_first = found.weights[0].size + b.size
        found.params[n_first:] = net.params[W.size + b.size :]
        return found

    def input_signs(self, signs, layout):
        """Return the sign of each input of the networks that train. signs : those of the table"""
        out, n_numbers, n_bins = np.zeros(self.n_inputs), layout.n_numbers, sum(layout.n_bins)
        n_statistics = sum(x.shape[2] for x in self.values.values())
        out[:n_numbers] = signs[:n_numbers]
        bins = signs[n_numbers : n_numbers + n_bins]
        out[n_numbers + n_statistics :][:n_bins] = bins
        return out

    def _left(self, layout):
        """Return the positions of the other columns of codes."""
        return [j for j in range(len(layout.n_categories)) if j not in self.values]


def _statistics(codes, parts, y, weight, n_categories):
    """Return the statistics of the categories of a column, as in `CategoryStatistics.values`.

    They are scaled so that those of the training rows have variance 1, and smoothly limited to 3.

    codes, parts, weight : ndarray (n,), of training rows
    y : ndarray (n, k)
        Targets, whose mean is 0.
    """
    known, shape = codes >= 0, (N_PARTS, n_categories + 1)  # the last one stays empty
    at = parts[known].astype(int) * shape[1] + codes[known]

    def sums(x):
        """Return the sums of all parts but one, and of all, by categories."""
        of_parts = np.bincount(at, x[known], shape[0] * shape[1]).reshape(shape)
        return np.vstack([of_parts.sum(axis=0) - of_parts, of_parts.sum(axis=0)])

    n = np.maximum(0, sums(weight))
    found = [sums(weight * column) / (n + PRIOR_ROWS) for column in y.T] + [np.log1p(n)]
    out = np.stack(found, axis=2)
    seen = out[parts, codes]
    spread = seen.std(axis=0)
    out = (out - seen.mean(axis=0)) / np.where(spread > SMALLEST, spread, np.inf)
    return out / np.hypot(1, out / 3)
