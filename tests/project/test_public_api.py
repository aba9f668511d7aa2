"""The public names, their signatures and documentation, and the stub of the compiled module."""

import ast
import doctest
import importlib.util
import inspect
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

import fastnn
from fastnn import (
    activations,
    functional,
    initializers,
    kernels,
    losses,
    optimizers,
    reference,
    schedules,
)

WALKED = [m.name.removeprefix("fastnn.") for m in pkgutil.walk_packages(fastnn.__path__, "fastnn.")]
VARIANT = re.compile(
    r"_\w+_float(32|64)"
)  # one for an instruction set that this CPU lacks must not be imported
NAMES = [
    name
    for name in WALKED
    if name != "__main__"
    and name.partition(".")[0] != "plotting"
    and (name != "estimators.pytorch" or importlib.util.find_spec("torch"))
    and not name.startswith(("cli.", "_pyinstaller"))  # PyInstaller imports the latter
    and not VARIANT.fullmatch(name)
]
MODULES = [importlib.import_module(f"fastnn.{name}") for name in NAMES]
PYTHON = [
    module
    for module in [fastnn, *MODULES]
    if module.__file__.endswith(".py") and module.__name__ != "fastnn.cli"
]

# ---- names and signatures ----

THREADS = ", n_threads=1"  # the last argument of an update
SIGNATURES = {
    fastnn.MLP: "(layer_sizes, activation='relu', output='identity', bias=True, dtype='float32', rng=None, dropout=0.0, "
    "init=None)",
    fastnn.MLP.forward: "(self, X, out=None, n_threads=1, keep=False)",
    fastnn.MLP.loss: "(self, X, y, loss=None, sample_weight=None)",
    fastnn.MLP.loss_and_grad: "(self, X, y, loss=None, sample_weight=None)",
    fastnn.MLP.backward: "(self, dY)",
    fastnn.MLP.fit: "(self, X, y=None, loss=None, optimizer=None, epochs=10, batch_size=32, shuffle=True, validation_data=None, "
    "sample_weight=None, callbacks=(), n_threads=1, progress=False, rng=None, resume=False, *, "
    "class_weight=None, validation_fraction=0.0, window=None, max_steps=None, "
    "comm=None, shards=None, sync_every=1)",
    fastnn.MLP.partial_fit: "(self, X, y, loss=None, optimizer=None, batch_size=32, sample_weight=None, n_threads=1, *, class_weight=None)",
    fastnn.MLP.summary: "(self, batch_size=None)",
    fastnn.MLP.save: "(self, path, state=True)",
    fastnn.MLP.to_torch: "(self)",
    fastnn.MLP.copy: "(self)",
    fastnn.MLPClassifier.save: "(self, path, state=True)",
    fastnn.MLPClassifier.to_sklearn: "(self)",
    fastnn.from_sklearn: "(estimator)",
    fastnn.load: "(path, kind=None)",
    fastnn.EncodedTable: "(numbers=None, positions=None, n_bins=None, position_scale=1.0, codes=None, n_categories=None, code_scale=1.0, "
    "dtype=<class 'numpy.float32'>)",
    fastnn.EncodedTable.to_dense: "(self)",
    fastnn.EncodedTable.astype: "(self, dtype, copy=True)",
    fastnn.export.c: "(model, path, name=None, layout=None)",
    fastnn.export.onnx: "(model, path, layout=None)",
    fastnn.show_config: "()",
    fastnn.LBFGS: "(history_size=10, tolerance_grad=1e-05, tolerance_loss=2.2e-09, l2=0.0, "
    "max_evaluations=None)",
    fastnn.EarlyStopping: "(patience=10, min_delta=0.0, restore_best=True, keep='first', monitor='loss')",
    fastnn.Checkpoint: "(path, every_epochs=None, every_seconds=None)",
    functional.linear: "(X, W, b=None, activation='identity', out=None)",
    functional.linear_backward: "(dY, X, W, b, Y, activation='identity', need_dX=True)",
    functional.activation: "(Z, name, out=None)",
    functional.activation_backward: "(dA, Z, name, out=None)",
    **{
        getattr(functional, name): signature[:-1] + THREADS * name.endswith("_step_") + ")"
        for name, signature in cases.SIGNATURES.items()
    },
}


