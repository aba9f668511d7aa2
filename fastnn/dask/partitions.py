"""The partitions of Dask collections, as Delayed objects."""

from typing import Any, NamedTuple

import numpy as np

from ..core.validation import describe_type


class Partition(NamedTuple):
    """Some rows of a collection, each None or a Delayed object."""

    X: Any
    y: Any
    weight: Any


def is_collection(value):
    """Whether a value is a collection of Dask. It imports nothing."""
    return hasattr(value, "__dask_graph__")


def refuse_collections(**arguments):
    """Raise ValueError for the first argument that is a collection."""
    for name, value in arguments.items():
        if is_collection(value):
            raise ValueError(
                f"{name} is a Dask collection, which works with fit, score and predictions alone. Pass "
                f"rows in memory: {name}.compute()."
            )


def refuse(**arguments):
    """Raise ValueError for the first argument that is not None or False."""
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise ValueError(
                f"{name} does not work with a Dask collection. Leave it out, or pass a table in memory: "
                "X.compute()."
            )


def of(X, y, weight=None):
    """Return the Partitions of a DataFrame or an array and of its targets.

    Parameters
    ----------
    X : dask DataFrame or Array
    y, weight : dask Series, DataFrame, Array or None
        Partitioned as X is.
    """
    if not is_frame(X) and not is_array(X):
        raise ValueError(f"X is {describe_type(X)} of Dask. Pass a dask DataFrame or a dask Array.")
    if X.ndim == 1:
        raise ValueError(
            f"X is {describe_type(X)} of Dask, which is one column. Pass a table, such as ddf[[name]], "
            "or an array of shape (n, n_features)."
        )
    if is_array(X):
        X = in_one_column_of_chunks("X", X, (2,))
    parts = delayed_of(X)
    return [
        Partition(*each)
        for each in zip(
            parts,
            _beside("y", y, X, len(parts)),
            _beside("sample_weight", weight, X, len(parts)),
        )
    ]


def is_frame(collection):
    """Whether a collection is a DataFrame or a Series."""
    kind = type(collection)  # an object of Dask's Delayed has any attribute
    return (
        is_collection(collection) and hasattr(kind, "map_partitions") and hasattr(kind, "divisions")
    )


def is_array(collection):
    return is_collection(collection) and hasattr(type(collection), "map_blocks")


def in_one_column_of_chunks(name, array, dimensions):
    """Return a dask Array whose chunks have all columns."""
    if array.ndim not in dimensions:
        expected = " or ".join(map(str, dimensions))
        raise ValueError(
            f"{name} must have {expected} dimensions, but has {array.ndim}. Reshape it."
        )
    if array.ndim == 2 and array.numblocks[1] > 1:
        return array.rechunk({1: -1})
    return array


def delayed_of(collection):
    """Return a list of Delayed objects, one for each partition."""
    return list(np.ravel(np.array(collection.to_delayed(), object)))


def _beside(name, values, X, n):
    """Return the partitions of the values beside X, a list of None if there are none."""
    if values is None:
        return [None] * n
    if not is_frame(values) and not is_array(values):
        raise ValueError(
            f"X is a Dask collection, but {name} is {describe_type(values)}. Pass a collection with the "
            "same partitions, such as ddf[name]."
        )
    if is_array(values):
        values = in_one_column_of_chunks(name, values, (1, 2))
        if is_array(X) and not np.isnan([*X.chunks[0], *values.chunks[0]]).any():
            if values.shape[0] != X.shape[0]:
                raise ValueError(
                    f"X has {X.shape[0]:,} rows, but {name} has {values.shape[0]:,}. Pass one value for "
                    "each row."
                )
            values = values.rechunk({0: X.chunks[0]})
    parts = delayed_of(values)
    other = _divisions(X), _divisions(values)
    if len(parts) != n or (None not in other and other[0] != other[1]):
        raise ValueError(
            f"{name} and X have different partitions ({len(parts):,} and {n:,} of them), so their rows "
            "cannot be paired. Take both from one collection, such as ddf.drop(columns=name) and "
            "ddf[name]."
        )
    return parts


def _divisions(collection):
    """Return the divisions of a DataFrame or Series, None if they are unknown."""
    if not is_frame(collection) or not collection.known_divisions:
        return None
    return tuple(collection.divisions)


def place(index):
    """Return how messages name a partition."""
    return f"partition {index}"
