"""Check that trainings with dead units do not become slower: subnormal numbers are zero in kernels.

    python bench/subnormals.py           10,000 steps of each training; takes half a minute
    python bench/subnormals.py --quick   a few steps of each

Microseconds per step in the first and in the last thousand steps, each the best of ten blocks, and
how many parameters and moments are subnormal at the end. A third of the inputs are zero in all
rows, and half of the units of each hidden layer die at the start: the moments of their weights
decay. Where arithmetic with subnormal numbers is slow, as on Intel processors, steps would take up to
ten times as long once these moments are subnormal.
"""

import sys
import time

import measure
import numpy as np
from measure import format_ratio, format_us, table_row

import fastnn

TRAININGS = {  # layer sizes, rows of a batch, optimizer
    "784-100-100-1, b 4, Adam": ([784, 100, 100, 1], 4, fastnn.Adam(1e-3)),
    "784-100-100-1, b 4, momentum": ([784, 100, 100, 1], 4, fastnn.SGD(1e-2, momentum=0.9)),
    "30-64-64-1, b 32, Adam": ([30, 64, 64, 1], 32, fastnn.Adam(1e-3)),
    "30-64-64-1, b 32, RMSprop": (
        [30, 64, 64, 1],
        32,
        fastnn.optimizers.RMSprop(1e-3, momentum=0.9),
    ),
    "28-256-256-1, b 256, Adam": ([28, 256, 256, 1], 256, fastnn.Adam(1e-3)),
}
BLOCKS, WIDTHS = 10, (30, 9, 9, 14, 11)


def count_subnormals(x):
    return int(((np.abs(x) < np.finfo(x.dtype).tiny) & (x != 0)).sum())


def time_training(sizes, batch, optimizer, steps):
    """Return the seconds per step in the first and the last tenth, and the subnormal numbers left."""
    rng = np.random.default_rng(0)
    X = rng.random((batch * steps // (10 * BLOCKS), sizes[0]), dtype=np.float32)
    X[:, ::3] = 0
    y = (rng.random(len(X)) < 0.5).astype(np.float32)
    net = fastnn.MLP(sizes, output="sigmoid", rng=0)
    options = dict(optimizer=optimizer, epochs=1, batch_size=batch)
    net.fit(X[:batch], y[:batch], **options)  # moments to decay
    for b in net.biases[:-1]:
        b[: len(b) // 2] = -1e3
    times = []
    for _ in range(10 * BLOCKS):
        begin = time.perf_counter()
        net.fit(X, y, **options, resume=True)
        times.append((time.perf_counter() - begin) / (len(X) // batch))
    left = count_subnormals(net.params) + count_subnormals(net.state.moments)
    return min(times[:BLOCKS]), min(times[-BLOCKS:]), left


def main():
    steps = 200 if "--quick" in sys.argv[1:] else 10_000
    measure.limit_threads(1)
    print(fastnn.kernels.CHOSEN, flush=True)
    print(table_row(WIDTHS, "training", "first", "last", "last / first", "subnormal"))
    for name, training in TRAININGS.items():
        first, last, left = time_training(*training, steps)
        cells = format_us(1e6 * first), format_us(1e6 * last), format_ratio(last / first), left
        print(table_row(WIDTHS, name, *cells), flush=True)


if __name__ == "__main__":
    main()
