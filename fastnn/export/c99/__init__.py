"""Write a C99 file.

- `file`: the whole of it. `text`: names, numbers and arrays.
- `columns`: a table as it is. `cells`: an encoded table.
- `layers`: networks. `outputs`: predictions and classes.
"""
