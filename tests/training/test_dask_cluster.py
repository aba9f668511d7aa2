"""Fits on a real cluster of Dask: workers and schedulers that die, and a user who stops."""

import faulthandler
import os
import signal

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")
pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")
import dask_training  # noqa: E402
from dask_training import call_at_result, chunks, connect, local_cluster, process_ids  # noqa: E402
from interrupt import sigint_interrupts  # noqa: E402, F401 - for all tests here
from processes import LIMIT, wait_for  # noqa: E402
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
    """In few parts. A cluster that hangs ends the process."""
    faulthandler.dump_traceback_later(LIMIT * scaled(3), exit=True)
    with settings():
        yield
    faulthandler.cancel_dump_traceback_later()


def wait_for_no_tasks(client):
    count = lambda dask_scheduler: len(dask_scheduler.tasks)  # noqa: E731
    wait_for(lambda: client.run_on_scheduler(count) == 0)


def test_a_worker_that_is_killed_changes_no_bit(expected, cluster):
    """Dask runs its tasks again on the other one, and on the one that the nanny starts."""
    _, client = cluster
    X, y = chunks()
    with call_at_result(None, None) as n_results:
        np.testing.assert_array_equal(make(5).fit(X, y).network_.params, expected[5])
    last, rng = n_results(), np.random.default_rng(0)
    for k in range(scaled(2)):
        process = process_ids(client)[k % 2]
        with call_at_result(rng.integers(last), lambda p=process: dask_training.kill(p)):
            params = make(5).fit(X, y).network_.params
        np.testing.assert_array_equal(params, expected[5])
        wait_for(lambda p=process: p not in process_ids(client))  # it was killed


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
    quick_recipe(4)
    X, y = chunks()
    table = dd.from_dask_array(X, columns=list("abcdefgh"))
    table["y"] = dd.from_dask_array(y)

    def model():
        return TabularRegressor(3, hidden_layer_sizes=4, random_state=0)

    with dask.config.set(scheduler="synchronous"):
        whole = model().fit(table, "y", window=800)
    stopped = model()
    with dask_training.separate_cluster(tmp_path) as (file, scheduler), connect(file):

        def kill(progress):
            if progress.encoded is None and progress.folds_done == 1:
                scheduler.kill()

        stopped.on_progress = kill
        with pytest.raises(ClusterError, match="no longer answers"):
            stopped.fit(table, "y", window=800)
        del stopped.on_progress
    assert 0 < stopped.n_folds_remaining_ < 3
    with dask_training.separate_cluster(tmp_path) as (file, _), connect(file):
        stopped.fit(table, "y", window=800, resume=True)
    rows = table.drop(columns="y").compute()
    np.testing.assert_array_equal(stopped.predict(rows), whole.predict(rows))


def test_a_cluster_without_workers_is_named(monkeypatch):
    monkeypatch.setattr(runner, "NO_WORKER_SECONDS", 1)
    with local_cluster(n_workers=0) as (_cluster, _client):
        with pytest.raises(ClusterError, match="has had no workers for 1 s"):
            make().fit(*chunks())


def end_worker(rows):
    os._exit(1)


def test_a_task_that_kills_its_workers_is_named(expected):
    X, y = chunks(800)
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), local_cluster():
        with pytest.raises(ClusterError, match=r"workers of Dask died again and again in .*memory"):
            make().fit(X.map_blocks(end_worker, meta=np.empty((0, 8))), y)


def test_workers_that_come_late_are_waited_for(expected, monkeypatch):
    check = runner.ClusterRunner._check_cluster
    with local_cluster(n_workers=0) as (cluster, _client):

        def start_one(self):
            check(self)
            assert self._without_workers
            monkeypatch.undo()
            cluster.scale(1)

        monkeypatch.setattr(runner.ClusterRunner, "_check_cluster", start_one)
        np.testing.assert_array_equal(make().fit(*chunks()).network_.params, expected[20])
        assert runner.ClusterRunner._check_cluster is check


def test_ctrl_c_cancels_the_tasks(cluster):
    X, y = chunks()

    def interrupt(net, history):
        if history.n_epochs == 1:  # again and again: CPython loses an interruption of a finalizer
            signal.setitimer(signal.ITIMER_REAL, 0.5, 20)

    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with pytest.warns(UserWarning, match="interrupted by user"):
            model = make(max_iter=100_000, callbacks=interrupt).fit(X, y)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert model.n_iter_ < 100_000
    wait_for_no_tasks(cluster[1])


def test_tasks_have_names_and_results_do_not_stay(cluster):
    """What a fit leaves on the cluster: nothing."""
    _, client = cluster
    names = set()

    def look(net, history):
        prefixes = lambda dask_scheduler: list(dask_scheduler.task_prefixes)  # noqa: E731
        names.update(client.run_on_scheduler(prefixes))

    make(callbacks=look, max_iter=2).fit(*chunks())
    assert {"fastnn-encode", "fastnn-block", "fastnn-train", "fastnn-average"} <= names
    wait_for_no_tasks(client)
