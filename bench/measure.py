"""Timing, command-line and printing helpers shared by the benchmark programs.

Import this module before NumPy. BLAS and OpenMP read their thread limits when they are loaded,
and this module sets the limits to one thread.
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

THREAD_VARIABLES = "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"
for _name in THREAD_VARIABLES:
    os.environ.setdefault(_name, "1")


def limit_threads(n):
    """Restrict this process and its children to n CPUs and n threads.

    The thread limits apply to libraries that are loaded after this call.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-n:])
    for name in THREAD_VARIABLES:
        os.environ[name] = str(n)
    os.environ["JAX_PLATFORMS"] = "cpu"
    if n == 1:
        os.environ["XLA_FLAGS"] = (
            os.environ.get("XLA_FLAGS", "")
            + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        )


# ---- timing ----


def interleave(jobs, rounds, reduce=min, shuffle=False, on_round=None):
    """Run every job once per round, and return {name: reduce(results)}.

    A job is a function without arguments that times a block of work and returns a number, usually
    seconds per step or call. Interleaving spreads the load of other processes over all jobs.
    `shuffle` changes the order in each round. `on_round` is called with each round's number.
    """
    results = {name: [] for name in jobs}
    order = list(jobs)
    gc.collect()
    gc.disable()
    try:
        for i in range(rounds):
            if on_round:
                on_round(i)
            if shuffle:
                random.shuffle(order)
            for name in order:
                results[name].append(jobs[name]())
    finally:
        gc.enable()
    return {name: reduce(values) for name, values in results.items()}


def seconds(function, *arguments):
    """Return the duration of one call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def timed_calls(function, n):
    """Return a job that calls `function` n times and returns the seconds per call."""

    def block():
        start = time.perf_counter()
        for _ in range(n):
            function()
        return (time.perf_counter() - start) / n

    return block


def block_size(block, length, maximum):
    """Return the n for which block(n) takes about `length` seconds, at most `maximum`.

    block(n) runs n units of work and returns the seconds they took. The calls also warm up.
    """
    n = 1
    block(n)
    while (duration := block(n)) < length / 4 and n < maximum:
        n = min(4 * n, maximum)
    return max(1, min(maximum, round(n * length / duration)))


# ---- arguments ----


def make_parser(doc):
    """Return an argument parser that shows `doc`, a module docstring, in its help."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def select_names(parser, option, text, known):
    """Return the names in the comma-separated `text`, in the order of `known`.

    None selects all names. An unknown name ends the program with an error message.
    """
    names = list(known) if text is None else text.split(",")
    for name in names:
        if name not in known:
            parser.error(f"--{option}: unknown name {name!r}. Choose from {', '.join(known)}.")
    return [name for name in known if name in names]


def check_rounds_and_threads(parser, arguments):
    """End the program with an error message if --rounds or --threads is out of range."""
    cpus = len(os.sched_getaffinity(0))
    if arguments.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {arguments.rounds}")
    if not 1 <= arguments.threads <= cpus:
        parser.error(
            f"--threads must be from 1 to {cpus}, the number of CPUs available to this process,"
            f" got {arguments.threads}"
        )


# ---- printing ----


def versions(*packages):
    """Return the versions of fastnn, Python and the packages in one line."""
    import fastnn
    from fastnn import kernels

    parts = [
        f"fastnn {fastnn.__version__} ({kernels.CHOSEN})",
        f"Python {platform.python_version()}",
    ]
    return ", ".join(parts + [f"{package} {metadata.version(package)}" for package in packages])


def format_us(us):
    """Format microseconds with about three digits."""
    return f"{us:.2f}" if us < 10 else f"{us:.1f}" if us < 100 else f"{us:.0f}"


def format_ratio(ratio):
    """Format a ratio with two decimals below 10, and with none above."""
    return f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.0f}"


def table_row(widths, first, *cells):
    """Return one line of a text table: the first cell left-aligned, the others right-aligned."""
    width, *others = widths
    return (f"{first:{width}}" + "".join(f"{cell:>{w}}" for cell, w in zip(cells, others))).rstrip()


def markdown_table(header, rows, n_left=1):
    """Return a Markdown table. The first `n_left` columns are left-aligned."""
    rule = "|" + "---|" * n_left + "---:|" * (len(header) - n_left)
    return (
        "\n".join([f"| {' | '.join(header)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])
        + "\n"
    )


def print_wrapped(*texts):
    """Print each text, wrapped to 79 columns."""
    for text in texts:
        print(textwrap.fill(text, 79, subsequent_indent="  ", replace_whitespace=False))


def show_progress(text):
    """Overwrite the progress line on stderr. Does nothing if stderr is not a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:50}\r", end="", file=sys.stderr, flush=True)
