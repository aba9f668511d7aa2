"""What losses, optimizers and schedules are: immutable settings that compare and print by their values."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, eq=False, repr=False)
class Settings:
    """The base of such a dataclass. It has these methods once, where @dataclass would write and compile them for each of thirty classes:
    a quarter of what `import fastnn` took beyond NumPy's."""

    def _values(self):
        return tuple(getattr(self, f.name) for f in fields(self))

    def __eq__(self, other):
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self):
        return hash((type(self), self._values()))

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in fields(self))})"
