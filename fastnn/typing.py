"""Types of arguments and attributes, for annotations.

The package imports this module for type checkers only, so it costs no time when fastnn is imported.
Programs may import it, for example to annotate their own functions::

    from fastnn.typing import FloatArray, Inputs
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from .callbacks import Callback
    from .encoded_table import EncodedTable
    from .losses import Loss
    from .mlp import MLP
    from .optimizers import LBFGS, Optimizer
    from .state import History

# generated: names, by src/generate.py from src/operations.py
HiddenActivation: TypeAlias = Literal[
    "identity",
    "sigmoid",
    "relu",
    "tanh",
    "leaky_relu",
    "elu",
    "softplus",
    "gelu",
    "silu",
    "exponential",
    "selu",
    "mish",
]
OutputActivation: TypeAlias = Literal[
    "identity",
    "sigmoid",
    "relu",
    "tanh",
    "leaky_relu",
    "elu",
    "softplus",
    "gelu",
    "silu",
    "softmax",
    "exponential",
    "selu",
    "mish",
]
LossName: TypeAlias = Literal[
    "bce",
    "bce_with_logits",
    "cross_entropy",
    "mse",
    "mae",
    "huber",
    "log_cosh",
    "quantile",
    "poisson",
    "gaussian_nll",
]
OptimizerName: TypeAlias = Literal[
    "sgd",
    "adagrad",
    "adadelta",
    "rmsprop",
    "adam",
    "adamw",
    "adamax",
    "nadam",
    "lion",
    "lbfgs",
]
# end of names

InitializerName: TypeAlias = Literal[
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
]
DTypeLike: TypeAlias = (
    Literal["float32", "float64"] | type[np.float32] | type[np.float64] | np.dtype[Any]
)
AnyArray: TypeAlias = NDArray[Any]
FloatArray: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
Path: TypeAlias = str | PathLike[str]
Rng: TypeAlias = int | np.random.Generator | None
#: As scikit-learn has it.
RandomState: TypeAlias = int | np.random.RandomState | None


class SparseMatrix(Protocol):
    """A matrix or array of `scipy.sparse`."""

    def tocsr(self, copy: bool = ...) -> Any: ...


#: Rows of inputs: an array, a data frame, a sparse matrix, or a table of bins and categories.
Inputs: TypeAlias = "ArrayLike | SparseMatrix | EncodedTable"
#: `(X, y)` or `(X, y, sample_weight)`. With a path as X, the others are names of columns.
ValidationData: TypeAlias = "tuple[Inputs, ArrayLike] | tuple[Inputs, ArrayLike, ArrayLike]"
#: Row groups `(X, y)` or `(X, y, sample_weight)`, which each epoch reads again, or a function that
#: returns a new iterator over them.
RowGroupSource: TypeAlias = "Iterable[ValidationData] | Callable[[], Iterable[ValidationData]]"
ClassWeight: TypeAlias = Mapping[Any, float] | Sequence[float] | Literal["balanced"]
#: Called after every epoch. It stops training by returning True.
CallbackFunction: TypeAlias = "Callable[[MLP, History], bool | None]"
Callbacks: TypeAlias = "Callback | CallbackFunction | Sequence[Callback | CallbackFunction]"
#: Called with the outputs and targets of a batch. It returns the loss and its gradient.
LossFunction: TypeAlias = Callable[[FloatArray, Any], tuple[float, ArrayLike]]
AnyLoss: TypeAlias = "LossName | Loss | LossFunction"
AnyOptimizer: TypeAlias = "OptimizerName | Optimizer | LBFGS"
#: Called as `init(rng, n_in, n_out)`; it returns W.
InitializerFunction: TypeAlias = Callable[[np.random.Generator, int, int], ArrayLike]
Initializer: TypeAlias = InitializerName | InitializerFunction

T = TypeVar("T")
#: An argument of `fit_many`: one for all networks, or one for each.
OneOrEach: TypeAlias = T | Sequence[T]
Rows: TypeAlias = ArrayLike | slice

Value = TypeVar("Value", covariant=True)
Assigned = TypeVar("Assigned", contravariant=True)


class InPlace(Protocol, Generic[Value, Assigned]):
    """An attribute whose memory never moves: assigning copies the values into it."""

    def __get__(self, instance: object, owner: type | None = None) -> Value: ...
    def __set__(self, instance: object, values: Assigned) -> None: ...
