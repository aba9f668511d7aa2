"""Networks that learn how large errors are, for intervals as wide as each row needs.

Each was trained on the errors of the rows of all folds but its own, so the errors of its fold, divided
by what it predicts, are as honest as the errors themselves. `tabular.fitting.spread_training` trains those
of tables. See docs/decisions/0059-intervals.md.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from .. import losses, schedules
from ..core.messages import warn
from ..core.sparse_rows import is_sparse
from ..files.json_values import check, check_mapping, is_finite
from ..mlp import MLP
from ..optimizers import AdamW
from ..state import DivergenceError
from .ensemble import mean_over_networks, network_outputs

MIN_ERRORS = 100  # of the rows that a network trains on
ACTIVATION: Final = "silu"
OUTPUT: Final = "exponential"
DROPOUT = 0.1
WIDTH, EPOCHS, STEPS, BATCH, RATE = 16, 1, 64, 64, 0.02  # of networks that read arrays
#: Of the mean error: one is chosen, and added to expected errors.
LEAST = 0.03, 0.1, 0.2, 0.5, 1.0, 3.0
COVERAGE, CLOSE = 0.9, 1.005  # of the intervals that choose it, and of the best score
#: Parts of the rows, by prediction, that have a factor, and how many rows with the factor 1 each gets.
PARTS, PRIOR_ROWS = 4, 20


@dataclass(frozen=True, eq=False, repr=False)
class Spread:
    """The networks that predict the size of errors.

    Attributes
    ----------
    networks : list of MLP
        One for each part of the errors.
    unit : float
        The mean error, in which the networks predict.
    largest : float
        The largest error in this unit. No output counts as more.
    least : float
        Is added to each output.
    knots, factors : tuple of float
        Predictions in ascending order, and the factors of what is expected there. Between them factors
        are linear, outside constant. (Files of older versions have none.)
    encoder : Encoder or None
        For tables: of the rows that they read.
    errors : ndarray (m,) or None
        For arrays: the errors of held-out rows, divided by the expected ones.
    """

    networks: list
    unit: float
    largest: float
    least: float = 0.0
    knots: tuple = (0.0,)
    factors: tuple = (1.0,)
    encoder: Any = None
    errors: Any = None

    def scale(self, X, part, n_threads):
        """Return the expected errors (n,) of dense, sparse or encoded rows by the network of a part."""
        outputs = network_outputs(self.networks[part], X, n_threads)[:, 0]
        return self.unit * (self.least + np.minimum(outputs.astype(np.float64), self.largest))

    def mean_scale(self, X, n_threads):
        """Return the mean of the expected errors (n,) by all networks."""
        parts = range(len(self.networks))
        return mean_over_networks([self.scale(X, part, n_threads) for part in parts])

    def factor(self, predictions):
        """Return the factors (n,) of what is expected of rows, by their predictions (n,)."""
        return np.interp(predictions, self.knots, self.factors)

    def to_json(self):
        """Return a dict that JSON can hold, without the networks and errors."""
        hidden = list(self.networks[0].layer_sizes[1:-1])
        out = dict(hidden=hidden, unit=self.unit, largest=self.largest, least=self.least)
        out |= dict(knots=list(self.knots), factors=list(self.factors))
        return out if self.encoder is None else out | dict(encoder=self.encoder.to_json())


def read_spread_numbers(described):
    """Return {name: number or tuple} of the fields that `Spread.to_json` describes, checked."""
    out = {name: check_mapping(described, "spread")[name] for name in ("unit", "largest", "least")}
    knots, factors = described.get("knots", [0.0]), described.get("factors", [1.0])
    check(isinstance(knots, list) and isinstance(factors, list), "spread")
    positive = *out.values(), *factors
    check(all(map(is_finite, (*knots, *positive))) and min(positive) > 0, "spread")
    check(len(knots) == len(factors) > 0 and knots == sorted(set(knots)), "spread")
    return out | dict(knots=tuple(knots), factors=tuple(factors))


def fit_spread(rows, errors, predictions, n, train, X, n_threads):
    """Return the Spread of the errors of held-out rows, and the errors divided by it.

    If there are too few, or with a warning if the training diverges, return None, and the errors as they are.

    Parameters
    ----------
    rows : list of ndarray of int
        Those of each part, at least two.
    errors : list of ndarray (m, 1)
        Theirs.
    predictions : list of ndarray (m,), or None
        The predictions that have these errors. None: there are no factors.
    n : int
        Number of rows of X.
    train : callable
        ``train(others, y)`` returns a network for each part, which learns y of its rows in `others`.
    X : ndarray, sparse matrix or EncodedTable
    """
    others, y, unit, largest = _targets(rows, errors, n)
    if not unit > 0 or min(map(len, others)) < MIN_ERRORS:
        return None, errors
    networks = _train_or_warn(train, others, y)
    if networks is None:
        return None, errors
    spread = Spread(networks, unit, largest)
    expected = [spread.scale(X[own], part, n_threads)[:, None] for part, own in enumerate(rows)]
    least = _choose_least(*(np.concatenate(each) / unit for each in (expected, errors)))
    scaled = [e / (s + unit * least) for e, s in zip(errors, expected)]
    spread = replace(spread, least=least)
    if predictions is None:
        return spread, scaled
    knots, factors = _fit_factors(*(np.concatenate(each).ravel() for each in (scaled, predictions)))
    spread = replace(spread, knots=knots, factors=factors)
    return spread, [r / spread.factor(f)[:, None] for r, f in zip(scaled, predictions)]


def _train_or_warn(train, others, y):
    """Return the networks, or None with a warning if they diverge."""
    try:
        networks = train(others, y)
    except DivergenceError:
        networks = []
    if networks and all(np.isfinite(net.params).all() for net in networks):
        return networks
    warn("the networks that expect errors diverged, so all intervals have one width", UserWarning)
    return None


def _fit_factors(scaled, predictions):
    """Return the knots and factors of a Spread, by errors (m,) over the expected ones.

    In each part of the rows, by prediction, the quantile of these errors is compared with that of all rows.
    """
    of_all, found = np.quantile(scaled, COVERAGE), {}
    for part in np.array_split(np.argsort(predictions, kind="stable"), PARTS):
        ratio = np.quantile(scaled[part], COVERAGE) / of_all if of_all > 0 else 1.0
        middle, n = float(predictions[part[len(part) // 2]]), len(part)
        found[middle] = float((n * ratio + PRIOR_ROWS) / (n + PRIOR_ROWS))
    return tuple(found), tuple(found.values())


def _choose_least(expected, errors):
    """Return the largest of `LEAST` with which the interval score is close to the best.

    The score (Gneiting and Raftery, 2007) is of the same rows, which is fair: their errors were not
    expected by networks that have seen them, and one number is chosen. The larger it is, the more
    equal are the widths.
    """
    scores = []
    for least in LEAST:
        width = np.quantile(errors / (expected + least), COVERAGE) * (expected + least)
        scores.append(np.mean(width + np.maximum(errors - width, 0) / (1 - COVERAGE)))
    return next(c for c, score in zip(LEAST[::-1], scores[::-1]) if score <= CLOSE * min(scores))


def _targets(rows, errors, n):
    """Return what networks learn.

    rows, errors : of each part; n : number of rows in memory

    Returns
    -------
    others : list of ndarray of int
        For each part, the rows that have an error in another one only.
    y : ndarray (n,) of float32
        The mean error of each row, in units of `unit`.
    unit, largest : float
        The mean of all errors, and the largest in this unit.
    """
    all_rows, all_errors = np.concatenate(rows), np.concatenate(errors)[:, 0]
    unit = float(all_errors.mean()) if len(all_errors) else 0.0
    counts = np.bincount(all_rows, minlength=n)
    others = [np.flatnonzero((counts > 0) & ~np.isin(np.arange(n), own)) for own in rows]
    if not unit > 0:
        return others, None, unit, unit
    y = np.bincount(all_rows, all_errors / unit, n) / np.maximum(counts, 1)
    return others, y.astype(np.float32), unit, float(all_errors.max()) / unit


# ---- networks that read arrays ----


def fit_array_spread(X, rows, errors, predictions, seed, n_threads):
    """Return the Spread of the errors of held-out rows of X, with the scaled errors, or None.

    rows, errors, predictions : of each fold, as of `fit_spread`
    """

    def train(others, y):
        return _train_on_array(X, others, y, seed, n_threads)

    found, scaled = fit_spread(rows, errors, predictions, X.shape[0], train, X, n_threads)
    return None if found is None else replace(found, errors=np.concatenate(scaled)[:, 0])


def _train_on_array(X, others, y, seed, n_threads):
    """Return networks that learn y of some rows of X each. They read X as it is.

    They train on inputs of mean 0 (sparse ones keep their zeros) and standard deviation 1, which their
    first layers take over.
    """
    mean, deviation = _moments(X)
    networks = []
    for i, rows in enumerate(others):
        rng = np.random.default_rng([seed, i])
        sizes = [X.shape[1], WIDTH, 1]
        net = MLP(sizes, ACTIVATION, OUTPUT, rng=rng, dtype=X.dtype, dropout=[0.0, DROPOUT])
        net.weights[-1][...], net.biases[-1][...] = 0, 0  # the mean error
        n_batches = math.ceil(len(rows) / BATCH)
        epochs = max(EPOCHS, math.ceil(STEPS / n_batches))
        falls = schedules.CosineDecay(RATE, epochs)
        net.fit(
            _scaled(X[rows], mean, deviation),
            y[rows, None],
            loss=losses.Poisson(),
            optimizer=AdamW(lr=falls, weight_decay=RATE),
            epochs=epochs,
            batch_size=math.ceil(len(rows) / n_batches),
            rng=rng,
            n_threads=n_threads,
        )
        W, b = net.weights[0] / deviation[:, None], net.biases[0]
        net.weights[0][...], net.biases[0][...] = W, b - mean @ W
        networks.append(net)
    return networks


def _moments(X):
    """Return the mean and the standard deviation of columns: 0 and the root mean square of sparse ones."""
    if is_sparse(X):
        squares = np.asarray(X.multiply(X).mean(axis=0)).ravel()
        mean, deviation = np.zeros(X.shape[1]), np.sqrt(squares)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            mean, deviation = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    is_finite = np.isfinite(mean) & np.isfinite(
        deviation
    )  # columns of numbers that are too large become 0
    deviation = np.where(deviation > 0, deviation, 1.0)
    return np.where(is_finite, mean, 0.0), np.where(is_finite, deviation, np.inf)


def _scaled(X, mean, deviation):
    """Return rows with these moments of their columns taken off."""
    if is_sparse(X):
        return X.multiply(1 / deviation).tocsr().astype(X.dtype)
    return ((X - mean) / deviation).astype(X.dtype)
