"""HalvingSearchCV: successive halving whose survivors continue their training."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state

from ..callbacks import EarlyStopping, resolve_callbacks
from ..core.validation import check_count, check_number
from ..estimators import parameters
from ..optimizers import Optimizer
from ..schedules import CosineDecay, OneCycle
from ..state import resumed
from .folds import Folds, Run, RunTrainer, make_splits, network_of, network_path, train_runs
from .scoring import Scoring, report_failures

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import ArrayLike, NDArray

    from ..typing import RandomState


class HalvingSearchCV(BaseSearchCV):
    """Search parameters by successive halving (Jamieson and Talwalkar, 2016).

    All candidates train for a few epochs on each fold. The best 1 / `factor` of them train on, to
    `factor` times as many epochs, and so on. Their networks continue from where they were. All
    networks of a rung train in one call, on all CPUs. The steps of a Pipeline before the network
    are fitted once for each fold, or, if their parameters are searched too, once for each fold and
    setting.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, Pipeline or TransformedTargetRegressor
        The last step of a Pipeline or of a TransformedTargetRegressor must be one of the first two.
    param_distributions : dict, or list of dict
        Names of parameters, with lists of values or SciPy distributions. From a list, each
        candidate draws one of the dicts.
    n_iter : int or "all", default 100
        Number of candidates. "all" takes all combinations of lists.
    resource : "max_iter"
        What the rungs increase: the number of epochs. The name in a Pipeline, such as
        "mlpclassifier__max_iter", is accepted too.
    factor : float, default 3
        1 / factor of the candidates continue, with factor times the resources; above 1.
    min_resources : int or "exhaust", default "exhaust"
        Epochs of the first rung. "exhaust" chooses them so that the last rung has fewer than
        `factor` candidates.
    max_resources : int or "auto", default "auto"
        Epochs of the last rung, and of the final fit. "auto" is `max_iter` of the estimator.
    scoring : str, callable or None
        By default the `score` of the estimator.
    cv : int, splitter, iterable or None, default 5
    refit : bool, default True
        Whether to fit the best candidate on all rows, with `max_resources`.
    random_state : None, int or RandomState
        For drawing candidates, and for the networks of an estimator whose own random_state is None.
    n_jobs : int, optional
        Number of threads. None and -1 use all CPUs of this process; with `executor`, None uses one
        in each worker. Results do not depend on it.
    verbose : int, default 0
        Above 0, print a line for each rung and a line of progress.
    error_score : "raise" or number, default nan
        Score of a fold whose training fails or diverges. Other candidates are not affected.
    return_train_score : bool, default False
    executor : concurrent.futures.Executor, optional
        Train the networks in its workers: processes, or machines that Dask or MPI connects. X
        travels to each worker once. See the guide "Several machines".

    Attributes
    ----------
    best_estimator_, best_params_, best_score_, best_index_
        The best candidate of the last rung, as in scikit-learn's `HalvingRandomSearchCV`.
    cv_results_ : dict of array
        Results of all candidates in all rungs. "iter" is the rung and "n_resources" the epochs.
        Networks train side by side, so fit times are from the beginning to the end of each.
    n_iterations_ : int
        Number of rungs.
    n_resources_, n_candidates_ : list of int
        Epochs and candidates of each rung.
    max_resources_, n_splits_, scorer_, refit_time_, n_features_in_, classes_
        As in scikit-learn.

    Notes
    -----
    A network that stops early, because its loss no longer improves, keeps its score in later rungs.
    With solver="lbfgs", learning_rate="adaptive" or callbacks other than `EarlyStopping`, networks
    train from the beginning in each rung.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn.datasets import load_digits
    >>> X, digits = load_digits()
    >>> clf = fastnn.MLPClassifier(max_iter=27, n_iter_no_change=float("inf"), random_state=0)
    >>> search = fastnn.HalvingSearchCV(
    ...     clf,
    ...     {"hidden_layer_sizes": [(8,), (32,)], "learning_rate_init": [1e-5, 1e-3, 1e-2]},
    ...     n_iter="all", cv=3, random_state=0)
    >>> search.fit(X[:500], digits[:500]).n_candidates_, search.n_resources_
    ([6, 2], [9, 27])
    >>> search.best_params_["hidden_layer_sizes"]
    (32,)
    """

    estimator: Any
    param_distributions: Any
    n_iter: int | Literal["all"]
    resource: str
    factor: float
    min_resources: int | Literal["exhaust"]
    max_resources: int | Literal["auto"]
    scoring: Any
    cv: Any
    refit: bool
    random_state: RandomState
    n_jobs: int | None
    verbose: int
    error_score: float | Literal["raise"]
    return_train_score: bool
    executor: Executor | None
    best_estimator_: Any
    best_params_: dict[str, Any]
    best_score_: float
    best_index_: int
    cv_results_: dict[str, Any]
    n_iterations_: int
    n_resources_: list[int]
    n_candidates_: list[int]
    min_resources_: int
    max_resources_: int
    n_splits_: int
    scorer_: Any
    multimetric_: bool
    refit_time_: float
    feature_names_in_: NDArray[Any]

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int | Literal["all"] = 100,
        resource: str = "max_iter",
        factor: float = 3,
        min_resources: int | Literal["exhaust"] = "exhaust",
        max_resources: int | Literal["auto"] = "auto",
        scoring: Any = None,
        cv: Any = 5,
        refit: bool = True,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        error_score: float | Literal["raise"] = np.nan,
        return_train_score: bool = False,
        executor: Executor | None = None,
    ) -> None:
        self.estimator, self.param_distributions = estimator, param_distributions
        self.n_iter, self.resource, self.factor = n_iter, resource, factor
        self.min_resources, self.max_resources = min_resources, max_resources
        self.scoring, self.cv, self.refit, self.random_state = scoring, cv, refit, random_state
        self.n_jobs, self.verbose, self.error_score = n_jobs, verbose, error_score
        self.return_train_score, self.executor = return_train_score, executor

    def fit(
        self, X: Any, y: Any = None, *, groups: ArrayLike | None = None, **fit_params: Any
    ) -> Self:
        """Search, and fit the best candidate on all rows.

        Parameters
        ----------
        X : array_like, sparse matrix or data frame (n, n_features)
        y : array_like (n,) or (n, n_targets)
        groups : array_like (n,), optional
            Groups of the rows, for a splitter such as GroupKFold.
        **fit_params
            Arguments of the estimator's `fit`, such as ``sample_weight=w``, or
            ``mlpclassifier__sample_weight=w`` for a Pipeline.

        Returns
        -------
        self
        """
        path = network_path(self.estimator, "HalvingSearchCV")
        resource = f"{path}__max_iter" if path else "max_iter"
        max_resources = self._check(network_of(self.estimator, path), resource)
        random_state = check_random_state(self.random_state)
        candidates = self._draw_candidates(random_state)
        if not candidates:
            raise ValueError("param_distributions is empty. Pass a dict, or a list of dicts.")
        if any(resource in params for params in candidates):
            raise ValueError(
                f"{resource} cannot be searched, because it is the resource. Remove it from "
                "param_distributions, and pass max_resources."
            )
        evaluate = Scoring(
            self.estimator,
            self.scoring,
            self.error_score,
            self.return_train_score,
            same_bits=False,
        )
        rows, splits = make_splits(self.estimator, X, y, groups, self.cv)
        folds = Folds(self.estimator, path, rows, splits, fit_params)
        folds.keep = True
        runs = [
            run
            for i, params in enumerate(candidates)
            for run in self._candidate(i, params, path).runs(
                len(folds), max_resources, random_state
            )
        ]
        self.n_candidates_, self.n_resources_ = plan_rungs(
            len(candidates), self.factor, self.min_resources, max_resources
        )
        trainer = RunTrainer(self.n_jobs, self.executor, self.verbose)
        with trainer.sharing(folds) as shared:
            train = partial(trainer.train, partial(_train, folds, evaluate), shared=shared)
            results, self.best_index_ = self._run_rungs(train, runs, candidates, resource)
        self._finish(results, folds, evaluate, max_resources)
        if self.refit:
            self._fit_best(resource, X, y, fit_params)
        return self

    def _run_rungs(self, train, runs, candidates, resource):
        """Train the candidates of all rungs. Return their Results, and the number of the best.

        train : callable
            train(runs) trains runs and returns them, perhaps as copies.
        """
        results, survivors = Results(), list(range(len(candidates)))
        for rung, n_resources in enumerate(self.n_resources_):
            survivors = survivors[: self.n_candidates_[rung]]
            alive = set(survivors)
            runs = [run for run in runs if run.candidate.number in alive]
            runs = self._train_rung(train, runs, n_resources)
            means = {}
            for i in sorted(survivors):
                params = candidates[i] | {resource: n_resources}
                own = [run.result for run in runs if run.candidate.number == i]
                means[i] = results.add(rung, n_resources, params, own)
            survivors = sorted(means, key=lambda i: (np.isnan(means[i]), -means[i], i))
            if self.verbose:
                print(
                    f"rung {rung}: {len(means)} candidates, {n_resources} epochs, "
                    f"best score {means[survivors[0]]:.4g}"
                )
        first_of_last_rung = len(results.rows) - len(means)
        return results, first_of_last_rung + sorted(means).index(survivors[0])

    def _train_rung(self, train, runs, n_resources):
        """Train runs to `n_resources` epochs, and return them."""
        for run in runs:
            run.n_resources = n_resources
        finished = [run for run in runs if run.finished]
        trained = train([run for run in runs if not run.finished])
        errors = [run.result["error"] for run in trained if "error" in run.result]
        report_failures(errors, len(runs), self.error_score)
        return sorted(
            [*trained, *finished], key=lambda run: (run.candidate.number, run.fold_number)
        )

    def _check(self, network, resource):
        """Check the parameters, and return the resources of the last rung."""
        if not isinstance(self.resource, str) or self.resource not in ("max_iter", resource):
            raise ValueError(
                f"resource must be 'max_iter', got {self.resource!r}. For other resources use "
                "sklearn.model_selection.HalvingRandomSearchCV."
            )
        if isinstance(self.scoring, (list, tuple, set, dict)):
            raise ValueError(f"scoring must be one score, got {self.scoring!r}")
        if not isinstance(self.refit, bool):
            raise ValueError(f"refit must be True or False, got {self.refit!r}")
        if getattr(network, "n_estimators", 1) != 1:
            raise ValueError(
                "HalvingSearchCV needs n_estimators=1. Search for one network, and set n_estimators "
                "of the best candidate."
            )
        check_number("factor", self.factor, above=1)
        if not isinstance(self.min_resources, str) or self.min_resources != "exhaust":
            check_count("min_resources", self.min_resources)
        if isinstance(self.max_resources, str) and self.max_resources == "auto":
            return network.max_iter
        return check_count("max_resources", self.max_resources)

    def _draw_candidates(self, random_state):
        """Return the parameters of all candidates."""
        if isinstance(self.n_iter, str):
            if self.n_iter != "all":
                raise ValueError(f"n_iter must be a number or 'all', got {self.n_iter!r}")
            return list(ParameterGrid(self.param_distributions))
        n_iter = check_count("n_iter", self.n_iter)
        return list(ParameterSampler(self.param_distributions, n_iter, random_state=random_state))

    def _candidate(self, number, params, path):
        """Return the Candidate with these parameters."""
        prefix = f"{path}__" if path else ""
        earlier = {k: v for k, v in params.items() if k != path and not k.startswith(prefix)}
        if path in params or earlier:
            model = clone(self.estimator).set_params(**clone(params, safe=False))
            network = network_of(model, path)
            network_path(network, "HalvingSearchCV")
        else:
            own = {k.removeprefix(prefix): v for k, v in params.items()}
            network = clone(network_of(self.estimator, path))
            network.set_params(**clone(own, safe=False))
        invalid = None
        try:
            network._validate_params()
        except Exception as error:
            invalid = error
        return Candidate(number, network, earlier, invalid)

    def _finish(self, results, folds, evaluate, max_resources):
        """Set the fitted attributes that do not need the final fit."""
        self.cv_results_ = results.to_dict()
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        self.best_score_ = self.cv_results_["mean_test_score"][self.best_index_]
        self.n_iterations_, self.n_splits_ = len(self.n_resources_), len(folds)
        self.max_resources_, self.min_resources_ = max_resources, self.n_resources_[0]
        self.scorer_, self.multimetric_ = evaluate.scorer, False

    def _fit_best(self, resource, X, y, fit_params):
        params = self.best_params_ | {resource: self.max_resources_}
        self.best_estimator_ = clone(self.estimator).set_params(**clone(params, safe=False))
        start = time.perf_counter()
        self.best_estimator_.fit(X, y, **fit_params)
        self.refit_time_ = time.perf_counter() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_


def _train(folds, evaluate, runs, line, n_threads):
    """Train runs in this process, and return them. Rungs seldom converge, of which nothing is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        train_runs(folds, runs, evaluate, line, n_threads)
    return runs


