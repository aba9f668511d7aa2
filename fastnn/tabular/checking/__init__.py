"""Drift: whether new rows are like the training rows, as far as a model file tells.

- `profile`: what the columns of the training table held. `row_sketch`: by which rows of it are
  recognised.
- `counting`: the values of new rows. `chance`: how likely differences are by chance.
- `changes`: which differences count. `units`: numbers in another unit.
- `drift_report`: the changes as an object, a text, a DataFrame and JSON.
"""
