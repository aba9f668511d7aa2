"""Training: the session, the engines that it drives, and what they share.

- `plan`: what one training needs, and its options. `planner`: the plans of `fit_many`.
- `fit_call`: from the arguments of `MLP.fit` to its plan, on one machine or several ranks.
- `data`: rows in memory. `groups`, `stream`: rows read group by group. `fit_data`: which of both.
- `session`: the loop around an engine. `slices`: what it knows of the steps in progress.
  `engines`: they compute the steps.
- `stopping`: patience. `progress`: lines about it.
- `pool`: many sessions at the same time. `seeds`: those of many networks.
"""
