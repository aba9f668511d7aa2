"""Constructor arguments, restoring the attributes after a failed fit, and the lock of an estimator.

The lock keeps other threads from using an estimator while one fits it. It is not an attribute, so
that no copy or pickle has it, and `fit` can restore all attributes.
"""

import weakref
from contextlib import contextmanager
from typing import Any

from sklearn.base import BaseEstimator

from ..kernels import CompiledNetwork, Reading


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
