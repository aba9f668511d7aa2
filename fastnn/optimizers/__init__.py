"""Optimizers.

`fit` takes an optimizer such as ``Adam(lr=1e-3)``, or the name of a class in lower case, such as
"adam". Names and definitions are PyTorch's where it has the optimizer. The learning rate `lr` is a
number or a schedule (`fastnn.schedules`). All optimizers but `LBFGS` share the options of
`Optimizer`: penalties, clipping, averaging.

Optimizers are immutable. What changes during training (moments, step, averaged parameters) is in
``net.state``. In the formulas, w is a parameter, g its gradient after penalties and clipping, and t
= 1, 2, ... the step.

========== ======================================= ================================================
class      moments                                 source
========== ======================================= ================================================
`SGD`      velocity (with momentum)                Robbins and Monro, 1951; Sutskever et al., 2013
`Adagrad`  sum of g^2                              Duchi, Hazan and Singer, 2011
`Adadelta` means of g^2 and of squared steps       Zeiler, 2012
`RMSprop`  mean of g^2, mean of g, velocity        Tieleman and Hinton, 2012; Graves, 2013
`Adam`     means m of g, v of g^2 (AMSGrad: max v) Kingma and Ba, 2015; Reddi, Kale and Kumar, 2018
`AdamW`    as Adam                                 Loshchilov and Hutter, 2019
`Adamax`   mean of g, decaying max of abs(g)       Kingma and Ba, 2015, section 7.1
`NAdam`    as Adam                                 Dozat, 2016
`Lion`     mean of g                               Chen et al., 2023, algorithm 2
`LBFGS`    none (full batch, by SciPy)             Byrd, Lu, Nocedal and Zhu, 1995
========== ======================================= ================================================

Modules:

- `base`: Optimizer, the options that all share.
- `sgd`: SGD, and Lion, which takes the sign of a mean. `adaptive`: a learning rate for each parameter.
- `lbfgs`: steps on all rows, by SciPy.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from .. import schedules
from ..core.lazy import LazyClasses
from ..core.messages import hint_at

if TYPE_CHECKING:
    from typing import Any

    from ..typing import AnyOptimizer
    from .adaptive import Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RMSprop
    from .base import Optimizer
    from .lbfgs import LBFGS
    from .sgd import SGD, Lion


__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "resolve_optimizer",
    "same_moments",
]

# generated: optimizers, by src/generate.py from src/operations.py
_MODULES = {
    "SGD": "sgd",
    "Adagrad": "adaptive",
    "Adadelta": "adaptive",
    "RMSprop": "adaptive",
    "Adam": "adaptive",
    "AdamW": "adaptive",
    "Adamax": "adaptive",
    "NAdam": "adaptive",
    "Lion": "sgd",
    "LBFGS": "lbfgs",
}
# end of optimizers
OPTIMIZERS = LazyClasses(
    __name__, _MODULES | {"Optimizer": "base"}, {name.lower(): name for name in _MODULES}
)

if not TYPE_CHECKING:  # a type checker would then accept any name
    __getattr__ = OPTIMIZERS.load


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def resolve_optimizer(optimizer: AnyOptimizer) -> Optimizer | LBFGS:
    """Return the optimizer for a name or an optimizer, or raise a ValueError."""
    if isinstance(optimizer, str) and optimizer in OPTIMIZERS:
        return OPTIMIZERS[optimizer]()
    if not OPTIMIZERS.has_instance(optimizer):
        names = ", ".join(repr(name) for name in OPTIMIZERS)
        raise ValueError(
            f"optimizer must be one of {names} or an optimizer such as Adam(lr=1e-3), "
            f"got {optimizer!r}{hint_at(optimizer, OPTIMIZERS)}"
        )
    return optimizer  # type: ignore[return-value]


def same_moments(optimizer: Any, other: Any) -> bool:
    """Return whether training can continue with `other` from the moments of `optimizer`.

    Never for L-BFGS, which cannot resume.
    """
    if optimizer.full_batch or other.full_batch:
        return False
    if optimizer is other:
        return True
    a, b = optimizer.to_kernel(), other.to_kernel()
    with_moments = ("momentum", "amsgrad", "centered", "average", "lazy_categories")
    return a["rule"] == b["rule"] and all(bool(a[name]) == bool(b[name]) for name in with_moments)


def describe(optimizer: Any) -> dict[str, Any]:
    """Return the name and the options of an optimizer as a dict that JSON can hold."""
    fields = asdict(optimizer)
    if "lr" in fields:
        fields["lr"] = schedules.describe(optimizer.lr)
    return dict(optimizer=type(optimizer).__name__.lower(), settings=fields)


def from_description(name: Any, fields: Any) -> Any:
    """Return the optimizer that `describe` described, or raise a ValueError or TypeError."""
    if not isinstance(name, str) or name not in OPTIMIZERS:
        raise ValueError(f"no optimizer is called {name!r}")
    if not isinstance(fields, dict):
        raise TypeError("the settings of an optimizer must be a mapping")
    if "lr" in fields:
        fields = fields | dict(lr=schedules.from_description(fields["lr"]))
    return OPTIMIZERS[name](**fields)
