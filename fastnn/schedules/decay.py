"""Schedules: rates that depend on the number of steps or epochs, and one that depends on the loss."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.options import ImmutableOptions
from ..core.validation import check_count
from ..kernels import Schedule as Kind
from .base import Schedule, check_unit, constant, kernel_fields, number, whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Literal


@dataclass(eq=False, repr=False)
class StepDecay(Schedule):
    """Multiply the rate by a factor every few epochs or steps: lr factor^floor(t / every).

    Equivalent to ``torch.optim.lr_scheduler.StepLR`` with step_size = every, gamma = factor.

    Parameters
    ----------
    lr : float
        Initial rate, at least 0.
    every : int
        Number of epochs or steps between two reductions, at least 1.
    factor : float in (0, 1], default 0.1
    unit : {"epoch", "step"}, default "epoch"

    Raises
    ------
    ValueError
        An option is out of range.

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
    unit: Literal["epoch", "step"] = "epoch"

    def __post_init__(self) -> None:
        self._check(
            lr=number(minimum=0),
            every=whole_number(1),
            factor=number(above=0, maximum=1),
            unit=check_unit,
        )

    def to_kernel(self) -> Any:
        return kernel_fields(
            Kind.STEP_DECAY, self.unit, lr=self.lr, factor=self.factor, every=self.every
        )


@dataclass(eq=False, repr=False)
class ExponentialDecay(Schedule):
    """Multiply the rate by a factor after every epoch or step: lr factor^t.

    Equivalent to ``torch.optim.lr_scheduler.ExponentialLR`` with gamma = factor.

    Parameters
    ----------
    lr : float
        Initial rate, at least 0.
    factor : float in (0, 1]
    unit : {"epoch", "step"}, default "epoch"

    Raises
    ------
    ValueError
        An option is out of range.

    Examples
    --------
    >>> from fastnn.schedules import ExponentialDecay
    >>> halved = ExponentialDecay(0.4, 0.5)
    >>> [halved(t) for t in range(3)]
    [0.4, 0.2, 0.1]
    """

    lr: float
    factor: float
    unit: Literal["epoch", "step"] = "epoch"

    def __post_init__(self) -> None:
        self._check(lr=number(minimum=0), factor=number(above=0, maximum=1), unit=check_unit)

    def to_kernel(self) -> Any:
        return kernel_fields(Kind.EXPONENTIAL_DECAY, self.unit, lr=self.lr, factor=self.factor)


