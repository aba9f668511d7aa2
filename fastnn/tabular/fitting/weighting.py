"""Weight the inputs of a column by how much other networks need the column.

A network learns large inputs faster than small ones, so a column without information disturbs less
if its inputs are small. How much a column matters is its permutation importance (Breiman, 2001,
"Random forests") for the networks of another configuration, on the rows that they held out. The
weights of a fold come from the other folds, so the rows that it holds out do not choose them.
"""

from dataclasses import dataclass

import numpy as np

from ...encoded_table import table_of
from ..model import mean_output
from . import importances
from .rows import sample

MAX_VALUES = 100_000_000  # that are shuffled or copied: for each column, rows times columns
SMALLEST = 0.2  # weight of a column without importance, if one of mean importance has weight 1


@dataclass(eq=False, repr=False)
class InputWeights:
    """What the inputs of a table are multiplied by while a network trains.

    Attributes
    ----------
    numbers, positions, codes : ndarray
        The weight of each column of `EncodedTable.numbers`, `EncodedTable.positions` and `EncodedTable.codes`.
    """

    numbers: np.ndarray
    positions: np.ndarray
    codes: np.ndarray

    def multiply(self, table):
        """Return the table with weighted inputs."""
        layout = table.layout._replace(
            position_scale=tuple((self.positions * table.layout.position_scale).tolist()),
            code_scale=tuple((self.codes * table.layout.code_scale).tolist()),
        )
        numbers = np.ascontiguousarray(table.numbers * self.numbers, table.dtype)
        return table_of(numbers, table.positions, table.codes, layout)

    def move_into(self, net, layout):
        """Multiply the first layer by the weights, so that the network reads the unweighted table."""
        of_bins = np.repeat(self.positions, layout.n_bins)
        of_codes = np.repeat(self.codes, layout.n_categories)
        net.weights[0][...] *= np.concatenate([self.numbers, of_bins, of_codes])[:, None]


def most_rows(n_columns):
    """Return the number of rows at most that `column_weights` uses."""
    return importances.most_rows(n_columns, MAX_VALUES)


def column_weights(jobs, encoder, sources, rows, targets, rng, n_threads):
    """Return the weights of the columns for each fold, whose mean square is 1.

    Parameters
    ----------
    jobs : list of Job
        Trained networks of one configuration, one job for each fold, at least two.
    encoder : Encoder
        That of the configuration.
    sources : ndarray of int
        What `Features.sources` returned.
    rows : FitRows
    targets : Classes or Numbers
    rng : numpy.random.Generator
    n_threads : int

    Returns
    -------
    ndarray (n_folds, sources.max() + 1)
        0 for columns without features.
    """
    used = np.unique(sources).tolist()
    of_parts = encoder.sources_of_parts(sources)
    most = max(1, most_rows(len(used)) // len(jobs))
    out = np.zeros((len(jobs), len(used)))
    for job, of_fold in zip(jobs, out):
        chosen = sample(job.held_out, most, rng)
        table, (y, weight) = job.table[chosen], rows.targets(chosen)
        order, losses = rng.permutation(len(chosen)), []
        for columns in importances.at_once([importances.NO_COLUMN, *used], len(chosen)):
            shuffled = importances.shuffle(table, of_parts, columns, order)
            P = targets.finish(mean_output(job.networks, shuffled, n_threads))
            P = P.reshape(len(columns), len(chosen), *P.shape[1:])
            losses += [targets.value(p, y, weight) for p in P]
        of_fold[:] = np.subtract(losses[1:], losses[0])
    weights = np.zeros((len(jobs), used[-1] + 1))
    weights[:, used] = weights_from((out.sum(axis=0) - out) / (len(jobs) - 1))
    return weights


def weights_from(importances):
    """Return the weights of columns from their importances (n_folds, n_columns).

    They are square roots, whose mean square is 1, or all 1 if no column is important.
    """
    positive = np.maximum(importances, 0)
    mean = positive.mean(axis=1, keepdims=True)
    weights = np.sqrt(np.divide(positive, mean, out=np.ones_like(positive), where=mean > 0))
    weights = np.maximum(weights, SMALLEST)
    return weights / np.sqrt((weights**2).mean(axis=1, keepdims=True))


def set_weights(jobs, weights, encoders, sources):
    """Set the weights of the inputs of jobs.

    Parameters
    ----------
    jobs : list of Job
    weights : ndarray (n_folds, n_columns)
    encoders : dict of Settings to Encoder
    sources : ndarray of int
        What `Features.sources` returned.
    """
    for job in jobs:
        of_parts = encoders[job.configuration.encoding].sources_of_parts(sources)
        job.weights = InputWeights(
            *(weights[job.fold, part].astype(np.float32) for part in of_parts)
        )
