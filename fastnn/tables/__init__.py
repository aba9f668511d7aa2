"""Tables: files of them, numbers and dates that are written as texts, and checks of their columns.

- `files`: read and write. `formats`: the formats, a row each, and their functions. `table_reader`: reads
  a file or a folder.
  `table_source`: the bytes of a file, decompressed. `addresses`: those of the web and of clouds.
  `folders`: which files of a folder hold the table.
- `table_errors`: the error of all readers. `memory`: limits of size.
- `text_files`, `layout`, `encodings`: text tables, how they are written, and their bytes as UTF-8.
  `fixed_width`: columns without separators. `uneven_rows`: rows of other lengths.
  `column_names`: names that repeat, or are in two lines. `encoding_guess`: the encoding of other
  texts.
- `json_files`, `json_wrappers`: JSON. `excel`, `workbooks`, `open_document`: spreadsheets. `databases`: SQLite and
  DuckDB. `binary_files`: Feather and Parquet as a whole. `parquet_files`: Parquet files that need not
  fit in memory.
- `tidy`: types, missing values and index columns of what has been read. `table_writer`: files that are
  written.
- `texts`: numbers and dates that are written as texts. `recognition`: what a column of texts is.
- `number_texts`, `number_styles`, `part_texts`, `units`: numbers. `wide_numbers`: long ids.
  `dates`, `month_names`: dates. `missing_marks`: texts for missing values.
- `group_check`: columns of groups. `data_checks`: columns and rows that may spoil a model.
"""

from .data_checks import check_data
from .files import TableError, TableWarning, read, write
from .texts import convert_texts

__all__ = ["TableError", "TableWarning", "check_data", "convert_texts", "read", "write"]
