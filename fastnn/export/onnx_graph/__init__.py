"""Write a model as an ONNX file.

- `onnx_file`: the whole file. `graph`: nodes and constants.
- `onnx_inputs`: columns, encoded. `onnx_layers`: networks, predictions and classes.
"""
