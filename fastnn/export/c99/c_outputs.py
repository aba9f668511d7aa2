"""Predictions from the outputs of networks, and classes, as C99 source."""

import numpy as np

from . import c_text
from .c_inputs import cells_type

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
/* Add to sum the predictions of group $g: $n networks */
static void ${name}_group$g(const $cells *x, double *sum)
{
    for (size_t i = 0; i < $n; i++) {
        $real y[$m];
        ${name}_network$g($i, y);
        for (size_t j = 0; j < $m; j++)
            sum[j] += $weight * y[j];
    }
}
"""

FINISHED_GROUP = """
/* Add to sum the predictions of group $g: $n networks$averaged */
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
            sum[j] += $weight * mean[j];
    }
}
"""


THRESHOLD = """
int ${name}_class(const $result y[${NAME}_N_OUTPUTS])
{
    return y[1] >= $threshold;
}
"""


def choose(model, values):
    """Return the function that chooses the class."""
    if model.threshold is None:
        return c_text.fill(CLASS, **values)
    return c_text.fill(THRESHOLD, threshold=c_text.number(model.threshold), **values)


def group(g, group, model, values):
    """Return the function that computes the predictions of group g of an ExportModel."""
    n, real = group.layers.n_networks, values["real"]
    return c_text.fill(
        GROUP if model.targets is None else FINISHED_GROUP,
        g=g,
        n=n,
        m=group.layers.sizes[-1],
        cells=cells_type(model, group.encoder, values["name"]) or real,
        i="i, x" if n > 1 else "x",
        k="k, x" if n > 1 else "x",
        n_averaged=group.n_averaged,
        divisor=c_text.number(group.n_averaged),
        averaged=f", each {group.n_averaged} of which are averaged" * (group.n_averaged > 1),
        weight=c_text.number(group.weight),
        **values,
    )


def finish(targets, values):
    """Return the function that makes predictions of outputs, "" if they need none."""
    if targets is None:
        return ""
    n = targets.n_out
    if targets.is_classifier:
        s = targets.smoothing
        numbers = dict(floor=s / n, width=1 - s, least=0.01 / n, smoothing=s)
        numbers = {key: c_text.number(x) for key, x in numbers.items()}
        return c_text.fill(PROBABILITIES, n=n, **numbers, **values)
    low, high = targets.bounds
    value = f"y[j] * {c_text.number(targets.scale)} + {c_text.number(targets.shift)}"
    value = f"exp({value})" if targets.log else value
    bounds = dict(low=c_text.number(low), high=c_text.number(high))
    sort = ""
    if n > 1:
        ranks = np.argsort(np.argsort(targets.loss.q))
        sort = c_text.fill(SORT, n=n, ranks=", ".join(map(str, ranks)))
    return c_text.fill(NUMBERS, n=n, sort=sort, value=value, **bounds, **values)


def calibrate(targets, values):
    """Return the function that calibrates probabilities."""
    temperature = c_text.number(targets.temperature)
    return c_text.fill(CALIBRATE, n=targets.n_out, temperature=temperature, **values)


def classes(labels, name):
    """Return the definition of the array of classes, and its declaration."""
    if labels.dtype == object:
        ctype, items = "char *const", [c_text.literal(label, "a class") for label in labels]
    elif labels.dtype == np.int64:
        ctype, items = "int64_t", [str(label) for label in labels.tolist()]
    else:
        ctype, items = "double", c_text.numbers(labels)
    declaration = f"const {ctype} {name}_classes[{len(labels)}]"
    return f"{declaration} = {{\n{c_text.rows(items)}\n}};\n", f"extern {declaration};"
