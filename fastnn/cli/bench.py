"""fastnn bench: time five typical networks with fastnn, NumPy, scikit-learn and PyTorch.

All libraries start from the same weights and see the same rows in the same order. Their losses and
outputs must agree before anything is timed. They run in turn, one short block after another, and
the best block of each counts, so that other load on the machine affects all of them alike.

The peak is what the CPU computes if it does nothing but multiply-adds in registers, one thread with
fastnn's instruction set. The share of it says how much of a step is anything else.
"""

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np

from .. import kernels
from ..config import __version__
from ..mlp import MLP
from . import bench_libraries
from .console import print_json
from .options import json_flag, option
from .parser import number

NETWORKS = (
    ([30, 32, 1], 32),
    ([30, 64, 64, 1], 32),
    ([28, 256, 256, 1], 256),
    ([784, 128, 10], 128),
    ([784, 512, 512, 10], 256),
)
TOLERANCE = 1e-3  # relative for losses, absolute for probabilities
MIN_BLOCK_SECONDS = {"step": 5e-3, "row": 2e-3}
THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
HELP = """
Compare the speed of fastnn and other libraries.

Times training steps (plain SGD, float32) and the prediction of single rows for
five typical networks, with fastnn, fastnn.reference (plain NumPy) and, if they
are installed, scikit-learn and PyTorch. Each uses one thread. Below each table
is the share of the CPU's peak that fastnn's steps reach.

examples:
  fastnn bench
  fastnn bench --seconds 60          measure longer, for more stable results
  fastnn bench --json > bench.json
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn bench`."""

    seconds: float = option(
        "S",
        "approximate total time in seconds (default: 12)",
        default=12.0,
        type=number(above=0.0),
    )
    json: bool = json_flag()


def run(options):
    if any(os.environ.get(name) != "1" for name in THREAD_VARIABLES):
        return _rerun_single_threaded(options.seconds, options.json)
    classes, versions = bench_libraries.find_installed()
    peak = _measure_peak()
    if not options.json:
        print("\n".join(_format_setup(classes, versions, peak)))
    results = []
    for sizes, batch_size in NETWORKS:
        title = f"{'-'.join(map(str, sizes))}, batch size {batch_size}"
        with _status(f"Measuring {title} ..."):
            libraries, rows = _set_up(classes, sizes, batch_size)
            difference = _find_difference(libraries, rows)
            if difference:
                print(
                    f"fastnn bench: {title}: {difference}. No times are compared.",
                    file=sys.stderr,
                )
                return 1
            times = _measure(libraries, rows, batch_size, options.seconds / len(NETWORKS))
        flops = count_flops(sizes, batch_size)
        for figures in times.values():
            figures["peak_share"] = flops / figures["seconds_a_step"] / peak
        results.append(
            {
                "layer_sizes": sizes,
                "batch_size": batch_size,
                "flops_a_step": flops,
                "libraries": times,
            }
        )
        if not options.json:
            print("\n".join(_format_table(title, times, flops)), flush=True)
    if options.json:
        versions = {"fastnn": __version__, **versions}
        print_json(
            {
                "isa": kernels.CHOSEN,
                "dtype": "float32",
                "threads": 1,
                "peak_flops": peak,
                "versions": versions,
                "networks": results,
            }
        )
    return 0


def _rerun_single_threaded(seconds, is_json):
    """Run the same command in a new process, because libraries read these environment variables
    when they are loaded."""
    argv = ["bench", "--seconds", str(seconds), *["--json"] * is_json]
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = (
        f"import sys; sys.path.append({folder!r}); "
        f"from fastnn.cli import main; sys.exit(main({argv!r}))"
    )
    sys.stdout.flush()
    with subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
    ) as child:
        try:
            status = child.wait()
            return status if status >= 0 else 128 - status
        except KeyboardInterrupt:  # the terminal sends Ctrl-C to both; the child prints a message
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(2)
            child.terminate()
            return 130