@pytest.mark.parametrize("name", SIGNATURES, ids=lambda f: f.__qualname__)
def test_signature(name):
    assert str(signature(name)) == SIGNATURES[name]


@pytest.mark.parametrize("name", cases.STEPS)
def test_settings_of_an_optimizer(name):
    optimizer = cases.STEPS[name]
    parameters = inspect.signature(optimizer).parameters.values()
    own = [f"{p.name}={p.default}" for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    shared = [f"{p.name}={p.default}" for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert ", ".join(own) == cases.SETTINGS[optimizer.__name__]
    assert shared == ["l1=0.0", "l2=0.0", "clip_value=None", "clip_norm=None", "average=None"]


def test_every_public_name_is_one_that_was_decided():
    names = (
        "MLP LBFGS EarlyStopping Checkpoint DataError DivergenceError History ModelFileError "
        "__version__ callbacks export fit_many forward_many functional initializers kernels load "
        "load_many losses optimizers reference save_many schedules show_config EncodedTable"
    )
    assert set(fastnn.__all__) == {*names.split(), *cases.SETTINGS}
    assert all(hasattr(fastnn, name) for name in fastnn.__all__) and fastnn.reference is reference
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", fastnn.__version__)
    assert {name for name in vars(fastnn) if name[0] != "_"} <= {
        *fastnn.__all__,
        *NAMES,
        "plotting",
        "estimators",
        "model_selection",
        "tabular",
    }
    assert set(dir(fastnn)) == {
        *fastnn.__all__,
        "HalvingSearchCV",
        "MLPClassifier",
        "MLPRegressor",
        "TabularClassifier",
        "TabularRegressor",
        "cross_val_predict",
        "cross_validate",
        "from_sklearn",
        "from_torch",
        "play",
    }  # these need other libraries: not for `import *`


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


def test_attributes_of_networks_histories_and_optimizers():
    net = fastnn.MLP([2, 3, 1], rng=0)
    names = "params grads weights biases grad_weights grad_biases n_params layer_sizes activations dtype rng dropout state history metadata"
    for name in names.split():
        assert hasattr(net, name)
    history = net.fit(np.ones((4, 2)), np.ones(4), epochs=1)
    assert set(vars(history)) == {
        "loss",
        "val_loss",
        "n_epochs",
        "n_steps",
        "seconds",
        "stop_reason",
        "val_error_rate",
    }
    assert set(vars(net.state)) == {
        *"optimizer moments step epoch row loss_sum order params seed".split(),
        *"split_seed split_rows split_held_out plateau best split_method shards shuffle_seed".split(),
    }
    assert net.state.lr == 0.001
    for optimizer in (cls(0.1) for cls in cases.STEPS.values()):
        with pytest.raises(AttributeError):
            optimizer.lr = 0.2
        assert optimizer == type(optimizer)(lr=0.1) and hash(optimizer) == hash(
            type(optimizer)(lr=0.1)
        )


def test_the_readme_loop_gives_the_same_in_functional_and_reference():
    """The loop of the README's first example, in both modules."""
    X, y = (
        np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]),
        np.array([0.0, 1.0, 1.0, 1.0]),
    )
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
    assert (
        set(ours)
        == set(functional.__all__)
        == set(theirs)
        - {"forward", "loss_and_grad", "fit", "dropout_mask"}
        - {"table_linear", "table_linear_backward", "shard_batches"}
    )  # its networks
    for name, function in ours.items():  # the reference has one thread
        assert str(signature(function)).replace(THREADS, "") == str(signature(theirs[name]))


