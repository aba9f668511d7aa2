"""Training: the session, the engines that it drives, and what they share.

- `plan`: from the arguments of `MLP.fit` to what one training needs, and its options. `planner`: the
  plans of `fit_many`, with the seeds of its networks.
- `data`: rows in memory. `stream`: rows read group by group, and in windows.
- `jacobian_targets`: derivatives to train on, besides targets.
- `session`: the loop around an engine. `engines`: they compute the steps.
- `progress`: lines about it. `pool`: many sessions at the same time.
"""
