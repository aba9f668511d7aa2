"""Derivatives in exported C files and in files for CasADi, beside `fastnn.reference` in float64."""

import ctypes
import re
import subprocess

import c_program
import export_cases
import numpy as np
import pytest
from checks import assert_within

import fastnn
from fastnn import EncodedTable, export, reference

needs_gcc = pytest.mark.skipif(c_program.GCC is None, reason="gcc is not installed")
NETWORKS = {n: c for n, c in export_cases.networks().items() if not isinstance(c.X, EncodedTable)}
for hidden, output in ("silu", "gelu"), ("tanh", "softmax"):  # more outputs than inputs
    net = fastnn.MLP([2, 9, 5], hidden, output, rng=0)
    NETWORKS[f"wide_{output}"] = export_cases.Case(net, NETWORKS["linear"].X[:, :2], None)
FEW = "mish_float32", "softmax_float64", "deep", "linear", "wide_softmax"
TOLERANCES = {"float32": 1e-5, "float64": 1e-12}  # of the largest derivative


def by_reference(net, X, U):
    """Y, J, g and H of rows by `reference`, in float64."""
    biases = [None if b is None else b.astype(float) for b in net.biases]
    layers = [W.astype(float) for W in net.weights], biases, net.activations
    X, U = X.astype(float), U.astype(float)
    Y, J = reference.forward(X, *layers), reference.jacobian(X, *layers)
    return Y, J, reference.vjp(X, U, *layers), reference.hessian(X, *layers)


def assert_near_reference(found, wanted, tolerance, name):
    bound = tolerance * max(np.abs(wanted).max(), 1e-3)
    assert_within(np.reshape(found, wanted.shape), wanted, bound, name)


def compile_files(folder, names, flags, main=""):
    """The path of a library, or with `main` of a program, of the files NAME.c."""
    (folder / "all.c").write_text("".join(f'#include "{name}.c"\n' for name in names) + main)
    flags = [*c_program.STRICT, *flags, *([] if main else ["-shared", "-fPIC"])]
    path = folder / ("all" if main else "all.so")
    subprocess.run([c_program.GCC, *flags, "-o", path, "all.c", "-lm"], cwd=folder, check=True)
    return str(path)


def pointers(*arrays):
    return [array.ctypes.data_as(ctypes.c_void_p) for array in arrays]


# ---- C for programs ----


FLAGS = ["-O0", pytest.param("-O3 -march=native", marks=pytest.mark.slow("-O0"))]


@needs_gcc
@pytest.mark.parametrize("flags", FLAGS)
def test_c_functions(flags, tmp_path):
    names = NETWORKS if flags == "-O0" else FEW
    orders = {name: (0, 1, 2) if name in FEW else (2,) for name in names}
    for name in names:
        for order in orders[name]:
            export.c(NETWORKS[name].model, tmp_path / f"{name}_{order}.c", derivatives=order)
    files = [f"{name}_{order}" for name in names for order in orders[name]]
    library = ctypes.CDLL(compile_files(tmp_path, files, flags.split()))
    for name in names:
        check_c_functions(library, name, orders[name])


def check_c_functions(library, name, orders):
    """What the functions of the files NAME_ORDER.c compute."""
    net, X = NETWORKS[name].model, np.ascontiguousarray(NETWORKS[name].X)
    U = np.random.default_rng(0).normal(size=(len(X), net.layer_sizes[-1])).astype(net.dtype)
    Y, J, g, H = (array.astype(net.dtype) for array in by_reference(net, X, U))
    results = dict(predict=(Y,), jacobian=(Y, J), vjp=(Y, g), hessian=(Y, J, H))
    bits = set()
    for order in orders:
        for key, wanted in list(results.items())[: (1, 3, 4)[order]]:
            weights, found = [U] if key == "vjp" else [], [np.empty_like(a) for a in wanted]
            function = getattr(library, f"{name}_{order}_{key}")
            assert not any(function(*pointers(*rows)) for rows in zip(X, *weights, *found))
            bits.add(found[0].tobytes())
            for pair in zip(found, wanted):
                assert_near_reference(*pair, TOLERANCES[net.dtype.name], f"{name} {key}")
    assert len(bits) == 1  # of Y, in a file without derivatives, too


CALLS = """
    {
        static const %(real)s x[%(n)d] = {1, -1}, u[%(m)d] = {2};
        %(real)s y[%(m)d], g[%(n)d], J[%(m)d][%(n)d], H[%(m)d][%(n)d][%(n)d];
        if (%(name)s_jacobian(x, y, J) || %(name)s_vjp(x, u, y, g) || %(name)s_hessian(x, y, J, H))
            return 1;
    }
"""


