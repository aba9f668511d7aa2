"""Check that threads never slow training down: one and more threads, and two trainings at once.

    python bench/threads.py              eight networks, updates, two trainings at once; takes a minute
    python bench/threads.py --busy       the same with another process busy on the last CPU
    python bench/threads.py --quick      one short training of each

Plain SGD, float32, no shuffling. For each network, trainings of about 0.3 s with 1, 2 and 16
threads alternate, and the best is reported. 16 may be more than the number of CPUs. Then the same for
steps of `fastnn.functional` on one and four million parameters. At the end, one training alternates
with two at once, in two Python threads, each with one fastnn thread.
The result is the throughput relative to one training; 2 is ideal.

--busy reports the median instead of the best: the best would come from moments in which the
other process did not run.
"""

import contextlib
import statistics
import subprocess
import sys
import threading
import time

import measure
import numpy as np
from measure import seconds, table_row, timed_calls
from networks import NETWORKS

import fastnn
from fastnn import functional as F

ROWS = "T2", "T3a", "T3b", "T4", "T5", "T6", "T7", "exponential"
THREADS = 1, 2, 16
UPDATES = [(rule, n) for n in (10**6, 4 * 10**6) for rule in ("sgd", "adam")]
CALLS = 10  # of an update in a block


def make_fit(row):
    """Return fit(net, epochs, n_threads) on the network's larger data set."""
    network = NETWORKS[row]
    X, y = network.data(network.many_rows)

    def fit(net, epochs, n_threads=1):
        net.fit(
            X,
            y,
            optimizer=fastnn.SGD(1e-3),
            epochs=epochs,
            batch_size=network.batch,
            shuffle=False,
            n_threads=n_threads,
        )

    return fit


def count_epochs(fit, net, length):
    """Return the number of epochs that take about `length` seconds."""
    fit(net, 1)  # warm up
    return max(1, round(length / seconds(fit, net, 1)))


def time_network(row, rounds, length, reduce=min):
    """Return {number of threads: microseconds per step}.

    Ends the program if the parameters depend on the number of threads.
    """
    network, fit, params = NETWORKS[row], make_fit(row), set()
    epochs = count_epochs(fit, network.make(), length)
    steps = epochs * -(-network.many_rows // network.batch)

    def job(n_threads):
        net = network.make()
        us = seconds(fit, net, epochs, n_threads) / steps * 1e6
        params.add(net.params.tobytes())
        return us

    best = measure.interleave({n: lambda n=n: job(n) for n in THREADS}, rounds, reduce)
    if len(params) > 1:
        raise SystemExit(f"{row}: the parameters depend on the number of threads")
    return best


def time_update(rule, n, rounds, reduce=min):
    """Return {number of threads: microseconds of an update of n parameters}."""
    params, grads, m, v = np.random.default_rng(0).random((4, n), np.float32)
    steps = {
        "sgd": lambda k: F.sgd_step_(params, grads, 1e-3, n_threads=k),
        "adam": lambda k: F.adam_step_(params, grads, m, v, 1, 1e-3, n_threads=k),
    }
    step = steps[rule]
    jobs = {k: timed_calls(lambda k=k: step(k), CALLS) for k in THREADS}
    return {k: 1e6 * best for k, best in measure.interleave(jobs, rounds, reduce).items()}


def measure_throughput(row, rounds, length):
    """Return the throughput of two trainings at once relative to one, for each round."""
    network, fit = NETWORKS[row], make_fit(row)
    epochs = count_epochs(fit, network.make(), length)

    def train_two():
        threads = [threading.Thread(target=fit, args=(network.make(), epochs)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    jobs = {"one": lambda: seconds(fit, network.make(), epochs), "two": lambda: seconds(train_two)}
    times = measure.interleave(jobs, rounds, reduce=list)
    return [2 * one / two for one, two in zip(times["one"], times["two"])]


BUSY_LOOP = """
import os
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
while True:
    pass
"""


@contextlib.contextmanager
def busy_process():
    """Keep another process busy, on the last CPU if the system can bind it there."""
    process = subprocess.Popen([sys.executable, "-c", BUSY_LOOP])
    try:
        time.sleep(0.5)
        yield
    finally:
        process.kill()
        process.wait()


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="one short training of each")
    parser.add_argument(
        "--busy", action="store_true", help="keep another process busy on the last CPU"
    )
    arguments = parser.parse_args()
    rounds, length = (1, 0.01) if arguments.quick else (5, 0.3)
    widths = [22, *[16] * len(THREADS)]
    print(f"{measure.versions()}; microseconds a step, and relative to one thread")
    print(table_row(widths, "threads", *(f"{n} {'':6}" for n in THREADS)))
    reduce = statistics.median if arguments.busy else min

    def print_row(title, us):
        cells = [f"{us[n]:.2f} ({us[n] / us[1]:.2f})" for n in THREADS]
        print(table_row(widths, title, *cells), flush=True)

    with busy_process() if arguments.busy else contextlib.nullcontext():
        for row in ROWS:
            title = f"{NETWORKS[row].title}, {NETWORKS[row].batch}"
            print_row(title, time_network(row, rounds, length, reduce))
        for rule, n in UPDATES:
            print_row(f"{rule}, {n:,}", time_update(rule, n, 10 * rounds, reduce))
        if not arguments.busy:
            ratios = ", ".join(
                f"{ratio:.2f}" for ratio in measure_throughput("T3a", rounds, length)
            )
            print(f"two trainings at once: {ratios} times the throughput of one")


if __name__ == "__main__":
    main()
