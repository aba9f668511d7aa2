"""Compare builds of fastnn on predictions of one row, for example wheels for one Python and abi3.

    python bench/builds.py one/bin/python two/bin/python
    python bench/builds.py one/bin/python two/bin/python --rounds 300

Each argument is a Python that has a build installed. The builds run in processes of their own, in
turn, and the best block of each is reported. The rows are I1 and I2 of compare.py: a network of one
and of two hidden layers, with an array for the output and with a new one, and one epoch of training
in ten steps, which hardly calls Python. The last columns are the times / the first build's time.
"""

import json
import subprocess
import sys
from functools import partial

import measure
from measure import format_ratio, format_us, table_row

WORKER = """
import json, sys, time
import numpy as np
import fastnn
from fastnn import kernels

def rows():
    rng = np.random.default_rng(0)
    for name, sizes in {"I1": [30, 32, 1], "I2": [30, 64, 64, 1]}.items():
        net = fastnn.MLP(sizes, output="sigmoid", rng=0)
        X, out = rng.normal(size=(1, 30)).astype("float32"), np.empty((1, 1), "float32")
        yield f"{name}, out=", lambda net=net, X=X, out=out: net.forward(X, out), 500
        yield f"{name}, new array", lambda net=net, X=X: net.forward(X), 500
    net = fastnn.MLP([64, 100, 1], rng=0)
    X, y = rng.normal(size=(320, 64)).astype("float32"), np.zeros((320, 1), "float32")
    yield "ten steps", lambda: net.fit(X, y, epochs=1, batch_size=32, n_threads=1), 1

jobs = {name: (function, calls) for name, function, calls in rows()}
for function, calls in jobs.values():
    for _ in range(calls):
        function()
print(json.dumps([kernels.__file__, list(jobs)]), flush=True)
for line in sys.stdin:
    function, calls = jobs[line.strip()]
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(calls):
            function()
        best = min(best, (time.perf_counter() - start) / calls)
    print(best, flush=True)
"""


class Build:
    """A process that runs one build."""

    def __init__(self, python):
        self.process = subprocess.Popen(
            [python, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{python} cannot run fastnn. See the message above.")
        self.file, self.rows = json.loads(line)

    def time(self, row):
        """Return the seconds per call in the best of 20 blocks."""
        print(row, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("pythons", nargs="+", metavar="PYTHON")
    parser.add_argument(
        "--rounds", type=int, default=100, help="times that each build runs each row (default: 100)"
    )
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {arguments.rounds}")
    measure.limit_threads(1)
    builds = [Build(python) for python in arguments.pythons]
    for i, build in enumerate(builds):
        print(f"{i + 1}: {build.file}")
    widths = 16, *(10 for _ in 2 * builds)
    print(table_row(widths, "us a call", *2 * [f"build {i + 1}" for i in range(len(builds))]))
    for row in builds[0].rows:
        jobs = {i: partial(build.time, row) for i, build in enumerate(builds)}
        best = [1e6 * seconds for seconds in measure.interleave(jobs, arguments.rounds).values()]
        ratios = [format_ratio(us / best[0]) for us in best]
        print(table_row(widths, row, *map(format_us, best), *ratios), flush=True)
    for build in builds:
        build.process.stdin.close()
        build.process.wait()


if __name__ == "__main__":
    main()
