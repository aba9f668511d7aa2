"""Networks as C99 source: parameters, products and activations."""

from . import cells, text

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

ELEMENTWISE = """
static void ${name}_$activation(size_t n, $real *z)
{
    for (size_t j = 0; j < n; j++)
        z[j] = $expression;
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
    "tanh": "tanh$f(z[j])",
    "leaky_relu": "z[j] > 0.0$f ? z[j] : 0.01$f * z[j]",
    "elu": "z[j] > 0.0$f ? z[j] : expm1$f(z[j])",
    "softplus": "(z[j] > 0.0$f ? z[j] : 0.0$f) + log1p$f(exp$f(-fabs$f(z[j])))",
    "gelu": "0.5$f * z[j] * erfc$f(-0.7071067811865476$f * z[j])",
    "silu": "z[j] / (1.0$f + exp$f(-z[j]))",
    "exponential": "exp$f(z[j])",
    "selu": "z[j] > 0.0$f ? 1.0507009873554805$f * z[j] : 1.7580993408473766$f * expm1$f(z[j])",
    "mish": "z[j] * tanh$f((z[j] > 0.0$f ? z[j] : 0.0$f) + log1p$f(exp$f(-fabs$f(z[j]))))",
}
# end of expressions


def helpers(d, values):
    """Return the functions that the networks of a Description use."""
    groups = [group.layers for group in d.groups]
    out = [text.fill(AXPY, **values)]
    # cells replace the product of the first layer
    if any(len(layers.weights) > bool(d.layouts) for layers in groups):
        out.append(text.fill(PRODUCT, **values))
    if any(layout.n_bins for layout in d.layouts):
        out.append(text.fill(cells.BIN, **values))
    for activation in dict.fromkeys(a for layers in groups for a in layers.activations):
        if activation == "softmax":
            out.append(text.fill(SOFTMAX, **values))
        elif activation != "identity":
            expression = text.fill(EXPRESSIONS[activation], **values)
            out.append(
                text.fill(ELEMENTWISE, activation=activation, expression=expression, **values)
            )
    return "\n".join(out)


def parameters(g, group, d, name):
    """Return the arrays with the parameters of group g."""
    layers, out = group.layers, []
    for k, (W, b) in enumerate(zip(layers.weights, layers.biases)):
        if k == 0 and d.layouts:
            out.append(cells.parameters(g, W, d.layouts[group.encoder], name))
        else:
            out.append(text.parameters(f"{name}_W{g}_{k}", W))
        if b is not None:
            out.append(text.parameters(f"{name}_b{g}_{k}", b))
    return "\n".join(out)


def network(g, group, d, values):
    """Return the function that computes the outputs y of network i of group g."""
    name, real, layers = values["name"], values["real"], group.layers
    one = layers.n_networks == 1
    i = "" if one else "[i]"
    units = [f"{m:,} {a}" for m, a in zip(layers.sizes[1:], layers.activations)]
    which = "the network" if one else f"network i of {layers.n_networks}"
    source = cells.type_name(d, group.encoder, name) or real
    buffers = [f"{'ab'[k]}[{n}]" for k, n in enumerate(workspace(layers)) if n]
    lines = [
        f"/* The outputs y of {which}: {' -> '.join([f'{layers.sizes[0]:,} inputs', *units])} */",
        f"static void {name}_network{g}({'' if one else 'size_t i, '}const {source} *x, {real} *y)",
        "{",
        *([f"    {real} {', '.join(buffers)};", ""] if buffers else []),
    ]
    x = "x"
    for k, (W, b, activation) in enumerate(zip(layers.weights, layers.biases, layers.activations)):
        n, m = W.shape[1:]
        z = "y" if k == len(layers.weights) - 1 else "ab"[k % 2]
        if b is None:
            lines.append(f"    memset({z}, 0, {m} * sizeof({real}));")
        else:
            lines.append(f"    memcpy({z}, {name}_b{g}_{k}{i}, {m} * sizeof({real}));")
        if k == 0 and d.layouts:
            layout = d.layouts[group.encoder]
            lines.append(cells.products(g, group.encoder, layout, m, i, z, values))
        else:
            lines.append(f"    {name}_product({n}, {m}, {x}, {name}_W{g}_{k}{i}, {z});")
        if activation != "identity":
            lines.append(f"    {name}_{activation}({m}, {z});")
        x = z
    return "\n".join([*lines, "}", ""])


def workspace(layers):
    """Return the sizes of both buffers that hold the outputs of hidden layers, in turn."""
    hidden = layers.sizes[1:-1]
    return max(hidden[::2], default=0), max(hidden[1::2], default=0)
