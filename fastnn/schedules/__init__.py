"""Learning-rate schedules.

A schedule is immutable. Pass one to an optimizer as `lr`: ``SGD(lr=CosineDecay(0.1, 30))``. In the
formulas, t is the number of completed steps or epochs, as `unit` says, so a step uses the rate of
the t before it. ``schedule(t)`` returns exactly the rate that training uses.

================== ================================ ===============================================
class              rate                             source
================== ================================ ===============================================
`StepDecay`        lr factor^floor(t / every)       PyTorch's StepLR
`ExponentialDecay` lr factor^t                      PyTorch's ExponentialLR
`CosineDecay`      warm-up, then cosine to final_lr Loshchilov and Hutter, 2017; Goyal et al., 2017
`OneCycle`         cosine up to max_lr, then down   Smith and Topin, 2019
`Rates`            rates[min(t, len(rates) - 1)]    PyTorch's LambdaLR
`ReduceOnPlateau`  reduced by factor on a plateau   PyTorch's ReduceLROnPlateau
================== ================================ ===============================================

Modules:

- `base`: Schedule, and constant rates.
- `decay`: the schedules.
"""

from __future__ import annotations

import numbers
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..core.lazy import LazyClasses
from ..core.validation import check_number

if TYPE_CHECKING:
    from typing import Any

    from .base import Schedule, constant, to_kernel
    from .decay import (
        CosineDecay,
        ExponentialDecay,
        OneCycle,
        Plateau,
        Rates,
        ReduceOnPlateau,
        StepDecay,
    )


__all__ = [
    "SCHEDULES",
    "CosineDecay",
    "ExponentialDecay",
    "OneCycle",
    "Plateau",
    "Rates",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "constant",
    "resolve_lr",
    "to_kernel",
]

# generated: schedules, by src/generate.py from src/operations.py
_MODULES = {
    "StepDecay": "decay",
    "ExponentialDecay": "decay",
    "CosineDecay": "decay",
    "OneCycle": "decay",
    "Rates": "decay",
    "ReduceOnPlateau": "decay",
}
# end of schedules
_OTHERS = {"Plateau": "decay", "Schedule": "base", "constant": "base", "to_kernel": "base"}
SCHEDULES = LazyClasses(__name__, _MODULES | _OTHERS, {name: name for name in _MODULES})

if not TYPE_CHECKING:  # a type checker would then accept any name
    __getattr__ = SCHEDULES.load


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def resolve_lr(lr: float | Schedule) -> float | Schedule:
    """Return a learning rate, a number or a schedule, or raise a ValueError."""
    if type(lr) is not float and SCHEDULES.has_instance(lr):  # the usual case first
        return lr
    if isinstance(lr, bool) or not isinstance(lr, numbers.Real):
        raise ValueError(
            f"lr must be a number of at least 0 or a schedule ({', '.join(SCHEDULES)}), got {lr!r}"
        )
    return check_number("lr", lr, minimum=0)


def describe(lr: Any) -> Any:
    """Return a learning rate as a number or a dict that JSON can hold."""
    if SCHEDULES.has_instance(lr):
        return dict(schedule=type(lr).__name__, **asdict(lr))
    return float(lr)


def from_description(value: Any) -> Any:
    """Return the learning rate that `describe` described, or raise a ValueError or TypeError."""
    if not isinstance(value, dict):
        return resolve_lr(value)
    fields = value.copy()
    name = fields.pop("schedule", None)
    if not isinstance(name, str) or name not in SCHEDULES:
        raise ValueError(f"no schedule is called {name!r}")
    return SCHEDULES[name](**fields)
