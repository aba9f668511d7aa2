"""Networks as C99 source: parameters, products, activations and their slopes.

The first layer of networks that read an EncodedTable adds up what the cells of a row contribute.
"""

import numpy as np

from . import c_text
from .c_inputs import cells_type
from .export_model import cell_counts

AXPY = """
/* y += a x, for n numbers */
static void ${name}_axpy(size_t n, $real a, const $real *x, $real *y)
{
    for (size_t j = 0; j < n; j++)
        y[j] += a * x[j];
}
"""

PRODUCT = """
/* z += x W, for k inputs and m outputs; W is stored row by row */
static void ${name}_product(size_t k, size_t m, const $real *x, const $real *W, $real *z)
{
    for (size_t i = 0; i < k; i++, W += m)
        ${name}_axpy(m, x[i], W, z);
}
"""

CELL_PRODUCTS = {
    "numbers": """
    for (size_t j = 0; j < $n; j++)
        ${name}_axpy($m, x->numbers[j], ${name}_W${g}_0$i + $m * j, $z);
""",
    "positions": """
    for (size_t j = 0; j < $n; j++) { /* between the ends of its bin, both stored in W */
        const size_t k = ${name}_bin(x->positions[j], $first_bin[j + 1] - $first_bin[j] - 1);
        const $real f = x->positions[j] - ($real)k;
        const $real *W = ${name}_knots$g$i + $m * ($first_bin[j] + k);
        ${name}_axpy($m, 1.0$f - f, W, $z);
        ${name}_axpy($m, f, W + $m, $z);
    }
""",
    "codes": """
    for (size_t j = 0; j < $n; j++)
        if (x->codes[j] >= 0)
            ${name}_axpy($m, 1.0$f, ${name}_levels$g$i + $m * ($first_level[j] + (size_t)x->codes[j]), $z);
""",
}

CELL_BIN = """
/* The bin of a position, of n bins */
static size_t ${name}_bin($real position, size_t n)
{
    const size_t k = (size_t)position;
    return k < n ? k : n - 1;
}
"""

ELEMENTWISE = """
static void ${name}_$activation(size_t n, $real *z)
{
    for (size_t j = 0; j < n; j++)
        z[j] = $expression;
}
"""

TANH = """
/* tanh(x) = -t / (2 + t) with its sign, t = exp(-2 |x|) - 1 = p - 1 + p (exp(r) - 1), p = 2^n */
static float ${name}_tanhf(float x)
{
    const float a = fabsf(x) > 9.02f ? -18.04f : -2.0f * fabsf(x);
    const float s = a * 1.44269504f + 12582912.0f; /* 1.5 2^23 + n: the sum rounds to whole numbers */
    const float r = a - (s - 12582912.0f) * 0.693147181f;
    const float q = (((0.00138825236f * r + 0.00836663321f) * r + 0.0416673496f) * r + 0.166665435f) * r
        + 0.49999997f;
    uint32_t bits;
    float p, t;
    memcpy(&bits, &s, 4);
    bits = (bits + 127u) << 23;
    memcpy(&p, &bits, 4);
    t = p * (q * r * r + r) + (p - 1.0f);
    return copysignf(t / (2.0f + t), x);
}
"""

SLOPE = """
/* $what, from $source in d */
static void ${name}_${activation}_slope(size_t n, $real *d$c)
{
    for (size_t j = 0; j < n; j++) {
$terms        d[j] = $slope;
$curvature    }
}
"""

SOFTMAX = """
static void ${name}_softmax(size_t n, $real *z)
{
    $real largest = z[0], sum = 0.0$f;
    for (size_t j = 1; j < n; j++)
        largest = z[j] > largest ? z[j] : largest;
    for (size_t j = 0; j < n; j++) {
        z[j] = exp$f(z[j] - largest);
        sum += z[j];
    }
    for (size_t j = 0; j < n; j++)
        z[j] /= sum;
}
"""