def test_every_activation_of_the_kernels_has_a_name_and_a_reference():
    assert {kind: name for name, kind in activations.ACTIVATIONS.items()} == {
        kind: kind.name.lower() for kind in kernels.Activation
    }
    assert set(activations.HIDDEN) == set(activations.ACTIVATIONS) - {"softmax"}
    Z = np.linspace(-1, 1, 12).reshape(4, 3)
    for name in activations.ACTIVATIONS:
        np.testing.assert_allclose(
            functional.activation(Z, name), reference.activation(Z, name), rtol=1e-14
        )
        assert re.search(rf"^{name} ", activations.__doc__, re.M) and re.search(
            rf"^ +{name} ", reference.activation.__doc__, re.M
        )
    with pytest.raises(ValueError, match="activation must be one of") as error:
        reference.activation(Z, "unknown")
    assert set(activations.ACTIVATIONS) < set(re.findall(r"\w+", str(error.value)))


def test_every_loss_of_the_kernels_has_a_name_and_a_reference():
    X, W, used = np.ones((4, 2)), np.ones((2, 2)), set()
    for name, cls in losses.LOSSES.items():
        y = X[:, :1] / 2 if name == "gaussian_nll" else X / 2
        output = cls.output or "identity"
        assert losses.resolve_loss(name, output) == cls() and re.search(
            rf"^{name} ", losses.__doc__, re.M
        )
        assert reference.loss_and_grad(X, y, [W], [None], [output], name)[0] > 0
        used.add(cls().prepare(y, 4, 2, np.dtype(float))[1]["loss"])
    used |= {
        losses.resolve_loss("cross_entropy", "softmax").prepare([0, 1], 2, 2, np.dtype(float))[1][
            "loss"
        ],
        losses.CustomLoss.kernel,
    }
    from_probabilities = {kernels.Loss.BINARY_CROSS_ENTROPY}  # functional alone: networks go from z
    assert used | from_probabilities | {kernels.Loss.GIVEN_GRADIENT} == set(kernels.Loss)


# ---- documentation ----


@pytest.mark.parametrize("module", [fastnn, *MODULES], ids=lambda m: m.__name__)
def test_every_module_has_a_docstring(module):
    assert (
        module.__name__.startswith("fastnn._") or len(module.__doc__.splitlines()[0]) >= 10
    )  # _avx2_float32 holds one capsule


