"""Networks of estimators for tables on a cluster of Dask, whose workers are killed; and stand-ins for a cluster."""

import os
import re
import signal
import threading
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")

from checks import assert_same_bits
from dask_training import local_cluster, process_ids
from distributed import CancelledError, KilledWorker

import fastnn
from fastnn.distributed import ClusterError, runner
from fastnn.distributed.runner import ClusterRunner, Runner, Stopped
from fastnn.distributed.shared_objects import SharedObjects

SMALL = dict(n_estimators=3, hidden_layer_sizes=4, random_state=0)
rng = np.random.default_rng(2)
X = pd.DataFrame({"x": rng.normal(size=300), "letter": rng.choice(list("abc"), 300)})
y = np.exp(X["x"].to_numpy()) + (X["letter"] == "a")


class Client:
    """Stands in for a client of Dask, and keeps how it is called."""

    asynchronous, scheduler = False, SimpleNamespace(address="tcp://host")

    def __init__(self, workers=(), status="running"):
        self.workers, self.status, self.calls = workers, status, []

    def nthreads(self):
        if isinstance(self.workers, Exception):
            raise self.workers
        return dict(enumerate(self.workers))

    def compute(self, collections, **options):
        self.calls.append((collections, options))

    def submit(self, function, *args, **options):
        self.calls.append((function, args, options))

    def cancel(self, futures, **options):
        self.calls.append((futures, options))
        raise OSError("gone meanwhile")


GONE = "the scheduler of Dask at tcp://host no longer answers, or its client was closed. Start another cluster "
GONE += "and a client for it."
KILLED = "the workers of Dask died again and again in encode, perhaps because their memory is too small for a "
KILLED += "partition. Give them more memory, or make the partitions smaller."
IDLE = "the scheduler of Dask at tcp://host has had no workers for 60 s. Start workers."
FAILED = [
    (CancelledError(), ClusterError, GONE),
    (KilledWorker("encode", None, 3), ClusterError, KILLED),
    (ValueError("of the task"), ValueError, "of the task"),
]


@pytest.mark.parametrize(("error", "kind", "message"), FAILED)
def test_a_task_that_the_cluster_lost_is_named(error, kind, message):
    future = Future()
    future.set_exception(error)
    with pytest.raises(kind, match=re.escape(message) + "$"):
        ClusterRunner(Client()).result(future, lambda: True)


def test_calls_of_a_client(monkeypatch):
    client = Client()
    of_cluster = ClusterRunner(client)
    of_cluster.compute(["a"])
    for _ in "ab":
        of_cluster.submit("train", print, 1, [2])
    of_cluster.cancel(["b"])
    client.status = "closed"
    of_cluster.cancel(["c"])
    compute, *submits, cancel = client.calls
    assert compute == (["a"], dict(optimize_graph=True)) and cancel == (["b"], dict(force=True))
    keys = [options.pop("key") for _, _, options in submits]
    assert submits == [(print, (1, [2]), dict(pure=False))] * 2
    assert all(re.fullmatch("fastnn-train-[0-9a-f]{32}", key) for key in keys)
    assert keys[0] != keys[1]
    # networks at the same time: two for each thread, divided by their parts, from 2 to 16
    for workers, n_parts, expected in [
        ((), 1, 2), ((1,), 1, 2), ((3, 4), 1, 14), ((3, 4), 3, 5), ((3, 4), 7, 2), ((100,), 3, 16),
    ]:  # fmt: skip
        client.workers = workers
        assert of_cluster.n_at_once(n_parts) == expected
    assert [Runner(n).n_at_once(3) for n in (1, 5, 17)] == [1, 5, 16]


