"""scikit-learn estimators for tables of numbers, categories, dates and missing values."""

from typing import TYPE_CHECKING

__all__ = ["LabelIssue", "TabularClassifier", "TabularRegressor", "find_label_issues"]

if TYPE_CHECKING:
    from .classifier import TabularClassifier
    from .label_issues import LabelIssue, find_label_issues
    from .regressor import TabularRegressor
else:

    def __getattr__(name):
        # The command line and exports use `columns` without scikit-learn, which the estimators need.
        if name == "TabularClassifier":
            from . import classifier as module
        elif name == "TabularRegressor":
            from . import regressor as module
        elif name in __all__:
            from . import label_issues as module
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(module, name)
