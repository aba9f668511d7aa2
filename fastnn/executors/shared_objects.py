"""Objects that many tasks read, such as rows: each process gets them once.

Three ways lead to a process, tried in this order. Threads of the caller and processes forked from it
have the objects. Processes of the same machine, or of the same file system, map a temporary file,
so that all of them share its memory. Others say that the objects are missing, and get the content
of the file with a task. A process keeps what it got for later tasks.
"""

import hashlib
import mmap
import os
import pickle
import shutil
import tempfile
import threading
import uuid
from typing import Any, NamedTuple

from . import task_pickles

ALIGNMENT = 64  # bytes, of the buffers in the file
FILE = "objects"
#: A process keeps what it got last, and what it got before as long as both together take less.
MAX_KEPT = 2**28


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
        return task_pickles.dumps(value, self.numbers)

    def write(self):
        """Write the file, if that is possible. Return whether it is new."""
        if not self.may_write:
            return False
        self.may_write = False
        head, buffers = _pack(self.objects)
        try:
            with open(os.path.join(self.source.folder, FILE), "wb") as file:
                for part in _parts(head, buffers):
                    file.write(part)
        except OSError:  # the disk is full: the content travels with tasks
            shutil.rmtree(self.source.folder, ignore_errors=True)
        else:
            self.source = self.source._replace(digest=_digest(head))
        return bool(self.source.digest)

    def content(self):
        """Return the Source of the content of the file, and the content."""
        head, buffers = _pack(self.objects)
        return self.source._replace(digest=_digest(head)), b"".join(_parts(head, buffers))


_of_caller: dict = {}  # {key: objects} of the calls of this process
_kept: dict = {}  # {key: (objects, number of bytes)} that a worker got, the oldest first
_lock = threading.Lock()  # a worker may have several threads


def find(source, content=None):
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
            _keep(source.key, _unpack(content, source.digest), len(content))
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
        with open(os.path.join(source.folder, FILE), "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):
        return None


# ---- the file: length of the head, head, buffers ----


def _pack(objects):
    """Return the head of the file, and the buffers of the arrays."""
    buffers: list = []
    stream = task_pickles.dumps(objects, buffer_callback=buffers.append)
    buffers = [buffer.raw() for buffer in buffers]
    return pickle.dumps((stream, [buffer.nbytes for buffer in buffers])), buffers


def _parts(head, buffers):
    """Yield the parts of the file."""
    yield len(head).to_bytes(8, "little")
    yield head
    n = 8 + len(head)
    for buffer in buffers:
        yield bytes(-n % ALIGNMENT)
        yield buffer
        n += -n % ALIGNMENT + buffer.nbytes


def _unpack(content, digest):
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
