"""scikit-learn estimators for tables of numbers, categories, dates and missing values.

- `classifier`, `regressor`, `estimator`: the estimators, and their base class.
- `fitting`: one call of `fit`. `large`: tables larger than memory, which `fitting` reads.
  `columns`: what the columns of a table are. `explaining`: what columns contribute to predictions.
- `drift`: whether new rows are like the training rows. `baselines`: other models, on the same folds.
- `roles`: weights, groups and times of rows. `folds`: the rows that networks train on and hold out.
  `progress`: how far a fit is. `checkpoint`: what a fit needs that continues a stopped one.
- `predictions`: what estimators predict, and their facts. `model`: the fitted model, which predicts.
  `stored_model`: files of estimators, and predictions from them without scikit-learn.
  `derivatives`: those of predictions, with respect to columns of numbers. `intervals`: of numbers.
- `encoder`: the inputs of networks. `targets`: what they learn.
- `metrics`: what a model is to be good at, and how good it is. `thresholds`: from which probability
  a row is of the second class.
- `monotone`: columns in which predictions only rise or fall. `guarantees`: what files promise of them.
- `label_issues`: rows whose target may be wrong. `split_check`: rows that depend on times or units.
"""

from typing import TYPE_CHECKING

from ..core.lazy import LazyClasses

__all__ = ["LabelIssue", "TabularClassifier", "TabularRegressor", "find_label_issues"]

if TYPE_CHECKING:
    from .classifier import TabularClassifier
    from .label_issues import LabelIssue, find_label_issues
    from .regressor import TabularRegressor
else:
    # The command line and exports use `columns` without scikit-learn, which the estimators need.
    __getattr__ = LazyClasses(
        __name__,
        {
            "LabelIssue": "label_issues",
            "TabularClassifier": "classifier",
            "TabularRegressor": "regressor",
            "find_label_issues": "label_issues",
        },
        {},
    ).load
