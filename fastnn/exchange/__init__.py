"""Convert networks and estimators from and to PyTorch and scikit-learn.

Importing a module of this package imports the library that it is named after.
"""