@contextlib.contextmanager
def _status(text):
    """Show a line on a terminal while the block runs, then erase it."""
    is_terminal = sys.stderr.isatty()
    if is_terminal:
        print(text, end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if is_terminal:
            print(" " * len(text), end="\r", file=sys.stderr, flush=True)


# ---- measurements ----


def count_flops(sizes, batch_size):
    """Return the multiplications and additions of the products of a training step: three for each
    layer, but two for the first, whose inputs need no gradient."""
    weights = [n_in * n_out for n_in, n_out in zip(sizes, sizes[1:])]
    return 2 * batch_size * (3 * sum(weights) - weights[0])


def _measure_peak(n=10_000_000):
    """Return the multiplications and additions a second of multiply-adds in registers, in the best
    of many blocks of n or more."""
    best, factor_and_addend = 0.0, np.array([1, 0], "f")
    for _ in range(1000):
        start = time.perf_counter()
        done = kernels.multiply_adds(factor_and_addend, n)
        factor_and_addend[0] = 1
        best = max(best, 2 * done / (time.perf_counter() - start))
    return best


def _set_up(classes, sizes, batch_size):
    """Return {library: object}, all with the same weights and data, and rows to predict."""
    rng = np.random.default_rng(0)
    n = max(8192, 32 * batch_size)
    X = rng.standard_normal((n, sizes[0]), dtype="f")
    y = (
        (X[:, :8].sum(axis=1) > 0).astype(np.int64)
        if sizes[-1] == 1
        else np.abs(X[:, : sizes[-1]]).argmax(axis=1)
    )
    net = MLP(sizes, "relu", "sigmoid" if sizes[-1] == 1 else "softmax", rng=0)
    libraries = {name: cls(net.copy(), X, y, batch_size) for name, cls in classes.items()}
    return libraries, X[:1000]


def _find_difference(libraries, rows):
    """Return None if all losses and outputs agree, else a text that describes a difference."""
    losses = {name: np.array(library.train(2)) for name, library in libraries.items()}
    outputs = {name: library.predict(rows) for name, library in libraries.items()}
    for name in libraries:
        error = np.max(np.abs(losses[name] / losses["fastnn"] - 1))
        if not error < TOLERANCE:
            return f"fastnn and {name} disagree: a loss differs by {100 * error:.2g} %"
        error = np.max(np.abs(outputs[name] - outputs["fastnn"]))
        if not error < TOLERANCE:
            return f"fastnn and {name} disagree: a probability differs by {error:.2g}"
    return None


def _measure(libraries, rows, batch_size, seconds):
    """Return the times of each library, and their ratios to those of fastnn."""
    steps = len(libraries["fastnn"].data[0]) // batch_size
    epoch = _best_times(
        {name: library.train for name, library in libraries.items()},
        MIN_BLOCK_SECONDS["step"],
        0.7 * seconds,
    )
    row = _best_times(
        {name: _repeat(library.one_row(rows[:1])) for name, library in libraries.items()},
        MIN_BLOCK_SECONDS["row"],
        0.3 * seconds,
    )
    return {
        name: {
            "seconds_a_step": epoch[name] / steps,
            "rows_per_second": steps * batch_size / epoch[name],
            "seconds_for_one_row": row[name],
            "step_ratio": epoch[name] / epoch["fastnn"],
            "row_ratio": row[name] / row["fastnn"],
        }
        for name in libraries
    }


def _repeat(function):
    def repeated(n):
        for _ in range(n):
            function()

    return repeated


def _best_times(functions, block_seconds, seconds):
    """Return {name: seconds per repetition}, the best of at least two blocks of function(n).

    n is large enough that a block takes at least `block_seconds`. The functions run in turn.
    """
    counts, best = {}, dict.fromkeys(functions, np.inf)
    for name, function in functions.items():
        counts[name], elapsed = 1, _time(function, 1)
        while elapsed < block_seconds:
            counts[name] *= 2
            elapsed = _time(function, counts[name])
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 2 or time.perf_counter() < end:
        rounds += 1
        for name, function in functions.items():
            best[name] = min(best[name], _time(function, counts[name]) / counts[name])
    return best


def _time(function, n):
    start = time.perf_counter()
    function(n)
    return time.perf_counter() - start


def _format_setup(classes, versions, peak):
    """Yield lines about the libraries and the method."""
    yield f"fastnn         {__version__}, {kernels.CHOSEN}"
    names = ", ".join(f"{name} ({version})" for name, version in versions.items())
    yield f"compared with  {names}"
    missing = [name for name in bench_libraries.LIBRARIES if name not in classes]
    if missing:
        yield f"not installed  {', '.join(missing)}"
    yield "setup          float32, plain SGD, one thread; losses and outputs agree"
    yield "times          best of many short interleaved blocks"
    yield f"peak           {peak / 1e9:.0f} GFLOP/s: multiply-adds in registers, one thread"
    yield "ratio          time / time of fastnn"


def _format_table(title, times, flops):
    yield ""
    yield f"{title:30} {'step':>10} {'rows/s':>10} {'ratio':>7} {'one row':>10} {'ratio':>7}"
    for name, t in times.items():
        step = _format_duration(t["seconds_a_step"])
        row = _format_duration(t["seconds_for_one_row"])
        yield (
            f"  {name:28} {step:>10} {t['rows_per_second']:10,.0f} {t['step_ratio']:7.1f} "
            f"{row:>10} {t['row_ratio']:7.1f}"
        )
    fastnn = times["fastnn"]
    rate = flops / fastnn["seconds_a_step"] / 1e9
    yield f"  fastnn's step: {rate:.3g} GFLOP/s, {100 * fastnn['peak_share']:.2g} % of the peak"


def _format_duration(seconds):
    if seconds < 1e-5:
        return f"{1e6 * seconds:.2f} us"
    if seconds < 1e-3:
        return f"{1e6 * seconds:.1f} us"
    return f"{1e3 * seconds:.2f} ms"
