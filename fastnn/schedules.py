"""Schedules: how the learning rate moves while a network learns. Immutable settings; give one to an
optimizer as its `lr`.

In the formulas t counts the steps or epochs done, whole ones, 0 at first; ``unit`` says which of
the two. A step takes the rate of the t before it. Any rate may be asked for beforehand:
``schedule(t)`` is, to the bit, what training uses.

================== ============================================ ===============================================
class              rate                                         source
================== ============================================ ===============================================
`StepDecay`        lr factor^floor(t / every)                   PyTorch's StepLR
`ExponentialDecay` lr factor^t                                  PyTorch's ExponentialLR
`CosineDecay`      warm-up, then half a cosine to final_lr      Loshchilov and Hutter, 2017; Goyal et al., 2017
`OneCycle`         half a cosine up to max_lr, another far down Smith and Topin, 2019
`Table`            rates[min(t, len(rates) - 1)]                PyTorch's LambdaLR
`ReduceOnPlateau`  lower by factor if the loss no longer falls  PyTorch's ReduceLROnPlateau
================== ============================================ ===============================================
"""

import math
import numbers
from dataclasses import asdict, dataclass

import numpy as np

from . import kernels
from .kernels import Schedule as Kind
from .options import Options
from .validation import check_count, check_number

__all__ = [
    "SCHEDULES",
    "CosineDecay",
    "ExponentialDecay",
    "OneCycle",
    "Plateau",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "Table",
]

_NOTHING = dict(
    per_epoch=False,
    lr=0.0,
    factor=0.0,
    every=0.0,
    warmup=0.0,
    final_lr=0.0,
    start_lr=0.0,
    rates=None,
)


@dataclass(eq=False, repr=False)
class Schedule(Options):
    """What all schedules have in common: ``schedule(t)`` is the rate after t whole steps or epochs,
    whichever its unit is."""

    def __call__(self, t):
        t = check_count("t", t, minimum=0)
        return kernels.learning_rate(self.to_kernel(), t, t)

    def to_kernel(self):
        """The numbers of the kernel's struct LearningRate."""
        raise NotImplementedError

    def _check(self, **checks):
        for name, check in checks.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))


@dataclass(eq=False, repr=False)
class StepDecay(Schedule):
    """Lower the rate by a factor at regular intervals: lr factor^floor(t / every).

    ``torch.optim.lr_scheduler.StepLR`` with step_size = every, gamma = factor.

    Parameters
    ----------
    lr : float
        First rate, at least 0.
    every : int
        Epochs or steps between two reductions, at least 1.
    factor : float in (0, 1], default 0.1
    unit : {"epoch", "step"}, default "epoch"

    Raises
    ------
    ValueError
        A setting is out of its range.

    Examples
    --------
    >>> from fastnn.schedules import StepDecay
    >>> halved = StepDecay(0.4, every=10, factor=0.5)
    >>> [halved(t) for t in (0, 9, 10, 20)]
    [0.4, 0.4, 0.2, 0.1]
    """

    lr: float
    every: int
    factor: float = 0.1
    unit: str = "epoch"

    def __post_init__(self):
        self._check(
            lr=_number(minimum=0), every=_whole(1), factor=_number(above=0, maximum=1), unit=_unit
        )

    def to_kernel(self):
        return _settings(
            Kind.STEP_DECAY, self.unit, lr=self.lr, factor=self.factor, every=self.every
        )


@dataclass(eq=False, repr=False)
class ExponentialDecay(Schedule):
    """Lower the rate by a factor every time: lr factor^t.

    ``torch.optim.lr_scheduler.ExponentialLR`` with gamma = factor.

    Parameters
    ----------
    lr : float
        First rate, at least 0.
    factor : float in (0, 1]
    unit : {"epoch", "step"}, default "epoch"

    Raises
    ------
    ValueError
        A setting is out of its range.

    Examples
    --------
    >>> from fastnn.schedules import ExponentialDecay
    >>> halved = ExponentialDecay(0.4, 0.5)
    >>> [halved(t) for t in range(3)]
    [0.4, 0.2, 0.1]
    """

    lr: float
    factor: float
    unit: str = "epoch"

    def __post_init__(self):
        self._check(lr=_number(minimum=0), factor=_number(above=0, maximum=1), unit=_unit)

    def to_kernel(self):
        return _settings(Kind.EXPONENTIAL_DECAY, self.unit, lr=self.lr, factor=self.factor)


