"""scikit-learn estimators based on `fastnn.MLP`.

Importing this package imports scikit-learn (the extra ``sklearn``).
"""

from .classifier import MLPClassifier
from .regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
