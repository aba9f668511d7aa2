"""Measure steps on the ranks of an MPI job: what fastnn adds to the sum, and weak scaling.

    mpiexec -n 2 python bench/rank_steps.py           three networks and batches; takes a minute
    mpiexec -n 2 python bench/rank_steps.py --quick   few steps

Microseconds of a step: on one rank alone, with `rows` rows, while the others sleep; on all ranks with
as many rows each, without shards and with 16; and of `Allreduce` of as many numbers. They are medians
of a training, and the lowest of several trainings, which take turns: of a step on ranks the time between
the beginnings of two sums. `added` is what a step without shards takes more than the step on one rank
and `Allreduce` together. `scaling` is the time on one rank in percent of that on all, without shards.
"""

import sys
import time

import numpy as np
from measure import format_us, table_row
from mpi4py import MPI

import fastnn
from fastnn.distributed import MPICommunicator

QUICK = "--quick" in sys.argv[1:]
N_BATCHES, EPOCHS = 16, 20
CASES = [([30, 32, 1], 256), ([100, 100, 1], 256), ([100, 100, 1], 1024)]
WIDTHS = 12, 12, 7, 12, 12, 12, 12, 14, 9
SECONDS = 14
N_MORE = 7  # numbers that are summed with a gradient


class TimedCommunicator(MPICommunicator):
    """A communicator that notes when its sums begin."""

    def __init__(self):
        super().__init__()
        self.starts = []

    def allreduce(self, buffer):
        self.starts.append(time.perf_counter())
        super().allreduce(buffer)

    def sendrecv(self, send, receive, partner):
        self.starts.append(time.perf_counter())
        super().sendrecv(send, receive, partner)


def train(sizes, batch_size, rows, **options):
    """Return the History of a training on `rows` rows of this rank."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(rows, sizes[0])), rng.normal(size=rows)
    X, y = X.astype("float32"), y.astype("float32")
    net = fastnn.MLP(sizes, rng=0)
    epochs = 1 if QUICK else EPOCHS
    return net.fit(X, y, epochs=epochs, batch_size=batch_size, shuffle=False, **options)


def alone(sizes, rows):
    """Return the microseconds of a step on rank 0, while the others sleep."""
    taken = 0.0
    if MPI.COMM_WORLD.rank == 0:
        history = train(sizes, rows, N_BATCHES * rows)
        taken = history.seconds / history.n_steps * 1e6
    request = MPI.COMM_WORLD.Ibarrier()
    while not request.Test():
        time.sleep(0.001)
    return taken


def together(sizes, rows, shards):
    """Return the microseconds of a step on all ranks."""
    comm = TimedCommunicator()
    history = train(sizes, rows * comm.size, N_BATCHES * rows, comm=comm, shards=shards)
    sums_of_step = len(comm.starts) // history.n_steps
    starts = np.array(comm.starts[-sums_of_step * history.n_steps :: sums_of_step])
    return np.median(np.diff(starts)) * 1e6


def raw_sum(n):
    """Return the microseconds of an Allreduce of n numbers."""
    comm, buffer = TimedCommunicator(), np.zeros(n, "float32")
    for _ in range(10 if QUICK else 300):
        comm.allreduce(buffer)
    return np.median(np.diff(comm.starts)) * 1e6


def main():
    comm = MPI.COMM_WORLD
    if comm.rank == 0:
        header = (
            "network",
            "parameters",
            "rows",
            "alone",
            "ranks",
            "16 shards",
            "Allreduce",
            "added",
        )
        print(table_row(WIDTHS, *header, "scaling"))
    for sizes, rows in CASES[:1] if QUICK else CASES:
        n = fastnn.MLP(sizes).n_params
        best, goes_on, end = np.full(4, np.inf), True, time.perf_counter() + SECONDS * (not QUICK)
        while goes_on:
            times = [
                alone(sizes, rows),
                together(sizes, rows, 0),
                together(sizes, rows, 16),
                raw_sum(n + N_MORE),
            ]
            best = np.minimum(best, times)
            goes_on = comm.bcast(time.perf_counter() < end)
        if comm.rank == 0:
            added, scaling = best[1] - best[0] - best[3], f"{100 * best[0] / best[1]:.0f} %"
            cells = (
                "-".join(map(str, sizes)),
                f"{n:,}",
                f"{rows:,}",
                *map(format_us, [*best, added]),
            )
            print(table_row(WIDTHS, *cells, scaling), flush=True)


if __name__ == "__main__":
    main()
