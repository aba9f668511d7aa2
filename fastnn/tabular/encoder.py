"""Encode features as the inputs of a network.

A number becomes the smoothly clipped number, and optionally its position in bins (piecewise-linear
encoding: Gorishniy et al., 2022, arXiv:2203.05556) and a category for each frequent value. A
category becomes a one-hot vector. All inputs are scaled by sqrt(width / inputs), so that one
learning rate fits any number of inputs.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from ..core.errors import Argument, DataError, Wording
from ..encoded_table import TableLayout, table_of_layout
from ..files.json_values import check, check_mapping, is_count, is_finite
from ..tables import limits
from .columns.features import numbers_of_fold

MAX_HIDDEN = 99  # hidden layers
MAX_WIDTH = 2**24  # units of a hidden layer, and inputs
ONE_HOT_SCALE = 1.66
FLAG_SCALE = 2.0  # of the input that marks missing values
MIN_VALUE_COUNT = 5  # rows that a value must have to become a category
MAX_VALUES = 256
SMALLEST_SPREAD = 1e-300  # 1 over it is finite
BLOCK_ROWS = 1024  # that are encoded at a time: their numbers stay in the cache
MEMORY_FRACTION = 0.8  # of the available memory that the networks may take


@dataclass
class Scaling:
    """How a number is scaled: x becomes z / sqrt(1 + (z/3)^2), at most 3, with z = (x - median) factor.

    The factor is 1 over the interquartile range, or over half the range if that is 0.

    Attributes
    ----------
    median, factor : float
    marks_missing : bool
        Whether a further input marks missing values, which become the median.
    """

    median: float
    factor: float
    marks_missing: bool

    @classmethod
    def fit(cls, x, marks_missing):
        present = x[~np.isnan(x)]
        median, low, high = np.quantile(present, [0.5, 0.25, 0.75])
        spread = high - low
        has_missing = marks_missing and len(present) < len(x)
        if spread < SMALLEST_SPREAD:  # too close to each other for a quarter of the rows
            spread = (present.max() - present.min()) / 2
        factor = 1 / spread if spread >= SMALLEST_SPREAD else 0.0
        return cls(float(median), float(factor), has_missing)

    def to_json(self):
        """Return a dict that JSON can hold. `asdict` would take seconds for thousands of columns."""
        return dict(median=self.median, factor=self.factor, marks_missing=self.marks_missing)

    def slopes(self, x):
        """Return the derivatives of the scaled numbers. NaN stays NaN."""
        with np.errstate(over="ignore"):
            return self.factor / np.hypot(1, (x - self.median) * self.factor / 3) ** 3


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of an encoder.

    Attributes
    ----------
    n_bins : int, default 0
        Number of bins for each number.
    values : bool, default False
        Whether frequent values of a number become categories, if it has few distinct values.
    days : bool, default False
        Whether the days of the year of a date are a category.
    """

    n_bins: int = 0
    values: bool = False
    days: bool = False


