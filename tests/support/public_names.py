"""All public functions, constructors, methods and properties of fastnn, and their parameters."""

import contextlib
import importlib
import inspect
import re
from dataclasses import dataclass
from enum import EnumMeta
from pathlib import Path

import fastnn

ROOT = Path(__file__).parents[2]
MODULES = (
    "activations callbacks datasets distributed estimators export functional initializers kernels "
    "losses model_selection optimizers playground plotting reference schedules serving tables tabular"
).split()
TRUSTING = "kernels.", "reference."  # modules whose callers check arguments
ASSIGNED = inspect.Signature([inspect.Parameter("value", inspect.Parameter.POSITIONAL_OR_KEYWORD)])


@dataclass
class Name:
    """A public name that can be called, read or assigned."""

    name: str
    get: object  # the function or class, or None for an attribute
    owner: type | None = None  # of a method or an attribute
    signature: inspect.Signature | None = None  # of an attribute that is assigned: ASSIGNED
    checks: bool = True  # whether users call it, so that it checks its arguments

    @property
    def attribute(self):
        return self.name.rpartition(".")[2]

    @property
    def parameters(self):
        found = self.signature.parameters.values() if self.signature else ()
        return [parameter for parameter in found if parameter.name != "self"]

    @property
    def raises(self):
        """Names of exceptions in the section Raises of the docstring."""
        section = re.search(r"Raises\n-+\n(.*?)(\n\n\S|\Z)", inspect.getdoc(self.get) or "", re.S)
        return re.findall(r"^(\w+)$", section[1], re.M) if section else []


def public_names():
    """Return all `Name`s: {qualified name: Name}."""
    found, seen = {}, set()
    documented, stub = _documented(), _stub()
    for module_name in ["", *MODULES]:
        module = importlib.import_module(f"fastnn.{module_name}".rstrip("."))
        exported = dir(module) if module is fastnn else getattr(module, "__all__", vars(module))
        for attribute in exported:
            if attribute.startswith("_") or attribute == "from_torch":  # PyTorch may be missing
                continue
            thing = getattr(module, attribute)
            own = getattr(thing, "__module__", "").startswith(module.__name__)
            is_type = isinstance(thing, EnumMeta) or getattr(thing, "_is_protocol", False)
            if not callable(thing) or not own or is_type or thing in seen:
                continue
            seen.add(thing)
            name = f"{module_name}.{attribute}".lstrip(".")
            checks = id(thing) in documented and not name.startswith(TRUSTING)
            annotated = getattr(stub, attribute, thing) if module is fastnn.kernels else thing
            is_error = inspect.isclass(thing) and issubclass(thing, BaseException)
            found[name] = Name(name, thing, None, _signature(annotated), checks and not is_error)
            if inspect.isclass(thing):
                found |= {each.name: each for each in _members(thing, annotated, name, checks)}
    return found


def _members(cls, annotated, name, checks):
    """Yield the methods and properties of a class that fastnn defines."""
    for attribute in dir(cls):
        owner = next((base for base in cls.__mro__ if attribute in vars(base)), object)
        static, method = inspect.getattr_static(cls, attribute), getattr(cls, attribute, None)
        if attribute.startswith("_") or not owner.__module__.startswith("fastnn"):
            continue
        if type(static).__name__ == "MissingAttribute" or attribute.endswith("_request"):
            continue  # names of other libraries, and methods that scikit-learn makes
        if isinstance(static, property) or type(static).__name__ == "cached":
            yield Name(f"{name}.{attribute}", None, cls, None, checks)
            if getattr(static, "fset", None):
                yield Name(f"{name}.{attribute}=", None, cls, ASSIGNED, checks)
        elif callable(method) and not inspect.isclass(static):
            signature = _signature(getattr(annotated, attribute))
            has_sections = "\n---" in (inspect.getdoc(method) or "")  # others are for the package
            is_promised = has_sections or len(signature.parameters) < 2
            yield Name(f"{name}.{attribute}", method, cls, signature, checks and is_promised)


def _documented():
    """Return the ids of the objects of the API reference and of `fastnn` itself."""
    names, module = [(fastnn, name) for name in dir(fastnn)], fastnn
    for path in (ROOT / "docs" / "api").glob("*.rst"):
        for line in path.read_text().splitlines():
            if line.startswith(".. currentmodule::"):
                module = importlib.import_module(line.split()[-1])
            elif re.fullmatch(r"   \w+", line):
                names.append((module, line.strip()))
    found = set()
    for module, name in names:
        with contextlib.suppress(ImportError):  # PyTorch may be missing
            found.add(id(getattr(module, name, None)))
    return found


def _stub():
    """Return the stub of the compiled module as a class, whose functions have annotations."""
    text = Path(fastnn.__file__).with_name("kernels.pyi").read_text()
    text = re.sub(r"from typing_extensions .*|@disjoint_base", "", text)
    found = {"__package__": "fastnn", "__name__": "stub"}
    exec(f"from __future__ import annotations\n{text}", found)
    return type("Stub", (), {name: each for name, each in found.items() if callable(each)})


def _signature(function):
    try:
        return inspect.signature(function)
    except ValueError:
        return inspect.Signature()