@needs_gcc
def test_c_functions_stay_in_their_arrays(tmp_path):
    """Under AddressSanitizer and UBSan."""
    main = ""
    for name in FEW:
        net = NETWORKS[name].model
        export.c(net, tmp_path / f"{name}.c", derivatives=2)
        values = dict(name=name, real="float" if net.dtype == np.float32 else "double")
        main += CALLS % dict(n=net.layer_sizes[0], m=net.layer_sizes[-1], **values)
    main = f"int main(void)\n{{{main}    return 0;\n}}\n"
    assert subprocess.run([compile_files(tmp_path, FEW, c_program.SANITIZED, main)]).returncode == 0


@needs_gcc
def test_an_invalid_input_is_refused(tmp_path):
    export.c(fastnn.MLP([3, 4, 2], "tanh", rng=0), tmp_path / "net.c", derivatives=2)
    library = ctypes.CDLL(compile_files(tmp_path, ["net"], ["-O1"]))
    x, y = np.float32([0, np.nan, np.inf]), np.full(2, 7, "float32")
    rest = np.full((3, 18), 7, "float32")
    for function, n in dict(jacobian=1, vjp=2, hessian=2).items():
        arguments = [y, *rest[:n]] if function != "vjp" else [rest[2], y, rest[0]]
        assert getattr(library, f"net_{function}")(*pointers(x, *arguments)) == 2
    assert (y == 7).all() and (rest == 7).all()


@needs_gcc
def test_the_stack_holds_the_derivatives(tmp_path):
    for order in (1, 2):
        path = tmp_path / f"net{order}.c"
        export.c(fastnn.MLP([6, 70, 200, 3], "tanh", rng=0), path, derivatives=order)
        stack = int(re.search(r"#define NET\d_STACK (\d+)", path.read_text())[1])
        command = [c_program.GCC, "-std=c99", "-O1", "-fstack-usage", "-fno-inline", "-c", path]
        subprocess.run(command, cwd=tmp_path, check=True)
        usage = path.with_suffix(".su").read_text()
        used = {name: int(n) for name, n in re.findall(r"net\d_(\w+)\s+(\d+)", usage)}
        deepest = used["jacobian"] + used["matrix"] + used["backward"]
        if order == 2:
            deepest = max(deepest, used["hessian"] + max(used["backward"], used["curvature"]))
        assert deepest <= stack + 400 and stack <= 1.3 * deepest


def test_which_models_have_derivatives(tmp_path):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    settings = dict(max_iter=1, n_iter_no_change=np.inf, hidden_layer_sizes=(4,))
    table = EncodedTable(codes=[[2]], n_categories=3)
    encoded = fastnn.MLP([table.n_inputs, 2], rng=0)
    several = fastnn.MLPRegressor(n_estimators=3, **settings).fit(X, y)
    of_two_classes = fastnn.MLPClassifier(**settings).fit(X, y > 1)
    path = tmp_path / "model.c"
    of_table = fastnn.TabularRegressor(1, hidden_layer_sizes=4).fit(X, y)
    for model, why in (
        (several, "it has 3 networks. Export each of networks_"),
        (of_two_classes, "its probabilities of two classes are made of"),
        (of_table, "its inputs are columns or cells of a table"),
    ):
        with pytest.raises(ValueError, match=f"derivatives of one network .* {why}"):
            export.c(model, path, derivatives=1)
        with pytest.raises(ValueError, match=f"derivatives of one network .* {why}"):
            export.casadi(model, path)
    with pytest.raises(ValueError, match="its inputs are columns or cells of a table"):
        export.c(encoded, path, layout=table.layout, derivatives=2)
    for value, why in {3: "at most 2", -1: "at least 0", True: "at least 0"}.items():
        with pytest.raises(ValueError, match=f"derivatives must be a whole number of {why}, got"):
            export.c(encoded, path, derivatives=value)
    for name in ("my-net", "int"):
        message = f"such as digits, got '{name}'. Pass name='digits', f"
        with pytest.raises(ValueError, match=message):
            export.casadi(encoded, path, name)
    assert not path.exists()
    export.c(fastnn.MLPClassifier(**settings).fit(X, y), path, derivatives=1)
    assert "int model_jacobian(" in path.read_text()


# ---- C for CasADi ----

INTEGER = ctypes.c_longlong
NAMES = (name for name in NETWORKS if not name.endswith("_float32") or name == "mish_float32")
CASES = {name: NETWORKS[name].model for name in NAMES}


def export_and_build(folder, nets):
    """A library of networks, {name: net}, for CasADi."""
    for name, net in nets.items():
        export.casadi(net, folder / f"{name}.c", name)
    return compile_files(folder, nets, ["-O2"])


