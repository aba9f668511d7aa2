"""A schedule that lowers the learning rate when the loss stops improving."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.options import Options
from ..core.validation import check_count
from .base import Schedule, constant, number, whole_number

if TYPE_CHECKING:
    from typing import Any


@dataclass(eq=False, repr=False)
class Plateau(Options):
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
            if not isinstance(value, (int, float)) or not value >= minimum:
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
