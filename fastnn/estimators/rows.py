"""Rows that an estimator trains on: the interface, and rows in memory. `rank_rows` and `dask_rows` have others."""

from contextlib import AbstractContextManager, closing, nullcontext
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..distributed.rows import RowSource
from ..training.pool import Trainings
from ..training.progress import ManyLine, ProgressLine
from . import early_stopping, inputs
from .early_stopping import HeldOutScore, ScoreStopping
from .fit import raise_if_diverged
from .networks import prepare, targets_class


class PartFacts(NamedTuple):
    """What the rows of a rank or a partition say of all rows, as JSON can hold it.

    Attributes
    ----------
    targets
        What `part_to_json` of ClassTargets or NumberTargets returned; None without rows.
    n_rows : int
    counts : list of int or None
        Number of rows of each class.
    squares : list of float
        Sums of squares of the columns of X, and of y for numbers, estimated from a sample.
    """

    targets: Any
    n_rows: int
    counts: Any
    squares: list

    @classmethod
    def of(cls, estimator, rows):
        """Return those of ValidRows."""
        n, X, y = len(rows.y), rows.X, rows.y
        if not n:
            return cls(None, 0, None, [])
        targets = rows.targets or targets_class(estimator).fit(y)
        columns, counts = [inputs.sample(X)], None
        if not targets.has_classes:
            columns.append(inputs.sample(targets.encode(y, np.dtype(np.float64), "estimator")))
        elif y.ndim == 1:
            counts = np.unique(y, return_counts=True)[1].tolist()
        with np.errstate(over="ignore"):
            means = np.concatenate([inputs.root_mean_square(a) for a in columns])
            squares = n * means.astype(np.float64) ** 2
        return cls(targets.part_to_json(), n, counts, squares.tolist())


def unite(estimator, parts, fresh):
    """Return targets, `class_weight` and root mean squares of columns of all rows.

    parts : list of PartFacts, of those that have rows
    """
    kind = targets_class(estimator)
    targets = kind.union([part.targets for part in parts]) if fresh else estimator.targets_
    class_weight = getattr(estimator, "class_weight", None)
    if class_weight is not None:
        counts = [(part.targets, part.counts) for part in parts]
        class_weight = targets.full_class_weight(class_weight, counts)
    squares = np.sum([part.squares for part in parts], axis=0)
    return targets, class_weight, np.sqrt(squares / sum(part.n_rows for part in parts))


class EstimatorRows(RowSource):
    """What `EstimatorFit` asks of its rows: `MemoryRows`, `RankRows` or `DaskRows`.

    Attributes
    ----------
    groups : ndarray (n,) or None
        What `bagging.check_groups` returned.
    options : dict
        More options of `FitOptions`.
    is_part : bool
        Whether other ranks have more rows.
    failure : ClusterError or None
        What has ended the training, after which the estimator has what is trained.
    """

    groups: Any = None
    options: Any = MappingProxyType({})
    is_part = False
    failure: Any = None

    def training(self) -> AbstractContextManager:
        """Return the context of a fit."""
        return closing(self)

    def look(self, estimator, fresh):
        """Find out what all rows have in common, before networks are made."""

    def preparing(self) -> AbstractContextManager:
        """Return the context in which networks are made."""
        return nullcontext()

    def prepare(self, estimator, fresh, random_state):
        """Make the networks of an estimator if `fresh`. Return the Data of all rows, and warn if they are badly scaled."""
        raise NotImplementedError

    def hold_out(self, estimator, data, random_state):
        """Return training data, validation data and the targets of these."""
        raise NotImplementedError

    def score_of(self, estimator, validation, y):
        """Return a function that scores the validation data for a network. y : their targets"""
        return HeldOutScore(estimator.targets_, y, validation, estimator.n_threads)

    def split(self, estimator, data, random_state):
        """Return training data, validation data or None, and callbacks that score it."""
        if estimator.validation_data is not None:
            validation, y = early_stopping.validation_rows(estimator, data.loss, self.is_part)
        elif estimator.early_stopping:
            data, validation, y = self.hold_out(estimator, data, random_state)
        else:
            return data, None, []
        patience = estimator.n_iter_no_change if estimator.early_stopping else np.inf
        score = self.score_of(estimator, validation, y)
        return data, validation, [ScoreStopping(score, patience, estimator.tol)]

    def n_rows(self, data):
        """Return the number of rows of an epoch, for the data of a member."""
        return len(data)

    def run(self, fit):
        """Run the sessions of all members of an EstimatorFit."""
        self.run_members(fit, range(fit.n_members))

    def run_members(self, fit, numbers):
        """Run the sessions of some members of an EstimatorFit, at least one."""
        verbose = fit.estimator.verbose
        if fit.n_members == 1:
            fit.session(0).run(
                ProgressLine(fit.estimator.max_iter, fit.n_rows) if verbose else None
            )
            return
        trainings = Trainings(
            n=len(numbers),
            make=lambda i, queue=None: fit.session(numbers[i], queue),
            networks=fit.networks,
        )
        self.train(trainings, fit.n_threads, ManyLine() if verbose else None)
        raise_if_diverged(fit.networks)


class MemoryRows(EstimatorRows):
    """Rows in memory.

    Parameters
    ----------
    rows : inputs.ValidRows
    groups : ndarray (n,), optional
    """

    def __init__(self, rows, groups=None):
        self.rows, self.groups = rows, groups

    def prepare(self, estimator, fresh, random_state):
        rows, data = self.rows, prepare(estimator, self.rows, fresh)
        targets = estimator.targets_.to_check(data)
        y_rms = None if targets is None else inputs.root_mean_square(targets)
        names = getattr(estimator, "feature_names_in_", None)
        inputs.warn_about_scales(inputs.root_mean_square(inputs.sample(rows.X)), y_rms, names)
        return data

    def hold_out(self, estimator, data, random_state):
        return early_stopping.hold_out(estimator, data, self.rows.y, random_state)
