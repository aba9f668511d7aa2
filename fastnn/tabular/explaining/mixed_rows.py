"""Predictions of mixed rows, which take each column from one of two rows.

Both rows are encoded once. The inputs of a column are numbers, positions and codes of an
EncodedTable, so a mixed row is put together from them, and nothing is encoded again.
"""

from typing import NamedTuple

import numpy as np

from ...encoded_table import parts_of, table_of

BLOCK_ROWS, BLOCK_VALUES = 20_000, 2_000_000  # that are predicted in one call of the networks
LEAST_BLOCK = 256


class Mixture(NamedTuple):
    """Which two rows are mixed, and how, for each of n mixed rows.

    Attributes
    ----------
    rows, others : ndarray (n,) of int
        Rows of two tables.
    from_row : ndarray (n, n_columns) of bool
        Whether a column comes from the row, not from the other one.
    """

    rows: np.ndarray
    others: np.ndarray
    from_row: np.ndarray


class MixedRows:
    """Predicts mixed rows.

    Parameters
    ----------
    model : TableModel
    scale : Scale
    n_threads : int

    Attributes
    ----------
    columns : list of int
        The columns in use, positions in `Features.columns`.
    """

    def __init__(self, model, scale, n_threads):
        self.model, self.scale, self.n_threads = model, scale, n_threads
        self.columns = model.features.used()
        number_of = np.zeros(len(model.features.columns), np.intp)
        number_of[self.columns] = range(len(self.columns))
        sources = number_of[model.features.sources()]
        self._inputs = [encoder.sources_of_parts(sources) for encoder in model.encoders]
        widest = max((sum(map(len, inputs)) for inputs in self._inputs), default=1)
        self.block = max(LEAST_BLOCK, min(BLOCK_ROWS, BLOCK_VALUES // max(1, widest)))

    def encode(self, rows):
        """Return the tables of rows. rows : Background, or another object of features"""
        return self.model.encode(rows.numbers, rows.codes)

    def first_features(self, rows):
        """Return the first feature of each column, (n_columns, n): the number itself, or a code."""
        features = self.model.features
        values = [*rows.numbers, *rows.codes.T]
        first = [list(features.sources()).index(column) for column in self.columns]
        return np.array([values[i] for i in first])

    def predict(self, tables):
        """Return the numbers (n, n_outputs) of encoded rows."""
        return self.scale.apply(self.model.predict_encoded(tables, self.n_threads))

    def predict_mixed(self, tables, others, n, mix):
        """Return the numbers (n, n_outputs) of mixed rows, which are put together block by block.

        Parameters
        ----------
        tables, others : list of EncodedTable
            The two tables whose rows are mixed, for each encoder.
        n : int
            Number of mixed rows.
        mix : callable
            mix(numbers) returns the Mixture of some of them. numbers : ndarray of int
        """
        out = np.empty((n, len(self.scale.outputs)))
        pairs = list(zip(tables, others, self._inputs))
        for start in range(0, n, self.block):
            numbers = np.arange(start, min(n, start + self.block))
            mixture = mix(numbers)
            mixed = [_mix(table, other, inputs, mixture) for table, other, inputs in pairs]
            out[numbers] = self.predict(mixed)
        return out


def _mix(table, other, inputs, mixture):
    """Return the EncodedTable of mixed rows. inputs : the column of each part of the tables"""
    rows, others, from_row = mixture
    parts = [
        np.where(from_row[:, columns], values[rows], other_values[others])
        for columns, values, other_values in zip(
            inputs,
            parts_of(table),
            parts_of(other),
        )
    ]
    return table_of(parts, table.layout)
