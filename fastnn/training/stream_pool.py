"""Train networks on streamed rows: each thread takes one after the other."""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from .progress import PoolProgress
from .session import SLICE_SECONDS


class StreamPool(PoolProgress):
    """Sessions whose rows are read window by window, each in its own thread.

    A single network on batches of usual size hardly gains from a second thread, but two networks do.

    Parameters
    ----------
    n : int
        Number of networks.
    make : callable
        make(i) returns the Session of network i. It is called in the thread that runs the session.
    n_threads : int
        So many sessions are active at a time, each with one window.
    line : optional
        Shows the progress, as a `progress.ManyLine` does.
    ended : callable
        ended(i, session, error) is called in the thread of `run` when the training of network i has
        ended; error is the exception that ended it, or None.
    """

    def __init__(self, n, make, n_threads, line, ended):
        super().__init__(n)
        self.make, self.n_threads = make, n_threads
        self.line, self.ended = line, ended
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
        session = self.make(i)
        self.active[i] = session
        if self.stopped:
            return session, None
        try:
            session.run_locked()
        except Exception as error:
            return session, error
        return session, None

    def end(self, i, result):
        del self.active[i]
        self.n_done += 1
        self.ended(i, *result)

    def stop(self):
        self.stopped = True
        for session in list(self.active.values()):
            session.last_epoch = -1  # it is done
