"""Derivatives of one network as C99 source. `fastnn.reference.derivatives` has the mathematics.

The function `forward` of `c_networks` sets the slopes d and curvatures c. `backward` computes
adjoints, `tangent` tangents. The arrays d, c, u and z hold the units of all layers, in their order.
"""

from . import c_text

BACKWARD = """
/* x . y, for n numbers, in eight sums */
static $real ${name}_dot(size_t n, const $real *x, const $real *y)
{
    $real s[8] = {0.0$f};
    size_t j = 0;
    for (; j + 8 <= n; j += 8)
        for (size_t i = 0; i < 8; i++)
            s[i] += x[j + i] * y[j + i];
    for (size_t half = 4; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            s[i] += s[i + half];
    for (; j < n; j++)
        s[0] += x[j] * y[j];
    return s[0];
}

/* The layers: inputs, units, weights */
static const struct {
    size_t k, m;
    const $real *W;
} ${name}_layers[$n_layers] = {
$layers
};

/* v = w times the Jacobian of the activation of layer l, from its part of d */
static void ${name}_times(size_t l, const $real *d, const $real *w, $real *v)
{
    const size_t m = ${name}_layers[l].m;
    for (size_t j = 0; j < m; j++)
        v[j] = w[j] * d[j];
$centre}

/* Adjoints: from those of the outputs, at the end of u, to those of all units u and of the inputs g */
static void ${name}_backward(const $real *d, $real *u, $real *g)
{
    $real v[$widest];
    size_t end = $n_units;
    for (size_t l = $n_layers; l-- > 0;) {
        const size_t k = ${name}_layers[l].k, m = ${name}_layers[l].m, first = end - m;
        $real *a = l > 0 ? u + first - k : g;
        ${name}_times(l, d + first, u + first, v);
        for (size_t i = 0; i < k; i++)
            a[i] = ${name}_dot(m, v, ${name}_layers[l].W + m * i);
        end = first;
    }
}
"""

CENTRE = """
    if (l == $last) { /* softmax, whose d are its outputs */
        $real sum = 0.0$f;
        for (size_t j = 0; j < m; j++)
            sum += v[j];
        for (size_t j = 0; j < m; j++)
            v[j] -= d[j] * sum;
    }
"""

TANGENT = """
/* Tangents z = dz/dx_i of the inputs of all activations */
static void ${name}_tangent(size_t i, const $real *d, $real *z)
{
    $real v[$widest];
    memcpy(z, ${name}_layers[0].W + ${name}_layers[0].m * i, ${name}_layers[0].m * sizeof($real));
    for (size_t l = 1; l < $n_layers; l++) {
        const size_t k = ${name}_layers[l].k, m = ${name}_layers[l].m;
        ${name}_times(l - 1, d, z, v);
        d += k;
        z += k;
        memset(z, 0, m * sizeof($real));
        ${name}_product(k, m, v, ${name}_layers[l].W, z);
    }
}
"""

#: The Jacobian of a network with fewer outputs than inputs.
ROWS = """
/* J[row k + column i] = dy_k/dx_i, by the adjoints of each output */
static void ${name}_matrix(const $real *d, $real *J, size_t row, size_t column)
{
    $real u[$n_units], g[$n_in];
    for (size_t k = 0; k < $n_out; k++) {
        memset(u + $first_out, 0, $n_out * sizeof($real));
        u[$first_out + k] = 1.0$f;
        ${name}_backward(d, u, g);
        for (size_t i = 0; i < $n_in; i++)
            J[row * k + column * i] = g[i];
    }
}
"""

COLUMNS = """
/* J[row k + column i] = dy_k/dx_i, by the tangents of each input */
static void ${name}_matrix(const $real *d, $real *J, size_t row, size_t column)
{
    $real z[$n_units], v[$n_out];
    for (size_t i = 0; i < $n_in; i++) {
        ${name}_tangent(i, d, z);
        ${name}_times($last, d + $first_out, z + $first_out, v);
        for (size_t k = 0; k < $n_out; k++)
            J[row * k + column * i] = v[k];
    }
}
"""

CURVATURE = """
/* H = sum over all units of u c dz/dx_i dz/dx_j, with the tangents Z of all inputs */
static void ${name}_curvature(const $real *u, const $real *d, const $real *c, const $real *Z, $real *H)
{
    $real v[$n_units];
$unused    for (size_t i = 0; i < $n_in; i++) {
        const $real *z = Z + $n_units * i;
        for (size_t j = 0; j < $n_single; j++)
            v[j] = u[j] * c[j] * z[j];
$softmax        for (size_t j = 0; j <= i; j++)
            H[$n_in * i + j] = H[$n_in * j + i] = ${name}_dot($n_units, v, Z + $n_units * j);
    }
}
"""

SOFTMAX_CURVATURE = """
/* v = the derivative along z of u times the Jacobian of softmax at its outputs y */
static void ${name}_softmax_curvature(const $real *u, const $real *y, const $real *z, $real *v)
{
    $real uy = 0.0$f, uv = 0.0$f;
    ${name}_times($last, y, z, v);
    for (size_t j = 0; j < $n_out; j++) {
        uy += u[j] * y[j];
        uv += u[j] * v[j];
    }
    for (size_t j = 0; j < $n_out; j++)
        v[j] = v[j] * (u[j] - uy) - y[j] * uv;
}
"""