@dataclass
class Encoder:
    """Encodes features; fitted to all training rows.

    Attributes
    ----------
    scalings : list of Scaling
        One for each number.
    edges : list of list of float
        Edges of the bins of each number; empty without bins.
    values : list of list of float
        Values of each number that are categories, sorted.
    n_categories : list of int
        Number of categories of each category feature, 0 if it is left out.
    width : int
        Units of the first layer.
    """

    scalings: list
    edges: list
    values: list
    n_categories: list
    width: int

    @classmethod
    def fit(cls, numbers, n_categories, target, settings, width, without_values=()):
        """Return an Encoder.

        Parameters
        ----------
        numbers : list of (Scaling, ndarray (n,) or (n, n_folds))
            The number features, and how each is scaled.
        n_categories : list of int
        target : ndarray (n,) or (n, n_classes)
            What a tree predicts to place the bins of a number with few distinct values.
        settings : EncoderSettings
        width : int
        without_values : sequence of int
            The positions of numbers whose values never become categories.
        """
        edges, values = [], []
        for i, (scaling, x) in enumerate(numbers):
            is_text = x.ndim > 1  # an output of a layer, which differs between folds
            x = np.where(np.isnan(x), scaling.median, x)
            e, from_tree = bin_edges(x, target, 0 if is_text else settings.n_bins)
            edges.append(e.tolist())
            kept = np.zeros(0)
            may_have = settings.values and not is_text and i not in without_values
            if may_have and (from_tree or not settings.n_bins):
                u, counts = np.unique(x, return_counts=True)
                if 2 < len(u) <= MAX_VALUES:
                    kept = u[counts >= MIN_VALUE_COUNT]
            values.append(kept.tolist())
        return cls([scaling for scaling, _ in numbers], edges, values, n_categories, width)

    def to_json(self):
        """Return a dict that JSON can hold."""
        return dict(
            scalings=[scaling.to_json() for scaling in self.scalings],
            edges=self.edges,
            values=self.values,
            n_levels=self.n_categories,
            width=self.width,
        )

    @classmethod
    def from_json(cls, d, n_numbers, categories):
        """Return the Encoder of a file, or raise an error of `damage_refused`.

        n_numbers, categories : the number features, and the category features
        """
        fields = dict(check_mapping(d, "encoder"))
        scalings, n_categories = fields.pop("scalings"), fields.pop("n_levels")
        self = cls([Scaling(**s) for s in scalings], n_categories=n_categories, **fields)
        lengths = [len(some) for some in (self.scalings, self.edges, self.values)]
        check(lengths == [n_numbers] * 3, "encoder")
        for s in self.scalings:
            check(is_finite(s.median) and is_finite(s.factor), "scalings")
            check(type(s.marks_missing) is bool, "scalings")
        for some in (*self.edges, *self.values):
            check(all(map(is_finite, some)) and all(a < b for a, b in pairwise(some)), "edges")
        check(all(len(e) != 1 for e in self.edges), "edges")
        check(len(self.n_categories) == len(categories), "n_levels")
        check(
            all(k in (0, c.n_categories) for k, c in zip(self.n_categories, categories)), "n_levels"
        )
        check(is_count(self.width, MAX_WIDTH, 1), "width")
        check(0 < self.n_inputs <= MAX_WIDTH, "n_inputs")
        return self

    @property
    def n_inputs(self):
        return (
            sum(1 + s.marks_missing for s in self.scalings if s.factor)
            + sum(len(e) - 1 for e in self.edges if e)
            + sum(map(len, self.values))
            + sum(self.n_categories)
        )

    @property
    def unit(self):
        """float: the scale of all inputs."""
        return math.sqrt(self.width / self.n_inputs)

    @property
    def flag(self):
        """float: the input that marks a missing value."""
        return self.unit * FLAG_SCALE

    def sources_of_parts(self, sources):
        """Return the column that each of the numbers, positions and codes of a table comes from.

        Parameters
        ----------
        sources : ndarray of int
            The column of each feature, numbers first, as `Features.sources` returns it.

        Returns
        -------
        tuple of ndarray of int
            One for `EncodedTable.numbers`, one for `EncodedTable.positions`, one for `EncodedTable.codes`.
        """
        scaled = [(i, 1 + s.marks_missing) for i, s in enumerate(self.scalings) if s.factor]
        numbers = [i for i, n in scaled for _ in range(n)]
        positions = [i for i, edges in enumerate(self.edges) if edges]
        codes = [i for i, values in enumerate(self.values) if values]
        codes += [len(self.scalings) + j for j, n in enumerate(self.n_categories) if n]
        return tuple(sources[np.array(part, np.intp)] for part in (numbers, positions, codes))

    def input_signs(self, signs):
        """Return the sign of each input of a network, in the order of `EncodedTable.to_dense`.

        The marks of missing values, and categories, have the sign 0.

        signs : {position of a number: sign}
        """
        out: list = []
        for i, scaling in enumerate(self.scalings):
            if scaling.factor:
                out += [signs.get(i, 0)] + [0] * scaling.marks_missing
        for i, edges in enumerate(self.edges):
            out += [signs.get(i, 0)] * max(0, len(edges) - 1)
        return np.array(out + [0] * (self.n_inputs - len(out)), float)

    def encode(self, numbers, codes):
        """Return the fastnn.EncodedTable of features."""
        columns, n = self._columns, len(codes)
        parts = columns.empty_parts(n)
        for first in range(0, n, BLOCK_ROWS):
            rows = slice(first, first + BLOCK_ROWS)
            if numbers:
                columns.encode_numbers(
                    np.array([x[rows] for x in numbers]), *(part[rows] for part in parts)
                )
        parts[-1][:, len(columns.values) :] = codes[:, columns.kept]
        return table_of_layout(parts, columns.layout)

    @cached_property
    def _columns(self):
        return EncodedColumns(self)

    def input_slopes(self, numbers):
        """Return which inputs vary with each number, and their derivatives in it.

        They are the scaled number, and the bin that it is in. At an edge the derivative is that of
        the right side. It is 0 outside the bins, and without them.

        Returns
        -------
        list of (ndarray (1, n_numbers) or (n, n_numbers) of int, ndarray (n, n_numbers))
            The pair of scaled numbers, and that of bins if a number has some. Inputs are numbered as
            in `EncodedTable.to_dense`.
        """
        n, d = len(numbers[0]), len(numbers)
        scaled = np.zeros((1, d), np.intp), np.zeros((n, d))
        binned = np.zeros((n, d), np.intp), np.zeros((n, d))
        at, bins_at = 0, sum(1 + s.marks_missing for s in self.scalings if s.factor)
        for j, (scaling, edges, x) in enumerate(zip(self.scalings, self.edges, numbers)):
            if scaling.factor:
                scaled[0][:, j], scaled[1][:, j] = at, self.unit * scaling.slopes(x)
                at += 1 + scaling.marks_missing
            if edges:
                bins, low, high = find_bins(x, np.array(edges))
                inside = (edges[0] <= x) & (x < edges[-1])
                binned[0][:, j] = bins_at + bins
                binned[1][:, j] = 2 * self.unit * inside / (high - low)
                bins_at += len(edges) - 1
        return [scaled, binned] if any(self.edges) else [scaled]


