"""Networks of estimators for tables in the workers of an executor: the bits of one machine."""

from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection
from checks import assert_same_bits, assert_same_models
from fake_clock import FakeClock
from numpy.testing import assert_array_equal
from sklearn.base import clone

import fastnn
from fastnn import DataError, TabularClassifier, TabularRegressor
from fastnn.distributed import shared_objects
from fastnn.estimators import spread
from fastnn.tabular.fitting import training_jobs

N = 60
SMALL = dict(n_estimators=3, hidden_layer_sizes=4, random_state=0)
rng = np.random.default_rng(8)
X = pd.DataFrame({"x": rng.normal(size=N), "letter": rng.choice(list("abc"), N)})
X["day"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 90, N), unit="D")
y = np.exp(X["x"].to_numpy()) + (X["letter"] == "a")
LABELS = np.where(y > 2, "high", "low")
COSTS = TabularClassifier(metric="f1", threshold="cost:3,1", class_weight="balanced")
MODELS = {"numbers": TabularRegressor(), "classes": COSTS}
FITS = {
    "": {},
    "weights": dict(sample_weight=rng.uniform(0.5, 2, N)),
    "groups": dict(groups=np.arange(N) % 12),
    "time": dict(time="day"),
}


@pytest.fixture(autouse=True)
def few_epochs(quick_recipe, monkeypatch):
    quick_recipe(4)
    monkeypatch.setattr(spread, "MIN_ERRORS", 5)  # else 60 rows have intervals of one width


class Other(ThreadPoolExecutor):
    """Workers that have nothing of this process."""

    def submit(self, function, source, *args):
        source = source._replace(key=f"of a worker {source.key}")
        return super().submit(function, source, *args)


@pytest.mark.spread(4)
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("n_threads", [-1, 1, 2])
@pytest.mark.parametrize("n_workers", [1, 3])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_bits_of_one_machine(model, n_workers, n_threads, fit, tmp_path):
    model = clone(model).set_params(**SMALL, n_threads=n_threads)
    target, options = LABELS if "threshold" in model.get_params() else y, FITS[fit]
    here = clone(model).fit(X, target, **options)
    with Other(n_workers) as executor:
        there = clone(model).fit(X, target, **options, executor=executor)
    assert_same_models(here, there, tmp_path / "model")


def test_rows_travel_once(calls_of):
    """With columns that get weights: the networks train in two calls."""
    maps, unpacked = (calls_of(shared_objects, name) for name in ("_map", "unpack"))
    with Other(1) as executor:
        TabularRegressor(**SMALL).fit(X, y, executor=executor)
    assert (len(maps), len(unpacked)) == (2, 1)  # the first task comes before the file


@pytest.mark.slow("threads")
def test_processes(tmp_path):
    with ProcessPoolExecutor(2) as executor:
        there = TabularRegressor(**SMALL).fit(X, y, executor=executor)
        again = TabularRegressor(**SMALL).fit(X, y, executor=executor)
    here = TabularRegressor(**SMALL).fit(X, y)
    assert_same_models(here, there, tmp_path / "model")
    assert_same_models(here, again, tmp_path / "model")


@pytest.mark.parametrize("n_done", [1, 4, 7])
@pytest.mark.parametrize("fit", ["", "time"])
def test_a_broken_executor_costs_nothing_that_is_done(fit, n_done, tmp_path):
    class Breaks(Other):
        n_left = n_done + 1  # the first task comes before the file

        def submit(self, *args):
            self.n_left -= 1
            if self.n_left < 0:
                raise BrokenExecutor("a process died")
            return super().submit(*args)

    with Breaks(1) as executor, pytest.warns(RuntimeWarning, match="a process died") as caught:
        there = TabularRegressor(**SMALL).fit(X, y, **FITS[fit], executor=executor)
    assert len([w for w in caught if w.category is RuntimeWarning]) == 1
    assert_same_models(TabularRegressor(**SMALL).fit(X, y, **FITS[fit]), there, tmp_path / "model")


@pytest.mark.parametrize("resumes_here", [False, True])
@pytest.mark.parametrize("fit", ["", "time"])
def test_ctrl_c_keeps_the_folds_that_are_done(fit, resumes_here, reload, tmp_path):
    def interrupt(progress):
        seen.append(progress)
        if progress.folds_done == 2:
            raise KeyboardInterrupt

    seen: list = []
    reg = TabularRegressor(**SMALL)
    reg.on_progress = interrupt
    with Other(1) as executor:
        with pytest.raises(KeyboardInterrupt):
            reg.fit(X, y, **FITS[fit], executor=executor)
        del reg.on_progress
        assert reg.n_folds_remaining_ == (1 if fit == "" else 4) and seen[-1].networks_done >= 5
        loaded = reload(reg)
        options = {} if resumes_here else dict(executor=executor)
        loaded.fit(X, y, **FITS[fit], resume=True, **options)
    assert_same_models(TabularRegressor(**SMALL).fit(X, y, **FITS[fit]), loaded, tmp_path / "model")


@pytest.mark.parametrize("limit", [2.0, 20.0, 1000.0])
def test_time_limit(limit, monkeypatch, quick_recipe):
    quick_recipe(100)
    clock = FakeClock(monkeypatch, 0.1)
    with Other(1) as executor:
        reg = TabularRegressor(**SMALL, n_threads=1, time_limit=limit)
        reg.fit(X, y, executor=executor)
    assert clock.now <= 1.02 * limit + 1 and np.isfinite(reg.predict(X)).all()
    if limit == 1000:
        assert clock.epochs[:9] == [100] * 9 and reg.n_folds_remaining_ == 0
    else:
        assert clock.now > 0.4 * limit


def test_a_network_that_diverges(monkeypatch):
    diverging = lambda job, setup, epochs: fastnn.SGD(1e30 * (job.fold == 1))  # noqa: E731
    monkeypatch.setattr(training_jobs, "optimizer_of", diverging)
    here = TabularRegressor(**SMALL).fit(X, y)
    with Other(2) as executor:
        there = TabularRegressor(**SMALL).fit(X, y, executor=executor)
    assert_same_bits(here.predict(X), there.predict(X))


def test_progress_counts_networks():
    seen: list = []
    reg = TabularRegressor(**SMALL)
    reg.on_progress = seen.append
    with Other(2) as executor:
        reg.fit(X, y, executor=executor)
    done = [progress.networks_done for progress in seen]
    assert done == sorted(done) and done[-1] == seen[-1].n_networks == 9
    assert seen[-1].folds_done == 3


def test_tables_larger_than_memory_are_refused():
    groups = [(X.iloc[i : i + 20], y[i : i + 20]) for i in range(0, N, 20)]
    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(DataError, match=r"the 60 rows of this table are .* or pass a window"):
            TabularRegressor(**SMALL).fit(groups, window=30, executor=executor)
        TabularRegressor(**SMALL).fit(groups, window=60, executor=executor)


def test_cross_validation_of_scikit_learn_passes_the_executor_on():
    reg = TabularRegressor(**SMALL)
    alone = sklearn.model_selection.cross_val_score(reg, X, y, cv=2)
    with ThreadPoolExecutor(2) as executor:
        params = {"executor": executor}
        scores = sklearn.model_selection.cross_val_score(reg, X, y, cv=2, params=params)
    assert_array_equal(scores, alone)
