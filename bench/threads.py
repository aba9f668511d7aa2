"""Threads that never hurt: training steps with one thread and with more allowed, and two trainings at once.

    python bench/threads.py              eight networks, and two trainings in two Python threads: a minute
    python bench/threads.py --busy       the same beside another process that never rests, on the last of the CPUs
    python bench/threads.py --quick      one short turn of each

Plain SGD, float32, in order. For each network all numbers of threads take turns, a training of about 0.3 s each, and the best counts; 16
may be more than there are CPUs. In the end one training, then two of the same at once, each with one thread: twice as much done in the same
time would be 2. (--busy shows the median instead of the best, which would choose the moments when the other process was not there.)
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
import threading
import time

import numpy as np

import fastnn

ROWS = {  # layer sizes, activation, batch, rows of data
    "T2": ([30, 32, 1], "relu", 32, 16000),
    "T3a": ([30, 64, 64, 1], "relu", 32, 8000),
    "T3b": ([30, 64, 64, 1], "relu", 256, 16384),
    "T4": ([28, 256, 256, 1], "relu", 256, 4096),
    "T5": ([784, 16, 16, 10], "sigmoid", 32, 1024),
    "T6": ([784, 128, 10], "relu", 128, 3840),
    "T7": ([784, 512, 512, 10], "relu", 256, 2560),
    "exponential": ([4, 32, 16, 4], "tanh", 10000, 10000),
}
THREADS = 1, 2, 16


def task(row):
    """network() -> a new one, and fit(net, epochs, n_threads) -> seconds"""
    sizes, activation, batch, n = ROWS[row]
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, sizes[0]), dtype="f")
    y = (X[:, :1] > 0).astype("f") if sizes[-1] == 1 else rng.integers(0, sizes[-1], n)

    def network():
        return fastnn.MLP(sizes, activation, "sigmoid" if sizes[-1] == 1 else "softmax", rng=0)

    def fit(net, epochs, n_threads=1):
        began = time.perf_counter()
        net.fit(X, y, optimizer=fastnn.SGD(1e-3), epochs=epochs, batch_size=batch, shuffle=False, n_threads=n_threads)
        return time.perf_counter() - began

    return network, fit, -(-n // batch)


def epochs_of(fit, net, seconds):
    fit(net, 1)  # warm
    return max(1, round(seconds / fit(net, 1)))


def one_row(row, turns, seconds, typical=min):
    """{threads: microseconds a step}; the same bits, or there is nothing to compare."""
    network, fit, steps = task(row)
    epochs, params = epochs_of(fit, network(), seconds), set()
    times = {n_threads: [] for n_threads in THREADS}
    for _ in range(turns):
        for n_threads in THREADS:
            net = network()
            times[n_threads].append(fit(net, epochs, n_threads) / epochs / steps * 1e6)
            params.add(net.params.tobytes())
    if len(params) > 1:
        raise SystemExit(f"{row}: the parameters depend on the number of threads")
    return {n_threads: typical(us) for n_threads, us in times.items()}


def two_at_once(row, turns, seconds):
    """How many times as much two trainings do at once as in turn, in each of some turns."""
    network, fit, _ = task(row)
    epochs, ratios = epochs_of(fit, network(), seconds), []
    for _ in range(turns):
        alone = fit(network(), epochs)
        threads = [threading.Thread(target=fit, args=(network(), epochs)) for _ in range(2)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ratios.append(2 * alone / (time.perf_counter() - began))
    return ratios


@contextlib.contextmanager
def busy_neighbour():
    """A process that never rests, on the last CPU of this one where the system can bind it there."""
    bind = "import os; hasattr(os, 'sched_setaffinity') and os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})"
    neighbour = subprocess.Popen([sys.executable, "-c", f"{bind}\nwhile True: pass"])
    try:
        time.sleep(0.5)
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short turn of each")
    parser.add_argument("--busy", action="store_true", help="beside a process that never rests")
    arguments = parser.parse_args()
    turns, seconds = (1, 0.01) if arguments.quick else (5, 0.3)
    print(f"fastnn {fastnn.__version__}, {fastnn.kernels.CHOSEN}; microseconds a step, and beside one thread's")
    print(f"{'threads':22}" + "".join(f"{n:>9} {'':6}" for n in THREADS))
    with busy_neighbour() if arguments.busy else contextlib.nullcontext():
        for row, (sizes, _, batch, _) in ROWS.items():
            us = one_row(row, turns, seconds, statistics.median if arguments.busy else min)
            title = f"{'-'.join(map(str, sizes))}, {batch}"
            print(f"{title:22}" + "".join(f"{us[n]:9.2f} ({us[n] / us[1]:.2f})" for n in THREADS), flush=True)
        if not arguments.busy:
            print("two trainings at once: " + ", ".join(f"{r:.2f}" for r in two_at_once("T3a", turns, seconds)) + " times as much as one")


if __name__ == "__main__":
    main()
