"""The partitions of Dask collections, as Delayed objects, and what tasks find and prepare in them.

`fit` passes over all rows twice: `Partitions.look` asks what all rows have in common, and `Partitions.store` prepares
them for training, in blocks on the workers.
"""

from typing import Any

import numpy as np

from ..core.errors import placed
from ..core.validation import describe_type
from .blocks import count_keys, delayed_blocks, mixing, pieces_of
from .runner import (
    SYNC_EVERY,
    configured,
    count_parts,
    current_runner,
    delayed_call,
    delayed_value,
)

SAME_ROWS = "Each computation of the collection must yield the same rows in the same order."


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
    """Return (X, y, weight) of each partition of a DataFrame or an array and of its targets, as Delayed objects or None.

    Parameters
    ----------
    X : dask DataFrame or Array
    y, weight : dask Series, DataFrame, Array or None
        Partitioned as X is.
    """
    if not is_collection(X):
        raise ValueError(
            "y is a Dask collection, but X is in memory. Pass both as collections, or y.compute()."
        )
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
    n = len(parts)
    return list(zip(parts, _beside("y", y, X, n), _beside("sample_weight", weight, X, n)))


def is_frame(collection):
    """Whether a collection is a DataFrame or a Series."""
    # of the class: an object of Dask's Delayed has any attribute
    return is_collection(collection) and hasattr(type(collection), "divisions")


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
    know = all(is_frame(each) and each.known_divisions for each in (X, values))
    if len(parts) != n or (know and tuple(X.divisions) != tuple(values.divisions)):
        raise ValueError(
            f"{name} and X have different partitions ({len(parts):,} and {n:,} of them), so their rows "
            "cannot be paired. Take both from one collection, such as ddf.drop(columns=name) and "
            "ddf[name]."
        )
    return parts


def place(index):
    """Return how messages name a partition."""
    return f"partition {index}"


# ---- two passes ----


class Partitions:
    """The partitions of a collection, and where their tasks run.

    Parameters
    ----------
    X, y, weight
        As in `of`.
    n_threads : int
        Threads in this process, if there is no cluster.

    Attributes
    ----------
    runner : Runner
    lengths : ndarray (n_partitions,) of int
        Number of rows of each partition, which the first pass sets.
    blocks : list of future of StoredBlock
        The rows that `store` has prepared, until `close`. Block b belongs to part ``b % n_parts``.
    n_of_key : ndarray (n_blocks, n_keys) of int
        Number of rows of each block with each key.
    n_parts : int
        Number of parts that train at the same time.
    sync_every : int
        Steps between two averages.
    """

    lengths: Any = None
    blocks: Any = ()

    def __init__(self, X, y, weight, n_threads):
        self.parts = of(X, y, weight)
        self.runner = current_runner(n_threads)

    def __len__(self):
        return len(self.parts)

    @property
    def firsts(self):
        """ndarray: the number of the first row of each partition."""
        return np.cumsum(self.lengths) - self.lengths

    def look(self, name, function, shared, more=None):
        """Return what a function finds in partitions.

        Parameters
        ----------
        name : str
            Of the tasks, for the dashboard.
        function : callable
            function(X, y, weight, shared, index, more) runs in a worker; `index` is the position.
        shared : object
            Each worker gets it once.
        more : dict of int to object, optional
            The positions of the partitions to look at, and the last argument for each; by default
            all, with None.
        """
        more = dict.fromkeys(range(len(self.parts))) if more is None else more
        task, shared = delayed_call(name, _in_partition), delayed_value(name, (function, shared))
        tasks = [task(*self.parts[p], shared, p, value) for p, value in more.items()]
        return self.runner.results(self.runner.compute(tasks))

    def store(self, function, shared, part_rows, n_keys, more=None, on_done=lambda n: None):
        """Let the workers prepare all rows. Return what the function has to say of each partition.

        Parameters
        ----------
        function : callable
            function(X, y, weight, shared, first, more) runs in a worker. It returns arrays with a row for
            each row that is trained on, the numbers of these rows in the collection, and what else
            it has to say. `first` is the number of the first row. Empty partitions say None.
        shared : object
            Each worker gets it once.
        part_rows : int
            Rows that are worth a part.
        n_keys : int
            Number of different keys of the rows.
        more : list, optional
            The last argument for each partition.
        on_done : callable, optional
            on_done(n) is called when n rows are prepared.
        """
        n_rows, ends = int(self.lengths.sum()), np.cumsum(self.lengths)
        self.sync_every = configured("sync-every", SYNC_EVERY)
        self.n_parts = count_parts(len(self.parts), n_rows, part_rows)
        n_pieces, groups = mixing(len(self.parts), self.n_parts, n_rows)
        encode = delayed_call("encode", _encode)
        shared = delayed_value("recipe", (function, shared, n_pieces))
        values = [None] * len(self.parts) if more is None else more
        expected = zip(self.firsts.tolist(), self.lengths.tolist(), values)
        encoded = [
            encode(*part, shared, i, *each)
            for i, (part, each) in enumerate(zip(self.parts, expected))
        ]
        blocks, infos = delayed_blocks(encoded, groups, n_pieces), [each[-1] for each in encoded]
        futures = self.runner.compute([*blocks, *infos])
        found = self.runner.results(futures[len(blocks) :], lambda k: on_done(int(ends[k - 1])))
        self.blocks = futures[: len(blocks)]
        counts = [self.runner.submit("count", count_keys, block, n_keys) for block in self.blocks]
        self.n_of_key = np.array(self.runner.results(counts))
        return found

    def n_at_once(self):
        """Return how many networks train at the same time."""
        return self.runner.n_at_once(self.n_parts)

    def close(self):
        """Let the workers delete the blocks, and end the runner."""
        self.blocks = ()
        self.runner.close()


def _in_partition(X, y, weight, shared, index, more):
    """Return what a function finds in a partition."""
    function, value = shared
    with placed(place(index)):
        return function(X, y, weight, value, index, more)


def _encode(X, y, weight, shared, index, first, n, more):
    """Return a list: the pieces of a partition for its blocks, and what its function has to say."""
    function, value, n_pieces = shared
    with placed(place(index)):
        if len(X) != n:
            raise ValueError(
                f"X has {len(X):,} rows in this pass, but had {n:,} before. {SAME_ROWS}"
            )
        arrays, numbers, info = {}, np.zeros(0, np.intp), None
        if n:
            arrays, numbers, info = function(X, y, weight, value, first, more)
    return [*pieces_of(arrays, numbers, n_pieces), info]
