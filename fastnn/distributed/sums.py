"""Sums over ranks: in the order of a binary tree, which continues that of the shards of a rank, or in
that of the communicator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .communicator import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from numpy.typing import NDArray

    from .communicator import Communicator


class TreeSum:
    """Sums over ranks with the same bits on all, and for each power of two of ranks that hold the
    same shards.

    At level l a rank exchanges its sum with that of rank ^ 2^l (recursive doubling). Addition
    commutes, so both get the same bits. Of P ranks, the last P - 2^floor(log2 P) first send theirs
    to a rank of the others, and get the result at the end.

    Parameters
    ----------
    comm : Communicator
    n : int
        Number of sums of the dtype.
    n_totals : int
        Number of sums in float64.
    dtype : dtype

    Attributes
    ----------
    sums : ndarray (n,) of the dtype
    totals : ndarray (n_totals,) of float64
    """

    def __init__(self, comm: Communicator, n: int, n_totals: int, dtype: Any = np.float64) -> None:
        self.comm = comm
        self.n_main = 1 << (comm.size.bit_length() - 1)  # ranks that exchange at all levels
        self.bytes, self.sums, self.totals = _block(n, n_totals, dtype)
        self._received, *self._others = _block(n, n_totals, dtype)

    def __call__(self) -> None:
        """Sum in place."""
        comm, rank, n = self.comm, self.comm.rank, self.n_main
        if rank >= n:
            comm.sendrecv(
                self.bytes, self._received, rank - n
            )  # what comes back is not the sum yet
            comm.sendrecv(self.bytes, self._received, rank - n)
            self.bytes[:] = self._received
            return
        if rank + n < comm.size:
            self._exchange(rank + n)
        distance = 1
        while distance < n:
            self._exchange(rank ^ distance)
            distance *= 2
        if rank + n < comm.size:
            comm.sendrecv(self.bytes, self._received, rank + n)

    def _exchange(self, partner):
        self.comm.sendrecv(self.bytes, self._received, partner)
        self.sums += self._others[0]
        self.totals += self._others[1]


def _block(n, n_totals, dtype):
    """Return a block of memory as bytes, and its parts: n numbers, then totals."""
    n_bytes = n * np.dtype(dtype).itemsize
    memory = np.zeros(-(-n_bytes // 8) + n_totals)
    block = bytes_of(memory)
    return block, block[:n_bytes].view(dtype), memory[len(memory) - n_totals :]


class PlainSum:
    """Sums over ranks in the order of the communicator, in one buffer of the dtype.

    Attributes
    ----------
    sums : ndarray (n,) of the dtype
    totals : None
    """

    totals = None

    def __init__(self, comm: Communicator, n: int, dtype: Any) -> None:
        self.sums = np.zeros(n, dtype)
        self._allreduce = comm.allreduce

    def __call__(self) -> None:
        """Sum in place."""
        self._allreduce(self.sums)


def sum_shards(values: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the sum of the values of shards, in the order of their tree.

    values : iterable of ndarray of one shape, at least one, such as an ndarray (n_shards, k)
    """
    levels: list = []  # (level, sum of 2^level shards), like the digits of a binary number
    for value in values:
        level = 0
        while levels and levels[-1][0] == level:
            value = levels.pop()[1] + value
            level += 1
        levels.append((level, value))
    total = levels.pop()[1]
    while levels:
        total = levels.pop()[1] + total
    return total
