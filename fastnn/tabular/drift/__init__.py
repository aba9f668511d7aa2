"""Drift: whether new rows are like the training rows, as far as a model file tells.

- `profile`: what the columns of the training table held, and those of new rows.
- `changes`: which differences count: those that are neither chance nor small.
- `report`: the changes as an object, a text, a DataFrame and JSON.
"""
