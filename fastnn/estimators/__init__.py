"""scikit-learn estimators based on `fastnn.MLP`.

- `classifier`, `regressor`: the estimators. `base`: their parameters and methods.
- `attributes`: constructor arguments, and the lock of an estimator.
- `fit`: one call of `fit`. `rows`: the rows that it trains on, in memory. `rank_rows`: on ranks. `dask_rows`: in
  Dask collections. `remote`: its networks in the workers of an executor.
  `online`: `partial_fit`, also for single rows.
- `inputs`: checks of rows. `class_targets`, `number_targets`: targets, and predictions from outputs.
- `parameters`: scikit-learn's parameters as those of fastnn. `networks`: the networks, and the
  fitted attributes about them.
- `early_stopping`: held-out rows. `bagging`: the rows of each network of an ensemble.
- `scores`: `score`. `ensemble`, `network_means`: means of outputs. `intervals`: prediction intervals.
  `calibration`: temperature scaling.
- `file`: files of estimators. `stored_parameters`: the parameters in them.

The estimators need scikit-learn (the extra ``sklearn``). They are imported on first use, since
`intervals` and `network_means` do not.
"""

from typing import TYPE_CHECKING

__all__ = ["MLPClassifier", "MLPRegressor"]

if TYPE_CHECKING:
    from .classifier import MLPClassifier
    from .regressor import MLPRegressor
else:

    def __getattr__(name):
        if name == "MLPClassifier":
            from . import classifier as module
        elif name == "MLPRegressor":
            from . import regressor as module
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(module, name)
