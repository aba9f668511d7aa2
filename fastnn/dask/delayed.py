"""Calls as Delayed objects of Dask, with names for its dashboard."""

import uuid


def task_key(name):
    """Return a new key of a task, of which the dashboard shows the name."""
    return f"fastnn-{name}-{uuid.uuid4().hex}"


def delayed_call(name, function):
    """Return a function that returns the Delayed call of a function.

    name : str
        What the dashboard shows, after "fastnn-".
    """
    import dask

    call = dask.delayed(function, pure=False)

    def delay(*args):
        return call(*args, dask_key_name=task_key(name))

    return delay


def delayed_value(name, value):
    """Return a value as a Delayed object, which each worker gets once."""
    import dask

    return dask.delayed(value, name=task_key(name), traverse=False)


def compute(*collections):
    """Compute collections with the current scheduler of Dask. Return their values."""
    import dask

    return dask.compute(*collections)


def configured(key, default):
    """Return a value of the configuration of Dask."""
    import dask

    return dask.config.get(key, default)
