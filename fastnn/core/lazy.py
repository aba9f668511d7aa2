"""Classes of a package whose modules are imported when a class is first used.

A network uses one loss and one optimizer of many; importing all took a third of `import fastnn`.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any


class LazyClasses(Mapping):
    """The classes of a package by the names that users pass.

    Parameters
    ----------
    package : str
    modules : dict
        {class or function: its module in the package}
    keys : dict
        {name that users pass: class}
    """

    def __init__(self, package: str, modules: dict[str, str], keys: dict[str, str]) -> None:
        self._package, self._modules, self._keys = package, modules, keys
        self._classes = {(f"{package}.{modules[name]}", name) for name in keys.values()}
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if (cls := self._loaded.get(key)) is None:
            cls = self._loaded[key] = self.load(self._keys[key])
        return cls

    def __iter__(self):
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def has_instance(self, value: Any) -> bool:
        """Whether a value is an object of one of the classes, without importing the others."""
        cls = type(value)
        return (cls.__module__, cls.__name__) in self._classes or any(
            (base.__module__, base.__name__) in self._classes for base in cls.__mro__
        )

    def load(self, name: str) -> Any:
        """Return a class by its own name. It is the ``__getattr__`` of the package."""
        if name not in self._modules:
            raise AttributeError(f"module {self._package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{self._package}.{self._modules[name]}"), name)
        setattr(sys.modules[self._package], name, value)  # next time it is an attribute
        return value
