"""Measure how long calls go on after Ctrl-C.

    python bench/interruptions.py                  200 tries of each call, about 8 minutes
    python bench/interruptions.py --tries 5 --only predict

A timer sends a signal at a random time of each call, and its handler raises KeyboardInterrupt as
that of Ctrl-C does. The delay is the time from the signal until the caller has the exception.
"""

import argparse
import contextlib
import os
import random
import signal
import statistics
import tempfile
import time

import numpy as np
from measure import table_row

import fastnn
from fastnn import MLP

TRIES = 200
WIDTHS = 35, 8, 10, 10, 10


def rows(n, k):
    X = np.random.default_rng(0).standard_normal((n, k), dtype="f")
    return X, X[:, :1].copy()


def fit(sizes, n, **options):
    """Return a call that trains until it is interrupted."""
    X, y = rows(n, sizes[0])
    net = MLP(
        sizes, rng=0
    )  # before the call: NumPy draws the weights of a large layer without a stop
    return lambda: net.fit(X, y, epochs=10**9, **options)


def fit_shuffled(n):
    """Return a call that spends its time in the shuffle of n rows."""
    X, y = np.zeros((n, 1), "f"), np.zeros((n, 1), "f")
    return lambda: MLP([1, 1], rng=0).fit(X, y, epochs=10**9, batch_size=None)


def fit_many():
    X, y = rows(1000, 16)
    return lambda: fastnn.fit_many(
        [MLP([16, 32, 1], rng=seed) for seed in range(100)], X, y, epochs=10**6, batch_size=32
    )


def predict():
    net, (X, _) = MLP([100, 512, 512, 1], rng=0), rows(300_000, 100)
    out = np.empty((len(X), 1), "f")
    return lambda: net.forward(X, out)


def predict_many():
    networks, (X, _) = [MLP([100, 512, 512, 1], rng=i) for i in range(4)], rows(100_000, 100)
    out = np.empty((4, len(X), 1), "f")
    return lambda: fastnn.forward_many(networks, X, out, n_threads=2)


def read_table(folder, n=500_000):
    from fastnn.tables import read

    path = os.path.join(folder, "table.csv")
    with open(path, "w") as file:
        file.write("a,b,c,d\n" + "1.25,yes,2024-01-31,-7\n" * n)
    return lambda: read(path)


CALLS = {  # name: (call from a folder, the time of the signal is up to so many seconds later)
    "fit, 30-64-64-1": (lambda folder: fit([30, 64, 64, 1], 10_000, batch_size=32), 0.2),
    "fit, 1024-2048-2048-1, batch 4096": (
        lambda folder: fit([1024, 2048, 2048, 1], 4096, batch_size=4096),
        2.0,
    ),
    "fit, two threads": (lambda folder: fit([100, 200, 1], 10_000, n_threads=2), 0.2),
    "fit, shuffle of 60 million rows": (lambda folder: fit_shuffled(60_000_000), 1.0),
    "fit_many, 100 networks": (lambda folder: fit_many(), 0.3),
    "predict, 300,000 rows": (lambda folder: predict(), 0.5),
    "forward_many, two threads": (lambda folder: predict_many(), 0.5),
    "read a table of 12 MB": (read_table, 0.2),
}


def interrupt_after(_number, _frame):
    raise KeyboardInterrupt


def delay(call, after):
    """Return the seconds from a signal until its exception arrives; None if the call was faster."""
    signal.setitimer(signal.ITIMER_REAL, after)
    sent = time.perf_counter() + after
    try:
        call()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return time.perf_counter() - sent
    return None


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tries", type=int, default=TRIES)
    parser.add_argument("--only", default="", help="calls whose name contains this text")
    arguments = parser.parse_args()
    signal.signal(signal.SIGALRM, interrupt_after)
    random.seed(0)
    print(table_row(WIDTHS, "delay in ms", "tries", "median", "99 %", "longest"))
    with tempfile.TemporaryDirectory() as folder:
        for name, (make, longest) in CALLS.items():
            if arguments.only not in name:
                continue
            call, delays = make(folder), []
            with contextlib.suppress(KeyboardInterrupt):
                delay(call, longest)  # warm up
            while len(delays) < arguments.tries:
                found = delay(call, random.uniform(0.001, longest))
                if found is None:
                    longest *= 0.9
                else:
                    delays.append(1e3 * found)
            delays.sort()
            figures = (statistics.median(delays), delays[int(0.99 * (len(delays) - 1))], delays[-1])
            numbers = [str(len(delays)), *(f"{x:.1f}" for x in figures)]
            print(table_row(WIDTHS, name, *numbers), flush=True)


if __name__ == "__main__":
    main()
