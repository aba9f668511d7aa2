"""Cross-validation and search that train all networks in one call.

- `cross_validation`: cross_validate and cross_val_predict. `halving`: HalvingSearchCV.
- `models`: estimators as the last step of a pipeline. `folds`: rows, and earlier steps fitted on
  them. `scoring`: scores and predictions of folds.
- `run`: training on one fold, many together. `rungs`: those of successive halving.

Importing this package imports scikit-learn (the extra ``sklearn``).
"""

from .cross_validation import cross_val_predict, cross_validate
from .halving import HalvingSearchCV

__all__ = ["HalvingSearchCV", "cross_val_predict", "cross_validate"]
