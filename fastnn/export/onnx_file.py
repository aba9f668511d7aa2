"""The whole ONNX model of an ExportModel: columns, their encoding, networks, predictions and classes.

The networks of a group compute together, with matrices (n_networks, n_in, n_out).
"""

import ast
from functools import partial

import numpy as np

from ..core.errors import DataError, Wording
from ..core.messages import has_lone_surrogate, join, printable
from .export_model import cell_counts, labels, table_inputs
from .onnx_nodes import Graph, scalar

#: The operators of each activation, of its input z and of constants.
# generated: operators, by src/generate.py from src/operations.py
OPERATORS = {
    "identity": "z",
    "sigmoid": "Sigmoid(z)",
    "relu": "Relu(z)",
    "tanh": "Tanh(z)",
    "leaky_relu": "LeakyRelu(z, alpha=0.01)",
    "elu": "Elu(z, alpha=1.0)",
    "softplus": "Softplus(z)",
    "gelu": "Mul(z, Add(Mul(Erf(Mul(z, 0.7071067811865476)), 0.5), 0.5))",
    "silu": "Mul(z, Sigmoid(z))",
    "softmax": "Softmax(z, axis=-1)",
    "exponential": "Exp(z)",
    "selu": "Selu(z, alpha=1.6732632423543772, gamma=1.0507009873554805)",
    "mish": "Mul(z, Tanh(Softplus(z)))",
}
# end of operators

f8 = partial(scalar, dtype=np.float64)


def to_bytes(model):
    """Return the content of the ONNX file of an ExportModel."""
    _check_no_free_text(model)
    columns = {} if model.features is None else table_inputs(model.features)
    names = [column.name for column in columns.values()]
    _check_texts(model, names)
    predicted, label = _output_names(model, names)
    g = Graph({*names, predicted, label, "X", "numbers", "positions", "codes"})
    inputs = _declare_inputs(g, model, columns)
    parts = [
        _predict_group(g, _predict_networks(g, inputs[group.encoder], group.layers), group, model)
        for group in model.groups
    ]
    if parts:
        Y = parts[0] if len(parts) == 1 else g.add("Sum", *parts)
        if model.targets is not None and model.targets.is_classifier:
            temperature = scalar(model.targets.temperature)
            Y = g.add("Softmax", g.add("Div", g.add("Log", Y), temperature), axis=-1)
    else:  # there is only one class
        n = g.add("Shape", g.inputs[0].name, start=0, end=1)
        Y = g.add("Expand", scalar([[1]]), g.add("Concat", n, np.array([1]), axis=0))
    if model.is_binary:
        Y = g.add("Concat", g.add("Sub", scalar(1), Y), Y, axis=1)
    if model.classes is not None:
        _declare_classes(g, Y, model, label)
    elif model.is_multilabel:
        is_label = g.cast(g.add("Greater", Y, scalar(0.5)), np.int64)
        g.output(label, is_label, np.int64, model.n_outputs)
    g.output(predicted, Y, np.float32, model.n_outputs)
    return g.to_bytes(model.title)


def _check_no_free_text(model):
    labels = [model.features.columns[source].label for source in model.text_layers]
    if labels:
        raise ValueError(
            "a model that reads free text cannot be exported to ONNX, and this one reads "
            f"{join(labels)}. Export it to C, leave the text out when you train, or serve the model with "
            "`fastnn serve`."
        )


def _check_texts(model, names):
    """Raise ValueError if UTF-8, which the file is written in, cannot hold a text of the model."""
    classes = (
        [] if model.classes is None else [x for x in model.classes.tolist() if isinstance(x, str)]
    )
    features = [] if model.features is None else model.features.categories
    categories = [text for feature in features for text in feature.categories]
    for what, texts in (("column", names), ("category", categories), ("class", classes)):
        if (text := next(filter(has_lone_surrogate, texts), None)) is not None:
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


# ---- inputs: columns, or cells of an EncodedTable ----


