"""Small networks on a sample of a table, on random rows and on those of other folds.

The loss of the same rows tells what the folds make harder: to predict later rows, or other units.
"""

import contextlib
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..mlp import MLP
from ..optimizers import AdamW
from . import row_columns
from .columns.features import Features
from .encoder import Encoder, EncoderSettings, Scaling
from .fitting import recipe
from .forward_folds import as_seen

MAX_ROWS = 3000  # of the sample
MAX_TIMES = 2  # columns that are tried
MIN_VALUES = 8  # of a column of times
N_FOLDS = 4  # the later rows are as many as those of a fold
WIDTH, BATCH, RATE = 32, 64, 0.01
MIN_STEPS, MAX_STEPS, CELLS = 100, 800, 30_000  # of a network; cells: steps times columns
N_BINS = 8
MANY_INPUTS = 32  # that take as long as a column: a category may have thousands
MIN_DROP = 0.2  # of the part of the loss that is explained
MIN_EXPLAINED = 0.1  # of the loss of random rows
MIN_Z = 4.0
MIN_SPREAD = 0.1  # loss without inputs of some rows, as a part of that of all


class NoNetworkError(Exception):
    """A network that cannot be trained: there is no time left, or no input."""


class Deadline:
    """The end of the time for networks. None begins that would take longer, as the one before did.

    Parameters
    ----------
    seconds : float
        From now.
    """

    clock = staticmethod(time.perf_counter)

    def __init__(self, seconds):
        self.end, self.seconds_of_network = self.clock() + seconds, 0.0

    @contextlib.contextmanager
    def network(self):
        """Context manager in which a network is trained, or a NoNetworkError."""
        began = self.clock()
        if began + self.seconds_of_network > self.end:
            raise NoNetworkError
        yield
        self.seconds_of_network = self.clock() - began


@dataclass(frozen=True)
class Comparison:
    """Losses of the same rows: of networks that trained on random rows, and on those of some folds.

    Attributes
    ----------
    column : str
        That makes the folds.
    random, explained : float
        The parts of the loss that both networks explain; of random rows, all rows count.
    drop, error : float
        The difference on the rows of the folds, and its standard error.
    """

    column: str
    random: float
    explained: float
    drop: float
    error: float

    @property
    def is_worse(self):
        is_certain = self.drop >= MIN_DROP and self.drop >= MIN_Z * self.error
        return is_certain and self.random >= MIN_EXPLAINED

    @property
    def share(self):
        return f"{self.explained:.0%}" if self.explained >= 0.005 else "nothing"


# ---- rows ----


