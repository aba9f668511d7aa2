"""Write a file whole or not at all."""

import os
from contextlib import contextmanager


@contextmanager
def replacing(path):
    """A new file that takes the place of `path` when the block ends: `path` holds the old content
    or the new one, whole.

    It is written beside `path`, synced and renamed; if the block raises, it is removed. It keeps
    the permissions of the file that it replaces. A symbolic link stays one: what it points to is
    replaced.

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
    mode = _permissions(path)
    try:
        # Created with no more permissions than the old file has: a private file is private from its
        # first byte.
        with open(
            beside,
            "xb",
            opener=lambda name, flags: os.open(name, flags, 0o666 if mode is None else mode),
        ) as file:
            if mode is not None:
                _set_permissions(beside, mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise
    _sync_folder(folder)


def _permissions(path):
    """Those of a file, or None if there is none."""
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        return None


def _set_permissions(path, mode):
    """Undo what the umask took away; a file system without permissions may refuse."""
    try:
        os.chmod(path, mode)
    except OSError:
        pass


def _sync_folder(folder):
    """Make the rename last through a crash of the machine, where the system can. The file is in
    place: no error says otherwise."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
