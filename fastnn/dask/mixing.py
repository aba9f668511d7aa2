"""Mixing: blocks whose rows come from many partitions.

A sorted table has other rows in each of its partitions. Parts of a network that train on different
rows for hundreds of steps would move apart, so each block takes rows from up to MOST_MIXED
partitions, at equal distances in the table. A hash of the number of a row chooses its block.
"""

import numpy as np

from ..training.stream import hashes
from .delayed import delayed_call
from .stored_block import StoredBlock

MOST_MIXED = 16  # partitions of a block
MAX_PIECES = 64  # of a partition
BLOCK_ROWS = 65_536
NO_ROWS = {"y": np.zeros(0), "key": np.zeros(0, np.int32)}
PIECE_SEED = 1  # of the hash that chooses the block of a row


class Mixing:
    """Which block each row belongs to.

    Parameters
    ----------
    n_partitions, n_parts : int
        The number of blocks is a multiple of the number of parts that train at the same time.
    n_rows : int

    Attributes
    ----------
    groups : list of range
        The partitions of each group, whose rows are in the same blocks.
    n_pieces : int
        Number of blocks of each group.
    """

    def __init__(self, n_partitions, n_parts, n_rows):
        n_groups = -(-n_partitions // MOST_MIXED)
        self.groups = [range(g, n_partitions, n_groups) for g in range(n_groups)]
        blocks = max(1, round(n_rows / (n_groups * n_parts * BLOCK_ROWS)))
        self.n_pieces = n_parts * max(1, min(blocks, MAX_PIECES // n_parts))

    @property
    def n_blocks(self):
        return len(self.groups) * self.n_pieces

    def delayed(self, encoded):
        """Return Delayed StoredBlocks. encoded : Delayed Encoded partitions"""
        piece, join = delayed_call("piece", take_piece), delayed_call("block", join_pieces)
        return [
            join([piece(encoded[p], i) for p in group], g * self.n_pieces + i)
            for g, group in enumerate(self.groups)
            for i in range(self.n_pieces)
        ]


class Encoded:
    """The rows of a partition as networks read them, in pieces for its blocks.

    Parameters
    ----------
    arrays : dict of str to ndarray
        With a row of each for every row that is trained on.
    numbers : ndarray (n,) of int
        Of these rows in the table.
    n_pieces : int
    info
        What else the partition has to say.
    """

    def __init__(self, arrays, numbers, n_pieces, info=None):
        self.info = info
        piece = (hashes(numbers, PIECE_SEED) % np.uint64(n_pieces)).astype(np.intp)
        order = np.argsort(piece, kind="stable")
        ends = np.cumsum(np.bincount(piece, minlength=n_pieces))[:-1]
        self.pieces: list[dict] = [{} for _ in range(n_pieces)]
        while arrays:  # each is freed when it has been copied
            name, a = arrays.popitem()
            for each, rows in zip(self.pieces, np.split(order, ends)):
                each[name] = a[rows]


def take_piece(encoded, i):
    """Return the rows of an Encoded partition that belong to one block."""
    return encoded.pieces[i]


def take_info(encoded):
    """Return what an Encoded partition has to say besides its rows."""
    return encoded.info


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
    return np.bincount(block.read(["key"])["key"], minlength=n_keys)
