"""Mixed use for a long time: no call fails, and memory stays flat.

    python tests/on_demand/soak.py 600

Every round makes, trains, interrupts, saves, loads and deletes networks and estimators, reads a
table, forks, and makes calls that fail. The program prints the memory of the process ten times, and
ends with 1 if it grows by more than 4 MB after the first two tenths.
"""

import contextlib
import gc
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import fastnn
from fastnn import MLP, Adam, MLPClassifier, tables

LIMIT = 4e6  # bytes
RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 8)).astype("float32")
Y = (X[:, 0] > X[:, 1]).astype(int)


def resident():
    """Bytes of memory that the process has."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def make(width=None):
    sizes = [8, width or random.choice([4, 33, 100]), 1]
    return MLP(sizes, output="sigmoid", rng=random.randrange(10**6))


def fit(folder):
    net = make()
    options = dict(batch_size=random.choice([1, 16, None]), n_threads=random.choice([1, 2]))
    net.fit(X, Y, epochs=3, **options)
    net.fit(X, Y, epochs=2, resume=True, validation_fraction=0.2)


def fit_many(folder):
    nets = [make(10 + i % 3) for i in range(8)]
    fastnn.fit_many(nets, X, Y, epochs=3)
    fastnn.forward_many(nets[::3], X)


def predict(folder):
    net = make()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(net.forward, [X[: random.randint(1, 500)] for _ in range(50)]))


def save_and_load(folder):
    path = os.path.join(folder, "model.safetensors")
    net = make()
    net.fit(X, Y, epochs=1)
    net.save(path)
    assert np.array_equal(fastnn.load(path).params, net.params)


def estimator(folder):
    path = os.path.join(folder, "estimator.safetensors")
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        model = MLPClassifier((8,), max_iter=3, random_state=0).fit(X, Y)
    model.save(path)
    assert np.array_equal(fastnn.load(path).predict(X), model.predict(X))


def read_table(folder):
    path = os.path.join(folder, "table.csv")
    with open(path, "w") as file:
        file.write("a,b,c\n" + "1.5,yes,2024-01-31\n" * 2000)
    tables.read(path)


def fail(folder):
    net = make()
    for call in (
        lambda: net.forward(X[:, :3]),
        lambda: net.fit(X, Y, epochs=-1),
        lambda: net.fit(X, np.full(500, np.nan)),
        lambda: fastnn.load(os.path.join(folder, "table.csv")),
        lambda: MLP([8, 0, 1]),
    ):
        with contextlib.suppress(ValueError, fastnn.DivergenceError):
            call()
            raise AssertionError("this call should fail")


def diverge(folder):
    with contextlib.suppress(fastnn.DivergenceError):
        make().fit(X * 1e30, Y * 1e30, "mse", Adam(1e30), epochs=5)


def interrupt(folder):
    net = make()
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 0.05))
        net.fit(X, Y, epochs=10**6)
    except KeyboardInterrupt:
        assert np.isfinite(net.params).all()


def fork(folder):
    child = os.fork()
    if child == 0:
        make().fit(X, Y, epochs=1, n_threads=2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0


USES = [
    *(fit, fit_many, predict, save_and_load, estimator),
    *(read_table, fail, diverge, interrupt, fork),
]


def interrupt_training(_number, _frame):
    raise KeyboardInterrupt


def main(seconds):
    random.seed(0)
    signal.signal(signal.SIGALRM, interrupt_training)
    start, rounds, memory = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory() as folder:
        read_table(folder)
        while len(memory) < 10:
            for use in random.sample(USES, len(USES)):
                use(folder)
            rounds += 1
            if time.monotonic() - start > seconds * (len(memory) + 1) / 10:
                memory.append(resident())
                shown = f"{time.monotonic() - start:7.0f} s {rounds:8} rounds "
                shown += f"{memory[-1] / 1e6:8.1f} MB {sys.getallocatedblocks():8} blocks"
                print(shown, flush=True)
    growth = memory[-1] - memory[1]
    print(f"growth: {growth / 1e6:.1f} MB, allowed: {LIMIT / 1e6:.0f} MB")
    return int(growth > LIMIT)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 600))
