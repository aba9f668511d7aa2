"""Threads that never hurt: training steps with one thread and with more allowed, and two trainings
at once.

    python bench/threads.py              eight networks, and two trainings in two Python threads: a minute
    python bench/threads.py --busy       the same beside another process that never rests, on the last of the CPUs
    python bench/threads.py --quick      one short turn of each

Plain SGD, float32, in order. For each network all numbers of threads take turns, a training of
about 0.3 s each, and the best counts; 16 may be more than there are CPUs. In the end one training,
then two of the same at once, each with one thread: twice as much done in the same time would be 2.
(--busy shows the median instead of the best, which would choose the moments when the other process
was not there.)
"""

import contextlib
import statistics
import subprocess
import sys
import threading
import time

import measure
from measure import seconds
from networks import NETWORKS

import fastnn

ROWS = "T2", "T3a", "T3b", "T4", "T5", "T6", "T7", "exponential"
THREADS = 1, 2, 16


def task(row):
    """Return fit(net, epochs, n_threads), on a long epoch's rows."""
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


def epochs_of(fit, net, length):
    fit(net, 1)  # warm
    return max(1, round(length / seconds(fit, net, 1)))


def one_row(row, turns, length, typical=min):
    """Return {threads: microseconds a step}; the same bits, or there is nothing to compare."""
    network, fit, params = NETWORKS[row], task(row), set()
    epochs = epochs_of(fit, network.make(), length)

    def job(n_threads):
        net = network.make()
        us = (
            seconds(fit, net, epochs, n_threads)
            / epochs
            / -(-network.many_rows // network.batch)
            * 1e6
        )
        params.add(net.params.tobytes())
        return us

    best = measure.race({n: lambda n=n: job(n) for n in THREADS}, turns, typical)
    if len(params) > 1:
        raise SystemExit(f"{row}: the parameters depend on the number of threads")
    return best


def two_at_once(row, turns, length):
    """Return how many times as much two trainings do at once as in turn, in each of some turns."""
    network, fit = NETWORKS[row], task(row)
    epochs = epochs_of(fit, network.make(), length)

    def both():
        threads = [threading.Thread(target=fit, args=(network.make(), epochs)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    jobs = {"alone": lambda: seconds(fit, network.make(), epochs), "both": lambda: seconds(both)}
    found = measure.race(jobs, turns, best=list)
    return [2 * alone / together for alone, together in zip(found["alone"], found["both"])]


@contextlib.contextmanager
def busy_neighbour():
    """A process that never rests, on the last CPU of this one where the system can bind it
    there."""
    bind = "import os; hasattr(os, 'sched_setaffinity') and os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})"
    neighbour = subprocess.Popen([sys.executable, "-c", f"{bind}\nwhile True: pass"])
    try:
        time.sleep(0.5)
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="one short turn of each")
    parser.add_argument("--busy", action="store_true", help="beside a process that never rests")
    arguments = parser.parse_args()
    turns, length = (1, 0.01) if arguments.quick else (5, 0.3)
    widths = [22, *[16] * len(THREADS)]
    print(f"{measure.versions()}; microseconds a step, and beside one thread's")
    print(measure.line(widths, "threads", *(f"{n} {'':6}" for n in THREADS)))
    with busy_neighbour() if arguments.busy else contextlib.nullcontext():
        for row in ROWS:
            us = one_row(row, turns, length, statistics.median if arguments.busy else min)
            title = f"{NETWORKS[row].title}, {NETWORKS[row].batch}"
            print(
                measure.line(
                    widths, title, *(f"{us[n]:.2f} ({us[n] / us[1]:.2f})" for n in THREADS)
                ),
                flush=True,
            )
        if not arguments.busy:
            print(
                "two trainings at once: "
                + ", ".join(f"{r:.2f}" for r in two_at_once("T3a", turns, length))
                + " times as much as one"
            )


if __name__ == "__main__":
    main()
