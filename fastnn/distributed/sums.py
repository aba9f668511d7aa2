"""Sums over ranks or blocks of rows, and averages of networks that have trained apart on these parts.

An Adder sums in the order of a binary tree, which begins with the shards or blocks of a machine
(`add_in_tree`) and continues over ranks; or over ranks in the order of their communicator.

For an average, a part adds its parameters and moments, times its weight, to a sum in float64
(`summand`). The sums are added in a binary tree, and the total is divided by the sum of the weights
(`write_means`). So the bits depend on the parts and their order alone, not on who adds which of them.

The second moments of Adam become those of averaged gradients. Adam divides its steps by the root of
v, the mean of g^2. The gradient of a part has fewer rows than the batch, so more noise, and its v is
larger: by the number of parts where noise is all there is. Steps would be shorter than with averaged
gradients, no matter how often parameters are averaged (Wang and Aitchison, 2024, arXiv:2402.18824,
describe both kinds of v).

How much larger follows from the first moments m. They are means of the same gradients, and after k
steps from the same m they differ between parts by noise alone. With
c = (1 - b1) (1 - b1^2k) / (1 + b1), ::

    noise = (mean |m|^2 - |mean m|^2) / c             |g|^2 of a part, minus |g|^2 of the averaged gradient
    f = 1 - noise / |g|^2,  1 / parts <= f <= 1
    v = b2^k v_before + f (mean v - b2^k v_before)

where means are over parts, and |g|^2 is the sum of mean v - b2^k v_before, divided by 1 - b2^k.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import optimizers
from .communicator import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .communicator import Communicator


M, V, LARGEST_V = range(3)  # rows of the moments
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


# ---- averages ----


class PartNumbers(NamedTuple):
    """Numbers of a part behind its parameters and moments, which are added like these."""

    weight: float = 0.0
    square: float = 0.0  # |m|^2 times the weight
    has_rows: float = 0.0
    loss: float = 0.0
    has_failed: float = 0.0


def summand_length(n_params: int, moments: NDArray[Any]) -> int:
    """Return the length of what a part adds."""
    return n_params + moments.size + len(PartNumbers())


def summand(
    optimizer: Any, params: NDArray[Any], moments: NDArray[Any], weight: float, loss: float
) -> NDArray[np.float64]:
    """Return what a part adds to the sums.

    weight : float, at least 0, such as the number of rows that the part trained on
    loss : float, a sum over these rows
    """
    with np.errstate(over="ignore"):
        numbers = [np.multiply(a, weight, dtype=np.float64).ravel() for a in (params, moments)]
        square = weight * _first_square(optimizer, moments)
    return np.concatenate([*numbers, PartNumbers(float(weight), square, weight > 0, loss)])


def failed_summand(n: int, loss: float) -> NDArray[np.float64]:
    """Return what a part adds that has no finite network. n : its `summand_length`"""
    return np.concatenate(
        [np.zeros(n - len(PartNumbers())), PartNumbers(loss=loss, has_failed=1.0)]
    )


def write_means(
    optimizer: Any,
    total: NDArray[np.float64],
    params: NDArray[Any],
    moments: NDArray[Any],
    before: NDArray[Any],
    n_steps: int,
) -> PartNumbers:
    """Write the means of all parts to parameters and moments, in place, and return the sums behind them.

    If all weights are 0, or a part has failed, nothing is written.

    Parameters
    ----------
    optimizer : Optimizer
    total : ndarray
        The sum of what `summand` returned for each part; its bits depend on the order of the sum.
    params : ndarray (n_params,)
    moments : ndarray (n_moments, n_params)
    before : ndarray (n_moments, n_params)
        The moments that all parts began with.
    n_steps : int
        Steps that they have taken since then.
    """
    numbers = PartNumbers(*total[-len(PartNumbers()) :].tolist())
    if numbers.weight and not numbers.has_failed:
        with np.errstate(all="ignore"):
            params[...] = total[: params.size] / numbers.weight
            first = params.size
            moments[...] = (total[first : first + moments.size] / numbers.weight).reshape(
                moments.shape
            )
            _as_of_averaged_gradients(optimizer, numbers, moments, before, n_steps)
    return numbers


def _first_square(optimizer, moments):
    """Return |m|^2 of a part, 0 if the optimizer has no m and v."""
    if not isinstance(optimizer, (optimizers.Adam, optimizers.NAdam)):
        return 0.0
    m = moments[M].astype(np.float64)
    return float(m @ m)


def _as_of_averaged_gradients(optimizer, numbers, moments, before, n_steps):
    """Change the mean v of all parts to that of averaged gradients, in place.

    Other optimizers than Adam, AdamW and NAdam keep their moments.
    """
    has_both = isinstance(optimizer, (optimizers.Adam, optimizers.NAdam))
    if numbers.has_rows < 2 or n_steps < 1 or not has_both:
        return
    b1, b2 = optimizer.betas
    kept = b2**n_steps * before[V].astype(np.float64)
    added = moments[V] - kept
    c = (1 - b1) * (1 - b1 ** (2 * n_steps)) / (1 + b1)
    noise = (numbers.square / numbers.weight - _first_square(optimizer, moments)) / c
    square = added.sum() / (1 - b2**n_steps)
    factor = min(1.0, max(1 - noise / square, 1 / numbers.has_rows)) if square > 0 else 1.0
    moments[V] = kept + factor * added
    if optimizer.to_kernel()["amsgrad"]:
        moments[LARGEST_V] = np.maximum(before[LARGEST_V], moments[V])
