"""Several threads where they pay, one where they don't. No number depends on the choice."""

import _thread
import time
from functools import partial
from math import inf
from types import SimpleNamespace

from .kernels import WORTH_SHARING

CHUNK = 256  # rows that a kernel works at once: shares are multiples of it


class ThreadChoice:
    """One thread or n, slice by slice: both are timed for a few ms, n must win by 5 %.

    They are timed again after 1, 2, 4 .. 16 times 50 ms of work while the answer stays, and at once
    when the work has become 1.3 times slower. (Of work, not after so many slices: what short calls
    found must not outlast long ones.) Nothing else saves work whose partner is not running, so only
    this keeps n threads from ever costing much more than one: beside a busy neighbour, or where
    there is little to share. The network remembers from one call to the next.

    Parameters
    ----------
    net : MLP
        Keeps what is learned.
    kind : hashable
        What sort of work this is; each sort has its own answer.
    n : int
        The most threads.
    short : float, default 0.0
        Seconds a unit of work below which threads are not even tried.
    """

    TRIAL = 0.004  # seconds; starting a thread takes about 0.0001 of it
    REST = 0.05  # seconds of work until they are timed again, at first

    def __init__(self, net, kind, n, short=0.0):
        self.n, self.short = n, short
        self.memory = net._threads.setdefault(
            (kind, n), SimpleNamespace(threads=1, one=None, left=0.0, wait=1, best=inf)
        )

    def run(self, work, seconds):
        """One slice of about so many seconds (less while timing): ``work(n_threads, seconds)``,
        which says how many units it did."""
        memory = self.memory
        if self.n == 1:
            work(1, seconds)
        elif memory.left > 0:
            unit, took = self.timed(work, memory.threads, seconds)
            memory.left -= took
            memory.best = min(memory.best, unit)
            if unit > 1.3 * memory.best:
                memory.left = 0.0
        elif memory.one is None:
            memory.one, _ = self.timed(work, 1, min(seconds, self.TRIAL))
            if memory.one < self.short:
                self.decide(1)
        else:
            many, _ = self.timed(work, self.n, min(seconds, self.TRIAL))
            self.decide(self.n if many < 0.95 * memory.one else 1)

    def decide(self, threads):
        memory = self.memory
        memory.wait = min(2 * memory.wait, 16) if threads == memory.threads else 1
        memory.threads, memory.left, memory.one, memory.best = (
            threads,
            memory.wait * self.REST,
            None,
            inf,
        )

    @staticmethod
    def timed(work, n_threads, seconds):
        """Seconds a unit, and all in all."""
        began = time.perf_counter()
        units = work(n_threads, seconds)
        took = time.perf_counter() - began
        return took / max(1, units), took


def forward(net, X, out, n_threads):
    """out = net's outputs for X, rows shared among threads; bits don't depend on how."""
    n = len(X)
    if n_threads == 1 or n * net.n_params < WORTH_SHARING:
        net._forward_into(X, out)
        return
    choice = ThreadChoice(net, "forward", n_threads)
    done, products_a_second = 0, 2e10  # a guess, until the first rows have been timed

    def work(threads, seconds):
        nonlocal done, products_a_second
        chunks = max(threads, round(seconds * products_a_second / net.n_params / CHUNK))
        rows = chunks * CHUNK
        if n - done < 2 * rows:  # no small rest, by which more threads would be judged unfairly
            rows = n - done
        cuts = [done + rows * i // threads for i in range(threads + 1)]
        began = time.perf_counter()
        together([partial(net._forward_into, X[a:b], out[a:b]) for a, b in zip(cuts, cuts[1:])])
        products_a_second = rows * net.n_params / (time.perf_counter() - began)
        done += rows
        return rows

    while done < n:
        choice.run(work, 0.02)


def together(calls):
    """Make these calls, the first here, each other in a thread of its own; raise what one of them
    raised when all have ended. (An executor does as much, but starting and ending it takes 85 us
    more, a tenth of what two threads save on a millisecond.)"""
    ends, errors = [], []

    def run(call, end):
        try:
            call()
        except BaseException as error:
            errors.append(error)
        finally:
            end.release()

    try:
        for call in calls[1:]:
            end = _thread.allocate_lock()
            end.acquire()
            ends.append(end)
            try:
                _thread.start_new_thread(run, (call, end))
            except RuntimeError:  # the system gives no more threads
                run(call, end)
            except Exception:  # no Ctrl-C: it comes when the thread runs
                end.release()
                raise
        calls[0]()
    finally:
        for end in ends:
            end.acquire()
    if errors:
        raise errors[0]
