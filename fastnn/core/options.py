"""Options: the base class of losses, optimizers and schedules, with attributes computed once."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from typing import TYPE_CHECKING

from .foreign_names import OPTIONS, unexpected

if TYPE_CHECKING:
    from typing import Any, Self

if TYPE_CHECKING:
    from functools import cached_property as cached
else:

    class cached:
        """Decorator: a method without arguments becomes an attribute that is computed once.

        It is `functools.cached_property` without a lock. Until Python 3.11 that one has a lock for all
        objects of a class. If a process forks while another thread computes the attribute of any
        object, nobody releases the lock in the child, which waits forever. Without a lock, two threads
        may both compute the value of an object that they share, and the last one is kept.
        """

        def __init__(self, function):
            self.function, self.__doc__ = function, function.__doc__

        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self.name] = self.function(instance)
            return value


def _has_parameter(function, name):
    """Whether a function, such as the ``__init__`` of a subclass, accepts this keyword."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind == p.VAR_KEYWORD for p in parameters.values())


@dataclass(eq=False, repr=False)
class ImmutableOptions:
    """Base class of immutable dataclasses that compare and print by their values.

    It does what ``@dataclass(frozen=True)`` does. That would compile code for each of thirty
    classes, which took a third of the time of `import fastnn`.
    """

    def __new__(cls, *args: Any, **options: Any) -> Self:
        for name in options:
            if name in cls.__dataclass_fields__ or _has_parameter(cls.__init__, name):
                continue
            known = cls._names()
            hint = OPTIONS.get(name, "")
            if not any(f"`{field}`" in hint or f"{field}=" in hint for field in known):
                hint = f"Its options are {', '.join(known)}"
            raise unexpected(cls.__name__, name, hint)
        return super().__new__(cls)

    @classmethod
    def _names(cls) -> list[str]:
        """Return the names of the options in the order of the constructor."""
        return [f.name for f in sorted(fields(cls), key=lambda f: f.kw_only is True)]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the options as a dict, as scikit-learn's estimators do.

        With ``deep=True`` also those of options that have options, such as ``lr__factor`` of a
        learning-rate schedule.
        """
        params = {}
        for name in self._names():
            value = params[name] = getattr(self, name)
            if deep and isinstance(value, ImmutableOptions):
                params |= {f"{name}__{inner}": v for inner, v in value.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Return a copy with these options changed; ``lr__factor=0.5`` changes one of `lr`.

        The object itself is immutable, unlike scikit-learn's estimators.
        """
        changes: dict = {}
        for name, value in sorted(params.items(), key=lambda item: "__" in item[0]):
            outer, nests, inner = name.partition("__")
            if outer not in self.__dataclass_fields__:
                known = ", ".join(self._names())
                raise ValueError(
                    f"{type(self).__name__} has no option {outer!r}. Its options are {known}."
                )
            if nests:
                nested = changes.get(outer, getattr(self, outer))
                if not isinstance(nested, ImmutableOptions):
                    raise ValueError(
                        f"{name} needs {outer} to be an object with options, got {nested!r}"
                    )
                name, value = outer, nested.set_params(**{inner: value})
            changes[name] = value
        return replace(self, **changes)

    def __sklearn_clone__(self) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:  # without what cached properties have added
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, f.name) for f in fields(self))

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        options = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self))
        return f"{type(self).__name__}({options})"

    def __setattr__(self, name: str, value: object) -> None:  # __init__ sets each field, once
        if name in self.__dict__ or name not in self.__dataclass_fields__:
            raise FrozenInstanceError(
                f"cannot assign to {name!r}: {type(self).__name__} is immutable. "
                "Use set_params, which returns a copy."
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete {name!r}: {type(self).__name__} is immutable")
