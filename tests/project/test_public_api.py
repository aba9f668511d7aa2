"""The public names, their signatures and documentation, and the stub of the compiled module."""

import ast
import contextlib
import doctest
import importlib.util
import inspect
import itertools
import operator
import pkgutil
import re
import subprocess
import sys
from enum import IntEnum
from pathlib import Path

import cases
import numpy as np
import pytest
from checks import signature
from public_names import public_names

import fastnn
from fastnn import activations, functional, initializers, kernels, losses, optimizers

from fastnn import reference, schedules  # isort: skip

WALKED = [m.name.removeprefix("fastnn.") for m in pkgutil.walk_packages(fastnn.__path__, "fastnn.")]
# One for an instruction set that this CPU lacks must not be imported. PyInstaller imports its own.
LEFT_OUT = re.compile(r"__main__|plotting.*|cli\..*|_pyinstaller.*|_\w+_float(32|64)")
TORCH = importlib.util.find_spec("torch") or "estimators.pytorch"
NAMES = [name for name in WALKED if not LEFT_OUT.fullmatch(name) and name != TORCH]
MODULES = [importlib.import_module(f"fastnn.{name}") for name in NAMES]
PYTHON = [each for each in [fastnn, *MODULES] if each.__file__.endswith(".py")]
PYTHON.remove(sys.modules["fastnn.cli"])

# ---- names and signatures ----

THREADS = ", n_threads=1"  # the last argument of an update
SIGNATURES = """
MLP(layer_sizes, activation='relu', output='identity', bias=True, dtype='float32', rng=None,
    dropout=0.0, init=None, weight_bounds=None)
MLP.forward(self, X, out=None, n_threads=1, keep=False)
MLP.loss(self, X, y, loss=None, sample_weight=None)
MLP.loss_and_grad(self, X, y, loss=None, sample_weight=None)
MLP.backward(self, dY)
MLP.fit(self, X, y=None, loss=None, optimizer=None, epochs=10, batch_size=32, shuffle=True,
    validation_data=None, sample_weight=None, callbacks=(), n_threads=1, progress=False, rng=None,
    resume=False, *, class_weight=None, validation_fraction=0.0, window=None, max_steps=None,
    comm=None, shards=None, sync_every=1, dy=None, dy_weight=None, dy_inputs=None)
MLP.partial_fit(self, X, y, loss=None, optimizer=None, batch_size=32, sample_weight=None, n_threads=1,
    *, class_weight=None, dy=None, dy_weight=None, dy_inputs=None)
MLP.summary(self, batch_size=None)
MLP.save(self, path, state=True)
MLP.to_torch(self)
MLP.copy(self)
MLPClassifier.save(self, path, state=True)
MLPClassifier.to_sklearn(self)
from_sklearn(estimator)
load(path, kind=None)
forward_many(networks, X, out=None, n_threads=1)
population(n, layer_sizes, activation='relu', output='identity', bias=True, dtype='float32',
    rng=None, dropout=0.0, init=None)
EncodedTable(numbers=None, positions=None, n_bins=None, position_scale=1.0, codes=None,
    n_categories=None, code_scale=1.0, dtype=<class 'numpy.float32'>)
EncodedTable.to_dense(self)
EncodedTable.astype(self, dtype, copy=True)
export.c(model, path, name=None, layout=None, derivatives=0, interval=None)
export.casadi(model, path, name='fastnn_net')
export.onnx(model, path, layout=None)
show_config()
LBFGS(history_size=10, tolerance_grad=1e-05, tolerance_loss=2.2e-09, l2=0.0, max_evaluations=None)
EarlyStopping(patience=10, min_delta=0.0, restore_best=True, keep='first', monitor='loss')
Checkpoint(path, every_epochs=None, every_seconds=None)
functional.linear(X, W, b=None, activation='identity', out=None)
functional.linear_backward(dY, X, W, b, Y, activation='identity', need_dX=True)
functional.activation(Z, name, out=None)
functional.activation_backward(dA, Z, name, out=None)
"""
SIGNATURES = dict(re.findall(r"^([\w.]+)(\(.*\))$", SIGNATURES.replace("\n    ", " "), re.M)) | {
    f"functional.{name}": expected[:-1] + THREADS * name.endswith("_step_") + ")"
    for name, expected in cases.SIGNATURES.items()
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name):
    assert str(signature(operator.attrgetter(name)(fastnn))) == SIGNATURES[name]


