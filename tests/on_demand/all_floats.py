"""Check elementwise functions and losses of logits on all 2^32 float32 numbers (needs gcc).

    python tests/on_demand/all_floats.py                 all, on all cores
    python tests/on_demand/all_floats.py exp tanh        some

It prints the largest error of each function in ULP, rounded up, and where it is: the distance from
the exact result, in units in its last place as a float32 (accuracy.py defines it). The exact result
is computed in float64 by all_floats.c, so it need not be rounded. No result is subnormal. For the
losses bce and cross_entropy, the error is that of the gradient of a row, which is between -1 and 1;
the mean losses of neighbouring logits are checked too. Instruction sets with FMA must give the same
bits, so only one of them is compared with float64.
Exit code 1: an error is above its limit, or a NaN or infinity is where it should not be.
"""

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from decimal import ROUND_UP, Context
from itertools import starmap
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from accuracy import ABSOLUTE, FUNCTIONS, LIMIT, LOG, LOG1P, SOFTPLUS, UNIT, computed
from checks import assert_same_bits, flushed

from fastnn import functional as F
from fastnn import kernels

SOURCE = Path(__file__).with_suffix(".c")
CHUNK = 2**15  # numbers: the arrays stay in the L2 cache
PART = 2**26  # numbers of a task
INFINITY, SIGN, TINY = 0x7F800000, 0x80000000, 0x00800000  # as bits
WITH_FMA = [isa for isa in kernels.SUPPORTED if isa != "baseline"]
GROUPS = [group for group in (WITH_FMA, ["baseline"]) if set(group) & set(kernels.SUPPORTED)]
GRADIENT_LIMIT = 3e-7  # between 2 and 3 roundings of a number near 1
NOTHING = [(0.0, 0.0)] * len(GROUPS)
ROUND = Context(prec=3, rounding=ROUND_UP)  # docs/guarantees.md says that errors are below


def compile_library(folder):
    """Compile all_floats.c. -ffast-math must not reach the linker: it would round subnormals to 0."""
    library, compiled = os.path.join(folder, "all_floats.so"), os.path.join(folder, "all_floats.o")
    flags = ["-O3", "-march=native", "-ffast-math", "-fPIC"]
    subprocess.run(["gcc", *flags, "-c", SOURCE, "-o", compiled], check=True)
    subprocess.run(["gcc", "-shared", compiled, "-o", library, "-lmvec", "-lm"], check=True)
    return library


def load_library(path):
    """Load the library in a worker process."""
    global library
    library = ctypes.CDLL(path)
    for name in (*FUNCTIONS, SOFTPLUS):
        getattr(library, f"worst_{name}").restype = ctypes.c_double
    library.worst_gradient.restype = ctypes.c_double


def pointer(a):
    return ctypes.c_void_p(a.ctypes.data)


def on_each(isas, compute):
    """What `compute()` returns on the first instruction set; the others must give its bits."""
    results = []
    for isa in isas:
        kernels.use(isa)
        results.append(compute())
        assert_same_bits(results[-1], results[0], isa)
    return results[0]


def check_function(name, first):
    """Return (error in ULP, argument) of each group of instruction sets for a chunk of numbers."""
    bits = np.arange(first, first + CHUNK, dtype=np.uint32)
    x, is_negative = bits.view(np.float32), first >= SIGN
    magnitudes = bits & np.uint32(SIGN - 1)
    if name == UNIT and (is_negative or first > 0x3F800000):
        return NOTHING  # it is for numbers from 0 to 1
    if name == UNIT:
        x = x[x <= 1]
    exact = LOG1P if name == UNIT else name
    has_result = magnitudes[: len(x)] <= INFINITY
    if is_negative and name in (LOG, LOG1P):
        has_result &= (magnitudes < TINY) if name == LOG else (magnitudes <= 0x3F800000)
    worst, where = [], ctypes.c_long()
    function = getattr(library, f"worst_{exact}")
    for group in GROUPS:
        y = on_each(group, lambda: computed(name, x))
        assert np.isnan(y[~has_result]).all() and not np.isnan(y[has_result]).any(), (name, x[0])
        assert not (np.abs(y[y != 0]) < np.finfo(np.float32).tiny).any(), (name, x[0])
        a, b = (x, y) if has_result.all() else (x[has_result], y[has_result])
        if not len(a):
            return NOTHING
        a = flushed(a)
        absolute = ABSOLUTE.get((group[0], name), 0) * float(np.finfo(np.float32).tiny)
        sizes = ctypes.c_long(len(a)), ctypes.c_double(absolute)
        error = function(pointer(a), pointer(b), *sizes, ctypes.byref(where))
        worst.append((error, float(a[where.value])))
    return worst


