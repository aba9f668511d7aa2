"""cross_validate and cross_val_predict, which train all folds in one call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.preprocessing import LabelEncoder

from ..core.messages import hint_at
from ..distributed.shared_objects import SharedObjects
from . import models
from .folds import Folds, split_rows
from .run import Run, Workers, train_runs
from .scoring import Predicting, Scoring, complete_failures, report_failures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor
    from typing import Literal

    from numpy.typing import ArrayLike, NDArray


METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


def cross_validate(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    groups: ArrayLike | None = None,
    scoring: Any = None,
    cv: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    params: Mapping[str, Any] | None = None,
    return_train_score: bool = False,
    return_estimator: bool = False,
    return_indices: bool = False,
    error_score: float | Literal["raise"] = np.nan,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Evaluate an estimator by cross-validation, with all folds trained together.

    Arguments and results are as in `sklearn.model_selection.cross_validate`. With an
    int as `random_state` of the estimator, the scores are the same bits.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, Pipeline or TransformedTargetRegressor
        The last step of a Pipeline or of a TransformedTargetRegressor must be one of the first two.
        The earlier steps are fitted once a fold.
    X : array_like, sparse matrix or data frame (n, n_features)
    y : array_like (n,) or (n, n_targets)
    groups : array_like (n,), optional
        Groups of the rows, for a splitter such as GroupKFold.
    scoring : str, callable, list, tuple, dict or None
        By default the `score` of the estimator.
    cv : int, splitter, iterable or None
        By default 5 folds.
    n_jobs : int, optional
        Number of threads. None and -1 use all CPUs of this process; with `executor`, None uses one
        in each worker. Results do not depend on it.
    verbose : int, default 0
        Above 0, print a line of progress.
    params : dict, optional
        Arguments of `fit`, such as ``{"sample_weight": w}``, or
        ``{"mlpclassifier__sample_weight": w}`` for a Pipeline.
    return_train_score, return_estimator, return_indices : bool, default False
    error_score : "raise" or number, default nan
        Score of a fold whose training fails or diverges. Other folds are not affected.
    executor : concurrent.futures.Executor, optional
        Train the folds in its workers: processes, or machines that Dask or MPI connects. X travels
        to each worker once. See the guide "Several machines".

    Returns
    -------
    dict of array
        "fit_time", "score_time", "test_score" (or "test_<name>" for several scores), and on request
        "train_score", "estimator" and "indices". Folds train side by side, so "fit_time" is the
        time from the beginning of a fold to its end.

    Raises
    ------
    TypeError
        The network estimator is not one of fastnn.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn.datasets import load_digits
    >>> X, digits = load_digits()
    >>> clf = fastnn.MLPClassifier((32,), max_iter=1000, random_state=0)
    >>> results = fastnn.cross_validate(clf, X[:500], digits[:500], cv=3)
    >>> sorted(results)
    ['fit_time', 'score_time', 'test_score']
    >>> bool(results["test_score"].mean() > 0.8)
    True
    """
    path = models.network_path(estimator, "cross_validate")
    evaluate = Scoring(estimator, scoring, error_score, return_train_score)
    rows, splits = split_rows(estimator, X, y, groups, cv)
    folds = Folds(estimator, path, rows, splits, dict(params or {}))
    workers = Workers(n_jobs, executor, verbose)
    results = _train_folds(folds, evaluate, workers, keep_models=return_estimator)
    errors = [r["error"] for r in results if "error" in r]
    report_failures(errors, len(results), error_score)
    complete_failures(results)
    answer: dict[str, Any] = {
        name: np.array([r[name] for r in results]) for name in ("fit_time", "score_time")
    }
    if return_estimator:
        answer["estimator"] = [r.get("model") or clone(estimator) for r in results]
    if return_indices:
        train, test = zip(*folds.splits)
        answer["indices"] = {"train": train, "test": test}
    parts = ("test", "train") if return_train_score else ("test",)
    first = results[0]["test"]
    for name in first if isinstance(first, dict) else [None]:
        for part in parts:
            answer[f"{part}_{name or 'score'}"] = np.array(
                [r[part] if name is None else r[part][name] for r in results]
            )
    return answer


def cross_val_predict(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    groups: ArrayLike | None = None,
    cv: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    params: Mapping[str, Any] | None = None,
    method: str = "predict",
    executor: Executor | None = None,
) -> NDArray[Any]:
    """Predict each row by a network that was trained on other rows, with all folds together.

    Arguments and results are as in `sklearn.model_selection.cross_val_predict`. With an
    int as `random_state` of the estimator, the predictions are the same bits.

    Parameters
    ----------
    estimator, X, y, groups, cv, n_jobs, verbose, params, executor
        As in `cross_validate`. Each row must be in the test rows of exactly one fold.
    method : {"predict", "predict_proba", "predict_log_proba", "decision_function"}
        What to compute.

    Returns
    -------
    ndarray (n, ...)

    Examples
    --------
    >>> import fastnn
    >>> from fastnn.datasets import load_digits
    >>> X, digits = load_digits()
    >>> clf = fastnn.MLPClassifier((32,), max_iter=1000, random_state=0)
    >>> P = fastnn.cross_val_predict(clf, X[:500], digits[:500], method="predict_proba")
    >>> P.shape
    (500, 10)
    """
    if method not in METHODS:
        raise ValueError(
            f"method must be one of {', '.join(METHODS)}, got {method!r}{hint_at(method, METHODS)}"
        )
    path = models.network_path(estimator, "cross_val_predict")
    arrays, splits = split_rows(estimator, X, y, groups, cv)
    folds = Folds(estimator, path, arrays, splits, dict(params or {}))
    rows = np.concatenate([test for _, test in folds.splits])
    if not np.array_equal(np.sort(rows), np.arange(folds.n_rows)):
        raise ValueError(
            "cross_val_predict needs a cv that puts each row into the test rows of exactly one "
            f"fold, got {cv!r}"
        )
    n_classes = None
    if method != "predict" and y is not None:
        y = np.asarray(folds.y)
        if y.ndim == 1:
            classes = LabelEncoder().fit(y)
            folds.y, n_classes = classes.transform(y), len(classes.classes_)
    workers = Workers(n_jobs, executor, verbose)
    results = _train_folds(folds, Predicting(method, n_classes), workers)
    places = np.empty(len(rows), np.intp)
    places[rows] = np.arange(len(rows))
    return np.concatenate([r["predictions"] for r in results])[places]


def _train_folds(folds, evaluate, workers, keep_models=False):
    """Train a network on each fold, and return the results of `evaluate`."""
    train, numbers = partial(_train, folds, evaluate, keep_models), list(range(len(folds)))
    if workers.executor is None:
        return train(numbers, workers.n_threads, workers.line())
    with SharedObjects([folds]) as shared:
        return workers.train(train, numbers, shared)


def _train(folds, evaluate, keep_models, numbers, n_threads, line):
    """Train networks on the folds of these numbers, in this process."""
    network = models.network_of(folds.model, folds.path)
    runs = [FoldRun(i, clone(network), keep_models) for i in numbers]
    train_runs(folds, runs, evaluate, n_threads, line)
    return [run.result for run in runs]


class FoldRun(Run):
    """A Run that may keep its fitted model."""

    def __init__(self, fold_number, network, keep_model):
        super().__init__(fold_number, network)
        self.keep_model = keep_model

    def close(self):
        if self.keep_model:
            self.result["model"] = self.fold.whole_model(self.network)
        super().close()
