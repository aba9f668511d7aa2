"""cross_validate and cross_val_predict, which train all folds in one call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import clone
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.validation import _num_samples

from ..core.messages import hint_at
from ..core.validation import as_array, check_flag
from .folds import Folds, Run, RunTrainer, make_splits, network_of, network_path, train_runs
from .scoring import Predicting, Scoring, complete_failures, report_failures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

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
    return_train_score = check_flag("return_train_score", return_train_score)
    return_estimator = check_flag("return_estimator", return_estimator)
    return_indices = check_flag("return_indices", return_indices)
    path = network_path(estimator, "cross_validate")
    evaluate = Scoring(
        estimator, scoring, error_score, return_train_score, keeps_models=return_estimator
    )
    rows, splits = make_splits(estimator, X, y, groups, cv)
    folds = Folds(estimator, path, rows, splits, params)
    results = _train_folds(folds, evaluate, RunTrainer(n_jobs, executor, verbose))
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
    return answer | _score_arrays(results)


def _score_arrays(results):
    """Return the scores of all folds, by their names in the answer."""
    first = results[0]
    return {
        f"{part}_{name or 'score'}": np.array(
            [r[part] if name is None else r[part][name] for r in results]
        )
        for name in (first["test"] if isinstance(first["test"], dict) else [None])
        for part in ("test", "train")
        if part in first
    }


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
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(
            f"method must be one of {', '.join(METHODS)}, got {method!r}{hint_at(method, METHODS)}"
        )
    path = network_path(estimator, "cross_val_predict")
    arrays, splits = make_splits(estimator, X, y, groups, cv)
    folds = Folds(estimator, path, arrays, splits, params)
    rows = np.concatenate([as_array("cv", test).ravel() for _, test in folds.splits])
    if not np.array_equal(np.sort(rows), np.arange(_num_samples(folds.X))):
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
    evaluate = Predicting(method, n_classes)
    results = _train_folds(folds, evaluate, RunTrainer(n_jobs, executor, verbose))
    places = np.empty(len(rows), np.intp)
    places[rows] = np.arange(len(rows))
    return np.concatenate([r["predictions"] for r in results])[places]


def _train_folds(folds, evaluate, trainer):
    """Train a network on each fold, and return the results of `evaluate`."""
    with trainer.sharing(folds) as shared:
        return trainer.train(partial(_train, folds, evaluate), list(range(len(folds))), shared)


def _train(folds, evaluate, numbers, line, n_threads):
    """Train networks on the folds of these numbers, in this process."""
    network = network_of(folds.model, folds.path)
    runs = [Run(i, clone(network)) for i in numbers]
    train_runs(folds, runs, evaluate, line, n_threads)
    return [run.result for run in runs]
