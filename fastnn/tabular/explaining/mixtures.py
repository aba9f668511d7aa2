"""Background rows, mixtures of rows, and scales, with which explanations compute.

`MixedRows` predicts rows that take each column from one of two rows, one of them usually a row of the
`Background`. A `Scale` says how predictions are written as numbers.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ...core.errors import Argument, DataError
from ...encoded_table import parts_of, table_of
from ...files.json_values import check
from ..columns.features import numbers_of_folds
from ..columns.text import NGRAMS

MOST_ROWS, LEAST_ROWS = 128, 32
MOST_VALUES = 250_000  # 2 MB: wide tables keep fewer rows
LARGEST = 100_000  # rows of a file that are read
NUMBERS, CODES = "background_numbers", "background_codes"  # arrays of a model file
#: Mixed rows that are predicted in one call of the networks.
BLOCK_ROWS, LEAST_BLOCK = 20_000, 256
BLOCK_VALUES = 2_000_000  # their inputs: wide tables have smaller blocks
LOG_ODDS, PROBABILITY, TARGET = "log-odds", "probability", "target"


@dataclass(eq=False, repr=False)
class Background:
    """Rows of a table as features.

    Attributes
    ----------
    numbers : list of ndarray (m,) or (m, n_folds)
        Of each number feature, as `Features.transform` returns them, with NaN for missing values.
    codes : ndarray (m, k) of int32
        Of the category features.
    """

    numbers: list
    codes: np.ndarray

    def __len__(self):
        return len(self.codes)

    @classmethod
    def draw(cls, rows, weight, seed):
        """Return a random choice of training rows.

        Parameters
        ----------
        rows : FitRows
        weight : ndarray (n,) or None
            How often each row counts: rows are drawn in proportion to it, without replacement.
        seed : int
        """
        n_features = len(rows.numbers) + rows.codes.shape[1]
        most = max(LEAST_ROWS, min(MOST_ROWS, MOST_VALUES // n_features))
        n_candidates = len(rows) if weight is None else np.count_nonzero(weight)
        p = None if weight is None else weight / weight.sum()
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(rows), min(most, n_candidates), replace=False, p=p)
        chosen.sort()
        return cls([x[chosen] for x in rows.numbers], rows.codes[chosen])

    @classmethod
    def concatenate(cls, parts):
        """Return the rows of all parts. parts : list of Background"""
        numbers = [np.concatenate(some) for some in zip(*(part.numbers for part in parts))]
        return cls(numbers, np.concatenate([part.codes for part in parts]))

    def take(self, rows):
        """Return some rows. rows : indices or a slice"""
        return Background([x[rows] for x in self.numbers], self.codes[rows])

    def of_folds(self, folds):
        """Return the rows for a model of some folds."""
        return Background(numbers_of_folds(self.numbers, folds), self.codes)

    # ---- files ----

    def arrays(self):
        """Return the arrays of a file, by name."""
        n = len(self)
        numbers = np.column_stack(self.numbers) if self.numbers else np.zeros((n, 0))
        return {NUMBERS: numbers, CODES: self.codes.astype(np.int64)}

    @classmethod
    def expected_arrays(cls, reader, features):
        """Return {name: (shape, dtype name)} of the background of a file, {} if it has none."""
        if not {NUMBERS, CODES} & set(reader.entries):
            return {}
        n = reader.length(CODES)
        check(n <= LARGEST, CODES)
        return {
            NUMBERS: ([n, sum(features.widths(reader))], "F64"),
            CODES: ([n, len(features.categories)], "I64"),
        }

    @classmethod
    def read(cls, reader, features):
        """Return the Background of a file whose arrays have been checked, None if it has none."""
        if CODES not in reader.entries:
            return None
        numbers, codes = reader.array(NUMBERS), reader.array(CODES)
        check(not np.isinf(numbers).any(), NUMBERS)
        sizes = np.array([category.n_categories for category in features.categories], np.int64)
        check(bool(np.all((codes >= -1) & (codes < sizes))), CODES)
        ends = np.cumsum(features.widths(reader))
        parts = np.split(numbers, ends[:-1], axis=1)
        numbers = [
            np.array(x if f.part == NGRAMS else x[:, 0]) for f, x in zip(features.numbers, parts)
        ]
        return cls(numbers, codes.astype(np.int32))


# ---- mixtures ----


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

    Both rows are encoded once. The inputs of a column are numbers, positions and codes of an
    EncodedTable, so a mixed row is put together from them, and nothing is encoded again.

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
        self._inputs = model.n_tables_of_encoder * [
            encoder.sources_of_parts(sources) for encoder in model.encoders
        ]
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
        np.where(from_row[:, columns], a[rows], b[others])
        for columns, a, b in zip(inputs, parts_of(table), parts_of(other))
    ]
    return table_of(parts, table.layout)


# ---- scales ----


@dataclass(frozen=True)
class Scale:
    """How predictions are written as numbers (n, n_outputs).

    Attributes
    ----------
    name : {"log-odds", "probability", "target"}
    outputs : list
        What each number is of: a class, or a quantile; None for the one number of a regression.
    is_second : bool
        Whether only the second of two classes counts.
    """

    name: str
    outputs: list[Any]
    is_second: bool = False

    @classmethod
    def of_model(cls, targets, name=None):
        """Return the Scale of this name for a model.

        targets : TableClasses or TableNumbers
        """
        if not targets.is_classifier:
            _check_scale(name, [TARGET], "a number")
            quantiles = np.atleast_1d(targets.loss.q).tolist() if targets.n_out > 1 else [None]
            return cls(TARGET, quantiles)
        _check_scale(name, [PROBABILITY, LOG_ODDS], "classes")
        labels = targets.labels.tolist()
        is_second = len(labels) == 2
        return cls(name or PROBABILITY, labels[1:] if is_second else labels, is_second)

    def apply(self, P):
        """Return the numbers (n, n_outputs) of predictions (n,) or (n, n_out), in float64."""
        if self.name == TARGET:
            return P.reshape(len(P), len(self.outputs))
        if self.name == LOG_ODDS:
            if P.shape[1] == 1:  # one class is certain
                return np.zeros_like(P)
            others = [np.delete(P, k, 1).sum(axis=1) for k in range(P.shape[1])]
            P = np.log(P) - np.log(np.stack(others, 1))
        return P[:, 1:] if self.is_second else P


def _check_scale(name, known, what):
    """Raise DataError unless a name is None or one of the known ones."""
    if name is None or (isinstance(name, str) and name in known):
        return
    raise DataError(
        "{argument} is not a scale of this model, which predicts {what}.",
        "Pass {known}.",
        argument=Argument("scale", name),
        what=what,
        known=" or ".join(map(repr, known)),
    )


def drop_single_output(values, outputs):
    """Return values (..., n_outputs) without the last axis if there is one output."""
    return values[..., 0] if len(outputs) == 1 else values


def select_output(result, output, names):
    """Return an Effect or an Explanation of one output, or raise DataError if it has no such output.

    names : its arrays with an axis of outputs, if there are several
    """
    if np.ndim(output) or output not in result.outputs:
        raise DataError(
            "{argument} is not an output of this result.",
            "Its outputs are {known}.",
            argument=Argument("output", output),
            known=", ".join(map(repr, result.outputs)),
        )
    if len(result.outputs) == 1:
        return result
    i = result.outputs.index(output)
    arrays = {name: getattr(result, name)[..., i] for name in names}
    return replace(result, outputs=[result.outputs[i]], **arrays)
