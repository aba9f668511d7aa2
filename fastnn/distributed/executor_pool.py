"""ExecutorPool: the workers of an executor train networks, and what runs in a worker."""

import os
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..callbacks import EarlyStopping
from ..config import build
from ..core.messages import plural, reason, warn
from ..core.validation import check_threads, describe_type
from ..training.progress import PoolProgress
from . import shared_objects
from .shared_objects import Source

POLL_SECONDS = 0.05  # between two lines of progress
COUNT_SECONDS = 1.0  # between two counts of the workers: a cluster may grow
TASKS_PER_WORKER = 16  # at most, so that all workers end at about the same time
MAX_SENDS = 3  # of the shared objects with one task, which a worker that dies may lose


class Workers:
    """The workers of an executor.

    Parameters
    ----------
    executor : concurrent.futures.Executor
    n_threads : int
        Threads in a worker.
    n_threads_here : int
        Threads in this process, for networks that the executor lost.
    shared : SharedObjects, optional
        What tasks read. It must be open while networks train.

    Attributes
    ----------
    is_broken : bool
        Whether the executor was found to be broken: then all networks train in this process.
    n : int
        Number of workers when somebody asked first.
    """

    is_broken = False

    def __init__(self, executor, n_threads, n_threads_here, shared=None):
        if not hasattr(executor, "submit"):
            raise TypeError(
                "executor must be a concurrent.futures.Executor, such as a ProcessPoolExecutor, got "
                f"{describe_type(executor)}"
            )
        self.executor, self.shared = executor, shared
        self.n_threads, self.n_threads_here = n_threads, n_threads_here

    @cached_property
    def n(self):
        return n_workers(self.executor)


@dataclass(eq=False)
class _Task:
    """Some networks, and how often the shared objects were sent with them."""

    numbers: Sequence[int]
    data: bytes = b""
    n_sends: int = 0


class ExecutorPool(PoolProgress):
    """The workers of an executor train networks, as many tasks at a time as there are workers.

    So an idle worker gets the next task, and those that say that they miss the shared objects get
    them: with more tasks in the queue of the executor, others would take them.

    Networks that the executor loses, because it is broken, train in threads of this process. Dask
    runs the tasks of a worker that died on another.

    Parameters
    ----------
    workers : Workers
    n : int
        Number of networks.
    function : callable
        function(items, watch), of a module, runs in a worker, and returns a result for each item.
        `watch` is shown to the pool that it runs, see `CallWatch`.
    make : callable
        make(i) returns the item of network i as soon as a worker is free. Arrays of
        ``workers.shared`` in it do not travel with it.
    ended : callable
        ended(i, result) is called when a task has ended.
    line : optional
        Shows the progress, as a `training.progress.ManyLine` does.
    """

    def __init__(self, workers, n, function, make, ended, line=None):
        super().__init__(n)
        self.workers, self.executor, self.shared = workers, workers.executor, workers.shared
        self.function, self.make, self.ended, self.line = function, make, ended, line
        self.waiting: deque[_Task] = deque()
        self.lost: list[_Task] = []
        self.running: dict = {}  # {Future: _Task}
        self.here: Any = None
        self.n_workers, self.counted, self.scattered = 1, -COUNT_SECONDS, None

    def run(self):
        """Train all networks. On an exception, tasks that have not begun are cancelled."""
        try:
            if not self.workers.is_broken:
                self.count()
            size = task_size(self.n, self.n_workers, self.workers.n_threads)
            starts = range(0, self.n, size)
            self.waiting += [_Task(range(i, min(i + size, self.n))) for i in starts]
            while self.waiting or self.lost or self.running:
                self.fill()
                ended, _ = wait(self.running, POLL_SECONDS, FIRST_COMPLETED)
                for future in ended:
                    self.end(future)
                if self.line:
                    self.line.show(self)
        finally:
            for future in self.running:
                future.cancel()
            if self.here is not None:
                self.here.shutdown(wait=False)
            if self.line:
                self.line.close(self)

    def count(self):
        """Count the workers, if that is due."""
        now = time.perf_counter()
        if self.here is not None or now - self.counted < COUNT_SECONDS:
            return
        self.counted = now
        try:
            self.n_workers = n_workers(self.executor)
        except Exception as error:
            if not is_loss(error):
                raise
            self.break_off(error)

    def fill(self):
        """Give each idle worker a task. What the executor has lost runs here when it has nothing else to do."""
        if self.waiting and not self.workers.is_broken:
            self.count()
        if self.here is None and (self.workers.is_broken or not (self.waiting or self.running)):
            self.n_workers = self.workers.n_threads_here
            self.here = self.executor = ThreadPoolExecutor(self.n_workers)
        if self.here is not None:
            self.waiting.extend(self.lost)
            self.lost.clear()
        while self.waiting and len(self.running) < self.n_workers:
            self.submit(self.waiting.popleft())

    def submit(self, task, *content):
        """Submit a task to the executor. content : the Source of the shared objects, and the objects"""
        source, *objects = content or [self.shared.source]
        if not task.data:
            task.data = self.shared.dumps((self.function, list(map(self.make, task.numbers))))
        try:
            future = self.executor.submit(run_task, source, build(), task.data, *objects)
            self.running[future] = task
        except Exception as error:
            if not is_loss(error):
                raise
            self.lose(task, error)

    def end(self, future):
        task = self.running.pop(future)
        try:
            result = future.result()
        except BaseException as error:
            if not is_loss(error):
                raise
            if 0 < task.n_sends < MAX_SENDS and not isinstance(error, BrokenExecutor):
                self.send(task)  # the worker that held the objects may have died
            else:
                self.lose(task, error)
            return
        if not isinstance(result, Source):  # of objects that the worker misses
            self.n_done += len(task.numbers)
            for i, each in zip(task.numbers, result):
                self.ended(i, each)
        elif not result.digest and (self.shared.write() or self.shared.source.digest):
            self.submit(task)
        else:
            self.send(task)

    def send(self, task):
        """Submit a task with the shared objects."""
        task.n_sends += 1
        source, content = self.shared.content()
        client = dask_client(self.executor)
        if client is not None:  # large arguments would go through the scheduler
            if self.scattered is None or self.scattered.status != "finished":
                self.scattered = client.scatter(content, hash=False)
            content = self.scattered
        self.submit(task, source, content)

    def lose(self, task, error):
        """Let a task run in this process, and all others if the executor is broken."""
        self.lost.append(task)
        if type(error).__name__ == "KilledWorker":  # of Dask, about this task alone
            _warn_of_loss(len(task.numbers), error)
        else:
            self.break_off(error)

    def break_off(self, error):
        """Let all tasks that are left run in this process. error : that of the executor"""
        if not self.workers.is_broken:
            self.workers.is_broken = True
            _warn_of_loss(self.n - self.n_done, error)


