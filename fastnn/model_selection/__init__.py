"""Cross-validation and search that train all networks in one call.

Importing this package imports scikit-learn (the extra ``sklearn``).
"""

from .cross_validation import cross_val_predict, cross_validate
from .halving import HalvingSearchCV

__all__ = ["HalvingSearchCV", "cross_val_predict", "cross_validate"]