@dataclass(eq=False, repr=False)
class CosineDecay(Schedule):
    """Cosine annealing from lr to final_lr, optionally after a linear warm-up.

    The rate is ::

        lr (t + 1) / (warmup + 1)                         for t < warmup
        final_lr + (lr - final_lr) / 2 (1 + cos(pi s))    for warmup <= t < duration
        final_lr                                          for t >= duration

    with s = (t - warmup) / (duration - warmup). Loshchilov and Hutter, 2017, equation 5,
    without restarts; warm-up as in Goyal et al., 2017, section 2.2. Without warm-up, and for t <=
    duration, this is ``torch.optim.lr_scheduler.CosineAnnealingLR`` with T_max = duration, eta_min
    = final_lr. Beyond that, PyTorch's rate rises again.

    Parameters
    ----------
    lr : float
        Highest rate, at least 0.
    duration : int
        Number of epochs or steps until final_lr, including the warm-up; at least 1.
    warmup : int, default 0
        Number of epochs or steps of the warm-up, less than `duration`.
    final_lr : float, default 0.0
        In [0, lr].
    unit : {"epoch", "step"}, default "epoch"

    Raises
    ------
    ValueError
        An option is out of range.

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
    unit: Literal["epoch", "step"] = "epoch"

    def __post_init__(self) -> None:
        self._check(
            lr=number(minimum=0),
            duration=whole_number(1),
            warmup=whole_number(0),
            final_lr=number(minimum=0, maximum=self.lr),
            unit=check_unit,
        )
        if self.warmup >= self.duration:
            raise ValueError(
                f"duration includes the warm-up and must be above warmup={self.warmup}, "
                f"got {self.duration}"
            )

    def to_kernel(self) -> Any:
        return kernel_fields(
            Kind.COSINE_DECAY,
            self.unit,
            lr=self.lr,
            every=self.duration,
            warmup=self.warmup,
            final_lr=self.final_lr,
        )


@dataclass(eq=False, repr=False)
class OneCycle(Schedule):
    """One-cycle policy (Smith and Topin, 2019): rise from start_lr to max_lr, fall to final_lr.

    Both parts are half a cosine, start_lr = max_lr / div_factor and final_lr = start_lr /
    final_div_factor. The peak is at t = pct_start duration - 1 and the end at t = duration - 1,
    after which the rate stays constant. Within `duration`, this is
    ``torch.optim.lr_scheduler.OneCycleLR`` with total_steps = duration, anneal_strategy="cos",
    cycle_momentum=False.

    Parameters
    ----------
    max_lr : float
        Rate at the peak, at least 0.
    duration : int
        Number of steps or epochs of the cycle, at least 1.
    pct_start : float in [0, 1], default 0.3
        Fraction of the cycle in which the rate rises. Below 1 / duration, the peak lies before the
        first step and the rate only falls.
    div_factor : float, default 25.0
        max_lr / start_lr, at least 1.
    final_div_factor : float, default 1e4
        start_lr / final_lr, at least 1.
    unit : {"epoch", "step"}, default "step"

    Raises
    ------
    ValueError
        An option is out of range.

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
    unit: Literal["epoch", "step"] = "step"

    def __post_init__(self) -> None:
        self._check(
            max_lr=number(minimum=0),
            duration=whole_number(1),
            pct_start=number(minimum=0, maximum=1),
            unit=check_unit,
        )
        self._check(div_factor=number(minimum=1), final_div_factor=number(minimum=1))

    def to_kernel(self) -> Any:
        start_lr = self.max_lr / self.div_factor
        peak, end = self.pct_start * self.duration - 1, self.duration - 1
        final_lr = start_lr / self.final_div_factor
        return kernel_fields(
            Kind.ONE_CYCLE,
            self.unit,
            lr=self.max_lr,
            every=end,
            warmup=peak,
            final_lr=final_lr,
            start_lr=start_lr,
        )


@dataclass(eq=False, repr=False)
class Rates(Schedule):
    """A table of rates, one for each epoch or step.

    The rate is rates[t], and the last entry after the end of the table. Use it for schedules that
    have no class here. The compiled loop reads the table, unlike the function of
    ``torch.optim.lr_scheduler.LambdaLR``.

    Parameters
    ----------
    rates : sequence of float
        At least one, each at least 0. Model files store the table in their header, which cannot
        hold a million rates.
    unit : {"epoch", "step"}, default "epoch"

    Raises
    ------
    ValueError
        `rates` is empty, a rate is not a number of at least 0, or `unit` is unknown.

    Examples
    --------
    >>> from fastnn.schedules import Rates
    >>> table = Rates([0.1, 0.4, 0.2])
    >>> [table(t) for t in range(5)]
    [0.1, 0.4, 0.2, 0.2, 0.2]
    """

    rates: Sequence[float]
    unit: Literal["epoch", "step"] = "epoch"

    def __post_init__(self) -> None:
        self._check(rates=_check_rates, unit=check_unit)

    def to_kernel(self) -> Any:
        return kernel_fields(Kind.RATE_TABLE, self.unit) | dict(
            rates=np.array(self.rates, np.float64)
        )


def _check_rates(name, value):
    """Return a tuple of floats, which JSON can hold."""
    is_text_or_class = isinstance(value, (str, bytes, memoryview, type))
    try:
        rates = None if is_text_or_class else list(value)
    except TypeError:
        rates = None
    if rates is None:
        raise ValueError(f"{name} must be a sequence of numbers of at least 0, got {value!r}")
    if not rates:
        raise ValueError(f"{name} must hold at least one number, got {value!r}")
    check = number(minimum=0)
    return tuple(check(name, rate) for rate in rates)