@dataclass(eq=False, repr=False)
class CosineDecay(Schedule):
    """Half a cosine from lr down to final_lr, after a linear warm-up if wanted.

    t < warmup:              lr (t + 1) / (warmup + 1)
    warmup <= t < duration:  final_lr + (lr - final_lr) / 2 (1 + cos(pi (t - warmup) / (duration -
    warmup)))
    t >= duration:           final_lr

    Loshchilov and Hutter, 2017, equation 5, without restarts; the warm-up of Goyal et al., 2017,
    section 2.2. Without warm-up and within its duration
    ``torch.optim.lr_scheduler.CosineAnnealingLR`` with T_max = duration, eta_min = final_lr (which
    rises again afterwards).

    Parameters
    ----------
    lr : float
        Highest rate, at least 0.
    duration : int
        Epochs or steps until final_lr is reached, warm-up included; at least 1.
    warmup : int, default 0
        Epochs or steps of the warm-up, less than duration.
    final_lr : float, default 0.0
        In [0, lr].
    unit : {"epoch", "step"}, default "epoch"

    Raises
    ------
    ValueError
        A setting is out of its range.

    Examples
    --------
    >>> from fastnn.schedules import CosineDecay
    >>> cosine = CosineDecay(0.4, duration=12, warmup=3)
    >>> [round(cosine(t), 3) for t in (0, 1, 2, 3, 6, 9, 12, 13)]
    [0.1, 0.2, 0.3, 0.4, 0.3, 0.1, 0.0, 0.0]
    """

    lr: float
    duration: int
    warmup: int = 0
    final_lr: float = 0.0
    unit: str = "epoch"

    def __post_init__(self):
        self._check(
            lr=_number(minimum=0),
            duration=_whole(1),
            warmup=_whole(0),
            final_lr=_number(minimum=0, maximum=self.lr),
            unit=_unit,
        )
        if self.warmup >= self.duration:
            raise ValueError(
                f"duration counts the warm-up too and must be above warmup={self.warmup}, got {self.duration}"
            )

    def to_kernel(self):
        return _settings(
            Kind.COSINE_DECAY,
            self.unit,
            lr=self.lr,
            every=self.duration,
            warmup=self.warmup,
            final_lr=self.final_lr,
        )


@dataclass(eq=False, repr=False)
class OneCycle(Schedule):
    """Half a cosine from start_lr up to max_lr, another one down to final_lr.

    start_lr = max_lr / div_factor and final_lr = start_lr / final_div_factor. The peak is at t =
    pct_start duration - 1, the end at t = duration - 1, and then the rate stays. Smith and Topin,
    2019. Within its duration ``torch.optim.lr_scheduler.OneCycleLR`` with total_steps = duration,
    anneal_strategy="cos", cycle_momentum=False.

    Parameters
    ----------
    max_lr : float
        Rate at the peak, at least 0.
    duration : int
        Length of the cycle in steps or epochs, at least 1.
    pct_start : float in [0, 1], default 0.3
        Part of the cycle in which the rate rises. Below 1 / duration the peak lies before the first
        step, and it only falls.
    div_factor : float, default 25.0
        At least 1.
    final_div_factor : float, default 1e4
        At least 1.
    unit : {"epoch", "step"}, default "step"

    Raises
    ------
    ValueError
        A setting is out of its range.

    Examples
    --------
    >>> from fastnn.schedules import OneCycle
    >>> cycle = OneCycle(0.5, duration=10)
    >>> [round(cycle(t), 3) for t in range(11)]
    [0.02, 0.26, 0.5, 0.475, 0.406, 0.306, 0.194, 0.094, 0.025, 0.0, 0.0]
    """

    max_lr: float
    duration: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    unit: str = "step"

    def __post_init__(self):
        self._check(
            max_lr=_number(minimum=0),
            duration=_whole(1),
            pct_start=_number(minimum=0, maximum=1),
            unit=_unit,
        )
        self._check(div_factor=_number(minimum=1), final_div_factor=_number(minimum=1))

    def to_kernel(self):
        start_lr = self.max_lr / self.div_factor
        peak, end = self.pct_start * self.duration - 1, self.duration - 1
        final_lr = start_lr / self.final_div_factor
        return _settings(
            Kind.ONE_CYCLE,
            self.unit,
            lr=self.max_lr,
            every=end,
            warmup=peak,
            final_lr=final_lr,
            start_lr=start_lr,
        )


