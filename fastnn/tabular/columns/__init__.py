"""A table as columns: numbers, categories, dates, and the features that they become.

- `frames`, `raw_columns`: the columns of any table, as it was passed.
- `kinds`: the table of kinds, and the kind of each column. `column`: what kinds have in common.
- `number`, `category`, `date`: the kinds.
- `features`: the numbers and categories that columns become.
"""
