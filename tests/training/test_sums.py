"""Sums over ranks: the same bits by recursive doubling, by recursive halving, and for parts of the tree."""

import numpy as np
import pytest
from ranks import results_of

from fastnn.distributed.sums import TreeAdder, add_in_tree


def sums_of(size, n, dtype, scatters):
    """Return the sums, totals and flags of each rank."""
    parts = np.random.default_rng(n).normal(size=(size, n)).astype(dtype)

    def work(comm):
        total = TreeAdder(comm, n, 2, dtype, 3, scatters)
        total.sums[:] = parts[comm.rank]
        total.totals[:], total.flags[:] = [comm.rank, 0.1], [0, comm.rank, 1]
        total()
        return total.sums.tobytes(), total.totals.tolist(), total.flags.tolist()

    return parts, results_of(size, work)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 1003])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_halving_gives_the_bits_of_doubling(size, n, dtype):
    parts, doubled = sums_of(size, n, dtype, False)
    assert sums_of(size, n, dtype, True)[1] == doubled
    assert doubled == doubled[:1] * size
    sums, totals, flags = doubled[0]
    ranks = size * (size - 1) // 2
    assert totals == pytest.approx([ranks, 0.1 * size]) and flags == [0, ranks, size]
    np.testing.assert_allclose(np.frombuffer(sums, dtype), parts.sum(axis=0), rtol=1e-4, atol=1e-5)
    if size & (size - 1) == 0:
        assert add_in_tree(parts).tobytes() == sums


def test_long_sums_are_scattered():
    def work(comm):
        return [TreeAdder(comm, n, 0, "float32").scatters for n in (1000, 10_000_000)]

    assert results_of(4, work) == [[False, True]] * 4
