"""How the programs here measure and print: jobs that take turns, of which the best counts, and
lines of numbers.

Import this before NumPy: libraries read how many threads they may start when they are loaded, and
one each is the default.
"""

import argparse
import gc
import os
import platform
import random
import sys
import textwrap
import time
from importlib import metadata

THREADS_OF_BLAS = "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"
for _name in THREADS_OF_BLAS:
    os.environ.setdefault(_name, "1")


def limit_threads(n):
    """Give this process and its children n CPUs, and the libraries that they load later n
    threads."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-n:])
    for name in THREADS_OF_BLAS:
        os.environ[name] = str(n)
    os.environ["JAX_PLATFORMS"] = "cpu"
    if n == 1:
        os.environ["XLA_FLAGS"] = (
            os.environ.get("XLA_FLAGS", "")
            + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        )


# ---- timing ----


def race(jobs, rounds, best=min, shuffle=False, progress=None):
    """Run the jobs in turns, so many rounds, and return {name: best of its results}.

    A job is a function that works for a block and returns its seconds a unit, or what else `best`
    can choose from. `shuffle` changes the order in each round; `progress` is called with the number
    of each.
    """
    results = {name: [] for name in jobs}
    order = list(jobs)
    gc.collect()
    gc.disable()
    try:
        for i in range(rounds):
            if progress:
                progress(i)
            if shuffle:
                random.shuffle(order)
            for name in order:
                results[name].append(jobs[name]())
    finally:
        gc.enable()
    return {name: best(found) for name, found in results.items()}


def seconds(function, *arguments):
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


def calls(function, n):
    """Return a job: n calls of the function make a block, a call is the unit."""

    def block():
        began = time.perf_counter()
        for _ in range(n):
            function()
        return (time.perf_counter() - began) / n

    return block


def enough(block, length, most):
    """Return how many units make a block of about `length` seconds, at most `most`; block(n) is the
    seconds of n. Warms up, too."""
    n = 1
    block(n)
    while (took := block(n)) < length / 4 and n < most:
        n = min(4 * n, most)
    return max(1, min(most, round(n * length / took)))


# ---- arguments ----


def parser(doc):
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def chosen(parser, option, text, known):
    """Return the names in `text`, which has commas, in the order of `known`; all if text is
    None."""
    names = list(known) if text is None else text.split(",")
    for name in names:
        if name not in known:
            parser.error(f"--{option}: {name!r} is none of {', '.join(known)}")
    return [name for name in known if name in names]


def check_turns(parser, arguments):
    cpus = len(os.sched_getaffinity(0))
    if arguments.rounds < 1 or not 1 <= arguments.threads <= cpus:
        parser.error(
            f"--rounds must be at least 1, and --threads from 1 to {cpus}, the CPUs that this process may use"
        )


# ---- printing ----


def versions(*packages):
    import fastnn
    from fastnn import kernels

    parts = [
        f"fastnn {fastnn.__version__} ({kernels.CHOSEN})",
        f"Python {platform.python_version()}",
    ]
    return ", ".join(parts + [f"{package} {metadata.version(package)}" for package in packages])


def number(us):
    return f"{us:.2f}" if us < 10 else f"{us:.1f}" if us < 100 else f"{us:.0f}"


def times(ratio):
    return f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.0f}"


def line(widths, first, *cells):
    """Return a line of a table: the first cell to the left, the others to the right."""
    width, *others = widths
    return (f"{first:{width}}" + "".join(f"{cell:>{w}}" for cell, w in zip(cells, others))).rstrip()


def markdown(head, rows, left=1):
    """Return a table in Markdown, all columns but the first `left` to the right."""
    rule = "|" + "---|" * left + "---:|" * (len(head) - left)
    return (
        "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])
        + "\n"
    )


def say(*texts):
    for text in texts:
        print(textwrap.fill(text, 79, subsequent_indent="  ", replace_whitespace=False))


def show(text):
    """Show what happens meanwhile, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{text:50}\r", end="", file=sys.stderr, flush=True)
