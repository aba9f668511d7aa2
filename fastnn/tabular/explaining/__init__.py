"""Explanations of predictions, and effects of columns.

- `methods`: the methods of the estimators.
- `background`: the training rows that a model keeps, with which explanations compare.
- `mixed_rows`: predictions of rows that take each column from one of two rows. `scales`: their
  units.
- `permutations`, `subsets`: which columns come from which row, at random, or in all combinations.
- `shapley`: contributions from these predictions. `means`: means over permutations, and
  their errors.
- `explanation`: the result, as arrays and tables. `explanation_text`: as text.
- `grids`: the values of a column at which its effect is computed.
- `effects`: effects of one and of two columns. `effect`: the results.
"""