#: f(z) of all activations but identity and softmax; $f is the suffix of float.
# generated: expressions, by src/generate.py from src/operations.py
EXPRESSIONS = {
    "sigmoid": "1.0$f / (1.0$f + exp$f(-z[j]))",
    "relu": "z[j] < 0.0$f ? 0.0$f : z[j]",
    "tanh": "$tanh(z[j])",
    "leaky_relu": "z[j] > 0.0$f ? z[j] : 0.01$f * z[j]",
    "elu": "z[j] > 0.0$f ? z[j] : expm1$f(z[j])",
    "softplus": "(z[j] > 0.0$f ? z[j] : 0.0$f) + log1p$f(exp$f(-fabs$f(z[j])))",
    "gelu": "0.5$f * z[j] * erfc$f(-0.7071067811865476$f * z[j])",
    "silu": "z[j] / (1.0$f + exp$f(-z[j]))",
    "exponential": "exp$f(z[j])",
    "selu": "z[j] > 0.0$f ? 1.0507009873554805$f * z[j] : 1.7580993408473766$f * expm1$f(z[j])",
    "mish": "z[j] * $tanh((z[j] > 0.0$f ? z[j] : 0.0$f) + log1p$f(exp$f(-fabs$f(z[j]))))",
}
# end of expressions
#: What the slope and the curvature are computed from: terms, f'(z) and f''(z).
# generated: slopes, by src/generate.py from src/operations.py
SLOPES = {
    "sigmoid": ("", "s * (1.0$f - s)", "d[j] * (1.0$f - 2.0$f * s)"),
    "relu": ("", "s > 0.0$f ? 1.0$f : 0.0$f", "0.0$f"),
    "tanh": ("", "1.0$f - s * s", "-2.0$f * s * d[j]"),
    "leaky_relu": ("", "s > 0.0$f ? 1.0$f : 0.01$f", "0.0$f"),
    "elu": ("", "s > 0.0$f ? 1.0$f : s + 1.0$f", "s > 0.0$f ? 0.0$f : d[j]"),
    "softplus": ("", "1.0$f / (1.0$f + exp$f(-s))", "d[j] * (1.0$f - d[j])"),
    "gelu": (
        "p = 0.3989422804014327$f * exp$f(-0.5$f * s * s)",
        "0.5$f * erfc$f(-0.7071067811865476$f * s) + s * p",
        "2.0$f * p - s * (s * p)",
    ),
    "silu": (
        "p = 1.0$f / (1.0$f + exp$f(-s))",
        "p * (1.0$f + s * (1.0$f - p))",
        "p * (1.0$f - p) * (2.0$f + s * (1.0$f - 2.0$f * p))",
    ),
    "exponential": ("", "s", "s"),
    "selu": (
        "",
        "s > 0.0$f ? 1.0507009873554805$f : s + 1.7580993408473766$f",
        "s > 0.0$f ? 0.0$f : d[j]",
    ),
    "mish": (
        "p = 1.0$f / (1.0$f + exp$f(-s)), t = $tanh((s > 0.0$f ? s : 0.0$f) + log1p$f(exp$f(-fabs$f(s)))), q = (1.0$f - t * t) * p",
        "t + s * q",
        "q * (2.0$f + s * (1.0$f - p - 2.0$f * t * p))",
    ),
}
FROM_INPUTS = "softplus", "gelu", "silu", "mish"
# end of slopes


def helpers(model, values, derivatives):
    """Return the functions that the networks of an ExportModel use."""
    groups = [group.layers for group in model.all_groups]
    out = [c_text.fill(AXPY, **values)]
    # cells replace the product of the first layer
    if any(len(layers.weights) > bool(model.layouts) for layers in groups):
        out.append(c_text.fill(PRODUCT, **values))
    if any(layout.n_bins for layout in model.layouts):
        out.append(c_text.fill(CELL_BIN, **values))
    used = list(dict.fromkeys(a for layers in groups for a in layers.activations))
    return "\n".join(out + _activations(used, values, derivatives))


