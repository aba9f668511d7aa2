"""The whole C99 file of a model: its interface, parameters, networks, columns and prediction."""

import textwrap

from ...config import __version__
from .. import columns as table_columns
from ..description import labels, n_cells
from . import cells, columns, layers, outputs, text

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


def source(d, name):
    """Return the C99 source of a Description. name : str, which begins all names in it."""
    text.check_name(name)
    real = text.C_TYPES[d.dtype.name]
    values = dict(name=name, NAME=name.upper(), real=real, f="f" if real == "float" else "")
    result = real if d.features is None else "double"
    values["result"] = result
    fields: dict = {}
    if d.features is not None:
        inputs = table_columns.inputs(d.features)
        fields = dict(zip(inputs, text.identifiers([column.name for column in inputs.values()])))
    predict = f"int {name}_predict({_argument(d, values)}, {result} y[{values['NAME']}_N_OUTPUTS])"
    prototypes, constants = [f"{predict};"], []
    if d.classes is not None:
        definition, declaration = outputs.classes(labels(d.classes), name)
        prototypes += [
            "",
            f"/* The position in {name}_classes of the predicted class, from the probabilities y */",
            f"int {name}_class(const {result} y[{values['NAME']}_N_OUTPUTS]);",
            declaration,
        ]
        constants.append(definition)
    used = columns.Source(name)
    prediction = _prediction(d, predict, fields, used, values)
    constants += [cells.columns(k, layout, name) for k, layout in enumerate(d.layouts)]
    constants += [layers.parameters(g, group, d, name) for g, group in enumerate(d.groups)]
    structs = [
        cells.struct(layout, cells.type_name(d, k, name), real)
        for k, layout in enumerate(d.layouts)
        if d.features is not None
    ]
    networks = [layers.network(g, group, d, values) for g, group in enumerate(d.groups)]
    sections = {
        "parameters": constants,
        "inputs of networks": structs,
        "networks": [layers.helpers(d, values), *networks] if d.groups else [],
        "columns": [used.definitions()],
        "prediction": prediction,
    }
    out = [_head(d, fields, prototypes, used, values)]
    for title, parts in sections.items():
        body = "\n".join(part for part in parts if part)
        out.append(f"/* ---- {title} ---- */\n\n{body}" if body else "")
    return "\n".join(part for part in out if part)


def _argument(d, values):
    """Return the declaration of the first argument of `predict`."""
    if d.layouts or d.features is not None:
        return f"const {values['name']}_row *row"
    return f"const {values['real']} x[{values['NAME']}_N_INPUTS]"


def _head(d, fields, prototypes, used, values):
    """Return the beginning of the file: title, includes and interface."""
    name, struct, what = values["name"], "", "numbers"
    if d.features is not None:
        struct, what = columns.struct(d, fields, used) + "\n", "columns"
    elif d.layouts:
        struct = cells.struct(d.layouts[0], f"{name}_row", values["real"]) + "\n"
        what = "cells of a row of a table"
    elif d.input_names is not None:
        names = ", ".join(map(text.comment, d.input_names))
        struct = textwrap.fill(f"/* x: {names} */", 100, subsequent_indent="      ") + "\n\n"
    predicted = "values"
    if d.classes is not None:
        predicted = "probabilities of classes"
    elif d.is_multilabel:
        predicted = "probabilities of labels, each of which is predicted above 0.5"
    return text.fill(
        HEAD,
        title=text.comment(d.title),
        n_params=f"{d.n_params:,}",
        version=__version__,
        n_inputs=d.n_inputs,
        n_outputs=d.n_outputs,
        what=what,
        predicted=predicted,
        stack=_stack(d),
        struct=struct,
        prototypes="\n".join(prototypes),
        **values,
    )


def _stack(d):
    """Return the number of bytes of all arrays on the stack while a row is predicted."""
    size = d.dtype.itemsize
    networks = [
        size * (sum(layers.workspace(group.layers)) + group.layers.sizes[-1]) for group in d.groups
    ]
    n_bytes = max(networks, default=0) + 2 * 8 * d.n_outputs
    if d.features is not None:
        n_bytes += 8 * len(d.features.numbers) + 4 * len(d.features.categories) + 8 * d.n_outputs
        n_bytes += sum(4 * n_cells(layout) for layout in d.layouts)
    return n_bytes


def _prediction(d, predict, fields, used, values):
    """Return the functions that compute predictions: of columns, of groups of networks, of rows."""
    functions, arrays, statements = _read_row(d, fields, used, values)
    more = _sum_networks(d, values)
    functions, arrays, statements = functions + more[0], arrays + more[1], statements + more[2]
    declarations = "".join(f"    {array};\n" for array in arrays) + "\n" * bool(arrays)
    body = declarations + "".join(statements) + "    return 0;\n"
    functions.append(f"{predict}\n{{\n{body}}}\n")
    if d.classes is not None:
        functions.append(outputs.choose(d, values))
    return functions


def _read_row(d, fields, used, values):
    """Return functions, and the arrays and statements of `predict`, that check and encode a row."""
    name = values["name"]
    if d.features is None:
        check = cells.checks(d.layouts[0], 0, values) if d.layouts else text.fill(CHECK, **values)
        return [], [], [check]
    if not d.groups:
        return [], [], ["    (void)row;\n"]
    functions, arrays, statements = [], [], [columns.features(d, fields, used)]
    if d.features.numbers:
        arrays.append(f"double x[{len(d.features.numbers)}]")
    if d.features.categories:
        arrays.append(f"int32_t codes[{len(d.features.categories)}]")
    for k in range(len(d.encoders)):
        function, call = columns.encode(d, k, used)
        functions.append(function)
        arrays.append(f"{name}_cells{k} cells{k}")
        statements.append(f"    {call}\n")
    return functions, arrays, statements


def _sum_networks(d, values):
    """Return functions, and the arrays and statements of `predict`, that set y."""
    name = values["name"]
    if not d.groups:
        return [], [], ["    y[0] = 1.0; /* there is only one class */\n"]
    m = d.groups[0].layers.sizes[-1]
    x = "row" if d.layouts else "x"
    if len(d.groups) == d.groups[0].layers.n_networks == 1 and d.targets is None:
        if not d.is_binary:
            return [], [], [f"    {name}_network0({x}, y);\n"]
        functions, arrays = [], [f"{values['real']} p[1]"]
        lines = [f"{name}_network0({x}, p);", f"y[0] = 1.0{values['f']} - p[0];", "y[1] = p[0];"]
    else:
        functions, arrays = [outputs.finish(d.targets, values)], [f"double sum[{m}] = {{0.0}}"]
        lines = []
        for g, group in enumerate(d.groups):
            functions.append(outputs.group(g, group, d, values))
            source = f"&cells{group.encoder}" if d.features is not None else x
            lines.append(f"{name}_group{g}({source}, sum);")
        cast = "" if values["result"] == "double" else f"({values['result']})"
        if d.is_binary:
            lines += [f"y[0] = {cast}(1.0 - sum[0]);", f"y[1] = {cast}sum[0];"]
        else:
            lines += [f"for (size_t j = 0; j < {m}; j++)", f"    y[j] = {cast}sum[j];"]
        if d.targets is not None and d.targets.is_classifier:
            functions.append(outputs.calibrate(d.targets, values))
            lines.append(f"{name}_calibrate(y);")
    return functions, arrays, [f"    {line}\n" for line in lines]
