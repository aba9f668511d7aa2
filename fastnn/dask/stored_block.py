"""StoredBlock: rows in a temporary file instead of memory."""

import mmap
import os
import sys
import tempfile
import weakref

import numpy as np

ALIGNMENT = 64  # bytes of a vector of AVX-512
LARGE_FILES = "/var/tmp"  # /tmp can be in memory


class StoredBlock:
    """Arrays of rows in a temporary file of the process that has made them.

    It is small, so Dask keeps it in memory, and the file is mapped for as long as a task reads it.
    The file is deleted with the object. To another process the object travels with its rows, which
    are written to a file there.

    Parameters
    ----------
    arrays : dict of str to ndarray
    """

    def __init__(self, arrays):
        self.places, end = {}, 0
        for name, a in arrays.items():
            self.places[name] = end, a.dtype, a.shape
            end += -(-a.nbytes // ALIGNMENT) * ALIGNMENT
        self.n_bytes = end
        handle, self.path = tempfile.mkstemp(prefix="fastnn-block-", dir=folder())
        self._remove = weakref.finalize(self, _remove, self.path)
        with open(handle, "wb") as file:
            for name, a in arrays.items():
                file.seek(self.places[name][0])
                file.write(np.ascontiguousarray(a).data.cast("B") if a.nbytes else b"")
            file.truncate(max(end, 1))

    def read(self, names=None):
        """Return arrays of these names, by default all, which read the mapped file."""
        with open(self.path, "rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return {
            name: np.frombuffer(content, dtype, int(np.prod(shape)), start).reshape(shape)
            for name, (start, dtype, shape) in self.places.items()
            if names is None or name in names
        }

    def __reduce__(self):
        return StoredBlock, (self.read(),)

    def __sizeof__(self):
        return sys.getsizeof(self.places)  # what it takes of the memory of a worker


def folder():
    """Return the folder for temporary files: that of the worker, if this is one."""
    worker = sys.modules.get("distributed.worker")
    if worker is not None:
        try:
            return worker.get_worker().local_directory
        except ValueError:  # not in a task
            pass
    in_temp = "TMPDIR" in os.environ or tempfile.tempdir or not os.path.isdir(LARGE_FILES)
    return None if in_temp else LARGE_FILES


def _remove(path):
    try:
        os.unlink(path)
    except OSError:  # the folder of a worker is already removed
        pass
