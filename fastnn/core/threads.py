"""Numbers of threads, chosen by timing. No result depends on them."""

import time
from functools import partial
from math import inf
from types import SimpleNamespace

from ..kernels import WORTH_SHARING, run_in_threads

CHUNK = 256  # rows of a chunk in the kernels; threads get whole chunks
# chunks of a thread in a slice of `forward`, at least: each thread copies all parameters first, which takes
# as long as predicting a hundred rows
PACKED_CHUNKS = 8


class ThreadChoice:
    """Run work slice by slice with the fastest of 1, 2, 4, 8, ... and n threads.

    Each number is timed for a few milliseconds, and is chosen if it is 5 % faster than the best of
    the smaller ones. Timing ends when two numbers in a row are not faster. The numbers are timed
    again after 1, 2, 4, ..., 16 times 50 ms of work while the choice stays the same (1, 4, 16 times
    if all others took 1.2 times as long: timing them is what costs then), and immediately if a unit
    of work takes 1.3 times as long as the fastest since the choice. Where timing takes longer, as
    steps of a large network may, four times as long takes the place of 50 ms. The period is in
    seconds of work and not in slices, so that a choice made by short calls does not last for long
    ones.

    Threads wait for each other at barriers, so they are much slower than one if another process
    occupies a CPU, and hardly faster if there is little work to share: a step of a small network is
    fastest with few of 64 threads. Timing limits that loss. The network keeps the choice from one
    call to the next.

    Parameters
    ----------
    net : MLP
        Stores the measurements.
    kind : hashable
        Kind of work; each kind has its own choice.
    n : int
        Maximum number of threads.
    min_seconds : float, default 0.0
        If a unit of work takes less time than this with one thread, no other number is tried.
    """

    TRIAL = 0.002  # seconds for each thread, at least two; starting one takes about 0.0001 of them
    PERIOD = 0.05  # seconds of work until the next timing, at first

    def __init__(self, net, kind, n, min_seconds=0.0):
        self.numbers = [2**i for i in range((n - 1).bit_length())] + [n]
        self.min_seconds = min_seconds
        self.state = net.thread_choices.setdefault(
            (kind, n),
            SimpleNamespace(
                threads=1,  # the current choice
                timed=(),  # seconds a unit with each number of threads, while they are timed
                spent=0.0,  # seconds of timing
                left=0.0,  # seconds of work until the next timing
                periods=1,
                fastest=inf,  # seconds a unit since the choice
            ),
        )

    def run(self, work, seconds):
        """Run one slice of about this many seconds, or less while timing.

        ``work(n_threads, seconds)`` returns the number of units it has done.
        """
        state = self.state
        if len(self.numbers) == 1:
            work(1, seconds)
        elif state.left > 0:
            unit, total = self._time(work, state.threads, seconds)
            state.left -= total
            state.fastest = min(state.fastest, unit)
            if unit > 1.3 * state.fastest:
                state.left = 0.0
        else:
            # calls in several threads share the state: none changes a tuple that another one reads
            timed = state.timed
            n = self.numbers[len(timed)]
            unit, total = self._time(work, n, min(seconds, max(2, n) * self.TRIAL))
            state.spent += total
            timed = (*timed, unit)
            best = 0
            for i, unit in enumerate(timed):
                if unit < 0.95 * timed[best]:
                    best = i
            if len(timed) in (len(self.numbers), best + 3) or timed[0] < self.min_seconds:
                others = [unit for i, unit in enumerate(timed) if i != best]
                clear = bool(others) and min(others) > 1.2 * timed[best]
                self._choose(self.numbers[best], 4 if clear else 2)
            else:
                state.timed = timed

    def _choose(self, threads, factor):
        state = self.state
        state.periods = min(factor * state.periods, 16) if threads == state.threads else 1
        state.threads = threads
        state.left = state.periods * max(self.PERIOD, 4 * state.spent)
        state.timed, state.spent, state.fastest = (), 0.0, inf

    @staticmethod
    def _time(work, n_threads, seconds):
        """Run work, and return the seconds for a unit and in total."""
        start = time.perf_counter()
        units = work(n_threads, seconds)
        total = time.perf_counter() - start
        return total / max(1, units), total


def forward_in_threads(net, X, out, n_threads):
    """Write the outputs of a network for X to `out`, with the rows divided among threads."""
    n = len(X)
    if n_threads == 1 or n * net.n_params < WORTH_SHARING:
        net._forward_into(X, out)
        return
    choice = ThreadChoice(net, "forward", n_threads)
    done, products_per_second = 0, 2e10  # an estimate until the first rows have been timed

    def work(threads, seconds):
        nonlocal done, products_per_second
        chunks = max(
            PACKED_CHUNKS * threads, round(seconds * products_per_second / net.n_params / CHUNK)
        )
        rows = chunks * CHUNK
        if n - done < 2 * rows:  # a small rest would be timed as slower with several threads
            rows = n - done
        bounds = [done + rows * i // threads for i in range(threads + 1)]
        start = time.perf_counter()
        run_in_threads(
            [partial(net._forward_into, X[a:b], out[a:b]) for a, b in zip(bounds, bounds[1:])]
        )
        products_per_second = rows * net.n_params / (time.perf_counter() - start)
        done += rows
        return rows

    while done < n:
        choice.run(work, 0.02)
