"""Folds of cross-validation: their rows, earlier steps fitted on them, and their training.

The last step of a model is its network estimator. The steps before it are fitted by scikit-learn,
with a `Recorder` in place of the network estimator. The Recorder keeps the rows that the network
estimator is to be trained on, so that many of them can be trained together.
"""

import copy
import pickle
import time
import traceback
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags, indexable
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params, _num_samples

from ..core.options import cached
from ..core.validation import check_flag, check_rows, check_threads, describe_type, refuse_classes
from ..distributed.executor_pool import ExecutorPool, Workers
from ..distributed.shared_objects import SharedObjects
from ..estimators.base import BaseMLP
from ..estimators.fit import EstimatorFit
from ..estimators.inputs import ReusableRows, check_X
from ..estimators.networks import targets_class
from ..estimators.rows import MemoryRows
from ..kernels import InTraining
from ..training.pool import Trainings, train_many
from ..training.progress import ManyLine


class Folds:
    """The folds of one cross-validation.

    Parameters
    ----------
    model : estimator
    path : str
        As returned by `network_path`.
    rows : (X, y)
    splits : list of (train, test)
        Row indices of each fold.
    fit_params : mapping or None
        Arguments of `fit`. Those with one element for each row of X are split like X.

    Attributes
    ----------
    keep : bool, default False
        Whether to keep what `fold` returns, because several networks use it.
    """

    keep = False

    def __init__(self, model, path, rows, splits, fit_params):
        self.model, self.path, (self.X, self.y) = model, path, rows
        self.splits, self.fit_params = splits, {} if fit_params is None else fit_params
        if not isinstance(self.fit_params, Mapping):
            raise TypeError(f"params must be a dict, got {describe_type(fit_params)}")
        self.made = {}

    def __len__(self):
        return len(self.splits)

    def __getstate__(self):
        return vars(self) | {"made": {}}

    def fold(self, number, params=None):
        """Return a Fold. Its earlier steps are fitted.

        params : dict, optional
            Parameters of the earlier steps.
        """
        key = number, _key(params or {})
        result = self.made.get(key)
        if result is None:
            model = self.model
            if params:
                model = clone(model).set_params(**clone(params, safe=False))
            result = Fold(self, model, *self.splits[number])
            if self.keep:
                self.made[key] = result
        if result.error is not None:
            raise result.error
        return result


def _key(params):
    """Return a hashable description of parameters."""
    items = sorted(params.items())
    try:
        return pickle.dumps(items)
    except Exception:  # such as a lambda, whose repr has its address
        return repr(items)


def make_splits(estimator, X, y, groups, cv):
    """Return (X, y), and the row indices (train, test) of each fold. cv : as the user passed it"""
    refuse_classes(X=X, y=y, groups=groups)
    if groups is not None and hasattr(groups, "__len__"):
        check_rows("groups", len(groups) if getattr(groups, "ndim", 1) else 0, _num_samples(X))
    given = X, y, groups
    X, y, groups = indexable(*(np.asarray(a) if isinstance(a, memoryview) else a for a in given))
    try:
        cv = check_cv(cv, y, classifier=is_classifier(estimator))
    except TypeError as error:  # classes of several types, which cannot be sorted
        raise TypeError(f"y must hold numbers, or classes of one type: {error}") from error
    try:
        splits = list(cv.split(X, y, groups))
    except (TypeError, ValueError) as error:
        if isinstance(error, ValueError) and "unpack" not in str(error):
            raise  # a splitter says what it needs
        raise TypeError(
            f"cv must be a number, a splitter or pairs (train, test): {error}"
        ) from error
    if not splits:
        raise ValueError("cv has no folds")
    return (X, y), splits


class Fold:
    """One fold, with a model whose earlier steps are fitted on the training rows.

    Attributes
    ----------
    fitted : estimator
        The model with a `Recorder` in place of the network estimator.
    rows : (X, y, sample_weight)
        Training rows for the network estimator.
    error : Exception or None
        Why the earlier steps could not be fitted.
    """

    def __init__(self, folds, model, train, test):
        self.model, self.X, self.y, self.train, self.test = model, folds.X, folds.y, train, test
        fit_params = _check_method_params(folds.X, folds.fit_params, indices=train)
        self.error, self.checked = None, {}
        try:
            X, y = self._split(train)
            self.fitted = fit_earlier_steps(model, folds.path, X, y, fit_params)
            *_, recorder = _nested(self.fitted)
            self.rows = recorder.rows_
        except Exception as error:
            self.error = error

    def _split(self, rows, train=None):
        return _safe_split(self.model, self.X, self.y, rows, train)

    def checked_rows(self, network):
        """Return the training rows for `EstimatorFit`, checked once for all networks of a dtype."""
        key = type(network), str(network.dtype)

        def check(fold):
            X, y, weight = fold.rows
            return ReusableRows(network, X, y, weight, targets_class(network))

        return self.memoize(key, check)

    def checked_test(self, network):
        """Return X and y of the transformed test rows as arrays, checked once for a dtype.

        network : fitted
        """

        def check(fold):
            return check_X(network, fold.transformed_test), np.asarray(fold.test_rows[1])

        return self.memoize(network.network_.dtype, check)

    def memoize(self, key, function):
        """Return function(self), which is called once for this key."""
        if key not in self.checked:
            self.checked[key] = function(self)
        return self.checked[key]

    @cached
    def test_rows(self):
        """(X, y) of the test rows, X as the user passed it."""
        return self._split(self.test, self.train)

    @cached
    def train_rows(self):
        """(X, y) of the training rows, X as the user passed it."""
        return self._split(self.train)

    @cached
    def transformed_test(self):
        return transform(self.fitted, self.test_rows[0])

    @cached
    def transformed_train(self):
        return transform(self.fitted, self.train_rows[0])

    @cached
    def shell(self):
        """The model that predicts from transformed rows."""
        return without_transformers(self.fitted)

    def whole_model(self, network):
        """Return the model with a fitted network estimator."""
        return with_network(self.fitted, network)

    def last_model(self, network):
        """Return the model that predicts from transformed rows with a fitted network estimator."""
        return with_network(self.shell, network)


