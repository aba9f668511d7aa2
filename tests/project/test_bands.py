"""The bands of docs/architecture.md: imports go downwards, checked in the source of every file."""

import ast
import functools
import graphlib
import importlib
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

import fastnn
from fastnn import cli
from fastnn.tables import formats

PACKAGE = pathlib.Path(fastnn.__file__).parent

# The bands of docs/architecture.md, upwards. A module or package imports from its own band and from
# lower ones. A missing name is a test failure: add it to its band.
BANDS = {
    "networks": """kernels core state typing activations initializers losses optimizers schedules
        functional encoded_table network config reference""",
    "bytes": "files tables datasets",
    "training": "training callbacks distributed derivatives mlp many populations",
    "estimators": "estimators model_selection tabular",
    # __init__ has the public names: only programs may import them from there
    "programs": "cli export plotting serving playground web __init__ __main__ _pyinstaller",
}
HEIGHT = {name: height for height, names in enumerate(BANDS.values()) for name in names.split()}
# Exceptions for convenience, inside a method, so that they cost nothing until it is called.
UPWARDS = {
    ("mlp", "estimators.pytorch"): "MLP.to_torch",
    ("estimators.base", "estimators.scikit_learn"): "MLPClassifier.to_sklearn",
}
# Packages of one band: each imports nothing of those after it, also in functions.
BELOW = {
    "core": tuple({*HEIGHT} - {"core", "kernels", "typing"}),
    "tabular.columns": ("tabular.explaining", "tabular.large", "tabular.fitting"),
    "tabular.explaining": ("tabular.large", "tabular.fitting"),
    "tabular.large": ("tabular.fitting",),
    "web": ("cli", "playground", "serving"),
    "serving": ("cli", "playground"),
    "playground": ("cli", "serving"),
}
# The computed names of `import_module`: what `fastnn.__getattr__` imports, commands, and the modules
# of estimators, which files.kinds names as texts: they are imported when a file of theirs is read.
COMPUTED = {
    "f'.{_MODULE_OF.get(name, name)}'": [
        f".{module}" for module in {*fastnn._MODULE_OF.values(), *fastnn._PACKAGES}
    ],
    "f'{self._package}.{self._modules[name]}'": [],  # core.lazy, of a class in its own package
    "f'.{command}'": [f".cli.{command}" for command in cli.COMMANDS],
    "f'{__package__}.{module}'": [],  # tables.formats, of a reader or writer in its own package
    "self.package": sorted({each.package for each in formats.FORMATS} - {""}),
    "kind.module": [],
    "module": [],
}
AT_IMPORT = {"numpy"}  # besides fastnn and the standard library
ON_USE = {  # also allowed in these packages, which are imported when they are used
    "sklearn": {"estimators", "model_selection", "tabular"},
    "scipy": {"estimators", "model_selection", "tabular"},
    "torch": {"estimators.pytorch"},
    "PyInstaller": {"_pyinstaller"},
    "jinja2": {"web"},
    "markupsafe": {"cli.html_report", "web"},
    "starlette": {"playground.server", "serving", "web"},
    "uvicorn": {"web"},
}
#: The optional extras: who may use them, inside functions alone.
IN_FUNCTIONS = {
    "pyarrow": "playground tables",
    "pandas": "tabular.drift tabular.columns tabular.explaining",  # a DataFrame passed, or as one
    "shap": "tabular.explaining",
    "catboost lightgbm threadpoolctl": "tabular.baselines",
    "openpyxl xlrd duckdb fsspec charset_normalizer": "tables",
    "rich shtab": "cli",
    "matplotlib": "plotting cli",
    "scipy": "training.engines",
    "sklearn": "cli export plotting tabular.columns",
    "onnx": "export",
    "torch": "cli distributed",
    "mpi4py cloudpickle joblib dask distributed": "distributed",
    "anywidget traitlets": "playground",
}
IN_FUNCTIONS = {name: set(users.split()) for k, users in IN_FUNCTIONS.items() for name in k.split()}


IMPORTERS = "import_module", "__import__"
FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda
#: {parts of its name: path} of every Python file of the package.
PATHS = sorted(PACKAGE.rglob("*.py"))
MODULES = {path.relative_to(PACKAGE).with_suffix("").parts: path for path in PATHS}


@functools.cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def last_name(node):
    """The name that an expression ends with, such as b of a.b, or None."""
    return getattr(node, "attr", getattr(node, "id", None))


