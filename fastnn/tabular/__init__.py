"""scikit-learn estimators for tables of numbers, categories, dates and missing values."""

from typing import TYPE_CHECKING

__all__ = ["Suspect", "TabularClassifier", "TabularRegressor", "find_suspects"]

if TYPE_CHECKING:
    from .classifier import TabularClassifier
    from .regressor import TabularRegressor
    from .suspects import Suspect, find_suspects
else:

    def __getattr__(name):
        # The command line and exports use `columns` without scikit-learn, which the estimators need.
        if name == "TabularClassifier":
            from . import classifier as module
        elif name == "TabularRegressor":
            from . import regressor as module
        elif name in __all__:
            from . import suspects as module
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(module, name)