def forward_folds(values):
    """Return the (training rows, scored rows) of folds in time: each trains on the rows before.

    values : ndarray (n,) of int
        The numbers of the times, -1 for none.
    """
    rows = np.flatnonzero(values >= 0)
    ends = np.sort(values[rows])[np.arange(1, N_FOLDS) * len(rows) // N_FOLDS]
    starts = np.unique(np.maximum(ends, values[rows].min() + 1))
    block = np.searchsorted(starts, values[rows], "right")
    return [(rows[block < k], rows[block == k]) for k in range(1, len(starts) + 1)]


def other_units(codes, n_folds):
    """Return the (training rows, scored rows) of folds of whole units."""
    rows = np.flatnonzero(codes >= 0)
    units, numbers = np.unique(codes[rows], return_inverse=True)
    fold = np.random.default_rng(0).permutation(len(units))[numbers] % n_folds
    return [(rows[fold != k], rows[fold == k]) for k in range(n_folds)]


def forward_folds_of_others(values, codes):
    """Return folds that train on earlier rows of other units than those that they score."""
    return [
        (np.intersect1d(train, earlier), np.intersect1d(scored, later))
        for train, scored in other_units(codes, N_FOLDS)
        for earlier, later in forward_folds(values)
    ]


def _random_folds(folds, n, rng):
    """Return folds that score the same rows, half by half, and train on as many random other rows."""
    out = []
    for train, scored in folds:
        for part in np.array_split(rng.permutation(scored), 2):
            others = np.setdiff1d(np.arange(n), part)
            out.append((rng.permutation(others)[: len(train)], part))
    return out


def whole_units(codes, rng):
    """Return the rows of a sample, of whole units if it has enough of them."""
    counts = np.bincount(codes[codes >= 0])
    order = rng.permutation(len(counts))
    n_units = int(np.searchsorted(np.cumsum(counts[order]), MAX_ROWS))
    if n_units < 5 * N_FOLDS:
        return np.sort(rng.permutation(len(codes))[:MAX_ROWS])
    return np.flatnonzero(np.isin(codes, order[:n_units]))


# ---- networks ----


class Trial:
    """Small networks on the rows of a sample, until a Deadline."""

    y: Any
    target: Any

    def __init__(self, frame, y, *, is_classifier, seed, no_inputs, declared, deadline):
        self.frame, self.options = frame, (dict.fromkeys(no_inputs, ""), declared)
        self.features = self.fit_features()
        self.is_classifier, self.seed, self.deadline = is_classifier, int(seed), deadline
        if is_classifier:
            self.y = np.unique(y.astype(str), return_inverse=True)[1]
            self.n_out = int(self.y.max()) + 1
            self.target = self.y if self.n_out == 2 else np.eye(self.n_out)[self.y]
        else:
            low, high = np.quantile(y, [0.01, 0.99])
            clipped = np.clip(y.astype(np.float64), low, high)
            self.target = (clipped - clipped.mean()) / (clipped.std() or 1.0)
            self.y, self.n_out = self.target.astype(np.float32)[:, None], 1

    def fit_features(self, *without):
        no_inputs, declared = self.options
        return Features.fit(self.frame, no_inputs | dict.fromkeys(without, ""), **declared)

    def times(self):
        """Return {name: numbers of the times of the rows} of the columns that may be times."""
        out = {}
        for j in self.features.used():
            column = self.features.columns[j]
            raw, name = self.frame.columns[self.features.positions[j]], column.label
            if not column.may_be_times(raw):
                continue
            try:
                times = row_columns.to_times(raw, name)
            except DataError:
                continue
            if times.numbers.max() + 1 >= MIN_VALUES:
                out[name] = times.numbers
        return dict(list(out.items())[:MAX_TIMES])

    @cached_property
    def random(self):
        """ndarray (n,): the losses of the rows, of networks that trained on random others."""
        return self.losses(other_units(np.arange(len(self.y)), N_FOLDS), self.X)[1]

    @property
    def n_steps(self):
        """int: of each network, fewer for many inputs."""
        cells = max(len(self.features.columns), self.X.n_inputs // MANY_INPUTS)
        return min(MAX_STEPS, max(MIN_STEPS, CELLS // cells))

    @property
    def explained(self):
        """float: the part of the loss that networks explain that trained on random rows."""
        baseline = self.baseline(slice(None))
        return float(1 - self.random.mean() / baseline) if baseline > 0 else 0.0

    def compare(self, column, folds, without=None, is_forward=False):
        """Return the Comparison of some folds, None if some networks cannot be trained.

        Parameters
        ----------
        column : str
            That makes the folds.
        folds : list of (ndarray, ndarray)
            Training rows and scored rows.
        without : str, optional
            The column that is not an input.
        is_forward : bool, default False
            Whether the folds train on earlier rows, which are fewer. The scores are those of blocks.
        """
        folds = [(train, scored) for train, scored in folds if len(train) and len(scored)]
        try:
            return self._compare(column, folds, without, is_forward) if folds else None
        except (NoNetworkError, DataError):
            return None

    def _compare(self, column, folds, without, is_forward):
        rows, losses = self.losses(folds, self.X if without is None else self.encode(without))
        random, blocks = self.random[rows], [slice(None)]
        if is_forward:
            rng = np.random.default_rng(self.seed)
            random = self.losses(_random_folds(folds, len(self.y), rng), self.X)[1]
            blocks = [np.searchsorted(rows, scored) for _, scored in folds]
        n = [len(rows[block]) for block in blocks]
        baseline = np.average([self.baseline(rows[block]) for block in blocks], weights=n)
        baseline = max(baseline, MIN_SPREAD * self.baseline(slice(None)))
        differences = losses - random
        return Comparison(
            column,
            self.explained,
            1 - losses.mean() / baseline,
            differences.mean() / baseline,
            differences.std() / np.sqrt(len(rows)) / baseline,
        )

    def baseline(self, rows):
        """Return the loss of some rows without inputs."""
        y = self.y[rows]
        if not self.is_classifier:
            return float(y.var())
        shares = np.bincount(y) / len(y)
        return float(-(shares * np.log(np.maximum(shares, 1e-300))).sum())

    @cached_property
    def X(self):
        """EncodedTable: the rows with all columns."""
        return self.encode()

    def encode(self, without=None):
        """Return the EncodedTable of the rows. without : the column that is not an input"""
        features = self.features if without is None else self.fit_features(without)
        numbers, codes = features.transform(self.frame)
        scaled = [
            (Scaling.fit(x, feature.part == "value"), x)
            for feature, x in zip(features.numbers, numbers)
        ]
        n_categories = [
            0 if category.part == "day of year" else category.n_categories
            for category in features.categories
        ]
        encoder = Encoder.fit(scaled, n_categories, self.target, EncoderSettings(N_BINS), WIDTH)
        if not encoder.n_inputs:
            raise NoNetworkError
        return encoder.encode(numbers, codes)

    def losses(self, folds, X):
        """Return the rows that folds score, and their losses. folds : (training rows, scored rows)"""
        losses = []
        for train, scored in folds:
            with self.deadline.network():
                losses.append(self.losses_of_fold(X, train, scored))
        order = np.argsort(rows := np.concatenate([scored for _, scored in folds]))
        return rows[order], np.concatenate(losses)[order]

    def losses_of_fold(self, X, train, scored):
        net = MLP(
            [X.n_inputs, WIDTH, self.n_out],
            "silu",
            "softmax" if self.is_classifier else "identity",
            rng=self.seed,
        )
        recipe.init(net, np.random.default_rng(self.seed))
        net.fit(
            X[train],
            self.y[train],
            optimizer=AdamW(lr=RATE, weight_decay=0.02),
            epochs=-(-self.n_steps * BATCH // len(train)),
            batch_size=BATCH,
        )
        outputs = net.forward(as_seen(X, train, scored)).astype(np.float64)
        if self.is_classifier:
            return -np.log(np.maximum(outputs[np.arange(len(scored)), self.y[scored]], 1e-3))
        return ((outputs - self.y[scored])[:, 0]) ** 2