@dataclass(eq=False, repr=False)
class Plateau(ImmutableOptions):
    """The state of a `ReduceOnPlateau`; ``Plateau()`` is the initial state.

    Parameters
    ----------
    lr : float, default infinity
        The current rate; infinity if it has not been reduced.
    best : float, default infinity
        The lowest loss so far.
    wait : int, default 0
        Number of epochs since the lowest loss.

    Raises
    ------
    ValueError
        A value is out of range.
    """

    lr: float = math.inf
    best: float = math.inf
    wait: int = 0

    def __post_init__(self) -> None:
        for name, minimum, bound in (("lr", 0, " of at least 0"), ("best", -math.inf, "")):
            value = getattr(self, name)
            is_too_large = isinstance(value, int) and abs(value) > sys.float_info.max
            if not isinstance(value, (int, float)) or is_too_large or not value >= minimum:
                raise ValueError(
                    f"{name} of a plateau must be a number{bound} or infinity, got {value!r}"
                )
            object.__setattr__(self, name, float(value))
        check_count("wait", self.wait, minimum=0)


@dataclass(eq=False, repr=False)
class ReduceOnPlateau(Schedule):
    """Multiply the rate by a factor when the loss stops improving.

    After each epoch, the validation loss (the training loss without validation data) counts as an
    improvement if it is below best (1 - min_delta). After more than `patience` epochs in a row
    without improvement, lr becomes max(lr factor, min_lr), unless this changes it by less than
    1e-8, and the count restarts.

    The rates equal those of ``torch.optim.lr_scheduler.ReduceLROnPlateau`` with its defaults
    (mode="min", threshold_mode="rel", cooldown=0, eps=1e-8) and threshold = min_delta, bit for bit.

    `min_delta` is relative to the best loss, which assumes a positive loss. Set it to 0 for a loss
    that may be negative, such as "gaussian_nll".

    Parameters
    ----------
    lr : float
        Initial rate, at least 0.
    factor : float in (0, 1), default 0.1
    patience : int, default 10
        Number of epochs without improvement to tolerate, at least 0.
    min_delta : float in [0, 1), default 1e-4
        Smallest relative decrease of the loss that counts as an improvement.
    min_lr : float, default 0.0
        Lowest rate, in [0, lr].

    Raises
    ------
    ValueError
        An option is out of range.

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

    def __post_init__(self) -> None:
        self._check(lr=number(minimum=0), factor=number(above=0, below=1), patience=whole_number(0))
        self._check(min_delta=number(minimum=0, below=1), min_lr=number(minimum=0, maximum=self.lr))

    def __call__(self, t: int) -> float:
        raise TypeError(
            "the rate of ReduceOnPlateau depends on the losses, not only on t. "
            "Call rate_at(plateau)."
        )

    def to_kernel(self) -> Any:
        """Return the fields for the initial rate; see `rate_at` for later epochs."""
        return constant(self.lr)

    def rate_at(self, plateau: Plateau) -> float:
        """Return the rate of a `Plateau`, clipped to [min_lr, lr].

        The clipping matters if the plateau was reached with other options.
        """
        return max(min(plateau.lr, self.lr), self.min_lr)

    def after_epoch(self, plateau: Plateau, loss: float) -> Plateau:
        """Return the next `Plateau`, after an epoch with this loss. NaN is not an improvement."""
        lr, best, wait = plateau.lr, plateau.best, plateau.wait + 1
        if loss < best * (1 - self.min_delta):
            best, wait = float(loss), 0
        if wait > self.patience:
            wait, before = 0, self.rate_at(plateau)
            after = max(before * self.factor, self.min_lr)
            if before - after > 1e-8:
                lr = after
        return Plateau(lr, best, wait)
