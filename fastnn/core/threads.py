"""Numbers of threads, chosen by timing. No result depends on them."""

import time
from functools import partial
from math import inf
from types import SimpleNamespace

from ..kernels import WORTH_SHARING, run_in_threads

CHUNK = 256  # rows of a chunk in the kernels
# rows of a part of a prediction, at least: each call copies all parameters first, which takes as long as
# predicting a hundred rows
ROWS_OF_A_PART = 8 * CHUNK
# seconds that this thread has worked; all seconds where the system counts these by milliseconds
IS_FINE = time.get_clock_info("thread_time").resolution < 1e-5
thread_time = time.thread_time if IS_FINE else time.perf_counter
PARTS = 4  # for each thread: a thread that begins late, or loses its CPU, leaves its parts to the others


class ThreadChoice:
    """Run work slice by slice with the fastest of 1, 2, 4, 8, ... and n threads.

    More threads never cost much more than one. What they may lose is limited by a credit: 3 % of the
    time that one thread works, plus what more threads have saved so far. A slice of more threads lasts
    as long as the credit at most. So a short training uses one thread, and a longer one tries more for
    a time that is short beside the work done so far. A slice in which other processes occupied the CPU
    adds no credit.

    A round times one thread and then more, for a fraction of a millisecond each. A number is chosen if
    it is 5 % faster than the best of the smaller ones. The round ends when two numbers in a row are not
    faster. If the credit does not suffice for the next number, the best one so far works until it does.
    Rounds begin after 50 ms of work, then 100, ..., 800 ms, with trials that grow as well. The period
    is in seconds of work and not in slices, so that a choice made by short calls does not last for long
    ones. Steps of a large network may be longer than the period. Then it begins with eight times as
    long as the round if that has chosen more threads, which lose by a trial of one, and with at most
    200 ms if it has chosen one. A slice of more threads that is slower than one thread ends their use
    until the next round; if it is a single unit, the second such slice in a row does, or one that
    uses up the credit.

    Threads wait for each other at barriers, so they are much slower than one if another process
    occupies a CPU, and hardly faster if there is little work to share: a step of a small network is
    fastest with few of 64 threads.

    Parameters
    ----------
    choices : dict
        Keeps the measurements from one call to the next.
    kind : hashable
        Kind of work; each kind has its own choice.
    n : int
        Maximum number of threads.
    min_seconds : float, default 0.0
        If a unit of work takes less time than this with one thread, no other number is tried.
    """

    TRIAL = 0.00025  # seconds of a first trial for each thread; starting one takes about 0.0001
    CREDIT = 0.03  # of the time of one thread
    #: Of a unit that takes longer than a trial: threads then rarely wait for each other.
    LONG_RISK = 0.05
    PERIOD = 0.05  # seconds of work between the first two rounds

    def __init__(self, choices, kind, n, min_seconds=0.0):
        self.numbers = [2**i for i in range((n - 1).bit_length())] + [n]
        self.min_seconds = min_seconds
        self.state = choices.setdefault(
            (kind, n),
            SimpleNamespace(
                threads=1,  # the current choice
                one=inf,  # seconds a unit with one thread, when it was last timed
                credit=0.0,  # seconds
                timed=(),  # seconds a unit with each number of threads, in a round
                spent=0.0,  # seconds of trials in a round
                left=0.0,  # seconds of work until the next round
                periods=1,
                was_slow=False,  # the last slice of more threads was slower than one thread
            ),
        )

    def run(self, work, seconds):
        """Run one slice of about this many seconds, or less.

        ``work(n_threads, seconds)`` returns the number of units it has done.
        """
        if len(self.numbers) == 1:
            work(1, seconds)
            return
        # calls in several threads share the state: none changes a tuple that another one reads
        state, timed, n = self.state, self.state.timed, self.state.threads
        is_trial = state.left <= 0
        if is_trial:
            n = self.numbers[len(timed)]
            length = max(2, n) * self.TRIAL * state.periods
            missing = max(length, self.LONG_RISK * state.one) - state.credit
            if n == 1 or missing <= 0:
                seconds = min(seconds, length)
            else:
                is_trial, n = False, state.threads
                if n == 1:
                    seconds = min(seconds, missing / self.CREDIT)
        if n > 1 and not is_trial:
            seconds = min(seconds, max(state.credit, n * self.TRIAL))

        start, cpu = time.perf_counter(), thread_time()
        units = max(1, work(n, seconds))
        total, cpu = time.perf_counter() - start, thread_time() - cpu
        unit = total / units
        if n > 1:
            state.credit += units * state.one - total
        else:
            state.one = unit
            # less CPU time: other processes occupied the CPU, and threads would lose theirs in turn
            state.credit += self.CREDIT * total * (cpu > 0.9 * total)
        if is_trial:
            self._add_trial((*timed, unit), total)
        else:
            state.left -= total
            self._check_choice(units, n > 1 and unit > state.one)

    def _check_choice(self, units, is_slow):
        state = self.state
        if is_slow and (units > 1 or state.was_slow or state.credit < 0):
            self._end_round(1)
        state.was_slow = is_slow

    def _add_trial(self, timed, total):
        state, best = self.state, 0
        state.spent += total
        for i, unit in enumerate(timed):
            if unit < 0.95 * timed[best]:
                best = i
        if len(timed) in (len(self.numbers), best + 3) or timed[0] < self.min_seconds:
            self._end_round(self.numbers[best])
        else:
            state.timed, state.threads = timed, self.numbers[best]

    def _end_round(self, threads):
        state = self.state
        state.threads = threads
        # one thread goes on as before, and the credit limits what the next trials of more may cost
        length = 8 * state.spent if threads > 1 else min(4 * state.spent, 4 * self.PERIOD)
        state.left = state.periods * max(self.PERIOD, length)
        state.periods = min(2 * state.periods, 16)
        state.timed, state.spent = (), 0.0


