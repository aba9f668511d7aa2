"""HalvingSearchCV: successive halving whose survivors continue their training."""

from __future__ import annotations

import time
import warnings
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state

from ..core.validation import check_count, check_number
from ..distributed.shared_objects import SharedObjects
from . import models
from .folds import Folds, split_rows
from .run import Workers, train_runs
from .rungs import Candidate, Results, plan_rungs
from .scoring import Scoring, report_failures

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from typing import Any, Literal, Self

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
        path = models.network_path(self.estimator, "HalvingSearchCV")
        resource = f"{path}__max_iter" if path else "max_iter"
        max_resources = self._check(models.network_of(self.estimator, path), resource)
        random_state = check_random_state(self.random_state)
        candidates = self._draw_candidates(random_state)
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
        rows, splits = split_rows(self.estimator, X, y, groups, self.cv)
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
        with SharedObjects([folds]) as shared:
            trainer = _Trainer(self, folds, evaluate, shared)
            results, best = self._run_rungs(trainer, runs, candidates, resource)
        self.best_index_ = best
        self._finish(results, folds, evaluate, max_resources)
        if self.refit:
            self._fit_best(resource, X, y, fit_params)
        return self

    def _run_rungs(self, trainer, runs, candidates, resource):
        """Train the candidates of all rungs. Return their Results, and the number of the best."""
        results, survivors = Results(len(trainer.folds)), list(range(len(candidates)))
        for rung, n_resources in enumerate(self.n_resources_):
            survivors = survivors[: self.n_candidates_[rung]]
            alive = set(survivors)
            runs = trainer.train(
                [run for run in runs if run.candidate.number in alive], n_resources
            )
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

    def _check(self, network, resource):
        """Check the parameters, and return the resources of the last rung."""
        if self.resource not in ("max_iter", resource):
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
        if self.min_resources != "exhaust":
            check_count("min_resources", self.min_resources)
        if self.max_resources == "auto":
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
        earlier = {
            name: value
            for name, value in params.items()
            if name != path and not name.startswith(prefix)
        }
        if path in params or earlier:
            model = clone(self.estimator).set_params(**clone(params, safe=False))
            network = models.network_of(model, path)
            models.network_path(network, "HalvingSearchCV")
        else:
            own = {name.removeprefix(prefix): value for name, value in params.items()}
            network = clone(models.network_of(self.estimator, path))
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
        if y is None:
            self.best_estimator_.fit(X, **fit_params)
        else:
            self.best_estimator_.fit(X, y, **fit_params)
        self.refit_time_ = time.perf_counter() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_


class _Trainer:
    """Trains the runs of each rung, in this process or in the workers of an executor."""

    def __init__(self, search, folds, evaluate, shared):
        self.folds, self.error_score, self.shared = folds, search.error_score, shared
        self.function = partial(_train, folds, evaluate)
        self.workers = Workers(search.n_jobs, search.executor, search.verbose)

    def train(self, runs, n_resources):
        """Train to `n_resources` epochs, and return the runs, which may be copies."""
        for run in runs:
            run.n_resources = n_resources
        unfinished = [run for run in runs if not run.finished]
        finished = [run for run in runs if run.finished]
        workers = self.workers
        if workers.executor is None:
            trained = self.function(unfinished, workers.n_threads, workers.line())
        else:
            trained = workers.train(self.function, unfinished, self.shared)
        errors = [run.result["error"] for run in trained if "error" in run.result]
        if errors:
            report_failures(errors, len(runs), self.error_score)
        return sorted(
            [*trained, *finished],
            key=lambda run: (run.candidate.number, run.fold_number),
        )


def _train(folds, evaluate, runs, n_threads, line):
    """Train runs in this process, and return them."""
    with _convergence_warnings_ignored():
        train_runs(folds, runs, evaluate, n_threads, line)
    return runs


@contextmanager
def _convergence_warnings_ignored():
    """Context manager without warnings that training did not converge, as rungs seldom do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
