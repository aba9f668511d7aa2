"""Tables larger than memory: a sample of the rows, and all rows in temporary files.

- `row_batches`: the rows of Parquet files and of row groups, pass by pass. `sampling`: the first
  pass. `large_table`: the table, and the second pass.
- `table_rows`: reads what is passed to `fit`. `dask_table`: Dask collections.
- `encoded_rows`: the temporary files, from which networks train.
"""
