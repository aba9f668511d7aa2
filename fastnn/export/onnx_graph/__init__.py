"""Write an ONNX graph.

- `model`: the whole of it. `builder`: nodes and constants.
- `columns`: columns as cells. `cells`: cells as dense inputs.
- `layers`: networks. `outputs`: predictions and classes.
"""
