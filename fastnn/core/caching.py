"""Attributes that are computed when they are first read."""

from typing import TYPE_CHECKING

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
