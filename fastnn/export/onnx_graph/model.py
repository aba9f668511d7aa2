"""The whole ONNX model of a Description."""

import numpy as np

from ...core.messages import has_lone_surrogate, printable
from . import cells, columns, layers, outputs
from .builder import Graph, number


def to_bytes(d):
    """Return the content of the ONNX file of a Description."""
    names = columns.names(d.features) if d.features is not None else []
    _check_texts(d, names)
    predicted, label = _output_names(d, names)
    reserved = {*names, predicted, label, "X", "numbers", "positions", "codes"}
    g = Graph(reserved)
    inputs = _inputs(g, d)
    parts = [
        outputs.prediction(
            g, layers.outputs(g, inputs[group.encoder], group.layers), group, d.targets
        )
        for group in d.groups
    ]
    if parts:
        Y = parts[0] if len(parts) == 1 else g.add("Sum", *parts)
        if d.targets is not None and d.targets.is_classifier:
            Y = outputs.calibrate(g, Y, d.targets)
    else:  # there is only one class
        first = g.inputs[0].name
        n = g.add("Shape", first, start=0, end=1)
        Y = g.add("Expand", number([[1]]), g.add("Concat", n, np.array([1]), axis=0))
    if d.is_binary:
        Y = g.add("Concat", g.add("Sub", number(1), Y), Y, axis=1)
    if d.classes is not None:
        outputs.label(g, Y, d, label)
    elif d.is_multilabel:
        g.output(label, g.cast(g.add("Greater", Y, number(0.5)), np.int64), np.int64, d.n_outputs)
    g.output(predicted, Y, np.float32, d.n_outputs)
    return g.to_bytes(d.title)


def _check_texts(d, names):
    """Raise ValueError if UTF-8, which the file is written in, cannot hold a text of the model."""
    classes = [] if d.classes is None else [x for x in d.classes.tolist() if isinstance(x, str)]
    categories = [] if d.features is None else d.features.categories
    levels = [level for category in categories for level in category.categories]
    for what, texts in (("column", names), ("category", levels), ("class", classes)):
        for text in texts:
            if has_lone_surrogate(text):
                raise ValueError(
                    f"the {what} {printable(text)!r} cannot be written in UTF-8. Rename it in the "
                    "training table."
                )


def _output_names(d, names):
    """Return the names of the predictions and of the classes, which are not names of inputs."""
    if d.classes is not None or d.is_multilabel:
        wanted = "probabilities"
    else:
        wanted = "Y" if d.is_network else "variable"
    out = []
    for name in (wanted, "label"):
        while name in names:
            name = f"output_{name}"
        out.append(name)
    return out


def _inputs(g, d):
    """Declare the inputs. Return the dense inputs of networks, for each encoder."""
    if d.features is not None:
        name_of = columns.inputs(g, d.features)
        if not d.groups:
            return []
        numbers, codes = columns.features(g, d.features, name_of)
        return [
            cells.dense(g, columns.cells(g, numbers, codes, encoder), layout)
            for encoder, layout in zip(d.encoders, d.layouts)
        ]
    if not d.layouts:
        return [g.input("X", np.float32, d.n_inputs)]
    layout = d.layouts[0]
    parts = (
        ("numbers", np.float32, layout.n_numbers),
        ("positions", np.float32, len(layout.n_bins)),
        ("codes", np.int32, len(layout.n_categories)),
    )
    declared = (g.input(name, dtype, n) if n else None for name, dtype, n in parts)
    return [cells.dense(g, declared, layout)]
