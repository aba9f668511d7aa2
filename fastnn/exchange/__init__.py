"""Convert networks and estimators from and to PyTorch and scikit-learn.

Importing `pytorch` or `scikit_learn` imports the library of this name.
"""
