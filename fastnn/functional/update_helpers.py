"""From the arguments of an update function to the kernel: checks, options, and one step."""

import sys
from functools import lru_cache, partial

import numpy as np

from .. import kernels, schedules
from ..core.validation import (
    FLOATS,
    check_count,
    check_number,
    check_out,
    check_shape,
    check_threads,
)

PARAMS_OF_A_THREAD = 400_000  # at least: with fewer, starting a thread takes longer than it saves


def to_kernel(optimizer, **options):
    """Return the kernel's struct Optimizer, checked and cached for each set of options."""
    try:
        return _cached_to_kernel(optimizer, **options)
    # Some option is not hashable: valid, such as a list for betas, or rejected by the checks below.
    except TypeError:
        check_number("lr", options["lr"], minimum=0)
        return kernels.packed(optimizer(**options).to_kernel())


@lru_cache
def _cached_to_kernel(optimizer, lr, **others):
    check_number("lr", lr, minimum=0)  # not a schedule: a single step has no t
    return kernels.packed(
        _others_to_kernel(optimizer, **others) | dict(rate=schedules.to_kernel(lr))
    )


@lru_cache
def _others_to_kernel(optimizer, **others):
    """Return the fields of all options but lr, which often differs from step to step."""
    return optimizer(**others).to_kernel()


def check_step(step):
    """Return the number of a step, from 1, as the kernels count them."""
    return check_count("step", step, maximum=sys.maxsize)


def update(optimizer, step, params, grads, moments, n_threads):
    """Apply one step.

    `moments` are named arrays in the order of the kernel. Arguments that the kernel rejects are
    converted, or raise an error that names them.
    """
    if n_threads == 1:
        try:
            return kernels.update(optimizer, step, params, grads, *moments.values())
        except (BufferError, TypeError, ValueError):
            pass
    n_threads = check_threads(n_threads)
    if not isinstance(params, np.ndarray) or params.dtype not in FLOATS:
        kind = getattr(params, "dtype", type(params).__name__)
        raise TypeError(f"params must be a float32 or float64 NumPy array, got {kind}")
    shape, dtype = params.shape, params.dtype
    converted = check_shape("grads", grads, shape, dtype)
    check_out("params", params, shape, dtype, grads)
    others = [params, grads]
    if converted is not grads:
        check_out("params", params, shape, dtype, converted)
        others.append(converted)
    for name, moment in moments.items():
        check_out(name, moment, shape, dtype, *others)
        others.append(moment)
    if params.size:
        _update_parts(optimizer, step, [params, converted, *moments.values()], n_threads)


def _update_parts(optimizer, step, arrays, n_threads):
    """Update a part of the parameters in each thread. arrays : contiguous, as the kernel takes them"""
    n = arrays[0].size
    n_parts = max(1, min(n_threads, n // PARAMS_OF_A_THREAD))
    flat = [array.reshape(-1) for array in arrays]
    bounds = [n * i // n_parts for i in range(n_parts + 1)]
    kernels.run_in_threads(
        [
            partial(_update_part, optimizer, step, [array[a:b] for array in flat])
            for a, b in zip(bounds, bounds[1:])
        ]
    )


def _update_part(optimizer, step, arrays, abort):
    kernels.update(optimizer, step, *arrays)


def require(name, moment, option):
    """Return a moment, or raise a ValueError if it is missing."""
    if moment is None:
        raise ValueError(
            f"{option} needs {name}. Pass an array like params, zeros before the first step."
        )
    return moment
