"""The whole C99 file of a model: its interface, parameters, networks, columns and prediction."""

import textwrap

from ...config import __version__
from .. import columns as table_columns
from ..description import labels
from . import cells, columns, layers, outputs, text

HEAD = """
/* $title; $n_params parameters.
 *
 * Exported by fastnn $version. C99 and its standard library; no memory is allocated.
 * Compile the file and declare what you call as below, or include it in one of your own.
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
    prediction = _predict(d, predict, fields, used, values)
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
    out = [_head(d, fields, prototypes, values)]
    for title, parts in sections.items():
        body = "\n".join(part for part in parts if part)
        out.append(f"/* ---- {title} ---- */\n\n{body}" if body else "")
    return "\n".join(part for part in out if part)


def _argument(d, values):
    """Return the declaration of the first argument of `predict`."""
    if d.layouts or d.features is not None:
        return f"const {values['name']}_row *row"
    return f"const {values['real']} x[{values['NAME']}_N_INPUTS]"


def _head(d, fields, prototypes, values):
    """Return the beginning of the file: title, includes and interface."""
    name, struct, what = values["name"], "", "numbers"
    if d.features is not None:
        struct, what = columns.struct(d, fields, name) + "\n", "columns"
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
        n_bytes += sum(
            4 * (layout.n_numbers + len(layout.n_bins) + len(layout.n_levels))
            for layout in d.layouts
        )
    return n_bytes


def _predict(d, predict, fields, used, values):
    """Return the functions that compute predictions: of groups of networks, of columns, of rows."""
    name = values["name"]
    functions, locals_, calls, features = [], [], [], ""
    x = "row" if d.layouts else "x"
    if d.features is not None and d.groups:
        features = columns.features(d, fields, used)
        if d.features.numbers:
            locals_.append(f"double x[{len(d.features.numbers)}];")
        if d.features.categories:
            locals_.append(f"int32_t codes[{len(d.features.categories)}];")
        for k in range(len(d.encoders)):
            function, call = columns.encode(d, k, used)
            functions.append(function)
            locals_.append(f"{name}_cells{k} cells{k};")
            calls.append(call)
    elif d.features is not None:
        calls.append("(void)row;")
    elif d.layouts:
        features = cells.checks(d.layouts[0], 0, values)
    else:
        features = text.fill(CHECK, **values)
    m = d.groups[0].layers.sizes[-1] if d.groups else 1
    if not d.groups:
        calls.append("y[0] = 1.0; /* there is only one class */")
    elif len(d.groups) == d.groups[0].layers.n_networks == 1 and d.targets is None:
        calls.append(f"{name}_network0({x}, {'p' if d.is_binary else 'y'});")
        if d.is_binary:
            locals_.append(f"{values['real']} p[1];")
            calls += [f"y[0] = 1.0{values['f']} - p[0];", "y[1] = p[0];"]
    else:
        locals_.append(f"double sum[{m}] = {{0.0}};")
        functions.append(outputs.finish(d.targets, values))
        for g, group in enumerate(d.groups):
            functions.append(outputs.group(g, group, d, values))
            cell = f"&cells{group.encoder}" if d.features is not None else x
            calls.append(f"{name}_group{g}({cell}, sum);")
        cast = "" if values["result"] == "double" else f"({values['result']})"
        if d.is_binary:
            calls += [f"y[0] = {cast}(1.0 - sum[0]);", f"y[1] = {cast}sum[0];"]
        else:
            calls += [f"for (size_t j = 0; j < {m}; j++)", f"    y[j] = {cast}sum[j];"]
    body = "".join(f"    {line}\n" for line in locals_) + "\n" * bool(locals_) + features
    body += "".join(f"    {line}\n" for line in calls)
    functions.append(f"{predict}\n{{\n{body}    return 0;\n}}\n")
    if d.classes is not None:
        functions.append(outputs.choose(d, values))
    return functions
