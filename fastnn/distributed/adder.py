"""Adders: sums over parts of the rows, in the order of a binary tree, which begins with the shards or blocks of a
machine (`add_in_tree`) and continues over ranks; or over ranks in the order of their communicator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .communicator import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from numpy.typing import NDArray

    from .communicator import Communicator


SCATTER_BYTES = 1 << 15  # a sum of at least this number of bytes is scattered (decision 0044)


def add_in_tree(values: Iterable[Any]) -> Any:
    """Return the sum of the values of parts: of eight, ((0+1)+(2+3)) + ((4+5)+(6+7)).

    Neighbours are added again and again, and the last one is left over if their number is odd.

    values : iterable of ndarray of one shape, at least one, such as an ndarray (n_shards, k)
    """
    values = list(values)
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2])
        values = [a + b for a, b in pairs] + values[len(values) // 2 * 2 :]
    return values[0]


class Adder:
    """Base class: numbers of this rank, which a call replaces by their sums over all ranks.

    Attributes
    ----------
    sums : ndarray (n,) of the dtype
    totals : ndarray (n_totals,) of float64, or None
    flags : ndarray (n_flags,)
        Sums that are not for those who fill the totals.
    """

    sums: NDArray[Any]
    totals: Any  # None without any
    flags: NDArray[Any]

    def __call__(self) -> None:
        """Sum in place."""
        raise NotImplementedError

    def clear(self) -> None:
        """Set all numbers to 0."""
        self.sums[:] = self.flags[:] = 0
        if self.totals is not None:
            self.totals[:] = 0


class TreeAdder(Adder):
    """Sums over ranks with the same bits on all, and for each power of two of ranks that hold the
    same shards.

    At level l a rank exchanges its sum with that of rank ^ 2^l (recursive doubling). Addition
    commutes, so both get the same bits. Of P ranks, the last P - 2^floor(log2 P) first send theirs
    to a rank of the others, and get the result at the end.

    Long sums are scattered: at each level both ranks of a pair exchange half of what they still have
    to sum, so each adds half of it (recursive halving). Then they exchange the results in the opposite order.
    Each number is the sum over the same tree, so the bits are the same.

    Parameters
    ----------
    comm : Communicator
    n : int
        Number of sums of the dtype.
    n_totals : int
        Number of sums in float64.
    dtype : dtype
    n_flags : int, default 0
    scatters : bool, optional
        Whether the sums of the dtype are scattered. By default this depends on their size.
    """

    def __init__(
        self,
        comm: Communicator,
        n: int,
        n_totals: int,
        dtype: Any = np.float64,
        n_flags: int = 0,
        scatters: bool | None = None,
    ) -> None:
        self.comm = comm
        self.n_main = 1 << (comm.size.bit_length() - 1)  # ranks that exchange at all levels
        is_long = n * np.dtype(dtype).itemsize >= SCATTER_BYTES
        self.scatters = is_long if scatters is None else scatters
        length = -(-n // self.n_main) * self.n_main  # halves of halves have the same length
        self.mine = _Block(length, n_totals + n_flags, dtype)
        self.others = _Block(length, n_totals + n_flags, dtype)
        self.sums = self.mine.sums[:n]
        self.totals, self.flags = self.mine.totals[:n_totals], self.mine.totals[n_totals:]

    def __call__(self) -> None:
        comm, rank, n = self.comm, self.comm.rank, self.n_main
        mine, others = self.mine, self.others
        if rank >= n:
            # what comes back is not the sum yet
            comm.sendrecv(mine.bytes, others.bytes, rank - n)
            comm.sendrecv(mine.bytes, others.bytes, rank - n)
            mine.bytes[:] = others.bytes
            return
        if rank + n < comm.size:
            comm.sendrecv(mine.bytes, others.bytes, rank + n)
            mine.add(others)
        partners = [rank ^ 1 << level for level in range(n.bit_length() - 1)]
        for partner in partners:
            if self.scatters:
                comm.sendrecv(bytes_of(mine.totals), bytes_of(others.totals), partner)
                mine.totals += others.totals
            else:
                comm.sendrecv(mine.bytes, others.bytes, partner)
                mine.add(others)
        if self.scatters:
            self._halve(partners)
        if rank + n < comm.size:
            comm.sendrecv(mine.bytes, others.bytes, rank + n)

    def _halve(self, partners):
        """Sum the numbers of the dtype over the first ranks, half of them at each level."""
        comm, mine, others = self.comm, self.mine.sums, self.others.sums
        first, n, halves = 0, len(mine), []
        for partner in partners:
            n //= 2
            kept, sent = (first, first + n) if comm.rank < partner else (first + n, first)
            comm.sendrecv(
                bytes_of(mine[sent : sent + n]), bytes_of(others[kept : kept + n]), partner
            )
            mine[kept : kept + n] += others[kept : kept + n]
            halves.append((partner, kept, sent, n))
            first = kept
        for partner, kept, sent, n in reversed(halves):
            comm.sendrecv(bytes_of(mine[kept : kept + n]), bytes_of(mine[sent : sent + n]), partner)


class _Block:
    """Memory for n numbers of a dtype and n_totals of float64, and the same memory as bytes."""

    def __init__(self, n, n_totals, dtype):
        n_bytes = n * np.dtype(dtype).itemsize
        memory = np.zeros(-(-n_bytes // 8) + n_totals)
        self.bytes = bytes_of(memory)
        self.sums, self.totals = self.bytes[:n_bytes].view(dtype), memory[len(memory) - n_totals :]

    def add(self, other):
        self.sums += other.sums
        self.totals += other.totals


class CommunicatorAdder(Adder):
    """Sums over ranks in the order of the communicator, in one buffer of the dtype."""

    totals = None

    def __init__(self, comm: Communicator, n: int, dtype: Any, n_flags: int = 0) -> None:
        self._numbers = np.zeros(n + n_flags, dtype)
        self.sums, self.flags = self._numbers[:n], self._numbers[n:]
        self._allreduce = comm.allreduce

    def __call__(self) -> None:
        self._allreduce(self._numbers)
