"""Pools: threads train many networks.

In memory, threads compute slices of the sessions of a queue (`Pool`). On streamed rows, each
session has a thread of its own (`StreamPool`).
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from ..kernels import InTraining, TrainerQueue
from ..state import DivergenceError
from .progress import PoolProgress
from .session import SLICE_SECONDS

TAIL = 4  # networks for each thread from which on the end is balanced
IN_ORDER_TAIL = 2  # the same for networks that end in order
# Their slices are shorter, so that all threads end at about the same time: this part of the time so
# far, but at least TAIL_SECONDS, since a slice costs about 0.1 ms.
TAIL_PART, TAIL_SECONDS = 0.02, 0.005
# More networks are active at a time as long as they take less than this together. With slices of
# 12 ms, 3,000 networks were, and their objects did not fit in the cache: 5 us more for each.
SHORT_SLICE = 0.001


@dataclass(kw_only=True, eq=False, repr=False)
class Trainings:
    """The networks that a pool trains.

    Attributes
    ----------
    n : int
        Number of networks.
    make : callable
        make(i, queue) returns the Session of network i, or None if there is nothing to train.
    networks : sequence of MLP
        The networks that exist already: no other thread may use them meanwhile.
    ended : callable or None
        ended(i, session, error) is called as soon as the training of network i has ended; error is
        the exception that ended it, or None. Then no such exception stops the others.
    in_order : bool
        Whether networks end in their order, unless that leaves a thread idle. By default the
        last `TAIL` networks of each thread end at about the same time.
    late : bool
        Whether `make` is called only when a thread is about to train the network, since the options
        depend on the time that is left.
    """

    n: int
    make: Callable[..., Any]
    networks: Sequence[Any] = ()
    ended: Callable[..., None] | None = None
    in_order: bool = False
    late: bool = False


def train_many(trainings, n_threads=1, line=None, collector=None):
    """Train networks, each as its own session would train it, and return their histories.

    Threads compute slices of the sessions that a `TrainerQueue` can run. The others run one after
    the other, with all threads. Callbacks run in this thread. Training that diverges ends there,
    with the last finite parameters, and its history says so.

    Parameters
    ----------
    trainings : Trainings
    n_threads : int
    line : ManyLine, optional
    collector : kernels.PausedCollector, optional
        The context of the caller.

    Returns
    -------
    list of History
    """
    pool = Pool(trainings, n_threads, line, collector)
    with InTraining(list(trainings.networks)):
        pool.run()
    return pool.histories


class Pool(PoolProgress):
    """The sessions of `train_many`: some are active, others wait to be made."""

    def __init__(self, trainings, n_threads=1, line=None, collector=None):
        n = trainings.n
        super().__init__(n)
        self.trainings, self.n_threads, self.line = trainings, n_threads, line
        self.collector = collector
        self.expected = DivergenceError if trainings.ended is None else Exception
        self.queue = TrainerQueue()
        self.waiting = iter(range(n))
        self.n_waiting = n
        self.n_ahead = TAIL * n_threads  # sessions that are active, at most

    def run(self):
        try:
            while True:
                self.fill()
                if not self.active:
                    break
                self.run_slice()
        except BaseException as error:
            for session in self.active.values():
                session.set_reason(error)
            raise
        finally:
            try:
                self.finish()
            except BaseException:  # a signal handler may have raised it; repeating it is harmless
                self.finish()
                raise
            if self.line:
                self.line.close(self)

    def fill(self):
        """Make sessions until enough are active. Run those that the queue cannot run."""
        queue = self.queue if self.n > 1 else None  # a single network runs alone, with all threads
        late = self.trainings.late and self.n_waiting + len(self.active) >= 2 * self.n_threads
        # `late`: else the last networks are balanced
        while len(self.active) < (self.n_threads if late else self.n_ahead):
            i = next(self.waiting, None)
            if i is None:
                return
            self.n_waiting -= 1
            session = self.trainings.make(i, queue)
            if session is None:
                self.n_done += 1
                continue
            self.histories[i] = session.history
            if session.engine.queued:
                self.begin(i, session)
            else:
                self.run_alone(i, session)

    def begin(self, i, session):
        self.active[i] = session
        # a thread trains so many at a time
        self.n_ahead = max(self.n_ahead, session.engine.trainer.max_lanes() * self.n_threads)
        session.begin()
        try:
            if session.callbacks:
                session.call(session.callbacks, "on_fit_begin")
        except self.expected as error:
            self.fail(i, session, error)
            return
        if session.is_done:
            self.end(i, session)

    def run_alone(self, i, session):
        failure = None
        try:
            session.run_locked()
        except self.expected as error:
            failure = error  # the history says so
        if self.trainings.ended:
            self.trainings.ended(i, session, failure)
        self.n_done += 1
        self.rows_done += session.history.n_epochs * len(session.data)
        if self.line:
            self.line.show(self)

    def run_slice(self):
        """Run a slice of the active sessions. The last ones are run so that all threads end together."""
        turn, slice_seconds = list(self.active.items()), SLICE_SECONDS
        if not self.n_waiting and len(turn) <= TAIL * self.n_threads:
            turn = self.balance(turn)
            slice_seconds = min(SLICE_SECONDS, max(TAIL_SECONDS, TAIL_PART * self.seconds))
        start = time.perf_counter()
        taken = self.queue.run(
            [session.engine.trainer for _, session in turn],
            [session.begin_slice() for _, session in turn],
            self.n_threads,
            slice_seconds,
        )
        seconds = time.perf_counter() - start
        for i, session in turn[:taken]:
            self.end_slice(i, session)
        if self.collector:
            self.collector.end_if_late()
        if taken == len(turn) and seconds < SHORT_SLICE:
            self.n_ahead *= 2
        elif taken < len(turn) // 4:
            self.n_ahead = max(TAIL * self.n_threads, self.n_ahead // 2)
        if self.line:
            self.line.show(self)

    def balance(self, turn):
        """Return the last sessions, those with most work left first.

        With ``trainings.in_order``, as long as there are many, only those are first that would end last even if
        they ran all the time.
        """
        turn.sort(key=lambda item: -_work_left(item[1]))
        if not self.trainings.in_order or len(turn) <= IN_ORDER_TAIL * self.n_threads:
            return turn
        limit = sum(_work_left(session) for _, session in turn) / self.n_threads
        urgent = [item for item in turn if _work_left(item[1]) >= limit]
        return urgent + sorted(turn[len(urgent) :], key=lambda item: item[0])

    def end_slice(self, i, session):
        before = session.history.n_epochs
        try:
            session.end_slice(session.engine.trainer.stop())
        except self.expected as error:
            self.fail(i, session, error)
            return
        if self.line:
            self.rows_done += (session.history.n_epochs - before) * len(session.data)
        if session.is_done:
            self.end(i, session)

    def end(self, i, session):
        session.set_reason()
        if session.state.row:  # parameters may have overflowed within the epoch
            session.finish()
        else:
            session.store()
        self.remove(i)
        failure = None
        try:
            session.end()
        except self.expected as error:
            failure = error
        if self.trainings.ended:
            self.trainings.ended(i, session, failure)

    def fail(self, i, session, error):
        """End the training of a session that raised an exception."""
        session.set_reason(error)
        session.finish()
        self.remove(i)
        if self.trainings.ended:
            self.trainings.ended(i, session, error)

    def remove(self, i):
        del self.active[i]
        self.n_done += 1

    def finish(self):
        """Store the networks of all active sessions, also if that fails for some of them."""
        failure = None
        for session in self.active.values():
            try:
                session.finish()
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure


def _work_left(session):
    """Return the multiply-adds that are left, roughly."""
    epochs = session.last_epoch - session.state.epoch
    return epochs * len(session.data) * session.net.n_params


class StreamPool(PoolProgress):
    """Sessions whose rows are read window by window, each in its own thread.

    A single network on batches of usual size hardly gains from a second thread, but two networks do.

    Parameters
    ----------
    trainings : Trainings
        ``make(i)`` is called in the thread that runs the session, `ended` in the thread of `run`. Without
        `ended`, an exception that ends a training stops the others.
    n_threads : int
        So many sessions are active at a time, each with one window.
    line : optional
        Shows the progress, as a `progress.ManyLine` does.
    """

    def __init__(self, trainings, n_threads, line=None):
        super().__init__(trainings.n)
        self.trainings, self.n_threads, self.line = trainings, n_threads, line
        self.stopped = False

    def run(self):
        """Train all networks. Any exception stops the active sessions after their slice."""
        with ThreadPoolExecutor(self.n_threads) as executor:
            try:
                waiting = {executor.submit(self.train, i): i for i in range(self.n)}
                while waiting:
                    ready, _ = wait(waiting, SLICE_SECONDS, FIRST_COMPLETED)
                    for future in ready:
                        self.end(waiting.pop(future), future.result())
                    if self.line:
                        self.line.show(self)
            except BaseException:
                self.stop()
                executor.shutdown(cancel_futures=True)
                raise
            finally:
                if self.line:
                    self.line.close(self)

    def train(self, i):
        """Train network i. Return its session, and the exception that ended it or None."""
        session = self.trainings.make(i)
        self.active[i], self.histories[i] = session, session.history
        if self.stopped:
            return session, None
        try:
            session.run_locked()
        except Exception as error:
            return session, error
        return session, None

    def end(self, i, result):
        session, error = result
        del self.active[i]
        self.n_done += 1
        self.rows_done += session.history.n_epochs * len(session.data)
        if self.trainings.ended is not None:
            self.trainings.ended(i, session, error)
        elif error is not None:
            raise error

    def stop(self):
        self.stopped = True
        for session in list(self.active.values()):
            session.last_epoch = -1  # it is done
            session.engine.interrupt()
