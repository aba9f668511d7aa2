"""The lock of an estimator: one thread fits it, and no other thread uses it meanwhile.

It is not an attribute, so that no copy or pickle has it, and `fit` can restore all attributes.
"""

import weakref

from ..kernels import CompiledNetwork


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
