"""fastnn: fast training and inference of small dense neural networks on CPUs."""

try:
    from . import kernels
except ModuleNotFoundError as error:
    if error.name not in (f"{__name__}.kernels", f"{__name__}._kernels"):
        raise
    raise ImportError(
        f"The fastnn source tree at {__path__[0]} has no compiled modules. "
        "Run 'pip install -e .' in its parent directory."
    ) from None

from . import callbacks, functional, initializers, losses, optimizers, schedules
from .callbacks import Checkpoint, EarlyStopping
from .collections import load_many, save_many
from .config import __version__, show_config
from .files import ModelFileError
from .many import fit_many, forward_many
from .mlp import MLP, load
from .optimizers import LBFGS, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, NAdam, RMSprop
from .training.state import DivergenceError, History

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
    "__version__",
    "callbacks",
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


# Not in __all__: `from fastnn import *` must work without scikit-learn.
_ESTIMATORS = ("MLPClassifier", "MLPRegressor")


def __dir__():
    return [*__all__, *_ESTIMATORS]


def __getattr__(name):
    # Import on first use what most programs do not need: fastnn.reference and the estimators.
    from importlib import import_module

    if name == "reference":
        return import_module(".reference", __name__)
    if name in ("estimators", *_ESTIMATORS):
        try:
            estimators = import_module(".estimators", __name__)
            return estimators if name == "estimators" else getattr(estimators, name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "sklearn":
                raise
            raise ImportError(
                f'{name} needs scikit-learn. Run: pip install "fastnn-mlp[sklearn]"'
            ) from None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
