"""Optimizer steps in place, on plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import optimizers
from .steps import check_step, to_kernel, update

if TYPE_CHECKING:
    from ..typing import FloatArray


def sgd_step_(
    params: FloatArray,
    grads: FloatArray,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    velocity: FloatArray | None = None,
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
        Like params, zeros before the first step; changed in place. Required with momentum.

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
    >>> W = np.array([1.0, 2.0])
    >>> F.sgd_step_(W, [1.0, -1.0], lr=0.1)
    >>> W
    array([0.9, 2.1])
    """
    optimizer = to_kernel(
        optimizers.SGD, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
    )
    moments = dict(velocity=_require("velocity", velocity, "momentum")) if momentum else {}
    update(optimizer, 1, params, grads, moments)


def adagrad_step_(
    params: FloatArray,
    grads: FloatArray,
    total: FloatArray,
    step: int,
    lr: float = 0.01,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    eps: float = 1e-10,
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
    lr, lr_decay, weight_decay, eps
        As in `fastnn.Adagrad`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, total = np.array([1.0]), np.zeros(1)
    >>> F.adagrad_step_(W, [5.0], total, step=1, lr=0.1)
    >>> W
    array([0.9])
    """
    optimizer = to_kernel(
        optimizers.Adagrad, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps
    )
    update(optimizer, check_step(step), params, grads, dict(total=total))


def adadelta_step_(
    params: FloatArray,
    grads: FloatArray,
    v: FloatArray,
    u: FloatArray,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
) -> None:
    """Update params by one step of Adadelta; see `fastnn.Adadelta` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    v, u : ndarray
        Means of squared gradients and of squared steps: like params, zeros before the first step;
        changed in place.
    lr, rho, eps, weight_decay
        As in `fastnn.Adadelta`.

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
    update(optimizer, 1, params, grads, dict(v=v, u=u))


def rmsprop_step_(
    params: FloatArray,
    grads: FloatArray,
    v: FloatArray,
    lr: float = 0.01,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    mean: FloatArray | None = None,
    velocity: FloatArray | None = None,
) -> None:
    """Update params by one step of RMSprop; see `fastnn.RMSprop` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    v : ndarray
        Mean of squared gradients: like params, zeros before the first step; changed in place.
    lr, alpha, eps, weight_decay, momentum, centered
        As in `fastnn.RMSprop`.
    mean, velocity : ndarray, optional
        Like v: the mean m of gradients, required with `centered`, and b, required with momentum.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, v = np.array([1.0]), np.zeros(1)
    >>> F.rmsprop_step_(W, [5.0], v)
    >>> W
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
    moments = dict(v=v)
    if centered:
        moments["mean"] = _require("mean", mean, "centered=True")
    if momentum:
        moments["velocity"] = _require("velocity", velocity, "momentum")
    update(optimizer, 1, params, grads, moments)


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
) -> None:
    """Update params by one step of Adam; see `fastnn.Adam` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    m, v : ndarray
        Means of gradients and of squared gradients: like params, zeros before the first step;
        changed in place.
    step : int
        Number of this step, starting at 1.
    lr, betas, eps, weight_decay
        As in `fastnn.Adam`.
    v_max : ndarray, optional
        Like v: the largest v so far. Pass it for a step of AMSGrad.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> F.adam_step_(W, [5.0], m, v, step=1, lr=0.1)
    >>> W
    array([0.9])
    """
    _adam(optimizers.Adam, params, grads, m, v, step, lr, betas, eps, weight_decay, v_max)


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
) -> None:
    """Update params by one step of AdamW; see `fastnn.AdamW` for the formulas.

    Parameters
    ----------
    params, grads, m, v, step, lr, betas, eps, v_max
        As in `adam_step_`.
    weight_decay : float, default 1e-2
        Decoupled: params are first multiplied by 1 - lr weight_decay.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> F.adamw_step_(W, [5.0], m, v, step=1, lr=0.1, weight_decay=0.5)
    >>> W
    array([0.85])
    """
    _adam(optimizers.AdamW, params, grads, m, v, step, lr, betas, eps, weight_decay, v_max)


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
) -> None:
    """Update params by one step of AdaMax; see `fastnn.Adamax` for the formulas.

    Parameters
    ----------
    params, grads, step
        As in `adam_step_`.
    m, u : ndarray
        Mean of gradients and decaying maximum: like params, zeros before the first step; changed in
        place.
    lr, betas, eps, weight_decay
        As in `fastnn.Adamax`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, m, u = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> F.adamax_step_(W, [5.0], m, u, step=1, lr=0.1)
    >>> W
    array([0.9])
    """
    optimizer = to_kernel(optimizers.Adamax, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    update(optimizer, check_step(step), params, grads, dict(m=m, u=u))


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
) -> None:
    """Update params by one step of NAdam; see `fastnn.NAdam` for the formulas.

    Parameters
    ----------
    params, grads, m, v, step
        As in `adam_step_`.
    lr, betas, eps, weight_decay, momentum_decay, decoupled_weight_decay
        As in `fastnn.NAdam`.

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
    update(optimizer, check_step(step), params, grads, dict(m=m, v=v))


def lion_step_(
    params: FloatArray,
    grads: FloatArray,
    m: FloatArray,
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
) -> None:
    """Update params by one step of Lion; see `fastnn.Lion` for the formulas.

    Parameters
    ----------
    params, grads
        As in `sgd_step_`.
    m : ndarray
        Mean of gradients: like params, zeros before the first step; changed in place.
    lr, betas, weight_decay
        As in `fastnn.Lion`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import functional as F
    >>> W, m = np.array([1.0, 1.0]), np.zeros(2)
    >>> F.lion_step_(W, [5.0, -0.1], m, lr=0.1)
    >>> W
    array([0.9, 1.1])
    """
    optimizer = to_kernel(optimizers.Lion, lr=lr, betas=betas, weight_decay=weight_decay)
    update(optimizer, 1, params, grads, dict(m=m))


def _adam(optimizer, params, grads, m, v, step, lr, betas, eps, weight_decay, v_max):
    """Update params by one step of Adam or AdamW."""
    amsgrad = v_max is not None
    optimizer = to_kernel(
        optimizer, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad
    )
    update(
        optimizer,
        check_step(step),
        params,
        grads,
        dict(m=m, v=v, v_max=v_max) if amsgrad else dict(m=m, v=v),
    )


def _require(name, moment, option):
    """Return a moment, or raise a ValueError if it is missing."""
    if moment is None:
        raise ValueError(
            f"{option} needs {name}. Pass an array like params, zeros before the first step."
        )
    return moment