def _declare_inputs(g, model, columns):
    """Declare the inputs. Return the dense inputs of networks, for each encoder.

    columns : dict of `table_inputs`
    """
    if model.features is not None:
        name_of = {
            source: g.input(column.name, object if column.is_text else np.float64, 1)
            for source, column in columns.items()
        }
        if not model.groups:
            return []
        numbers, codes = (
            [model.features.columns[f.source].to_onnx(g, name_of[f.source], f) for f in features]
            for features in (model.features.numbers, model.features.categories)
        )
        numbers, codes = _concat(g, numbers), _concat(g, codes)
        return [
            _to_dense(g, _encode(g, numbers, codes, encoder), layout)
            for encoder, layout in zip(model.encoders, model.layouts)
        ]
    if not model.layouts:
        return [g.input("X", np.float32, model.n_inputs)]
    cells = [
        g.input(what, np.int32 if what == "codes" else np.float32, n) if n else None
        for what, n in cell_counts(model.layouts[0]).items()
    ]
    return [_to_dense(g, cells, model.layouts[0])]


def _concat(g, parts):
    return g.add("Concat", *parts, axis=1) if parts else None


def _encode(g, numbers, codes, encoder):
    """Return the numbers, positions and codes of `Encoder.encode`, None without columns."""
    plain, positions, categories = [], [], []
    for i, (scaling, edges, values) in enumerate(
        zip(encoder.scalings, encoder.edges, encoder.values)
    ):
        if not (scaling.factor or edges or values):
            continue
        x = g.add("Gather", numbers, np.array([i]), axis=1)
        is_missing = g.add("IsNaN", x)
        x = g.add("Where", is_missing, f8(scaling.median), x)
        if scaling.factor:
            plain.append(_scaled(g, x, scaling, encoder.unit))
            if scaling.marks_missing:
                flag = scalar(encoder.flag)
                plain.append(g.add("Mul", g.cast(is_missing, np.float32), flag))
        if edges:
            positions.append(_position(g, x, np.array(edges)))
        if values:
            categories.append(g.find(x, np.array(values)))
    used = np.flatnonzero(encoder.n_categories)
    if len(used):
        categories.append(g.add("Gather", codes, used, axis=1))
    codes = _concat(g, categories)
    return _concat(g, plain), _concat(g, positions), codes and g.cast(codes, np.int32)


def _scaled(g, x, scaling, unit):
    """Return `Scaling.apply`, times the unit."""
    z = g.add("Mul", g.add("Sub", x, f8(scaling.median)), f8(scaling.factor))
    z = g.add("Clip", z, f8(-1e150), f8(1e150))
    third = g.add("Div", z, f8(3))
    root = g.add("Sqrt", g.add("Add", g.add("Mul", third, third), f8(1)))
    return g.cast(g.add("Mul", g.add("Div", z, root), f8(unit)), np.float32)


def _position(g, x, edges):
    """Return the position of each x (n, 1) on the axis of bins, as `encoder.bin_positions`."""
    above = g.cast(g.add("GreaterOrEqual", x, edges[1:-1]), np.int64)
    k = g.add("ReduceSum", above, np.array([1]), keepdims=1)
    low, width = (g.add("Gather", a, k) for a in (edges[:-1], np.diff(edges)))
    f = g.add("Clip", g.add("Div", g.add("Sub", x, low), width), f8(0), f8(1))
    return g.cast(g.add("Add", f, g.cast(k, np.float64)), np.float32)


def _to_dense(g, cells, layout):
    """Return the inputs of networks, (n, n_inputs), as `EncodedTable.to_dense` does.

    Parameters
    ----------
    g : Graph
    cells : iterable of str or None
        Names of numbers, positions and codes (n, columns) in float32, float32 and int32; None
        without columns.
    layout : TableLayout
    """
    numbers, positions, codes = cells
    parts = []
    if layout.n_numbers:
        parts.append(numbers)
    if layout.n_bins:
        column, bins, scale = _dense_columns(layout.n_bins, layout.position_scale)
        part = g.add("Sub", g.add("Gather", positions, column, axis=1), bins.astype(np.float32))
        part = g.add("Clip", part, scalar(0), scalar(1))
        part = g.add("Sub", g.add("Mul", part, scalar(2)), scalar(1))
        parts.append(g.add("Mul", part, scale))
    if layout.n_categories:
        column, categories, scale = _dense_columns(layout.n_categories, layout.code_scale)
        part = g.add("Equal", g.add("Gather", codes, column, axis=1), categories.astype(np.int32))
        parts.append(g.add("Mul", g.cast(part, np.float32), scale))
    return parts[0] if len(parts) == 1 else g.add("Concat", *parts, axis=1)


def _dense_columns(counts, scales):
    """Return the column of each input, its place among those of the column, and its scale."""
    column = np.repeat(np.arange(len(counts)), counts)
    place = np.concatenate([np.arange(n) for n in counts])
    return column, place, np.array(scales, np.float32)[column]


