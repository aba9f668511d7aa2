"""Predictions for Dask collections: methods of estimators on each partition."""

import copy
import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..core.errors import placed
from . import partitions
from .runner import delayed_call, delayed_value

Method = TypeVar("Method", bound=Callable[..., Any])

#: Attributes of an estimator that no prediction reads, and that may be large.
NOT_READ = (
    *("oof_prediction_", "oof_rows_", "oof_threshold_", "_fold_of_row", "on_progress"),
    "_stopped_fit",
)


def maps_partitions(method: Method) -> Method:
    """Let a method of an estimator, whose first argument is X, also take a Dask collection.

    It then returns a dask Array for each array that it returns otherwise, and computes nothing.
    """

    @functools.wraps(method)
    def wrapper(self, X, *args, **kwargs):
        if type(X) is np.ndarray or not partitions.is_collection(X):
            return method(self, X, *args, **kwargs)
        return _map(self, functools.partial(method, **kwargs), args, X)

    return wrapper  # type: ignore[return-value]  # of the same parameters: `functools.wraps`


def lean_copy(estimator):
    """Return a copy of an estimator that predicts the same, for tasks."""
    lean = copy.copy(estimator)
    for name in NOT_READ:
        vars(lean).pop(name, None)
    vars(lean)["n_threads"] = 1  # the scheduler runs several partitions at the same time
    return lean


def _map(estimator, method, args, X):
    """Return dask Arrays of what a method returns for each partition of X."""
    import dask.array

    if partitions.is_array(X):
        X = partitions.in_one_column_of_chunks("X", X, (2,))
        lengths = list(X.chunks[0])
    else:
        lengths = [np.nan] * X.npartitions
    lean = lean_copy(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the values of the example
        example = method(lean, _example(estimator, X), *args)
    several = isinstance(example, tuple)
    results = [a[:0] for a in (example if several else (example,))]
    call = delayed_call("predict", functools.partial(_call, method))
    shared = delayed_value("model", (lean, args, results))
    parts = [call(part, shared, i) for i, part in enumerate(partitions.delayed_of(X))]

    def array(k, a):
        blocks = [
            dask.array.from_delayed(part[k], shape=(n, *a.shape[1:]), meta=a)
            for part, n in zip(parts, lengths)
        ]
        return dask.array.concatenate(blocks, allow_unknown_chunksizes=True)

    arrays = tuple(array(k, a) for k, a in enumerate(results))
    return arrays if several else arrays[0]


def _example(estimator, X):
    """Return a row, for which the method shows what it returns."""
    if partitions.is_frame(X):
        from dask.dataframe.utils import make_meta, meta_nonempty

        row = meta_nonempty(make_meta(X)).iloc[:1].copy()
        for i, dtype in enumerate(row.dtypes):
            if dtype.kind not in "biufcmM":  # texts may have to be dates or numbers
                row.isetitem(i, row.iloc[:, i].where([False]))
        return row
    return np.zeros((1, X.shape[1]), X.dtype if X.dtype.kind in "biuf" else np.float64)


def _call(method, X, shared, index):
    """Return the arrays of a partition."""
    estimator, args, results = shared
    if not len(X):
        return results
    with placed(partitions.place(index)):
        out = method(estimator, X, *args)
    return list(out) if isinstance(out, tuple) else [out]