SOFTMAX = """
        ${name}_softmax_curvature(u + $n_single, d + $n_single, z + $n_single, v + $n_single);
"""

PUBLIC = """
int ${name}_jacobian($x, $y, $J)
{
    $real d[$n_units]$c;

$check
    ${name}_forward(x, y, $slopes);
    ${name}_matrix(d, J[0], $n_in, 1);
    return 0;
}

int ${name}_vjp($x, const $weights, $y, $g)
{
    $real d[$n_units], v[$n_units]$c;

$check
    ${name}_forward(x, y, $slopes);
    memcpy(v + $first_out, u, $n_out * sizeof($real));
    ${name}_backward(d, v, g);
    return 0;
}
"""

PUBLIC_HESSIAN = """
int ${name}_hessian($x, $y, $J, $H)
{
    $real d[$n_units], c[$n_units], u[$n_units], Z[$n_units * $n_in];

$check
    ${name}_forward(x, y, d, c);
    for (size_t i = 0; i < $n_in; i++)
        ${name}_tangent(i, d, Z + $n_units * i);
    for (size_t k = 0; k < $n_out; k++) {
        memset(u + $first_out, 0, $n_out * sizeof($real));
        u[$first_out + k] = 1.0$f;
        ${name}_backward(d, u, J[k]);
        ${name}_curvature(u, d, c, Z, H[k][0]);
    }
    return 0;
}
"""


def check_single_network(model):
    """Raise ValueError unless an ExportModel is one network whose inputs are the columns of X."""
    reason = ""
    if model.layouts or model.features is not None:
        reason = "its inputs are columns or cells of a table"
    elif len(model.groups) != 1 or model.groups[0].layers.n_networks != 1:
        reason = f"it has {sum(group.layers.n_networks for group in model.groups)} networks"
    elif model.is_binary:
        reason = "its probabilities of two classes are made of one output"
    if reason:
        advice = "" if model.features is not None else " Export each of networks_, for example."
        raise ValueError(
            "an exported file has derivatives of one network with dense inputs, but of this model "
            f"{reason}.{advice}"
        )


def constants(layers, values):
    """Return what the templates need: sizes, the array of layers, and parts for softmax."""
    sizes, name = layers.sizes, values["name"]
    units = sizes[1:]
    array = [f"    {{{k}, {m}, {name}_W0_{i}}}" for i, (k, m) in enumerate(zip(sizes, units))]
    out = dict(
        n_in=sizes[0],
        n_out=sizes[-1],
        n_units=sum(units),
        first_out=sum(units[:-1]),
        n_single=sum(units),  # units whose activation is of one number
        n_layers=len(units),
        last=len(units) - 1,
        widest=max(units),
        layers=",\n".join(array),
    )
    parts = dict(centre="", softmax="", unused="    (void)d;\n")
    if layers.activations[-1] == "softmax":
        out["n_single"] -= sizes[-1]
        parts = dict(centre=CENTRE, softmax=SOFTMAX, unused="")
    return values | out | {key: c_text.fill(text, **values, **out) for key, text in parts.items()}


def functions(layers, values, derivatives):
    """Return the functions that compute adjoints, tangents, the Jacobian and the curvature."""
    values = constants(layers, values)
    forward = values["n_in"] <= values["n_out"]
    templates = [BACKWARD]
    if forward or derivatives == 2:
        templates.append(TANGENT)
    templates.append(COLUMNS if forward else ROWS)
    if derivatives == 2:
        templates += [SOFTMAX_CURVATURE] if layers.activations[-1] == "softmax" else []
        templates.append(CURVATURE)
    return "\n".join(c_text.fill(template, **values) for template in templates)


def public(layers, values, derivatives, check):
    """Return the functions of a program, and their prototypes with comments.

    check : str
        The statements that return if an input is not valid.
    """
    values = constants(layers, values)
    real, n_in, n_out = values["real"], f"{values['NAME']}_N_INPUTS", f"{values['NAME']}_N_OUTPUTS"
    values |= dict(
        x=f"const {real} x[{n_in}]",
        weights=f"{real} u[{n_out}]",
        y=f"{real} y[{n_out}]",
        g=f"{real} g[{n_in}]",
        J=f"{real} J[{n_out}][{n_in}]",
        H=f"{real} H[{n_out}][{n_in}][{n_in}]",
        c=f", c[{values['n_units']}]" * (derivatives == 2),
        slopes="d, c" if derivatives == 2 else "d",
        check=check.rstrip("\n"),
    )
    text = c_text.fill(PUBLIC, **values)
    comments = [
        "and J[k][i] = dy_k/dx_i",
        "and g[i] = sum over k of u[k] dy_k/dx_i",
        "J, and H[k][i][j] = d2y_k/dx_i dx_j",
    ]
    if derivatives == 2:
        text += "\n" + c_text.fill(PUBLIC_HESSIAN, **values)
    heads = [line for line in text.splitlines() if line.startswith("int ")]
    pairs = zip(heads, comments)
    return text, [part for head, what in pairs for part in ("", f"/* y, {what} */", f"{head};")]


def stack(layers, derivatives):
    """Return how many numbers the arrays of the derivatives of a row have."""
    (n_in, *units), widest = layers.sizes, max(layers.sizes[1:])
    most = 2 if derivatives == 1 else 4 + n_in
    return most * sum(units) + widest + max(n_in, units[-1])
