"""Tables larger than memory: a sample of the rows, and all rows in temporary files.

- `row_parts`: passes over the rows. `sampling`: the first of them. `target_summary`: all targets.
- `large_table`: the table, for `fit`. `encoded_rows`: its rows in temporary files.
"""
