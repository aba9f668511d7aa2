"""Which rows a rank holds: neighbouring virtual shards of all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.validation import check_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..state import TrainingState

DEFAULT_SHARDS = 16


def part(n: int, rank: int, size: int, shards: int = DEFAULT_SHARDS) -> slice:
    """Return which of n rows a rank holds.

    Shard j of S has floor((n + j) / S) rows, those after the rows of shard j - 1. Rank r of P has
    the shards from floor(r S / P) to floor((r + 1) S / P).

    Parameters
    ----------
    n : int
        Number of rows of all ranks.
    rank, size : int
        The number of the rank, from 0, and that of all ranks.
    shards : int, default 16
        Number of virtual shards, as in `MLP.fit`; 0: each rank is one.

    Returns
    -------
    slice

    Raises
    ------
    ValueError
        There are more ranks than shards.

    Examples
    --------
    >>> from fastnn.distributed import part
    >>> [part(1000, rank, size=3) for rank in range(3)]
    [slice(0, 310, None), slice(310, 622, None), slice(622, 1000, None)]
    """
    n, size = check_count("n", n, minimum=0), check_count("size", size)
    if not 0 <= rank < size:
        raise ValueError(f"rank must be from 0 to {size - 1}, got {rank}.")
    starts = np.concatenate([[0], np.cumsum(shard_lengths(n, count(shards, size)))])
    first, n_shards = owned(rank, size, count(shards, size))
    return slice(int(starts[first]), int(starts[first + n_shards]))


def count(shards: int, size: int) -> int:
    """Return the number of shards, after checks. shards : as in `part`"""
    shards = check_count("shards", shards, minimum=0)
    if shards & (shards - 1):
        raise ValueError(f"shards must be a power of two, or 0, got {shards}.")
    if shards and size > shards:
        raise ValueError(
            f"{size} ranks cannot share {shards} shards. Pass shards={1 << (size - 1).bit_length()} "
            "or more, or fewer ranks."
        )
    return shards or size


def shard_lengths(n: int, n_shards: int) -> NDArray[np.intp]:
    """Return the number of rows of each shard."""
    return np.array([(n + j) // n_shards for j in range(n_shards)], dtype=np.intp)


def owned(rank: int, size: int, n_shards: int) -> tuple[int, int]:
    """Return the first shard of a rank, and their number."""
    first = rank * n_shards // size
    return first, (rank + 1) * n_shards // size - first


def check_same_shards(state: TrainingState, n_shards: int | None) -> None:
    """Check that a training continues with the same number of shards, or None without shards."""
    if state.step > 0 and state.shards != n_shards:
        was, now = (
            "without shards" if n is None else f"with {n} shards" for n in (state.shards, n_shards)
        )
        raise ValueError(
            f"resume=True continues a training {was}, but this one is {now}. Pass the same shards, "
            "or resume=False."
        )
    state.shards = n_shards