def _activations(used, values, derivatives):
    """Return the functions of activations, each with its slope if there are derivatives."""
    out, values = [], values | dict(tanh="tanh")
    if values["real"] == "float" and any("$tanh" in EXPRESSIONS.get(a, "") for a in used):
        values["tanh"] = f"{values['name']}_tanhf"
        out.append(c_text.fill(TANH, **values))
    for activation in used:
        if activation == "softmax":
            out.append(c_text.fill(SOFTMAX, **values))
            continue
        if activation != "identity":
            expression = c_text.fill(EXPRESSIONS[activation], **values)
            out.append(
                c_text.fill(ELEMENTWISE, activation=activation, expression=expression, **values)
            )
        if derivatives:
            out.append(_slope(activation, values, derivatives))
    return out


def _slope(activation, values, derivatives):
    """Return the function that computes f'(z), and f''(z) for two derivatives."""
    terms, slope, curvature = SLOPES.get(activation, ("", "1.0$f", "0.0$f"))
    parts = dict(terms="", slope=slope, curvature="", c="")
    if activation in SLOPES:
        terms = ", ".join(filter(None, ["s = d[j]", terms]))
        parts["terms"] = f"        const {values['real']} {terms};\n"
    if derivatives == 2:
        parts |= dict(curvature=f"        c[j] = {curvature};\n", c=f", {values['real']} *c")
    parts = {key: c_text.fill(text, **values) for key, text in parts.items()}
    what = "Slopes d = f'(z)" + " and curvatures c = f''(z)" * (derivatives == 2)
    source = "z" if activation in FROM_INPUTS else "f(z)"
    return c_text.fill(SLOPE, activation=activation, what=what, source=source, **values | parts)


def parameters(g, group, model, name):
    """Return the arrays with the parameters of group g."""
    layers, out = group.layers, []
    for k, (W, b) in enumerate(zip(layers.weights, layers.biases)):
        if k == 0 and model.layouts:
            out.append(cell_parameters(g, W, model.layouts[group.encoder], name))
        else:
            out.append(c_text.parameter_array(f"{name}_W{g}_{k}", W))
        if b is not None:
            out.append(c_text.parameter_array(f"{name}_b{g}_{k}", b))
    return "\n".join(out)


def network(g, group, model, values, derivatives=0):
    """Return the function that computes the outputs y of network i of group g.

    With derivatives, it is `forward` of the only network, which also sets the slopes d and, for two
    derivatives, the curvatures c of the units of all layers. For softmax, d is y.
    """
    name, real, layers = values["name"], values["real"], group.layers
    one = layers.n_networks == 1
    i = "" if one else "[i]"
    units = [f"{m:,} {a}" for m, a in zip(layers.sizes[1:], layers.activations)]
    which = "the network" if one else f"network i of {layers.n_networks}"
    source = cells_type(model, group.encoder, name) or real
    function = f"{name}_forward" if derivatives else f"{name}_network{g}"
    slopes = "".join(f", {real} *{array}" for array in "dc"[:derivatives])
    buffers = [f"{'ab'[k]}[{n}]" for k, n in enumerate(workspace(layers)) if n]
    lines = [
        f"/* The outputs y of {which}: {' -> '.join([f'{layers.sizes[0]:,} inputs', *units])} */",
        f"static void {function}({'' if one else 'size_t i, '}const {source} *x, {real} *y{slopes})",
        "{",
        *([f"    {real} {', '.join(buffers)};", ""] if buffers else []),
    ]
    for k in range(len(layers.weights)):
        lines += _layer(k, g, group, model, values | dict(g=g, i=i), derivatives)
    return "\n".join([*lines, "}", ""])


