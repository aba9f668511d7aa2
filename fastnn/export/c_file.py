"""The whole C99 file of a model: its interface, parameters, networks, columns and prediction."""

import textwrap

import numpy as np

from ..config import __version__
from . import c_derivatives, c_inputs, c_intervals, c_networks, c_ngrams, c_text
from .export_model import labels, n_cells, table_inputs

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

PROBABILITIES = """
/* Probabilities, from outputs that were learned with a label smoothing of $smoothing */
static void ${name}_finish(double *y)
{
    double sum = 0.0;
    for (size_t j = 0; j < $n; j++) {
        y[j] = fmax((y[j] - $floor) / $width, $least);
        sum += y[j];
    }
    for (size_t j = 0; j < $n; j++)
        y[j] /= sum;
}
"""

CALIBRATE = """
/* Probabilities at the temperature that was chosen in training */
static void ${name}_calibrate(double *y)
{
    double largest = y[0], sum = 0.0;
    for (size_t j = 1; j < $n; j++)
        largest = fmax(largest, y[j]);
    for (size_t j = 0; j < $n; j++) {
        y[j] = exp(log(y[j] / largest) / $temperature);
        sum += y[j];
    }
    for (size_t j = 0; j < $n; j++)
        y[j] /= sum;
}
"""

NUMBERS = """
/* Predictions from outputs: in units of the target, within the range of the training rows */
static void ${name}_finish(double *y)
{
    for (size_t j = 0; j < $n; j++)
        y[j] = fmin(fmax($value, $low), $high);
$sort}
"""

SORT = """
    static const size_t rank[$n] = {$ranks};
    double sorted[$n];
    for (size_t j = 0; j < $n; j++) { /* quantiles must not cross */
        size_t k = j;
        for (; k > 0 && sorted[k - 1] > y[j]; k--)
            sorted[k] = sorted[k - 1];
        sorted[k] = y[j];
    }
    for (size_t j = 0; j < $n; j++)
        y[j] = sorted[rank[j]];
"""

CLASS = """
int ${name}_class(const $result y[${NAME}_N_OUTPUTS])
{
    int best = 0;
    for (int j = 1; j < ${NAME}_N_OUTPUTS; j++)
        best = y[j] > y[best] ? j : best;
    return best;
}
"""

GROUP = """
/* Add to sum$each the predictions of group $g: $n networks */
static void ${name}_group$g(const $cells *x, double *sum)
{
    for (size_t i = 0; i < $n; i++) {
        $real y[$m];
        ${name}_network$g($i, y);
        for (size_t j = 0; j < $m; j++)
            sum[${at}j] += $weight * y[j];
    }
}
"""

FINISHED_GROUP = """
/* Add to sum$each the predictions of group $g: $n networks$averaged */
static void ${name}_group$g(const $cells *x, double *sum)
{
    for (size_t i = 0; i < $n; i += $n_averaged) {
        $real y[$m];
        double mean[$m] = {0.0};
        for (size_t k = i; k < i + $n_averaged; k++) {
            ${name}_network$g($k, y);
            for (size_t j = 0; j < $m; j++)
                mean[j] += y[j] / $divisor;
        }
        ${name}_finish(mean);
        for (size_t j = 0; j < $m; j++)
            sum[${at}j] += $weight * mean[j];
    }
}
"""

THRESHOLD = """
int ${name}_class(const $result y[${NAME}_N_OUTPUTS])
{
    return y[1] >= $threshold;
}
"""


def source(model, name, derivatives=0):
    """Return the C99 source of an ExportModel, with its derivatives up to this order, and its intervals.

    name : str
        Begins all names in it.
    """
    c_text.check_name(name, is_of_file=True)
    if derivatives:
        c_derivatives.check_single_network(model)
    return _Source(model, name, derivatives).text()