PUBLIC = [
    fastnn.MLP,
    fastnn.load,
    fastnn.show_config,
    fastnn.MLP.fit,
    fastnn.MLP.loss,
    fastnn.MLP.loss_and_grad,
    fastnn.MLP.partial_fit,
    fastnn.MLP.backward,
    fastnn.MLP.forward,
    fastnn.MLP.summary,
    fastnn.MLP.save,
    fastnn.MLP.to_torch,
    fastnn.MLP.copy,
    fastnn.EarlyStopping,
    fastnn.Checkpoint,
    fastnn.fit_many,
    fastnn.forward_many,
    fastnn.save_many,
    fastnn.load_many,
    fastnn.MLPClassifier.save,
    fastnn.MLPClassifier.to_sklearn,
    fastnn.from_sklearn,
    fastnn.callbacks.Callback,
    fastnn.TabularClassifier,
    fastnn.TabularRegressor,
    fastnn.TabularClassifier.save,
    fastnn.TabularRegressor.predict_interval,
    fastnn.export.c,
    fastnn.export.onnx,
    optimizers.Optimizer,
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
        STUB.update(
            {
                f"{node.name}.{n.name}": n
                for n in getattr(node, "body", [])
                if isinstance(n, ast.FunctionDef)
            }
        )
    elif isinstance(node, ast.AnnAssign):
        STUB[node.target.id] = node
    elif isinstance(node, ast.ImportFrom):
        STUB.update({alias.asname: node for alias in node.names if alias.asname == alias.name})


def test_the_stub_has_the_names_of_the_compiled_module():
    hidden = {"importlib", "numpy", "os"}
    assert {n for n in vars(kernels) if n[0] != "_"} - hidden == {
        name for name in STUB if "." not in name and name[0] != "_"
    }
    for name in ("CompiledNetwork", "Trainer", "Array", "ZeroedBuffer"):
        methods = {
            n
            for n, m in vars(getattr(kernels, name)).items()
            if type(m).__name__ == "cython_function_or_method"
        }
        assert methods == {
            n.split(".")[1] for n in STUB if n.startswith(f"{name}.") and not n.endswith("__")
        }


def stub_parameters(node):
    """(name, has a default, keyword only) of each."""
    a = node.args
    rest = [(a.vararg.arg, False, False)] if a.vararg else []
    positional = [
        (arg.arg, i >= len(a.args) - len(a.defaults), False)
        for i, arg in enumerate(a.args)
        if arg.arg not in ("self", "cls")
    ]
    return (
        positional
        + rest
        + [(arg.arg, d is not None, True) for arg, d in zip(a.kwonlyargs, a.kw_defaults)]
    )


FUNCTIONS = [
    name
    for name, node in STUB.items()
    if isinstance(node, ast.FunctionDef) and not name.endswith("__")
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_stub_has_the_parameters_of_the_compiled_functions(name):
    owner = getattr(kernels, name.split(".")[0]) if "." in name else kernels
    parameters = inspect.signature(getattr(owner, name.split(".")[-1])).parameters.values()
    runtime = [
        (p.name, p.default is not p.empty, p.kind is p.KEYWORD_ONLY)
        for p in parameters
        if p.name != "self"
    ]
    assert stub_parameters(STUB[name]) == runtime


def test_the_stub_has_the_parameters_of_the_constructors():
    """Cython has no signatures for them, so call them with the names in the stub, and with no
    others."""
    net, x, X = fastnn.MLP([2, 1], rng=0), np.ones(6, "float32"), np.ones((3, 2), "float32")
    settings, rng = fastnn.SGD().to_kernel(), np.random.PCG64(0)
    calls = {
        "Array.__new__": dict(obj=x, itemsize=4, n=6, writable=True, integers=False),
        "ZeroedBuffer.__new__": dict(n_bytes=64),
        "Trainer.__init__": dict(
            network=net,
            X=X,
            targets=X[:, :1].copy(),
            loss=1,
            batch_size=3,
            optimizer=settings,
            sample_weight=x[:3],
            order=np.arange(3),
            rows=np.arange(3),
            generator=rng,
            dX=X.copy(),
            loss_numbers=x[:1],
            smoothing=0.1,
            dropout=np.array([0.5]),
            seed=3,
            custom_loss=None,
            custom_outputs=None,
            custom_gradient=None,
            n_threads=1,
            validation=None,
            loss_scale=0.5,
            gradient_scale=1.0,
            alpha=0.1,
            keeps_best=True,
            workspace=kernels.Workspace(),
            shards=None,
        ),
        "ShardedRows.__init__": dict(
            lengths=np.array([2, 1]),
            first=0,
            n=2,
            batch_size=2,
            shuffles=True,
            seed=3,
            reduce=None,
            sums=x,
            totals=np.ones(2),
        ),
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
    positional = [
        a for p, a in calls["Trainer.__init__"].items() if p in ("network", "X", "targets", "loss")
    ]
    with pytest.raises(TypeError, match="3 positional"):
        kernels.Trainer(*positional, batch_size=3)


@pytest.mark.parametrize(
    "name", ["Activation", "Loss", "Rule", "Schedule", "VectorFunction", "Stop"]
)
def test_the_stub_has_the_numbers_of_the_enums(name):
    stub = {n.targets[0].id: n.value.value for n in STUB[name].body if isinstance(n, ast.Assign)}
    enum = getattr(kernels, name)
    assert issubclass(enum, IntEnum) and STUB[name].bases[0].id == "IntEnum"
    assert {member.name: int(member) for member in enum} == stub


def test_the_stub_has_the_types_of_the_constants():
    for name, kind in dict(BUILT=list, SUPPORTED=list, CHOSEN=str, COMPILER=str).items():
        assert (
            type(getattr(kernels, name)) is kind
            and ast.unparse(STUB[name].annotation).split("[")[0] == kind.__name__
        )
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
    X, names = (
        np.ones((3, 2), "float32"),
        [name for name, *_ in stub_parameters(STUB["CompiledNetwork.__call__"])],
    )
    assert names == ["X", "out", "n_threads", "keep"]
    out = np.empty((3, 1), "float32")
    assert net(**dict(zip(names, [X, out, 1, True]))) is out
