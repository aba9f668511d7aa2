"""Networks of estimators for tables on a cluster of Dask, whose workers are killed."""

import os
import signal
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")

from checks import assert_same_bits
from dask_training import local_cluster, process_ids
from distributed import CancelledError

import fastnn
from fastnn.distributed import ClusterError
from fastnn.distributed.runner import ClusterRunner
from fastnn.distributed.shared_objects import SharedObjects

SMALL = dict(n_estimators=3, hidden_layer_sizes=4, random_state=0)
rng = np.random.default_rng(2)
X = pd.DataFrame({"x": rng.normal(size=300), "letter": rng.choice(list("abc"), 300)})
y = np.exp(X["x"].to_numpy()) + (X["letter"] == "a")


def test_a_cancelled_task_means_that_the_cluster_is_gone():
    future, scheduler = Future(), SimpleNamespace(address="tcp://host")
    future.set_exception(CancelledError())
    with pytest.raises(ClusterError, match="at tcp://host no longer answers"):
        ClusterRunner(SimpleNamespace(scheduler=scheduler)).result(future, lambda: True)


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
