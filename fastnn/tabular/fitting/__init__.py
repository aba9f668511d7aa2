"""One call of `fit` of the estimators for tables.

- `fit`: from the table to the TableModel. `options`: its options. `rows`: its rows in memory.
- `recipe`: how networks train: configurations, rates, smoothing. `weighting`: weights of columns.
- `folds`: rows to train on and to hold out. `training`: the networks of all folds.
- `selection`: the mix of configurations. `importances`: permutation importances.
- `budget`: time and memory. `progress`: the line.
"""
