"""Tasks as bytes, in which shared objects are numbers."""

import io
import pickle
from typing import Any


def dumps(value, numbers=None, buffer_callback=None):
    """Return the pickle of a value.

    What a program defines itself, such as a custom loss in a notebook, is pickled with its code if
    cloudpickle is installed, as Dask does.

    Parameters
    ----------
    value : object
    numbers : dict of int to int, optional
        ``numbers[id(obj)]`` is the number of a shared object, which stands for it.
    buffer_callback : callable, optional
        As in `pickle.dumps`.
    """
    options = numbers or {}, buffer_callback
    data, failure = b"", None
    try:
        data = _dumps(pickle.Pickler, value, *options)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        failure = error
    if failure is None and b"__main__" not in data:
        return data
    pickler = _cloud_pickler()
    if pickler is not None:
        return _dumps(pickler, value, *options)
    if failure is not None:
        raise failure
    return data


def loads(data, objects=()):
    """Return the value of a pickle. objects : the shared objects, by number"""

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, number):
            return objects[number]

    return Unpickler(io.BytesIO(data)).load()


def _dumps(base: Any, value, numbers, buffer_callback):
    class Pickler(base):
        def persistent_id(self, obj):
            return numbers.get(id(obj))

    file = io.BytesIO()
    Pickler(file, protocol=5, buffer_callback=buffer_callback).dump(value)
    return file.getvalue()


def _cloud_pickler():
    try:
        import cloudpickle
    except ImportError:
        try:
            from joblib.externals import cloudpickle  # scikit-learn needs joblib
        except ImportError:
            return None
    return cloudpickle.Pickler
