"""No cliffs: the time of a training step over every width, batch, number of inputs and of outputs,
depth and activation, and that of `forward` over every number of rows.

    python bench/sweep.py --plot sweep.png                 everything, both dtypes: some minutes
    python bench/sweep.py --only width,batch --dtypes float32
    python bench/sweep.py --quick                          few sizes, few rounds: a look
    FASTNN_ISA=avx2 python bench/sweep.py                  another instruction set, as everywhere in fastnn

One thread; `fit` without shuffling on rows that stay where they are, 16 steps an epoch and many
epochs a call, plain SGD at rate 0, so that the numbers stay what they are. All sizes of a sweep
take turns in short blocks, and the best block of each counts.

Printed is what should not be there. "more than": a size that costs over 3 % more than the next
multiple of a register block (its rows, the lanes of a vector, or a panel of columns), so that
padding it by hand would make it faster. "jump": a size that costs over 10 % more than the one
before it, whole blocks of arithmetic already counted. Suspects are timed again before they are
named.

The picture has a row for each sweep. Left: microseconds against multiply-adds, which is a line
where nothing but arithmetic costs. Right: nanoseconds for a thousand multiply-adds, counting whole
register blocks: it falls from the left, where a step's fixed costs are shared by little work, to
the speed of the products, and a cliff is a step upwards.
"""

import math
import random
import time

import measure
import numpy as np
from measure import calls, chosen

import fastnn
from fastnn import kernels, plotting

ACTIVATIONS = [
    "identity",
    "relu",
    "leaky_relu",
    "sigmoid",
    "tanh",
    "elu",
    "silu",
    "softplus",
    "gelu",
]
BATCHES = 16  # an epoch
BLOCK = 2e-3  # seconds, about
PAUSE = 0.5  # seconds before suspects are timed again
MORE_THAN, JUMP = 1.03, 1.10
BLOCKS = {
    "avx512": (16, 8, 2),
    "avx2": (8, 4, 2),
    "neon": (4, 8, 2),
    "baseline": (4, 4, 2),
}  # lanes of float32, rows, vectors: src/simd

# what is swept: title, sizes, size -> (layer sizes, batch or rows, activation, output)
SWEEPS = {
    "width": (
        "32-w-w-1, batches of 32: w",
        range(1, 301),
        lambda w: ([32, w, w, 1], 32, "relu", "sigmoid"),
    ),
    "batch": (
        "30-64-64-1, batches of b: b",
        range(1, 301),
        lambda b: ([30, 64, 64, 1], b, "relu", "sigmoid"),
    ),
    "inputs": (
        "n-64-64-1, batches of 32: n",
        range(1, 301),
        lambda n: ([n, 64, 64, 1], 32, "relu", "sigmoid"),
    ),
    "outputs": (
        "30-64-c, softmax, batches of 32: c",
        range(2, 51),
        lambda c: ([30, 64, c], 32, "relu", "softmax"),
    ),
    "depth": (
        "30, d times 64, 1, batches of 32: d",
        range(1, 9),
        lambda d: ([30] + [64] * d + [1], 32, "relu", "sigmoid"),
    ),
    "rows": (
        "forward, 30-64-64-1: rows",
        range(1, 301),
        lambda n: ([30, 64, 64, 1], n, "relu", "sigmoid"),
    ),
    "activation": (
        "30-64-64-1, batches of 32",
        ACTIVATIONS,
        lambda name: ([30, 64, 64, 1], 32, name, "sigmoid"),
    ),
}


