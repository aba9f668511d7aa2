"""The whole ONNX model of an ExportModel."""

import numpy as np

from ...core.messages import has_lone_surrogate, printable
from . import onnx_inputs, onnx_layers
from .graph import Graph, number


def to_bytes(model):
    """Return the content of the ONNX file of an ExportModel."""
    names = onnx_inputs.input_names(model.features) if model.features is not None else []
    _check_texts(model, names)
    predicted, label = _output_names(model, names)
    reserved = {*names, predicted, label, "X", "numbers", "positions", "codes"}
    g = Graph(reserved)
    inputs = _inputs(g, model)
    parts = [
        onnx_layers.prediction(
            g, onnx_layers.outputs(g, inputs[group.encoder], group.layers), group, model.targets
        )
        for group in model.groups
    ]
    if parts:
        Y = parts[0] if len(parts) == 1 else g.add("Sum", *parts)
        if model.targets is not None and model.targets.is_classifier:
            Y = onnx_layers.calibrate(g, Y, model.targets)
    else:  # there is only one class
        first = g.inputs[0].name
        n = g.add("Shape", first, start=0, end=1)
        Y = g.add("Expand", number([[1]]), g.add("Concat", n, np.array([1]), axis=0))
    if model.is_binary:
        Y = g.add("Concat", g.add("Sub", number(1), Y), Y, axis=1)
    if model.classes is not None:
        onnx_layers.label(g, Y, model, label)
    elif model.is_multilabel:
        g.output(
            label, g.cast(g.add("Greater", Y, number(0.5)), np.int64), np.int64, model.n_outputs
        )
    g.output(predicted, Y, np.float32, model.n_outputs)
    return g.to_bytes(model.title)


def _check_texts(model, names):
    """Raise ValueError if UTF-8, which the file is written in, cannot hold a text of the model."""
    classes = (
        [] if model.classes is None else [x for x in model.classes.tolist() if isinstance(x, str)]
    )
    features = [] if model.features is None else model.features.categories
    categories = [text for feature in features for text in feature.levels]
    for what, texts in (("column", names), ("category", categories), ("class", classes)):
        for text in texts:
            if has_lone_surrogate(text):
                raise ValueError(
                    f"the {what} {printable(text)!r} cannot be written in UTF-8. Rename it in the "
                    "training table."
                )


def _output_names(model, names):
    """Return the names of the predictions and of the classes, which are not names of inputs."""
    if model.classes is not None or model.is_multilabel:
        wanted = "probabilities"
    else:
        wanted = "Y" if model.is_network else "variable"
    out = []
    for name in (wanted, "label"):
        while name in names:
            name = f"output_{name}"
        out.append(name)
    return out


def _inputs(g, model):
    """Declare the inputs. Return the dense inputs of networks, for each encoder."""
    if model.features is not None:
        name_of = onnx_inputs.inputs(g, model.features)
        if not model.groups:
            return []
        numbers, codes = onnx_inputs.features(g, model.features, name_of)
        return [
            onnx_inputs.dense_inputs(g, onnx_inputs.encode(g, numbers, codes, encoder), layout)
            for encoder, layout in zip(model.encoders, model.layouts)
        ]
    if not model.layouts:
        return [g.input("X", np.float32, model.n_inputs)]
    layout = model.layouts[0]
    parts = (
        ("numbers", np.float32, layout.n_numbers),
        ("positions", np.float32, len(layout.n_bins)),
        ("codes", np.int32, len(layout.n_levels)),
    )
    declared = (g.input(name, dtype, n) if n else None for name, dtype, n in parts)
    return [onnx_inputs.dense_inputs(g, declared, layout)]