@pytest.mark.parametrize("name", cases.STEPS)
def test_settings_of_an_optimizer(name):
    optimizer = cases.STEPS[name]
    parameters = inspect.signature(optimizer).parameters.values()
    own = [f"{p.name}={p.default}" for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    shared = [f"{p.name}={p.default}" for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert ", ".join(own) == cases.SETTINGS[optimizer.__name__]
    assert shared == ["l1=0.0", "l2=0.0", "clip_value=None", "clip_norm=None", "average=None"]


DEFAULT = re.compile(r"^(\w+(?:, \w+)*) : .*\bdefault (.*[^,.\n])", re.M)
NOT_PASSED = {"MLP.fit.dy_weight", "MLP.partial_fit.dy_weight", "EncodedTable.dtype"}  # by default


def test_defaults_are_those_of_the_documentation():
    n_compared = 0
    for name, each in public_names().items():
        passed = {p.name: p.default for p in each.parameters if p.default is not p.empty}
        for parameters, text in DEFAULT.findall(inspect.getdoc(each.get) or ""):
            with contextlib.suppress(ValueError, SyntaxError):  # "infinity", "as in `MLP.fit`"
                values = ast.literal_eval(f"[{text}]")
                documented = dict(zip(parameters.split(", "), itertools.cycle(values)))
                found = {key: passed[key] for key in documented if key in passed}
                if not NOT_PASSED & {f"{name}.{key}" for key in found}:
                    assert found == {key: documented[key] for key in found}, name
                    n_compared += len(found)
    assert n_compared > 230


REFERENCE = [name for name in reference.__all__ if name in functional.__all__]


@pytest.mark.parametrize("name", REFERENCE)
def test_defaults_of_reference_and_functional_are_the_same(name):
    found, expected = (
        {p.name: p.default for p in inspect.signature(getattr(module, name)).parameters.values()}
        for module in (reference, functional)
    )
    shared = found.keys() & expected.keys()
    assert {key: found[key] for key in shared} == {key: expected[key] for key in shared}


def test_every_public_name_is_one_that_was_decided():
    names = (
        "MLP LBFGS EarlyStopping Checkpoint DataError DivergenceError History ModelFileError "
        "__version__ callbacks export fit_many forward_many functional initializers kernels load "
        "load_many losses optimizers population reference save_many schedules show_config "
        "EncodedTable"
    )
    assert set(fastnn.__all__) == {*names.split(), *cases.SETTINGS}
    assert all(hasattr(fastnn, name) for name in fastnn.__all__) and fastnn.reference is reference
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", fastnn.__version__)
    packages = {"plotting", "estimators", "model_selection", "tabular"}
    known = {*fastnn.__all__, *NAMES, *packages}
    assert {name for name in vars(fastnn) if name[0] != "_"} <= known
    others = """HalvingSearchCV MLPClassifier MLPRegressor TabularClassifier TabularRegressor
        cross_val_predict cross_validate from_flax from_sklearn from_torch play"""
    assert {*dir(fastnn)} == {*fastnn.__all__, *others.split()}  # which need other libraries


def test_without_pytorch_the_message_says_how_to_get_it():
    code = """
import sys
sys.modules["torch"] = None
import fastnn
for convert in (lambda: fastnn.from_torch, fastnn.MLP([1, 1], rng=0).to_torch):
    try:
        convert()
    except ImportError as error:
        print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = [f"{name} needs PyTorch. Run: pip install torch" for name in ("from_torch", "to_torch")]
    assert run.stdout.splitlines() == names


MISSING = [
    ("fastnn.estimators.pytorch", lambda path: fastnn.MLP([1, 1], rng=0).to_torch()),
    ("fastnn.estimators.file", fastnn.load),
    ("fastnn.export", lambda path: fastnn.__getattr__("export")),
]


@pytest.mark.parametrize(("module", "call"), MISSING)
def test_a_module_of_fastnn_that_is_missing_is_named(module, call, monkeypatch, tmp_path):
    """Not a library that the user is to install."""
    fastnn.MLPRegressor((2,), tol=1e9).fit([[0.0], [1.0]], [0.0, 1.0]).save(tmp_path / "model")
    monkeypatch.delattr(module, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    message = f"^import of {module} halted; None in sys.modules$"
    with pytest.raises(ModuleNotFoundError, match=message):
        call(tmp_path / "model")


def test_a_source_tree_that_is_not_compiled_says_so(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    for name, kernels_file in (("not_compiled", None), ("not_loading", "import no_such_library")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(Path(fastnn.__file__).read_text())
        if kernels_file is not None:
            (tmp_path / name / "kernels.py").write_text(kernels_file)
    with pytest.raises(ImportError) as caught:
        importlib.import_module("not_compiled")
    assert str(caught.value) == (
        f"The fastnn source tree at {tmp_path / 'not_compiled'} has no compiled modules. Run 'pip install "
        "-e .' in its parent directory, or, if fastnn is installed, start Python in another directory."
    )
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_library'"):
        importlib.import_module("not_loading")


def test_attributes_of_networks_histories_and_optimizers():
    net = fastnn.MLP([2, 3, 1], rng=0)
    names = "params grads weights biases grad_weights grad_biases n_params layer_sizes activations dtype rng dropout state history metadata"
    for name in names.split():
        assert hasattr(net, name)
    history = net.fit(np.ones((4, 2)), np.ones(4), epochs=1)
    names = "loss val_loss n_epochs n_steps seconds stop_reason val_error_rate"
    assert vars(history).keys() == {*names.split()}
    names = """optimizer moments step epoch row loss_sum order params seed split_seed split_rows
        split_held_out plateau best split_method shards shuffle_seed"""
    assert vars(net.state).keys() == {*names.split()}
    assert net.state.lr == 0.001
    for optimizer in (cls(0.1) for cls in cases.STEPS.values()):
        with pytest.raises(AttributeError):
            optimizer.lr = 0.2
        same = type(optimizer)(lr=0.1)
        assert optimizer == same and hash(optimizer) == hash(same)


def test_the_readme_loop_gives_the_same_in_functional_and_reference():
    """The loop of the README's first example, in both modules."""
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = X.max(axis=1)
    ends = []
    for F in (functional, reference):
        W, b, losses = np.zeros((2, 1)), np.zeros(1), []
        for _ in range(300):
            Y = F.linear(X, W, b, activation="sigmoid")
            dY = np.empty_like(Y)
            losses.append(F.binary_cross_entropy(Y, y, grad=dY))
            dX, dW, db = F.linear_backward(dY, X, W, b, Y, activation="sigmoid", need_dX=False)
            F.sgd_step_(W, dW, lr=1.0)
            F.sgd_step_(b, db, lr=1.0)
        assert dX is None and losses[-1] < 0.1 < losses[0]
        ends.append(np.array([*W[:, 0], *b, losses[-1]]))
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-12)


def functions_of(module):
    """The public functions of a module, or of the files of a package."""
    return {
        n: f
        for n, f in vars(module).items()
        if inspect.isfunction(f) and f.__module__.startswith(module.__name__) and n[0] != "_"
    }


def test_functional_and_reference_have_the_same_functions():
    ours, theirs = functions_of(functional), functions_of(reference)
    of_networks = """forward loss_and_grad fit dropout_mask table_linear table_linear_backward
        shard_batches jacobian hessian jvp vjp hvp jacobian_loss_and_grad custom_loss_and_grad"""
    assert ours.keys() == {*functional.__all__}
    assert theirs.keys() == {*ours, *of_networks.split()}
    for name, function in ours.items():  # the reference has one thread
        assert str(signature(function)).replace(THREADS, "") == str(signature(theirs[name]))


def test_every_activation_of_the_kernels_has_a_name_and_a_reference():
    assert activations.ACTIVATIONS == {kind.name.lower(): kind for kind in kernels.Activation}
    assert set(activations.HIDDEN) == set(activations.ACTIVATIONS) - {"softmax"}
    Z = np.linspace(-1, 1, 12).reshape(4, 3)
    for name in activations.ACTIVATIONS:
        ours, expected = (each.activation(Z, name) for each in (functional, reference))
        np.testing.assert_allclose(ours, expected, rtol=1e-14)
        assert re.search(rf"^{name} ", activations.__doc__, re.M)
        assert re.search(rf"^ +{name} ", reference.activation.__doc__, re.M)
    with pytest.raises(ValueError, match="activation must be one of") as error:
        reference.activation(Z, "unknown")
    assert set(activations.ACTIVATIONS) < set(re.findall(r"\w+", str(error.value)))


def test_every_loss_of_the_kernels_has_a_name_and_a_reference():
    X, W, used = np.ones((4, 2)), np.ones((2, 2)), {losses.CustomLoss.kernel}
    for name, cls in losses.LOSSES.items():
        y = X[:, :1] / 2 if name == "gaussian_nll" else X / 2
        output = cls.output or "identity"
        assert losses.resolve_loss(name, output) == cls()
        assert re.search(rf"^{name} ", losses.__doc__, re.M)
        assert reference.loss_and_grad(X, y, [W], [None], [output], name)[0] > 0
        used.add(cls().prepare(y, 4, 2, np.dtype(float))[1]["loss"])
    cross_entropy = losses.resolve_loss("cross_entropy", "softmax")
    used.add(cross_entropy.prepare([0, 1], 2, 2, np.dtype(float))[1]["loss"])
    from_probabilities = {kernels.Loss.BINARY_CROSS_ENTROPY}  # functional alone: networks go from z
    assert repr(losses.Huber(2.0)) == "Huber(delta=2.0)"
    assert used | from_probabilities | {kernels.Loss.GIVEN_GRADIENT} == set(kernels.Loss)


# ---- documentation ----


@pytest.mark.parametrize("module", [fastnn, *MODULES], ids=lambda m: m.__name__)
def test_every_module_has_a_docstring(module):
    is_capsule = module.__name__.startswith("fastnn._")  # such as _avx2_float32
    assert is_capsule or len(module.__doc__.splitlines()[0]) >= 10


PUBLIC = """
    MLP MLP.fit MLP.loss MLP.loss_and_grad MLP.partial_fit MLP.backward MLP.forward MLP.summary
    MLP.save MLP.to_torch MLP.copy load show_config EarlyStopping Checkpoint callbacks.Callback
    fit_many forward_many population save_many load_many
    MLPClassifier.save MLPClassifier.to_sklearn from_sklearn
    TabularClassifier TabularRegressor TabularClassifier.save TabularRegressor.predict_interval
    MLPRegressor.predict_derivatives TabularRegressor.predict_derivatives
    export.c export.casadi export.onnx optimizers.Optimizer"""
PUBLIC = [
    *operator.attrgetter(*PUBLIC.split())(fastnn),
    *optimizers.OPTIMIZERS.values(),
    *losses.LOSSES.values(),
    *schedules.SCHEDULES.values(),
    *initializers.INITIALIZERS.values(),
    *functions_of(functional).values(),
]


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: thing.__qualname__)
def test_every_public_object_has_an_example(thing):
    assert ">>> " in inspect.getdoc(thing) and re.search(r"Examples\n-+\n", inspect.getdoc(thing))


