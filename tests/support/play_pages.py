"""Servers of the playground that run during a test."""

import contextlib
import threading


@contextlib.contextmanager
def running(server):
    """Run a PlayServer in a thread."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
