"""Objects that many tasks read, such as rows: each process gets them once.

Three ways lead to a process, tried in this order. Threads of the caller and processes forked from it
have the objects. Processes of the same machine, or of the same file system, map a temporary file,
so that all of them share its memory. Others say that the objects are missing, and get the content
of the file with a task. A process keeps what it got for later tasks.

Tasks are pickles, in which shared objects are numbers.
"""

import hashlib
import io
import mmap
import os
import pickle
import shutil
import tempfile
import threading
import uuid
from typing import Any, NamedTuple

ALIGNMENT = 64  # bytes, of the buffers in the file
FILE = "objects"
#: A process keeps what it got last, and what it got before as long as both together take less.
MAX_KEPT = 2**28
LARGE_FILES = "/var/tmp"  # /tmp can be in memory


def large_files():
    """Return the folder for large temporary files, None for that of `tempfile`."""
    in_temp = "TMPDIR" in os.environ or tempfile.tempdir or not os.path.isdir(LARGE_FILES)
    return None if in_temp else LARGE_FILES


class Source(NamedTuple):
    """Where a worker finds objects. Each task has one.

    Attributes
    ----------
    key : str
    folder : str
        It exists until the caller needs no more results.
    digest : bytes
        Of the head of the file in it; empty before there is one.
    """

    key: str
    folder: str
    digest: bytes = b""


class SharedObjects:
    """Objects that tasks read, in the process of the caller. A context manager.

    Parameters
    ----------
    objects : iterable
        Arrays, tables, data frames or others. None and repeated ones are left out.
    """

    def __init__(self, objects):
        by_id = {id(each): each for each in objects if each is not None}
        self.objects = list(by_id.values())
        self.numbers = {key: number for number, key in enumerate(by_id)}

    def __enter__(self):
        try:
            folder = tempfile.mkdtemp(prefix="fastnn-")
        except OSError:  # then no process can map a file
            folder = ""
        self.source, self.may_write = Source(uuid.uuid4().hex, folder), bool(folder)
        _of_caller[self.source.key] = self.objects
        return self

    def __exit__(self, *error):
        _of_caller.pop(self.source.key, None)
        if self.source.folder:
            shutil.rmtree(self.source.folder, ignore_errors=True)

    def dumps(self, value):
        """Return the pickle of a value, with numbers in place of the objects."""
        return dumps(value, self.numbers)

    def write(self):
        """Write the file, if that is possible. Return whether it is new."""
        if not self.may_write:
            return False
        self.may_write = False
        try:
            with open(os.path.join(self.source.folder, FILE), "wb") as file:
                self.source = self.source._replace(digest=pack(self.objects, file))
        except OSError:  # the disk is full: the content travels with tasks
            shutil.rmtree(self.source.folder, ignore_errors=True)
        return bool(self.source.digest)

    def content(self):
        """Return the Source of the content of the file, and the content."""
        file = io.BytesIO()
        return self.source._replace(digest=pack(self.objects, file)), file.getvalue()


_of_caller: dict = {}  # {key: objects} of the calls of this process
_kept: dict = {}  # {key: (objects, number of bytes)} that a worker got, the oldest first
_lock = threading.Lock()  # a worker may have several threads


def find_objects(source, content=None):
    """Return the objects of a Source, or None if they are missing.

    content : bytes, optional
        That of the file.
    """
    objects = _of_caller.get(source.key)
    if objects is not None:
        return objects
    with _lock:
        if source.key not in _kept:
            if content is None:
                content = _map(source)
            if content is None:
                return None
            _keep(source.key, unpack(content, source.digest), len(content))
        return _kept[source.key][0]


def _keep(key, objects, n_bytes):
    _kept[key] = objects, n_bytes
    total = sum(n for _, n in _kept.values())
    for old in list(_kept)[:-1]:
        if total <= MAX_KEPT:
            break
        total -= _kept.pop(old)[1]


def _map(source):
    """Return the mapped file of a Source, or None if this process cannot see it."""
    if not source.digest:
        return None
    try:
        return map_file(os.path.join(source.folder, FILE))
    except (OSError, ValueError):
        return None


def map_file(path):
    """Return the content of a file, mapped."""
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


# ---- the file: length of the head, head, buffers ----


def pack(objects, file):
    """Write objects to a file. Return the digest of the head."""
    buffers: list = []
    stream = dumps(objects, buffer_callback=buffers.append)
    buffers = [buffer.raw() for buffer in buffers]
    head = pickle.dumps((stream, [buffer.nbytes for buffer in buffers]))
    n = file.write(len(head).to_bytes(8, "little")) + file.write(head)
    for buffer in buffers:
        n += file.write(bytes(-n % ALIGNMENT)) + file.write(buffer)
    return _digest(head)


def unpack(content, digest):
    """Return the objects in the content of a file, whose arrays are read-only parts of it."""
    view = memoryview(content)
    end = 8 + int.from_bytes(view[:8], "little")
    head = bytes(view[8:end])
    if _digest(head) != digest:
        raise OSError("the temporary file of a training was changed or damaged")
    stream, sizes = pickle.loads(head)
    buffers: list[Any] = []
    for n_bytes in sizes:
        start = end + -end % ALIGNMENT
        end = start + n_bytes
        buffers.append(view[start:end])
    return pickle.loads(stream, buffers=buffers)


def _digest(head):
    return hashlib.blake2b(head, digest_size=16).digest()


# ---- tasks ----


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
    cloud_pickler = None
    try:
        data = _dumps(pickle.Pickler, value, *options)
        if b"__main__" in data:
            cloud_pickler = _cloud_pickler()
    except (pickle.PicklingError, AttributeError, TypeError):
        cloud_pickler = _cloud_pickler()
        if cloud_pickler is None:
            raise
    return data if cloud_pickler is None else _dumps(cloud_pickler, value, *options)


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
