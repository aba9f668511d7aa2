"""Rows that an estimator trains on: the interface, rows in memory, and the rows of a rank.

`dask_rows` has those of Dask collections.
"""

from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from ..distributed.rows import RowSource
from ..training.jacobian_targets import DerivativeArguments
from . import inputs, resampling
from .networks import prepare, targets_class
from .resampling import HeldOutScore, ScoreStopping

#: Parameters that may differ from rank to rank.
OWN = ("random_state", "verbose", "n_threads", "callbacks", "validation_data")


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
        columns, counts = [inputs.scale_sample(X)], None
        if not targets.has_classes:
            columns.append(
                inputs.scale_sample(targets.encode(y, np.dtype(np.float64), "estimator"))
            )
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
    targets = kind.union([part.targets for part in parts])
    if not fresh:
        estimator.targets_.check_same(targets)
        targets = estimator.targets_
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
        What `resampling.check_groups` returned.
    options : dict
        More options of `FitOptions`.
    is_part : bool
        Whether other ranks have more rows.
    stopped : StoppedFit or None
        The fit from which to continue, with the bits of one that was not stopped.
    """

    groups: Any = None
    options: Any = MappingProxyType({})
    is_part = False
    stopped: Any = None

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
            validation, y = resampling.validation_rows(estimator, data, self.is_part)
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

    def train_one(self, net, make, line):
        """Train one network, where `train` trains several. make() returns its session; line : ProgressLine or None"""
        make().run(line)


NO_DERIVATIVES = DerivativeArguments()


class MemoryRows(EstimatorRows):
    """Rows in memory.

    Parameters
    ----------
    rows : inputs.ValidRows
    groups : ndarray (n,), optional
    derivatives : DerivativeArguments
    """

    def __init__(self, rows, groups=None, derivatives=NO_DERIVATIVES):
        self.rows, self.groups, self.derivatives = rows, groups, derivatives

    def prepare(self, estimator, fresh, random_state):
        rows = self.rows
        if not fresh:
            estimator.targets_.check_same(type(estimator.targets_).fit(rows.y))
        data = prepare(estimator, rows, fresh)
        net = estimator.networks_[0]
        if self.derivatives.dy is not None and net.layer_sizes[-1] > estimator.targets_.n_targets:
            raise ValueError(
                f"dy needs one output for each target, but loss={estimator.loss!r} has several. "
                "Choose a loss such as 'mse' or 'huber'."
            )
        data.jacobian = self.derivatives.apply(net, data.X, data.targets, data.loss)[2]
        targets = estimator.targets_.to_check(data)
        y_rms = None if targets is None else inputs.root_mean_square(targets)
        names = getattr(estimator, "feature_names_in_", None)
        inputs.warn_about_scales(inputs.root_mean_square(inputs.scale_sample(rows.X)), y_rms, names)
        return data

    def hold_out(self, estimator, data, random_state):
        return resampling.hold_out(estimator, data, self.rows.y, random_state)


# ---- on ranks ----


class RankRows(EstimatorRows):
    """The rows of this rank, for an estimator.

    In turn, each rank looks at its rows, the ranks agree on what they must have in common, and train one network together.
    What a rank does by itself is in a context `failing_together`, so none waits for one that has failed.

    Parameters
    ----------
    ranks : Ranks
    X, y, sample_weight, groups
        As in `fit`.

    Attributes
    ----------
    rows : inputs.ValidRows
        With the targets of all ranks.
    lengths : ndarray (n_shards,)
        Number of rows of each shard of all ranks.
    seed : int
        Chooses the rows that are held out.
    score : RankScore or None
    """

    is_part, score = True, None

    def __init__(self, ranks, *arguments):
        self.ranks, self.arguments, self.options = ranks, arguments, {"ranks": ranks}
        self.is_reporting = ranks.comm.rank == 0

    def training(self):
        return self.ranks.deferring_signals()

    def look(self, estimator, fresh):
        ranks, (X, y, sample_weight, groups) = self.ranks, self.arguments
        with ranks.failing_together():
            _check_support(estimator, ranks)
            rows = inputs.validate_rows(estimator, X, y, sample_weight, fresh, is_part=True)
            resampling.check_groups(estimator, groups, rows.X)
            facts = PartFacts.of(estimator, rows)
        ranks.check_settings(_settings(estimator, rows, fresh, ranks))
        self.lengths = ranks.shard_lengths("X", len(rows.y))
        self.n_training_rows = int(self.lengths.sum())
        parts = [PartFacts(*each) for each in ranks.gather_json(facts)]
        parts = [part for part in parts if part.n_rows]
        if not parts:
            raise ValueError("X has no rows on any rank. Training needs at least one.")
        targets, class_weight, self.rms = unite(estimator, parts, fresh)
        seed = np.array([check_random_state(estimator.random_state).randint(2**31)])
        ranks.share(seed)
        self.seed = int(seed[0])
        self.rows = rows._replace(targets=targets, class_weight=class_weight)

    def preparing(self):
        return self.ranks.failing_together()

    def prepare(self, estimator, fresh, random_state):
        data = prepare(estimator, self.rows, fresh)
        if self.is_reporting:
            n, names = self.rows.X.shape[1], getattr(estimator, "feature_names_in_", None)
            has_scale = estimator.targets_.to_check(data) is not None
            inputs.warn_about_scales(self.rms[:n], self.rms[n:] if has_scale else None, names)
        return data

    def hold_out(self, estimator, data, random_state):
        # of each shard the same number of rows, so the rest has the lengths of shards
        fraction = estimator.validation_fraction
        ranks, n_shards, shortest = self.ranks, self.ranks.n_shards, self.lengths.min()
        n_out = max(1, round(fraction * self.n_training_rows / n_shards), 2 // n_shards)
        if shortest <= n_out:
            raise ValueError(
                f"early_stopping=True holds out {n_out} rows of each of {n_shards} shards, but one has "
                f"{shortest}. Pass more rows, fewer shards, or validation_data."
            )
        self.n_training_rows -= n_out * n_shards
        first, held_out = 0, []
        for shard in range(ranks.first, ranks.first + ranks.n):
            length = int(self.lengths[shard])
            rng = np.random.default_rng([self.seed, shard])
            held_out.append(first + np.sort(rng.permutation(length)[:n_out]))
            first += length
        rows = np.concatenate(held_out)
        validation = replace(data.take(rows), alpha=0.0)
        return data.take(np.setdiff1d(np.arange(first), rows)), validation, self.rows.y[rows]

    def score_of(self, estimator, validation, y):
        self.score = self.options["score"] = RankScore(estimator.targets_, validation)
        return self.score.get

    def n_rows(self, data):
        return self.n_training_rows

    def train_one(self, net, make, line):
        if self.score is not None:
            self.score.agree(self.ranks)
        with ExitStack() as stack:
            with self.ranks.failing_together():
                stack.enter_context(net._in_training())
                session = make()
            session.line = line
            session.run_locked()


def _check_support(estimator, ranks):
    """Raise ValueError for what does not work with ranks; their engine raises others."""
    name = "shards" if ranks.comm.size == 1 else "comm"
    if estimator.n_estimators > 1:
        raise ValueError(
            f"{name} does not work with n_estimators={estimator.n_estimators}: the ranks train one "
            "network together. Set n_estimators=1, or fit one estimator on each rank and average "
            "their probabilities."
        )
    if not isinstance(estimator.loss, str) and not hasattr(estimator.loss, "get_params"):
        raise ValueError(f"{name} does not work with a custom loss. Choose a loss of fastnn.")


def _settings(estimator, rows, fresh, ranks):
    """Return what must be the same on all ranks, as JSON can hold it."""
    names = getattr(estimator, "feature_names_in_", None)
    parameters = estimator.get_params(deep=False)
    return {
        **{name: repr(value) for name, value in parameters.items() if name not in OWN},
        "validation_data": "given" if estimator.validation_data is not None else "None",
        "shards": ranks.shards,
        "start": "new networks" if fresh else "fitted networks",
        "number of columns of X": rows.X.shape[1],
        "names of columns of X": None if names is None else names.tolist(),
        "dtype of X": str(rows.X.dtype),
        "number of columns of y": rows.y.shape[1:],
    }


class RankScore:
    """The score of the validation rows of all ranks: the mean of a number for each row.

    Attributes
    ----------
    value : float
        That of the last epoch.
    validation : Data
        Of this rank.
    """

    value = np.nan

    def __init__(self, targets, validation):
        self.targets, self.validation, self.variance = targets, validation, None

    def get(self, net):
        return self.value

    def agree(self, ranks):
        """Compute the variance of each target over all ranks, if they are numbers."""
        validation = self.validation
        lengths = ranks.shard_lengths("X of validation_data", len(validation))
        if not self.targets.has_variance:
            return
        ends = np.cumsum(lengths[ranks.first : ranks.first + ranks.n])[:-1]
        y = validation.targets.astype(np.float64)
        weight = np.ones(len(y)) if validation.sample_weight is None else validation.sample_weight
        weight = weight.astype(np.float64)[:, None]

        def mean(values):
            sums = [
                part.sum(axis=0) for part in np.split(np.hstack([weight * values, weight]), ends)
            ]
            *totals, total = ranks.sum(np.array(sums))
            return np.array(totals) / (total or 1)

        self.variance = mean((y - mean(y)) ** 2)

    def of_rows(self, outputs, targets):
        """Return the score of each row. targets : as networks learn them"""
        return self.targets.row_scores(targets, outputs, self.variance)
