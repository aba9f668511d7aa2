"""Optimizers with a learning rate for each parameter: Adagrad, Adadelta, RMSprop, Adam and its variants."""

from __future__ import annotations

from dataclasses import dataclass

from .. import schedules
from ..kernels import Rule
from .base import Optimizer


@dataclass(eq=False, repr=False)
class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, 2011): a decreasing rate for each parameter.

    The step is ::

        g += weight_decay w
        s += g^2
        w -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)

    Equivalent to ``torch.optim.Adagrad``.

    Parameters
    ----------
    lr : float or schedule, default 1e-2
        Learning rate, at least 0.
    lr_decay : float, default 0.0
        At least 0.
    weight_decay : float, default 0.0
        L2 penalty, at least 0, on biases too.
    eps : float, default 1e-10
        Above 0.
    l1, l2, clip_value, clip_norm, average
        See `Optimizer`.

    Examples
    --------
    >>> from fastnn import Adagrad
    >>> Adagrad(lr_decay=1e-4)
    Adagrad(lr=0.01, lr_decay=0.0001)
    """

    lr: float | schedules.Schedule = 1e-2
    lr_decay: float = 0.0
    weight_decay: float = 0.0
    eps: float = 1e-10
    rule = Rule.ADAGRAD


@dataclass(eq=False, repr=False)
class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012, algorithm 1): steps scaled by the size of previous steps.

    The step is ::

        g += weight_decay w
        v = rho v + (1 - rho) g^2
        d = sqrt(u + eps) / sqrt(v + eps) g
        u = rho u + (1 - rho) d^2
        w -= lr d

    Equivalent to ``torch.optim.Adadelta``.

    Parameters
    ----------
    lr : float or schedule, default 1.0
        Learning rate, at least 0.
    rho : float, default 0.9
        In [0, 1).
    eps : float, default 1e-6
        Above 0.
    weight_decay : float, default 0.0
        L2 penalty, at least 0, on biases too.
    l1, l2, clip_value, clip_norm, average
        See `Optimizer`.

    Examples
    --------
    >>> from fastnn import Adadelta
    >>> Adadelta(rho=0.95)
    Adadelta(lr=1.0, rho=0.95)
    """

    lr: float | schedules.Schedule = 1.0
    rho: float = 0.9
    eps: float = 1e-6
    weight_decay: float = 0.0
    rule = Rule.ADADELTA


@dataclass(eq=False, repr=False)
class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton, 2012, lecture 6.5): gradients divided by their RMS.

    The step is ::

        g += weight_decay w
        v = alpha v + (1 - alpha) g^2
        m += (1 - alpha) (g - m)           with centered
        a = max(0, v - m^2)                with centered, else a = v
        d = g / (sqrt(a) + eps)
        b = momentum b + d                 with momentum, else b = d
        w -= lr b

    The centered variant follows Graves, 2013, eq. 38-41. Equivalent to ``torch.optim.RMSprop``,
    except that PyTorch returns NaN where rounding makes v - m^2 negative.

    Parameters
    ----------
    lr : float or schedule, default 1e-2
        Learning rate, at least 0.
    alpha : float, default 0.99
        In [0, 1).
    eps : float, default 1e-8
        Above 0.
    weight_decay : float, default 0.0
        L2 penalty, at least 0, on biases too.
    momentum : float, default 0.0
        In [0, 1).
    centered : bool, default False
        Divide by the standard deviation of the gradients instead of their RMS.
    l1, l2, clip_value, clip_norm, average
        See `Optimizer`.

    Examples
    --------
    >>> from fastnn import RMSprop
    >>> RMSprop(centered=True)
    RMSprop(lr=0.01, centered=True)
    """

    lr: float | schedules.Schedule = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False
    rule = Rule.RMSPROP


@dataclass(eq=False, repr=False)
class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015, algorithm 1).

    The step is ::

        g += weight_decay w
        m += (1 - b1) (g - m)
        v = b2 v + (1 - b2) g^2
        w -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)

    With `amsgrad`, the last line uses the largest v so far instead of v (Reddi, Kale and Kumar,
    2018, algorithm 2). Equivalent to ``torch.optim.Adam``.

    Parameters
    ----------
    lr : float or schedule, default 1e-3
        Learning rate, at least 0.
    betas : (float, float), default (0.9, 0.999)
        b1 and b2, each in [0, 1).
    eps : float, default 1e-8
        Above 0.
    weight_decay : float, default 0.0
        L2 penalty, at least 0, on biases too. It is not decoupled, unlike in `AdamW`.
    amsgrad : bool, default False
        Use the AMSGrad variant.
    l1, l2, clip_value, clip_norm, average
        See `Optimizer`.

    Examples
    --------
    >>> from fastnn import Adam
    >>> Adam(lr=3e-3)
    Adam(lr=0.003)
    """

    lr: float | schedules.Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False
    rule = Rule.ADAM


