"""Who may import whom (docs/architecture.md): the imports of every file in the package, as they stand in its text."""

import ast
import pathlib
import subprocess
import sys

import pytest

import fastnn

PACKAGE = pathlib.Path(fastnn.__file__).parent

# A file imports only what stands in a line above its own. A name that is not here is a test failure: decide where it belongs.
LAYERS = [
    {"kernels", "reference", "datasets"},
    {"config", "settings", "validation"},
    {"activations", "losses", "schedules", "initializers", "progress"},
    {"optimizers"},
    {"functional", "state", "threads"},
    {"callbacks", "problem"},
    {"session", "lbfgs"},
    {"training"},
    {"network"},
    {"model_file", "export", "convert", "estimators", "table_files"},
    {"table_values"},
    {"tables"},
    {"plotting"},
    {"__init__"},  # the public names: nothing but the command line may ask for them here
    {"commands"},
    {"cli"},
    {"__main__"},
]
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}
# Exceptions, each inside a function, so that it costs nothing until it is called.
LATE = {
    ("network", "model_file"),  # MLP.save
    ("__init__", "reference"),  # fastnn.reference
    ("__init__", "estimators"),  # fastnn.MLPClassifier
    ("commands", "reference"),  # the race of demo, and bench
}
AT_IMPORT = {"numpy"}  # of all that is not fastnn or Python's own
OF_ESTIMATORS = {"sklearn", "scipy"}  # besides, in a package that is imported when somebody asks for it
IN_FUNCTIONS = {  # the optional extras: who may use them, inside functions alone
    "pyarrow": {"table_files"},
    "rich": {"commands"},
    "matplotlib": {"plotting"},
    "scipy": {"lbfgs"},
    "sklearn": {"convert", "commands"},
    "torch": {"convert", "commands"},
}


def modules():
    """(name in LAYERS, path) of every Python file of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield parts[0], path


def imports(tree, inside=False):
    """(module, late): "fastnn.x", "." for its own subpackage, or the top name of something else; and whether it stands in a function."""

    def walk(node, late):
        for child in ast.iter_child_nodes(node):
            yield from walk(child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))
            if isinstance(child, ast.Import):
                names = [alias.name for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                if inside and child.level == 1:
                    yield ".", late
                    continue
                origin = ("fastnn." * (child.level > 0) + (child.module or "")).rstrip(".")
                names = [f"fastnn.{alias.name}" for alias in child.names] if origin == "fastnn" else [origin]
            elif isinstance(child, ast.Call) and ast.unparse(child.func) in ("importlib.import_module", "import_module", "__import__"):
                name = child.args[0].value if isinstance(child.args[0], ast.Constant) else "?"
                names = ["fastnn" + name if name.startswith(".") else name]
            else:
                continue
            for name in names:
                top, _, rest = name.partition(".")
                yield (f"fastnn.{rest.partition('.')[0]}" if top == "fastnn" else top), late

    yield from walk(tree, False)


def faults(importer, text):
    """What is wrong with the imports of this text, if it were the module `importer` of the package."""
    for name, late in imports(ast.parse(text), inside=(PACKAGE / importer).is_dir()):
        if name == ".":
            continue
        if name.startswith("fastnn."):
            imported = name.removeprefix("fastnn.")
            if imported not in HEIGHT:
                imported = "__init__"  # a public name: from . import MLP
            if late and (importer, imported) in LATE:
                continue
            if imported == "reference":
                yield f"{importer} imports reference, which is for tests, benches and the demo"
            elif importer in ("reference", "datasets"):
                yield f"{importer} imports fastnn.{imported}, but stands alone"
            elif HEIGHT[imported] >= HEIGHT[importer]:
                yield f"{importer} imports {name}, which does not stand below it"
        elif importer == "estimators" and name in OF_ESTIMATORS:
            continue
        elif name not in sys.stdlib_module_names and name not in AT_IMPORT and not (late and importer in IN_FUNCTIONS.get(name, ())):
            yield f"{importer} imports {name}{'' if late else ' when it is imported'}"


@pytest.mark.parametrize(("importer", "path"), list(modules()), ids=lambda x: x if isinstance(x, str) else x.name)
def test_imports_only_what_stands_below(importer, path):
    assert importer in HEIGHT, f"no place in the house for {importer}: add it to LAYERS and to docs/architecture.md"
    assert list(faults(importer, path.read_text(encoding="utf-8"))) == []


def test_commands_share_what_is_meant_to_be_shared_and_nothing_else():
    shared = {"display", "scores"}
    for path in (PACKAGE / "commands").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1}  # None: from . import
        assert own <= ({None} | shared if path.stem not in shared | {"__init__"} else set()), path.name


def test_the_page_on_the_architecture_names_every_module():
    page = PACKAGE.parent / "docs" / "architecture.md"
    if not page.exists():
        pytest.skip("installed from a wheel: the docs are not here")
    text = page.read_text(encoding="utf-8")
    assert [name for name, _ in modules() if f"{name}.py" not in text and f"{name}/" not in text and name != "__init__"] == []


@pytest.mark.parametrize(
    ("importer", "text"),
    [
        ("losses", "from ..training import fit"),
        ("losses", "from .. import MLP"),
        ("training", "def f():\n    from . import network"),
        ("network", "from . import model_file"),
        ("functional", "from .. import reference"),
        ("training", "def f():\n    from fastnn.reference import linear"),
        ("training", "import importlib\ndef f():\n    importlib.import_module('.reference', __name__)"),
        ("reference", "from ..validation import check_array"),
        ("reference", "import fastnn.kernels"),
        ("training", "import scipy.special"),
        ("training", "def f():\n    import scipy"),
        ("plotting", "import matplotlib.pyplot"),
        ("commands", "from ..cli import main"),
        ("commands", "from .. import reference"),
        ("commands", "import rich"),
        ("cli", "def f():\n    import rich"),
    ],
)
def test_the_rule_finds_a_fault(importer, text):
    assert len(list(faults(importer, text))) == 1


def test_the_reference_needs_numpy_alone():
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (PACKAGE / "reference").glob("*.py")]
    assert {name for tree in trees for name, _ in imports(tree, inside=True)} - set(sys.stdlib_module_names) == {"numpy", "."}


def test_import_fastnn_loads_numpy_and_nothing_else():
    code = """
import sys
before = set(sys.modules)
import fastnn
print(*(name for name, module in sys.modules.items() if name not in before and hasattr(module, "__file__")))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) == {"fastnn", "numpy"}
    variants = [name for name in loaded if name.startswith("fastnn._") and "float" in name]
    assert len(variants) == 2, "one variant for each dtype"
    assert not loaded & {"fastnn.reference", "fastnn.cli", "fastnn.datasets", "argparse"}


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
