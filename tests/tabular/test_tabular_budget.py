"""The time limit and the memory of fits of estimators for tables."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fake_clock import FakeClock
from numpy.testing import assert_array_equal

from fastnn import TabularClassifier, TabularRegressor
from fastnn.tables import limits
from fastnn.tabular.encoder import EncoderSettings
from fastnn.tabular.fitting import budget as budget_module
from fastnn.tabular.fitting import permutation, recipe, table_fit
from fastnn.tabular.fitting.budget import Pace, RemotePace, TimeBudget, TimeLimitWarning
from fastnn.tabular.fitting.training_jobs import FinalTrainer, TwoPartSession

SMALL = dict(n_estimators=2, hidden_layer_sizes=3, n_threads=1, random_state=0)
rng = np.random.default_rng(1)
N = 80
X = pd.DataFrame({"x": rng.normal(size=N), "town": [f"town {i // 2}" for i in range(N)]})
y = rng.normal(size=N)
N_NETWORKS = 8  # of four configurations and two folds; an epoch is one step


def fit(limit, **options):
    reg = TabularRegressor(**SMALL | options, time_limit=limit).fit(X, y)
    assert np.isfinite(reg.oof_prediction_).all() and np.isfinite(reg.predict(X)).all()
    return reg


@pytest.fixture
def make_clock(monkeypatch, quick_recipe):
    """make_clock(...) returns a FakeClock. The recipe has 100 epochs."""
    quick_recipe(100)
    return lambda *args, **options: FakeClock(monkeypatch, *args, **options)


def test_a_slow_machine_leaves_out_configurations_and_then_epochs(make_clock):
    clock, seen = make_clock(0.1), []
    for limit in 100 / 1.25 ** np.arange(26):
        start = clock.now
        clock.sessions.clear()
        fit(limit)
        assert clock.now - start <= 1.02 * limit + 0.3
        seen.append((len(clock.epochs), max(clock.epochs)))
    assert seen[0] == (N_NETWORKS, 100) and seen[-1] == (2, 1)
    assert [n for n, _ in seen] == sorted((n for n, _ in seen), reverse=True)
    assert any(n == 2 and most == 100 for n, most in seen)
    assert any(n == 2 and 1 < most < 100 for n, most in seen)
    assert any(n == 4 and most == 100 for n, most in seen)


def test_folds_in_time_that_stop_within_their_first_epoch(make_clock, calls_of):
    clock, n = make_clock(1.0), 6000  # an epoch has several steps, and a slice is one
    reserved = calls_of(TimeBudget, "reserve_training")
    reg = TabularRegressor(**SMALL, time_limit=0.1)
    reg.fit(rng.normal(size=(n, 2)), rng.normal(size=n), time=np.arange(n))
    # of two folds, of two networks on all rows, and of two that expect errors
    assert [session.was_stopped for session in clock.sessions] == [True] * 6
    # folds of a third and of two thirds of the rows leave two thirds of the time
    assert [part for _, part in reserved] == [pytest.approx(2 / 3, abs=0.01)]
    assert np.isfinite(reg.predict(np.zeros((3, 2)))).all()


FRACTIONS = [(0.5, 0.25, 0.5), (0.1, 0.25, 0.8), (0, 0.25, 0.8), (1, None, 0.8)]


@pytest.mark.parametrize(("end", "share", "fraction"), FRACTIONS)
def test_time_for_all_rows_is_for_the_epochs_before_the_end(end, share, fraction):
    share = share and SimpleNamespace(fraction=share)
    trainer = SimpleNamespace(setup=SimpleNamespace(fraction=0.8))
    assert FinalTrainer.fraction(trainer, SimpleNamespace(ends=[0.1, end]), share) == fraction


def test_a_network_in_a_worker_tells_how_far_it_trained_when_it_ends():
    share = budget_module.RemoteTimeShare(
        4.0, 100, 1.0, 1.0, began=2.0, ends=9.0, clock=lambda: 5.0
    )
    assert (share.is_active, share.part_done) == (True, 0.75)
    share.fraction = 0.5
    assert share.part_done == 0.5
    share.end(80)
    assert (share.taken, share.part_done, share.is_active) == (3.0, 0.8, False)


@pytest.mark.parametrize("slower", [3, 30])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_machine_that_becomes_busier(slower, n_threads, make_clock):
    """Networks that begin later have fewer epochs, and each gets some."""
    clock = make_clock(0.1 * slower, 0.1, n_threads=n_threads)
    fit(60 / n_threads, n_estimators=6, n_threads=n_threads)
    assert clock.now <= 1.1 * 60 / n_threads + 0.1 * slower
    assert len(clock.epochs) == 6 and min(clock.epochs) >= 1
    if slower == 3:  # in all 200 epochs
        assert clock.epochs[0] > 40 and min(clock.epochs) > 20 and sum(clock.epochs) > 150


def test_a_machine_that_is_faster_than_measured_trains_more(make_clock):
    clock = make_clock(0.01, 0.1)
    fit(100)
    assert clock.epochs == [100] * N_NETWORKS


def test_networks_whose_time_is_over_keep_their_best_epoch(make_clock):
    clock = make_clock(100.0, 0.001)
    reg = fit(1500)
    assert clock.sessions[0].was_stopped and 5 < clock.epochs[0] < 100
    for session, networks in zip(clock.sessions, reg.model_.members[0].networks):
        best = int(np.argmin(session.history.val_loss))
        assert_array_equal(networks[-1].params, session.state.best.params)
        assert session.state.best.epoch == best + 1


@pytest.mark.parametrize(("best", "params"), [("of all", "of all"), (None, "of the first part")])
def test_the_best_epoch_so_far_is_taken(best, params):
    session = SimpleNamespace(net=SimpleNamespace(), best_of_first="of the first part")
    session.state = SimpleNamespace(best=best and SimpleNamespace(params=best))
    TwoPartSession.restore_best(session)
    assert session.net.params == params


def test_a_limit_that_is_over_before_training(make_clock):
    clock = make_clock(1.0)
    reg = TabularRegressor(**SMALL, time_limit=1)
    reg.seconds_before = 50
    with pytest.warns(TimeLimitWarning, match="took 50.0 s, so time_limit=1 was over before"):
        reg.fit(X, y)
    assert clock.epochs == [1, 1] and np.isfinite(reg.predict(X)).all()


def test_the_first_training_leaves_time_for_a_second(make_clock):
    make_clock(0.1)
    budget = TimeBudget(100)
    budget.reserve(20)
    budget.reserve_training(0.25)
    assert budget.training_ends == pytest.approx(0.75 * 78)
    budget.release_training()
    assert budget.training_ends == pytest.approx(78) and budget.seconds_left == 100
    cases = (0.5, 0.5, 9), (2, 0.05, 9), (99, 0.5, 9)
    assert [budget.rows_within(*case) for case in cases] == [100, 4.5, 1]
    budget.reserve(50)
    assert budget.training_ends == pytest.approx(68)  # no more than a part is reserved
    assert TimeBudget(None).training_ends == TimeBudget(None).seconds_left == np.inf


TRIALS = [(2**-30, [1, 16, 16, 16, 16]), (2**-9, [1, 5, 5, 5, 5]), (2**-6, [1, 1])]


@pytest.mark.parametrize(("seconds", "steps"), TRIALS)
def test_the_time_of_a_step_is_that_of_a_few(seconds, steps, make_clock, monkeypatch, calls_of):
    make_clock(0.0, seconds)
    monkeypatch.setattr(recipe, "BATCH", 2)
    trials, run, calls = [], budget_module.fit_many, calls_of(TimeBudget, "seconds")

    def record(*args, rows, batch_size, epochs, n_threads, **options):
        trials.append((len(rows[0]), batch_size, epochs, n_threads))
        options |= dict(batch_size=batch_size, epochs=epochs, n_threads=n_threads)
        run(*args, rows=rows, **options)

    monkeypatch.setattr(budget_module, "fit_many", record)
    fit(1e6)
    assert trials == 4 * [(2 * n, 2, 1, 1) for n in steps]
    _, job, setup = calls[0]
    setup = replace(setup, stored=SimpleNamespace(seconds_per_row=lambda *_: 0.5))
    assert TimeBudget(1).seconds(job, setup) == pytest.approx(100 * (20 * seconds + 0.5 * 40))


AFFORDED = [  # estimated seconds of the jobs of each group, and how many groups are trained in 98 seconds
    ([[49, 49], [49, 49], [1]], 2), ([[98], [98]], 2), ([[98], [99]], 1), ([[99]], 1), ([[980]], 1),
    ([[981]], 0), ([[1]] * 7, 7), ([], 0),
]  # fmt: skip


@pytest.mark.parametrize(("groups", "n"), AFFORDED)
@pytest.mark.parametrize("slowness", [1, 0.5])
def test_as_many_configurations_as_there_is_time_for(groups, n, slowness, monkeypatch):
    monkeypatch.setattr(TimeBudget, "seconds", lambda self, job, setup: job / self.slowness)
    monkeypatch.setattr(TimeBudget, "clock", staticmethod(lambda: 0.0))
    budget, setup = TimeBudget(100), SimpleNamespace(n_parallel=2)
    budget.slowness = slowness
    assert budget.affordable(groups, setup) == groups[:n]
    assert TimeBudget(100, 98).affordable(groups, setup) == []


SHARES = [  # fraction of the epochs, slowness of training so far, and when it stops in any case
    (Pace, 1, True, [(0.5, 1, 7.5), (0.2, 2, 22), (10 * 30 / 34 / 120, 4, 30)]),
    (Pace, 2, True, [(1, 1, 30), (0.2, 4, 30), (10 / 240, 8, 30)]),
    (Pace, 1, False, [(1, 1, 15), (0.25, 2, 25), (10 * 30 / 35 / 120, 4, 30)]),
    (Pace, 2, False, [(1, 1, 30), (0.25, 4, 30), (10 / 240, 8, 30)]),
    (RemotePace, 1, True, [(0.5, 1, 7.5), (0.2, 2, 22), (10 * 30 / 30 / 60, 2, 30)]),
]  # fmt: skip


@pytest.mark.parametrize("unit", [1, 0.01])
@pytest.mark.parametrize(("kind", "n_at_once", "are_balanced", "expected"), SHARES)
def test_the_time_of_each_network(kind, n_at_once, are_balanced, expected, unit):
    """Of three networks, of 10, 20 and 30 units, for which 30 units of seconds are left.

    The first ends after 10 units and half of its epochs, the second still trains after 20."""
    now, configuration = [0.0], recipe.Configuration(EncoderSettings(), epochs=4, steps=0)
    jobs = [SimpleNamespace(s=s, configuration=configuration, n_train=256) for s in (10, 20, 30)]
    budget = SimpleNamespace(clock=lambda: now[0], training_ends=30 * unit, slowness=1.0)
    budget.seconds = lambda job, setup: job.s * unit
    pace, found = kind(budget, jobs, None, n_at_once, are_balanced), []
    for job, n_steps in zip(jobs, (2, 0, 0)):
        share = pace.begin(job)
        history = SimpleNamespace(n_steps=n_steps)
        share.session = SimpleNamespace(is_done=job is jobs[0], history=history)
        now[0] += 10 * unit
        if kind is RemotePace and job is jobs[0]:
            share.end(n_steps)
        assert share.n_steps == 4 and share.is_over() == (now[0] >= share.ends)
        found += [(share.fraction, share.slowness, share.ends / unit)]
    np.testing.assert_allclose(found, expected)
    assert budget.slowness == found[-1][1]


def test_importances_and_weights_use_fewer_rows(make_clock, monkeypatch, calls_of):
    """A row takes 0.2 s with all columns, and time passes only in training and in the trial."""
    make_clock(0.01)
    monkeypatch.setattr(permutation, "seconds_per_row", lambda *args: 0.2)
    calls, reserved = calls_of(permutation, "sample"), calls_of(TimeBudget, "reserve")
    splits = calls_of(table_fit, "find_splits")
    for limit in (1e6, 30):
        fit(limit)
    # for 80 rows with four configurations of 1.5 networks each, and for expected errors
    assert [seconds for _, seconds in reserved] == pytest.approx([96, 2e4, 96, 0.6])
    assert [seconds for *_, seconds in splits] == [1e5, 3]
    seen = [most for _, most, _ in calls]
    (*_, many), (*weights, few) = seen[:4], seen[4:]
    assert many == 1000 and 1 <= few <= 30 / (0.3 * 2) and max(weights[:2]) <= 0.1 * 30 / 0.3


def test_importances_of_many_rows_although_the_limit_is_over(make_clock, monkeypatch, calls_of):
    make_clock(1.0)
    monkeypatch.setattr(permutation, "seconds_per_row", lambda *args: 0.001)
    calls = calls_of(permutation, "sample")
    reg = TabularRegressor(**SMALL, time_limit=1)
    reg.seconds_before = 50
    with pytest.warns(TimeLimitWarning):
        reg.fit(X, y)
    assert calls[-1][1] == 166  # of each fold, in half a second


def test_the_limit_changes_nothing_if_there_is_time(quick_recipe):
    quick_recipe(3)
    a, b = (TabularClassifier(**SMALL, time_limit=t).fit(X, y > 0) for t in (None, 1e6))
    assert_array_equal(a.predict_proba(X), b.predict_proba(X))


@pytest.mark.parametrize("limit", [0, -1, np.inf, "1"])
def test_wrong_limits(limit):
    with pytest.raises(ValueError, match="time_limit"):
        TabularRegressor(time_limit=limit).fit(X, y)


# ---- memory ----


def test_too_little_memory_names_the_widest_column(monkeypatch):
    monkeypatch.setattr(limits, "available_memory", lambda counts_files: 1e4)
    reg = TabularRegressor(**SMALL)
    message = r"fit needs about .* GB, but .* are available. Column 'town' has 40 categories. Pass "
    with pytest.raises(MemoryError, match=message + r"drop=\['town'\], or fewer rows or columns"):
        reg.fit(X, y)
    assert not hasattr(reg, "columns_")
    monkeypatch.setattr(limits, "available_memory", lambda counts_files: 1e3)
    with pytest.raises(MemoryError, match="Pass fewer rows or columns, or a smaller hidden_layer"):
        TabularRegressor(**SMALL).fit(X[["x"]], y)


def test_large_layers_are_refused_before_they_are_allocated():
    with pytest.raises(MemoryError, match="smaller hidden_layer_sizes"):
        TabularRegressor(2, hidden_layer_sizes=[2**22, 2**22]).fit(X[["x"]], y)


def test_the_limit_of_a_container(monkeypatch, tmp_path):
    monkeypatch.setattr("fastnn.core.memory.CGROUP", f"{tmp_path}/")
    without = limits.available_memory(counts_files=False)
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 500\nfile 9000\nkernel_stack 300\nslab 200\n")
    assert limits.available_memory(counts_files=False) == 2000 < without
    (tmp_path / "memory.max").write_text("max\n")
    assert limits.available_memory(counts_files=False) > 2000
