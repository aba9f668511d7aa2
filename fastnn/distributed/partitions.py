"""The partitions of Dask collections: rows to train on in blocks, and predictions.

`fit` passes over all rows twice: `Partitions.look` asks what all rows have in common, and
`Partitions.store` prepares them for training, in blocks: rows in temporary files of the workers, from
many partitions.

A sorted table has other rows in each of its partitions. Parts of a network that train on different
rows for hundreds of steps would move apart, so each block takes rows from up to MOST_MIXED
partitions, at equal distances in the table. A hash of the number of a row chooses its block.
"""

import copy
import functools
import os
import sys
import tempfile
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from ..core.errors import placed
from ..core.validation import describe_type
from ..training.stream import hashes
from . import shared_objects
from .runner import SYNC_EVERY, configured, count_parts, current_runner, delayed_call, delayed_value

SAME_ROWS = "Each pass must yield the same rows in the same order."  # in messages
MOST_MIXED = 16  # partitions of a block
MAX_PIECES = 64  # of a partition
BLOCK_ROWS = 65_536
NO_ROWS = {"y": np.zeros(0), "key": np.zeros(0, np.int32)}
PIECE_SEED = 1  # of the hash that chooses the block of a row
#: Attributes of an estimator that no prediction reads, and that may be large.
NOT_READ = (
    *("oof_prediction_", "oof_rows_", "oof_threshold_", "_fold_of_row", "on_progress"),
    "_stopped_fit",
)


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


def refuse_beside_collections(**arguments):
    """Raise ValueError for the first argument that is not None or False."""
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise ValueError(
                f"{name} does not work with a Dask collection. Leave it out, or pass a table in memory: "
                "X.compute()."
            )


def _delayed_parts(X, y, weight=None):
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
        values = _chunked_as(X, name, in_one_column_of_chunks(name, values, (1, 2)))
    parts = delayed_of(values)
    know = all(is_frame(each) and each.known_divisions for each in (X, values))
    if len(parts) != n or (know and tuple(X.divisions) != tuple(values.divisions)):
        raise ValueError(
            f"{name} and X have different partitions ({len(parts):,} and {n:,} of them), so their rows "
            "cannot be paired. Take both from one collection, such as ddf.drop(columns=name) and "
            "ddf[name]."
        )
    return parts


def _chunked_as(X, name, values):
    """Return a dask Array with the chunks of X, if both know theirs."""
    if not is_array(X) or np.isnan([*X.chunks[0], *values.chunks[0]]).any():
        return values
    if values.shape[0] != X.shape[0]:
        raise ValueError(
            f"X has {X.shape[0]:,} rows, but {name} has {values.shape[0]:,}. Pass one value for "
            "each row."
        )
    return values.rechunk({0: X.chunks[0]})


def place(index):
    """Return how messages name a partition."""
    return f"partition {index}"


# ---- two passes ----


class Partitions:
    """The partitions of a collection, and where their tasks run.

    Parameters
    ----------
    X, y, weight
        As in `_delayed_parts`.
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
        self.parts = _delayed_parts(X, y, weight)
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


# ---- blocks ----


class StoredBlock:
    """Arrays of rows in a temporary file of the process that has made them.

    It is small, so Dask keeps it in memory, and the file is mapped for as long as a task reads it.
    The file is deleted with the object. To another process the object travels with its rows, which
    are written to a file there.

    Parameters
    ----------
    arrays : dict of str to ndarray
    """

    def __init__(self, arrays):
        handle, self.path = tempfile.mkstemp(prefix="fastnn-block-", dir=folder())
        self._remove = weakref.finalize(self, _remove, self.path)
        with open(handle, "wb") as file:
            self.digest = shared_objects.pack(arrays, file)

    def read(self):
        """Return the arrays, which read the mapped file."""
        return shared_objects.unpack(shared_objects.map_file(self.path), self.digest)

    def __reduce__(self):
        return StoredBlock, (self.read(),)


def folder():
    """Return the folder for temporary files: that of the worker, if this is one."""
    worker = sys.modules.get("distributed.worker")
    if worker is not None:
        with suppress(ValueError):  # not in a task
            return worker.get_worker().local_directory
    return shared_objects.large_files()


def _remove(path):
    with suppress(OSError):  # the folder of a worker is already removed
        os.unlink(path)


def mixing(n_partitions, n_parts, n_rows):
    """Return the number of pieces of each partition, and the partitions of each group whose rows are mixed.

    A group has as many blocks as a partition has pieces: a multiple of the number of parts.
    """
    n_groups = -(-n_partitions // MOST_MIXED)
    blocks = max(1, round(n_rows / (n_groups * n_parts * BLOCK_ROWS)))
    n_pieces = n_parts * max(1, min(blocks, MAX_PIECES // n_parts))
    return n_pieces, [range(g, n_partitions, n_groups) for g in range(n_groups)]


def delayed_blocks(encoded, groups, n_pieces):
    """Return Delayed StoredBlocks. encoded : Delayed list of each partition, whose first items are its pieces"""
    join = delayed_call("block", join_pieces)
    return [
        join([encoded[p][i] for p in group], g * n_pieces + i)
        for g, group in enumerate(groups)
        for i in range(n_pieces)
    ]


def pieces_of(arrays, numbers, n_pieces):
    """Return the rows of a partition in pieces for its blocks: a list of dicts of arrays.

    Parameters
    ----------
    arrays : dict of str to ndarray, INOUT
        With a row of each for every row that is trained on. It is empty after this.
    numbers : ndarray (n,) of int
        Of these rows in the table.
    n_pieces : int
    """
    piece = (hashes(numbers, PIECE_SEED) % np.uint64(n_pieces)).astype(np.intp)
    order = np.argsort(piece, kind="stable")
    ends = np.cumsum(np.bincount(piece, minlength=n_pieces))[:-1]
    pieces: list[dict] = [{} for _ in range(n_pieces)]
    while arrays:  # each is freed when it has been copied
        name, a = arrays.popitem()
        for each, rows in zip(pieces, np.split(order, ends)):
            each[name] = a[rows]
    return pieces


def join_pieces(pieces, block):
    """Return the StoredBlock of pieces, whose rows are shuffled."""
    pieces = [piece for piece in pieces if piece] or [NO_ROWS]  # an empty partition has no arrays
    n = sum(len(piece["y"]) for piece in pieces)
    order = np.random.default_rng([PIECE_SEED, block]).permutation(n)
    return StoredBlock(
        {name: np.concatenate([piece[name] for piece in pieces])[order] for name in pieces[0]}
    )


def count_keys(block, n_keys):
    """Return the number of rows of a StoredBlock with each key."""
    return np.bincount(block.read()["key"], minlength=n_keys)


Method = TypeVar("Method", bound=Callable[..., Any])


# ---- predictions ----


def maps_partitions(method: Method) -> Method:
    """Let a method of an estimator, whose first argument is X, also take a Dask collection.

    It then returns a dask Array for each array that it returns otherwise, and computes nothing.
    """

    @functools.wraps(method)
    def wrapper(self, X, *args, **kwargs):
        if type(X) is np.ndarray or not is_collection(X):
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

    if is_array(X):
        X = in_one_column_of_chunks("X", X, (2,))
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
    parts = [call(part, shared, i) for i, part in enumerate(delayed_of(X))]

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
    if is_frame(X):
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
    if not X.shape[0]:  # sparse chunks have no len
        return results
    with placed(place(index)):
        out = method(estimator, X, *args)
    return list(out) if isinstance(out, tuple) else [out]