# ---- rungs: their sizes, and trainings that continue from one to the next ----


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
        super().__init__(fold_number, template, candidate.earlier)
        self.candidate, self.template, self.max_resources = candidate, template, max_resources
        self.n_resources, self.progress = 0, None

    def start(self, folds, n_threads):
        self.network = copy_unfitted(self.template)
        share = self.n_resources / self.max_resources
        self.is_stretched = stretch_schedule(self.network, share)
        self.network.max_iter = self.n_resources
        super().start(folds, n_threads)

    def check_parameters(self):
        invalid = self.candidate.invalid
        if invalid is not None:
            raise invalid.with_traceback(None)  # else it grows with every raise

    def make_fit(self):
        fit = super().make_fit()
        if self.progress is not None:
            self.progress.restore(fit)
        return fit

    def session(self, member, queue):
        if self.progress is None:
            return super().session(member, queue)
        optimizer = parameters.resolve_solver(self.network) if self.is_stretched else None
        training = resumed(self.progress.net.state, optimizer)
        return self.fit.session(member, queue, training, self.n_resources - training.epoch)

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
        self.network = self.template


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
        not parameters.resolve_solver(estimator).full_batch
        and not parameters.uses_learning_rate(estimator, "adaptive")
        and all(type(each) is EarlyStopping for each in resolve_callbacks(estimator.callbacks))
    )


class RungProgress:
    """What a training needs to continue with a new `EstimatorFit` of the same rows."""

    def __init__(self, fit):
        (member,) = fit.members
        self.net = net = member.net
        self.patience = None if member.patience is None else replace(member.patience)
        self.results = [each.result for each in member.score_callbacks]
        has_best = any(each.best_params is not None for each in member.score_callbacks)
        if has_best and net.state.params is None:
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
        for callback, result in zip(member.score_callbacks, self.results):
            callback.result = result


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


# ---- results ----


class Results:
    """Collects the results of all rungs, as scikit-learn's searches show them."""

    def __init__(self):
        self.rows = []

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