def imports(tree, package=()):
    """(module, late): the parts of its name, and whether the import is in a function. package:
    that of the file, without fastnn."""

    def walk(node, late):
        children = ast.iter_child_nodes(node)
        if isinstance(node, ast.If):
            is_not = isinstance(node.test, ast.UnaryOp)
            if last_name(node.test.operand if is_not else node.test) == "TYPE_CHECKING":
                children = node.body if is_not else node.orelse
        for child in children:  # but those that only type checkers read
            yield from walk(child, late or isinstance(child, FUNCTIONS))
            if isinstance(child, ast.Import):
                names = [tuple(alias.name.split(".")) for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                origin = tuple(child.module.split(".")) if child.module else ()
                if child.level:
                    origin = ("fastnn", *package[: len(package) + 1 - child.level], *origin)
                folder = origin[0] == "fastnn" and (PACKAGE / "/".join(origin[1:])).is_dir()
                names = [(*origin, alias.name) for alias in child.names] if folder else [origin]
            elif isinstance(child, ast.Call) and last_name(child.func) in IMPORTERS:
                name = child.args[0]
                is_text = isinstance(name, ast.Constant)
                modules = [name.value] if is_text else COMPUTED.get(ast.unparse(name), ["?"])
                names = [tuple(re.sub(r"^\.", "fastnn.", each).split(".")) for each in modules]
            else:
                continue
            yield from ((name, late) for name in names)

    yield from walk(tree, False)


def allowed(packages, importer):
    """Whether a dict of packages by name has this module."""
    return any(importer == name or importer.startswith(f"{name}.") for name in packages)


def faults(importer, text):
    """What is wrong with the imports of this text, if it were the module `importer`."""
    parts = tuple(importer.split("."))
    package = parts if (PACKAGE / "/".join(parts)).is_dir() else parts[:-1]
    for target, late in imports(ast.parse(text), package):
        name = ".".join(target)
        if target[0] == "fastnn":
            imported = target[1] if target[1:] and target[1] in HEIGHT else "__init__"
            above = [p for lower in BELOW if allowed([lower], importer) for p in BELOW[lower]]
            if allowed(above, ".".join(target[1:])):
                yield f"{importer} imports {name}, which is above it"
            if imported == parts[0] or (late and (importer, ".".join(target[1:3])) in UPWARDS):
                continue
            if imported == "reference" and not (late and parts[0] in ("cli", "__init__")):
                yield f"{importer} imports reference, which is for tests, benches and the demo"
            elif parts[0] in ("reference", "datasets"):
                yield f"{importer} imports {name}, but must import nothing"
            elif HEIGHT[imported] > HEIGHT[parts[0]]:
                yield f"{importer} imports {name}, which is in a higher band"
        elif allowed(ON_USE.get(target[0], ()), importer):
            continue
        elif target[0] not in sys.stdlib_module_names | AT_IMPORT and not (
            late and allowed(IN_FUNCTIONS.get(target[0], ()), importer)
        ):
            yield f"{importer} imports {name}{'' if late else ' when it is imported'}"


@pytest.mark.parametrize("module", MODULES, ids=".".join)
def test_modules_import_only_lower_bands(module):
    advice = "add it to BANDS and to docs/architecture.md"
    assert module[0] in HEIGHT, f"{module[0]} is in no band: {advice}"
    name = ".".join(module).removesuffix(".__init__")
    assert list(faults(name, MODULES[module].read_text(encoding="utf-8"))) == []


def module_of(parts):
    """The module that an import of these parts reads, without fastnn. None: a compiled one."""
    for n in range(len(parts), -1, -1):
        for module in (parts[:n], (*parts[:n], "__init__")):
            if module in MODULES:
                return module if n or parts[:1] != ("kernels",) else None


def test_no_modules_import_each_other():
    """No circle, also in functions, but those of UPWARDS."""
    below = {}
    for module, path in MODULES.items():
        found = set()
        for target, _ in imports(parsed(path), module[:-1]):
            is_upwards = (".".join(module), ".".join(target[1:3])) in UPWARDS
            is_known = target[0] == "fastnn" and not is_upwards
            imported = module_of(target[1:]) if is_known else None
            found |= {imported} - {None, module}
        below[module] = found
    del below[("__init__",)]  # it imports the public names, most of them on use
    try:
        graphlib.TopologicalSorter(below).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(".".join(module) for module in error.args[1]))


def test_the_top_of_the_package_has_few_modules():
    top = {path.stem for path in PACKAGE.glob("*.py")} - {"typing"}
    assert len(top) <= 14, sorted(top)


def test_no_command_imports_another():
    commands = set(cli.COMMANDS)
    for path in (PACKAGE / "cli").glob("*.py"):
        nodes = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.ImportFrom)]
        own = {node.module for node in nodes if node.level == 1}
        assert path.stem == "__init__" or not own & commands, path.name


