"""Measure steps on the ranks of an MPI job: what fastnn adds to the sum, and weak scaling.

    mpiexec -n 2 python bench/rank_steps.py           two networks; takes a minute
    mpiexec -n 2 python bench/rank_steps.py --quick   few steps

Microseconds of a step, the best of many short trainings, which take turns: on one rank alone, with
BATCH rows, while the others sleep; on all ranks with BATCH rows each, without shards and with 16; and
of `Allreduce` of as many numbers. `added` is what a step without shards takes more than the step on
one rank and the sum together. `scaling` is the time on one rank in percent of that on all, without
shards.
"""

import sys
import time

import numpy as np
from measure import format_us, table_row
from mpi4py import MPI

import fastnn

ROWS, BATCH = 4096, 256
NETWORKS = [[30, 32, 1], [100, 100, 1]]
WIDTHS = 12, 12, 10, 10, 10, 10, 10, 10
SECONDS = 20
N_MORE = 7  # numbers that are summed with a gradient


def step(sizes, size, **options):
    """Return the microseconds of a step."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(ROWS, sizes[0])), rng.normal(size=ROWS)
    X, y = X.astype("float32"), y.astype("float32")
    net = fastnn.MLP(sizes, rng=0)
    history = net.fit(X, y, epochs=4, batch_size=BATCH * size, shuffle=False, **options)
    return history.seconds / history.n_steps * 1e6


def raw_sum(comm, n):
    """Return the microseconds of an Allreduce of n numbers."""
    buffer = np.zeros(n, "float32")
    comm.Barrier()
    start = time.perf_counter()
    for _ in range(200):
        comm.Allreduce(MPI.IN_PLACE, buffer)
    return (time.perf_counter() - start) / 200 * 1e6


def alone(comm, sizes):
    """Return the microseconds of a step on rank 0, while the others sleep."""
    taken = step(sizes, 1) if comm.rank == 0 else 0.0
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(0.001)
    return taken


def main():
    comm, quick = MPI.COMM_WORLD, "--quick" in sys.argv[1:]
    if comm.rank == 0:
        header = (
            "network",
            "parameters",
            "alone",
            "ranks",
            "16 shards",
            "Allreduce",
            "added",
            "scaling",
        )
        print(table_row(WIDTHS, *header))
    for sizes in NETWORKS[:1] if quick else NETWORKS:
        n = fastnn.MLP(sizes).n_params
        best, goes_on, end = (
            np.full(4, np.inf),
            True,
            time.perf_counter() + (0.3 if quick else SECONDS),
        )
        while goes_on:
            times = [
                alone(comm, sizes),
                step(sizes, comm.size, comm=comm, shards=0),
                step(sizes, comm.size, comm=comm),
                raw_sum(comm, n + N_MORE),
            ]
            best = np.minimum(best, times)
            goes_on = comm.bcast(time.perf_counter() < end)
        if comm.rank == 0:
            added, scaling = best[1] - best[0] - best[3], f"{100 * best[0] / best[1]:.0f} %"
            numbers = [format_us(number) for number in [*best, added]]
            print(
                table_row(WIDTHS, "-".join(map(str, sizes)), f"{n:,}", *numbers, scaling),
                flush=True,
            )


if __name__ == "__main__":
    main()
