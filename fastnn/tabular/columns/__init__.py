"""A table as columns: numbers, categories, dates, and the features that they become.

- `frames`, `input_column`: tables of any library, and their columns, as they are passed.
- `column`: what all kinds of columns have in common. `number`, `category`, `date`, `text`: the kinds.
- `text_layer`: from the n-grams of free text to numbers.
- `features`: what kind each column of a table is, and the numbers and categories that networks get.
- `plain_rows`: a few rows of plain values, without the conversions of whole tables.
- `other_texts`: texts that are not what their column holds.
"""

from .category import Category
from .date import Date
from .number import Number
from .text import Text

#: One row for each kind of column. `features.guess` tries them in this order.
KINDS = {cls.kind: cls for cls in (Number, Category, Date, Text)}