def test_commands_take_no_namespace():
    """What argparse parsed becomes the Options of a command before anything else sees it."""
    texts = {path: path.read_text("utf-8") for path in (PACKAGE / "cli").rglob("*.py")}
    users = {path for path, text in texts.items() if re.search(r"argparse|Namespace", text)}
    names = "__init__", "options", "train_options"  # which reads --config
    assert users == {PACKAGE / "cli" / f"{name}.py" for name in names}


# ---- the page and the docstrings that describe the layout ----

PACKAGES = [module[:-1] for module in MODULES if module[-1] == "__init__" and module[1:]]
PAGE = PACKAGE.parent / "docs" / "architecture.md"
needs_page = pytest.mark.skipif(not PAGE.exists(), reason="installed from a wheel")


def listed_modules(docstring):
    """The modules that a docstring lists, as in "- `sgd`, `adam`: optimizers. `base`: their base"."""
    items = re.findall(r"^- `.*?(?=^- |^$|\Z)", docstring, re.M | re.S)
    named = [re.findall(r"((?:`[\w-]+`,\s+)*`[\w-]+`):\s\S", item) for item in items]
    return [name for names in named for some in names for name in re.findall(r"`([\w-]+)`", some)]


@pytest.mark.parametrize("package", PACKAGES, ids=".".join)
def test_the_docstring_of_a_package_lists_its_modules(package):
    tree = ast.parse(MODULES[(*package, "__init__")].read_text(encoding="utf-8"))
    n = len(package)
    children = {module[n] for module in MODULES if module[:n] == package} - {"__init__"}
    assert sorted(listed_modules(ast.get_docstring(tree))) == sorted(children)


DOCSTRINGS = [
    ("Rows.\n\n- `rows`: rows. `a`, `b`: two\n  modules, `not` this.", ["rows", "a", "b"]),
    ("- `one`,\n  `two`: words.\n- `three`: words.\n\n`four`: words.", ["one", "two", "three"]),
    ("- `silent`", []),
    ("`text`: not in a list", []),
]


@pytest.mark.parametrize(("docstring", "names"), DOCSTRINGS)
def test_modules_are_read_from_the_list(docstring, names):
    assert listed_modules(docstring) == names


@needs_page
def test_the_page_draws_the_bands():
    text = PAGE.read_text(encoding="utf-8")
    drawing = re.search(r"^## Bands\n.*?\n\n((?: {4}[^\n]*\n)+)", text, re.M | re.S)[1]
    drawn = {}
    for line in drawing.splitlines():
        words = re.sub(r"\(.*?\)", "", line).split()
        if line[4] != " ":
            band = words.pop(0)
        drawn.setdefault(band, set()).update(words)
    hidden = {"typing", "__init__", "__main__", "_pyinstaller"}
    assert drawn == {band: set(names.split()) - hidden for band, names in BANDS.items()}
    assert list(drawn) == list(BANDS)[::-1]


#: Of files and names that the pages and tests make up as examples.
MADE_UP = {"orc_files", "duration", "sve2", "sve2_float32", "sve2_float64", "test_x", "NAME"}
MADE_UP_NAMES = {"fastnn.parts", "fastnn.sync"}  # keys of the configuration of Dask
MADE_UP_PAGES = {"test_size.py", "test_mutants.py"}  # whose files are made up
ROOT = PACKAGE.parent
PAGES = [
    *(ROOT / name for name in ("noxfile.py", ".ci/run")),
    *sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("tests/project/*.py")}),
]
PAGES = [path for path in PAGES if path.exists() and path.name not in MADE_UP_PAGES]


@functools.cache
def path_ends():
    """The last 1 to 5 parts of the path of each file and folder."""
    top = [ROOT / name for name in ("fastnn", "src", "tests", "docs", "bench", "examples")]
    paths = [*ROOT.iterdir(), *top, *(path for folder in top for path in folder.rglob("*"))]
    parts = [path.relative_to(ROOT).parts for path in paths]
    return {"/".join(each[-n:]) for each in parts for n in range(1, 6)}


def missing_files(text, is_whole=False):
    """The files that a text names and that do not exist. is_whole : whether by a path with a folder"""
    paths = set(re.findall(r"(?<![\w./<])[\w/-]+\.(?:pyx|pxi|pxd|pyi|py|md|toml|h)\b", text))
    paths = {path for path in paths if "/" in path[1:] or not is_whole}
    made_up = {path for path in paths if pathlib.PurePath(path).stem in MADE_UP}
    return sorted(paths - made_up - path_ends())


@needs_page
@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_what_a_page_names_exists(page):
    """Each file and folder exists, perhaps below the folder that the text speaks of."""
    text = (ROOT / page).read_text(encoding="utf-8")
    folders = set(re.findall(r"`([\w/.-]+)/`", text))
    assert len(folders) > 10
    assert missing_files(text) == [] and sorted(folders - path_ends()) == []


