"""Write an ONNX graph: builder.py (nodes and constants), layers.py (networks), cells.py (cells of a table as
dense inputs), columns.py (columns as cells), outputs.py (predictions and classes), model.py (all of it)."""
