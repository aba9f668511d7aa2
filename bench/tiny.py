"""Tiny data, many epochs: what a `fit` with shuffling and validation spends on anything but
arithmetic.

    python bench/tiny.py             569 rows to learn from and 114 to validate on, 30-32-1, batches of 32, 200 epochs
    python bench/tiny.py --quick     few rounds

You will see where the time goes, in percent. "steps": as many steps in order, without validation,
in one long run of compiled code. "shuffling": what drawing the orders and following them adds to
that. "validation": as many forward passes over the validation rows, all in one call. "the rest":
Python between the epochs, the way of the parameters to and fro, the histories, the checks before
the first step. All take turns, and the best round of each counts.
"""

import measure
import numpy as np
from networks import NETWORKS

import fastnn

NETWORK = NETWORKS["T2"]
EPOCHS, BATCH = 200, NETWORK.batch


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="default: 200")
    parser.add_argument("--quick", action="store_true", help="5 rounds")
    arguments = parser.parse_args()
    X, y = NETWORK.data(569 + 114)
    X, X_val, y, y_val = X[:569], X[569:].copy(), y[:569], y[569:].copy()
    print(
        f"{measure.versions()}, one thread; {NETWORK.title}, {EPOCHS} epochs of {-(-len(X) // BATCH)} steps"
    )
    for name, optimizer in {"SGD": fastnn.SGD(0.05), "Adam": fastnn.Adam(1e-3)}.items():
        report(
            name,
            best_times(X, y, X_val, y_val, optimizer, 5 if arguments.quick else arguments.rounds),
        )


def best_times(X, y, X_val, y_val, optimizer, rounds):
    """Return the seconds of each part's 200 epochs."""
    begin = NETWORK.make()
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
    return measure.race(
        {name: lambda run=run: measure.seconds(run, begin.copy()) for name, run in parts.items()},
        rounds,
    )


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
        print(
            f"  {part:21} {seconds / EPOCHS * 1e6:6.2f} us an epoch {100 * seconds / all_:6.1f} %"
        )
    print(f"  {'not arithmetic':21} {100 * (1 - (steps + best['validation']) / all_):23.1f} %")


if __name__ == "__main__":
    main()
