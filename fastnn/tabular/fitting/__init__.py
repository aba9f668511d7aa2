"""One call of `fit` of the estimators for tables.

- `table_fit`: what a fit is passed, and the fit, from the table to the fitted model. `tasks`: what
  differs between classes and numbers.
- `fit_split`: the folds. `recipe`: the configurations of networks. `training_jobs`: their training,
  in this process; `remote_jobs`: in the workers of an executor. `job_sessions`: one network's.
  `out_of_fold`: the choice among them. `final_networks`: those that train on all rows after folds
  that are forward in time. `permutation`: importances of columns, and weights from these.
- `budget`, `pace`: the time limit of a fit, and each network's share of it.
"""
