"""Where tasks run: on the cluster of the current client of Dask, or in this process."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import delayed
from .delayed import task_key

POLL_SECONDS = 0.5
GATHER_SECONDS = 30  # for a result that is ready; then it is asked for again
NO_WORKER_SECONDS = 60  # for which a cluster may have no worker
#: Networks that train at the same time for each thread of the workers, divided by their parts.
TASKS_AHEAD = 2
MAX_AT_ONCE = 16  # networks: each has a thread in this process


class ClusterError(ConnectionError):
    """The cluster of Dask can no longer compute. What is done has been kept."""


class Stopped(Exception):
    """The caller no longer wants the result."""


def current_runner(n_threads):
    """Return a ClusterRunner for the current client of Dask, or a LocalRunner without one.

    n_threads : int
        Threads in this process.
    """
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        try:
            client = distributed.default_client()
        except ValueError:
            return LocalRunner(n_threads)
        if client.asynchronous:
            raise ValueError(
                "the current client of Dask is asynchronous. Call fit in a thread, with a client "
                "that is not: Client(address, asynchronous=False)."
            )
        return ClusterRunner(client)
    return LocalRunner(n_threads)


class Runner:
    """Base class of runners, which define `result(future)`."""

    def result(self, future, is_stopped=None):
        """Wait for the result of a future. Raise `Stopped` when is_stopped() is true."""
        raise NotImplementedError

    def results(self, futures, on_done=None):
        """Wait for the results of futures. on_done(k) is called when k of them are done.

        If one fails, the others are cancelled.
        """
        out = []
        try:
            for k, future in enumerate(futures, 1):
                out.append(self.result(future))
                if on_done is not None:
                    on_done(k)
        except BaseException:
            self.cancel(futures)
            raise
        return out

    def cancel(self, futures):
        """Cancel what nobody waits for any more."""
        raise NotImplementedError


class ClusterRunner(Runner):
    """Runs tasks on the cluster of a client.

    Every task is short, and a pure function of its arguments. So if a worker dies, Dask runs what it
    had done again on another one, with the same result.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client):
        self.client = client
        self.address = client.scheduler.address
        self._without_workers: Any = None  # since when there are no workers

    @property
    def n_threads(self):
        """int: threads of all workers."""
        return max(1, sum(self.client.nthreads().values()))

    def n_at_once(self, n_parts):
        """Return how many networks train at the same time."""
        return min(MAX_AT_ONCE, max(2, -(-TASKS_AHEAD * self.n_threads // n_parts)))

    def compute(self, collections):
        """Return futures of a list of Delayed objects."""
        return self.client.compute(collections, optimize_graph=True)

    def submit(self, name, function, *args):
        """Return the future of a call, whose arguments may be futures. name : for the dashboard"""
        return self.client.submit(function, *args, key=task_key(name), pure=False)

    def result(self, future, is_stopped=None):
        """Wait for the result of a future.

        is_stopped : function, optional
            Raise Stopped as soon as it returns True.

        Raises
        ------
        ClusterError
            The scheduler has gone, or there have been no workers for a minute.
        """
        import distributed

        is_done = threading.Event()
        future.add_done_callback(lambda future: is_done.set())
        while True:
            try:
                if is_done.wait(POLL_SECONDS):
                    return future.result(timeout=GATHER_SECONDS)
            except (TimeoutError, UnboundLocalError):  # the latter of distributed.utils.sync
                if future.status == "error":  # of the task
                    raise
            except distributed.CancelledError as error:
                raise self._gone() from error
            except distributed.KilledWorker as error:
                raise ClusterError(
                    f"the workers of Dask died again and again in {error.task}, perhaps because "
                    "their memory is too small for a partition. Give them more memory, or make the "
                    "partitions smaller."
                ) from error
            if is_stopped is not None and is_stopped():
                raise Stopped
            self._check_cluster()

    def cancel(self, futures):
        """Cancel what nobody waits for any more."""
        if self.client.status == "running":
            try:
                self.client.cancel(futures, force=True)
            except Exception:  # the scheduler has gone meanwhile
                pass

    def close(self):
        """End. The client is the user's."""

    def _check_cluster(self):
        if self.client.status not in ("running", "connecting"):
            raise self._gone()
        if self.client.status == "connecting":
            return  # until its own time-out
        try:
            has_workers = bool(self.client.nthreads())
        except (OSError, TimeoutError, UnboundLocalError):  # the next check knows more
            return
        if has_workers:
            self._without_workers = None
            return
        now = time.monotonic()
        self._without_workers = self._without_workers or now
        if now - self._without_workers > NO_WORKER_SECONDS:
            raise ClusterError(
                f"the scheduler of Dask at {self.address} has had no workers for "
                f"{NO_WORKER_SECONDS} s. Start workers."
            )

    def _gone(self):
        return ClusterError(
            f"the scheduler of Dask at {self.address} no longer answers, or its client was closed. "
            "Start another cluster and a client for it."
        )


class LocalRunner(Runner):
    """Runs tasks in threads of this process. Dask's own scheduler computes the partitions.

    Parameters
    ----------
    n_threads : int
    """

    address = "this process"

    def __init__(self, n_threads):
        self.n_threads = n_threads
        self.executor = ThreadPoolExecutor(n_threads, thread_name_prefix="fastnn-dask")

    def n_at_once(self, n_parts):
        return min(MAX_AT_ONCE, max(1, self.n_threads))

    def compute(self, collections):
        return list(map(_Done, delayed.compute(*collections)))

    def submit(self, name, function, *args):
        # first in, first out: what a task waits for has begun before it
        return self.executor.submit(_call, function, args)

    def result(self, future, is_stopped=None):
        while True:
            try:
                return future.result(timeout=POLL_SECONDS)
            except TimeoutError:
                if future.done():
                    raise
            if is_stopped is not None and is_stopped():
                raise Stopped

    def cancel(self, futures):
        for future in futures:
            future.cancel()

    def close(self):
        self.executor.shutdown(cancel_futures=True)


class _Done:
    """A future whose result is known."""

    def __init__(self, value):
        self.value = value

    def result(self, timeout=None):
        return self.value

    def cancel(self):
        return False


def _call(function, args):
    """Call a function, with the results of arguments that are futures or lists of them."""

    def resolve(value):
        if isinstance(value, list):
            return [resolve(each) for each in value]
        return value.result() if hasattr(value, "result") else value

    return function(*map(resolve, args))
