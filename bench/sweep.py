"""Find time that is not arithmetic: sweeps over sizes, and the overhead of a short fit.

    python bench/sweep.py --plot sweep.png               all sweeps, both dtypes; takes minutes
    python bench/sweep.py --only width,batch --dtypes float32
    python bench/sweep.py --only overhead                where the time of a short fit goes
    python bench/sweep.py --only sample --n 150 --seed 0 --threads 1,2 --plot sample.png
                                                         random sizes, beside the strongest peers
    python bench/sweep.py --quick                        few sizes, few rounds
    FASTNN_ISA=avx2 python bench/sweep.py                another instruction set

The sweeps time a training step over widths, batches, numbers of inputs and outputs, depths and
activations, and `forward` over numbers of rows. One thread; `fit` without shuffling, 16 steps
an epoch, many epochs a call, plain SGD with a learning rate of 0, so that the parameters stay
the same. Short blocks of all sizes alternate, and the best block of each size is reported.

A sweep prints only anomalies. "more than" is a size that takes over 3 % longer than the next
multiple of a register block (its rows, a vector's lanes, or a panel's columns), so that padding
would be faster. "jump" is a size that takes over 10 % longer than the size before it, after
accounting for whole blocks of arithmetic. Both are timed again before they are printed.

The plot has one row for each sweep. Left: time against multiply-adds, a straight line if only
arithmetic takes time. Right: nanoseconds per thousand multiply-adds in whole register blocks.
The curve falls from the fixed cost of small steps to the speed of the products, and an anomaly
is a step upwards.

"overhead" splits the time of 200 epochs on 569 rows, 30-32-1, batches of 32, with shuffling and
114 validation rows. "steps" are the same steps without shuffling and validation, in one call.
"shuffling" is the extra time with shuffled rows. "validation" is as many forward passes over
the validation rows, in one call. "the rest" is Python code, copies of parameters, histories and
argument checks. "an idle callback" is what a callback that does nothing adds.

"sample" draws networks, batches and optimizers at random, and times a training step of fastnn and
of the strongest peers (sample.py), which must be installed. It checks that all do the same work,
as compare.py does. It prints the ratio of each cell, and at the end those in which a peer is
faster. 150 networks take half an hour. It does not run by default.
"""

import math
import os
import random
import time

import measure
import numpy as np
from measure import select_names, timed_calls
from networks import NETWORKS

import fastnn
from fastnn import kernels, plotting

ACTIVATIONS = "identity relu leaky_relu sigmoid tanh elu silu softplus gelu".split()
STEPS_PER_EPOCH = 16
BLOCK = 2e-3  # approximate length of a block in seconds
PAUSE = 0.5  # seconds before anomalies are timed again
MIN_PADDING_RATIO, MIN_JUMP = 1.03, 1.10
# float32 lanes of a vector, and rows and vectors of a register block, from src/simd
REGISTER_BLOCKS = {
    "avx512": (16, 8, 2),
    "avx2": (8, 4, 2),
    "neon": (4, 8, 2),
    "baseline": (4, 4, 2),
}

# sweep: (title, sizes, function from size to (layer sizes, batch or rows, activation, output))
SIZES = range(1, 301)
SWEEPS = {
    "width": (
        "32-w-w-1, batches of 32: w",
        SIZES,
        lambda w: ([32, w, w, 1], 32, "relu", "sigmoid"),
    ),
    "batch": (
        "30-64-64-1, batches of b: b",
        SIZES,
        lambda b: ([30, 64, 64, 1], b, "relu", "sigmoid"),
    ),
    "inputs": (
        "n-64-64-1, batches of 32: n",
        SIZES,
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
        SIZES,
        lambda n: ([30, 64, 64, 1], n, "relu", "sigmoid"),
    ),
    "activation": (
        "30-64-64-1, batches of 32",
        ACTIVATIONS,
        lambda name: ([30, 64, 64, 1], 32, name, "sigmoid"),
    ),
}


# ---- sweeps ----


