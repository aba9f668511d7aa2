"""fastnn: fast training and inference of small dense neural networks on CPUs.

============================================ ======================================================
`MLP`                                        a network: ``fit``, ``forward``, ``save``
`MLPClassifier`, `MLPRegressor`              scikit-learn estimators for arrays
`TabularClassifier`, `TabularRegressor`      scikit-learn estimators for tables with categories,
                                             dates and missing values
`losses`, `optimizers`, `schedules`          options of `MLP.fit`; names such as "huber" and "adam"
                                             select their defaults
`callbacks`, `initializers`                  early stopping, checkpoints; initial weights
`fit_many`, `cross_validate`,                many networks, folds or candidates in one call
`HalvingSearchCV`
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
except ModuleNotFoundError as error:
    if error.name not in (f"{__name__}.kernels", f"{__name__}._kernels"):
        raise
    raise ImportError(
        f"The fastnn source tree at {__path__[0]} has no compiled modules. "
        "Run 'pip install -e .' in its parent directory."
    ) from None

import typing as _typing

from . import callbacks, functional, initializers, losses, optimizers, schedules
from .callbacks import Checkpoint, EarlyStopping
from .config import __version__, show_config
from .files import ModelFileError
from .input_table import Table
from .loading import load
from .mlp import MLP
from .optimizers import LBFGS, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, NAdam, RMSprop
from .training.state import DivergenceError, History

if _typing.TYPE_CHECKING:  # see `__getattr__`
    from . import estimators as estimators
    from . import export as export
    from . import model_selection as model_selection
    from . import reference as reference
    from . import tabular as tabular
    from .collections import load_many, save_many
    from .estimators import MLPClassifier as MLPClassifier
    from .estimators import MLPRegressor as MLPRegressor
    from .exchange.pytorch import from_torch as from_torch
    from .exchange.scikit_learn import from_sklearn as from_sklearn
    from .many import fit_many, forward_many
    from .model_selection import HalvingSearchCV as HalvingSearchCV
    from .model_selection import cross_val_predict as cross_val_predict
    from .model_selection import cross_validate as cross_validate
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
    "DivergenceError",
    "EarlyStopping",
    "History",
    "Lion",
    "ModelFileError",
    "NAdam",
    "RMSprop",
    "Table",
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
    "reference",
    "save_many",
    "schedules",
    "show_config",
]


_FROM_MANY = ("fit_many", "forward_many")
_FROM_COLLECTIONS = ("load_many", "save_many")
# Not in __all__: `from fastnn import *` must work without scikit-learn and PyTorch.
_FROM_ESTIMATORS = ("MLPClassifier", "MLPRegressor")
_FROM_TABULAR = ("TabularClassifier", "TabularRegressor")
_FROM_EXCHANGE = ("from_sklearn", "from_torch")
_FROM_MODEL_SELECTION = ("HalvingSearchCV", "cross_val_predict", "cross_validate")

_REMEDIES = {
    "sklearn": 'scikit-learn. Run: pip install "fastnn-mlp[sklearn]"',
    "torch": "PyTorch. Run: pip install torch",
}


def __dir__() -> list[str]:
    return [
        *__all__,
        *_FROM_ESTIMATORS,
        *_FROM_TABULAR,
        *_FROM_MODEL_SELECTION,
        *_FROM_EXCHANGE,
    ]


if not _typing.TYPE_CHECKING:  # a type checker would then accept any name

    def __getattr__(name):
        # Import on first use what most programs do not need.
        from importlib import import_module

        if name == "export":
            return import_module(".export", __name__)
        if name == "reference":
            return import_module(".reference", __name__)
        if name in _FROM_MANY:
            return getattr(import_module(".many", __name__), name)
        if name in _FROM_COLLECTIONS:
            return getattr(import_module(".collections", __name__), name)
        try:
            if name in ("estimators", *_FROM_ESTIMATORS):
                package = import_module(".estimators", __name__)
                return package if name == "estimators" else getattr(package, name)
            if name in ("tabular", *_FROM_TABULAR):
                package = import_module(".tabular", __name__)
                return package if name == "tabular" else getattr(package, name)
            if name in ("model_selection", *_FROM_MODEL_SELECTION):
                package = import_module(".model_selection", __name__)
                return package if name == "model_selection" else getattr(package, name)
            if name == "from_sklearn":
                return import_module(".exchange.scikit_learn", __name__).from_sklearn
            if name == "from_torch":
                return import_module(".exchange.pytorch", __name__).from_torch
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in _REMEDIES:
                raise
            raise ImportError(f"{name} needs {_REMEDIES[missing]}") from None
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
