"""Limits of time and memory of estimators for tables, estimated before they are spent."""

import types

import numpy as np
import pandas as pd
import pytest

from fastnn import TabularClassifier, TabularRegressor
from fastnn.tables import memory
from fastnn.tabular import table_memory
from fastnn.tabular.fitting import budget, permutation, recipe

SMALL = dict(n_estimators=2, hidden_layer_sizes=3, n_threads=1, random_state=0)
rng = np.random.default_rng(1)
X = pd.DataFrame({"x": rng.normal(size=80), "town": [f"town {i // 2}" for i in range(80)]})
y = rng.normal(size=80)


@pytest.fixture
def record(monkeypatch):
    """What fit plans: a list of (number of jobs, largest number of epochs). It trains one epoch."""
    seen = []
    plan = budget.TimeBudget.plan

    def instead(self, jobs, *args):
        n_configurations, fraction = plan(self, jobs, *args)
        n_folds = 1 + max(job.fold for job in jobs)
        most = max(recipe.n_epochs(job.configuration, len(job.train)) for job in jobs)
        seen.append((n_configurations * n_folds, max(1, int(fraction * most))))
        return n_configurations, 0.0

    monkeypatch.setattr(budget.TimeBudget, "plan", instead)
    return seen


@pytest.fixture
def clock(monkeypatch):
    """clock.step is the time that passes between two readings of the clock."""
    fake = types.SimpleNamespace(now=0.0, step=0.0)

    def perf_counter():
        fake.now += fake.step
        return fake.now

    monkeypatch.setattr(budget, "time", types.SimpleNamespace(perf_counter=perf_counter))
    return fake


def full(record):
    TabularRegressor(**SMALL).fit(X, y)
    return record.pop()


def test_a_fast_machine_trains_everything(record, clock):
    expected = full(record)
    clock.step = 1e-6  # a step of a network takes a microsecond
    TabularRegressor(**SMALL, time_limit=1000).fit(X, y)
    assert record == [expected]


def test_a_slow_machine_leaves_out_configurations_and_then_epochs(record, clock, quick_recipe):
    quick_recipe(100)
    n_jobs, epochs = full(record)
    seen, clock.step = [(n_jobs, epochs)], 0.1
    for limit in 1000 / 1.3 ** np.arange(30):
        TabularRegressor(**SMALL, time_limit=limit).fit(X, y)
        seen.append(record.pop())
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == (2, 1)  # one network for each fold, one epoch
    assert any(2 < n < n_jobs and most == epochs for n, most in seen)
    assert any(n == 2 and 1 < most < epochs for n, most in seen)


def test_the_estimate_fits_in_the_limit(record, clock, quick_recipe):
    """A trial of one step takes clock.step, and so does a step of the training."""
    quick_recipe(100)
    clock.step = 0.1
    for limit in (10, 20, 40):
        TabularRegressor(**SMALL, time_limit=limit).fit(X, y)
        n_jobs, epochs = record.pop()
        assert limit / 3 < n_jobs * epochs * clock.step <= limit  # 40 rows are one batch


def test_importances_are_part_of_the_limit(record, clock, quick_recipe, monkeypatch):
    """Of 20 columns, at the end and for weights: measuring one takes clock.step, and two readings of
    the clock."""
    quick_recipe(1000)
    monkeypatch.setattr(permutation, "TABLE_ROWS", 1)
    wide, clock.step = pd.DataFrame(rng.normal(size=(80, 20))), 0.1
    for limit in (20 + 2 * (21 * 0.1 + 2 * 0.1), 20):
        TabularRegressor(**SMALL, time_limit=limit).fit(wide, y)
    monkeypatch.setattr(budget, "MAX_RESERVED", 0.05)  # 1 of 20
    TabularRegressor(**SMALL, time_limit=20 + 4 * 0.1).fit(wide, y)
    monkeypatch.setattr(budget.TimeBudget, "reserve", lambda *args: None)
    for limit in (20, 20 - 0.05 * (20 + 4 * 0.1)):
        TabularRegressor(**SMALL, time_limit=limit).fit(wide, y)
    longer, with_importances, with_a_part, without, less = (epochs for _, epochs in record)
    assert longer == without > with_a_part == less > with_importances


def test_more_threads_train_more(record, clock, monkeypatch, quick_recipe):
    quick_recipe(100)
    monkeypatch.setattr("fastnn.tabular.fitting.table_fit.check_threads", lambda n: n)
    clock.step, seen = 0.1, []
    for n_threads in (1, 2):
        reg = TabularRegressor(**SMALL | dict(n_threads=n_threads), time_limit=20).fit(X, y)
        seen.append(record.pop())
        assert np.isfinite(reg.predict(X)).all()
    (few, a), (more, b) = seen
    assert few * a < more * b


def test_the_limit_changes_nothing_if_there_is_time(quick_recipe):
    quick_recipe(3)
    a, b = (TabularClassifier(**SMALL, time_limit=t).fit(X, y > 0) for t in (None, 1e6))
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))


@pytest.mark.parametrize("limit", [0, -1, np.inf, "1"])
def test_wrong_limits(limit):
    with pytest.raises(ValueError, match="time_limit"):
        TabularRegressor(time_limit=limit).fit(X, y)


# ---- memory ----


def test_too_little_memory_names_the_widest_column(monkeypatch):
    monkeypatch.setattr(table_memory, "available_bytes", lambda: 1e4)
    reg = TabularRegressor(**SMALL)
    message = r"fit needs about .* GB, but .* are available. Column 'town' has 40 categories. Pass "
    with pytest.raises(MemoryError, match=message + r"drop=\['town'\], or fewer rows or columns"):
        reg.fit(X, y)
    assert not hasattr(reg, "columns_")


def test_too_little_memory_without_categories(monkeypatch):
    monkeypatch.setattr(table_memory, "available_bytes", lambda: 1e3)
    with pytest.raises(MemoryError, match="Pass fewer rows or columns, or a smaller hidden_layer"):
        TabularRegressor(**SMALL).fit(X[["x"]], y)


def test_large_layers_are_refused_before_they_are_allocated():
    with pytest.raises(MemoryError, match="smaller hidden_layer_sizes"):
        TabularRegressor(2, hidden_layer_sizes=[2**22, 2**22]).fit(X[["x"]], y)


def test_the_limit_of_a_container(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CGROUP", f"{tmp_path}/")
    without = table_memory.available_bytes()
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 500\nfile 9000\nkernel_stack 300\nslab 200\n")
    assert table_memory.available_bytes() == 2000 < without
    (tmp_path / "memory.max").write_text("max\n")
    assert table_memory.available_bytes() > 2000
