"""Compare training steps on every instruction set of this CPU, in both dtypes, and in NumPy.

    python bench/isa.py             all sets that `fastnn.show_config()` lists; half a minute
    python bench/isa.py --quick     one round

Each instruction set runs in its own process, selected by FASTNN_ISA. The processes alternate,
and the best block of each is reported. Plain SGD, one thread, no shuffling. NumPy computes the
same steps (peers_plain.py), and its losses are compared with fastnn's. Its BLAS uses the widest
set of the CPU.

The columns are microseconds per step and GFLOP/s (two for a multiply-add) for both dtypes,
float64's time / float32's (2 if only the lanes of a vector matter), the time / the widest set's
time, and NumPy's time / the time. If the last one is above 1, fastnn is faster than NumPy.
"""

import argparse
import json
import os
import subprocess
import sys

import measure
import numpy as np
from measure import format_us, table_row
from networks import NETWORKS

import fastnn
from fastnn import kernels

ROWS = "T1", "T2", "T3a", "T3b", "T4"
DTYPES = ["float32", "float64"]
STEPS_PER_EPOCH, LR = 8, 0.01


class Task:
    """A network, its data and the update rule, with the attributes that `NumpyTraining` uses."""

    rule, lr, steps = "sgd", LR, STEPS_PER_EPOCH

    def __init__(self, row, dtype):
        network = NETWORKS[row]
        self.net, self.sizes, self.activation = (
            network.make(dtype),
            network.sizes,
            network.activation,
        )
        self.batch, self.binary = network.batch, network.binary
        self.n = STEPS_PER_EPOCH * network.batch
        self.X, self.y = network.data(self.n, dtype)


def make_fastnn_run(task):
    """Return run(epochs), which trains from the initial weights and returns (seconds, losses)."""

    def run(epochs):
        net = task.net.copy()
        history = net.fit(task.X, task.y, "bce", fastnn.SGD(LR), epochs, task.batch, shuffle=False)
        return history.seconds, history.loss

    return run


def make_numpy_run(task):
    """Return the same function for NumPy."""
    from peers_plain import NumpyTraining

    trainer = NumpyTraining(task)

    def run(epochs):
        trainer.reset()
        losses = []
        return measure.seconds(lambda: losses.extend(trainer.run(epochs))), losses

    return run


def time_rows(make_run, rounds, length=4e-3):
    """Return [(row, dtype, seconds per step)]."""
    times = []
    for row in ROWS:
        for dtype in DTYPES:
            task = Task(row, dtype)
            run = make_run(task)
            duration, losses = run(3)
            np.testing.assert_allclose(losses, make_fastnn_run(task)(3)[1], rtol=1e-4)
            epochs = max(1, round(3 * length / duration))
            best = measure.interleave({row: lambda: run(epochs)[0]}, rounds)  # noqa: B023 - called at once
            times.append((row, dtype, best[row] / epochs / STEPS_PER_EPOCH))
    return times


def time_in_process(isa, rounds):
    """Return {(row, dtype): seconds per step}, measured in a new process."""
    implementation = "numpy" if isa == "NumPy" else "fastnn"
    command = [sys.executable, __file__, "--times", implementation, "--rounds", str(rounds)]
    environment = os.environ if isa == "NumPy" else {**os.environ, "FASTNN_ISA": isa}
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    return {(row, dtype): seconds for row, dtype, seconds in json.loads(output)}


def best_of_processes(results):
    """Return the least time of each row and dtype."""
    return {key: min(result[key] for result in results) for key in results[0]}


def report(times, sets):
    """Print one table for each network. `times` is {set: {(row, dtype): seconds}}."""
    widths, widest = [9, 9, 9, 10, 9, 9, 10, 12], sets[0]
    header = "", "float32", "GFLOP/s", "float64", "GFLOP/s", "64 / 32", f"/ {widest}", "NumPy / it"
    for row in ROWS:
        network = NETWORKS[row]
        print(f"\n{row}: {network.title}, {network.activation}, batches of {network.batch}")
        print(table_row(widths, *header))
        widest_us, numpy_us = (times[isa][row, "float32"] * 1e6 for isa in (widest, "NumPy"))
        for isa in [*sets, "NumPy"]:
            us = [times[isa][row, dtype] * 1e6 for dtype in DTYPES]
            cells = []
            for t in us:
                cells += [format_us(t), f"{network.flops / t / 1e3:.1f}"]
            ratios = us[1] / us[0], us[0] / widest_us, numpy_us / us[0]
            print(table_row(widths, isa, *cells, *(f"{ratio:.2f}" for ratio in ratios)))


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument(
        "--rounds",
        type=int,
        default=5,
        help="processes of each set; each runs ten blocks of each row (default: 5)",
    )
    parser.add_argument("--quick", action="store_true", help="one process of each, one block")
    # used internally, to time one set in a new process
    parser.add_argument("--times", choices=["fastnn", "numpy"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.times:
        make_run = {"fastnn": make_fastnn_run, "numpy": make_numpy_run}[arguments.times]
        print(json.dumps(time_rows(make_run, arguments.rounds)))
        return
    sets = [isa for isa in reversed(kernels.BUILT) if isa in kernels.SUPPORTED]
    print(f"{measure.versions('numpy')}, one thread; microseconds a step; ratios of float32")
    processes, blocks = (1, 1) if arguments.quick else (arguments.rounds, 10)
    jobs = {isa: lambda isa=isa: time_in_process(isa, blocks) for isa in [*sets, "NumPy"]}
    report(measure.interleave(jobs, processes, best_of_processes), sets)


if __name__ == "__main__":
    main()
