"""Small dense neural networks on CPUs, from arrays or messy tables: Cython kernels compute each layer,
product and activation, in one fused pass, the loss with its gradient in another, and update
parameters in place, over contiguous buffers.

`functional` has the four lines of math behind it, and `reference` the same functions in plain NumPy.

============================================ ======================================================
`MLP`                                        a network: ``fit``, ``forward``, ``save``
`MLPClassifier`, `MLPRegressor`              scikit-learn estimators for arrays
`TabularClassifier`, `TabularRegressor`      scikit-learn estimators for tables with categories,
                                             dates and missing values
`losses`, `optimizers`, `schedules`          options of `MLP.fit`; names such as "huber" and "adam"
                                             select their defaults
`callbacks`, `initializers`                  early stopping, checkpoints; initial weights
`fit_many`, `forward_many`, `population`,    many networks, folds or candidates in one call
`cross_validate`, `HalvingSearchCV`
`load`, `export`                             model files; C, ONNX and PyTorch files
`functional`, `reference`                    layers, losses and updates as functions on arrays
`tables`, `datasets`, `plotting`             table files, two data sets, plots; import them as
                                             ``from fastnn import tables``
============================================ ======================================================

On the command line, ``fastnn --help`` lists the commands.

>>> import fastnn
>>> from fastnn.datasets import load_digits
>>> X, digits = load_digits()
>>> net = fastnn.MLP([64, 32, 10], output="softmax", rng=0)
>>> history = net.fit(X, digits, optimizer="adam", epochs=20)
>>> net.forward(X).shape
(1797, 10)
"""

try:
    from . import kernels
except ImportError as error:
    if error.name != __name__:  # a compiled module that does not load
        raise
    raise ImportError(
        f"The fastnn source tree at {__path__[0]} has no compiled modules. "
        "Run 'pip install -e .' in its parent directory, or, if fastnn is installed, start Python "
        "in another directory."
    ) from None

import typing as _typing

from . import callbacks, initializers, losses, optimizers, schedules
from .callbacks import Checkpoint, EarlyStopping
from .config import __version__, show_config
from .encoded_table import EncodedTable
from .mlp import MLP, load
from .state import DivergenceError, History

if _typing.TYPE_CHECKING:  # see `__getattr__`
    from . import estimators as estimators
    from . import export as export
    from . import functional as functional
    from . import model_selection as model_selection
    from . import playground as playground
    from . import reference as reference
    from . import tabular as tabular
    from .core.errors import DataError as DataError
    from .estimators import MLPClassifier as MLPClassifier
    from .estimators import MLPRegressor as MLPRegressor
    from .estimators.dense_layers import from_flax as from_flax
    from .estimators.pytorch import from_torch as from_torch
    from .estimators.scikit_learn import from_sklearn as from_sklearn
    from .files import ModelFileError as ModelFileError
    from .many import fit_many, forward_many, load_many, save_many
    from .model_selection import HalvingSearchCV as HalvingSearchCV
    from .model_selection import cross_val_predict as cross_val_predict
    from .model_selection import cross_validate as cross_validate
    from .optimizers import LBFGS, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, NAdam, RMSprop
    from .playground.notebook_widget import play as play
    from .populations import population
    from .tabular import TabularClassifier as TabularClassifier
    from .tabular import TabularRegressor as TabularRegressor

__all__ = [
    "LBFGS",
    "MLP",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Checkpoint",
    "DataError",
    "DivergenceError",
    "EarlyStopping",
    "EncodedTable",
    "History",
    "Lion",
    "ModelFileError",
    "NAdam",
    "RMSprop",
    "__version__",
    "callbacks",
    "export",
    "fit_many",
    "forward_many",
    "functional",
    "initializers",
    "kernels",
    "load",
    "load_many",
    "losses",
    "optimizers",
    "population",
    "reference",
    "save_many",
    "schedules",
    "show_config",
]

# Imported on first use, since most programs do not need them.
_PACKAGES = (
    "distributed",
    "estimators",
    "export",
    "functional",
    "model_selection",
    "playground",
    "reference",
    "tabular",
)
# generated: optimizers, by src/generate.py from src/operations.py
_OPTIMIZERS = (
    "SGD",
    "Adagrad",
    "Adadelta",
    "RMSprop",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Lion",
    "LBFGS",
)
# end of optimizers
_MODULE_OF = {
    **dict.fromkeys(_OPTIMIZERS, "optimizers"),
    "DataError": "core.errors",
    "ModelFileError": "files",
    "load_many": "many",
    "save_many": "many",
    "fit_many": "many",
    "forward_many": "many",
    "population": "populations",
    # Not in __all__: `from fastnn import *` must work without scikit-learn and PyTorch.
    "MLPClassifier": "estimators",
    "MLPRegressor": "estimators",
    "TabularClassifier": "tabular",
    "TabularRegressor": "tabular",
    "HalvingSearchCV": "model_selection",
    "cross_val_predict": "model_selection",
    "cross_validate": "model_selection",
    "play": "playground.notebook_widget",
    "from_flax": "estimators.dense_layers",
    "from_sklearn": "estimators.scikit_learn",
    "from_torch": "estimators.pytorch",
}
_REMEDIES = {
    "sklearn": 'scikit-learn. Run: pip install "fastnn-mlp[sklearn]"',
    "torch": "PyTorch. Run: pip install torch",
}


def __dir__() -> list[str]:
    return [*__all__, *(name for name in _MODULE_OF if name not in __all__)]


if not _typing.TYPE_CHECKING:  # a type checker would then accept any name

    def __getattr__(name):
        if name not in _MODULE_OF and name not in _PACKAGES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        try:
            module = import_module(f".{_MODULE_OF.get(name, name)}", __name__)
            value = module if name in _PACKAGES else getattr(module, name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in _REMEDIES:
                raise
            raise ImportError(f"{name} needs {_REMEDIES[missing]}") from None
        if name in __all__:
            globals()[name] = value  # next time it is an attribute
        return value