@pytest.mark.parametrize("thing", [*PUBLIC, fastnn.History], ids=lambda thing: thing.__qualname__)
def test_every_parameter_is_in_the_documentation(thing):
    text = inspect.getdoc(thing)
    names = [name for name in inspect.signature(thing).parameters if name != "self"]
    if not re.search(r"(?i)as\s+in\s+`|the\s+same", text):  # refers to another function
        assert [n for n in names if not re.search(rf"\b{n}\b", text)] == []


@pytest.mark.parametrize("module", PYTHON, ids=lambda m: m.__name__)
def test_examples_run(module):
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS, extraglobs={})
    assert result.failed == 0


# ---- the stub of the compiled module ----

STUB = {}  # name -> node; class.method -> node
for node in ast.parse((Path(fastnn.__file__).parent / "kernels.pyi").read_text()).body:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        STUB[node.name] = node
        methods = (each for each in node.body if isinstance(each, ast.FunctionDef))
        STUB |= {f"{node.name}.{each.name}": each for each in methods}
    elif isinstance(node, ast.AnnAssign):
        STUB[node.target.id] = node
    elif isinstance(node, ast.ImportFrom):
        STUB |= {alias.asname: node for alias in node.names if alias.asname == alias.name}


def test_the_stub_has_the_names_of_the_compiled_module():
    hidden = {"atexit", "importlib", "numpy", "os"}
    names = {name for name in STUB if "." not in name and name[0] != "_"}
    assert {name for name in vars(kernels) if name[0] != "_"} - hidden == names
    for name in ("CompiledNetwork", "Trainer", "Array", "ZeroedBuffer"):
        members = vars(getattr(kernels, name)).items()
        found = {n for n, m in members if type(m).__name__ == "cython_function_or_method"}
        of_stub = (each.partition(f"{name}.")[2] for each in STUB if each.startswith(f"{name}."))
        assert found == {each for each in of_stub if not each.endswith("__")}


