"""Tables: files of them, numbers and dates that are written as texts, and checks of their columns.

- `files`: read and write. `formats`: the formats, a row each, and their functions. `source`: where a
  table is, and its bytes. `errors`: the error of all readers.
  `limits`: of columns and memory.
- `text_files`, `encodings`: text tables, and their bytes as UTF-8. `column_layout`: how they are laid
  out, and the names of columns.
  `json_files`: JSON. `spreadsheets`: Excel and OpenDocument. `databases`: SQLite and DuckDB.
  `arrow_files`: Parquet, as a whole or in parts, and Feather.
- `tidy`: types, missing values and index columns of what has been read.
- `cells`: numbers, dates and missing values that are written as texts.
- `checks`: columns and rows that may spoil a model, and columns of groups.
"""

from .cells.recognition import convert_texts
from .checks import check_data
from .files import TableError, TableWarning, read, write

__all__ = ["TableError", "TableWarning", "check_data", "convert_texts", "read", "write"]
