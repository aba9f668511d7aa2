"""Optimizers: immutable settings, in PyTorch's names and definitions. What moves (moments, step) is the network's `state`."""

from dataclasses import dataclass

from .kernels import Rule
from .validation import check_number


@dataclass(frozen=True)
class SGD:
    """Gradient descent, with momentum on request.

    With g = dL/dw + weight_decay w:  v = momentum v + g (v starts at 0), then w -= lr v, or w -= lr (g + momentum v) with
    `nesterov`. Without momentum w -= lr g.

    Parameters
    ----------
    lr : float, default 1e-3
        Learning rate, at least 0.
    momentum : float, default 0.0
        In [0, 1).
    nesterov : bool, default False
        Look ahead by one step of the momentum, which must be above 0 (Sutskever et al., 2013, as PyTorch writes it).
    weight_decay : float, default 0.0
        L2 penalty, on biases too, as in PyTorch.

    Examples
    --------
    >>> from fastnn import SGD
    >>> SGD(0.1, momentum=0.9)
    SGD(lr=0.1, momentum=0.9, nesterov=False, weight_decay=0.0)
    """

    lr: float = 1e-3
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self):
        check_number("lr", self.lr, least=0)
        check_number("momentum", self.momentum, least=0, below=1)
        check_number("weight_decay", self.weight_decay, least=0)
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs a momentum above 0, got momentum=0")

    @property
    def n_moments(self):
        return 1 if self.momentum else 0

    def kernel_settings(self):
        return dict(rule=Rule.SGD, lr=self.lr, momentum=self.momentum, nesterov=bool(self.nesterov), weight_decay=self.weight_decay,
                    beta1=0.0, beta2=0.0, eps=0.0)  # fmt: skip


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba, 2015, algorithm 1).

    With g = dL/dw + weight_decay w, in step t = 1, 2, ...:  m += (1 - b1) (g - m),  v = b2 v + (1 - b2) g^2,
    w -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps).

    Parameters
    ----------
    lr : float, default 1e-3
        Learning rate, at least 0.
    betas : (float, float), default (0.9, 0.999)
        b1 and b2, each in [0, 1).
    eps : float, default 1e-8
        Above 0.
    weight_decay : float, default 0.0
        L2 penalty (not decoupled), on biases too, as in PyTorch.

    Examples
    --------
    >>> from fastnn import Adam
    >>> Adam(lr=3e-3)
    Adam(lr=0.003, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0)
    """

    lr: float = 1e-3
    betas: tuple = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0

    n_moments = 2

    def __post_init__(self):
        check_number("lr", self.lr, least=0)
        if not isinstance(self.betas, (tuple, list)) or len(self.betas) != 2:
            raise ValueError(f"betas must be two numbers, got {self.betas!r}")
        object.__setattr__(self, "betas", tuple(self.betas))
        for beta in self.betas:
            check_number("betas", beta, least=0, below=1)
        check_number("eps", self.eps, above=0)
        check_number("weight_decay", self.weight_decay, least=0)

    def kernel_settings(self):
        return dict(rule=Rule.ADAM, lr=self.lr, momentum=0.0, nesterov=False, weight_decay=self.weight_decay,
                    beta1=self.betas[0], beta2=self.betas[1], eps=self.eps)  # fmt: skip


OPTIMIZERS = {"sgd": SGD, "adam": Adam}


def find(optimizer):
    """An optimizer from its name or from itself."""
    if isinstance(optimizer, tuple(OPTIMIZERS.values())):
        return optimizer
    if not isinstance(optimizer, str) or optimizer not in OPTIMIZERS:
        names = ", ".join(repr(name) for name in OPTIMIZERS)
        raise ValueError(f"optimizer must be {names} or an optimizer such as Adam(lr=1e-3), got {optimizer!r}")
    return OPTIMIZERS[optimizer]()
