"""One call of `fit` of the estimators for tables."""
