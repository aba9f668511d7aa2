"""How much faster two workers train the networks of a tabular estimator than one.

    python bench/executor.py [ROWS]

Workers are processes of one thread each. Prints the seconds of the training phase, without reading,
encoding and importances, in turn with 1 and 2 workers, and the ratio of the best times; also that of
one thread and of two threads of this process.
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pandas as pd

from fastnn import TabularClassifier
from fastnn.tabular.fitting.table_fit import TableFit

ROUNDS = 3


def table(n):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({f"x{i}": rng.normal(size=n) for i in range(8)})
    X["letter"] = rng.choice(list("abcdef"), n)
    signal = X["x0"] + X["x1"] * X["x2"] + (X["letter"] == "a") + rng.normal(size=n)
    return X, np.where(signal > 0, "yes", "no")


def main():
    X, y = table(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
    seconds, train = [], TableFit.train

    def timed(fit, line):
        began = time.perf_counter()
        train(fit, line)
        seconds.append((time.perf_counter() - began, len(fit.jobs)))

    TableFit.train = timed
    best: dict = {}
    with ProcessPoolExecutor(1) as one, ProcessPoolExecutor(2) as two:
        for executor in (one, two):  # the processes start and import
            list(executor.map(len, ["", ""]))
            TabularClassifier(2, random_state=0, n_threads=1).fit(
                X[:200], y[:200], executor=executor
            )
        seconds.clear()
        for _ in range(ROUNDS):
            for name, executor, n_threads in (
                ("1 worker", one, 1),
                ("2 workers", two, 1),
                ("1 thread", None, 1),
                ("2 threads", None, 2),
            ):
                clf = TabularClassifier(5, random_state=0, n_threads=n_threads)
                clf.fit(X, y, executor=executor)
                taken, n_networks = seconds.pop()
                best[name] = min(taken, best.get(name, taken))
    for name, taken in best.items():
        print(f"{name:10} {taken:6.2f} s for {n_networks} networks")
    print(f"2 workers are {best['1 worker'] / best['2 workers']:.2f} times as fast as 1")
    print(f"2 threads are {best['1 thread'] / best['2 threads']:.2f} times as fast as 1")


if __name__ == "__main__":
    main()
