"""Write a model as a C99 file.

- `c_file`: the whole file. `c_text`: names, numbers, texts and arrays.
- `c_inputs`: rows, checked and encoded. `c_layers`: networks. `c_outputs`: predictions and classes.
"""