# ---- networks ----


def _activate(g, name, z):
    """Add the nodes of an activation, and return the name of its output. z : name of the input"""

    def value(part):
        if isinstance(part, ast.Call):
            attributes = {str(a.arg): ast.literal_eval(a.value) for a in part.keywords}
            return g.add(ast.unparse(part.func), *map(value, part.args), **attributes)
        return z if isinstance(part, ast.Name) else scalar(ast.literal_eval(part))

    return value(ast.parse(OPERATORS[name], mode="eval").body)


def _predict_networks(g, x, layers):
    """Return the outputs of networks, (n_networks, n, n_out), or (n, n_out) of one network.

    Parameters
    ----------
    g : Graph
    x : str
        Inputs (n, n_in).
    layers : Layers
    """
    for W, b, activation in zip(layers.weights, layers.biases, layers.activations):
        W, b = _float32(W), None if b is None else _float32(b)[:, None]
        one = layers.n_networks == 1
        x = g.add("MatMul", x, W[0] if one else W)
        if b is not None:
            x = g.add("Add", x, b[0] if one else b)
        x = _activate(g, activation, x)
    return x


def _float32(parameters):
    with np.errstate(over="ignore"):
        out = parameters.astype(np.float32)
    if not np.isfinite(out).all():
        raise DataError(
            "the model has parameters that float32 cannot hold, in which ONNX files compute.",
            "Scale the training data, or export it with {c}.",
            c=Wording("fastnn.export.c", "--c"),
        )
    return out


# ---- predictions ----


def _predict_group(g, Y, group, model):
    """Return what a group adds to the prediction, (n, n_out).

    Y : str
        Outputs (n_networks, n, n_out), or (n, n_out) of one network.
    """
    n, k = group.layers.n_networks, group.n_averaged
    if k > 1:
        Y = g.add("Mean", *(g.add("Gather", Y, np.arange(i, n, k)) for i in range(k)))
    if (targets := model.targets) is not None:
        finish = _finish_classes if targets.is_classifier else _finish_numbers
        Y = finish(g, Y, targets)
    if n > 1:
        Y = g.add("ReduceSum", Y, np.array([0]), keepdims=0)
    return Y if group.weight == 1 else g.add("Mul", Y, scalar(group.weight))


def _finish_classes(g, Y, targets):
    """Return probabilities, from outputs that were learned with label smoothing."""
    s, n = targets.smoothing, targets.n_out
    P = g.add("Div", g.add("Sub", Y, scalar(s / n)), scalar(1 - s))
    P = g.add("Max", P, scalar(0.01 / n))
    return g.add("Div", P, g.add("ReduceSum", P, np.array([-1]), keepdims=1))


def _finish_numbers(g, Y, targets):
    """Return predictions in units of the target, within the range of the training rows."""
    constants = targets.scale, targets.shift, *targets.bounds
    if np.abs(constants).max() > np.finfo(np.float32).max:
        raise DataError(
            "the targets of the model are too large for float32, in which ONNX files compute.",
            "Scale them before {fit}, or export the model with {c}.",
            fit=Wording("fit", "the training"),
            c=Wording("fastnn.export.c", "--c"),
        )
    scale, shift, low, high = map(scalar, constants)
    Y = g.add("Add", g.add("Mul", Y, scale), shift)
    if targets.log:
        Y = g.add("Exp", Y)
    Y = g.add("Clip", Y, low, high)
    if targets.n_out == 1:
        return Y
    ranks = np.argsort(np.argsort(targets.loss.q))
    Y, _ = g.add_outputs("TopK", 2, Y, np.array([targets.n_out]), axis=-1, largest=0, sorted=1)
    return g.add("Gather", Y, ranks, axis=-1)  # quantiles must not cross


def _declare_classes(g, P, model, name):
    """Declare the output with the class of each row. P : str, probabilities (n, n_classes)"""
    if model.threshold is None:
        k = g.add("ArgMax", P, axis=1, keepdims=0)
    else:
        second = g.add("Gather", P, scalar(1, np.int64), axis=1)
        k = g.cast(g.add("GreaterOrEqual", second, scalar(model.threshold)), np.int64)
    classes = labels(model.classes)
    g.output(name, g.add("Gather", classes, k), classes.dtype)
