"""Check that threads never slow training down: one and more threads, and two trainings at once.

    python bench/threads.py              eight networks, updates, two trainings at once; takes a minute
    python bench/threads.py --busy       the same with another process busy on the last CPU
    python bench/threads.py --busy 2     ... on each of the last two
    python bench/threads.py --sweep      ten networks, four batches: trainings, predictions; takes
                                         ten minutes
    python bench/threads.py --sweep --only "30-32-1, 100,000" --rounds 70
    python bench/threads.py --quick      one short training of each, or four networks of the sweep

Plain SGD, float32, no shuffling. For each network, trainings of about 0.3 s with 1, 2 and 16
threads alternate, and the best is reported. 16 may be more than the number of CPUs. Then the same for
steps of `fastnn.functional` on one and four million parameters. At the end, one training alternates
with two at once, in two Python threads, each with one fastnn thread.
The result is the throughput relative to one training; 2 is ideal.

--sweep compares two threads with one: a training of about 30 ms and one of 300 ms of a new network,
up to twenty predictions with a new network or five, and thirty updates of arrays of a new size. It prints the time
with one and two threads, the ratio of the best and of the medians, and how much of the time slices of
two threads took, which is what `ThreadChoice` did.

--busy reports the median instead of the best: the best would come from moments in which the
other process did not run.
"""

import contextlib
import itertools
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
from fastnn.core.threads import ThreadChoice

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


# ---- the sweep ----

SWEPT = [
    *([30, 32, 1], [4, 32, 16, 4], [8, 100, 1], [60, 30, 15, 30, 60], [30, 64, 64, 1]),
    *([784, 16, 16, 10], [784, 128, 10], [28, 256, 256, 1], [64, 256, 256, 256, 1]),
    [784, 512, 512, 10],
]
BATCHES = 32, 50, 256, 1000
ARRAYS = 10**6, 2 * 10**6, 4 * 10**6
MAX_OUTPUTS = 5 * 10**7  # of all layers, in a prediction


@contextlib.contextmanager
def record_slices():
    """Record (number of threads, seconds) of each slice of every ThreadChoice in the list."""
    slices, run = [], ThreadChoice.run

    def recording(choice, work, seconds):
        def timed(n_threads, seconds):
            start = time.perf_counter()
            units = work(n_threads, seconds)
            slices.append((n_threads, time.perf_counter() - start))
            return units

        run(choice, timed, seconds)

    ThreadChoice.run = recording
    try:
        yield slices
    finally:
        ThreadChoice.run = run


def train_new(sizes, batch, n_threads, seconds_of_one):
    """Return a job of {number of threads}: train a new network, about so long with one thread."""
    rng = np.random.default_rng(0)
    X, y = (rng.random((max(4 * batch, 1000), k), np.float32) for k in (sizes[0], sizes[-1]))
    options = dict(optimizer=fastnn.Adam(1e-3), batch_size=batch, shuffle=False)
    steps = 1

    def fit(n_threads):
        fastnn.MLP(sizes, rng=0).fit(
            X, y, epochs=10**6, max_steps=steps, n_threads=n_threads, **options
        )

    while (duration := min(seconds(fit, 1) for _ in range(5))) < 0.005:
        steps *= 2
    steps = max(1, round(steps * seconds_of_one / duration))
    return {n: lambda n=n: seconds(fit, n) for n in n_threads}


def predict_new(sizes, rows, n_networks, n_threads):
    """Return a job of {number of threads}: up to twenty predictions with new networks."""
    X = np.random.default_rng(0).random((rows, sizes[0]), np.float32)
    out = np.empty((n_networks, rows, sizes[-1]), np.float32)

    def predict(n_threads, n_calls):
        nets = [fastnn.MLP(sizes, rng=0) for _ in range(n_networks)]
        for _ in range(n_calls):
            if n_networks == 1:
                nets[0].forward(X, out=out[0], n_threads=n_threads)
            else:
                fastnn.forward_many(nets, X, out=out, n_threads=n_threads)

    calls = min(20, 1 + round(0.2 / seconds(predict, 1, 1)))

    return {n: lambda n=n: seconds(predict, n, calls) for n in n_threads}


