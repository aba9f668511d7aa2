"""Write a file whole or not at all."""

import os
from contextlib import contextmanager


@contextmanager
def replacing(path):
    """A new file that takes the place of `path` when the block ends: `path` holds the old content or the new one, whole.

    It is written beside `path`, synced and renamed; if the block raises, it is removed. A symbolic link stays one: what it
    points to is replaced.

    Parameters
    ----------
    path : str or path-like

    Yields
    ------
    binary file

    Raises
    ------
    OSError
        It could not be written; `path` is as it was.
    """
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(beside, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise
    _sync_folder(folder)


def _sync_folder(folder):
    """Make the rename last through a crash of the machine, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