def described(library, function, way):
    """{name: shape, or None without entries} of the inputs or outputs of a function."""
    names = (f"{function}_{what}_{way}" for what in ("n", "name", "sparsity"))
    count, name, pattern = (getattr(library, each) for each in names)
    count.restype, name.restype, pattern.restype = INTEGER, ctypes.c_char_p, ctypes.POINTER(INTEGER)
    out = {}
    for i in map(INTEGER, range(count())):
        rows, columns, dense = pattern(i)[:3]
        assert dense or not any(pattern(i)[2 : 3 + columns])
        out[name(i).decode()] = (rows, columns) if dense else None
    return out


def evaluate_function(library, function, **arguments):
    """{name: result} of a function through the interface of CasADi."""
    inputs, outputs = (described(library, function, way) for way in ("in", "out"))
    sizes = [INTEGER() for _ in range(4)]
    assert getattr(library, f"{function}_work")(*map(ctypes.byref, sizes)) == 0
    *counts, n_numbers = (size.value for size in sizes)
    assert counts == [len(inputs), len(outputs), 0]
    work = np.full(n_numbers + 4, np.nan)
    results = {name: shape and np.empty(shape, order="F") for name, shape in outputs.items()}
    vectors = array_of_pointers(arguments.get(name) for name in inputs)
    matrices = array_of_pointers(results.values())
    assert getattr(library, function)(vectors, matrices, None, *pointers(work), 0) == 0
    assert np.isnan(work[n_numbers:]).all()
    return results


def array_of_pointers(arrays):
    """An array of C with the addresses of arrays, NULL for None."""
    addresses = [None if array is None else array.ctypes.data for array in arrays]
    return (ctypes.c_void_p * len(addresses))(*addresses)


@pytest.mark.slow("test_c_functions, of the functions that it wraps")
@needs_gcc
def test_the_interface_of_casadi(tmp_path):
    library = ctypes.CDLL(export_and_build(tmp_path, CASES))
    for name, net in CASES.items():
        n, m = net.layer_sizes[0], net.layer_sizes[-1]
        for x, u in np.random.default_rng(0).normal(size=(3, 2, max(n, m))):
            x, u = x[:n].copy(), u[:m].copy()
            y, J, g, H = (array[0] for array in by_reference(net, x[None], u[None]))
            H = np.einsum("k,kij->ij", u, H)
            second = dict(jac_adj_x_x=H, jac_adj_x_out_y=None, jac_adj_x_adj_y=J.T)
            for function, arguments, results in [
                (name, dict(x=x), dict(y=y)),
                (f"jac_{name}", dict(x=x), dict(jac_y_x=J)),
                (f"adj1_{name}", dict(x=x, adj_y=u), dict(adj_x=g)),
                (f"jac_adj1_{name}", dict(x=x, adj_y=u), second),
            ]:
                found = evaluate_function(library, function, **arguments)
                assert list(found) == list(results)
                for key, wanted in results.items():
                    if wanted is None:
                        assert found[key] is None
                    else:
                        assert_near_reference(found[key], wanted, 1e-12, function)


@needs_gcc
def test_arguments_may_be_missing(tmp_path):
    """CasADi passes NULL for zeros, and for results that it does not need."""
    net = fastnn.MLP([3, 5, 2], "tanh", dtype="float64", rng=0)
    library = ctypes.CDLL(export_and_build(tmp_path, {"net": net}))
    found = evaluate_function(library, "net")["y"]
    assert_near_reference(found, net.forward(np.zeros((1, 3))), 1e-12, "x")
    assert not evaluate_function(library, "adj1_net", x=np.ones(3))["adj_x"].any()
    for name in "net", "jac_net", "adj1_net", "jac_adj1_net":
        arguments, nothing = (ctypes.c_void_p * 4)(), (ctypes.c_void_p * 3)()
        assert getattr(library, name)(arguments, nothing, None, *pointers(np.empty(200)), 0) == 0


@needs_gcc
def test_casadi_loads_the_library(tmp_path):
    ca = pytest.importorskip("casadi", reason="CasADi is not installed")
    nets = {name: CASES[name] for name in ("mish_float32", "softmax_float64")}
    library = export_and_build(tmp_path, nets)
    for name, net in nets.items():
        n, m = net.layer_sizes[0], net.layer_sizes[-1]
        f, x, u, v = ca.external(name, library), *map(ca.MX.sym, "xuv", (n, m, n))
        y = f(x)
        H, g = ca.hessian(ca.dot(u, y), x)
        all_of_them = ca.Function("f", [x, u, v], [y, ca.jacobian(y, x), g, H, ca.jtimes(y, x, v)])
        for a, b, c in np.random.default_rng(0).normal(size=(3, 3, max(n, m))):
            a, b, c = a[:n], b[:m], c[:n]
            Y, J, g, H = (array[0] for array in by_reference(net, a[None], b[None]))
            results = Y, J, g, np.einsum("k,kij->ij", b, H), J @ c
            for found, wanted in zip(all_of_them(a, b, c), results):
                assert_near_reference(np.asarray(found), wanted, 1e-12, name)
