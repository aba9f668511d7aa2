"""Batches of rows in virtual shards, which train with the same bits on any number of machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, as in splitmix64


def shard_batches(
    n: int, batch_size: int, n_shards: int, seed: int | None = None, epoch: int = 0
) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of each batch of an epoch.

    Shard j of S has floor((n + j) / S) rows, those after the rows of shard j - 1. After t batches,
    the epoch has used floor((t B + j) / S) of them, or all. Batches without rows are left out.

    Parameters
    ----------
    n : int
        Number of rows.
    batch_size : int
        B.
    n_shards : int
        S.
    seed : int, optional
        Of the order of the rows of each shard, which are not shuffled by default.
    epoch : int, default 0

    Yields
    ------
    array of int
        The rows of shard 0, then those of shard 1, ...
    """
    orders, first = [], 0
    for shard in range(n_shards):
        rows = first + np.arange((n + shard) // n_shards)
        first += len(rows)
        if seed is not None:
            rows = rows[shuffled(len(rows), mix_in(mix_in(seed, epoch), shard))]
        orders.append(rows)
    used, t = np.zeros(n_shards, int), 0
    while used.sum() < n:
        t += 1
        ends = [min((t * batch_size + j) // n_shards, len(rows)) for j, rows in enumerate(orders)]
        batch = np.concatenate([rows[a:b] for rows, a, b in zip(orders, used, ends)])
        used = np.array(ends)
        if len(batch):
            yield batch


def shuffled(n: int, state: int) -> NDArray[np.intp]:
    """Return a permutation of n numbers, drawn by splitmix64 (Steele, Lea and Flood, 2014).

    For i = n - 1 .. 1 swap i and a random j <= i, which is the upper half of a number under the next
    mask of ones, drawn again while it is above i (Fisher and Yates, 1938).
    """
    order = np.arange(n)
    for i in range(n - 1, 0, -1):
        mask, j = 2 ** int(i).bit_length() - 1, n
        while j > i:
            state = (state + GOLDEN) & MASK
            j = (mix(state) >> 32) & mask
        order[i], order[j] = order[j], order[i]
    return order


def mix(x: int) -> int:
    """Return the hash of a number of 64 bits: the finaliser of splitmix64."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def mix_in(key: int, number: int) -> int:
    """Return a key made of another key and a number."""
    return mix((key + GOLDEN * (number + 1)) & MASK)
