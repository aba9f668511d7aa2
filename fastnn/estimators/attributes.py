"""Constructor arguments, and restoring the attributes after a failed fit."""

from contextlib import contextmanager
from typing import Any

from sklearn.base import BaseEstimator

from ..kernels import Reading
from .lock import lock_of

READING = "_reading_of_a_copy"  # in pickles, not an attribute


class Attributes(BaseEstimator):
    """What all estimators of fastnn do with their attributes."""

    def __getstate__(self) -> dict[str, Any]:
        with self._reading() as reading:
            state = dict(super().__getstate__())  # which may be `__dict__` itself
        return state | {READING: reading}  # pickling it, after the attributes, checks again

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({name: value for name, value in state.items() if name != READING})

    def _store_parameters(self, arguments):
        """Store the arguments of the constructor as attributes, unchanged."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    @contextmanager
    def _restore_on_error(self, error=Exception):
        """Context manager that restores all attributes if an error of this class occurs."""
        attributes = dict(self.__dict__)
        try:
            yield
        except error:
            self.__dict__.clear()
            self.__dict__.update(attributes)
            raise

    def _reading(self):
        """Return a context for a call that reads attributes and must not overlap a fit in another thread."""
        return Reading([lock_of(self)])