def test_a_cluster_is_watched_while_a_task_runs(monkeypatch):
    client, now = Client(), [0.0]
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=lambda: now[0]))
    stops = iter([False, False, True])
    client.workers = (1,)
    with pytest.raises(Stopped):
        ClusterRunner(client).result(Future(), lambda: next(stops))
    of_cluster = ClusterRunner(client)
    for seconds, status, workers, message in [
        (1, "running", (), None),
        (50, "running", (1,), None),  # the clock begins anew
        (100, "running", (), None),
        (160, "running", (), None),
        (161, "connecting", (), None),  # until its own time-out
        (161, "running", OSError(), None),
        (161, "running", (), IDLE),
        (162, "closed", (1,), GONE),
    ]:
        now[0], client.status, client.workers = seconds, status, workers
        answers = iter([False, True])
        with pytest.raises(ClusterError if message else Stopped) as caught:
            of_cluster.result(Future(), lambda: next(answers))  # noqa: B023 - called at once
        assert str(caught.value) == (message or "")


def test_a_result_whose_connection_breaks_is_asked_for_again(monkeypatch):
    from distributed.comm import CommClosedError

    monkeypatch.setattr(runner, "POLL_SECONDS", 0.0)

    class Ready(Future):
        status = "finished"
        answers = iter([CommClosedError("closed"), TimeoutError(), UnboundLocalError(), 3])

        def result(self, timeout):
            assert timeout == runner.GATHER_SECONDS
            answer = next(self.answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

    ready = Ready()
    ready.set_result(None)
    assert ClusterRunner(Client((1,))).result(ready) == 3
    ready.status, ready.answers = "error", iter([FileNotFoundError("of the task")])
    with pytest.raises(FileNotFoundError, match="of the task"):
        ClusterRunner(Client((1,))).result(ready)


def test_tasks_in_threads(monkeypatch):
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.001)
    here, end, done, answers = Runner(1), threading.Event(), [], iter([False, True])
    waits = here.submit("wait", end.wait)
    nested = here.submit("collect", lambda a, values: (a, values), waits, [waits, 3])
    with pytest.raises(Stopped):
        here.result(waits, lambda: next(answers))
    end.set()
    assert here.results([waits, nested], done.append) == [True, (True, [True, 3])]
    assert done == [1, 2]
    end.clear()
    futures = [here.submit("fail", int, "x"), here.submit("wait", end.wait), Future()]
    with pytest.raises(ValueError, match="invalid literal"):
        here.results(futures)
    end.set()
    assert futures[2].cancelled()
    here.close()


def test_the_runner_of_the_current_client(monkeypatch):
    client = Client()
    monkeypatch.setattr("distributed.default_client", lambda: client)
    assert runner.current_runner(3).client is client
    client.asynchronous = True
    message = (
        r"^the current client of Dask is asynchronous. .*: Client\(address, asynchronous=False"
    )
    with pytest.raises(ValueError, match=message + r"\)\.$"):
        runner.current_runner(3)


@pytest.mark.slow("test_tabular_executor.py, with threads")
def test_workers_that_die_cost_time_alone(monkeypatch):
    expected = fastnn.TabularRegressor(**SMALL).fit(X, y)
    with local_cluster() as (_cluster, client):
        executor = client.get_executor()

        def kill(progress):
            if progress.networks_done >= 3 and killed:
                os.kill(killed.pop(), signal.SIGKILL)

        for can_map in (True, False):  # False: as on other machines
            monkeypatch.setattr(SharedObjects, "write", lambda self: False) if not can_map else None
            killed = process_ids(client)[:1]
            reg = fastnn.TabularRegressor(**SMALL)
            reg.on_progress = kill
            reg.fit(X, y, executor=executor)
            assert not killed
            assert_same_bits(reg.predict(X), expected.predict(X))
            assert_same_bits(reg.oof_prediction_, expected.oof_prediction_)
        net = [fastnn.MLP([1, 4, 1], rng=i) for i in range(5)]
        alone = [each.copy() for each in net]
        rows = X[["x"]].to_numpy()
        fastnn.fit_many(net, rows, rows, epochs=3, rng=1, executor=executor)
        fastnn.fit_many(alone, rows, rows, epochs=3, rng=1)
        for one, other in zip(net, alone):
            assert_same_bits(one.params, other.params)
