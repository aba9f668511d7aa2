"""scikit-learn estimators for tables of numbers, categories, dates and missing values.

- `classifier`, `regressor`, `estimator`: the estimators, and their base class.
- `fitting`: one call of `fit`. `large`: tables larger than memory, which `fitting` reads.
  `columns`: what the columns of a table are. `explaining`: what columns contribute to predictions.
- `checking`: whether new rows are like the training rows. `comparing`: other models, on the same rows.
- `fit_rows`: the rows in memory. `row_columns`: their weights, groups and times. `row_folds`,
  `forward_folds`: the folds that hold them out. `row_split`: how these were made.
- `table_memory`: the memory that there is. `table_progress`: how far a fit is.
- `facts`: the description that a model gives of itself.
- `predictions`: what estimators predict. `stored_model`: the same of a file, without scikit-learn.
  `prediction_columns`: predictions as columns of a table.
- `table_model`: the fitted model, which predicts. `network_arrays`: its networks in files.
  `encoder`: their inputs. `targets`: what they learn. `target_values`: checks of y.
- `tabular_file`: files of estimators. `checkpoint`: what a fit needs that continues a stopped one.
- `metrics`, `custom_metric`: what a model is to be good at. `metric_values`: how good it is.
  `thresholds`: from which probability a row is of the second class.
- `label_issues`: rows whose target may be wrong. `split_check`: rows that depend on times or
  units. `split_trials`: the networks that tell.
"""

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
