"""Clusters of Dask for tests: workers that can be killed, and rows for fits of a few seconds.

Nothing has to happen within seconds: limits of time are against clusters that hang.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from unittest import mock

import numpy as np
from processes import LIMIT, wait_for

from fastnn.distributed.runner import ClusterRunner

N = 8000
MODULES = "distributed pandas sklearn.metrics fastnn.mlp fastnn.tabular.large.dask_table"
PATIENT = {  # times in which a machine that is busy may let nobody answer
    "distributed.deploy.lost-worker-timeout": LIMIT,
    "distributed.scheduler.worker-ttl": None,
    "distributed.worker.multiprocessing-method": "forkserver",
}


@contextlib.contextmanager
def local_cluster(**options):
    """A LocalCluster of processes and its client.

    Workers begin as copies of a server that has imported fastnn.
    """
    import dask
    from distributed import Client, LocalCluster, utils

    settings = dict(n_workers=2, threads_per_worker=1, dashboard_address=":0") | options
    with dask.config.set(PATIENT):
        utils.get_mp_context().set_forkserver_preload(MODULES.split())
        with LocalCluster(**settings) as cluster, Client(cluster) as client:
            yield cluster, client


def chunks(n=N):
    """Arrays X and y of Dask in eight chunks."""
    import dask.array as da

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 8))
    y = X[:, 0] * X[:, 1] + 0.1 * rng.normal(size=n)
    return da.from_array(X, chunks=(n // 8, 8)), da.from_array(y, chunks=n // 8)


def process_ids(client, n=2):
    """Wait for n workers that answer, and return the ids of their processes."""

    def answering():
        client.wait_for_workers(n, timeout=LIMIT)
        found = [pid for pid in client.run(os.getpid, on_error="ignore").values() if pid]
        return found if len(found) >= n else None

    return wait_for(answering)


@contextlib.contextmanager
def call_at_result(n, call):
    """A context in which call() comes before a fit waits for its n-th result from a cluster.

    Its value is a function that returns how many results fits have waited for.
    """
    result, count = ClusterRunner.result, itertools.count()

    def count_results(*args):
        if next(count) == n:
            call()
        return result(*args)

    with mock.patch.object(ClusterRunner, "result", count_results):
        yield lambda: next(count)


def kill(process_id):
    os.kill(process_id, signal.SIGKILL)


def connect(file):
    """A client of a scheduler, which it gives up if it is gone for 3 s."""
    from distributed import Client

    def client():
        with contextlib.suppress(OSError):
            return Client(scheduler_file=file, timeout=3)

    return wait_for(client)


@contextlib.contextmanager
def separate_cluster(folder, n_workers=1):
    """A scheduler and workers as processes: (address of the file of the scheduler, its process)."""
    file = os.path.join(folder, f"scheduler-{time.time_ns()}.json")
    common = ["--scheduler-file", file, "--no-dashboard", "--host", "127.0.0.1"]
    dask = [sys.executable, "-m", "dask"]
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    scheduler = subprocess.Popen([*dask, "scheduler", "--port", "0", *common], **quiet)
    worker = [*dask, *f"worker --nthreads 1 --no-nanny --death-timeout {LIMIT}".split(), *common]
    workers = [subprocess.Popen(worker, **quiet) for _ in range(n_workers)]
    try:
        yield file, scheduler
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()
