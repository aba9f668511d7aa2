"""Cross-validation and search that train all networks in one call.

Importing this package imports scikit-learn (the extra ``sklearn``).

- `cross_validation`, `halving`: the public functions and the search.
- `models`: pipelines whose last step is an estimator of fastnn. `folds`: their rows.
- `run`: the training of one network on one fold; many run together.
- `rungs`: trainings that continue. `schedules`: learning rates of early rungs.
- `scoring`, `fast_scores`, `results`: scores, and cv_results_.
"""

from .cross_validation import cross_val_predict, cross_validate
from .halving import HalvingSearchCV

__all__ = ["HalvingSearchCV", "cross_val_predict", "cross_validate"]
