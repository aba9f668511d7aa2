"""Servers of the playground that run during a test."""

import contextlib
import threading


@contextlib.contextmanager
def running(server):
    """Run a PlayServer in a thread."""
    thread = threading.Thread(target=server.server.answer)
    thread.start()
    try:
        yield server
    finally:
        server.server.should_exit = True
        thread.join()
