"""Clusters of Dask for tests: workers that can be killed, and rows for fits of a few seconds."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np

N = 8000


PRELOAD = (
    "distributed",
    "pandas",
    "sklearn.metrics",
    "fastnn.mlp",
    "fastnn.tabular.large.dask_table",
)


@contextlib.contextmanager
def local_cluster(**options):
    """A LocalCluster of processes and its client.

    Workers begin as copies of a server that has imported fastnn. A worker may be away for two minutes
    before the cluster gives it up.
    """
    import dask
    from distributed import Client, LocalCluster, utils

    configuration = {
        "distributed.worker.multiprocessing-method": "forkserver",
        "distributed.deploy.lost-worker-timeout": "120s",
    }
    settings = dict(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with dask.config.set(configuration):
        utils.get_mp_context().set_forkserver_preload(list(PRELOAD))
    with (
        dask.config.set(configuration),
        LocalCluster(**{**settings, **options}) as cluster,
        Client(cluster) as client,
    ):
        yield cluster, client


def chunks(n=N):
    """Arrays X and y of Dask in eight chunks."""
    import dask.array as da

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 8))
    y = X[:, 0] * X[:, 1] + 0.1 * rng.normal(size=n)
    return da.from_array(X, chunks=(n // 8, 8)), da.from_array(y, chunks=n // 8)


def process_ids(client):
    """The ids of the worker processes that answer."""
    return [pid for pid in client.run(os.getpid, on_error="ignore").values() if pid]


def restore_workers(cluster, client, n=2):
    """Wait for n workers. If a nanny has given up, replace all."""
    try:
        client.wait_for_workers(n, timeout=60)
    except TimeoutError:
        cluster.scale(0)
        while client.nthreads():
            time.sleep(0.1)
        cluster.scale(n)
        client.wait_for_workers(n, timeout=120)


class Awake:
    """Counts the seconds in which this process ran: on a busy machine it may have to wait for long.

    Attributes
    ----------
    seconds : float
    """

    PAUSE = 0.05

    def __enter__(self):
        self.seconds, self.is_over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._count)
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.is_over.set()
        self.thread.join()

    def _count(self):
        before = time.monotonic()
        while not self.is_over.wait(self.PAUSE):
            now = time.monotonic()
            self.seconds += min(now - before, 2 * self.PAUSE)
            before = now


class KilledOnce:
    """Kills a worker process in the middle of a fit, from another thread.

    Parameters
    ----------
    process_id : int
    seconds : float
        After which it is killed.
    """

    def __init__(self, process_id, seconds):
        self.process_id, self.seconds = process_id, seconds
        self.is_over, self.killed = threading.Event(), False

    def __enter__(self):
        self.thread = threading.Thread(target=self._kill)
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.is_over.set()
        self.thread.join()

    def _kill(self):
        if not self.is_over.wait(self.seconds):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process_id, signal.SIGKILL)
                self.killed = True


@contextlib.contextmanager
def separate_cluster(folder, n_workers=1):
    """A scheduler and workers as processes: (address of the file of the scheduler, its process)."""
    file = os.path.join(folder, f"scheduler-{time.time_ns()}.json")
    common = ["--scheduler-file", file, "--no-dashboard", "--host", "127.0.0.1"]
    dask = [sys.executable, "-m", "dask"]
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    scheduler = subprocess.Popen([*dask, "scheduler", "--port", "0", *common], **quiet)
    worker = [*dask, "worker", "--nthreads", "1", "--no-nanny", "--death-timeout", "120", *common]
    workers = [subprocess.Popen(worker, **quiet) for _ in range(n_workers)]
    try:
        yield file, scheduler
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()
