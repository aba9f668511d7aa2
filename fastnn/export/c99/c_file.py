"""The whole C99 file of a model: its interface, parameters, networks, columns and prediction."""

import textwrap

from ...config import __version__
from ..export_model import labels, n_cells, table_inputs
from . import c_inputs, c_layers, c_outputs, c_text

HEAD = """
/* $title; $n_params parameters.
 *
 * Exported by fastnn $version. C99 and its standard library; no memory is allocated.
 * Include this file in your program, or compile it and declare the functions that you call as below.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- interface ---- */

#define ${NAME}_N_INPUTS $n_inputs /* $what */
#define ${NAME}_N_OUTPUTS $n_outputs /* $predicted */
#define ${NAME}_STACK $stack /* bytes of all arrays on the stack */

$struct/* Predict one row. Returns 0, or the number of the first invalid input, from 1; then y is not set. */
$prototypes
"""

CHECK = """
    for (size_t j = 0; j < ${NAME}_N_INPUTS; j++)
        if (!isfinite(x[j]))
            return (int)j + 1;
"""


def source(model, name):
    """Return the C99 source of an ExportModel. name : str, which begins all names in it."""
    c_text.check_name(name)
    real = c_text.C_TYPES[model.dtype.name]
    values = dict(name=name, NAME=name.upper(), real=real, f="f" if real == "float" else "")
    result = real if model.features is None else "double"
    values["result"] = result
    fields: dict = {}
    if model.features is not None:
        inputs = table_inputs(model.features)
        fields = dict(zip(inputs, c_text.identifiers([column.name for column in inputs.values()])))
    predict = (
        f"int {name}_predict({_argument(model, values)}, {result} y[{values['NAME']}_N_OUTPUTS])"
    )
    prototypes, constants = [f"{predict};"], []
    if model.classes is not None:
        definition, declaration = c_outputs.classes(labels(model.classes), name)
        prototypes += [
            "",
            f"/* The position in {name}_classes of the predicted class, from the probabilities y */",
            f"int {name}_class(const {result} y[{values['NAME']}_N_OUTPUTS]);",
            declaration,
        ]
        constants.append(definition)
    writer = c_inputs.ColumnWriter(name, fields)
    prediction = _prediction(model, predict, writer, values)
    constants += [c_layers.cell_offsets(k, layout, name) for k, layout in enumerate(model.layouts)]
    constants += [
        c_layers.parameters(g, group, model, name) for g, group in enumerate(model.groups)
    ]
    structs = [
        c_inputs.cells_struct(layout, c_inputs.cells_type(model, k, name), real)
        for k, layout in enumerate(model.layouts)
        if model.features is not None
    ]
    networks = [c_layers.network(g, group, model, values) for g, group in enumerate(model.groups)]
    sections = {
        "parameters": constants,
        "inputs of networks": structs,
        "networks": [c_layers.helpers(model, values), *networks] if model.groups else [],
        "columns": [writer.definitions()],
        "prediction": prediction,
    }
    out = [_head(model, prototypes, writer, values)]
    for title, parts in sections.items():
        body = "\n".join(part for part in parts if part)
        out.append(f"/* ---- {title} ---- */\n\n{body}" if body else "")
    return "\n".join(part for part in out if part)


def _argument(model, values):
    """Return the declaration of the first argument of `predict`."""
    if model.layouts or model.features is not None:
        return f"const {values['name']}_row *row"
    return f"const {values['real']} x[{values['NAME']}_N_INPUTS]"


def _head(model, prototypes, writer, values):
    """Return the beginning of the file: title, includes and interface."""
    name, struct, what = values["name"], "", "numbers"
    if model.features is not None:
        struct, what = c_inputs.row_struct(model, writer) + "\n", "columns"
    elif model.layouts:
        struct = c_inputs.cells_struct(model.layouts[0], f"{name}_row", values["real"]) + "\n"
        what = "cells of a row of a table"
    elif model.input_names is not None:
        names = ", ".join(map(c_text.comment, model.input_names))
        struct = textwrap.fill(f"/* x: {names} */", 100, subsequent_indent="      ") + "\n\n"
    predicted = "values"
    if model.classes is not None:
        predicted = "probabilities of classes"
    elif model.is_multilabel:
        predicted = "probabilities of labels, each of which is predicted above 0.5"
    return c_text.fill(
        HEAD,
        title=c_text.comment(model.title),
        n_params=f"{model.n_params:,}",
        version=__version__,
        n_inputs=model.n_inputs,
        n_outputs=model.n_outputs,
        what=what,
        predicted=predicted,
        stack=_stack(model),
        struct=struct,
        prototypes="\n".join(prototypes),
        **values,
    )


