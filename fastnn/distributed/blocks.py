"""Blocks: rows in temporary files of the workers of Dask, from many partitions of a collection.

A sorted table has other rows in each of its partitions. Parts of a network that train on different
rows for hundreds of steps would move apart, so each block takes rows from up to MOST_MIXED
partitions, at equal distances in the table. A hash of the number of a row chooses its block.
"""

import mmap
import os
import sys
import tempfile
import weakref

import numpy as np

from ..training.stream import hashes
from . import shared_objects
from .runner import delayed_call

MOST_MIXED = 16  # partitions of a block
MAX_PIECES = 64  # of a partition
BLOCK_ROWS = 65_536
NO_ROWS = {"y": np.zeros(0), "key": np.zeros(0, np.int32)}
PIECE_SEED = 1  # of the hash that chooses the block of a row


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
            self.digest = shared_objects.write(arrays, file)

    def read(self):
        """Return the arrays, which read the mapped file."""
        with open(self.path, "rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return shared_objects.unpack(content, self.digest)

    def __reduce__(self):
        return StoredBlock, (self.read(),)


def folder():
    """Return the folder for temporary files: that of the worker, if this is one."""
    worker = sys.modules.get("distributed.worker")
    if worker is not None:
        try:
            return worker.get_worker().local_directory
        except ValueError:  # not in a task
            pass
    return shared_objects.large_files()


def _remove(path):
    try:
        os.unlink(path)
    except OSError:  # the folder of a worker is already removed
        pass


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
