"""scikit-learn estimators based on `fastnn.MLP`.

- `classifier`, `regressor`: the estimators. `base`: their parameters and methods.
- `mixins`: what they share with the estimators of tables: attributes, a lock, and `score`.
- `fit`: one call of `fit`. `rows`: the rows that it trains on, in memory or on ranks. `dask_rows`: in Dask
  collections.
- `inputs`: checks of rows. `targets`: classes or numbers, and predictions from outputs.
- `parameters`: scikit-learn's parameters as those of fastnn, and in files. `networks`: the networks, and the
  fitted attributes about them.
- `resampling`: rows that are held out, for early stopping and by the networks of an ensemble; folds and
  bootstraps of these, and the callbacks that score them.
- `ensemble`: means of outputs, calibration and prediction intervals. `spread`: networks that expect errors, for
  intervals as wide as each row needs.
- `file`: files of estimators.
- `scikit_learn`, `pytorch`: estimators and networks from and to other libraries; importing one imports the library
  of this name. `sequential`: a network as modules of PyTorch's nn.Sequential. `dense_layers`: networks from arrays
  of PyTorch and flax.

The estimators need scikit-learn (the extra ``sklearn``). They are imported on first use, since
`ensemble` and `sequential` do not.
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