# ---- an estimator of fastnn, alone or as the last step of a pipeline ----


class Recorder(BaseEstimator):
    """Estimator whose `fit` keeps its arguments. estimator : the network estimator."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y=None, sample_weight=None):
        self.rows_ = X, y, sample_weight
        return self

    def predict(self, X):
        raise NotImplementedError

    def __sklearn_tags__(self):
        return get_tags(self.estimator)


def network_path(model, caller):
    """Return the name of the parameter that holds the network estimator, "" for the model itself.

    caller : the public name to use in the error message
    """
    names: list = []
    part = model
    while True:
        if isinstance(part, Pipeline) and part.steps:
            name, part = part.steps[-1]
        elif isinstance(part, TransformedTargetRegressor):
            name, part = "regressor", part.regressor
        elif isinstance(part, BaseMLP):
            return "__".join(names)
        else:
            raise TypeError(
                f"fastnn.{caller} needs MLPClassifier, MLPRegressor, or a Pipeline or "
                f"TransformedTargetRegressor whose last step is one of them, got {model!r}. "
                f"For other estimators use sklearn.model_selection.{SKLEARN.get(caller, caller)}."
            )
        names.append(name)


SKLEARN = {"HalvingSearchCV": "HalvingRandomSearchCV"}


def fit_earlier_steps(model, path, X, y, fit_params):
    """Return a fitted copy of the model with a Recorder in place of the network estimator."""
    recorder = Recorder(network_of(model, path))
    if not path:
        return clone(recorder).fit(X, y, **fit_params)
    return clone(model).set_params(**{path: recorder}).fit(X, y, **fit_params)


def network_of(model, path):
    """Return the network estimator of a model that is not fitted."""
    return model.get_params()[path] if path else model


def _nested(fitted):
    """Yield a model from `fit_earlier_steps`, and the models in it, down to the Recorder."""
    while not isinstance(fitted, Recorder):
        yield fitted
        fitted = fitted.steps[-1][1] if isinstance(fitted, Pipeline) else fitted.regressor_
    yield fitted


def with_network(fitted, network):
    """Return the model from `fit_earlier_steps` with a fitted network estimator.

    The earlier steps are shared, not copied.
    """
    if isinstance(fitted, Recorder):
        return network
    whole = copy.copy(fitted)
    if isinstance(fitted, Pipeline):
        name, last = fitted.steps[-1]
        whole.steps = [*fitted.steps[:-1], (name, with_network(last, network))]
        return whole
    whole.regressor_ = with_network(fitted.regressor_, network)
    whole.regressor = clone(whole.regressor_)
    if hasattr(whole.regressor_, "feature_names_in_"):
        whole.feature_names_in_ = whole.regressor_.feature_names_in_
    return whole


def without_transformers(fitted):
    """Return the model from `fit_earlier_steps` without the steps that transform X."""
    if isinstance(fitted, Recorder):
        return fitted
    if isinstance(fitted, Pipeline):
        return without_transformers(fitted.steps[-1][1])
    whole = copy.copy(fitted)
    whole.regressor_ = without_transformers(fitted.regressor_)
    return whole


def transform(fitted, X):
    """Return X as the earlier steps of the model from `fit_earlier_steps` transform it."""
    for model in _nested(fitted):
        if isinstance(model, Pipeline) and len(model.steps) > 1:
            X = model[:-1].transform(X)
    return X


# ---- the training of one network estimator on one fold; many runs train together ----


class Run:
    """Training of a network estimator on a fold.

    Parameters
    ----------
    fold_number : int
    network : MLPClassifier or MLPRegressor
        Not fitted.
    params : dict, optional
        Parameters of the earlier steps.

    Attributes
    ----------
    result : dict
        What `evaluate` of `train_runs` returned, and "fit_time"; with "error", the traceback of
        training that failed.
    """

    result: Any = None
    finished = False  # whether it would train no further
    lock: Any = None  # the kernels.InTraining of its networks

    def __init__(self, fold_number, network, params=None):
        self.fold_number, self.network, self.params = fold_number, network, params

    def start(self, folds, n_threads):
        """Prepare the training. No callback trains the networks then, and no other thread uses them."""
        self.began, self.result = time.perf_counter(), None
        self.fold = folds.fold(self.fold_number, self.params)
        self.check_parameters()
        self.fit = self.make_fit()
        self.fit.n_threads = max(self.fit.n_threads, n_threads)
        self.n_left = self.fit.n_members
        self.lock = InTraining(self.fit.networks)
        self.lock.__enter__()

    def check_parameters(self):
        self.network._validate_params()

    def make_fit(self):
        rows = self.fold.checked_rows(self.network).give_to(self.network)
        return EstimatorFit(self.network, MemoryRows(rows), fresh=True)

    def session(self, member, queue):
        """Return the session of a member."""
        return self.fit.session(member, queue)

    def end_member(self, evaluate):
        """Set the fitted attributes and the result, if all members have ended."""
        self.n_left -= 1
        if self.n_left:
            return
        self.release()
        try:
            self.end()
        except Exception as error:
            self.fail(evaluate, error)
            return
        seconds = time.perf_counter() - self.began
        self.result = evaluate(self.fold, self.network) | {"fit_time": seconds}
        self.close()

    def end(self):
        """Set the fitted attributes."""
        self.fit.end()

    def fail(self, evaluate, error):
        """Set the result of a failure, or raise its error."""
        self.release()
        if evaluate.error_score == "raise":
            raise error
        text = "".join(traceback.format_exception(error))
        seconds = time.perf_counter() - self.began
        self.result = evaluate.failed() | {"fit_time": seconds, "error": text}
        self.close()
        self.network, self.finished = None, True

    def release(self):
        """Let others use the networks. Repeating it is harmless."""
        lock, self.lock = self.lock, None
        if lock is not None:
            lock.__exit__()

    def close(self):
        """Release what only training needs."""
        for name in ("fit", "fold"):
            vars(self).pop(name, None)


def _n_members(network):
    """Return how many networks an estimator trains: 1 if it will refuse their number."""
    n = network.n_estimators
    return n if isinstance(n, Integral) and int(n) > 0 else 1


def train_runs(folds, runs, evaluate, line, n_threads):
    """Train runs together, and evaluate each as soon as it ends.

    Parameters
    ----------
    folds : Folds
    runs : list of Run
    evaluate : callable
        evaluate(fold, network) returns a dict; ``evaluate.error_score`` is "raise" or the score of
        a failure, and ``evaluate.failed()`` the dict of one.
    line
        Shows the progress, as a `training.progress.ManyLine` does, or None.
    n_threads : int
    """
    jobs = [(run, member) for run in runs for member in range(_n_members(run.network))]

    def make(i, queue):
        run, member = jobs[i]
        try:
            if member == 0:
                run.start(folds, n_threads)
            # else an earlier member may have failed
            return run.session(member, queue) if run.result is None else None
        except Exception as error:
            run.fail(evaluate, error)
            return None

    def ended(i, session, error):
        run, _ = jobs[i]
        if run.result is None and error is not None:
            run.fail(evaluate, error)
        elif run.result is None:
            run.end_member(evaluate)

    try:
        train_many(Trainings(n=len(jobs), make=make, ended=ended), n_threads, line)
    finally:
        for run in runs:
            run.release()


class RunTrainer:
    """Trains runs in threads of this process, or in the workers of an executor.

    Parameters
    ----------
    n_jobs, executor, verbose
        As in `cross_validate`.
    """

    def __init__(self, n_jobs, executor, verbose):
        self.executor, self.verbose = executor, check_flag("verbose", verbose)
        if n_jobs is None:
            n_jobs = -1 if executor is None else 1
        self.n_threads = check_threads(n_jobs)  # in this process, or in each worker

    def sharing(self, folds):
        """Return a context manager whose value is what `train` takes as `shared`."""
        return nullcontext() if self.executor is None else SharedObjects([folds])

    def train(self, function, items, shared):
        """Train items, such as runs. Return a list of their results.

        Parameters
        ----------
        function : callable
            function(some items, line, n_threads) returns a list with a result for each.
        items : list
        shared : SharedObjects or None
            What the items have in common; None without an executor.
        """
        line = ManyLine() if self.verbose else None
        function = partial(function, n_threads=self.n_threads)
        if self.executor is None:
            return function(items, line)
        results: list[Any] = [None] * len(items)
        workers = Workers(self.executor, self.n_threads, check_threads(-1), shared)
        ended, item = results.__setitem__, items.__getitem__
        ExecutorPool(workers, len(items), function, item, ended, line).run()
        return results