def up(n, q):
    return -(-n // q) * q


def blocks(dtype):
    """Lanes, rows and columns of a register block."""
    lanes, rows, vecs = BLOCKS[kernels.CHOSEN]
    if dtype == "float64":
        lanes //= 2
        if kernels.CHOSEN == "neon":
            rows, vecs = 4, 4
    return lanes, rows, lanes * vecs


def multiply_adds(layer_sizes, n, trains, rows=1, lanes=1):
    """Of a step, or of a forward pass, over n rows; in whole blocks of so many rows and columns."""
    total = 0
    for layer, (k, m) in enumerate(zip(layer_sizes, layer_sizes[1:])):
        if m == 1:  # vectors: no blocks of rows
            total += n * up(k, lanes) * (1 + trains * (1 + (layer > 0)))
            continue
        total += up(n, rows) * k * up(m, lanes)
        if trains:
            total += up(k, rows) * n * up(m, lanes) + (layer > 0) * up(n, rows) * m * up(k, lanes)
    return total


class Case:
    """One size: its best time so far, in seconds."""

    def __init__(self, size, spec, trains, dtype):
        layer_sizes, n, activation, output = spec
        lanes, rows, _ = blocks(dtype)
        self.size, self.trains, self.n, self.best = size, trains, n, math.inf
        self.work = multiply_adds(layer_sizes, n, trains)
        if not trains and n < 64:
            rows = (
                4 if n > 3 else 1
            )  # src/infer/few.pxi: a few rows go four at a time, up to three as many as they are
        self.rounded = multiply_adds(layer_sizes, n, trains, rows, lanes)
        rng = np.random.default_rng(0)
        self.net = fastnn.MLP(layer_sizes, activation, output, dtype=dtype, rng=0)
        self.X = rng.standard_normal((n * BATCHES if trains else n, layer_sizes[0])).astype(dtype)
        self.y = rng.integers(0, max(2, layer_sizes[-1]), len(self.X))
        self.out = np.empty((n, layer_sizes[-1]), dtype)
        self.turns = 1
        self.turns = max(1, round(BLOCK / self.block() / (BATCHES if trains else 1)))

    def block(self):
        """Seconds of a unit: of a step, in an epoch a turn, or of a call of forward."""
        if not self.trains:
            return calls(lambda: self.net.forward(self.X, self.out), self.turns)()
        history = self.net.fit(
            self.X,
            self.y,
            optimizer=fastnn.SGD(0.0),
            epochs=self.turns,
            batch_size=self.n,
            shuffle=False,
        )
        return history.seconds / history.n_steps


def take_turns(cases, rounds):
    best = measure.race({case: case.block for case in cases}, rounds, shuffle=True)
    for case, seconds in best.items():
        case.best = min(case.best, seconds)


def dearer(cases, dtype):
    """(times as much, size, next multiple) where the next multiple of a block costs less."""
    found = []
    for size, case in cases.items():
        above = {up(size, q) for q in blocks(dtype)} - {size}
        above = [cases[n] for n in above if n in cases]
        if above:
            other = min(above, key=lambda case: case.best)
            found.append((case.best / other.best, size, other.size))
    return sorted((line for line in found if line[0] > MORE_THAN), reverse=True)


def jumps(cases):
    """(times as much beyond arithmetic, size, the one before)"""
    pairs = list(zip(list(cases.values()), list(cases.values())[1:]))
    found = [
        (b.best / a.best / max(1, b.rounded / a.rounded), b.size, a.size)
        for a, b in pairs
        if b.size == a.size + 1
    ]
    return sorted((line for line in found if line[0] > JUMP), reverse=True)


def timed(what, dtype, arguments):
    """Return {size: Case}."""
    _, sizes, spec = SWEEPS[what]
    sizes = sizes[:: 1 if len(sizes) < 10 else arguments.every]
    cases = {size: Case(size, spec(size), what != "rows", dtype) for size in sizes}
    take_turns(cases.values(), arguments.rounds)
    if what != "activation":
        for _ in range(arguments.tries):  # who was timed while the machine was busy looks dear
            suspects = {size for line in dearer(cases, dtype) + jumps(cases) for size in line[1:]}
            if not suspects:
                break
            time.sleep(PAUSE)
            take_turns([cases[size] for size in suspects], arguments.rounds)
    return cases


# ---- what one sees ----


def report(what, dtype, cases):
    print(f"\n{SWEEPS[what][0]}; {dtype}", flush=True)
    if what in ("activation", "depth"):
        for case in cases.values():
            print(f"  {case.size!s:12} {case.best * 1e6:7.2f} us")
        return
    largest = list(cases.values())[-1]
    print(
        f"  {len(cases)} sizes, {largest.size}: {largest.best * 1e6:.2f} us, {2 * largest.work / largest.best / 1e9:.1f} GFLOP/s"
    )
    for ratio, size, other in dearer(cases, dtype)[:12]:
        print(
            f"  more than  {size:3} costs {ratio:.2f} times {other} ({cases[size].best * 1e6:.2f} and {cases[other].best * 1e6:.2f} us)"
        )
    for ratio, size, before in jumps(cases)[:6]:
        print(
            f"  jump       {before:3} -> {size}: {ratio:.2f} ({cases[before].best * 1e6:.2f} and {cases[size].best * 1e6:.2f} us)"
        )
    print(
        f"  {len(dearer(cases, dtype))} sizes cost more than the next multiple, {len(jumps(cases))} jumps"
    )


def draw(file, measured):
    """measured: {what: {dtype: cases}}"""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    with plotting.style():
        figure, axes = plt.subplots(
            len(measured), 2, figsize=(8, 2.4 * len(measured)), squeeze=False
        )
        for (left, right), (what, by_dtype) in zip(axes, measured.items()):
            left.set_title(SWEEPS[what][0].partition(":")[0])
            for (dtype, cases), color in zip(by_dtype.items(), (plotting.BLUE, plotting.ORANGE)):
                sizes, us = list(cases), [case.best * 1e6 for case in cases.values()]
                if what == "activation":
                    left.plot(us, sizes, "o", color=color, label=dtype)
                    right.plot([t / us[sizes.index("relu")] for t in us], sizes, "o", color=color)
                    continue
                line = dict(color=color, marker=".", markersize=2.5, linewidth=0.7, label=dtype)
                left.plot([case.work / 1e3 for case in cases.values()], us, **line)
                right.plot(
                    sizes, [case.best / case.rounded * 1e12 for case in cases.values()], **line
                )
            if what == "activation":
                left.set(xlim=0, xlabel="microseconds")
                right.set(xlim=0, xlabel="times relu", yticklabels=[])
            else:
                left.set(xlim=0, ylim=0, xlabel="thousand multiply-adds", ylabel="microseconds")
                right.set(
                    xlabel=SWEEPS[what][0].rpartition(": ")[2],
                    ylabel="ns per thousand",
                    yscale="log",
                    ylim=(10, 200),
                )
                right.set_yticks([10, 20, 50, 100, 200])
                right.yaxis.set_major_formatter(ScalarFormatter())
                right.yaxis.set_minor_formatter(NullFormatter())
        axes[0, 0].legend()
        figure.suptitle(f"Time of a step or call, one thread, {kernels.CHOSEN}", fontsize=12)
        figure.savefig(file)


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("--only", help="of " + ",".join(SWEEPS))
    parser.add_argument("--dtypes", help="default: float32,float64")
    parser.add_argument("--rounds", type=int, default=15, help="blocks of each size (default: 15)")
    parser.add_argument(
        "--every", type=int, default=1, help="only every so many sizes (default: 1)"
    )
    parser.add_argument(
        "--tries", type=int, default=8, help="times that suspects are timed again (default: 8)"
    )
    parser.add_argument("--quick", action="store_true", help="every 15th size, two rounds")
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="save the picture there"
    )
    arguments = parser.parse_args()
    sweeps, dtypes = (
        chosen(parser, "only", arguments.only, SWEEPS),
        chosen(parser, "dtypes", arguments.dtypes, ["float32", "float64"]),
    )
    if arguments.quick:
        arguments.rounds, arguments.every, arguments.tries = 2, max(15, arguments.every), 0
    random.seed(0)
    print(f"{measure.versions()}, one thread")
    measured = {}
    for what in sweeps:
        for dtype in dtypes:
            measured.setdefault(what, {})[dtype] = timed(what, dtype, arguments)
            report(what, dtype, measured[what][dtype])
    if arguments.plot:
        draw(arguments.plot, measured)


if __name__ == "__main__":
    main()
