"""Convert networks and estimators from and to PyTorch and scikit-learn.

- `pytorch`, `scikit_learn`: importing one imports the library of this name.
- `sequential`: a network as modules of PyTorch's nn.Sequential.
"""
