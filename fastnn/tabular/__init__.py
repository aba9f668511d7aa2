"""scikit-learn estimators for tables of numbers, categories, dates and missing values.

- `classifier`, `regressor`: the estimators. `estimator`: their base class.
- `model`: TableModel, which `fit` returns and which predicts. `file`: model files.
- `encoder`: features as inputs of networks. `targets`: y, and predictions from outputs.
- `unfinished`: what `fit(resume=True)` continues. `suspects`: rows whose target may be wrong.
- `columns`: a table as columns. `fitting`: one call of `fit`. `large`: tables that do not fit in
  memory.
"""

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
