"""Base classes of all estimators, also of those for tables: attributes, a lock, and `score`.

The lock keeps other threads from using an estimator while one fits it. It is not an attribute, so
that no copy or pickle has it, and `fit` can restore all attributes.
"""

import functools
import weakref
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, mean_squared_error

from ..core.validation import as_array, check_array, check_threads, refuse_classes
from ..distributed.partitions import Partitions, is_collection, lean_copy
from ..kernels import CompiledNetwork, Reading
from .inputs import check_row_weights


class EstimatorLock(CompiledNetwork):
    """The lock of a network, without a network. `InTraining` takes it, and `Reading` checks it."""

    _in_other_thread = (
        "This estimator is being trained in another thread. Wait until fit returns, or fit a copy: "
        "sklearn.base.clone(estimator)."
    )
    _has_begun = (
        "Another thread began to train this estimator during this call, so its result may mix old and "
        "new attributes. Call it again when fit has returned, or fit a copy: "
        "sklearn.base.clone(estimator)."
    )
    _in_same_thread = (
        "fit, partial_fit or calibrate was called while fit or partial_fit of the same estimator "
        "runs, such as by one of its callbacks. Call it after that fit returns, or fit a copy: "
        "sklearn.base.clone(estimator)."
    )


_locks: dict[int, EstimatorLock] = {}  # by id, since an estimator may have no hash


def lock_of(estimator):
    """Return the lock of an estimator, which lives as long as the estimator does."""
    lock = _locks.get(id(estimator))
    if lock is None:
        lock = _locks.setdefault(id(estimator), EstimatorLock())
        weakref.finalize(estimator, _locks.pop, id(estimator), None)
    return lock


READING = "_reading_of_a_copy"  # in pickles, not an attribute