def stub_parameters(node):
    """(name, has a default, keyword only) of each."""
    a = node.args
    first = len(a.args) - len(a.defaults)
    positional = [(arg.arg, i >= first, False) for i, arg in enumerate(a.args)]
    rest = [(a.vararg.arg, False, False)] if a.vararg else []
    keywords = [(arg.arg, d is not None, True) for arg, d in zip(a.kwonlyargs, a.kw_defaults)]
    return [each for each in positional if each[0] not in ("self", "cls")] + rest + keywords


NODES = {name: node for name, node in STUB.items() if isinstance(node, ast.FunctionDef)}
FUNCTIONS = [name for name in NODES if not name.endswith("__")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_stub_has_the_parameters_of_the_compiled_functions(name):
    found = inspect.signature(operator.attrgetter(name)(kernels)).parameters
    runtime = [(p.name, p.default is not p.empty, p.kind is p.KEYWORD_ONLY) for p in found.values()]
    assert stub_parameters(STUB[name]) == [each for each in runtime if each[0] != "self"]


def test_the_stub_has_the_parameters_of_the_constructors():
    """Cython has no signatures for them, so call them with the names in the stub, and with no
    others."""
    net, x, X = fastnn.MLP([2, 1], rng=0), np.ones(6, "float32"), np.ones((3, 2), "float32")
    settings, rng = fastnn.SGD().to_kernel(), np.random.PCG64(0)
    trainer = dict(network=net, X=X, targets=X[:, :1].copy(), loss=1)
    calls = {
        "Array.__new__": dict(obj=x, itemsize=4, n=6, writable=True, integers=False),
        "ZeroedBuffer.__new__": dict(n_bytes=64),
        "Trainer.__init__": trainer
        | dict(batch_size=3, optimizer=settings, sample_weight=x[:3], order=np.arange(3))
        | dict(rows=np.arange(3), generator=rng, dX=X.copy(), loss_numbers=x[:1], smoothing=0.1)
        | dict(dropout=np.array([0.5]), seed=3, custom_loss=None, custom_outputs=None)
        | dict(custom_gradient=None, n_threads=1, validation=None, loss_scale=0.5)
        | dict(gradient_scale=1.0, alpha=0.1, keeps_best=True, workspace=kernels.Workspace())
        | dict(shards=None, jacobian=None, jacobian_inputs=None, jacobian_weight=1.0)
        | dict(value_weight=1.0, custom_tangents=None, custom_tangent_gradient=None),
        "ShardedRows.__init__": dict(lengths=np.array([2, 1]), first=0, n=2, batch_size=2)
        | dict(shuffles=True, seed=3, reduce=None, sums=x, totals=np.ones(2)),
    }
    for name, arguments in calls.items():
        make, parameters = getattr(kernels, name.split(".")[0]), stub_parameters(STUB[name])
        assert [parameter for parameter, *_ in parameters] == list(arguments)
        make(**arguments)
        make(**{p: arguments[p] for p, has_default, _ in parameters if not has_default})
        for parameter, has_default, _ in parameters:
            if not has_default:
                with pytest.raises(TypeError):
                    make(**{p: a for p, a in arguments.items() if p != parameter})
        with pytest.raises(TypeError):
            make(**arguments, more=1)
    with pytest.raises(TypeError, match="3 positional"):
        kernels.Trainer(*trainer.values(), batch_size=3)


ENUMS = "Activation", "Loss", "Rule", "Schedule", "VectorFunction", "Stop"


@pytest.mark.parametrize("name", ENUMS)
def test_the_stub_has_the_numbers_of_the_enums(name):
    stub = {n.targets[0].id: n.value.value for n in STUB[name].body if isinstance(n, ast.Assign)}
    enum = getattr(kernels, name)
    assert issubclass(enum, IntEnum) and STUB[name].bases[0].id == "IntEnum"
    assert {member.name: int(member) for member in enum} == stub


def test_the_stub_has_the_types_of_the_constants():
    for name, kind in dict(BUILT=list, SUPPORTED=list, CHOSEN=str, COMPILER=str).items():
        assert type(getattr(kernels, name)) is kind
        assert ast.unparse(STUB[name].annotation).split("[")[0] == kind.__name__
    assert {kernels.CHOSEN} <= set(kernels.SUPPORTED) <= set(kernels.BUILT)
    assert kernels.Trainer.position.__doc__ and isinstance(fastnn.SGD().to_kernel(), dict)
    numbers, rate = (
        {n.target.id for n in STUB[name].body if isinstance(n, ast.AnnAssign)}
        for name in ("_OptimizerSettings", "_RateSettings")
    )
    for settings in (cls().to_kernel() for cls in cases.STEPS.values()):
        assert set(settings) == numbers and set(settings["rate"]) == rate


def test_calling_a_network_has_the_parameters_of_the_stub():
    net = fastnn.MLP([2, 1], rng=0)
    names = [name for name, *_ in stub_parameters(STUB["CompiledNetwork.__call__"])]
    X = np.ones((3, 2), "float32")
    assert names == ["X", "out", "n_threads", "keep"]
    out = np.empty((3, 1), "float32")
    assert net(**dict(zip(names, [X, out, 1, True]))) is out