class EncodedColumns:
    """The columns of the tables of an Encoder, and the constants of all numbers as arrays.

    NumPy computes all numbers in one call: for a row, the calls take longer than the arithmetic.

    Parameters
    ----------
    encoder : Encoder

    Attributes
    ----------
    layout : TableLayout
    values : list of (int, ndarray)
        The numbers whose frequent values are categories, and these values.
    kept : list of int
        The category features that are in the table.
    """

    def __init__(self, encoder):
        scalings, self.unit, self.flag = encoder.scalings, encoder.unit, encoder.flag
        self.medians = _column(s.median for s in scalings)
        self.scaled = [i for i, s in enumerate(scalings) if s.factor]
        self.factors = _column(scalings[i].factor for i in self.scaled)
        self.flagged = [i for i in self.scaled if scalings[i].marks_missing]
        order = sorted([*self.scaled, *self.flagged])  # of the columns: the flag follows its number
        is_flag = np.array([i == j for i, j in pairwise([-1, *order])], bool)
        self.at, self.flags_at = np.flatnonzero(~is_flag), np.flatnonzero(is_flag)
        n_bins = self._set_bins(encoder.edges)
        n_categories = self._set_codes(encoder)
        self.layout = TableLayout(
            len(order),
            tuple(n_bins),
            (self.unit,) * len(n_bins),
            tuple(n_categories),
            tuple(self.unit * ONE_HOT_SCALE * min(1, 3 / math.sqrt(k)) for k in n_categories),
        )

    def _set_bins(self, edges):
        """Set the arrays of bins, and return how many each number has."""
        self.binned = [i for i, some in enumerate(edges) if some]
        self.edges = [np.array(edges[i]) for i in self.binned]
        self.all_edges = np.concatenate([np.zeros(0), *self.edges])
        lengths = np.array([0, *map(len, self.edges)], np.intp)
        self.first_edge = np.cumsum(lengths)[:-1, None]
        self.last_bin = lengths[1:, None] - 2
        return [len(some) - 1 for some in self.edges]

    def _set_codes(self, encoder):
        """Set which categories there are, and return how many each code has."""
        self.values = [(i, np.array(values)) for i, values in enumerate(encoder.values) if values]
        self.kept = [j for j, n in enumerate(encoder.n_categories) if n]
        return [len(values) for _, values in self.values] + [
            encoder.n_categories[j] for j in self.kept
        ]

    def empty_parts(self, n):
        """Return arrays for the numbers, positions and codes of a table."""
        n_numbers, n_bins, _, n_categories, _ = self.layout
        kinds = (n_numbers, np.float32), (len(n_bins), np.float32), (len(n_categories), np.int32)
        return tuple(np.empty((n, k), dtype) for k, dtype in kinds)

    def encode_numbers(self, x, numbers, positions, codes):
        """Write what numbers become into arrays. x : ndarray (n_numbers, n)"""
        missing = np.isnan(x)
        numbers[:, self.at] = (self.unit * self._scale(x[self.scaled])).T
        numbers[:, self.flags_at] = (self.flag * missing[self.flagged]).T
        x = np.where(missing, self.medians, x)
        positions[:] = self._positions(x[self.binned]).T
        for k, (i, values) in enumerate(self.values):
            codes[:, k] = _find(x[i], values)

    def _scale(self, x):
        """Return the scaled numbers; NaN is 0, the median."""
        with np.errstate(over="ignore"):
            z = np.clip((x - self.medians[self.scaled]) * self.factors, -1e150, 1e150)
        z /= np.hypot(1, z / 3)
        z[np.isnan(z)] = 0
        return z

    def _positions(self, x):
        """Return the position of each x on the axis of its bins, from 0 to the number of bins."""
        bins = np.array(
            [edges.searchsorted(row, "right") - 1 for edges, row in zip(self.edges, x)], np.intp
        ).reshape(x.shape)
        bins = np.clip(bins, 0, self.last_bin)
        at = self.first_edge + bins
        low, high = self.all_edges[at], self.all_edges[at + 1]
        return bins + np.clip((x - low) / (high - low), 0, 1)


def _column(numbers):
    return np.array(list(numbers), float)[:, None]


