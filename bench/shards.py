"""Measure what virtual shards add to a step, and what the hook for other ranks costs without a sum.

    python bench/shards.py           four networks; takes a minute
    python bench/shards.py --quick   one network, few epochs

Microseconds per step of 64 rows, the best of many short trainings: without shards, with one shard,
with one shard and the hook (packing the gradient, a call of Python, unpacking), and with 16 shards.
The hook is measured with two ranks of which the other adds nothing.
"""

import sys

import numpy as np
from measure import format_us, table_row

import fastnn

ROWS, BATCH = 2048, 64
WIDTHS = 12, 12, 11, 11, 11, 11
NETWORKS = [[10, 16, 1], [30, 32, 1], [30, 64, 64, 1], [100, 100, 1]]


class NoOtherRank:
    """A communicator of two ranks, of which the other has the same settings and adds nothing."""

    rank, size = 0, 2

    def allreduce(self, buffer):
        if buffer.size == self.size:  # a number of each rank
            buffer[1] = buffer[0]

    def sendrecv(self, send, receive, partner):
        receive[:] = send

    def broadcast(self, buffer, root=0):
        if root == self.rank:
            self.sent = buffer.copy()
        else:
            buffer[:] = self.sent


def step(sizes, repeats, batch=BATCH, **options):
    """Return the microseconds of a step."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(ROWS, sizes[0])), rng.normal(size=ROWS)
    X, y = X.astype("float32"), y.astype("float32")
    net, best = fastnn.MLP(sizes, rng=0), np.inf
    for _ in range(repeats):
        history = net.fit(X, y, epochs=4, batch_size=batch, shuffle=False, **options)
        best = min(best, history.seconds / history.n_steps * 1e6)
    return best


def main():
    quick = "--quick" in sys.argv[1:]
    repeats = 2 if quick else 60
    header = "network", "parameters", "without", "one shard", "with hook", "16 shards"
    print(table_row(WIDTHS, *header))
    for sizes in NETWORKS[:1] if quick else NETWORKS:
        times = [
            step(sizes, repeats),
            step(sizes, repeats, shards=1),
            step(sizes, repeats, 2 * BATCH, shards=0, comm=NoOtherRank()),
            step(sizes, repeats, shards=16),
        ]
        name = "-".join(map(str, sizes))
        n_params = f"{fastnn.MLP(sizes).n_params:,}"
        print(table_row(WIDTHS, name, n_params, *map(format_us, times)))


if __name__ == "__main__":
    main()