def update_new(rule, n, n_threads):
    """Return a job of {number of threads}: thirty updates of arrays of a size that is new."""
    memory = np.random.default_rng(0).random((4, n), np.float32)
    sizes = itertools.count(n, -64)  # with the same alignment

    def update(n_threads):
        params, grads, m, v = memory[:, : next(sizes)].copy()
        for t in range(1, 31):
            if rule == "sgd":
                F.sgd_step_(params, grads, 1e-3, n_threads=n_threads)
            else:
                F.adam_step_(params, grads, m, v, t, 1e-3, n_threads=n_threads)

    return {n: lambda n=n: seconds(update, n) for n in n_threads}


def sweep(rounds, quick, only):
    """Print a line for each network and kind of work, and the largest ratios. only: part of titles"""
    cells = []
    for sizes in SWEPT[:1] if quick else SWEPT:
        title = "-".join(map(str, sizes))
        for batch in BATCHES[:1] if quick else BATCHES:
            for name, length in ("short fit", 0.03), ("long fit", 0.3):
                cells.append((f"{name}, {title}, {batch}", train_new, (sizes, batch), length))
        for rows in (100_000,) if quick else (20_000, 100_000):
            if rows * sum(sizes) <= MAX_OUTPUTS:
                cells.append((f"predict, {title}, {rows:,}", predict_new, (sizes, rows, 1), None))
        cells.append((f"five networks, {title}, 20,000", predict_new, (sizes, 20_000, 5), None))
    for n in ARRAYS[:1] if quick else ARRAYS:
        cells += [(f"{rule}, {n:,}", update_new, (rule, n), None) for rule in ("sgd", "adam")]
    widths = [44, 10, 10, 7, 7, 7]
    print(table_row(widths, "ms", "1 thread", "2", "best", "median", "on two"))
    ratios = []
    for title, make, arguments, length in [cell for cell in cells if only in cell[0]]:
        jobs = make(*arguments, (1, 2), *([] if length is None else [length]))
        with record_slices() as slices:
            times = measure.interleave(jobs, rounds, reduce=list)
        one, two = times[1], times[2]
        ratio = statistics.median(two) / statistics.median(one)
        ratios.append((ratio, title))
        on_two = sum(s for n, s in slices if n > 1) / max(1e-9, sum(two))
        print(
            table_row(
                widths,
                title,
                f"{1e3 * min(one):.2f}",
                f"{1e3 * min(two):.2f}",
                f"{min(two) / min(one):.2f}",
                f"{ratio:.2f}",
                f"{on_two:.0%}",
            ),
            flush=True,
        )
    print(
        f"largest ratios of medians: {', '.join(f'{r:.2f} ({t})' for r, t in sorted(ratios)[-5:])}"
    )


BUSY_LOOP = """
import os
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-NUMBER]})
while True:
    pass
"""


@contextlib.contextmanager
def busy_processes(n):
    """Keep n other processes busy, on the last CPUs if the system can bind them there."""
    loops = [BUSY_LOOP.replace("NUMBER", str(i + 1)) for i in range(n)]
    processes = [subprocess.Popen([sys.executable, "-c", loop]) for loop in loops]
    try:
        time.sleep(0.5 if n else 0)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="one short training of each")
    parser.add_argument(
        "--busy",
        type=int,
        nargs="?",
        const=1,
        default=0,
        help="keep so many other processes busy, on the last CPUs (1)",
    )
    parser.add_argument(
        "--sweep", action="store_true", help="ten networks, four batches, one and two threads"
    )
    parser.add_argument("--only", default="", help="cells of the sweep with this text in the title")
    parser.add_argument("--rounds", type=int, default=7, help="of a cell of the sweep (7)")
    arguments = parser.parse_args()
    rounds, length = (1, 0.01) if arguments.quick else (5, 0.3)
    if arguments.sweep:
        with busy_processes(arguments.busy):
            sweep(2 if arguments.quick else arguments.rounds, arguments.quick, arguments.only)
        return
    widths = [22, *[16] * len(THREADS)]
    print(f"{measure.versions()}; microseconds a step, and relative to one thread")
    print(table_row(widths, "threads", *(f"{n} {'':6}" for n in THREADS)))
    reduce = statistics.median if arguments.busy else min

    def print_row(title, us):
        cells = [f"{us[n]:.2f} ({us[n] / us[1]:.2f})" for n in THREADS]
        print(table_row(widths, title, *cells), flush=True)

    with busy_processes(arguments.busy):
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
