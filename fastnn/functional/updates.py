"""Optimizer steps in place, on plain arrays."""

from __future__ import annotations

import sys
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from .. import kernels, optimizers, schedules
from ..core.threads import PARTS, ThreadChoice, run_in_parts
from ..core.validation import (
    FLOATS,
    check_count,
    check_number,
    check_out,
    check_shape,
    check_threads,
)

if TYPE_CHECKING:
    from typing import Any

    from ..typing import FloatArray


# generated: steps, by src/generate.py from src/operations.py and the classes in fastnn/optimizers
def sgd_step_(
    params: FloatArray,
    grads: FloatArray,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    velocity: FloatArray | None = None,
    n_threads: int = 1,
) -> None:
    """Update params by one step of SGD; see `fastnn.SGD` for the formulas.

    Parameters
    ----------
    params : ndarray
        float32 or float64, C-contiguous, of any shape; changed in place.
    grads : array_like
        The gradient of the loss, like params.
    lr : float
        Learning rate of this step, at least 0.
    momentum, nesterov, weight_decay
        As in `fastnn.SGD`.
    velocity : ndarray, optional
        Velocity v: like params, zeros before the first step; changed in place. Required with
        momentum.
    n_threads : int, default 1
        Maximum number of threads, -1 for all CPUs of this process. Each updates at least 1,000,000
        parameters of plain SGD, 500,000 of Adam, and one is used if that is faster. The bits are
        the same for any number.

    Raises
    ------
    ValueError
        An option is out of range, or an array does not have the shape of params, is not contiguous,
        is read-only or overlaps another.
    TypeError
        params or a moment is not a NumPy array of the right dtype. A copy would lose the update.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W = np.array([1.0])
    >>> F.sgd_step_(W, [5.0], lr=0.1)
    >>> W.round(6)
    array([0.5])
    """
    optimizer = to_kernel(
        optimizers.SGD, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
    )
    moments: dict[str, Any] = dict()
    if momentum:
        moments["velocity"] = require("velocity", velocity, "momentum")
    update(optimizer, 1, params, grads, moments, n_threads)


def adagrad_step_(
    params: FloatArray,
    grads: FloatArray,
    total: FloatArray,
    step: int,
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    eps: float = 1e-10,
    n_threads: int = 1,
) -> None:
    """Update params by one step of Adagrad; see `fastnn.Adagrad` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    total : ndarray
        Sum s of squared gradients: like params, zeros before the first step; changed in place.
    step : int
        Number of this step, starting at 1.
    lr : float
        Learning rate of this step, at least 0.
    lr_decay, weight_decay, eps
        As in `fastnn.Adagrad`.
    n_threads
        As in `sgd_step_`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, total = np.array([1.0]), np.zeros(1)
    >>> F.adagrad_step_(W, [5.0], total, step=1, lr=0.1)
    >>> W.round(6)
    array([0.9])
    """
    optimizer = to_kernel(
        optimizers.Adagrad, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps
    )
    update(optimizer, check_step(step), params, grads, dict(total=total), n_threads)


