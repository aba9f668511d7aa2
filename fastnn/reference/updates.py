"""Optimizer steps, in place, as PyTorch defines them where it has the optimizer.

In the formulas, p is a parameter, g its gradient, t = step = 1, 2, ..., and the other arrays are
moments: like params, zeros before the first step, changed by each step. `weight_decay` first adds
weight_decay p to the gradient. Decoupled weight decay multiplies p by 1 - lr weight_decay instead.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..typing import AnyArray


def sgd_step_(
    params: AnyArray,
    grads: AnyArray,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    velocity: AnyArray | None = None,
) -> None:
    """Update params by one step of stochastic gradient descent.

    The step is ::

        g = grads + weight_decay p
        v = momentum v + g
        p = p - lr v                       with nesterov: p = p - lr (g + momentum v)

    Parameters
    ----------
    params, grads : array
        Of the same shape; params is changed.
    lr, momentum, weight_decay : float
    nesterov : bool
    velocity : array like params, optional
        v, zeros before the first step; changed. Required with momentum.
    """
    g = _add_decay(grads, params, weight_decay)
    if momentum != 0:
        velocity = _required("velocity", velocity, "momentum")
        velocity[...] = momentum * velocity + g
        g = g + momentum * velocity if nesterov else velocity
    params -= lr * g


# ---- a learning rate for each parameter ----------------------------------------------------------
def adagrad_step_(
    params: AnyArray,
    grads: AnyArray,
    total: AnyArray,
    step: int,
    lr: float = 0.01,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    eps: float = 1e-10,
) -> None:
    """Update params by one step of Adagrad (Duchi, Hazan and Singer, 2011).

    The step is ::

        total = total + g^2
        p = p - lr / (1 + (t - 1) lr_decay) g / (√total + eps)

    Parameters
    ----------
    params, grads : array
        Of the same shape; params is changed.
    total : array like params
        Zeros before the first step; changed.
    step : int
        Number of this step, starting at 1.
    lr, lr_decay, weight_decay, eps : float
    """
    g = _add_decay(grads, params, weight_decay)
    total += g * g
    params -= lr / (1 + (step - 1) * lr_decay) * g / (np.sqrt(total) + eps)


def adadelta_step_(
    params: AnyArray,
    grads: AnyArray,
    v: AnyArray,
    u: AnyArray,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
) -> None:
    """Update params by one step of Adadelta (Zeiler, 2012, algorithm 1).

    The step is ::

        v = rho v + (1 - rho) g^2
        d = √(u + eps) / √(v + eps) g
        u = rho u + (1 - rho) d^2
        p = p - lr d

    Parameters
    ----------
    params, grads : array
        Of the same shape; params is changed.
    v, u : array like params
        Zeros before the first step; changed.
    lr, rho, eps, weight_decay : float
    """
    g = _add_decay(grads, params, weight_decay)
    v[...] = rho * v + (1 - rho) * g * g
    d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
    u[...] = rho * u + (1 - rho) * d * d
    params -= lr * d


def rmsprop_step_(
    params: AnyArray,
    grads: AnyArray,
    v: AnyArray,
    lr: float = 0.01,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    mean: AnyArray | None = None,
    velocity: AnyArray | None = None,
) -> None:
    """Update params by one step of RMSprop (Tieleman and Hinton, 2012, lecture 6.5).

    The step is ::

        v = alpha v + (1 - alpha) g^2
        mean = alpha mean + (1 - alpha) g              with centered
        a = max(0, v - mean^2)                         with centered, else a = v
        d = g / (√a + eps)
        velocity = momentum velocity + d               with momentum
        p = p - lr velocity                            with momentum, else p = p - lr d

    The centered variant is that of Graves, 2013, eq. 38-41.

    Parameters
    ----------
    params, grads : array
        Of the same shape; params is changed.
    v : array like params
        Zeros before the first step; changed.
    lr, alpha, eps, weight_decay, momentum : float
    centered : bool
    mean, velocity : array like v, optional
        Required with `centered` and with momentum.
    """
    mean = _required("mean", mean, "centered=True") if centered else None
    velocity = _required("velocity", velocity, "momentum") if momentum != 0 else None
    g = _add_decay(grads, params, weight_decay)
    v[...] = alpha * v + (1 - alpha) * g * g
    variance = v
    if mean is not None:
        mean += (1 - alpha) * (g - mean)
        variance = np.maximum(v - mean * mean, 0)  # rounding can make it negative
    d = g / (np.sqrt(variance) + eps)
    if velocity is not None:
        velocity[...] = momentum * velocity + d
        d = velocity
    params -= lr * d


# ---- Adam and its variants -----------------------------------------------------------------------
def adam_step_(
    params: AnyArray,
    grads: AnyArray,
    m: AnyArray,
    v: AnyArray,
    step: int,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    v_max: AnyArray | None = None,
) -> None:
    """Update params by one step of Adam (Kingma and Ba, 2015, algorithm 1).

    The step is, with betas = (b1, b2), ::

        g = grads + weight_decay p
        m = b1 m + (1 - b1) g
        v = b2 v + (1 - b2) g^2
        p = p - lr / (1 - b1^t) m / (√v / √(1 - b2^t) + eps)

    AMSGrad (Reddi, Kale and Kumar, 2018) uses v_max = max(v_max, v) instead of v in the last line.

    Parameters
    ----------
    params, grads : array
        Of the same shape; params is changed.
    m, v : array like params
        Zeros before the first step; changed.
    step : int
        Number of this step, starting at 1.
    lr, eps, weight_decay : float
    betas : (float, float)
    v_max : array like v, optional
        Pass it for a step of AMSGrad.
    """
    b1, b2 = betas
    g = _add_decay(grads, params, weight_decay)
    m[...] = b1 * m + (1 - b1) * g
    v[...] = b2 * v + (1 - b2) * g * g
    if v_max is not None:
        v = np.maximum(v_max, v, out=v_max)
    params -= lr / (1 - b1**step) * m / (np.sqrt(v) / math.sqrt(1 - b2**step) + eps)


def adamw_step_(
    params: AnyArray,
    grads: AnyArray,
    m: AnyArray,
    v: AnyArray,
    step: int,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    v_max: AnyArray | None = None,
) -> None:
    """Update params by one step of AdamW (Loshchilov and Hutter, 2019).

    First p = (1 - lr weight_decay) p, then the step of `adam_step_` without weight decay.
    Parameters as in `adam_step_`.
    """
    params *= 1 - lr * weight_decay
    adam_step_(params, grads, m, v, step, lr, betas, eps, v_max=v_max)


def lazy_adamw_step_(
    params: AnyArray,
    grads: AnyArray,
    m: AnyArray,
    v: AnyArray,
    step: int,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> None:
    """Update weights of categories by one step of AdamW(lazy_categories=True).

    Where g is 0, all stays as it is. Elsewhere, with betas = (b1, b2), the step is ::

        k = t - m,  m = t
        p = max(0, 1 - lr weight_decay)^k p
        v = b2^k v + (1 - b2) g^2
        p = p - lr g / (√v / √(1 - b2^t) + eps)

    Parameters as in `adamw_step_`. m is the last step with a gradient; b1 is not used.
    """
    touched = grads != 0
    g, k, b2 = grads[touched], step - m[touched], betas[1]
    v[touched] = b2**k * v[touched] + (1 - b2) * g * g
    move = lr * g / (np.sqrt(v[touched]) / math.sqrt(1 - b2**step) + eps)
    params[touched] = max(0.0, 1 - lr * weight_decay) ** k * params[touched] - move
    m[touched] = step


def adamax_step_(
    params: AnyArray,
    grads: AnyArray,
    m: AnyArray,
    u: AnyArray,
    step: int,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> None:
    """Update params by one step of AdaMax (Kingma and Ba, 2015, algorithm 2).

    The step is, with betas = (b1, b2), ::

        m = b1 m + (1 - b1) g
        u = max(b2 u, |g| + eps)
        p = p - lr / (1 - b1^t) m / u

    Parameters
    ----------
    params, grads : array
        Of the same shape; params is changed.
    m, u : array like params
        Zeros before the first step; changed.
    step : int
        Number of this step, starting at 1.
    lr, eps, weight_decay : float
    betas : (float, float)
    """
    b1, b2 = betas
    g = _add_decay(grads, params, weight_decay)
    m[...] = b1 * m + (1 - b1) * g
    u[...] = np.maximum(b2 * u, np.abs(g) + eps)
    params -= lr / (1 - b1**step) * m / u


def nadam_step_(
    params: AnyArray,
    grads: AnyArray,
    m: AnyArray,
    v: AnyArray,
    step: int,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
) -> None:
    """Update params by one step of NAdam (Dozat, 2016), Adam with Nesterov momentum.

    With m and v of `adam_step_`, and ::

        mu_t = b1 (1 - 0.96^(t momentum_decay) / 2)
        M_t = mu_1 mu_2 ... mu_t

    the step is ::

        d = (1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_(t+1)) m
        p = p - lr d / (√v / √(1 - b2^t) + eps)

    Parameters
    ----------
    params, grads, m, v, step, lr, betas, eps, weight_decay
        As in `adam_step_`.
    momentum_decay : float
    decoupled_weight_decay : bool
        Whether weight decay is that of `adamw_step_`.
    """
    b1, b2 = betas
    if decoupled_weight_decay:
        params *= 1 - lr * weight_decay
    g = grads if decoupled_weight_decay else _add_decay(grads, params, weight_decay)
    m[...] = b1 * m + (1 - b1) * g
    v[...] = b2 * v + (1 - b2) * g * g
    mus = [b1 * (1 - 0.5 * 0.96 ** (t * momentum_decay)) for t in range(1, step + 2)]
    product = math.prod(mus[:-1])
    direction = (1 - mus[-2]) / (1 - product) * g + mus[-1] / (1 - product * mus[-1]) * m
    params -= lr * direction / (np.sqrt(v) / math.sqrt(1 - b2**step) + eps)


def lion_step_(
    params: AnyArray,
    grads: AnyArray,
    m: AnyArray,
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
) -> None:
    """Update params by one step of Lion (Chen et al., 2023, algorithm 2).

    The step is, with betas = (b1, b2) and sign(0) = 0, ::

        p = (1 - lr weight_decay) p
        p = p - lr sign(b1 m + (1 - b1) g)
        m = b2 m + (1 - b2) g

    Parameters
    ----------
    params, grads : array
        Of the same shape; params is changed.
    m : array like params
        Zeros before the first step; changed.
    lr, weight_decay : float
    betas : (float, float)
    """
    b1, b2 = betas
    params *= 1 - lr * weight_decay
    params -= lr * np.sign(m + (1 - b1) * (grads - m))
    m += (1 - b2) * (grads - m)


OPTIMIZERS: dict[
    str, tuple[Callable[..., None], list[str]]
] = {  # name: (step, names of its moments)
    "sgd": (sgd_step_, ["velocity"]),
    "adagrad": (adagrad_step_, ["total"]),
    "adadelta": (adadelta_step_, ["v", "u"]),
    "rmsprop": (rmsprop_step_, ["v", "mean", "velocity"]),
    "adam": (adam_step_, ["m", "v"]),
    "adamw": (adamw_step_, ["m", "v"]),
    "adamax": (adamax_step_, ["m", "u"]),
    "nadam": (nadam_step_, ["m", "v"]),
    "lion": (lion_step_, ["m"]),
}


# ---- helpers -------------------------------------------------------------------------------------
def _required(name, moment, option):
    """Return a moment, or raise a ValueError if it is missing."""
    if moment is None:
        raise ValueError(
            f"{option} needs {name}. Pass an array like params, zeros before the first step."
        )
    return moment


def _add_decay(grads, params, weight_decay):
    """Return the gradients with weight decay, an L2 penalty."""
    return grads if weight_decay == 0 else grads + weight_decay * params
