"""Fits on a real cluster of Dask: workers and schedulers that die, and a user who stops."""

import os
import signal
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")
pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")
from dask_training import (  # noqa: E402
    Awake,
    KilledOnce,
    chunks,
    local_cluster,
    process_ids,
    restore_workers,
    separate_cluster,
)  # fmt: skip
from scale import scaled  # noqa: E402

from fastnn import MLPRegressor, TabularRegressor  # noqa: E402
from fastnn.distributed import ClusterError, runner  # noqa: E402

pytestmark = [
    pytest.mark.slow("a cluster of processes; tests of estimators run tasks in threads"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of the cluster
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def make(max_iter=20, **parameters):
    settings = dict(max_iter=max_iter, random_state=0, n_iter_no_change=np.inf)
    return MLPRegressor((16,), **{**settings, **parameters})


def settings():
    return dask.config.set({"fastnn.parts": 2, "fastnn.sync-every": 8})


@pytest.fixture(scope="module")
def expected():
    """The parameters without a cluster, by epochs."""
    with settings(), dask.config.set(scheduler="synchronous"):
        return {n: make(n).fit(*chunks()).network_.params for n in (5, 20)}


@pytest.fixture(scope="module")
def cluster(expected):  # which has been computed without a cluster
    with local_cluster() as (cluster, client):
        yield cluster, client


@pytest.fixture(autouse=True)
def few_parts():
    with settings():
        yield


def test_a_worker_that_is_killed_changes_no_bit(expected, cluster):
    """Dask runs its tasks again on the other one, and on the one that the nanny starts."""
    cluster, client = cluster
    X, y = chunks()
    make(1).fit(X, y)  # workers import fastnn
    with Awake() as quiet:
        np.testing.assert_array_equal(make(5).fit(X, y).network_.params, expected[5])
    rng, slowest, n = np.random.default_rng(0), 0.0, scaled(2)
    for k in range(n):
        killed = False
        while not killed:  # else the fit was faster
            processes = process_ids(client)
            process = processes[k % len(processes)]
            with (
                Awake() as awake,
                KilledOnce(process, rng.uniform(0.1, 0.8) * quiet.seconds) as kill,
            ):
                params = make(5).fit(X, y).network_.params
            killed = kill.killed
            np.testing.assert_array_equal(params, expected[5])
            assert awake.seconds < 60 + 2 * quiet.seconds, f"kill {k}"
        slowest = max(slowest, awake.seconds)
        print(f"{k + 1} kills, at most {slowest:.1f} s; {quiet.seconds:.1f} s without", flush=True)
        restore_workers(cluster, client)


def test_a_worker_that_is_removed_is_not_needed(expected):
    with local_cluster(n_workers=2) as (_cluster, client):
        X, y = chunks()
        calls = []

        def remove(net, history):
            calls.append(1)
            if len(calls) == 3:
                client.retire_workers(n=1, close_workers=True)

        params = make(callbacks=remove).fit(X, y).network_.params
        assert len(client.nthreads()) == 1
    np.testing.assert_array_equal(params, expected[20])


def test_a_scheduler_that_is_killed_is_named_and_the_fit_resumes(quick_recipe, tmp_path):
    from distributed import Client

    quick_recipe(4)
    X, y = chunks()
    table = dd.from_dask_array(X, columns=list("abcdefgh"))
    table["y"] = dd.from_dask_array(y)

    def model():
        return TabularRegressor(3, hidden_layer_sizes=4, random_state=0)

    with dask.config.set(scheduler="synchronous"):
        whole = model().fit(table, "y", window=800)
    stopped = model()
    with separate_cluster(tmp_path) as (file, scheduler), dask.config.set(
        {"distributed.comm.timeouts.connect": "3s"}
    ), Client(scheduler_file=file, timeout=300):  # fmt: skip

        def kill(progress):
            if progress.encoded is None and progress.folds_done == 1:
                scheduler.kill()

        stopped.on_progress = kill
        with pytest.raises(ClusterError, match="no longer answers"):
            stopped.fit(table, "y", window=800)
        del stopped.on_progress
    assert 0 < stopped.n_folds_remaining_ < 3
    with separate_cluster(tmp_path) as (file, _), Client(scheduler_file=file, timeout=300):
        stopped.fit(table, "y", window=800, resume=True)
    rows = X.compute()
    rows = table.drop(columns="y").compute()
    np.testing.assert_array_equal(stopped.predict(rows), whole.predict(rows))


def test_a_cluster_without_workers_is_named(monkeypatch):
    monkeypatch.setattr(runner, "NO_WORKER_SECONDS", 1)
    with local_cluster(n_workers=0) as (_cluster, _client):
        with pytest.raises(ClusterError, match="has had no workers for 1 s"):
            make().fit(*chunks())


def end_worker(rows):
    os._exit(1)


def test_a_task_that_kills_its_workers_is_named(cluster):
    cluster, client = cluster

    def allow(n):
        client.run_on_scheduler(
            lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", n)
        )

    X, y = chunks(800)  # not the chunks of other tests, which would fail, too
    allow(0)
    try:
        with pytest.raises(ClusterError, match=r"workers of Dask died again and again in .*memory"):
            make().fit(X.map_blocks(end_worker, meta=np.empty((0, 8))), y)
    finally:
        allow(3)
        restore_workers(cluster, client)


def test_a_result_whose_connection_breaks_is_asked_for_again():
    from distributed.comm import CommClosedError

    class Client:
        status, scheduler = "running", SimpleNamespace(address="here")

        def nthreads(self):
            return {"a": 1}

    class Future:
        status, answers = "finished", [CommClosedError("closed"), TimeoutError(), 3]

        def add_done_callback(self, call):
            call(self)

        def result(self, timeout):
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    assert runner.ClusterRunner(Client()).result(Future()) == 3
    failed = Future()
    failed.status, failed.answers = "error", [FileNotFoundError("of the task")]
    with pytest.raises(FileNotFoundError, match="of the task"):
        runner.ClusterRunner(Client()).result(failed)


def test_workers_that_come_late_are_waited_for(expected):
    with local_cluster(n_workers=0) as (cluster, _client):
        timer = threading.Timer(1.0, cluster.scale, (1,))
        timer.start()
        np.testing.assert_array_equal(make().fit(*chunks()).network_.params, expected[20])
        timer.join()


def test_ctrl_c_cancels_the_tasks(cluster):
    cluster, client = cluster
    X, y = chunks()

    def interrupt(net, history):
        if history.n_epochs == 1:
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored
    try:
        with pytest.warns(UserWarning, match="interrupted by user"):
            model = make(max_iter=100_000, callbacks=interrupt).fit(X, y)
    finally:
        signal.signal(signal.SIGINT, before)
    assert model.n_iter_ < 100_000
    deadline = time.monotonic() + 30
    while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_tasks_have_names_and_results_do_not_stay(cluster):
    """What a fit leaves on the cluster: nothing."""
    cluster, client = cluster
    names = set()

    def look(net, history):
        names.update(
            client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
        )

    make(callbacks=look, max_iter=2).fit(*chunks())
    assert {"fastnn-encode", "fastnn-block", "fastnn-train", "fastnn-average"} <= names
    deadline = time.monotonic() + 30
    while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
