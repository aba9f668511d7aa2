"""Adam and its variants: momentum, and a learning rate for each parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import schedules
from ..kernels import Rule
from .base import Optimizer, check_betas

if TYPE_CHECKING:
    from typing import Any


def _check_shared(optimizer):
    """Check the options that all of them have."""
    check_betas(optimizer)
    optimizer.check_option("eps", above=0)
    optimizer.check_option("weight_decay", minimum=0)


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

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_shared(self)

    def _rule_to_kernel(self) -> dict[str, Any]:
        return dict(
            rule=Rule.ADAM,
            beta1=self.betas[0],
            beta2=self.betas[1],
            eps=self.eps,
            weight_decay=self.weight_decay,
            amsgrad=bool(self.amsgrad),
        )


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
    l1, l2, clip_value, clip_norm, average
        See `Optimizer`.

    Examples
    --------
    >>> from fastnn import AdamW
    >>> AdamW(weight_decay=0.1)
    AdamW(lr=0.001, weight_decay=0.1)
    """

    weight_decay: float = 1e-2

    def _rule_to_kernel(self) -> dict[str, Any]:
        return super()._rule_to_kernel() | dict(decoupled=True)


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

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_shared(self)

    def _rule_to_kernel(self) -> dict[str, Any]:
        return dict(
            rule=Rule.ADAMAX,
            beta1=self.betas[0],
            beta2=self.betas[1],
            eps=self.eps,
            weight_decay=self.weight_decay,
        )


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

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_shared(self)
        self.check_option("momentum_decay", minimum=0)

    def _rule_to_kernel(self) -> dict[str, Any]:
        return dict(
            rule=Rule.NADAM,
            beta1=self.betas[0],
            beta2=self.betas[1],
            eps=self.eps,
            weight_decay=self.weight_decay,
            decay=self.momentum_decay,
            decoupled=bool(self.decoupled_weight_decay),
        )
