"""Import layers (docs/architecture.md), checked in the source of every file of the package."""

import ast
import pathlib
import subprocess
import sys
import tomllib

import pytest

import fastnn

PACKAGE = pathlib.Path(fastnn.__file__).parent

# A file imports only names from the lines above its own. A missing name is a test failure: add it
# to its layer.
LAYERS = [
    {"kernels", "reference", "datasets"},
    {"caching", "config", "hints", "messages", "notebook", "typing", "validation"},
    {"errors"},
    {"sparse_rows"},
    {"options", "input_table"},
    {"activations", "losses", "schedules", "initializers"},
    {"optimizers"},
    {"functional", "threads", "executors", "summary"},
    {"network", "training.draws"},
    {"training.state", "training.stopping", "training.progress", "training.data"},
    {"training.groups", "training.slices"},
    {"training.stream"},
    {"callbacks"},
    {"training.options"},
    {"training.engines"},
    {"training.session", "training.seeds"},
    {"training.plan", "training.many", "training.stream_pool"},
    {"training.arguments"},
    {"files"},
    {"tables"},
    {"tabular.columns"},
    {"training.sources"},
    {"differentiable"},
    {"mlp"},
    {"loading"},
    {"many"},
    {"collections"},
    {"estimators"},
    {"exchange", "model_selection", "plotting", "tabular"},
    {"export"},
    {"__init__"},  # the public names: only the command line may import them from here
    {"cli"},
    {"__main__"},
    {"_pyinstaller"},
]
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}
# Exceptions, each inside a function, so that it costs nothing until it is called.
LATE = {
    ("__init__", "reference"),  # fastnn.reference
    ("__init__", "estimators"),  # fastnn.MLPClassifier
    ("__init__", "model_selection"),  # fastnn.cross_validate
    ("__init__", "tabular"),  # fastnn.TabularClassifier
    ("__init__", "export"),  # fastnn.export
    ("__init__", "exchange"),  # fastnn.from_torch
    ("mlp", "exchange"),  # MLP.to_torch
    ("estimators", "exchange"),  # MLPClassifier.to_sklearn
    ("loading", "estimators"),  # fastnn.load, for a file of an estimator
    ("loading", "tabular"),
    ("cli", "reference"),  # the race of demo, and bench
}
# What `fastnn.__getattr__` imports, the only module with a computed name.
IMPORTED_BY_GETATTR = "f'.{_MODULE_OF.get(name, name)}'"
LAZY = [f".{module}" for module in {*fastnn._MODULE_OF.values(), *fastnn._PACKAGES}]
AT_IMPORT = {"numpy"}  # besides fastnn and the standard library
ON_USE = {  # also allowed in these packages, which are imported when they are used
    "sklearn": {"estimators", "exchange", "model_selection", "tabular"},
    "scipy": {"estimators", "model_selection", "tabular"},
    "torch": {"exchange"},
    "PyInstaller": {"_pyinstaller"},
}
IN_FUNCTIONS = {  # the optional extras: who may use them, inside functions alone
    "pyarrow": {"tables"},
    "pandas": {"tabular.columns"},  # of a DataFrame that was passed
    "openpyxl": {"tables"},
    "rich": {"cli"},
    "matplotlib": {"plotting", "cli"},
    "scipy": {"training.engines"},
    "sklearn": {"cli", "export", "plotting", "tabular.columns"},
    "onnx": {"export"},
    "torch": {"cli"},
}


def place(*parts):
    """The name in LAYERS of a module: that of its package, or its own where the package has an
    order of its own."""
    return next((name for n in (3, 2, 1) if (name := ".".join(parts[:n])) in HEIGHT), parts[0])


