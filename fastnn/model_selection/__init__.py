"""Cross-validation and search that train all networks in one call.

- `cross_validation`: cross_validate and cross_val_predict. `halving`: HalvingSearchCV.
- `folds`: rows, earlier steps of a pipeline fitted on them, and training on one fold, many together.
- `scoring`: scores and predictions of folds.

Importing this package imports scikit-learn (the extra ``sklearn``).
"""

from .cross_validation import cross_val_predict, cross_validate
from .halving import HalvingSearchCV

__all__ = ["HalvingSearchCV", "cross_val_predict", "cross_validate"]
