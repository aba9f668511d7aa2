"""Replace a file atomically."""

import errno
import os
from contextlib import contextmanager, suppress

from ..core.validation import check_path


@contextmanager
def replacing(path):
    """Open a new file that replaces `path` when the block ends.

    At any time, `path` has either the complete old content or the complete new content. The new
    file is written in the same folder, synced and renamed. If the block raises an exception, the
    new file is removed. The new file has the permissions of the old one. If `path` is a symbolic
    link, its target is replaced.

    Parameters
    ----------
    path : str or path-like

    Yields
    ------
    binary file

    Raises
    ------
    OSError
        The file cannot be written; `path` is unchanged.
    """
    path = os.path.realpath(check_path("path", path))
    folder, name = os.path.split(path)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, "Is a folder. Pass the name of a file in it", path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "No such folder. Create it first", folder)
    temporary = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
    mode = _permissions(path)
    try:
        # Created with at most the permissions of the old file, so that others can never read a
        # private file.
        with open(
            temporary,
            "xb",
            opener=lambda name, flags: os.open(name, flags, 0o666 if mode is None else mode),
        ) as file:
            if mode is not None:
                with suppress(OSError):  # a file system without permissions
                    os.chmod(temporary, mode)  # those that the umask has removed
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _permissions(path):
    """Return the permissions of a file, or None if it does not exist."""
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        return None


def _sync_folder(folder):
    """Sync the rename to disk, if the system supports it.

    Errors are ignored, since the file has already been replaced.
    """
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
