"""One learning rate for all parameters: SGD, with or without momentum, and Lion, which steps by signs."""

from __future__ import annotations

from dataclasses import dataclass

from .. import schedules
from ..kernels import Rule
from .base import Optimizer


@dataclass(eq=False, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    The step is ::

        g += weight_decay w
        v = momentum v + g                 v = 0 before the first step
        w -= lr v                          with nesterov: w -= lr (g + momentum v)

    Without momentum, this is w -= lr g. Equivalent to ``torch.optim.SGD`` without dampening.

    Parameters
    ----------
    lr : float or schedule, default 1e-3
        Learning rate, at least 0.
    momentum : float, default 0.0
        In [0, 1).
    nesterov : bool, default False
        Use Nesterov momentum (Sutskever et al., 2013, in PyTorch's form). Requires a momentum above
        0.
    weight_decay : float, default 0.0
        L2 penalty, at least 0, on biases too.
    l1, l2, clip_value, clip_norm, average
        See `Optimizer`.

    Examples
    --------
    >>> from fastnn import SGD
    >>> SGD(0.1, momentum=0.9)
    SGD(lr=0.1, momentum=0.9)
    """

    lr: float | schedules.Schedule = 1e-3
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    rule = Rule.SGD

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs a momentum above 0, got momentum=0")


@dataclass(eq=False, repr=False)
class Lion(Optimizer):
    """Lion (Chen et al., 2023, algorithm 2, arXiv:2302.06675): steps by the sign of a mean.

    Each parameter changes by lr or -lr. The step is, with sign(0) = 0, ::

        w *= 1 - lr weight_decay           (biases too)
        w -= lr sign(b1 m + (1 - b1) g)
        m = b2 m + (1 - b2) g

    Parameters
    ----------
    lr : float or schedule, default 1e-4
        Learning rate, at least 0. Use a third to a tenth of the rate for Adam.
    betas : (float, float), default (0.9, 0.99)
        b1 and b2, each in [0, 1).
    weight_decay : float, default 0.0
        At least 0, decoupled as in `AdamW`. Use three to ten times the value for AdamW, since lr is
        smaller.
    l1, l2, clip_value, clip_norm, average
        See `Optimizer`.

    Examples
    --------
    >>> from fastnn import Lion
    >>> Lion(lr=3e-4)
    Lion(lr=0.0003)
    """

    lr: float | schedules.Schedule = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    rule = Rule.LION
    decoupled = True
