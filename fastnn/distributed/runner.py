"""Where tasks run: on the cluster of the current client of Dask, or in this process; and its configuration.

Dask reads the keys `fastnn.parts` and `fastnn.sync-every` from its files (`~/.config/dask/*.yaml`), from variables
of the environment (`DASK_FASTNN__PARTS`), and from ``dask.config.set({"fastnn.parts": 4})``.
"""

import sys
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

from ..core.validation import check_count
from . import ClusterError

POLL_SECONDS = 0.5
GATHER_SECONDS = 30  # for a result that is ready; then it is asked for again
NO_WORKER_SECONDS = 60  # for which a cluster may have no worker
#: Networks that train at the same time for each thread of the workers, divided by their parts.
TASKS_AHEAD = 2
MAX_AT_ONCE = 16  # networks: each has a thread in this process
#: Parts that train at the same time before their parameters are averaged: see
#: docs/decisions/0045-dask-rounds.md.
MAX_PARTS = 8
#: Steps of each part between two averages. A round of this length takes about 50 ms.
SYNC_EVERY = 256
MIN_BATCH = 32  # rows of a step of a part


class Stopped(Exception):
    """The caller no longer wants the result."""


def current_runner(n_threads):
    """Return a ClusterRunner for the current client of Dask, or a Runner without one.

    n_threads : int
        Threads in this process.
    """
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        try:
            client = distributed.default_client()
        except ValueError:
            return Runner(n_threads)
        if client.asynchronous:
            raise ValueError(
                "the current client of Dask is asynchronous. Call fit in a thread, with a client "
                "that is not: Client(address, asynchronous=False)."
            )
        return ClusterRunner(client)
    return Runner(n_threads)


class Runner:
    """Runs tasks in threads of this process. Dask's own scheduler computes the partitions.

    Parameters
    ----------
    n_threads : int
    """

    def __init__(self, n_threads):
        self.n_threads = n_threads
        self.executor = ThreadPoolExecutor(n_threads, thread_name_prefix="fastnn-dask")

    def n_at_once(self, n_parts):
        """Return how many networks train at the same time."""
        return min(MAX_AT_ONCE, max(1, self.n_threads))

    def compute(self, collections):
        """Return futures of a list of Delayed objects."""
        import dask

        futures: list[Future] = []
        for value in dask.compute(*collections):
            futures.append(Future())
            futures[-1].set_result(value)
        return futures

    def submit(self, name, function, *args):
        """Return the future of a call. Arguments may be futures, or lists of them. name : for the dashboard"""
        # first in, first out: what a task waits for has begun before it
        return self.executor.submit(_call, function, args)

    def result(self, future, is_stopped=None):
        """Wait for the result of a future.

        is_stopped : function, optional
            Raise Stopped as soon as it returns True.

        Raises
        ------
        ClusterError
            The scheduler has gone, or there have been no workers for a minute.
        """
        while not wait([future], POLL_SECONDS).done:
            if is_stopped is not None and is_stopped():
                raise Stopped
        return future.result()

    def results(self, futures, on_done=lambda k: None):
        """Wait for the results of futures. on_done(k) is called when k of them are done.

        If one fails, the others are cancelled.
        """
        out = []
        try:
            for k, future in enumerate(futures, 1):
                out.append(self.result(future))
                on_done(k)
        except BaseException:
            self.cancel(futures)
            raise
        return out

    def cancel(self, futures):
        """Cancel what nobody waits for any more."""
        for future in futures:
            future.cancel()

    def close(self):
        """End the threads."""
        self.executor.shutdown(cancel_futures=True)


def _call(function, args):
    """Call a function, with the results of arguments that are futures or lists of them."""

    def resolve(value):
        if isinstance(value, list):
            return [resolve(each) for each in value]
        return value.result() if isinstance(value, Future) else value

    return function(*map(resolve, args))


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

    def n_at_once(self, n_parts):
        n_threads = max(1, sum(self.client.nthreads().values()))
        return min(MAX_AT_ONCE, max(2, -(-TASKS_AHEAD * n_threads // n_parts)))

    def compute(self, collections):
        return self.client.compute(collections, optimize_graph=True)

    def submit(self, name, function, *args):
        return self.client.submit(function, *args, key=task_key(name), pure=False)

    def result(self, future, is_stopped=None):
        import distributed

        is_done = threading.Event()
        future.add_done_callback(lambda future: is_done.set())
        while True:
            try:
                if is_done.wait(POLL_SECONDS):
                    return future.result(timeout=GATHER_SECONDS)
            # A connection; the second is a fault of distributed.utils.sync.
            except (OSError, UnboundLocalError):
                if future.status == "error":  # of the task
                    raise
                time.sleep(POLL_SECONDS)  # is_done is set, so nothing else waits
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
        if self.client.status == "running":
            with suppress(Exception):  # the scheduler has gone meanwhile
                self.client.cancel(futures, force=True)

    def close(self):
        """Leave the client open: it is the user's."""

    def _check_cluster(self):
        if self.client.status not in ("running", "connecting"):
            raise self._gone()
        if self.client.status == "connecting":
            return  # until its own time-out
        try:
            has_workers = bool(self.client.nthreads())
        except (OSError, UnboundLocalError):  # the next check knows more
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


# ---- calls as Delayed objects of Dask, with names for its dashboard ----


def task_key(name):
    """Return a new key of a task, of which the dashboard shows the name."""
    return f"fastnn-{name}-{uuid.uuid4().hex}"


def delayed_call(name, function):
    """Return a function that returns the Delayed call of a function. name : for the dashboard"""
    import dask

    call = dask.delayed(function, pure=False)
    return lambda *args: call(*args, dask_key_name=task_key(name))


def delayed_value(name, value):
    """Return a value as a Delayed object, which each worker gets once."""
    import dask

    return dask.delayed(value, name=task_key(name), traverse=False)


# ---- the configuration ----


def configured(key, default):
    """Return a number in the configuration of Dask."""
    import dask

    value = dask.config.get(f"fastnn.{key}", None)
    return default if value is None else check_count(f"fastnn.{key}", value)


def count_parts(n_partitions, n_rows, part_rows):
    """Return the number of parts that train at the same time. It depends on the rows alone, not on the workers.

    part_rows : rows that are worth a part
    """
    n_parts = configured("parts", min(MAX_PARTS, n_partitions, n_rows // part_rows))
    return max(1, min(n_parts, n_rows))


def part_batch(batch_size, n_parts):
    """Return the rows of a step of a part, so that a step of all parts has about `batch_size`."""
    return max(min(MIN_BATCH, batch_size), -(-batch_size // n_parts))