def share(call, n, work, least, choices, kind, n_threads):
    """Run a call on parts of ``range(n)``, in as many threads as are fastest.

    Parameters
    ----------
    call : callable
        ``call(start, stop, abort=None)`` does the units start..stop; see `kernels.run_in_threads`.
    n : int
        Number of units, such as rows.
    work : float
        Multiply-adds of a unit, about.
    least : int
        Units of a part, at least, where there are enough.
    choices, kind
        As in `ThreadChoice`.
    n_threads : int
        Maximum number of threads.
    """
    n_threads = min(n_threads, n)
    if n_threads <= 1 or n * work < WORTH_SHARING:
        call(0, n)
        return
    choice = ThreadChoice(choices, kind, n_threads)
    done = 0
    speed = 2e10  # multiply-adds a second: an estimate until the first units have been timed

    def run(threads, seconds):
        nonlocal done, speed
        units = max(least * threads, round(seconds * speed / work))
        # a small rest would be timed as slower with several threads
        if n - done < 2 * max(units, 2 * least):
            units = n - done
        start = time.perf_counter()
        run_in_parts(lambda a, b, abort: call(done + a, done + b, abort), units, least, threads)
        speed = units * work / (time.perf_counter() - start)
        done += units
        return units

    while done < n:
        choice.run(run, 0.02)


def run_in_parts(call, n, least, n_threads):
    """Run ``call(start, stop, abort)`` on parts of ``range(n)`` in this number of threads."""
    parts = 1 if n_threads == 1 else min(n, max(n_threads, min(PARTS * n_threads, n // least)))
    bounds = [n * i // parts for i in range(parts + 1)]
    run_in_threads([partial(call, a, b) for a, b in zip(bounds, bounds[1:])], n_threads)


def forward_in_threads(net, X, out, n_threads):
    """Write the outputs of a network for X to `out`, with the rows divided among threads."""
    n = len(X)

    def forward(a, b, abort=None):
        net._forward_into(X if b - a == n else X[a:b], out[a:b], abort)

    share(forward, n, net.n_params, ROWS_OF_A_PART, net.thread_choices, "forward", n_threads)
