"""A name with an underscore belongs to the module that defines it: no other module uses it."""

import ast
import pathlib
import re

import pytest

import fastnn

PACKAGE = pathlib.Path(fastnn.__file__).parent

#: Names of other libraries that have no public counterpart, and why fastnn uses them.
FOREIGN = {
    # scikit-learn's guide for developers tells estimators to validate parameters with them
    *("_fit_context", "_param_validation", "_validate_params"),
    # the checks, splits and base class of scikit-learn, whose behaviour fastnn reproduces
    *("_check_sample_weight", "_check_method_params", "_num_samples", "_safe_split", "_search"),
    "_init_callback_context",  # with which estimators of others support scikit-learn's callbacks
    # what predict and partial_fit of scikit-learn's MLPs read, which to_sklearn must set
    *("_best_coefs", "_best_intercepts", "_no_improvement_count", "_label_binarizer"),
    *("_client", "_max_workers"),  # the number of workers of executors that do not tell it
    "_score_func",  # tells the scorers of scikit-learn from other functions
    "_thread",  # the documented module of the standard library
    "_getframe",  # documented; how warnings find the line of the caller
    "_replace",  # a documented method of namedtuple
    "_AppendAction",  # argparse has no public name for what action='append' makes
}
#: What CompiledNetwork has for other modules. MLP inherits it: without underscores these would be public
#: names of MLP.
KERNELS = {
    *("_bind", "_forward_into", "_forward_finite"),
    *("_in_training", "_check_may_train", "_check_not_training"),
}


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name != "_"


def defined_names(tree):
    """The names that a module defines: functions, classes, variables, attributes of self and cls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node):
            yield node.attr


def is_self(node):
    """Whether an attribute is one of self, cls or super()."""
    owner = node.value
    if isinstance(owner, ast.Call):
        owner = owner.func
    return isinstance(owner, ast.Name) and owner.id in ("self", "cls", "super")


def used_names(tree):
    """(line, name) of the names of other modules and objects."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")
            yield from ((node.lineno, name) for name in (*module, *(a.name for a in node.names)))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from ((node.lineno, name) for name in alias.name.split("."))
        elif isinstance(node, ast.Attribute) and not is_self(node):
            yield node.lineno, node.attr
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "id", "") in ("getattr", "hasattr", "setattr", "delattr")
            and isinstance(node.args[1], ast.Constant)
            and getattr(node.args[0], "id", "") not in ("self", "cls")
        ):
            yield node.lineno, node.args[1].value


def faults(text):
    """What private names of other modules this text uses."""
    tree = ast.parse(text)
    known = {*defined_names(tree), *FOREIGN, *KERNELS}
    used = ((n, name) for n, name in used_names(tree) if is_private(name))
    return [f"line {n}: {name}" for n, name in used if name not in known]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_uses_a_private_name_of_another(path):
    assert faults(path.read_text(encoding="utf-8")) == []


def test_programs_do_not_read_the_fitted_model_of_an_estimator():
    """Attributes `model_`, of estimators for tables."""
    readers = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\.model_\b", path.read_text(encoding="utf-8"))
    }
    assert readers == {"tabular", "export"}  # `facts()` has what others need; exports write it


VIOLATIONS = """
from .mlp import _begin
from ._hidden import f
import fastnn._hidden
net._kept
MLP._kept(1)
getattr(model, '_kept', None)
setattr(model, '_kept', None)
self.net._kept
"""


@pytest.mark.parametrize("text", VIOLATIONS.strip().splitlines())
def test_the_rule_detects_a_violation(text):
    assert len(faults(text)) == 1


ALLOWED = [
    "self._kept = super()._kept",
    "def _f(): pass\nother._f()",
    "class A:\n    def f(self): self._x = 1\n    def g(self, other): return other._x",
    "net._bind()",
    "net.__dict__",
]


@pytest.mark.parametrize("text", ALLOWED)
def test_the_rule_allows_a_name_of_the_same_module(text):
    assert faults(text) == []
