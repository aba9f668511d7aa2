"""Measure sums over ranks by size: the tree with the same bits on any number of ranks, and MPI's own.

    mpiexec -n 2 python bench/sums_over_ranks.py           sizes up to 10 million; takes a minute
    mpiexec -n 2 python bench/sums_over_ranks.py --quick   three sizes, few repeats

Microseconds of a sum of float32 in place, the best of many blocks, which take turns: `Allreduce` of
mpi4py, the tree by recursive doubling, and the tree by recursive halving (decision 0044).
"""

import sys
import time

import numpy as np
from measure import format_us, table_row
from mpi4py import MPI

from fastnn.distributed import MPICommunicator
from fastnn.distributed.sums import TreeAdder

SIZES = [1000, 4000, 16_000, 64_000, 250_000, 1_000_000, 10_000_000]
WIDTHS = 12, 12, 12, 12, 14
BLOCK_NUMBERS = 2_000_000  # of a block of sums, which is timed as one
SECONDS = 5


def best_times(functions, n, seconds):
    """Return the microseconds of a call of each function, the best of blocks that take turns."""
    most = 200 if seconds > 1 else 5
    repeats, best = max(1, min(most, BLOCK_NUMBERS // n)), [np.inf] * len(functions)
    end, goes_on = time.perf_counter() + seconds, True
    while goes_on:
        for i, function in enumerate(functions):
            MPI.COMM_WORLD.Barrier()
            start = time.perf_counter()
            for _ in range(repeats):
                function()
            best[i] = min(best[i], (time.perf_counter() - start) / repeats * 1e6)
        goes_on = MPI.COMM_WORLD.bcast(time.perf_counter() < end)
    return best


def main():
    quick = "--quick" in sys.argv[1:]
    comm = MPICommunicator()
    if comm.rank == 0:
        print(table_row(WIDTHS, "numbers", "Allreduce", "doubling", "halving", "of Allreduce"))
    for n in SIZES[::3] if quick else SIZES:
        plain = np.zeros(n, "float32")
        trees = [TreeAdder(comm, n, 2, "float32", 3, scatters) for scatters in (False, True)]
        functions = [lambda plain=plain: comm.allreduce(plain), *trees]
        times = best_times(functions, n, 0.01 if quick else SECONDS)
        if comm.rank == 0:
            ratio = f"{min(times[1:]) / times[0]:.2f}"
            print(table_row(WIDTHS, f"{n:,}", *map(format_us, times), ratio), flush=True)


if __name__ == "__main__":
    main()
