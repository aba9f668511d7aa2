"""Training on the partitions of Dask collections, by the workers of a cluster or in this process.

The estimators use this package. Nothing in it is public.

- `partitions`: the partitions of DataFrames and arrays. `delayed`: calls as tasks. `runner`: where
  tasks run, and what is said when a cluster fails. `settings`: what the configuration says.
- `stored_block`: rows in a temporary file of a worker. `mixing`: blocks of rows from all partitions.
- `training_round`: short rounds of training, which are pure functions. `rounds_data`: the rows of a
  network in blocks, and its rounds. `rounds_engine`: the engine that runs the rounds.
- `predictions`: methods of estimators on each partition.
"""