@dataclass(eq=False, repr=False)
class Table(Schedule):
    """A rate for each epoch or step: rates[t], and the last of them from then on.

    For schedules that no other class has. The compiled loop reads the table;
    ``torch.optim.lr_scheduler.LambdaLR`` calls a function.

    Parameters
    ----------
    rates : sequence of float
        At least one, each at least 0. It is part of a saved model's description, so a million of
        them are too many.
    unit : {"epoch", "step"}, default "epoch"

    Raises
    ------
    ValueError
        There are no rates, a rate is not a number of at least 0, or the unit is none of the two.

    Examples
    --------
    >>> from fastnn.schedules import Table
    >>> table = Table([0.1, 0.4, 0.2])
    >>> [table(t) for t in range(5)]
    [0.1, 0.4, 0.2, 0.2, 0.2]
    """

    rates: tuple
    unit: str = "epoch"

    def __post_init__(self):
        self._check(rates=_rates, unit=_unit)

    def to_kernel(self):
        return _settings(Kind.RATE_TABLE, self.unit) | dict(rates=np.array(self.rates, np.float64))


@dataclass(eq=False, repr=False)
class Plateau(Options):
    """Where a `ReduceOnPlateau` stands; ``Plateau()`` is the beginning.

    Parameters
    ----------
    lr : float, default infinity
        What the rate has been lowered to; infinity: it has not been.
    best : float, default infinity
        The loss that has to be undercut.
    wait : int, default 0
        Epochs since it was found.

    Raises
    ------
    ValueError
        A value is not such a number.
    """

    lr: float = math.inf
    best: float = math.inf
    wait: int = 0

    def __post_init__(self):
        for name, minimum in (("lr", 0), ("best", -math.inf)):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not value >= minimum:
                raise ValueError(
                    f"{name} of a plateau must be a number of at least {minimum}, or infinity at first, got {value!r}"
                )
            object.__setattr__(self, name, float(value))
        check_count("wait", self.wait, minimum=0)


@dataclass(eq=False, repr=False)
class ReduceOnPlateau(Schedule):
    """Lower the rate by a factor when the loss stops falling.

    The loss after each epoch, on the validation data if there are any, else that of the training,
    is an improvement if it is below best (1 - min_delta). After more than `patience` epochs in a
    row without one, lr becomes max(lr factor, min_lr), unless that is less than 1e-8 away, and the
    count begins anew. ``torch.optim.lr_scheduler.ReduceLROnPlateau`` with its defaults (mode="min",
    threshold_mode="rel", cooldown=0, eps=1e-8) and threshold = min_delta; the rates are the same to
    the bit.

    min_delta is a part of the best loss, which makes no sense of a loss below 0: for one that may
    be there ("gaussian_nll", for example) set it to 0.

    Parameters
    ----------
    lr : float
        First rate, at least 0.
    factor : float in (0, 1), default 0.1
    patience : int, default 10
        Epochs without improvement that are borne, at least 0.
    min_delta : float in [0, 1), default 1e-4
        Part of the best loss that counts as an improvement.
    min_lr : float, default 0.0
        In [0, lr].

    Raises
    ------
    ValueError
        A setting is out of its range.

    Examples
    --------
    >>> from fastnn.schedules import Plateau, ReduceOnPlateau
    >>> schedule = ReduceOnPlateau(0.4, factor=0.5, patience=1)
    >>> plateau, rates = Plateau(), []
    >>> for loss in (1.0, 0.9, 0.9, 0.9, 0.9, 0.8):
    ...     plateau = schedule.after_epoch(plateau, loss)
    ...     rates.append(schedule.rate_at(plateau))
    >>> rates
    [0.4, 0.4, 0.4, 0.2, 0.2, 0.2]
    """

    lr: float
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4
    min_lr: float = 0.0

    def __post_init__(self):
        self._check(lr=_number(minimum=0), factor=_number(above=0, below=1), patience=_whole(0))
        self._check(
            min_delta=_number(minimum=0, below=1), min_lr=_number(minimum=0, maximum=self.lr)
        )

    def __call__(self, t):
        raise TypeError(
            "the rate of ReduceOnPlateau depends on the losses, not on t alone: call rate_at(plateau)"
        )

    def to_kernel(self):
        """Those of the first rate, which moves only between epochs: see `rate_at`."""
        return constant(self.lr)

    def rate_at(self, plateau):
        """The rate where `plateau` stands, even if it stood there under other settings: from min_lr
        to lr."""
        return max(min(plateau.lr, self.lr), self.min_lr)

    def after_epoch(self, plateau, loss):
        """The next `Plateau`, after an epoch that ended with this loss. NaN is no improvement."""
        lr, best, wait = plateau.lr, plateau.best, plateau.wait + 1
        if loss < best * (1 - self.min_delta):
            best, wait = float(loss), 0
        if wait > self.patience:
            wait, before = 0, self.rate_at(plateau)
            after = max(before * self.factor, self.min_lr)
            if before - after > 1e-8:
                lr = after
        return Plateau(lr, best, wait)