def adadelta_step_(
    params: FloatArray,
    grads: FloatArray,
    v: FloatArray,
    u: FloatArray,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    n_threads: int = 1,
) -> None:
    """Update params by one step of Adadelta; see `fastnn.Adadelta` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    v : ndarray
        Mean of squared gradients: like params, zeros before the first step; changed in place.
    u : ndarray
        Mean of squared steps: like params, zeros before the first step; changed in place.
    lr : float
        Learning rate of this step, at least 0.
    rho, eps, weight_decay
        As in `fastnn.Adadelta`.
    n_threads
        As in `sgd_step_`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, v, u = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> F.adadelta_step_(W, [5.0], v, u)
    >>> W.round(6)
    array([0.996838])
    """
    optimizer = to_kernel(optimizers.Adadelta, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
    update(optimizer, 1, params, grads, dict(v=v, u=u), n_threads)


def rmsprop_step_(
    params: FloatArray,
    grads: FloatArray,
    v: FloatArray,
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    mean: FloatArray | None = None,
    velocity: FloatArray | None = None,
    n_threads: int = 1,
) -> None:
    """Update params by one step of RMSprop; see `fastnn.RMSprop` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    v : ndarray
        Mean of squared gradients: like params, zeros before the first step; changed in place.
    lr : float
        Learning rate of this step, at least 0.
    alpha, eps, weight_decay, momentum, centered
        As in `fastnn.RMSprop`.
    mean : ndarray, optional
        Mean m of gradients: like params, zeros before the first step; changed in place. Required
        with centered=True.
    velocity : ndarray, optional
        Velocity b: like params, zeros before the first step; changed in place. Required with
        momentum.
    n_threads
        As in `sgd_step_`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, v = np.array([1.0]), np.zeros(1)
    >>> F.rmsprop_step_(W, [5.0], v)
    >>> W.round(6)
    array([0.9])
    """
    optimizer = to_kernel(
        optimizers.RMSprop,
        lr=lr,
        alpha=alpha,
        eps=eps,
        weight_decay=weight_decay,
        momentum=momentum,
        centered=centered,
    )
    moments: dict[str, Any] = dict(v=v)
    if centered:
        moments["mean"] = require("mean", mean, "centered=True")
    if momentum:
        moments["velocity"] = require("velocity", velocity, "momentum")
    update(optimizer, 1, params, grads, moments, n_threads)


def adam_step_(
    params: FloatArray,
    grads: FloatArray,
    m: FloatArray,
    v: FloatArray,
    step: int,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    v_max: FloatArray | None = None,
    n_threads: int = 1,
) -> None:
    """Update params by one step of Adam; see `fastnn.Adam` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    m : ndarray
        Mean of gradients: like params, zeros before the first step; changed in place.
    v : ndarray
        Mean of squared gradients: like params, zeros before the first step; changed in place.
    step : int
        Number of this step, starting at 1.
    lr : float
        Learning rate of this step, at least 0.
    betas, eps, weight_decay
        As in `fastnn.Adam`.
    v_max : ndarray, optional
        Largest v so far, for a step of AMSGrad: like params, zeros before the first step; changed
        in place.
    n_threads
        As in `sgd_step_`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> F.adam_step_(W, [5.0], m, v, step=1, lr=0.1)
    >>> W.round(6)
    array([0.9])
    """
    amsgrad = v_max is not None
    optimizer = to_kernel(
        optimizers.Adam, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad
    )
    moments: dict[str, Any] = dict(m=m, v=v)
    if amsgrad:
        moments["v_max"] = v_max
    update(optimizer, check_step(step), params, grads, moments, n_threads)


def adamw_step_(
    params: FloatArray,
    grads: FloatArray,
    m: FloatArray,
    v: FloatArray,
    step: int,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    v_max: FloatArray | None = None,
    n_threads: int = 1,
) -> None:
    """Update params by one step of AdamW; see `fastnn.AdamW` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    m : ndarray
        Mean of gradients: like params, zeros before the first step; changed in place.
    v : ndarray
        Mean of squared gradients: like params, zeros before the first step; changed in place.
    step : int
        Number of this step, starting at 1.
    lr : float
        Learning rate of this step, at least 0.
    betas, eps, weight_decay
        As in `fastnn.AdamW`.
    v_max : ndarray, optional
        Largest v so far, for a step of AMSGrad: like params, zeros before the first step; changed
        in place.
    n_threads
        As in `sgd_step_`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> F.adamw_step_(W, [5.0], m, v, step=1, lr=0.1, weight_decay=0.5)
    >>> W.round(6)
    array([0.85])
    """
    amsgrad = v_max is not None
    optimizer = to_kernel(
        optimizers.AdamW, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad
    )
    moments: dict[str, Any] = dict(m=m, v=v)
    if amsgrad:
        moments["v_max"] = v_max
    update(optimizer, check_step(step), params, grads, moments, n_threads)


def adamax_step_(
    params: FloatArray,
    grads: FloatArray,
    m: FloatArray,
    u: FloatArray,
    step: int,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    n_threads: int = 1,
) -> None:
    """Update params by one step of Adamax; see `fastnn.Adamax` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    m : ndarray
        Mean of gradients: like params, zeros before the first step; changed in place.
    u : ndarray
        Decaying maximum of abs(g): like params, zeros before the first step; changed in place.
    step : int
        Number of this step, starting at 1.
    lr : float
        Learning rate of this step, at least 0.
    betas, eps, weight_decay
        As in `fastnn.Adamax`.
    n_threads
        As in `sgd_step_`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, m, u = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> F.adamax_step_(W, [5.0], m, u, step=1, lr=0.1)
    >>> W.round(6)
    array([0.9])
    """
    optimizer = to_kernel(optimizers.Adamax, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    update(optimizer, check_step(step), params, grads, dict(m=m, u=u), n_threads)


def nadam_step_(
    params: FloatArray,
    grads: FloatArray,
    m: FloatArray,
    v: FloatArray,
    step: int,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
    n_threads: int = 1,
) -> None:
    """Update params by one step of NAdam; see `fastnn.NAdam` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    m : ndarray
        Mean of gradients: like params, zeros before the first step; changed in place.
    v : ndarray
        Mean of squared gradients: like params, zeros before the first step; changed in place.
    step : int
        Number of this step, starting at 1.
    lr : float
        Learning rate of this step, at least 0.
    betas, eps, weight_decay, momentum_decay, decoupled_weight_decay
        As in `fastnn.NAdam`.
    n_threads
        As in `sgd_step_`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> F.nadam_step_(W, [5.0], m, v, step=1, lr=0.1)
    >>> W.round(6)
    array([0.894355])
    """
    optimizer = to_kernel(
        optimizers.NAdam,
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        momentum_decay=momentum_decay,
        decoupled_weight_decay=decoupled_weight_decay,
    )
    update(optimizer, check_step(step), params, grads, dict(m=m, v=v), n_threads)


def lion_step_(
    params: FloatArray,
    grads: FloatArray,
    m: FloatArray,
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
    n_threads: int = 1,
) -> None:
    """Update params by one step of Lion; see `fastnn.Lion` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    m : ndarray
        Mean of gradients: like params, zeros before the first step; changed in place.
    lr : float
        Learning rate of this step, at least 0.
    betas, weight_decay
        As in `fastnn.Lion`.
    n_threads
        As in `sgd_step_`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, m = np.array([1.0]), np.zeros(1)
    >>> F.lion_step_(W, [5.0], m, lr=0.1)
    >>> W.round(6)
    array([0.9])
    """
    optimizer = to_kernel(optimizers.Lion, lr=lr, betas=betas, weight_decay=weight_decay)
    update(optimizer, 1, params, grads, dict(m=m), n_threads)


# end of steps


# ---- from arguments to the kernel: checks, options, one step ----

# of params, grads and moments, at least: with fewer, starting a thread takes longer than it saves
NUMBERS_OF_A_THREAD = 2_000_000


def to_kernel(optimizer, **options):
    """Return the kernel's struct Optimizer, checked and cached for each set of options."""
    try:
        return _cached_to_kernel(optimizer, **options)
    # Some option is not hashable: valid, such as a list for betas, or rejected by the checks below.
    except (TypeError, ValueError):
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

    `moments` are named arrays in the order of the kernel.
    """
    least = NUMBERS_OF_A_THREAD // (2 + len(moments))  # parameters of a thread
    is_large = type(params) is np.ndarray and params.size >= 2 * least
    if is_large or type(n_threads) is not int or n_threads < 1:
        n_threads = check_threads(n_threads)
    arguments = optimizer, step, params, grads, moments
    if n_threads == 1 or not is_large:
        _update_alone(*arguments)
        return

    def work(n_threads, seconds):
        if n_threads == 1:
            _update_alone(*arguments)
        else:
            _update_parts(*arguments, least, n_threads)
        return 1

    n_threads = min(n_threads, params.size // least)
    _thread_choice(params.size, len(moments), params.dtype, n_threads).run(work, inf)


def _update_alone(optimizer, step, params, grads, moments):
    """Update in this thread. Arguments that the kernel rejects are converted, or raise an error that names
    them."""
    try:
        kernels.update(optimizer, step, params, grads, *moments.values())
    except (BufferError, TypeError, ValueError):
        _update_parts(optimizer, step, params, grads, moments, 1, 1)


def _update_parts(optimizer, step, params, grads, moments, least, n_threads):
    """Update parts of the parameters in several threads, after checks and conversions. least : parameters
    of a thread"""
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
    flat = [array.reshape(-1) for array in (params, converted, *moments.values())]

    def update_part(a, b, abort):
        kernels.update(optimizer, step, *(array[a:b] for array in flat))

    if params.size:
        run_in_parts(update_part, params.size, max(1, least // PARTS), n_threads)


@lru_cache
def _thread_choice(n, n_moments, dtype, n_threads):
    """Return the choice for updates of this size."""
    return ThreadChoice({}, "update", n_threads)


def require(name, moment, option):
    """Return a moment, or raise a ValueError if it is missing."""
    if moment is None:
        raise ValueError(
            f"{option} needs {name}. Pass an array like params, zeros before the first step."
        )
    return moment
