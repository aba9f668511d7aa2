"""A rate for each parameter, from the squares of its gradients: Adagrad, Adadelta, RMSprop."""

from dataclasses import dataclass

from .. import schedules
from ..kernels import Rule
from .base import Optimizer


@dataclass(eq=False, repr=False)
class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, 2011): a rate of its own for each parameter, which only
    falls.

    With g += weight_decay w:  s += g^2,  w -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps).
    ``torch.optim.Adagrad``.

    Parameters
    ----------
    lr : float or schedule, default 1e-2
    lr_decay : float, default 0.0
        At least 0.
    weight_decay : float, default 0.0
        L2 penalty, on biases too.
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

    def __post_init__(self):
        super().__post_init__()
        self._check("lr_decay", minimum=0)
        self._check("weight_decay", minimum=0)
        self._check("eps", above=0)

    def _rule_to_kernel(self):
        return dict(
            rule=Rule.ADAGRAD, decay=self.lr_decay, weight_decay=self.weight_decay, eps=self.eps
        )


@dataclass(eq=False, repr=False)
class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012, algorithm 1): steps as large as past steps were, in units of the
    parameter.

    With g += weight_decay w:  v = rho v + (1 - rho) g^2,  d = sqrt(u + eps) / sqrt(v + eps) g,  u =
    rho u + (1 - rho) d^2,  w -= lr d. ``torch.optim.Adadelta``.

    Parameters
    ----------
    lr : float or schedule, default 1.0
    rho : float, default 0.9
        In [0, 1).
    eps : float, default 1e-6
        Above 0.
    weight_decay : float, default 0.0
        L2 penalty, on biases too.
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

    def __post_init__(self):
        super().__post_init__()
        self._check("rho", minimum=0, below=1)
        self._check("eps", above=0)
        self._check("weight_decay", minimum=0)

    def _rule_to_kernel(self):
        return dict(
            rule=Rule.ADADELTA, beta2=self.rho, eps=self.eps, weight_decay=self.weight_decay
        )


@dataclass(eq=False, repr=False)
class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton, 2012, lecture 6.5): the gradient over the root of its mean
    square.

    With g += weight_decay w:  v = alpha v + (1 - alpha) g^2;  a = v, or with `centered` m += (1 -
    alpha) (g - m) and a = max(0, v - m^2) (Graves, 2013, eq. 38-41);  d = g / (sqrt(a) + eps);
    with momentum b = momentum b + d and w -= lr b, else w -= lr d. ``torch.optim.RMSprop``, which
    gives NaN where v - m^2 is below 0 by rounding.

    Parameters
    ----------
    lr : float or schedule, default 1e-2
    alpha : float, default 0.99
        In [0, 1).
    eps : float, default 1e-8
        Above 0.
    weight_decay : float, default 0.0
        L2 penalty, on biases too.
    momentum : float, default 0.0
        In [0, 1).
    centered : bool, default False
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

    def __post_init__(self):
        super().__post_init__()
        self._check("alpha", minimum=0, below=1)
        self._check("eps", above=0)
        self._check("weight_decay", minimum=0)
        self._check("momentum", minimum=0, below=1)

    def _rule_to_kernel(self):
        return dict(
            rule=Rule.RMSPROP,
            beta2=self.alpha,
            eps=self.eps,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            centered=bool(self.centered),
        )
