"""Tiny data, many epochs: what a `fit` with shuffling and validation spends on anything but arithmetic.

    python bench/tiny.py             569 rows to learn from and 114 to validate on, 30-32-1, batches of 32, 200 epochs
    python bench/tiny.py --quick     few rounds

You will see where the time goes, in percent. "steps": as many steps in order, without validation, in one long run of compiled code.
"shuffling": what drawing the orders and following them adds to that. "validation": as many forward passes over the validation rows, all in
one call. "the rest": Python between the epochs, the way of the parameters to and fro, the histories, the checks before the first step.
All take turns, and the best round of each counts.
"""

import argparse
import gc
import math
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import fastnn

EPOCHS, BATCH = 200, 32


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="default: 200")
    parser.add_argument("--quick", action="store_true", help="5 rounds")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.standard_normal((569 + 114, 30), dtype="f")
    y = (X @ rng.standard_normal(30) > 0).astype("f")
    X, X_val, y, y_val = X[:569], X[569:].copy(), y[:569], y[569:].copy()
    print(f"fastnn {fastnn.__version__}, {fastnn.kernels.CHOSEN}, one thread; 30-32-1, {EPOCHS} epochs of {-(-len(X) // BATCH)} steps")
    for name, optimizer in {"SGD": fastnn.SGD(0.05), "Adam": fastnn.Adam(1e-3)}.items():
        begin = fastnn.MLP([30, 32, 1], "relu", "sigmoid", rng=0)
        report(name, best_times(begin, X, y, X_val, y_val, optimizer, 5 if arguments.quick else arguments.rounds))


def best_times(begin, X, y, X_val, y_val, optimizer, rounds):
    """Seconds of each part's 200 epochs."""
    X_vals = np.tile(X_val, (EPOCHS, 1))
    out = np.empty((len(X_vals), 1), "f")

    def fit(net, epochs=EPOCHS, **more):
        net.fit(X, y, "bce", optimizer, epochs, BATCH, **more)

    def validate(net):
        net.forward(X_vals, out)

    whole = dict(shuffle=True, validation_data=(X_val, y_val))
    parts = {
        "all": lambda net: fit(net, **whole),
        "without validation": lambda net: fit(net, shuffle=True),
        "steps": lambda net: fit(net, shuffle=False),
        "validation": validate,
        "no epoch": lambda net: fit(net, 0, **whole),
    }
    best = dict.fromkeys(parts, math.inf)
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for name, run in parts.items():
            net = begin.copy()
            began = time.perf_counter()
            run(net)
            best[name] = min(best[name], time.perf_counter() - began)
    gc.enable()
    return best


def report(name, best):
    all_, call = best["all"], best["no epoch"]
    steps, shuffling = best["steps"] - call, best["without validation"] - best["steps"]
    parts = {
        "steps": steps,
        "shuffling": shuffling,
        "validation": best["validation"],
        "the rest, once": call,
        "the rest, every epoch": all_ - steps - shuffling - best["validation"] - call,
    }
    print(f"\n{name}: {all_ * 1e3:.2f} ms, {all_ / EPOCHS * 1e6:.1f} us an epoch")
    for part, seconds in parts.items():
        print(f"  {part:21} {seconds / EPOCHS * 1e6:6.2f} us an epoch {100 * seconds / all_:6.1f} %")
    print(f"  {'not arithmetic':21} {100 * (1 - (steps + best['validation']) / all_):23.1f} %")


if __name__ == "__main__":
    main()
