"""A training step on every instruction set that this CPU has, in float32 and float64, beside NumPy.

    python bench/isa.py                  all that `fastnn.show_config()` lists as built and supported: half a minute
    python bench/isa.py --quick          one round

Each set runs in a process of its own, chosen by FASTNN_ISA; the processes take turns, and the best block of each counts. Plain SGD, one
thread, in order. NumPy does the same steps, written out below and checked to have the same losses; its matrix products come from a BLAS
that uses all that the CPU has.

You will see microseconds a step and GFLOP/s (two for a multiply-add), how many times longer float64 takes than float32 (2 where lanes are
all that counts), each set beside the widest, and NumPy's time beside each: above 1.0, even the narrow set is faster than NumPy.
"""

# ruff: noqa: E402
import argparse
import json
import os
import subprocess
import sys
import time

for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np

import fastnn
from fastnn import kernels

ROWS = {  # layer sizes, activation, batch
    "T1": ([3, 4, 1], "sigmoid", 4),
    "T2": ([30, 32, 1], "relu", 32),
    "T3a": ([30, 64, 64, 1], "relu", 32),
    "T3b": ([30, 64, 64, 1], "relu", 256),
    "T4": ([28, 256, 256, 1], "relu", 256),
}
DTYPES = ["float32", "float64"]
BATCHES, RATE = 8, 0.01


def task(row, dtype):
    sizes, activation, batch = ROWS[row]
    rng = np.random.default_rng(0)
    X = rng.standard_normal((BATCHES * batch, sizes[0])).astype(dtype)
    y = (X[:, :1] > 0).astype(dtype)
    return fastnn.MLP(sizes, activation, "sigmoid", dtype=dtype, rng=0), X, y, batch


def flops(row):
    """Of a step: forward, gradients of the weights, and of the inputs of all layers but the first."""
    sizes, _, batch = ROWS[row]
    products = [k * m for k, m in zip(sizes, sizes[1:])]
    return 2 * batch * (3 * sum(products) - products[0])


def fastnn_epochs(net, X, y, batch, epochs):
    """Seconds, and the epochs' losses."""
    history = net.copy().fit(X, y, "bce", fastnn.SGD(RATE), epochs, batch, shuffle=False)
    return history.seconds, history.loss


def numpy_epochs(net, X, y, batch, epochs):
    weights, biases, losses = [W.copy() for W in net.weights], [b.copy() for b in net.biases], []
    relu, lr = net.activations[0] == "relu", X.dtype.type(RATE)
    began = time.perf_counter()
    for _ in range(epochs):
        loss = 0.0
        for i in range(0, len(X), batch):
            A, y_batch = [X[i : i + batch]], y[i : i + batch]
            for W, b in zip(weights, biases):
                Z = A[-1] @ W + b
                A.append(np.maximum(Z, 0) if relu else 1 / (1 + np.exp(-Z)))
            loss += np.mean(np.maximum(Z, 0) - Z * y_batch + np.log1p(np.exp(-np.abs(Z))))
            d = (1 / (1 + np.exp(-Z)) - y_batch) / X.dtype.type(batch)
            for W, b, a in zip(weights[::-1], biases[::-1], A[-2::-1]):
                dW, db = a.T @ d, d.sum(axis=0)
                if a is not A[0]:
                    d = d @ W.T
                    d = d * (a > 0) if relu else d * a * (1 - a)
                W -= lr * dW
                b -= lr * db
        losses.append(loss / BATCHES)
    return time.perf_counter() - began, losses


def best_times(train, rounds, seconds=4e-3):
    """[(row, dtype, seconds a step)]"""
    times = []
    for row in ROWS:
        for dtype in DTYPES:
            job = task(row, dtype)
            time_of_three, losses = train(*job, 3)
            np.testing.assert_allclose(losses, fastnn_epochs(*job, 3)[1], rtol=1e-4)
            epochs = max(1, round(3 * seconds / time_of_three))
            times.append((row, dtype, min(train(*job, epochs)[0] for _ in range(rounds)) / epochs / BATCHES))
    return times


def in_process(isa, rounds):
    """{(row, dtype): seconds} of a fresh process on this set."""
    command = [sys.executable, __file__, "--times", "numpy" if isa == "NumPy" else "fastnn", "--rounds", str(rounds)]
    environment = os.environ if isa == "NumPy" else {**os.environ, "FASTNN_ISA": isa}
    answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    return {(row, dtype): seconds for row, dtype, seconds in json.loads(answer)}


def number(us):
    return f"{us:.2f}" if us < 100 else f"{us:.0f}"


def report(figures, sets):
    widest = sets[0]
    for row, (sizes, activation, batch) in ROWS.items():
        print(f"\n{row}: {'-'.join(map(str, sizes))}, {activation}, batches of {batch}")
        print(f"{'':9} {'float32':>8} {'GFLOP/s':>8} {'float64':>9} {'GFLOP/s':>8} {'64 / 32':>8} {'/ ' + widest:>9} {'NumPy / it':>11}")
        for isa in [*sets, "NumPy"]:
            us = [figures[isa, row, dtype] * 1e6 for dtype in DTYPES]
            speed = [flops(row) / t / 1e3 for t in us]
            line = f"{isa:9} {number(us[0]):>8} {speed[0]:8.1f} {number(us[1]):>9} {speed[1]:8.1f} {us[1] / us[0]:8.2f}"
            beside = us[0] / figures[widest, row, "float32"] / 1e6, figures["NumPy", row, "float32"] * 1e6 / us[0]
            print(line + f" {beside[0]:9.2f} {beside[1]:11.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="processes of each set, ten blocks of each row in each (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one process of each, one block")
    parser.add_argument("--times", choices=["fastnn", "numpy"], help=argparse.SUPPRESS)  # the process of one set
    arguments = parser.parse_args()
    if arguments.times:
        train = {"fastnn": fastnn_epochs, "numpy": numpy_epochs}[arguments.times]
        print(json.dumps(best_times(train, arguments.rounds)))
        return
    sets = [isa for isa in reversed(kernels.BUILT) if isa in kernels.SUPPORTED]
    print(f"fastnn {fastnn.__version__}, NumPy {np.__version__}, one thread; microseconds a step; ratios of float32")
    figures = {}
    for _ in range(1 if arguments.quick else arguments.rounds):
        for isa in [*sets, "NumPy"]:
            for key, seconds in in_process(isa, 1 if arguments.quick else 10).items():
                figures[isa, *key] = min(seconds, figures.get((isa, *key), np.inf))
    report(figures, sets)


if __name__ == "__main__":
    main()