def _warn_of_loss(n, error):
    what = type(error).__name__
    details = reason(error)
    warn(
        f"the executor lost {plural(n, 'network')}, and they train in this process, as others do "
        f"that are left ({what}{': ' if details else ''}{details}).",
        RuntimeWarning,
    )


def is_loss(error):
    """Return whether an exception says that an executor did not run a task."""
    return (
        isinstance(error, (BrokenExecutor, CancelledError))
        or type(error).__module__.partition(".")[0] == "distributed"
    )


def dask_client(executor):
    """Return the Client of an executor of Dask, else None."""
    return getattr(executor, "_client", None)


def n_workers(executor):
    """Return how many tasks run at a time, or the number of CPUs if the executor does not tell."""
    client = dask_client(executor)
    if client is not None:
        return max(1, sum(client.nthreads().values()))
    workers = getattr(executor, "num_workers", None)  # of mpi4py.futures
    return workers or getattr(executor, "_max_workers", None) or check_threads(-1)


def task_size(n, n_workers, n_threads):
    """Return the number of networks of a task, at least one for each thread of a worker."""
    return max(n_threads, -(-n // (TASKS_PER_WORKER * n_workers)))


def threads_of_worker(n_threads):
    """Return the number of threads in a worker: 1 for -1, since workers may share a machine."""
    check_threads(n_threads)
    return 1 if n_threads == -1 else n_threads  # a worker may have more CPUs than this process


def check_worker_callbacks(callbacks, where=""):
    """Raise ValueError for callbacks that cannot run in a worker. where : of the message"""
    for callback in callbacks:
        if type(callback) is not EarlyStopping:
            raise ValueError(
                f"{where}callbacks run in the calling thread, but with an executor only "
                f"EarlyStopping does without it. Remove {callback!r}, or pass executor=None."
            )


# ---- in a worker ----


class CallOver(Exception):
    """Raised in a worker when the caller waits for no more results."""


class CallWatch:
    """Ends the trainings of a worker when the call is over.

    A pool shows its progress to it after each slice, as to a `training.progress.ManyLine`.

    Parameters
    ----------
    folder : str
        That of the Source. A worker on another machine does not see it, and ends its task.
    """

    def __init__(self, folder):
        self.folder = folder if folder and os.path.isdir(folder) else None

    def show(self, pool):
        if self.folder is not None and not os.path.isdir(self.folder):
            raise CallOver

    def close(self, pool):
        pass


def run_task(source, expected, data, content=None):
    """Run a task. Return what its function returns, or `source` if this worker does not have the shared objects.

    Parameters
    ----------
    source : shared_objects.Source
    expected : dict
        What `config.build` returns in the process of the caller.
    data : bytes
        Pickle of (function, task) of `SharedObjects.dumps`.
    content : bytes, optional
        The shared objects, for a worker that cannot read the file.
    """
    for name, value in build().items():
        if expected[name] != value:
            raise RuntimeError(
                f"a worker would compute other bits: {name} {value}, but {expected[name]} in the "
                "process that calls it. Use the same version of fastnn, and processors of one kind."
            )
    watch = CallWatch(source.folder)
    objects = shared_objects.find_objects(source, content)
    if objects is None:
        return source
    function, task = shared_objects.loads(data, objects)
    try:
        return function(task, watch)
    except CallOver:
        return None
