"""One call of `fit` of the estimators for tables.

- `options`: what a fit is passed, and what differs between classes and numbers.
- `table_fit`: the fit, from the table to the fitted model. `splitting`: its folds.
- `recipe`: the configurations of networks. `training_jobs`: their training, on folds and on all rows.
  `out_of_fold`: the choice among them. `spread_training`: networks that expect errors.
- `permutation`: importances of columns, and weights from these. `category_statistics`: what networks
  read in place of many categories while they train.
- `budget`: the time limit of a fit, and each network's share of it.
"""
