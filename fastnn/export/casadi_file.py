"""One network as a C file that `casadi.external` loads: the function, its Jacobian, adjoint and Hessian.

The names and meanings of inputs and outputs are those of CasADi since 3.6. CasADi stores matrices
column by column. A NULL argument stands for zeros, and a NULL result is not wanted.
"""

from dataclasses import replace

import numpy as np

from ..config import __version__
from . import c_derivatives, c_networks, c_text

HEAD = """
/* $title; $n_params parameters.
 *
 * Exported by fastnn $version for casadi.external("$name", "./$name.so"): no memory is allocated.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT
#endif
"""

FUNCTION = """
EXPORT int $function(const double **arg, double **res, long long *iw, double *w, int mem)
{
    static const double zeros[$widest_input] = {0.0};
    const double *x = arg[0] ? arg[0] : zeros;
$body    (void)iw, (void)w, (void)mem;
    return 0;
}

EXPORT int ${function}_work(long long *n_arg, long long *n_res, long long *n_iw, long long *n_w)
{
    *n_arg = $n_args;
    *n_res = $n_results;
    *n_iw = 0;
    *n_w = $n_work;
    return 0;
}
"""

DESCRIPTION = """
EXPORT long long ${function}_n_$way(void) { return $n; }

EXPORT const char *${function}_name_$way(long long i)
{
    static const char *const names[] = {$names};
    return names[i];
}

EXPORT const long long *${function}_sparsity_$way(long long i)
{
    static const long long *const patterns[] = {$patterns};
    return patterns[i];
}
"""

VALUE = """
    if (res[0])
        ${name}_network0(x, res[0]);
"""
SLOPES = """
    double *y = w, *d = y + $n_out, *c = d + $n_units;
    ${name}_forward(x, y, d, c);
"""
JACOBIAN = """
    if (res[0])
        ${name}_matrix(d, res[0], 1, $n_out);
"""
ADJOINT = """
    double *u = c + $n_units, *g = u + $n_units;
    memcpy(u + $first_out, arg[2] ? arg[2] : zeros, $n_out * sizeof(double));
    ${name}_backward(d, u, g);
"""
COPY = """
    if (res[0])
        memcpy(res[0], g, $n_in * sizeof(double));
"""
HESSIAN = """
    double *Z = g + $n_in;
    for (size_t i = 0; i < $n_in; i++)
        ${name}_tangent(i, d, Z + $n_units * i);
    if (res[0])
        ${name}_curvature(u, d, c, Z, res[0]);
    if (res[2])
        ${name}_matrix(d, res[2], $n_in, 1);
"""

#: By what is before the name of a function: its inputs and outputs, and what it does. A shape has
#: rows and columns, of x, y or 1, and 0 if there are no entries: an argument that is not needed.
FUNCTIONS = {
    "": ({"x": "x1"}, {"y": "y1"}, (VALUE,)),
    "jac_": ({"x": "x1", "out_y": "y10"}, {"jac_y_x": "yx"}, (SLOPES, JACOBIAN)),
    "adj1_": (
        {"x": "x1", "out_y": "y10", "adj_y": "y1"},
        {"adj_x": "x1"},
        (SLOPES, ADJOINT, COPY),
    ),
    "jac_adj1_": (
        {"x": "x1", "out_y": "y10", "adj_y": "y1", "out_adj_x": "x10"},
        {"jac_adj_x_x": "xx", "jac_adj_x_out_y": "xy0", "jac_adj_x_adj_y": "xy"},
        (SLOPES, ADJOINT, HESSIAN),
    ),
}


def casadi_source(model, name):
    """Return the C source of an ExportModel with one network. name : str, of the function."""
    c_text.check_name(name, is_of_file=False)
    c_derivatives.check_single_network(model)
    group = _in_double(model.groups[0])
    model, layers = replace(model, groups=[group]), group.layers
    values = dict(name=name, real="double", f="")
    title = dict(title=c_text.comment(model.title), version=__version__)
    parts = [
        c_text.fill(HEAD, n_params=f"{model.n_params:,}", **title, **values),
        c_networks.parameters(0, group, model, name),
        c_networks.helpers(model, values, 2),
        c_networks.network(0, group, model, values),
        c_networks.network(0, group, model, values, 2),
        c_derivatives.functions(layers, values, 2),
    ]
    values = c_derivatives.constants(layers, values)
    sizes = {"x": values["n_in"], "y": values["n_out"], "1": 1}
    shapes = {shape for *ways, _ in FUNCTIONS.values() for way in ways for shape in way.values()}
    parts += ["".join(_pattern(shape, sizes, name) for shape in sorted(shapes))]
    parts += [_function(f"{prefix}{name}", *FUNCTIONS[prefix], values) for prefix in FUNCTIONS]
    return "\n".join(parts)


def _in_double(group):
    """Return a group of networks whose parameters are float64."""
    weights = [W.astype(np.float64) for W in group.layers.weights]
    biases = [None if b is None else b.astype(np.float64) for b in group.layers.biases]
    return replace(group, layers=replace(group.layers, weights=weights, biases=biases))


def _pattern(shape, sizes, name):
    """Return the array with the sparsity of a shape: rows, columns, and 1 if it is dense."""
    rows, columns = sizes[shape[0]], sizes[shape[1]]
    size, last = (columns + 3, 0) if shape.endswith("0") else (3, 1)
    return f"static const long long {name}_{shape}[{size}] = {{{rows}, {columns}, {last}}};\n"


def _function(function, inputs, outputs, body, values):
    """Return the function of this name, and those that describe it."""
    n_units, n_in, n_out = values["n_units"], values["n_in"], values["n_out"]
    parts = dict(
        body="".join(c_text.fill(part, **values) for part in body),
        n_args=len(inputs),
        n_results=len(outputs),
        widest_input=max(n_in, n_out),
        n_work=n_out + (3 + n_in) * n_units + n_in,
    )
    out = [c_text.fill(FUNCTION, function=function, **parts, **values)]
    for way, items in ("in", inputs), ("out", outputs):
        names = ", ".join(f'"{key}"' for key in items)
        patterns = ", ".join(f"{values['name']}_{shape}" for shape in items.values())
        texts = dict(way=way, n=len(items), names=names, patterns=patterns)
        out.append(c_text.fill(DESCRIPTION, function=function, **texts))
    return "\n".join(out)