class _Source:
    """The source of a model.

    Attributes
    ----------
    values : dict of str
        What the templates have in common.
    writer : ColumnWriter
    functions : list of str
        `predict` and those that it calls.
    arrays, statements : list of str
        The body of `predict`, or with intervals of the function that returns the predictions of all folds.
    """

    def __init__(self, model, name, derivatives):
        self.model, self.name, self.derivatives = model, name, derivatives
        real = c_text.C_TYPES[model.dtype.name]
        result = real if model.features is None else "double"
        self.values = dict(name=name, NAME=name.upper(), real=real, result=result)
        self.values["f"] = "f" if real == "float" else ""
        inputs = {} if model.features is None else table_inputs(model.features)
        names = c_text.identifiers([column.name for column in inputs.values()])
        self.writer = c_inputs.ColumnWriter(name, dict(zip(inputs, names)))
        self.functions, self.arrays, self.statements = [], [], []

    def text(self):
        model, name, values = self.model, self.name, self.values
        argument = f"const {values['real']} x[{values['NAME']}_N_INPUTS]"
        if model.layouts or model.features is not None:
            argument = f"const {name}_row *row"
        y = f"{values['result']} y[{values['NAME']}_N_OUTPUTS]"
        predict = f"int {name}_predict({argument}, {y})"
        self._read_row()
        self._predict_row()
        body = "".join(f"    {array};\n" for array in self.arrays) + "\n" * bool(self.arrays)
        body += "".join(self.statements) + "    return 0;\n"
        prototypes, parameters = [f"{predict};"], []
        if model.interval is None:
            self.functions.append(f"{predict}\n{{\n{body}}}\n")
        else:
            prototypes += self._intervals(argument, predict, body)
            parameters.append(c_intervals.error_arrays(model.interval, name))
        if model.classes is not None:
            definition, lines = self._classes(y)
            parameters.append(definition)
            prototypes += lines
        parameters += [c_networks.cell_offsets(k, x, name) for k, x in enumerate(model.layouts)]
        groups = list(enumerate(model.all_groups))
        parameters += [c_networks.parameters(g, group, model, name) for g, group in groups]
        networks = [c_networks.network(g, group, model, values) for g, group in groups]
        derivatives, lines = self._derivatives() if self.derivatives else ([], [])
        prototypes += lines
        structs = [
            c_inputs.cells_struct(layout, c_inputs.cells_type(model, k, name), values["real"])
            for k, layout in enumerate(model.layouts)
            if model.features is not None
        ]
        sections = {
            "parameters": parameters,
            "inputs of networks": structs,
            "networks": [c_networks.helpers(model, values, self.derivatives), *networks]
            if groups
            else [],
            "columns": [self.writer.definitions()],
            "free text": [self._text_layers()],
            "prediction": self.functions,
            "derivatives": derivatives,
        }
        out = [self._head(prototypes)]
        for title, parts in sections.items():
            if any(parts):
                out.append(f"/* ---- {title} ---- */\n\n" + "\n".join(filter(None, parts)))
        return "\n".join(out)

    def _classes(self, y):
        """Add the function that chooses a class. Return the array of classes, and the prototypes."""
        name, classes, threshold = self.name, labels(self.model.classes), self.model.threshold
        if threshold is None:
            self.functions.append(c_text.fill(CLASS, **self.values))
        else:
            function = c_text.fill(THRESHOLD, threshold=float(threshold), **self.values)
            self.functions.append(function)
        if classes.dtype == object:
            ctype, items = "char *const", [c_text.literal(label, "a class") for label in classes]
        elif classes.dtype == np.int64:
            ctype, items = "int64_t", [str(label) for label in classes.tolist()]
        else:
            ctype, items = "double", c_text.c_numbers(classes)
        declaration = f"const {ctype} {name}_classes[{len(classes)}]"
        prototypes = [
            "",
            f"/* The position in {name}_classes of the predicted class, from the probabilities y */",
            f"int {name}_class(const {y});",
            f"extern {declaration};",
        ]
        return f"{declaration} = {{\n{c_text.rows(items)}\n}};\n", prototypes

    def _intervals(self, argument, predict, body):
        """Add `predict`, the function of intervals and those that they call. Return its prototype.

        argument : of these functions; predict : declaration; body : that of the predictions of all folds
        """
        model, values = self.model, self.values
        interval = c_intervals.prototype(model, argument, values)
        error = ", double *error" * (model.interval.spread is not None)
        folds = f"static int {self.name}_folds({argument}, double *folds{error})"
        self.functions += [
            c_intervals.expected_error(model, values),
            f"/* The predictions of each fold, one after the other */\n{folds}\n{{\n{body}}}\n",
            *c_intervals.prediction_functions(model, predict, interval, values),
        ]
        return ["", c_intervals.interval_comment(model.interval), f"{interval};"]

    def _derivatives(self):
        """Return the functions of derivatives, and the prototypes of those for users."""
        model, order, layers = self.model, self.derivatives, self.model.groups[0].layers
        check = c_text.fill(CHECK, **self.values)
        public, prototypes = c_derivatives.public(layers, self.values, order, check)
        forward = c_networks.network(0, model.groups[0], model, self.values, order)
        return [forward, c_derivatives.functions(layers, self.values, order), public], prototypes

    # ---- the beginning of the file ----

    def _head(self, prototypes):
        """Return the title, includes and the interface."""
        model = self.model
        struct, what = self._inputs()
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
            stack=self._stack(),
            struct=struct,
            prototypes="\n".join(prototypes),
            **self.values,
        )

    def _inputs(self):
        """Return the struct of a row, or a comment on x, and what the inputs are."""
        model = self.model
        if model.features is not None:
            return c_inputs.row_struct(model, self.writer) + "\n", "columns"
        if model.layouts:
            row = c_inputs.cells_struct(model.layouts[0], f"{self.name}_row", self.values["real"])
            return row + "\n", "cells of a row of a table"
        if model.input_names is None:
            return "", "numbers"
        text = f"/* x: {', '.join(map(c_text.comment, model.input_names))} */"
        return textwrap.fill(text, 100, subsequent_indent="      ") + "\n\n", "numbers"

    def _stack(self):
        """Return the number of bytes of all arrays on the stack while a row is predicted."""
        model, features = self.model, self.model.features
        networks = [
            sum(c_networks.workspace(group.layers)) + group.layers.sizes[-1]
            for group in model.all_groups
        ]
        if self.derivatives:
            networks[0] += c_derivatives.stack(model.groups[0].layers, self.derivatives)
        n_bytes = model.dtype.itemsize * max(networks, default=0) + 2 * 8 * model.n_outputs
        if model.interval is not None:
            n_bytes += 8 * model.interval.n_folds * (model.n_outputs + 1)
        if features is not None:
            n_bytes += 8 * features.n_folds * len(features.numbers) + 4 * len(features.categories)
            n_cells_of_fold = sum(n_cells(layout) for layout in model.layouts)
            n_bytes += 8 * model.n_outputs + 4 * features.n_folds * n_cells_of_fold
            n_bytes += max(map(c_ngrams.stack_of_layer, model.text_layers.values()), default=0)
        return n_bytes

    def _text_layers(self):
        layers = list(self.model.text_layers.values())
        if not layers:
            return ""
        return c_ngrams.definitions(layers, len(self.model.features.numbers), self.values)

    # ---- the body of `predict` ----

    def _read_row(self):
        """Check and encode a row."""
        model = self.model
        if model.features is None:
            if model.layouts:
                check = c_inputs.cell_checks(model.layouts[0], 0, self.values)
            else:
                check = c_text.fill(CHECK, **self.values)
            self.statements.append(check)
        elif not model.groups:
            self.statements.append("    (void)row;\n")
        else:
            self.statements.append(c_inputs.features(model, self.writer))
            n_folds = model.features.n_folds
            if model.features.numbers:
                self.arrays.append(f"double x[{n_folds * len(model.features.numbers)}]")
            if model.features.categories:
                self.arrays.append(f"int32_t codes[{len(model.features.categories)}]")
            for k in range(len(model.encoders)):
                function, call = c_inputs.encode(model, k, self.writer)
                self.functions.append(function)
                size = f"[{n_folds}]" * (n_folds > 1)
                self.arrays.append(f"{self.name}_cells{k} cells{k}{size}")
                self.statements.append(f"    {call}\n")

    def _predict_row(self):
        """Set y."""
        groups = self.model.groups
        if not groups:
            lines = ["y[0] = 1.0; /* there is only one class */"]
        elif self.model.targets is None and len(groups) == groups[0].layers.n_networks == 1:
            lines = self._one_network()
        elif self.model.interval is not None:
            lines = self._fold_predictions()
        else:
            lines = self._sum_groups()
        self.statements += [f"    {line}\n" for line in lines]

    def _one_network(self):
        x = "row" if self.model.layouts else "x"
        if not self.model.is_binary:
            return [f"{self.name}_network0({x}, y);"]
        self.arrays.append(f"{self.values['real']} p[1]")
        one = f"1.0{self.values['f']}"
        return [f"{self.name}_network0({x}, p);", f"y[0] = {one} - p[0];", "y[1] = p[0];"]

    def _fold_predictions(self):
        """Return the statements that set the predictions of all folds, and the expected error."""
        model, interval = self.model, self.model.interval
        m = model.groups[0].layers.sizes[-1]
        lines = [f"memset(folds, 0, {interval.n_folds * m} * sizeof(double));"]
        lines += self._add_groups("folds")
        if interval.spread is not None:
            x = "x"
            if model.features is not None:
                last, k = model.features.n_folds - 1, interval.spread.encoder
                x = f"cells{k} + {last}" if last else f"&cells{k}"
            lines += ["if (error != NULL)", f"    *error = {self.name}_expected_error({x});"]
        return lines

    def _add_groups(self, total):
        """Return the statements that add the predictions of all groups to an array."""
        model, values, lines = self.model, self.values, []
        if model.targets is not None:
            self.functions.append(_finish(model.targets, values))
        for g, group in enumerate(model.groups):
            self.functions.append(_group(g, group, model, values))
            x = "row" if model.layouts else "x"
            if model.features is not None:
                x = "&" * (model.features.n_folds == 1) + f"cells{group.encoder}"
            lines.append(f"{self.name}_group{g}({x}, {total});")
        return lines

    def _sum_groups(self):
        model, name, values = self.model, self.name, self.values
        m = model.groups[0].layers.sizes[-1]
        self.arrays.append(f"double sum[{m}] = {{0.0}}")
        lines = self._add_groups("sum")
        cast = "" if values["result"] == "double" else f"({values['result']})"
        if model.is_binary:
            lines += [f"y[0] = {cast}(1.0 - sum[0]);", f"y[1] = {cast}sum[0];"]
        else:
            lines += [f"for (size_t j = 0; j < {m}; j++)", f"    y[j] = {cast}sum[j];"]
        if model.targets is not None and model.targets.is_classifier:
            constants = dict(n=m, temperature=float(model.targets.temperature))
            self.functions.append(c_text.fill(CALIBRATE, **constants, **values))
            lines.append(f"{name}_calibrate(y);")
        return lines


