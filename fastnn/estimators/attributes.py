"""Attributes of an estimator: the arguments of its constructor, and their state before an error."""

from contextlib import contextmanager

from sklearn.base import BaseEstimator


class Attributes(BaseEstimator):
    """What all estimators of fastnn do with their attributes."""

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
