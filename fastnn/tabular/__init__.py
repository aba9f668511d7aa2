"""scikit-learn estimators for tables of numbers, categories, dates and missing values."""

from .classifier import TabularClassifier
from .regressor import TabularRegressor

__all__ = ["TabularClassifier", "TabularRegressor"]
