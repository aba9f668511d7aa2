"""The recipe: which networks a fit trains, and how; and the categories that they know.

The configurations were found by cross-validation on public tables, see
docs/decisions/0028-tabular-recipe.md. Sources of their parts: RealMLP (Holzmueller et al., 2024,
arXiv:2407.04491): robust scaling with smooth clipping, the schedule, label smoothing, the last best
epoch; Gorishniy et al., 2022 (arXiv:2203.05556): piecewise-linear encoding; Caruana et al., 2004:
greedy selection of an ensemble.

Networks know the categories of their training rows. All folds share one encoder, so its categories are
those of all rows of `fit`. A category that the training rows of a fold lack starts with zero weights in
the first layer of the networks of this fold. Nothing moves them: no training row has the category, and
weight decay leaves zeros as they are. So the networks read the category as an unknown one, and their
held-out rows are scored as new rows would be.

One configuration does not learn categories with a single training row either: it reads these rows
without them. So it learns what an unknown category means, and does not learn single rows by heart.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from ... import schedules
from ...encoded_table import table_of
from ...optimizers import AdamW
from ..encoder import EncoderSettings

BATCH = 256  # rows, about
MAX_WEIGHTED = 20_000  # rows below which columns are weighted: each network copies the numbers
MANY_NUMBERS = 250  # from which on a table with fewer rows to train on is wide
#: Bins, epochs, and steps for classes or not, of wide tables.
WIDE_BINS, WIDE_EPOCHS, WIDE_STEPS = 3, 32, {True: 128, False: 256}
LATE = 0.55  # part of the epochs after which a second best epoch is kept


@dataclass(frozen=True)
class Configuration:
    """How one of the networks of each fold is encoded and trained.

    Attributes
    ----------
    encoding : EncoderSettings
    epochs, steps : int
        Train for at least this number of epochs, and of steps.
    dropout : (float, float)
        Of the inputs of the network, and of all hidden layers. A table drops all bins of a column
        at the same time.
    decay : float
        Weight decay, as the part that all steps together remove: the sum over steps of rate times
        decay.
    snapshots : bool
        Whether to average the best epoch of the first 55 % and the best of the rest.
    monitor : {"loss", "error_rate"}
        The held-out metric that selects the best epoch (lower is better).
    weighted : bool
        Whether columns are weighted by their importance for the first configuration.
    min_rows : int
        Training rows that a category must have. Rows of others train without it.
    is_lazy : bool
        Whether a step leaves the weights of categories alone that its batch lacks. Phase B of a
        step does so for at most `BATCH` rows.
    statistics : bool
        Whether statistics of the targets take the place of columns of many categories.
    """

    encoding: EncoderSettings
    epochs: int
    steps: int
    dropout: tuple = (0.0, 0.0)
    decay: float = 0.0
    snapshots: bool = False
    monitor: str = "loss"
    weighted: bool = False
    min_rows: int = 1
    is_lazy: bool = False
    statistics: bool = False

    def batches(self, n):
        """Return the number of batches of an epoch of n rows, and their number of rows."""
        n_batches = max(1, -(-n // BATCH) if self.is_lazy else round(n / BATCH))
        return n_batches, -(-n // n_batches)


def configurations(
    is_classifier,
    m,
    n_classes,
    has_days=False,
    n_numbers=0,
    has_single_rows=False,
    is_lazy=False,
    has_ids=False,
    has_counts=False,
):
    """Return the configurations for networks that train on m rows each.

    Tables with more numbers than rows have few bins, and train for few steps: their first layers
    are large, and more do not make them better (docs/decisions/0039-time-limit.md).

    has_days : bool
        Whether there are days of the year. They are a category in one configuration only: where
        few rows have the same day, networks overfit them.
    has_single_rows : bool
        Whether many rows are the only one of their category. One more configuration does not learn
        such categories (docs/decisions/0054-categories-of-folds.md).
    is_lazy : bool
        As in `Configuration`. Statistics leave too few categories for it.
    has_ids, has_counts : bool
        Whether there are columns of many categories, and whether all numbers are whole with few
        values. There is one more configuration for the former, else for the latter if the target is
        a number, unless the table is wide (docs/decisions/0057-more-configurations.md).
    """
    found = _usual_configurations(is_classifier, m, n_classes, has_days)
    if is_lazy:
        found = [replace(c, is_lazy=True) for c in found]
    base, binned = found[:2]
    if has_single_rows:
        found.append(replace(base, min_rows=2))
    if n_numbers < max(m, MANY_NUMBERS):
        if has_ids:
            best = replace(base, monitor="loss") if is_classifier else binned
            found.append(replace(best, statistics=True, is_lazy=False))
        elif has_counts and not is_classifier:
            found.append(replace(base, encoding=EncoderSettings(values=True)))
        return found
    steps = WIDE_STEPS[is_classifier] * (2 if n_classes > 3 else 1)
    return [
        replace(
            c,
            encoding=replace(c.encoding, n_bins=min(c.encoding.n_bins, WIDE_BINS)),
            epochs=min(c.epochs, WIDE_EPOCHS),
            steps=min(c.steps, steps),
        )
        for c in found
    ]


def _usual_configurations(is_classifier, m, n_classes, has_days):
    """Return the configurations of tables that are not wide."""
    values = m >= 4000
    if is_classifier:
        more = 1 if n_classes <= 3 else 2  # many classes need longer training
        epochs = more * (32 if m > 20000 else 64 if m >= 1600 else 128)
        base = Configuration(EncoderSettings(), epochs, more * 500, monitor="error_rate")
        binned = EncoderSettings(int(np.clip(m / 100, 8, 32)), values)
        return [
            base,
            replace(base, encoding=binned, dropout=(0.0, 0.1)),
            replace(
                base,
                encoding=replace(binned, days=has_days),
                dropout=(0.2, 0.2),
                decay=1.0,
                snapshots=m >= 1600,
                monitor="error_rate" if m >= 1600 else "loss",
                weighted=m < MAX_WEIGHTED,
            ),
            replace(
                base,
                dropout=(0.5, 0.3),
                decay=2.0,
                monitor="loss",
                epochs=min(epochs, more * 64),
                steps=more * 400,
            ),
        ]
    base = Configuration(EncoderSettings(), 256 if m < 1600 else 64, 1000)
    binned = EncoderSettings(int(np.clip(m / 100, 8, 128)), values)
    return [
        base,
        replace(base, encoding=binned, decay=1.0, snapshots=True),
        replace(
            base,
            encoding=replace(binned, days=has_days),
            decay=2.0,
            dropout=(0.0, 0.1),
            snapshots=True,
            weighted=m < MAX_WEIGHTED,
        ),
    ]


def init(net, rng):
    """Draw the initial parameters: W from N(0, 1/fan_in), b from N(0, 1), 0 in the last layer.

    The inputs are already scaled by sqrt(width / inputs), so W of the first layer is from N(0,
    1/width).
    """
    last = len(net.weights) - 1
    for i, (W, b) in enumerate(zip(net.weights, net.biases)):
        if i == last and i > 0:
            W[...], b[...] = 0, 0
        else:
            fan_in = W.shape[1] if i == 0 else W.shape[0]
            W[...] = rng.normal(0, math.sqrt(1 / fan_in), W.shape)
            b[...] = rng.normal(0, 1, b.shape)


def n_epochs(configuration, n):
    return max(configuration.epochs, -(-configuration.steps // configuration.batches(n)[0]))


def optimizer(configuration, is_classifier, width, n, epochs):
    """Return AdamW with the schedule coslog4: (1 - cos(2 pi log2(1 + 15 t))) / 2 of the highest
    rate, which falls to 0 four times, after 1/15, 3/15, 7/15 and all of the training."""
    rate = (0.04 if is_classifier else 0.07) / math.sqrt(width)
    t = (np.arange(epochs) + 0.5) / epochs
    rates = np.maximum(1e-9, rate * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * t))) / 2)
    n_batches = configuration.batches(n)[0]
    return AdamW(
        lr=schedules.Rates(rates.tolist(), unit="epoch"),
        betas=(0.9, 0.99),
        weight_decay=configuration.decay / (float(rates.sum()) * n_batches),
        lazy_categories=configuration.is_lazy,
    )


ID_CATEGORIES = 30  # from which on a column of categories is one of ids
LEAST_VALUES, MOST_VALUES = 10, 100  # of a column of whole numbers, if all are also categories
SINGLE = 0.01  # part of the rows whose categories have no other row: from here on it is many


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
    def find(cls, codes, n_categories, min_rows=1):
        """Return the KnownCategories of training rows, None if they have all categories.

        Parameters
        ----------
        codes : ndarray (n, k) of int
            Those of the training rows.
        n_categories : sequence of int
            Of each column.
        min_rows : int, default 1
            Rows that a known category has.
        """
        of_columns = [
            np.append(counts >= min_rows, True) for counts in _count_rows(codes, n_categories)
        ]
        return None if all(map(np.all, of_columns)) else cls(of_columns)

    def hide_others(self, codes):
        """Return codes with -1 in place of those that are not known."""
        columns = [np.where(known[c], c, -1) for known, c in zip(self.of_columns, codes.T)]
        return np.stack(columns, axis=1).astype(codes.dtype)

    def hide_others_in(self, table):
        """Return an EncodedTable without the categories that are not known."""
        codes = self.hide_others(table.codes)
        return table_of((table.numbers, table.positions, codes), table.layout)

    def forget_others(self, net):
        """Set the weights of the categories that are not known to 0. They are the last inputs."""
        known = np.concatenate([known[:-1] for known in self.of_columns])
        net.weights[0][-len(known) :][~known] = 0


def _count_rows(codes, n_categories):
    """Return the number of rows of each category, an array for each column of codes (n, k)."""
    return [np.bincount(c[c >= 0], minlength=n) for c, n in zip(codes.T, n_categories)]


def has_ids(categories):
    """Return whether a column has many categories. categories : list of CategoryFeature"""
    return any(c.part == "value" and c.n_categories >= ID_CATEGORIES for c in categories)


def has_counts(features, numbers):
    """Return whether all columns of numbers are whole with few different values, such as counts.

    features : list of NumberFeature; numbers : list of ndarray (n,)
    """
    found = [x for feature, x in zip(features, numbers) if feature.part == "value"]
    if any(_count_values(x[:10_000]) > MOST_VALUES for x in found):  # as in most tables
        return False
    return LEAST_VALUES <= max(map(_count_values, found), default=0) <= MOST_VALUES


def _count_values(x):
    """Return the number of different values, infinity if they are not whole. NaN is none of them."""
    values = np.unique(x[~np.isnan(x)])
    return len(values) if (values == np.round(values)).all() else math.inf


def are_often_single(codes, n_categories):
    """Return whether many rows are the only one of their category, in some column of codes (n, k)."""
    n_single = [int((counts == 1).sum()) for counts in _count_rows(codes, n_categories)]
    return max(n_single, default=0) >= SINGLE * max(1, len(codes))