def exists(name):
    """Whether a name such as fastnn.losses.MSE can be imported, or needs a package that is missing."""
    found, parts = fastnn, name.split(".")
    for n, part in enumerate(parts[1:], 2):
        try:
            if not hasattr(found, part):
                importlib.import_module(".".join(parts[:n]))
            found = getattr(found, part)
        except ImportError as error:
            return not str(error.name).startswith("fastnn")
    return True


@needs_page
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_files_and_names_in_texts_exist(page):
    """Files that a path with a folder names, and names in fastnn, in the documentation and the rules."""
    text = page.read_text(encoding="utf-8")
    names = set(re.findall(r"(?<![\w-])fastnn(?:\.[A-Za-z]\w*)+", text)) - MADE_UP_NAMES
    assert missing_files(text, is_whole=True) == []
    assert sorted(name for name in names if not exists(name)) == []


@needs_page
def test_the_page_names_every_package():
    text = PAGE.read_text(encoding="utf-8")
    names = {package: {f"`{package[-1]}/`", f"`{'/'.join(package)}/`"} for package in PACKAGES}
    assert [package for package in names if not any(name in text for name in names[package])] == []


#: A module, and what it may not import; "in" begins an import inside a function.
VIOLATIONS = """
losses: from ..training.session import Session
losses: from .. import MLP
tables.files: in from ..mlp import MLP
network: from .training.session import Session
files: in from ..mlp import MLP
state: from ..files import model
core.errors: from ..losses import Loss
network: from .files import model
functional: from .. import reference
training.session: in from fastnn.reference import linear
training.session: in importlib.import_module('.reference', __name__)
training.session: importlib.import_module(f'.{name}', __name__)
reference: from ..validation import check_array
reference: import fastnn.kernels
training.session: import scipy.special
training.session: in import scipy
plotting: import matplotlib.pyplot
tables: from ..cli import main
cli: from .. import reference
cli: import rich
plotting: in import rich
tabular: import pyarrow
tabular: import pandas
tabular.large.large_table: from ..fitting.recipe import batches
tabular.large: in from ..fitting import recipe
tabular.columns.column: from .. import fitting
tabular.columns.column: in from ..large import large_table
web.application: in from ..cli.console import print_line
serving.app: in from ..cli.html_report import elements
playground.server: from ..cli.console import print_line
training.many: from fastnn.tabular.encoder import Encoder
estimators: in from ..export import c
mlp: from .estimators.pytorch import to_torch
callbacks: in from .estimators.pytorch import to_torch
"""


@pytest.mark.parametrize("case", VIOLATIONS.strip().splitlines())
def test_the_rule_detects_a_violation(case):
    importer, text = case.split(": ")
    text = text.replace("in ", "def f():\n    ", 1) if text.startswith("in ") else text
    assert len(list(faults(importer, text))) == 1


def test_the_reference_needs_numpy_alone():
    paths = (PACKAGE / "reference").glob("*.py")
    names = {name[:2] for path in paths for name, _ in imports(parsed(path), ("reference",))}
    others = {name for name in names if name[0] not in sys.stdlib_module_names}
    assert others == {("numpy",), ("fastnn", "reference")}


def test_import_fastnn_loads_numpy_and_nothing_else():
    code = """
import sys
before = set(sys.modules)
import fastnn
print(*(name for name, module in sys.modules.items() if name not in before and hasattr(module, "__file__")))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    packages = {name.partition(".")[0] for name in loaded}
    assert packages - sys.stdlib_module_names == {"fastnn", "numpy"}
    variants = [name for name in loaded if name.startswith("fastnn._") and "float" in name]
    assert len(variants) == 2, "one variant for each dtype"
    late = """reference cli datasets many populations training.pool training.planner training.stream tables files
        functional core.errors core.options losses.regression optimizers.adaptive"""
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
    source = ROOT / "src"
    if not source.is_dir():
        pytest.skip("installed from a wheel: the Cython source is not here")
    text = "\n".join(path.read_text(encoding="utf-8") for path in source.rglob("*.p[yx][xi]"))
    lines = re.findall(r"^\s*((?:import|from|cimport) .*fastnn.*)", text, re.M)
    assert {line.partition(" cimport")[0] for line in lines} <= {"from fastnn.kernels"}


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="installed from a wheel")
def test_every_package_is_in_the_wheel():
    setuptools = pytest.importorskip("setuptools")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    include = settings["tool"]["setuptools"]["packages"]["find"]["include"]
    names = {".".join(path.relative_to(ROOT).parts[:-1]) for path in PATHS}
    assert set(setuptools.find_packages(ROOT, include=include)) == names
