"""Explanations of predictions, and effects of columns.

- `methods`: the methods of the estimators.
- `mixtures`: the training rows that a model keeps; predictions of rows that take each column from
  one of two rows; the units of predictions.
- `shapley`: contributions of columns, from such predictions.
- `words`: what the words of free text add to what the networks read of it.
- `explanation`: contributions as arrays, tables and text.
- `effects`: effects of one and of two columns.
"""