def round_up(n, multiple):
    return -(-n // multiple) * multiple


def register_block(dtype):
    """Return the lanes of a vector, and the rows and columns of a register block."""
    lanes, rows, vectors = REGISTER_BLOCKS[kernels.CHOSEN]
    if dtype == "float64":
        lanes //= 2
        if kernels.CHOSEN == "neon":
            rows, vectors = 4, 4
    return lanes, rows, lanes * vectors


def rows_computed(n, rows):
    """Return the rows that a product computes for n: whole blocks, the last of 8 with 1, 2 or 4 rows.

    See `product_rest` in src/ops/product.pxi.
    """
    rest = n % rows
    return n - rest + (rest if rest <= 2 else round_up(rest, 4)) if rows == 8 else round_up(n, rows)


def multiply_adds(layer_sizes, n, trains, rows=1, lanes=1):
    """Count the multiply-adds of a training step, or of a forward pass, over n rows.

    Sizes are rounded up to multiples of `rows` and `lanes`.
    """
    total = 0
    for layer, (k, m) in enumerate(zip(layer_sizes, layer_sizes[1:])):
        if m == 1:  # a product with a vector: no blocks of rows
            total += n * round_up(k, lanes) * (1 + trains * (1 + (layer > 0)))
            continue
        total += rows_computed(n, rows) * k * round_up(m, lanes)
        if trains:
            total += round_up(k, rows) * n * round_up(m, lanes)
            total += (layer > 0) * rows_computed(n, rows) * m * round_up(k, lanes)
    return total


class Case:
    """One size of a sweep, and its best time so far in seconds per step or call."""

    def __init__(self, size, spec, trains, dtype):
        layer_sizes, n, activation, output = spec
        lanes, rows, _ = register_block(dtype)
        self.size, self.trains, self.n, self.best = size, trains, n, math.inf
        self.work = multiply_adds(layer_sizes, n, trains)
        if not trains and n < 64:  # src/infer/few.pxi computes blocks of four rows, up to 3 singly
            rows = 4 if n > 3 else 1
        self.block_work = multiply_adds(layer_sizes, n, trains, rows, lanes)
        rng = np.random.default_rng(0)
        self.net = fastnn.MLP(layer_sizes, activation, output, dtype=dtype, rng=0)
        n_rows = n * STEPS_PER_EPOCH if trains else n
        self.X = rng.standard_normal((n_rows, layer_sizes[0])).astype(dtype)
        self.y = rng.integers(0, max(2, layer_sizes[-1]), len(self.X))
        self.out = np.empty((n, layer_sizes[-1]), dtype)
        self.repeats = 1  # epochs or calls per block
        units = STEPS_PER_EPOCH if trains else 1
        self.repeats = max(1, round(BLOCK / self.time_block() / units))

    def time_block(self):
        """Return the seconds per training step, or per call of forward."""
        if not self.trains:
            return timed_calls(lambda: self.net.forward(self.X, self.out), self.repeats)()
        sgd = fastnn.SGD(0.0)
        history = self.net.fit(
            self.X, self.y, None, sgd, self.repeats, batch_size=self.n, shuffle=False
        )
        return history.seconds / history.n_steps


def time_cases(cases, rounds):
    best = measure.interleave({case: case.time_block for case in cases}, rounds, shuffle=True)
    for case, seconds in best.items():
        case.best = min(case.best, seconds)


def find_slower_than_padded(cases, dtype):
    """Return [(ratio, size, larger size)] of sizes that take longer than a padded size."""
    found = []
    for size, case in cases.items():
        larger = {round_up(size, multiple) for multiple in register_block(dtype)} - {size}
        larger = [cases[n] for n in larger if n in cases]
        if larger:
            fastest = min(larger, key=lambda case: case.best)
            found.append((case.best / fastest.best, size, fastest.size))
    return sorted((entry for entry in found if entry[0] > MIN_PADDING_RATIO), reverse=True)


def find_jumps(cases):
    """Return [(ratio, size, size before)]. The ratio excludes the growth of arithmetic."""
    pairs = list(zip(list(cases.values()), list(cases.values())[1:]))
    found = [
        (b.best / a.best / max(1, b.block_work / a.block_work), b.size, a.size)
        for a, b in pairs
        if b.size == a.size + 1
    ]
    return sorted((entry for entry in found if entry[0] > MIN_JUMP), reverse=True)


def time_sweep(sweep, dtype, arguments):
    """Return {size: Case}."""
    _, sizes, spec = SWEEPS[sweep]
    sizes = sizes[:: 1 if len(sizes) < 10 else arguments.every]
    cases = {size: Case(size, spec(size), sweep != "rows", dtype) for size in sizes}
    time_cases(cases.values(), arguments.rounds)
    if sweep != "activation":
        for _ in range(arguments.tries):  # a busy machine may have caused the anomalies
            anomalies = find_slower_than_padded(cases, dtype) + find_jumps(cases)
            suspects = {size for entry in anomalies for size in entry[1:]}
            if not suspects:
                break
            time.sleep(PAUSE)
            time_cases([cases[size] for size in suspects], arguments.rounds)
    return cases


def report_sweep(sweep, dtype, cases):
    print(f"\n{SWEEPS[sweep][0]}; {dtype}", flush=True)
    us = {size: f"{case.best * 1e6:.2f}" for size, case in cases.items()}
    if sweep in ("activation", "depth"):
        for size in cases:
            print(f"  {size!s:12} {us[size]:>7} us")
        return
    largest, case = list(cases.items())[-1]
    speed = f"{2 * case.work / case.best / 1e9:.1f} GFLOP/s"
    print(f"  {len(cases)} sizes, {largest}: {us[largest]} us, {speed}")
    print("  us   ", *(f"{size}: {us[size]}" for size in (1, 2, 4, 10, 36, 100, 256) if size in us))
    slower, jumps = find_slower_than_padded(cases, dtype), find_jumps(cases)
    for ratio, size, larger in slower[:12]:
        times = f"({us[size]} and {us[larger]} us)"
        print(f"  more than  {size:3} takes {ratio:.2f} times as long as {larger} {times}")
    for ratio, size, before in jumps[:6]:
        print(f"  jump       {before:3} -> {size}: {ratio:.2f} ({us[before]} and {us[size]} us)")
    print(f"  {len(slower)} sizes take longer than the next multiple, {len(jumps)} jumps")


def plot(file, results):
    """Plot {sweep: {dtype: cases}}."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    with plotting.style():
        figure, axes = plt.subplots(len(results), 2, figsize=(8, 2.4 * len(results)), squeeze=False)
        for (left, right), (sweep, by_dtype) in zip(axes, results.items()):
            left.set_title(SWEEPS[sweep][0].partition(":")[0])
            for (dtype, cases), color in zip(by_dtype.items(), (plotting.BLUE, plotting.ORANGE)):
                sizes, us = list(cases), [case.best * 1e6 for case in cases.values()]
                if sweep == "activation":
                    left.plot(us, sizes, "o", color=color, label=dtype)
                    right.plot([t / us[sizes.index("relu")] for t in us], sizes, "o", color=color)
                    continue
                line = dict(color=color, marker=".", markersize=2.5, linewidth=0.7, label=dtype)
                left.plot([case.work / 1e3 for case in cases.values()], us, **line)
                ns = [case.best / case.block_work * 1e12 for case in cases.values()]
                right.plot(sizes, ns, **line)
            if sweep == "activation":
                left.set(xlim=0, xlabel="microseconds")
                right.set(xlim=0, xlabel="time / relu's time", yticklabels=[])
            else:
                left.set(xlim=0, ylim=0, xlabel="thousand multiply-adds", ylabel="microseconds")
                right.set(xlabel=SWEEPS[sweep][0].rpartition(": ")[2], ylabel="ns per thousand")
                right.set(yscale="log", ylim=(10, 200))
                right.set_yticks([10, 20, 50, 100, 200])
                right.yaxis.set_major_formatter(ScalarFormatter())
                right.yaxis.set_minor_formatter(NullFormatter())
        axes[0, 0].legend()
        figure.suptitle(f"Time per step or call, one thread, {kernels.CHOSEN}", fontsize=12)
        figure.savefig(file)


# ---- overhead of a short fit ----

NETWORK, EPOCHS, N_ROWS, N_VALIDATION, ROUNDS = NETWORKS["T2"], 200, 569, 114, 200


def time_overhead(optimizer, rounds):
    """Return {part: seconds of 200 epochs}."""
    X, y = NETWORK.data(N_ROWS + N_VALIDATION)
    X, X_val, y, y_val = X[:N_ROWS], X[N_ROWS:].copy(), y[:N_ROWS], y[N_ROWS:].copy()
    initial, X_repeated = NETWORK.make(), np.tile(X_val, (EPOCHS, 1))
    out = np.empty((len(X_repeated), 1), "f")

    def fit(net, epochs=EPOCHS, **options):
        net.fit(X, y, "bce", optimizer, epochs, NETWORK.batch, **options)

    everything = dict(shuffle=True, validation_data=(X_val, y_val))
    parts = {
        "all": lambda net: fit(net, **everything),
        "without validation": lambda net: fit(net, shuffle=True),
        "steps": lambda net: fit(net, shuffle=False),
        "validation": lambda net: net.forward(X_repeated, out),
        "no epoch": lambda net: fit(net, 0, **everything),
        "callback": lambda net: fit(net, callbacks=lambda net, history: None, **everything),
    }
    jobs = {
        name: lambda run=run: measure.seconds(run, initial.copy()) for name, run in parts.items()
    }
    return measure.interleave(jobs, rounds)


def report_overhead(name, best):
    total, once, validation = best["all"], best["no epoch"], best["validation"]
    steps, shuffling = best["steps"] - once, best["without validation"] - best["steps"]
    parts = {
        "steps": steps,
        "shuffling": shuffling,
        "validation": validation,
        "the rest, once": once,
        "the rest, every epoch": total - steps - shuffling - validation - once,
    }
    title = f"{NETWORK.title}, {N_ROWS} rows, {EPOCHS} epochs, {name}"
    print(f"\n{title}: {total * 1e3:.2f} ms, {total / EPOCHS * 1e6:.1f} us an epoch")
    for part, seconds in parts.items():
        us, percent = seconds / EPOCHS * 1e6, 100 * seconds / total
        print(f"  {part:21} {us:6.2f} us an epoch {percent:6.1f} %")
    print(f"  {'not arithmetic':21} {100 * (1 - (steps + validation) / total):23.1f} %")
    us, percent = (best["callback"] - total) / EPOCHS * 1e6, 100 * (best["callback"] / total - 1)
    print(f"  {'an idle callback adds':21} {us:6.2f} us an epoch {percent:6.1f} %")


def run_sample(parser, arguments):
    cpus = len(os.sched_getaffinity(0))
    known = [str(n) for n in range(1, cpus + 1)]
    thread_counts = select_names(parser, "threads", arguments.threads, known)
    arguments.rounds = arguments.rounds or 3
    arguments.tries = 3 if arguments.tries is None else arguments.tries
    import sample  # loads the peers

    sample.run(arguments, [int(n) for n in thread_counts])


def main():
    parser = measure.make_parser(__doc__)
    known = [*SWEEPS, "overhead"]
    parser.add_argument(
        "--only", help=f"comma-separated, of {','.join(known)} (default: all); or sample"
    )
    parser.add_argument("--dtypes", help="of the sweeps (default: float32,float64)")
    parser.add_argument(
        "--rounds",
        type=int,
        help="blocks of each size of a sweep (default: 15); turns of each peer in the sample"
        " (default: 3)",
    )
    parser.add_argument(
        "--every", type=int, default=1, help="time every Nth size only (default: 1)", metavar="N"
    )
    parser.add_argument(
        "--tries",
        type=int,
        help="times that anomalies are timed again (default: 8; in the sample 3)",
    )
    parser.add_argument("--quick", action="store_true", help="every 15th size, few rounds")
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="plot the sweeps"
    )
    sample = parser.add_argument_group("options of the sample")
    sample.add_argument("--n", type=int, default=150, help="number of networks (default: 150)")
    sample.add_argument(
        "--wide", action="store_true", help="draw layers of 256 to 4096 units, beside PyTorch, too"
    )
    sample.add_argument("--seed", type=int, default=0, help="seed of the sample (default: 0)")
    sample.add_argument(
        "--threads", default="1", help="comma-separated numbers of threads (default: 1)"
    )
    sample.add_argument("--markdown", metavar="FILE", help="write the cells above 1 as a table")
    sample.add_argument("--json", metavar="FILE", help="write all results as JSON")
    sample.add_argument(
        "--read", metavar="FILE", help="read the results of --json instead of measuring"
    )
    arguments = parser.parse_args()
    if arguments.only == "sample":
        run_sample(parser, arguments)
        return
    arguments.rounds = arguments.rounds or 15
    arguments.tries = 8 if arguments.tries is None else arguments.tries
    selected = select_names(parser, "only", arguments.only, known)
    dtypes = select_names(parser, "dtypes", arguments.dtypes, ["float32", "float64"])
    if arguments.quick:
        arguments.rounds, arguments.every, arguments.tries = 2, max(15, arguments.every), 0
    random.seed(0)
    print(f"{measure.versions()}, one thread")
    results = {}
    for sweep in (name for name in selected if name != "overhead"):
        for dtype in dtypes:
            results.setdefault(sweep, {})[dtype] = time_sweep(sweep, dtype, arguments)
            report_sweep(sweep, dtype, results[sweep][dtype])
    if "overhead" in selected:
        for name, optimizer in {"SGD": fastnn.SGD(0.05), "Adam": fastnn.Adam(1e-3)}.items():
            report_overhead(name, time_overhead(optimizer, 5 if arguments.quick else ROUNDS))
    if arguments.plot and results:
        plot(arguments.plot, results)


if __name__ == "__main__":
    main()
