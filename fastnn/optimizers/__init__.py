"""Optimizers: how the gradient of a batch becomes a step. Immutable settings, in PyTorch's names
and definitions.

What moves (moments, step, the average of the parameters) is the network's `state`. The learning
rate `lr` is a number or a schedule (`fastnn.schedules`). All optimizers but `LBFGS` share the
settings of `Optimizer`. In the formulas w is a parameter, g its gradient with penalties, clipped,
and t = 1, 2, ... the number of the step.

========== ========== ========================================== ================================================
name       class      moments                                    source
========== ========== ========================================== ================================================
"sgd"      `SGD`      velocity, with momentum                    Robbins and Monro, 1951; Sutskever et al., 2013
"adagrad"  `Adagrad`  sum of g^2                                 Duchi, Hazan and Singer, 2011
"adadelta" `Adadelta` means of g^2 and of the squared steps      Zeiler, 2012
"rmsprop"  `RMSprop`  mean of g^2; of g; velocity                Tieleman and Hinton, 2012; Graves, 2013
"adam"     `Adam`     means m of g and v of g^2; AMSGrad's max v Kingma and Ba, 2015; Reddi, Kale and Kumar, 2018
"adamw"    `AdamW`    as Adam                                    Loshchilov and Hutter, 2019
"adamax"   `Adamax`   mean of g, decaying maximum of abs(g)      Kingma and Ba, 2015, section 7.1
"nadam"    `NAdam`    as Adam                                    Dozat, 2016
"lion"     `Lion`     mean of g                                  Chen et al., 2023, algorithm 2
"lbfgs"    `LBFGS`    none; full batch, by SciPy                 Byrd, Lu, Nocedal and Zhu, 1995
========== ========== ========================================== ================================================
"""

from dataclasses import asdict

from .. import schedules
from .adam import Adam, Adamax, AdamW, NAdam
from .adaptive import Adadelta, Adagrad, RMSprop
from .base import Optimizer
from .lbfgs import LBFGS
from .lion import Lion
from .sgd import SGD

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
    "resolve",
    "same_moments",
]

# generated: optimizers, by src/generate.py from src/operations.py
_CLASSES = (
    SGD,
    Adagrad,
    Adadelta,
    RMSprop,
    Adam,
    AdamW,
    Adamax,
    NAdam,
    Lion,
    LBFGS,
)
# end of optimizers
OPTIMIZERS = {cls.__name__.lower(): cls for cls in _CLASSES}


def resolve(optimizer):
    """An optimizer from its name or from itself."""
    if isinstance(optimizer, tuple(OPTIMIZERS.values())):
        return optimizer
    if not isinstance(optimizer, str) or optimizer not in OPTIMIZERS:
        names = ", ".join(repr(name) for name in OPTIMIZERS)
        raise ValueError(
            f"optimizer must be one of {names} or an optimizer such as Adam(lr=1e-3), got {optimizer!r}"
        )
    return OPTIMIZERS[optimizer]()


def same_moments(optimizer, other):
    """Whether a training with one of them can go on with the other: L-BFGS cannot, it has nothing
    to go on from."""
    if optimizer.full_batch or other.full_batch:
        return False
    a, b = optimizer.to_kernel(), other.to_kernel()
    kinds = ("momentum", "amsgrad", "centered", "average")
    return a["rule"] == b["rule"] and all(bool(a[kind]) == bool(b[kind]) for kind in kinds)


def describe(optimizer):
    """The optimizer as numbers and text that JSON can hold."""
    fields = asdict(optimizer)
    if "lr" in fields:
        fields["lr"] = schedules.describe(optimizer.lr)
    return dict(optimizer=type(optimizer).__name__.lower(), settings=fields)


def from_description(name, fields):
    """The inverse; a ValueError or TypeError if that is no optimizer's description."""
    if not isinstance(name, str) or name not in OPTIMIZERS:
        raise ValueError(f"no optimizer is called {name!r}")
    if not isinstance(fields, dict):
        raise TypeError("an optimizer's settings must be a mapping")
    if "lr" in fields:
        fields = fields | dict(lr=schedules.from_description(fields["lr"]))
    return OPTIMIZERS[name](**fields)
