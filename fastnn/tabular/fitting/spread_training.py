"""Train the networks that predict the size of errors, after those that predict the target."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...core.messages import warn
from ...losses import Poisson
from ..intervals import Spread
from .recipe import Configuration
from .training_jobs import FinalTrainer, make_jobs, train

MIN_ERRORS = 100  # of the rows that a network trains on
PARTS_OF_FOLD = 2  # of the errors of a single fold
WIDTH, EPOCHS, STEPS = 32, 8, 150
#: Of the mean error: one is chosen, and added to expected errors.
LEAST = 0.03, 0.1, 0.2, 0.5, 1.0, 3.0
COVERAGE, CLOSE = 0.9, 1.005  # of the intervals that choose it, and of the best score


@dataclass(frozen=True)
class ErrorTargets:
    """The targets of these networks: errors in units of their mean, whose expectation they learn."""

    is_classifier: ClassVar[bool] = False
    n_out: ClassVar[int] = 1
    output: ClassVar[str] = "exponential"
    loss: ClassVar[Poisson] = Poisson()


def fit_spread(rows, errors, table, configuration, encoder, setup, seed, budget):
    """Return the Spread of the errors of held-out rows, and the errors divided by it.

    If there are too few, or with a warning if the training diverges, return None, and the errors as they are.

    Parameters
    ----------
    rows : list of ndarray of int
        Those that each fold held out.
    errors : list of ndarray (m, 1)
        Theirs.
    table : EncodedTable
        The rows in memory.
    configuration : Configuration
        The first one, whose encoding the table has.
    encoder : Encoder
        Of this encoding.
    setup : JobSetup
    seed : int
    budget : TimeBudget
    """
    found_rows, found_errors = rows, errors
    if len(rows) == 1:
        parts = [slice(i, None, PARTS_OF_FOLD) for i in range(PARTS_OF_FOLD)]
        found_rows, found_errors = (
            [values[0][part] for part in parts] for values in (rows, errors)
        )
    others, y, unit, largest = _targets(found_rows, found_errors, len(setup.rows))
    if not unit > 0 or min(map(len, others)) < MIN_ERRORS:
        return None, errors
    spread = Spread(
        encoder, _train(others, y, table, configuration, setup, seed, budget), unit, largest
    )
    if not all(np.isfinite(net.params).all() for net in spread.networks):
        warn(
            "the networks that expect errors diverged, so all intervals have one width", UserWarning
        )
        return None, errors
    expected = [
        spread.scale(table[own], part, setup.n_threads)[:, None]
        for part, own in enumerate(found_rows)
    ]
    least = _choose_least(*(np.concatenate(each) / unit for each in (expected, found_errors)))
    scaled = [e / (s + unit * least) for e, s in zip(found_errors, expected)]
    return replace(spread, least=least), scaled


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


def _train(others, y, table, configuration, setup, seed, budget):
    """Return the networks that learn the errors y of the rows of each part. The rest as in `fit_spread`."""
    setup = replace(
        setup,
        encoded_y=y,
        targets=ErrorTargets(),
        hidden_sizes=[min(WIDTH, setup.hidden_sizes[0])],
        fraction=1.0,
        stored=None,
        workers=None,
        monotone=None,
    )
    learns = Configuration(
        configuration.encoding,
        EPOCHS,
        STEPS,
        dropout=(0.0, 0.1),
        decay=1.0,
        is_lazy=configuration.is_lazy,
    )
    jobs = make_jobs(
        [learns],
        [{learns.encoding: table}] * len(others),
        [(own, own[:0]) for own in others],
        setup,
        np.random.RandomState(seed),
    )
    for each in jobs:
        each.ends = [1.0]
    train(jobs, setup, budget=budget, kind=FinalTrainer)
    return [each.networks[0] for each in jobs]


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
