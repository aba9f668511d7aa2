"""Rungs of successive halving: their sizes, results, and trainings that continue from one to the next."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone

from ..callbacks import EarlyStopping, resolve_callbacks
from ..estimators import parameters
from ..estimators.early_stopping import ScoreStopping
from ..estimators.fit import EstimatorFit
from ..estimators.rows import MemoryRows
from ..optimizers import Optimizer
from ..schedules import CosineDecay, OneCycle
from ..state import resumed
from .run import Run


def plan_rungs(n_candidates, factor, min_resources, max_resources):
    """Return the number of candidates and the resources of each rung.

    The last rung has fewer than `factor` candidates, if the resources suffice for this many rungs,
    and always has `max_resources`. With min_resources="exhaust" they suffice if they can.
    """
    candidates = [n_candidates]
    while factor <= candidates[-1] > (n := ceil(candidates[-1] / factor)):
        candidates.append(n)
    if min_resources == "exhaust":
        min_resources = max(1, int(max_resources / factor ** (len(candidates) - 1)))
    resources: list = []
    while len(resources) < len(candidates) - 1:
        n = int(min_resources * factor ** len(resources))
        if n * factor > max_resources:
            break
        resources.append(n)
    resources.append(max_resources)
    return candidates[: len(resources)], resources


@dataclass(eq=False)
class Candidate:
    """The parameters of one candidate of a search.

    Attributes
    ----------
    number : int
    network : MLPClassifier or MLPRegressor
        With its parameters, not fitted.
    earlier : dict
        Parameters of the earlier steps.
    invalid : Exception or None
        What is wrong with the parameters.
    """

    number: int
    network: Any
    earlier: dict
    invalid: Exception | None = None

    def runs(self, n_folds, max_resources, random_state):
        """Return its RungRuns, one for each fold."""
        runs = []
        for fold in range(n_folds):
            template = self.network
            if template.random_state is None:
                seed = int(random_state.randint(2**31))
                template = clone(template).set_params(random_state=seed)
            runs.append(RungRun(self, fold, template, max_resources))
        return runs


class RungRun(Run):
    """A Run that trains to `n_resources` epochs, and later continues to more.

    Between rungs it holds no rows, so it is small and can be pickled.

    Parameters
    ----------
    candidate : Candidate
    fold_number : int
    template : MLPClassifier or MLPRegressor
        Not fitted.
    max_resources : int
        Epochs of the last rung.
    """

    def __init__(self, candidate, fold_number, template, max_resources):
        super().__init__(fold_number, None, candidate.earlier)
        self.candidate, self.template, self.max_resources = candidate, template, max_resources
        self.n_resources, self.progress = 0, None

    @property
    def n_networks(self):
        return self.template.n_estimators

    def start(self, folds, n_threads):
        self.network = copy_unfitted(self.template)
        share = self.n_resources / self.max_resources
        self.is_stretched = stretch_schedule(self.network, share)
        self.network.max_iter = self.n_resources
        super().start(folds, n_threads)
        if self.progress is not None:
            self.progress.restore(self.fit)

    def make_fit(self):
        invalid = self.candidate.invalid
        if invalid is not None:
            raise invalid.with_traceback(None)  # else it grows with every raise
        rows = self.fold.checked_rows(self.network).give_to(self.network)
        return EstimatorFit(self.network, MemoryRows(rows), fresh=True)

    def session(self, member, queue):
        if self.progress is None:
            return super().session(member, queue)
        optimizer = parameters.optimizer(self.network) if self.is_stretched else None
        training = resumed(self.progress.net.state, optimizer)
        return self.fit.session_from(member, training, self.n_resources - training.epoch, queue)

    def end(self):
        histories = [member.history for member in self.fit.members]
        self.progress = RungProgress(self.fit) if can_continue(self.network) else None
        super().end()
        if self.progress is not None:
            self.progress.after_end(self.fit)
        self.finished = all(
            history.stop_reason != "all epochs done"
            and (self.progress is not None or history.n_epochs < self.n_resources)
            for history in histories
        )

    def close(self):
        super().close()
        self.network = None


def copy_unfitted(estimator):
    """Return a copy of an estimator that is not fitted, faster than `clone`."""
    if isinstance(estimator.random_state, np.random.RandomState) or estimator.callbacks != ():
        return clone(estimator)  # these have a state
    copy = object.__new__(type(estimator))
    vars(copy).update(vars(estimator))
    return copy


def can_continue(estimator):
    """Return whether the training of an estimator can continue in the next rung.

    L-BFGS, learning_rate="adaptive" and callbacks keep their own state. With them, training
    starts anew in each rung.
    """
    return (
        not parameters.optimizer(estimator).full_batch
        and not parameters.uses_learning_rate(estimator, "adaptive")
        and all(type(each) is EarlyStopping for each in resolve_callbacks(estimator.callbacks))
    )


class RungProgress:
    """What a training needs to continue with a new `EstimatorFit` of the same rows."""

    def __init__(self, fit):
        (member,) = fit.members
        self.net = net = member.net
        self.patience = None if member.patience is None else replace(member.patience)
        self.scores = [
            (each.scores, each.best_params, each.patience) for each in _score_callbacks(member)
        ]
        if any(best is not None for _, best, _ in self.scores) and net.state.params is None:
            net.state.params = net.params.copy()  # `end` replaces them by the best

    def after_end(self, fit):
        """Take the records of all rungs."""
        self.records = fit.records
        fit.estimator.n_iter_ = self.net.state.epoch

    def restore(self, fit):
        """Continue in a new EstimatorFit, whose network has not been trained."""
        (member,) = fit.members
        fit.estimator.networks_[0] = member.net = self.net
        member.rng, member.patience, fit.records = self.net.rng, self.patience, self.records
        for callback, (scores, best_params, patience) in zip(_score_callbacks(member), self.scores):
            callback.scores, callback.best_params = scores, best_params
            callback.patience = patience


def _score_callbacks(member):
    return [each for each in member.callbacks if isinstance(each, ScoreStopping)]


def stretch_schedule(network, share):
    """Set the schedule of an estimator to that of a training of `share` of the length.

    share : float in (0, 1]

    Returns whether it has a schedule with a warm-up. Others are not changed.
    """
    solver = network.solver
    if has_warmup(network.schedule):
        network.schedule = stretched(network.schedule, share)
    elif isinstance(solver, Optimizer) and has_warmup(solver.lr):
        network.solver = solver.set_params(lr=stretched(solver.lr, share))
    else:
        return False
    return True


def has_warmup(schedule):
    if isinstance(schedule, CosineDecay):
        return schedule.warmup > 0
    return isinstance(schedule, OneCycle)


def stretched(schedule, share):
    """Return the schedule with its time axis multiplied by `share`."""
    if share == 1:
        return schedule
    duration = max(1, round(schedule.duration * share))
    if isinstance(schedule, OneCycle):
        return replace(schedule, duration=duration)
    warmup = min(round(schedule.warmup * share), duration - 1)
    return replace(schedule, duration=duration, warmup=warmup)


class Results:
    """Collects the results of all rungs, as scikit-learn's searches show them."""

    def __init__(self, n_splits):
        self.n_splits, self.rows = n_splits, []

    def add(self, rung, n_resources, params, results):
        """Add a candidate of a rung, and return its mean score.

        results : list of dict
            One for each fold.
        """
        row = {"iter": rung, "n_resources": n_resources, "params": params}
        for name in ("fit_time", "score_time"):
            times = np.array([each[name] for each in results])
            row[f"mean_{name}"], row[f"std_{name}"] = times.mean(), times.std()
        for part in ("test", "train"):
            if part not in results[0]:
                continue
            scores = np.array([each[part] for each in results], np.float64)
            for fold, score in enumerate(scores):
                row[f"split{fold}_{part}_score"] = score
            row[f"mean_{part}_score"], row[f"std_{part}_score"] = scores.mean(), scores.std()
        self.rows.append(row)
        return row["mean_test_score"]

    def to_dict(self):
        """Return cv_results_: a dict of arrays, with one element for each candidate and rung."""
        columns: dict = {
            name: np.array([row[name] for row in self.rows])
            for name in self.rows[0]
            if name != "params"
        }
        columns["params"] = [row["params"] for row in self.rows]
        for name in dict.fromkeys(name for params in columns["params"] for name in params):
            columns[f"param_{name}"] = _masked(columns["params"], name)
        scores = columns["mean_test_score"]
        ranks = np.ones(len(scores), np.int32)
        if not np.isnan(scores).all():
            ranks = rankdata(-np.nan_to_num(scores, nan=np.nanmin(scores) - 1), "min")
        columns["rank_test_score"] = ranks.astype(np.int32)
        return columns


def _masked(all_params, name):
    """Return the values of a parameter as a masked array; masked where it is not set."""
    present = [params[name] for params in all_params if name in params]
    is_numeric = all(
        isinstance(value, (bool, int, float, np.number, np.bool_)) for value in present
    )
    dtype = np.array(present).dtype if is_numeric else object
    values = np.ma.MaskedArray(np.empty(len(all_params), dtype), mask=True)
    for i, params in enumerate(all_params):
        if name in params:
            values[i] = params[name]
    return values
