"""Models compared on the same rows, and other libraries on the same folds.

- `paired`: differences of scores, and their standard errors.
- `baselines`: a linear model, and gradient boosting of other libraries. `baseline_inputs`: what they
  get.
"""
