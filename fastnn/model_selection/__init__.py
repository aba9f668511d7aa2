"""Cross-validation and search that train all networks in one call.

Importing this package imports scikit-learn (the extra ``sklearn``).
"""

from .cross_validation import cross_val_predict, cross_validate

__all__ = ["cross_val_predict", "cross_validate"]