def check_loss(name, first):
    """Return (error of the gradient, logit) of each group of instruction sets for a chunk of logits.

    cross_entropy has the logits (z, 0) and class 0, which is binary cross-entropy of z and 1.
    """
    z = np.arange(first, first + CHUNK, dtype=np.uint32).view(np.float32)
    if first & (SIGN - 1) >= INFINITY:
        return NOTHING
    worst, where, mean = list(NOTHING), ctypes.c_long(), ctypes.c_double()
    for y in (0.0, 0.5, 1.0) if name == "bce" else (1.0,):

        def loss(y=y):
            if name == "bce":
                grad, targets = np.empty_like(z), np.full(z.shape, y, np.float32)
                return F.binary_cross_entropy_with_logits(z, targets, grad=grad), grad
            Z = np.stack([z, np.zeros_like(z)], axis=1)
            grad = np.empty_like(Z)
            return F.cross_entropy(Z, np.zeros(len(z), np.int64), grad=grad), grad

        for i, group in enumerate(GROUPS):
            value, grad = on_each(group, loss)
            arguments = pointer(grad), ctypes.c_long(grad.size // len(z)), ctypes.c_long(len(z))
            error = library.worst_gradient(
                pointer(z), *arguments, ctypes.c_double(y), ctypes.byref(where), ctypes.byref(mean)
            )
            # a logit that is larger by its last digit changes the log-sum-exp by an epsilon
            tolerance = 2e-6 * mean.value + (0 if name == "bce" else 3e-7) + 1e-37
            assert abs(value - mean.value) <= tolerance, (name, z[0], y, value, mean.value)
            if grad.ndim == 2:
                assert np.abs(grad.sum(axis=1)).max() * len(z) <= GRADIENT_LIMIT, z[0]
            worst[i] = max(worst[i], (error, float(z[where.value])))
    return worst


LOSSES = ("bce", "cross_entropy")
NAMES = (*FUNCTIONS, UNIT, SOFTPLUS, *LOSSES)


def check_part(name, start):
    """Return the worst of each group of instruction sets for PART bit patterns from `start` on."""
    worst, check = NOTHING, check_loss if name in LOSSES else check_function
    for first in range(start, start + PART, CHUNK):
        worst = list(starmap(max, zip(worst, check(name, first), strict=True)))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="number of processes")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(NAMES))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}. Choose from {', '.join(NAMES)}")
    ok = True
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(
            arguments.jobs, initializer=load_library, initargs=[compile_library(folder)]
        ) as pool,
    ):
        for name in arguments.names:
            begin = time.perf_counter()
            parts = pool.map(check_part, [name] * (2**32 // PART), range(0, 2**32, PART))
            worst = [max(found) for found in zip(*parts, strict=True)]
            limit, unit = (GRADIENT_LIMIT, "") if name in LOSSES else (LIMIT[name], " ULP")
            for group, (error, x) in zip(GROUPS, worst, strict=True):
                bound = ROUND.create_decimal(error)
                print(f"{name:14} {' = '.join(group):16} {bound}{unit} at {x!r}", flush=True)
                ok &= error <= limit
            print(f"{'':14} {time.perf_counter() - begin:.0f} s", flush=True)
    print("all within their limits" if ok else "NOT within its limit", flush=True)
    return not ok


if __name__ == "__main__":
    sys.exit(main())
