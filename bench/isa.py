"""A training step on every instruction set that this CPU has, in float32 and float64, beside NumPy.

    python bench/isa.py                  all that `fastnn.show_config()` lists as built and supported: half a minute
    python bench/isa.py --quick          one round

Each set runs in a process of its own, chosen by FASTNN_ISA; the processes take turns, and the best
block of each counts. Plain SGD, one thread, in order. NumPy does the same steps (peers_plain.py),
checked to have the same losses; its matrix products come from a BLAS that uses all that the CPU
has.

You will see microseconds a step and GFLOP/s (two for a multiply-add), how many times longer float64
takes than float32 (2 where lanes are all that counts), each set beside the widest, and NumPy's time
beside each: above 1.0, even the narrow set is faster than NumPy.
"""

import argparse
import json
import os
import subprocess
import sys

import measure
import numpy as np
from measure import number
from networks import NETWORKS

import fastnn
from fastnn import kernels

ROWS = "T1", "T2", "T3a", "T3b", "T4"
DTYPES = ["float32", "float64"]
BATCHES, RATE = 8, 0.01


class Task:
    """What peers.py's NumPy needs to train: a network, rows and the rule."""

    rule, lr, steps = "sgd", RATE, BATCHES

    def __init__(self, row, dtype):
        network = NETWORKS[row]
        self.net, self.sizes, self.activation, self.batch, self.binary = (
            network.make(dtype),
            *network[:3],
            network.binary,
        )
        self.n = BATCHES * network.batch
        self.X, self.y = network.data(self.n, dtype)


def fastnn_epochs(task):
    """Return a function(epochs) of the seconds and the epochs' losses."""

    def run(epochs):
        net = task.net.copy()
        history = net.fit(
            task.X, task.y, "bce", fastnn.SGD(RATE), epochs, task.batch, shuffle=False
        )
        return history.seconds, history.loss

    return run


def numpy_epochs(task):
    from peers_plain import NumpyTraining

    job = NumpyTraining(task)

    def run(epochs):
        job.begin()
        losses = []
        return measure.seconds(lambda: losses.extend(job.run(epochs))), losses

    return run


def best_times(train, rounds, length=4e-3):
    """Return [(row, dtype, seconds a step)]."""
    times = []
    for row in ROWS:
        for dtype in DTYPES:
            task = Task(row, dtype)
            run = train(task)
            took, losses = run(3)
            np.testing.assert_allclose(losses, fastnn_epochs(task)(3)[1], rtol=1e-4)
            epochs = max(1, round(3 * length / took))
            best = measure.race({row: lambda run=run, epochs=epochs: run(epochs)[0]}, rounds)
            times.append((row, dtype, best[row] / epochs / BATCHES))
    return times


def in_process(isa, rounds):
    """Return {(row, dtype): seconds} of a fresh process on this set."""
    command = [
        sys.executable,
        __file__,
        "--times",
        "numpy" if isa == "NumPy" else "fastnn",
        "--rounds",
        str(rounds),
    ]
    environment = os.environ if isa == "NumPy" else {**os.environ, "FASTNN_ISA": isa}
    answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    return {(row, dtype): seconds for row, dtype, seconds in json.loads(answer)}


def fastest(results):
    return {key: min(result[key] for result in results) for key in results[0]}


def report(figures, sets):
    """figures: {set: {(row, dtype): seconds}}"""
    widths, widest = [9, 9, 9, 10, 9, 9, 10, 12], sets[0]
    for row in ROWS:
        network = NETWORKS[row]
        print(f"\n{row}: {network.title}, {network.activation}, batches of {network.batch}")
        print(
            measure.line(
                widths,
                "",
                "float32",
                "GFLOP/s",
                "float64",
                "GFLOP/s",
                "64 / 32",
                f"/ {widest}",
                "NumPy / it",
            )
        )
        for isa in [*sets, "NumPy"]:
            us = [figures[isa][row, dtype] * 1e6 for dtype in DTYPES]
            speed = [f"{network.flops / t / 1e3:.1f}" for t in us]
            beside = (
                us[0] / figures[widest][row, "float32"] / 1e6,
                figures["NumPy"][row, "float32"] * 1e6 / us[0],
            )
            cells = (
                number(us[0]),
                speed[0],
                number(us[1]),
                speed[1],
                *(f"{ratio:.2f}" for ratio in (us[1] / us[0], *beside)),
            )
            print(measure.line(widths, isa, *cells))


def main():
    parser = measure.parser(__doc__)
    parser.add_argument(
        "--rounds",
        type=int,
        default=5,
        help="processes of each set, ten blocks of each row in each (default: 5)",
    )
    parser.add_argument("--quick", action="store_true", help="one process of each, one block")
    parser.add_argument(
        "--times", choices=["fastnn", "numpy"], help=argparse.SUPPRESS
    )  # the process of one set
    arguments = parser.parse_args()
    if arguments.times:
        train = {"fastnn": fastnn_epochs, "numpy": numpy_epochs}[arguments.times]
        print(json.dumps(best_times(train, arguments.rounds)))
        return
    sets = [isa for isa in reversed(kernels.BUILT) if isa in kernels.SUPPORTED]
    print(f"{measure.versions('numpy')}, one thread; microseconds a step; ratios of float32")
    rounds, inner = (1, 1) if arguments.quick else (arguments.rounds, 10)
    report(
        measure.race(
            {isa: lambda isa=isa: in_process(isa, inner) for isa in [*sets, "NumPy"]},
            rounds,
            fastest,
        ),
        sets,
    )


if __name__ == "__main__":
    main()
