"""Write a C99 file: text.py (names, numbers, arrays), layers.py (networks), cells.py (a table as inputs),
columns.py (a table as it is), outputs.py (predictions), file.py (all of it)."""
