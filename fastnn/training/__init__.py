"""Training: a session is the loop, and an engine computes its steps.

- `options`: FitOptions, the options of one training, from `MLP.fit` to the engine.
- `data`: rows, targets and a loss in memory. `groups`, `stream`: the same, read group by group, and
  window by window. `sources`: which of them the arguments of `fit` stand for.
- `plan`: what one training needs; it makes the session. `arguments`: plans from the arguments of
  `fit_many`. `seeds`: generators of many networks.
- `session`: the loop. `slices`: the steps in progress. `stopping`: patience. `progress`: the line.
- `many`, `stream_pool`: many sessions, in compiled threads or in Python's.
- `engines`: what computes the steps.
"""
