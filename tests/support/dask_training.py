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


@contextlib.contextmanager
def local_cluster(**options):
    """A LocalCluster of processes and its client."""
    from distributed import Client, LocalCluster

    settings = dict(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with LocalCluster(**{**settings, **options}) as cluster, Client(cluster) as client:
        yield cluster, client


def chunks(n=N):
    """Arrays X and y of Dask in eight chunks."""
    import dask.array as da

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 8))
    y = X[:, 0] * X[:, 1] + 0.1 * rng.normal(size=n)
    return da.from_array(X, chunks=(n // 8, 8)), da.from_array(y, chunks=n // 8)


def process_ids(cluster):
    """The ids of the worker processes of a LocalCluster."""
    nannies = cluster.workers.values()
    return [nanny.pid for nanny in nannies if nanny.pid is not None]


class KilledOnce:
    """Kills a worker process in the middle of a fit, from another thread.

    Parameters
    ----------
    cluster : LocalCluster
    seconds : float
        After which it is killed.
    """

    def __init__(self, cluster, seconds, which=0):
        self.cluster, self.seconds, self.which = cluster, seconds, which
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
            ids = process_ids(self.cluster)
            os.kill(ids[self.which % len(ids)], signal.SIGKILL)
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