# ---- functions of predictions ----


def _group(g, group, model, values):
    """Return the function that adds the predictions of group g of an ExportModel, or those of each fold."""
    n, fold, weight, at, each = group.layers.n_networks, "", group.weight, "", ""
    if model.interval is not None:
        m, n_averaged = group.layers.sizes[-1], group.n_averaged
        weight *= model.interval.n_folds
        at = f"{m} * i + " if n_averaged == 1 else f"{m} * (i / {n_averaged}) + "
        each = ", for each fold,"
    if model.features is not None and model.features.n_folds > 1:  # each has its own cells
        fold = " + i" if group.n_averaged == 1 else f" + i / {group.n_averaged}"
    return c_text.fill(
        GROUP if model.targets is None else FINISHED_GROUP,
        g=g,
        n=n,
        m=group.layers.sizes[-1],
        cells=c_inputs.cells_type(model, group.encoder, values["name"]) or values["real"],
        i="i, x" if n > 1 else "x",
        k=f"k, x{fold}" if n > 1 else "x",
        n_averaged=group.n_averaged,
        divisor=float(group.n_averaged),
        averaged=f", each {group.n_averaged} of which are averaged" * (group.n_averaged > 1),
        weight=weight,
        at=at,
        each=each,
        **values,
    )


def _finish(targets, values):
    """Return the function that makes predictions of outputs."""
    n = targets.n_out
    if targets.is_classifier:
        s = float(targets.smoothing)
        numbers = dict(floor=s / n, width=1 - s, least=0.01 / n, smoothing=s)
        return c_text.fill(PROBABILITIES, n=n, **numbers, **values)
    low, high = map(float, targets.bounds)
    value = f"y[j] * {c_text.c_number(targets.scale)} + {c_text.c_number(targets.shift)}"
    value = f"exp({value})" if targets.log else value
    sort = ""
    if n > 1:
        ranks = np.argsort(np.argsort(targets.loss.q))
        sort = c_text.fill(SORT, n=n, ranks=", ".join(map(str, ranks)))
    return c_text.fill(NUMBERS, n=n, sort=sort, value=value, low=low, high=high, **values)