@dataclass(eq=False, repr=False)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2).

    First ``w *= 1 - lr * weight_decay``, for biases too, then the step of `Adam` without weight decay.
    Equivalent to ``torch.optim.AdamW``.

    Parameters
    ----------
    lr, betas, eps, amsgrad
        As in `Adam`.
    weight_decay : float, default 1e-2
        At least 0.
    lazy_categories : bool, default False
        Update the weights of the categories of an `EncodedTable` only in steps whose batch has the
        category. With batches of at most 256 rows and without clip_norm, the time of a step then
        does not grow with the number of categories. Other weights and inputs are not affected.
    l1, l2, clip_value, clip_norm, average
        See `Optimizer`.

    Raises
    ------
    ValueError
        `lazy_categories` is combined with amsgrad, l1, l2 or average, which need all weights in each
        step. Otherwise as for `Optimizer`.

    Notes
    -----
    With `lazy_categories`, the step of such a weight is, if g is not 0, ::

        k = t - s,  s = t                  s: the last step with a gradient, 0 at first
        w *= max(0, 1 - lr weight_decay)^k
        v = b2^k v + (1 - b2) g^2
        w -= lr g / (sqrt(v) / sqrt(1 - b2^t) + eps)

    and otherwise w, s and v stay as they are. So both decays make up for the steps since s, at the
    rate of this step, and there is no momentum: s takes the place of m. A rare category moves about as
    far as by `Adam`, which spreads its 1 / (1 - b1 / sqrt(b2)) steps over the batches that follow.
    ``torch.optim.SparseAdam`` keeps v instead, which makes these steps several times smaller.

    Examples
    --------
    >>> from fastnn import AdamW
    >>> AdamW(weight_decay=0.1)
    AdamW(lr=0.001, weight_decay=0.1)
    """

    weight_decay: float = 1e-2
    lazy_categories: bool = False
    decoupled = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("amsgrad", "l1", "l2", "average"):
            if self.lazy_categories and getattr(self, name):
                raise ValueError(
                    f"lazy_categories cannot be combined with {name}={getattr(self, name)!r}, which needs all "
                    f"weights in each step. Pass one of them."
                )


@dataclass(eq=False, repr=False)
class Adamax(Optimizer):
    """AdaMax (Kingma and Ba, 2015, algorithm 2): Adam with a decaying maximum instead of a mean.

    The step is ::

        g += weight_decay w
        m += (1 - b1) (g - m)
        u = max(b2 u, abs(g) + eps)
        w -= lr / (1 - b1^t) m / u

    Equivalent to ``torch.optim.Adamax``.

    Parameters
    ----------
    lr : float or schedule, default 2e-3
        Learning rate, at least 0.
    betas, eps
        As in `Adam`.
    weight_decay : float, default 0.0
        L2 penalty, at least 0, on biases too.
    l1, l2, clip_value, clip_norm, average
        See `Optimizer`.

    Examples
    --------
    >>> from fastnn import Adamax
    >>> Adamax()
    Adamax(lr=0.002)
    """

    lr: float | schedules.Schedule = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    rule = Rule.ADAMAX


@dataclass(eq=False, repr=False)
class NAdam(Optimizer):
    """NAdam (Dozat, 2016): Adam with Nesterov momentum.

    With mu_t = b1 (1 - 0.96^(t momentum_decay) / 2), M_t = mu_1 ... mu_t, and m and v as in `Adam`,
    the step is ::

        d = (1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_(t+1)) m
        w -= lr d / (sqrt(v) / sqrt(1 - b2^t) + eps)

    Equivalent to ``torch.optim.NAdam``.

    Parameters
    ----------
    lr : float or schedule, default 2e-3
        Learning rate, at least 0.
    betas, eps
        As in `Adam`.
    weight_decay : float, default 0.0
        L2 penalty, at least 0, on biases too.
    momentum_decay : float, default 4e-3
        At least 0.
    decoupled_weight_decay : bool, default False
        Apply the weight decay as in `AdamW`.
    l1, l2, clip_value, clip_norm, average
        See `Optimizer`.

    Examples
    --------
    >>> from fastnn import NAdam
    >>> NAdam(lr=1e-3)
    NAdam(lr=0.001)
    """

    lr: float | schedules.Schedule = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum_decay: float = 4e-3
    decoupled_weight_decay: bool = False
    rule = Rule.NADAM