class Attributes(BaseEstimator):
    """What all estimators of fastnn do with their attributes."""

    def __getstate__(self) -> dict[str, Any]:
        with self._reading() as reading:
            state = dict(super().__getstate__())  # which may be `__dict__` itself
        return state | {READING: reading}  # pickling it, after the attributes, checks again

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({name: value for name, value in state.items() if name != READING})

    def _store_parameters(self, arguments):
        """Store the arguments of the constructor as attributes, unchanged."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    @contextmanager
    def _restore_on_error(self, error=Exception):
        """Context manager that restores all attributes if an error of this class occurs."""
        attributes = dict(self.__dict__)
        try:
            yield
        except error:
            self.__dict__.clear()
            self.__dict__.update(attributes)
            raise

    def _reading(self):
        """Return a context for a call that reads attributes and must not overlap a fit in another thread."""
        return Reading([lock_of(self)])


# ---- scores: workers predict their partitions and return sums, which are added in the order of the table ----


class AccuracyScore(ClassifierMixin):
    """A classifier whose `score` also takes Dask collections."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy: the part of the rows whose class, or all of whose labels, is right.

        Parameters
        ----------
        X : array_like, sparse matrix or Dask collection (n, n_features)
            Inputs.
        y : array_like or Dask collection (n,) or (n, n_labels)
            Classes or labels.
        sample_weight : array_like or Dask collection (n,), optional
            Weights of the rows, at least 0.

        Returns
        -------
        float
        """
        if is_collection(X) or is_collection(y):
            return _score(self, X, y, sample_weight, HitSums)
        predicted, sample_weight = self.predict(X), check_row_weights(sample_weight, y)
        y = [*y] if isinstance(y, list) else y  # read once: it may change
        try:
            return float(accuracy_score(y, predicted, sample_weight=sample_weight))
        except TypeError as error:  # classes of several types, which cannot be sorted
            raise TypeError(f"y must hold classes of the type of those of fit: {error}") from error


class R2Score(RegressorMixin):
    """A regressor whose `score` also takes Dask collections."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R^2, the coefficient of determination, averaged over targets.

        Parameters
        ----------
        X : array_like, sparse matrix or Dask collection (n, n_features)
            Inputs.
        y : array_like or Dask collection (n,) or (n, n_targets)
            Targets.
        sample_weight : array_like or Dask collection (n,), optional
            Weights of the rows, at least 0.

        Returns
        -------
        float
        """
        if is_collection(X) or is_collection(y):
            return _score(self, X, y, sample_weight, ErrorSums)
        refuse_classes(y=y, sample_weight=sample_weight)
        y = as_array("y", y)
        sample_weight = check_row_weights(sample_weight, y)
        y = check_array("y", y) if y.dtype.kind in "OUS" else y  # which names y
        return super().score(X, y, sample_weight)


class HitSums(NamedTuple):
    """Weights of the rows of some partitions, from which the accuracy follows."""

    weight: Any
    hits: Any

    @classmethod
    def of(cls, y, prediction, weight):
        total = float(len(y)) if weight is None else float(np.sum(weight))
        if not total:
            return cls(0.0, 0.0)
        hits = accuracy_score(y, prediction, sample_weight=weight, normalize=False)
        return cls(total, float(hits))

    def add(self, other):
        return HitSums(self.weight + other.weight, self.hits + other.hits)

    def score(self):
        return self.hits / self.weight if self.weight else np.nan


class ErrorSums(NamedTuple):
    """Sums over the rows of some partitions, from which R^2 of each target follows.

    Attributes
    ----------
    n_rows : int
    weight : float
    mean : ndarray (n_targets,)
        Of the targets.
    spread, errors : ndarray (n_targets,)
        Sums of the squares of targets minus `mean`, and of targets minus predictions.
    """

    n_rows: Any
    weight: Any
    mean: Any
    spread: Any
    errors: Any

    @classmethod
    def of(cls, y, prediction, weight):
        n, w = len(y), np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
        total = w.sum()
        if not total:
            none = np.zeros(np.shape(prediction)[1:] or 1)
            return cls(0, 0.0, none, none, none)
        errors = total * mean_squared_error(
            y, prediction, sample_weight=w, multioutput="raw_values"
        )
        y = np.asarray(y, np.float64).reshape(n, -1)
        mean = np.where(y.min(axis=0) == y.max(axis=0), y[0], w @ y / total)  # constants: exactly
        return cls(n, total, mean, w @ np.square(y - mean), errors)

    def add(self, other):
        """Return the sums of both, as in Chan, Golub and LeVeque, 1983."""
        weight = self.weight + other.weight
        if not weight:
            return self
        difference, part = other.mean - self.mean, other.weight / weight
        return ErrorSums(
            self.n_rows + other.n_rows,
            weight,
            self.mean + part * difference,
            self.spread + other.spread + self.weight * part * np.square(difference),
            self.errors + other.errors,
        )

    def score(self):
        """Return R^2, averaged over targets, as `sklearn.metrics.r2_score` does."""
        if self.n_rows < 2:
            return np.nan
        constant = np.where(self.errors == 0, 1.0, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(
                np.mean(np.where(self.spread == 0, constant, 1 - self.errors / self.spread))
            )


def _score(estimator, X, y, weight, sums):
    """Return the score of the rows of collections. sums : HitSums or ErrorSums"""
    parts = Partitions(X, y, weight, check_threads(estimator.n_threads))
    try:
        found = parts.look("score", _sums_of_partition, (lean_copy(estimator), sums))
    finally:
        parts.runner.close()
    found = [each for each in found if each is not None]
    if not found:
        raise ValueError("X has no rows. score needs at least one.")
    return float(functools.reduce(sums.add, found).score())


def _sums_of_partition(X, y, weight, shared, index, _):
    """Return the sums of a partition, None if it has no rows."""
    estimator, sums = shared
    if not X.shape[0]:  # sparse chunks have no len
        return None
    weight = None if weight is None else np.asarray(weight)
    return sums.of(np.asarray(y), estimator.predict(X), weight)
