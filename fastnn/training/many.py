"""Train many networks: threads take one after the other from a queue."""

import time

from ..kernels import ManyInTraining, TrainerQueue
from .session import SLICE_SECONDS
from .state import DivergenceError

TAIL = 4  # few networks are left: so many for each thread
# Their slices are shorter, so that all threads end at about the same time: this part of the time so
# far, but at least so many seconds, since a slice costs about 0.1 ms.
TAIL_PART, TAIL_SECONDS = 0.02, 0.005


def train_many(networks, make, n_threads=1, line=None):
    """Train networks, each as its own session would train it, and return their histories.

    Threads compute slices of the sessions that a `TrainerQueue` can run. The others run one after
    the other, with all threads. Callbacks run in this thread. Training that diverges ends there,
    with the last finite parameters, and its history says so.

    Parameters
    ----------
    networks : list of MLP
    make : callable
        make(i, queue) returns the Session of network i.
    n_threads : int
    line : ManyLine, optional

    Returns
    -------
    list of History
    """
    pool = Pool(len(networks), make, n_threads, line)
    with ManyInTraining(networks):
        pool.run()
    return pool.histories


class Pool:
    """The sessions of `train_many`: some are active, others wait to be made."""

    def __init__(self, n, make, n_threads, line):
        self.n, self.make, self.n_threads, self.line = n, make, n_threads, line
        self.queue = TrainerQueue()
        self.waiting = iter(range(n))
        self.n_waiting = n
        self.active = {}  # {number: session}, those in the queue
        self.histories = [None] * n
        self.n_done, self.rows_done = 0, 0  # networks and rows trained
        self.n_ahead = TAIL * n_threads  # so many sessions are active at most
        self.began = time.perf_counter()

    @property
    def done(self):
        """The number of trained networks, with the parts of the active ones."""
        parts = (
            s.history.n_epochs / max(1, s.last_epoch - s.state.epoch + s.history.n_epochs)
            for s in self.active.values()
        )
        return self.n_done + sum(parts)

    @property
    def seconds(self):
        return time.perf_counter() - self.began

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
            except KeyboardInterrupt:  # repeating it is harmless
                self.finish()
                raise
            if self.line:
                self.line.close(self)

    def fill(self):
        """Make sessions until enough are active. Run those that the queue cannot run."""
        while len(self.active) < self.n_ahead:
            i = next(self.waiting, None)
            if i is None:
                return
            self.n_waiting -= 1
            # a single network runs alone, with all threads
            session = self.make(i, self.queue if self.n > 1 else None)
            self.histories[i] = session.history
            if session.engine.queued:
                self.begin(i, session)
            else:
                self.run_alone(session)

    def begin(self, i, session):
        session.begin()
        self.active[i] = session
        if session.callbacks:
            session.call(session.callbacks, "on_fit_begin")
        if session.is_done:
            self.end(i, session)

    def run_alone(self, session):
        try:
            session.run_locked()
        except DivergenceError:
            pass  # its history says so
        self.n_done += 1
        self.rows_done += session.history.n_epochs * len(session.data)
        if self.line:
            self.line.show(self)

    def run_slice(self):
        """Run a slice of the active sessions, those with most work left first."""
        turn, slice_seconds = list(self.active.items()), SLICE_SECONDS
        if not self.n_waiting and len(turn) <= TAIL * self.n_threads:
            turn.sort(key=lambda item: -_work_left(item[1]))
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
        if taken == len(turn) and seconds < SLICE_SECONDS / 4:
            self.n_ahead *= 2
        elif taken < len(turn) // 4:
            self.n_ahead = max(TAIL * self.n_threads, self.n_ahead // 2)
        if self.line:
            self.line.show(self)

    def end_slice(self, i, session):
        before = session.history.n_epochs
        try:
            session.end_slice(session.engine.trainer.stop())
        except DivergenceError as error:
            session.set_reason(error)
            session.follow()  # back to the position of the restored parameters
            self.remove(i, session)
            return
        if self.line:
            self.rows_done += (session.history.n_epochs - before) * len(session.data)
        if session.is_done:
            self.end(i, session)

    def end(self, i, session):
        session.set_reason()
        self.remove(i, session)
        session.end()

    def remove(self, i, session):
        session.store()
        del self.active[i]
        self.n_done += 1

    def finish(self):
        for session in self.active.values():
            session.finish()


def _work_left(session):
    """Return the multiply-adds that are left, roughly."""
    epochs = session.last_epoch - session.state.epoch
    return epochs * len(session.data) * session.net.n_params
