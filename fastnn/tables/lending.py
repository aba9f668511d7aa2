"""Keep a file alive until pyarrow's threads have released it."""

import threading
import weakref

PATIENCE = 5.0  # seconds; a thread needs some microseconds


def call(reader, file, *arguments):
    """Return reader(file, *arguments). No thread of pyarrow holds the file afterwards.

    A reader can return while a thread of pyarrow still has to release the file, for which it needs
    the GIL. If Python ended at that moment, the thread would abort the process ("terminate called
    without an active exception").
    """
    lent, released = _LentFile(file), threading.Event()
    weakref.finalize(lent, released.set).atexit = False
    try:
        return reader(lent, *arguments)
    finally:
        del lent
        released.wait(PATIENCE)


class _LentFile:
    """The part of a file that pyarrow reads."""

    def __init__(self, file):
        self.read = file.read

    closed = False
