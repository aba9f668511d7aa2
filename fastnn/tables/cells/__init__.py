"""Cells of tables that are texts: missing values, numbers and dates.

- `missing`: texts for missing values.
- `numbers`: numbers, how a column of them is written, and long ids. `units`: their units.
- `dates`: dates and times, and the format of a column of them.
- `recognition`: what a column of texts is, and its values.

A column of texts goes through these steps:

1. `tidy.trim` removes spaces, if the file has them around all values.
2. `tidy.remove_values` takes `missing.NULLS`, and what the user names, for missing values.
3. `tidy.read_marks` reads columns that are plain numbers in each file, and other marks for missing
   values among them.
4. `recognition.recognise` tries numbers and dates of all other forms, in the order of its steps, on
   the whole column: for `convert_texts`, for each kind of column of the estimators, and for targets.
"""
