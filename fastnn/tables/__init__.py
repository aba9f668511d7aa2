"""Tables: reading and writing files, numbers and dates in texts, and suspicious columns.

- `files`: read and write tables. `errors`: TableError.
- `sources`: files, pipes, compression. `encodings`, `layout`: how a text file is written.
  `memory`: limits.
- `text_files`, `binary_files`, `json_files`, `excel`, `parquet_files`: the readers.
  `parquet_groups`: row groups for networks. `lending`: files that threads of pyarrow still hold.
- `tidy`: types, missing values and columns that are not inputs.
- `texts`, `dates`, `convert`: numbers and dates that are written as texts.
- `suspicions`: columns and rows that may spoil a model.
- `table_writer`: write table files part by part.
"""

from .convert import convert_texts
from .files import TableError, TableWarning, read, write
from .suspicions import find as find_suspicions

__all__ = ["TableError", "TableWarning", "convert_texts", "find_suspicions", "read", "write"]
