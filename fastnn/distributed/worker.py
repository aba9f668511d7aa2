"""Functions that run in a worker."""

import os

from ..config import build
from . import shared_objects


class CallOver(Exception):
    """Raised in a worker when the caller waits for no more results."""


class Watch:
    """Ends the trainings of a worker when the call is over.

    A pool shows its progress to it after each slice, as to a `training.progress.ManyLine`.

    Parameters
    ----------
    folder : str
        That of the Source. A worker on another machine does not see it, and ends its task.
    """

    def __init__(self, folder):
        self.folder = folder if folder and os.path.isdir(folder) else None

    def show(self, pool):
        if self.folder is not None and not os.path.isdir(self.folder):
            raise CallOver

    def close(self, pool):
        pass


def run_task(source, expected, data, content=None):
    """Run a task. Return what its function returns, or `source` if this worker does not have the shared objects.

    Parameters
    ----------
    source : shared_objects.Source
    expected : dict
        What `config.build` returns in the process of the caller.
    data : bytes
        Pickle of (function, task) of `SharedObjects.dumps`.
    content : bytes, optional
        The shared objects, for a worker that cannot read the file.
    """
    for name, value in build().items():
        if expected[name] != value:
            raise RuntimeError(
                f"a worker would compute other bits: {name} {value}, but {expected[name]} in the "
                "process that calls it. Use the same version of fastnn, and processors of one kind."
            )
    watch = Watch(source.folder)
    objects = shared_objects.find(source, content)
    if objects is None:
        return source
    function, task = shared_objects.loads(data, objects)
    try:
        return function(task, watch)
    except CallOver:
        return None
