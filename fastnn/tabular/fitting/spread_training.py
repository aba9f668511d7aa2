"""Train the networks that predict the size of errors of a table, after those that predict the target."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...estimators import spread
from ...losses import Poisson
from .recipe import Configuration
from .training_jobs import FinalTrainer, make_jobs, train

WIDTH, EPOCHS, STEPS = 32, 8, 150
PARTS_OF_FOLD = 2  # of the errors of a single fold


@dataclass(frozen=True)
class ErrorTargets:
    """The targets of these networks: errors in units of their mean, whose expectation they learn."""

    is_classifier: ClassVar[bool] = False
    n_out: ClassVar[int] = 1
    output: ClassVar[str] = spread.OUTPUT
    loss: ClassVar[Poisson] = Poisson()


def fit_spread_of_table(
    rows, errors, predictions, table, configuration, encoder, setup, seed, budget
):
    """Return the Spread of the errors of held-out rows, and the errors, as of `estimators.spread`.

    Parameters
    ----------
    rows : list of ndarray of int
        Those that each fold held out.
    errors : list of ndarray (m, 1)
        Theirs.
    predictions : list of ndarray (m,), or None
        Theirs, on the scale where errors count, for factors.
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
    own, errors_of_parts = rows, errors
    if len(rows) == 1:
        parts = [slice(i, None, PARTS_OF_FOLD) for i in range(PARTS_OF_FOLD)]
        own, errors_of_parts, predictions = (
            values and [values[0][part] for part in parts] for values in (rows, errors, predictions)
        )

    def train_networks(others, y):
        return _train(others, y, table, configuration, setup, seed, budget)

    found, scaled = spread.fit_spread(
        own,
        errors_of_parts,
        predictions,
        len(setup.rows),
        train_networks,
        table,
        setup.n_threads,
    )
    return (None, errors) if found is None else (replace(found, encoder=encoder), scaled)


def _train(others, y, table, configuration, setup, seed, budget):
    """Return the networks that learn the errors y of the rows of each part. The rest as in `fit_spread_of_table`."""
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
        dropout=(0.0, spread.DROPOUT),
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
