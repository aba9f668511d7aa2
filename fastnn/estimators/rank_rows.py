"""RankRows: the rows of an estimator on the ranks of a communicator, each of which holds a part.

In turn, each rank looks at its rows, the ranks agree on what they must have in common, and train one network together.
What a rank does by itself is in a context `failing_together`, so none waits for one that has failed.
"""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
from sklearn.utils import check_random_state

from ..training.progress import ProgressLine
from . import bagging, inputs
from .networks import prepare
from .rows import EstimatorRows, PartFacts, unite

#: Parameters that may differ from rank to rank.
OWN = ("random_state", "verbose", "n_threads", "callbacks", "validation_data")


class RankRows(EstimatorRows):
    """The rows of this rank, for an estimator.

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
            bagging.check_groups(estimator, groups, rows.X)
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
        self.score = self.options["score"] = RankScore(estimator.targets_)
        return self.score.get

    def n_rows(self, data):
        return self.n_training_rows

    def run(self, fit):
        if self.score is not None:
            self.score.agree(self.ranks, fit.members[0].validation)
        with ExitStack() as stack:
            with self.ranks.failing_together():
                stack.enter_context(fit.networks[0]._in_training())
                session = fit.session(0)
            if fit.estimator.verbose and self.is_reporting:
                session.line = ProgressLine(fit.estimator.max_iter, fit.n_rows)
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
    """

    value = np.nan

    def __init__(self, targets):
        self.targets, self.variance = targets, None

    def get(self, net):
        return self.value

    def agree(self, ranks, validation):
        """Compute the variance of each target over all ranks, if they are numbers.

        validation : Data of this rank
        """
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