def bin_edges(x, target, n_bins):
    """Return the edges of the bins of a number, an empty array without bins, and whether they come
    from a tree.

    They are quantiles. If many of these are equal, they are the thresholds of a decision tree that
    predicts the target from this number alone.
    """
    if not n_bins:
        return np.zeros(0), False
    edges = np.unique(np.quantile(x, np.linspace(0, 1, n_bins + 1)))
    from_tree = len(edges) - 1 < 0.6 * n_bins
    if from_tree:
        from sklearn.tree import DecisionTreeRegressor

        values, ranks = np.unique(x, return_inverse=True)  # float32, as trees read it, holds ranks
        tree = DecisionTreeRegressor(
            max_leaf_nodes=max(8, min(n_bins, 32)),
            min_samples_leaf=max(8, len(x) // 2000),
            random_state=0,
        ).fit(ranks[:, None], target)
        below = tree.tree_.threshold[tree.tree_.feature >= 0].astype(int)
        edges = np.unique(np.r_[values[0], values[below] / 2 + values[below + 1] / 2, values[-1]])
    return (edges if len(edges) >= 3 else np.zeros(0)), from_tree


def find_bins(x, edges):
    """Return the number of the bin of each x, and its edges. An x outside is in the nearest bin."""
    bins = np.clip(np.searchsorted(edges, x, "right") - 1, 0, len(edges) - 2)
    return bins, edges[bins], edges[bins + 1]


def _find(x, values):
    """Return the position of each x in sorted values, -1 if it is not among them."""
    i = np.minimum(np.searchsorted(values, x), len(values) - 1)
    return np.where(values[i] == x, i, -1)


@dataclass(eq=False, repr=False)
class FitRows:
    """Rows of a table.

    Attributes
    ----------
    numbers : list of ndarray (n,) or (n, n_folds)
        Of each number feature, as `Features.transform` returns them.
    codes : ndarray (n, k) of int32
        Of the category features.
    y : ndarray (n,)
        Class numbers, or numbers.
    weight : ndarray (n,) or None
    """

    numbers: list
    codes: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None

    def __len__(self):
        return len(self.y)

    def take(self, rows):
        """Return some rows. rows : indices or a slice"""
        return FitRows([x[rows] for x in self.numbers], self.codes[rows], *self.targets(rows))

    def targets(self, rows):
        """Return y and the weights of some rows, None if all of these weights are 0."""
        weight = None if self.weight is None else self.weight[rows]
        return self.y[rows], weight if weight is not None and weight.any() else None

    def encode(self, encoders, fold=0):
        """Return {key: EncodedTable} for encoders by key, as the networks of a fold read the rows."""
        numbers = numbers_of_fold(self.numbers, fold)
        return {key: encoder.encode(numbers, self.codes) for key, encoder in encoders.items()}


def sample(rows, most, random_state):
    """Return the rows, or a random choice of them if there are more than `most`."""
    return rows if len(rows) <= most else random_state.choice(rows, most, replace=False)


class TooLargeError(DataError, MemoryError):
    """Tables and networks that need more memory than there is."""


def check_memory(encoders, features, setup, n_folds):
    """Raise MemoryError if tables and networks need more memory than there is.

    Parameters
    ----------
    encoders : dict of EncoderSettings to Encoder
    features : Features
    setup : JobSetup
    n_folds : int
    """
    n_bytes, hidden, n_out, n = 0, setup.hidden_sizes, setup.targets.n_out, len(setup.rows)
    for encoder in encoders.values():
        sizes = [encoder.n_inputs, *hidden, n_out]
        n_params = sum(a * b + b for a, b in zip(sizes, sizes[1:]))
        n_bytes += 2 * n_folds * 4 * 7 * n_params  # parameters, moments, copies of both, gradient
        n_bytes += (
            4 * n * 3 * features.n_folds * (len(encoder.scalings) + len(encoder.n_categories))
        )
    # In a container, files in memory do not count as taken: the system drops that of the table.
    available = limits.available_memory(counts_files=False)
    if n_bytes <= MEMORY_FRACTION * available:
        return
    widest = max(features.categories, key=lambda c: c.n_categories, default=None)
    label, n_categories = None, 0
    advice = "Pass fewer rows or columns, or a smaller {hidden}."
    if widest is not None and widest.n_categories > max(hidden):
        label, n_categories = features.columns[widest.source].label, widest.n_categories
        advice = "Column {column!r} has {n_categories:,} categories. Pass {drop}, or fewer rows or columns."
    raise TooLargeError(
        "{fit} needs about {needed:.1f} GB, but {available:.1f} GB are available.",
        advice,
        column=label,
        fit=Wording("fit", "the training"),
        needed=n_bytes / 1e9,
        available=available / 1e9,
        n_categories=n_categories,
        drop=Argument("drop", [label]),
        hidden=Argument("hidden_layer_sizes"),
    )
