"""Tables that may be larger than memory: a sample of the rows, and all rows in temporary files.

- `batch_table`: reads what is passed to `fit`; Parquet files and row groups, batch by batch, and the
  temporary files from which networks train. `dask_table`: Dask collections.
- `large_table`: what these tables have in common, and the sample of their rows.
"""