def _layer(k, g, group, model, values, derivatives):
    """Return the lines that compute layer k, from x, a or b to a, b or y, and its slopes."""
    name, i, layers = values["name"], values["i"], group.layers
    (n, m), activation = layers.weights[k].shape[1:], layers.activations[k]
    x = "ab"[(k - 1) % 2] if k else "x"
    z = "y" if k == len(layers.weights) - 1 else "ab"[k % 2]
    n_bytes = f"{m} * sizeof({values['real']})"
    if layers.biases[k] is None:
        lines = [f"    memset({z}, 0, {n_bytes});"]
    else:
        lines = [f"    memcpy({z}, {name}_b{g}_{k}{i}, {n_bytes});"]
    if k == 0 and model.layouts:
        layout = model.layouts[group.encoder]
        lines.append(cell_products(group.encoder, layout, values | dict(m=m, z=z)))
    else:
        lines.append(f"    {name}_product({n}, {m}, {x}, {name}_W{g}_{k}{i}, {z});")
    if activation != "identity":
        lines.append(f"    {name}_{activation}({m}, {z});")
    if derivatives:
        first = sum(layers.sizes[1 : k + 1])
        lines.insert(
            -1 if activation in FROM_INPUTS else len(lines),
            f"    memcpy(d + {first}, {z}, {n_bytes});",
        )
        arrays = "".join(f", {array} + {first}" for array in "dc"[:derivatives])
        if activation != "softmax":
            lines.append(f"    {name}_{activation}_slope({m}{arrays});")
    return lines


def workspace(layers):
    """Return the sizes of both buffers that hold the outputs of hidden layers, in turn."""
    hidden = layers.sizes[1:-1]
    return max(hidden[::2], default=0), max(hidden[1::2], default=0)


# ---- the first layer of networks that read cells ----


def split_weights(W, layout):
    """Return what numbers, positions and codes add to z = x W.

    A position in bin k with the fraction f adds (1 - f) K[k] + f K[k + 1], for the knots K of its
    column (`fastnn.reference.table_linear`). A code adds its row of `categories`.

    Parameters
    ----------
    W : ndarray (n_networks, n_inputs, n_out)
    layout : TableLayout

    Returns
    -------
    numbers : ndarray (n_networks, n_numbers, n_out)
    knots : ndarray (n_networks, sum of n_bins + 1, n_out)
    categories : ndarray (n_networks, sum of n_categories, n_out)
    """
    numbers, bins, categories = np.split(
        W, [layout.n_numbers, layout.n_numbers + sum(layout.n_bins)], 1
    )
    knots = np.empty((len(W), bins.shape[1] + len(layout.n_bins), W.shape[2]), W.dtype)
    first = 0
    for j, (n, scale) in enumerate(zip(layout.n_bins, layout.position_scale)):
        below = np.cumsum(bins[:, first : first + n], axis=1, dtype=np.float64)
        K = knots[:, first + j : first + j + n + 1]
        K[:, 0] = -scale * below[:, -1]
        K[:, 1:] = scale * (2 * below - below[:, -1:])
        first += n
    scales = np.repeat(layout.code_scale, layout.n_categories).astype(W.dtype)
    return numbers, knots, categories * scales[:, None]


def cell_parameters(g, W, layout, name):
    """Return the arrays of the first layer: weights, knots and categories."""
    numbers, knots, categories = split_weights(W, layout)
    parts = {f"{name}_W{g}_0": numbers, f"{name}_knots{g}": knots, f"{name}_levels{g}": categories}
    return "\n".join(c_text.parameter_array(key, part) for key, part in parts.items() if part.size)


def cell_offsets(encoder, layout, name):
    """Return the arrays with the first knot and the first category of each column."""
    n_knots = [n + 1 for n in layout.n_bins]
    out = []
    for what, counts in ("bin", n_knots), ("level", layout.n_categories):
        if counts:
            first = map(str, np.cumsum([0, *counts]))
            out.append(c_text.vector("size_t", f"{name}_first_{what}{encoder}", list(first)))
    return "\n".join(out)


def cell_products(encoder, layout, values):
    """Return the lines that add to z what the cells x stand for, times the weights of group g.

    values : those of the templates, among them g, the number m of outputs, i and z
    """
    name = values["name"]
    values = values | dict(
        first_bin=f"{name}_first_bin{encoder}", first_level=f"{name}_first_level{encoder}"
    )
    parts = [
        c_text.fill(CELL_PRODUCTS[what], n=n, **values)
        for what, n in cell_counts(layout).items()
        if n
    ]
    return "".join(parts).rstrip("\n")