# generated: schedules, by src/generate.py from src/operations.py
_CLASSES = (
    StepDecay,
    ExponentialDecay,
    CosineDecay,
    OneCycle,
    Table,
    ReduceOnPlateau,
)
# end of schedules
SCHEDULES = {cls.__name__: cls for cls in _CLASSES}


def resolve(lr):
    """A learning rate: a number or a schedule."""
    if isinstance(lr, tuple(SCHEDULES.values())):
        return lr
    if isinstance(lr, bool) or not isinstance(lr, numbers.Real):
        raise ValueError(
            f"lr must be a number of at least 0 or a schedule ({', '.join(SCHEDULES)}), got {lr!r}"
        )
    return check_number("lr", lr, minimum=0)


def constant(lr):
    """The numbers of the kernel's struct LearningRate for a rate that stays."""
    return _NOTHING | dict(schedule=Kind.CONSTANT, lr=float(lr))


def as_settings(lr):
    """The same for a number or a schedule."""
    return lr.to_kernel() if isinstance(lr, Schedule) else constant(lr)


def describe(lr):
    """A number, or the schedule as a mapping that JSON can hold."""
    return dict(schedule=type(lr).__name__, **asdict(lr)) if isinstance(lr, Schedule) else float(lr)


def from_description(value):
    """The inverse; a ValueError or TypeError if that is no learning rate's description."""
    if not isinstance(value, dict):
        return resolve(value)
    fields = value.copy()
    name = fields.pop("schedule", None)
    if not isinstance(name, str) or name not in SCHEDULES:
        raise ValueError(f"no schedule is called {name!r}")
    return SCHEDULES[name](**fields)


def _settings(kind, unit, **values):
    return (
        _NOTHING
        | dict(schedule=kind, per_epoch=unit == "epoch")
        | {name: float(value) for name, value in values.items()}
    )


def _number(maximum=math.inf, **bounds):
    """A check that gives back Python's own number, which JSON can hold."""

    def check(name, value):
        if check_number(name, value, **bounds) > maximum:
            raise ValueError(f"{name} must be at most {maximum}, got {value!r}")
        return float(value)

    return check


def _whole(minimum):
    """The same for whole numbers, of those that a double can hold."""
    return lambda name, value: check_number(name, check_count(name, value, minimum), minimum)


def _rates(name, value):
    """A tuple of Python's own numbers."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise ValueError(f"{name} must be a sequence of numbers of at least 0, got {value!r}")
    check = _number(minimum=0)
    rates = tuple(check(name, rate) for rate in value)
    if not rates:
        raise ValueError(f"{name} must hold at least one number, got {value!r}")
    return rates


def _unit(name, value):
    if value not in ("epoch", "step"):
        raise ValueError(f"{name} must be 'epoch' or 'step', got {value!r}")
    return value
