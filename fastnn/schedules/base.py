"""The base class of schedules, constant learning rates, and checks of options."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import kernels
from ..core.options import ImmutableOptions
from ..core.validation import check_choice, check_count, check_number
from ..kernels import Schedule as Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


_DEFAULTS = dict(
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
class Schedule(ImmutableOptions):
    """Base class of all schedules: ``schedule(t)`` is the rate after t steps or epochs."""

    def __call__(self, t: int) -> float:
        t = check_count("t", t, minimum=0, maximum=sys.maxsize)
        return kernels.learning_rate(self.to_kernel(), t, t)

    def to_kernel(self) -> Any:
        """Return the fields of the kernel's struct LearningRate."""
        raise TypeError(
            f"{type(self).__name__} has no rates. Pass another class of fastnn.schedules, such as "
            "StepDecay."
        )

    def _check(self, **checks: Any) -> None:
        """Replace each option by the result of its check, a function of name and value."""
        for name, check in checks.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))


def constant(lr: float) -> dict[str, Any]:
    """Return the fields of the kernel's struct LearningRate for a constant rate."""
    return _DEFAULTS | dict(schedule=Kind.CONSTANT, lr=float(lr))


def to_kernel(lr: float | Schedule) -> Any:
    """Return the fields of the kernel's struct LearningRate for a number or a schedule."""
    return lr.to_kernel() if isinstance(lr, Schedule) else constant(lr)


def kernel_fields(kind: Any, unit: str, **values: Any) -> dict[str, Any]:
    """Return the fields of the kernel's struct LearningRate; those not named get a default."""
    return (
        _DEFAULTS
        | dict(schedule=kind, per_epoch=unit == "epoch")
        | {name: float(value) for name, value in values.items()}
    )


# ---- checks of options, for Schedule._check ----


def number(maximum: float = math.inf, **bounds: Any) -> Callable[[str, Any], float]:
    """Return a check that converts to float, which JSON can hold."""

    def check(name, value):
        if check_number(name, value, **bounds) > maximum:
            raise ValueError(f"{name} must be at most {maximum}, got {value!r}")
        return float(value)

    return check


def whole_number(minimum: int) -> Callable[[str, Any], float]:
    """Return a check for whole numbers within the range of a double."""
    return lambda name, value: check_number(name, check_count(name, value, minimum), minimum)


def check_unit(name: str, value: str) -> str:
    """Check the unit of t, "epoch" or "step"."""
    return check_choice(name, value, ("epoch", "step"))