def modules():
    """(name in LAYERS, path) of every Python file of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("training", "__init__"):  # a docstring
            yield place(*parts), path


def imports(tree, package=()):
    """(module, late): the parts of its name, and whether the import is in a function. package:
    that of the file, without fastnn."""

    def walk(node, late):
        children = ast.iter_child_nodes(node)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            children = node.body if isinstance(node.test, ast.UnaryOp) else node.orelse
        for child in children:  # but those that only type checkers read
            yield from walk(
                child,
                late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda),
            )
            if isinstance(child, ast.Import):
                names = [tuple(alias.name.split(".")) for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                origin = tuple(child.module.split(".")) if child.module else ()
                if child.level:
                    origin = ("fastnn", *package[: len(package) + 1 - child.level], *origin)
                folder = origin[0] == "fastnn" and (PACKAGE / "/".join(origin[1:])).is_dir()
                names = [(*origin, alias.name) for alias in child.names] if folder else [origin]
            elif isinstance(child, ast.Call) and ast.unparse(child.func) in (
                "importlib.import_module",
                "import_module",
                "__import__",
            ):
                name = child.args[0]
                if isinstance(name, ast.Constant):
                    modules = [name.value]
                else:
                    modules = LAZY if ast.unparse(name) == IMPORTED_BY_GETATTR else ["?"]
                names = [
                    ("fastnn", *each[1:].split(".")) if each.startswith(".") else (each,)
                    for each in modules
                ]
            else:
                continue
            for name in names:
                yield name, late

    yield from walk(tree, False)


def faults(importer, text, package=None):
    """What is wrong with the imports of this text, if it were the module `importer`, of the package
    of these parts."""
    if package is None:
        package = (
            tuple(importer.split("."))
            if (PACKAGE / importer).is_dir()
            else tuple(importer.split("."))[:-1]
        )
    for parts, late in imports(ast.parse(text), package):
        name = ".".join(parts)
        if parts[0] == "fastnn":
            imported = place(*parts[1:]) if len(parts) > 1 else "__init__"
            if imported not in HEIGHT:
                imported = "__init__"  # a public name: from . import MLP
            if imported == importer or (late and (importer, imported) in LATE):
                continue
            if imported == "reference":
                yield f"{importer} imports reference, which is for tests, benches and the demo"
            elif importer in ("reference", "datasets"):
                yield f"{importer} imports {name}, but must import nothing"
            elif HEIGHT[imported] >= HEIGHT[importer]:
                yield f"{importer} imports {name}, which is not below it"
        elif importer in ON_USE.get(parts[0], ()):
            continue
        elif parts[0] not in sys.stdlib_module_names | AT_IMPORT and not (
            late and importer in IN_FUNCTIONS.get(parts[0], ())
        ):
            yield f"{importer} imports {name}{'' if late else ' when it is imported'}"


@pytest.mark.parametrize(
    ("importer", "path"), list(modules()), ids=lambda x: x if isinstance(x, str) else x.name
)
def test_modules_import_only_lower_layers(importer, path):
    assert importer in HEIGHT, (
        f"{importer} is in no layer: add it to LAYERS and to docs/architecture.md"
    )
    package = path.relative_to(PACKAGE).parent.parts
    assert list(faults(importer, path.read_text(encoding="utf-8"), package)) == []


def test_no_command_imports_another():
    commands = {"bench", "demo", "export", "info", "predict", "train"}
    for path in (PACKAGE / "cli").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = {
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.level == 1
        }
        assert path.stem == "__init__" or not own & commands, path.name


def test_the_architecture_page_names_every_module():
    page = PACKAGE.parent / "docs" / "architecture.md"
    if not page.exists():
        pytest.skip("installed from a wheel: the docs are not here")
    text = page.read_text(encoding="utf-8")
    names = {name.rpartition(".")[2] for name, _ in modules()} - {"__init__"}
    assert [name for name in names if f"{name}.py" not in text and f"{name}/" not in text] == []


@pytest.mark.parametrize(
    ("importer", "text"),
    [
        ("losses", "from ..training.session import Session"),
        ("losses", "from .. import MLP"),
        ("training.data", "def f():\n    from .. import mlp"),
        ("network", "from .training.state import History"),
        ("files", "def f():\n    from ..mlp import MLP"),
        ("training.data", "from .session import Session"),
        ("network", "from .files import model"),
        ("functional", "from .. import reference"),
        ("training.session", "def f():\n    from fastnn.reference import linear"),
        (
            "training.session",
            "import importlib\ndef f():\n    importlib.import_module('.reference', __name__)",
        ),
        ("training.session", "import importlib\nimportlib.import_module(f'.{name}', __name__)"),
        ("reference", "from ..validation import check_array"),
        ("reference", "import fastnn.kernels"),
        ("training.session", "import scipy.special"),
        ("training.session", "def f():\n    import scipy"),
        ("plotting", "import matplotlib.pyplot"),
        ("tables", "from ..cli import main"),
        ("cli", "from .. import reference"),
        ("cli", "import rich"),
        ("plotting", "def f():\n    import rich"),
        ("tabular", "import pyarrow"),
        ("tabular", "import pandas"),
        ("tabular.columns", "from fastnn.tabular.encoder import Encoder"),
        ("estimators", "from ..tabular.fitting import fit"),
    ],
)
def test_the_rule_detects_a_violation(importer, text):
    assert len(list(faults(importer, text))) == 1


def test_the_reference_needs_numpy_alone():
    trees = [
        ast.parse(path.read_text(encoding="utf-8")) for path in (PACKAGE / "reference").glob("*.py")
    ]
    own = {("fastnn", "reference")}
    assert {
        name[:2]
        for tree in trees
        for name, _ in imports(tree, ("reference",))
        if name[0] not in sys.stdlib_module_names
    } - own == {("numpy",)}


def test_import_fastnn_loads_numpy_and_nothing_else():
    code = """
import sys
before = set(sys.modules)
import fastnn
print(*(name for name, module in sys.modules.items() if name not in before and hasattr(module, "__file__")))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) == {
        "fastnn",
        "numpy",
    }
    variants = [name for name in loaded if name.startswith("fastnn._") and "float" in name]
    assert len(variants) == 2, "one variant for each dtype"
    late = "reference cli datasets many collections training.many training.arguments executors"
    assert not loaded & {"argparse", *(f"fastnn.{name}" for name in late.split())}


def test_import_fastnn_does_not_load_the_lazy_parts_of_numpy():
    """numpy.random takes 20 ms to load; an annotation that names it loads it."""
    code = """
import numpy, sys
before = "numpy.random" in sys.modules
import fastnn
assert ("numpy.random" in sys.modules) == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_compiled_code_imports_nothing_of_the_package():
    source = PACKAGE.parent / "src"
    if not source.is_dir():
        pytest.skip("installed from a wheel: the Cython source is not here")
    lines = [
        (path.name, line.strip())
        for path in [*source.rglob("*.pyx"), *source.rglob("*.pxi")]
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.lstrip().startswith(("import ", "from ", "cimport ")) and "fastnn" in line
    ]
    assert {line.partition(" cimport")[0] for _, line in lines} <= {"from fastnn.kernels"}


@pytest.mark.skipif(
    not (PACKAGE.parent / "pyproject.toml").exists(), reason="installed from a wheel"
)
def test_every_package_is_in_the_wheel():
    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    names = {".".join(folder.relative_to(PACKAGE.parent).parts) for folder in folders}
    assert set(settings["tool"]["setuptools"]["packages"]) == names
