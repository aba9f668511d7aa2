"""Ctrl-C at a chosen point of fastnn's Python code."""

import _thread
import inspect
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

import fastnn

PACKAGE = str(Path(fastnn.__file__).parent)


@pytest.fixture(autouse=True)
def sigint_interrupts():
    """Restore the default handler: a shell starts background programs with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(call, seconds, *arguments, send=_thread.interrupt_main, **options):
    """Make a call and stop it by Ctrl-C after so many seconds; return the seconds that the call went
    on. Another thread sends the signal."""
    sent = []
    timer = threading.Timer(seconds, lambda: (sent.append(time.perf_counter()), send()))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call(*arguments, **options)
        return time.perf_counter() - sent[0]
    finally:
        timer.cancel()
        timer.join()


class Interruption:
    """Raises KeyboardInterrupt at the n-th point at which CPython may run a signal handler.

    The interpreter looks for signals when a function begins and when a call of compiled code has
    returned. A profile function is called at the same points, and its exception arrives where that
    of a signal handler would. (It also looks when a loop jumps back; signals at random times reach
    that.) Points outside of fastnn's own code, and in other threads, do not count. Neither do calls of
    generators, since the interpreter may make one to close the generator.

    sys.settrace would reach each instruction, but since Python 3.12 it reports none in a frame that asks
    for them when it begins (github.com/python/cpython/issues/114480).

    Attributes
    ----------
    where : str or None
        The function that was interrupted; None if the call had fewer points.
    """

    def __init__(self, n):
        self.left, self.where = n, None

    def run(self, call):
        """Return call(), or raise KeyboardInterrupt."""
        before = sys.getprofile()
        sys.setprofile(self._profile)
        try:
            return call()
        finally:
            sys.setprofile(before)

    def _profile(self, frame, event, arg):
        code = frame.f_code
        if event not in ("call", "c_return") or not code.co_filename.startswith(PACKAGE):
            return
        if event == "call" and code.co_flags & inspect.CO_GENERATOR:
            return
        self.left -= 1
        if self.left == 0:
            self.where = f"{code.co_qualname}, line {frame.f_lineno}"
            raise KeyboardInterrupt


def n_interruption_points(call):
    """Return the number of points of a call at which `Interruption` can interrupt it."""
    point = Interruption(0)
    point.run(call)
    return -point.left
