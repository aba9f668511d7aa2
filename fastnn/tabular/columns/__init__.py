"""A table as columns: numbers, categories, dates, and the features that they become.

- `frames`, `input_column`: tables of any library, and their columns, as they are passed.
  `records`: lists of dicts. `plain_values`: fast reading of a few values of requests.
- `column`: what all kinds of columns have in common. `number`, `category`, `date`: the kinds.
  `column_kinds`: what kind a column is.
- `text_kind`: what a column of texts is. `other_texts`: texts that are not what their column holds.
- `features`: the numbers and categories that networks get. `known_categories`: the categories that
  the training rows of a fold have.
"""

from .category import Category
from .date import Date
from .number import Number

#: One row for each kind of column. `column_kinds.guess` tries them in this order.
KINDS = {cls.kind: cls for cls in (Number, Category, Date)}