def _stack(model):
    """Return the number of bytes of all arrays on the stack while a row is predicted."""
    size = model.dtype.itemsize
    networks = [
        size * (sum(c_layers.workspace(group.layers)) + group.layers.sizes[-1])
        for group in model.groups
    ]
    n_bytes = max(networks, default=0) + 2 * 8 * model.n_outputs
    if model.features is not None:
        n_bytes += (
            8 * len(model.features.numbers)
            + 4 * len(model.features.categories)
            + 8 * model.n_outputs
        )
        n_bytes += sum(4 * n_cells(layout) for layout in model.layouts)
    return n_bytes


def _prediction(model, predict, writer, values):
    """Return the functions that compute predictions: of columns, of groups of networks, of rows."""
    functions, arrays, statements = _read_row(model, writer, values)
    more = _sum_networks(model, values)
    functions, arrays, statements = functions + more[0], arrays + more[1], statements + more[2]
    declarations = "".join(f"    {array};\n" for array in arrays) + "\n" * bool(arrays)
    body = declarations + "".join(statements) + "    return 0;\n"
    functions.append(f"{predict}\n{{\n{body}}}\n")
    if model.classes is not None:
        functions.append(c_outputs.choose(model, values))
    return functions


def _read_row(model, writer, values):
    """Return functions, and the arrays and statements of `predict`, that check and encode a row."""
    name = values["name"]
    if model.features is None:
        check = (
            c_inputs.cell_checks(model.layouts[0], 0, values)
            if model.layouts
            else c_text.fill(CHECK, **values)
        )
        return [], [], [check]
    if not model.groups:
        return [], [], ["    (void)row;\n"]
    functions, arrays, statements = [], [], [c_inputs.features(model, writer)]
    if model.features.numbers:
        arrays.append(f"double x[{len(model.features.numbers)}]")
    if model.features.categories:
        arrays.append(f"int32_t codes[{len(model.features.categories)}]")
    for k in range(len(model.encoders)):
        function, call = c_inputs.encode(model, k, writer)
        functions.append(function)
        arrays.append(f"{name}_cells{k} cells{k}")
        statements.append(f"    {call}\n")
    return functions, arrays, statements


def _sum_networks(model, values):
    """Return functions, and the arrays and statements of `predict`, that set y."""
    name = values["name"]
    if not model.groups:
        return [], [], ["    y[0] = 1.0; /* there is only one class */\n"]
    m = model.groups[0].layers.sizes[-1]
    x = "row" if model.layouts else "x"
    if len(model.groups) == model.groups[0].layers.n_networks == 1 and model.targets is None:
        if not model.is_binary:
            return [], [], [f"    {name}_network0({x}, y);\n"]
        functions, arrays = [], [f"{values['real']} p[1]"]
        lines = [f"{name}_network0({x}, p);", f"y[0] = 1.0{values['f']} - p[0];", "y[1] = p[0];"]
    else:
        functions, arrays = (
            [c_outputs.finish(model.targets, values)],
            [f"double sum[{m}] = {{0.0}}"],
        )
        lines = []
        for g, group in enumerate(model.groups):
            functions.append(c_outputs.group(g, group, model, values))
            source = f"&cells{group.encoder}" if model.features is not None else x
            lines.append(f"{name}_group{g}({source}, sum);")
        cast = "" if values["result"] == "double" else f"({values['result']})"
        if model.is_binary:
            lines += [f"y[0] = {cast}(1.0 - sum[0]);", f"y[1] = {cast}sum[0];"]
        else:
            lines += [f"for (size_t j = 0; j < {m}; j++)", f"    y[j] = {cast}sum[j];"]
        if model.targets is not None and model.targets.is_classifier:
            functions.append(c_outputs.calibrate(model.targets, values))
            lines.append(f"{name}_calibrate(y);")
    return functions, arrays, [f"    {line}\n" for line in lines]
