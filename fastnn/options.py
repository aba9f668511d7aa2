"""What losses, optimizers and schedules are: immutable settings that compare and print by their
values."""

from dataclasses import FrozenInstanceError, dataclass, fields


@dataclass(eq=False, repr=False)
class Options:
    """The base of such a dataclass: what ``@dataclass(frozen=True)`` would write and compile for
    each of thirty classes stands here once. That was a third of what `import fastnn` took beyond
    NumPy's."""

    def _values(self):
        return tuple(getattr(self, f.name) for f in fields(self))

    def __eq__(self, other):
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self):
        return hash((type(self), self._values()))

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in fields(self))})"

    def __setattr__(self, name, value):  # __init__ sets each field, once
        if name in self.__dict__ or name not in self.__dataclass_fields__:
            raise FrozenInstanceError(
                f"cannot assign to field {name!r}: {type(self).__name__} is immutable, see dataclasses.replace"
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name):
        raise FrozenInstanceError(
            f"cannot delete field {name!r}: {type(self).__name__} is immutable"
        )
