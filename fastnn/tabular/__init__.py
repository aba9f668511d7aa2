"""scikit-learn estimators for tables of numbers, categories, dates and missing values."""

from .classifier import TabularClassifier
from .regressor import TabularRegressor
from .suspects import Suspect, find_suspects

__all__ = ["Suspect", "TabularClassifier", "TabularRegressor", "find_suspects"]
