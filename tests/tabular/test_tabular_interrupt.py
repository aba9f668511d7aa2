"""Ctrl-C in a fit of estimators for tables: finished folds are kept, and `resume` trains the rest."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits, assert_same_models
from fake_clock import FakeClock
from numpy.testing import assert_array_equal

from fastnn import TabularClassifier, TabularRegressor, losses
from fastnn.tabular.fitting import permutation, training_jobs
from fastnn.tabular.fitting.out_of_fold import OutOfFold
from fastnn.training import pool

N = 60
SMALL = dict(n_estimators=3, hidden_layer_sizes=4, n_threads=1, random_state=0)
rng = np.random.default_rng(8)
X = pd.DataFrame({"x": rng.normal(size=N), "letter": rng.choice(list("abc"), N)})
y = np.exp(X["x"].to_numpy()) + (X["letter"] == "a")
WEIGHT = rng.uniform(0.5, 2, N)
GROUPS = np.arange(N) % 12


@pytest.fixture(autouse=True)
def slow_training(monkeypatch, quick_recipe):
    """A slice of training is one epoch of one network for each thread."""
    quick_recipe(4)
    monkeypatch.setattr(pool, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(pool, "TAIL_SECONDS", 0.0)


def stop(model, n_folds, *args, n_networks=0, **options):
    """Call fit. Ctrl-C comes when so many folds and networks are trained. Return the model."""
    came = False

    def interrupt(progress):
        nonlocal came
        if not came and progress.folds_done >= n_folds and progress.networks_done >= n_networks:
            came = True
            raise KeyboardInterrupt

    model.on_progress = interrupt
    with pytest.raises(KeyboardInterrupt):
        model.fit(*args, **options)
    del model.on_progress
    return model


def stop_after(model, n_networks, *args):
    """Call fit. Ctrl-C comes when so many networks are trained. Return the model."""
    left, end_job = n_networks, OutOfFold.end_job

    def end(self, job):
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        end_job(self, job)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(OutOfFold, "end_job", end)
        model.fit(*args)
    return model


MODELS = {
    "numbers": TabularRegressor(),
    "logarithms": TabularRegressor(log_target=True, loss="huber"),
    "quantiles": TabularRegressor(loss=losses.Quantile((0.1, 0.9))),
    "monotone": TabularRegressor(monotone={"x": 1}),
    "classes": TabularClassifier(class_weight={"low": 2}, threshold=0.4),
    "metric": TabularClassifier(metric="f1", threshold="cost:3,1", class_weight="balanced"),
}


def make(name, **options):
    model = MODELS[name]
    cls, parameters = type(model), model.get_params(False) | SMALL | options
    return cls(**parameters), np.where(y > 2, "high", "low") if name in ("classes", "metric") else y


# ---- what Ctrl-C leaves ----


@pytest.mark.parametrize("n_folds", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_finished_folds_are_kept(name, n_folds, reload):
    model, target = make(name)
    stop(model, n_folds, X, target)
    whole = make(name)[0].fit(X, target)
    assert (model.n_folds_, model.n_folds_remaining_) == (n_folds, 3 - n_folds)
    assert (whole.n_folds_, whole.n_folds_remaining_) == (3, 0)
    held_out = np.isin(whole._fold_of_row, range(n_folds))
    P = model.oof_prediction_.reshape(N, -1)
    assert np.isfinite(P[held_out]).all() and np.isnan(P[~held_out]).all()
    assert np.isfinite(model.feature_importances_).all() and model.metadata_ == {}
    numbers, codes = model.model_.features.transform(next(model._read_batches(X)))
    tables = model.model_.encode(numbers, codes)
    expected = np.mean([model.model_.predict_fold(tables, k, 1) for k in range(n_folds)], axis=0)
    if name in ("classes", "metric"):
        assert model.model_.targets.temperature != 1
        expected = model.model_.targets.calibrate(expected)
    predict = "predict_proba" if name in ("classes", "metric") else "predict"
    assert_array_equal(getattr(model, predict)(X), expected)
    other = reload(model)
    assert_same_bits(getattr(other, predict)(X), getattr(model, predict)(X))
    assert (other.n_folds_, other.n_folds_remaining_) == (n_folds, 3 - n_folds)
    if name in ("numbers", "logarithms"):
        assert np.isfinite(model.predict_interval(X, 0.8)).all()


def test_without_a_finished_network_nothing_changes():
    reg = TabularRegressor(**SMALL)
    stop(reg, 0, X, y, n_networks=0.5)
    assert vars(reg) == vars(TabularRegressor(**SMALL))
    reg.fit(X, y)
    before = dict(vars(reg))
    stop(reg, 0, X, 2 * y, n_networks=0.5)
    assert vars(reg) == before


#: What Ctrl-C keeps after so many networks: configurations and folds of the model, spare networks.
KEPT = {1: ([0], [0], 0), 2: ([0], [0, 1], 0), 3: ([0], [0, 1, 2], 0), 4: ([0], [0, 1, 2], 1)}


@pytest.mark.parametrize("n_networks", KEPT)
@pytest.mark.parametrize("name", ["numbers", "classes"])
def test_before_the_first_fold_the_first_configuration_is_kept(name, n_networks, reload, tmp_path):
    model, target = make(name)
    whole = make(name)[0].fit(X, target)
    stop_after(model, n_networks, X, target)
    checkpoint = model.model_.checkpoint
    used, folds, n_spare = KEPT[n_networks]
    assert (checkpoint.used, checkpoint.folds, len(checkpoint.spare)) == (used, folds, n_spare)
    assert (model.n_folds_, model.n_folds_remaining_) == (len(folds), 3)
    held_out = np.isin(whole._fold_of_row, folds)
    P = model.oof_prediction_.reshape(N, -1)
    assert np.isfinite(P[held_out]).all() and np.isnan(P[~held_out]).all()
    other = reload(model)
    assert_same_bits(other.predict(X), model.predict(X))
    for each in (other, pickle.loads(pickle.dumps(model)), model):
        each.fit(X, target, resume=True)
        assert_same_models(each, whole, tmp_path / "other")


def test_one_fold_keeps_the_configurations_that_are_done(reload, tmp_path):
    options = SMALL | dict(n_estimators=1)
    whole = TabularRegressor(**options).fit(X, y)
    for n in (1, 2):
        reg = stop_after(TabularRegressor(**options), n, X, y)
        assert reg.model_.checkpoint.used == list(range(n)) and reg.n_folds_remaining_ == 1
        other = reload(reg)
        assert np.isfinite(other.predict(X)).all()
        assert_same_models(other.fit(X, y, resume=True), whole, tmp_path / "other")


def test_networks_of_folds_that_are_not_done_are_kept(calls_of, reload):
    """After a fold, the first configuration of the other folds is trained, and is not in the model."""
    reg = stop(TabularRegressor(**SMALL), 1, X, y)
    assert [(s.configuration, s.fold) for s in reg.model_.checkpoint.spare] == [(0, 1), (0, 2)]
    calls = calls_of(training_jobs, "train")
    reload(reg).fit(X, y, resume=True)
    jobs = [(job.fold, job.configuration.weighted) for call in calls for job in call[0]]
    assert sorted(jobs) == [(1, False), (1, True), (2, False), (2, True)]


@pytest.mark.parametrize("resumed", [None, 1e6])
def test_a_limit_a_stop_and_resume(resumed, monkeypatch, reload):
    """The limit trains one configuration; without it, or with time, resume trains the others, and
    the networks of the limit stay as they are."""
    clock = FakeClock(monkeypatch, 0.1)
    reg = stop(TabularRegressor(**SMALL, time_limit=1.3), 2, X, y)
    assert reg.model_.checkpoint.used == [0] and reg.n_folds_ == 2
    clock.step = clock.trial = 1e-9
    kept = [networks[0].params for networks in reg.model_.members[0].networks]
    reg = reload(reg).set_params(time_limit=resumed)
    reg.fit(X, y, resume=True)
    assert reg.n_folds_remaining_ == 0 and len(clock.epochs) == 2 + 9 - 2
    whole = TabularRegressor(**SMALL, time_limit=resumed).fit(X, y)
    trained = [m.networks for m in reg.model_.members if len(m.networks[0]) == 1]
    for networks, other in zip(trained, [m.networks for m in whole.model_.members]):
        assert_same_bits(networks[0][0].params, kept[0])
        assert_same_bits(networks[1][0].params, kept[1])
        assert_same_bits(networks[2][0].params, other[2][0].params)


def test_a_limit_counts_from_the_start_of_a_resumed_fit(monkeypatch):
    clock = FakeClock(monkeypatch, 0.1)
    reg = stop(TabularRegressor(**SMALL, time_limit=1.3), 2, X, y)
    before, clock.now = clock.now, clock.now + 1000
    clock.sessions.clear()
    reg.fit(X, y, resume=True)
    assert reg.n_folds_remaining_ == 0 and reg.n_folds_ == 3 and len(clock.epochs) >= 1
    assert clock.now <= before + 1000 + 1.02 * 1.3 + 0.1


def press_ctrl_c(*args):
    raise KeyboardInterrupt


def test_a_second_ctrl_c_restores_everything(monkeypatch):
    reg = TabularRegressor(**SMALL).fit(X, y)
    before = dict(vars(reg))
    steps = iter([press_ctrl_c, permutation.importances])
    monkeypatch.setattr(permutation, "importances", lambda *a, **k: next(steps)(*a, **k))
    stop(reg, 2, X, 2 * y)
    assert vars(reg) == before


def test_ctrl_c_while_importances_are_computed_keeps_the_model(monkeypatch):
    whole = TabularRegressor(**SMALL).fit(X, y)
    seen, importances = [], permutation.importances

    def interrupt(*args):
        seen.append(args[6])  # n_most
        if len(seen) == 1:
            raise KeyboardInterrupt
        return importances(*args)

    monkeypatch.setattr(permutation, "importances", interrupt)
    reg = TabularRegressor(**SMALL)
    with pytest.raises(KeyboardInterrupt):
        reg.fit(X, y)
    assert seen == [np.inf, 50] and reg.n_folds_remaining_ == 0
    assert_same_bits(reg.predict(X), whole.predict(X))
    assert np.isfinite(reg.feature_importances_).all()


def test_ctrl_c_while_columns_are_weighted(monkeypatch, tmp_path):
    """The networks of the first configuration are trained on all folds by then."""
    reg = TabularRegressor(**SMALL)
    with monkeypatch.context() as m:
        m.setattr(permutation, "column_weights", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            reg.fit(X, y)
        assert reg.n_folds_ == 3 and reg.model_.checkpoint.used == [0]
        before = dict(vars(reg))
        with pytest.raises(KeyboardInterrupt):
            reg.fit(X, y, resume=True)
        assert vars(reg) == before  # no new network
    whole = TabularRegressor(**SMALL).fit(X, y)
    assert_same_models(reg.fit(X, y, resume=True), whole, tmp_path / "model")


def test_folds_end_one_after_the_other(monkeypatch):
    """After the three networks of the first configuration. Also with three threads, which could train
    the other six networks at the same time."""
    train = training_jobs.train
    for n_threads in (1, 3):
        ended: list = []

        def record(jobs, setup, end_job, line, budget, n=n_threads, to=ended):
            def end(job):
                to.append(job.fold)
                end_job(job)

            train(jobs, replace(setup, n_threads=n), end, line, budget)

        monkeypatch.setattr(training_jobs, "train", record)
        TabularRegressor(**SMALL).fit(X, y)
        assert len(ended) == 9 and sorted(ended[:3]) == [0, 1, 2] and ended[3:5] == [0, 0]
        if n_threads == 1:
            assert ended[:3] == [0, 1, 2] and ended[3:] == sorted(ended[3:])


# ---- resume ----


@pytest.mark.parametrize("name", MODELS)
def test_resume_gives_the_bits_of_a_fit_without_interruption(name, reload, tmp_path):
    model, target = make(name)
    arguments = (X, target, WEIGHT, GROUPS)
    whole = make(name)[0].fit(*arguments)
    stop(model, 1, *arguments)
    model.metadata_["source"] = "sensor"
    for other in (reload(model), pickle.loads(pickle.dumps(model)), model):
        assert other.n_folds_ == 1 and other.fit(*arguments, resume=True) is other
        assert other.metadata_.pop("source") == "sensor"
        assert_same_models(other, whole, tmp_path / "other")


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_folds", [1, 2])
def test_resume_weights_columns_like_a_fit_without_interruption(n_folds, n_threads, calls_of):
    """With two folds, one network is left of the first configuration."""
    calls = calls_of(permutation, "set_weights")
    TabularRegressor(**SMALL).fit(X, y)
    reg = stop(TabularRegressor(**SMALL), n_folds, X, y)
    reg.set_params(n_threads=n_threads).fit(X, y, resume=True)
    (whole, expected, *_), (_, stopped, *_), (resumed, weights, *_) = calls
    assert len(whole) == 3 and len(resumed) == 3 - n_folds and not (weights == 1).all()
    assert_same_bits(stopped, expected)
    assert_same_bits(weights, expected)
    trained = {job.fold: job.networks for job in whole}
    for job in resumed:
        for net, other in zip(job.networks, trained[job.fold]):
            assert_same_bits(net.params, other.params)


def test_a_fit_can_be_stopped_again(reload, tmp_path):
    reg = stop(TabularRegressor(**SMALL), 1, X, y)
    before = dict(vars(reg))
    stop(reg, 1, X, y, resume=True)
    assert vars(reg) == before  # no new fold
    stop(reg, 2, X, y, resume=True)
    assert reg.n_folds_ == 2
    other = reload(reg).fit(X, y, resume=True)
    assert_same_models(other, TabularRegressor(**SMALL).fit(X, y), tmp_path / "other")


def test_only_missing_networks_are_trained(calls_of):
    reg = stop(TabularRegressor(**SMALL), 2, X, y)
    before = [member.networks[:2] for member in reg.model_.members]
    calls = calls_of(training_jobs, "train")
    reg.fit(X, y, resume=True)
    jobs = [job for call in calls for job in call[0]]
    assert len(jobs) == len(before) - 1 and len({job.fold for job in jobs}) == 1
    for member in reg.model_.members:
        for k in range(2):
            assert member.networks[k] in [networks[k] for networks in before]


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_a_complete_fit_has_nothing_to_resume():
    reg = TabularRegressor(**SMALL).fit(X, y)
    before = dict(vars(reg))
    assert reg.fit(None, None, resume=True) is reg and vars(reg) == before
    one = TabularClassifier(**SMALL).fit(X, np.ones(N))
    assert one.n_folds_ == one.n_folds_remaining_ == 0
    assert one.fit(X, np.ones(N), resume=True) is one
    with pytest.raises(ValueError, match=r"this estimator is not fitted. Pass resume=False"):
        TabularRegressor().fit(X, y, resume=True)


TABLE = "X, or categories, numbers, dates, texts or drop"
OTHERS = {
    "a number": (dict(X=X.assign(x=X["x"].where(X.index != 7, 0.5))), {}, TABLE),
    "a name": (dict(X=X.rename(columns={"x": "z"})), {}, TABLE),
    "the order of rows": (dict(X=X[::-1]), {}, TABLE),
    "fewer rows": (dict(X=X[:50], y=y[:50], sample_weight=WEIGHT[:50]), {}, TABLE),
    "a kind": ({}, dict(categories=["x"]), TABLE),
    "targets": (dict(y=y + 1e-9), {}, "y, or loss, log_target or bounds"),
    "a loss": ({}, dict(loss="huber"), "y, or loss, log_target or bounds"),
    "logarithms": ({}, dict(log_target=True), "y, or loss, log_target or bounds"),
    "bounds": ({}, dict(bounds=(0, None)), "y, or loss, log_target or bounds"),
    "weights": (dict(sample_weight=None), {}, "sample_weight or class_weight"),
    "a weight": (dict(sample_weight=WEIGHT * 2), {}, "sample_weight or class_weight"),
    "groups": (dict(groups=GROUPS), {}, "random_state, groups"),
    "a seed": ({}, dict(random_state=1), "random_state, groups"),
    "folds": ({}, dict(n_estimators=4), "n_estimators, hidden_layer_sizes"),
    "layers": ({}, dict(hidden_layer_sizes=5), "n_estimators, hidden_layer_sizes"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_resume_needs_the_same_rows_and_parameters(name):
    arguments, parameters, named = OTHERS[name]
    same = dict(X=X, y=y, sample_weight=WEIGHT)
    reg = stop(TabularRegressor(**SMALL), 1, **same)
    reg.set_params(**parameters)
    before = dict(vars(reg))
    with pytest.raises(ValueError, match=f"but other .*{named}.* were passed. Pass what the stop"):
        reg.fit(**same | arguments, resume=True)
    assert vars(reg) == before


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_resume_needs_the_same_classes():
    labels = np.where(y > 2, "high", "low")
    clf = stop(TabularClassifier(**SMALL), 1, X, labels)
    for other in (np.where(y > 2, "low", "high"), np.where(y > 2, "a", "b"), y > 2, np.ones(N)):
        with pytest.raises(ValueError, match="but other y, or loss"):
            clf.fit(X, other, resume=True)
    clf.set_params(metric="log_loss")
    with pytest.raises(ValueError, match="metric"):
        clf.fit(X, labels, resume=True)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_resume_needs_the_same_random_numbers(random_state):
    reg = stop(TabularRegressor(**SMALL | dict(random_state=random_state)), 1, X, y)
    with pytest.raises(ValueError, match="random_state must be an int, got "):
        reg.fit(X, y, resume=True)


def test_other_parameters_may_change(tmp_path):
    reg = stop(TabularRegressor(**SMALL), 1, X, y)
    reg.set_params(n_threads=2, verbose=True, time_limit=1000).fit(X.copy(), list(y), resume=True)
    whole = TabularRegressor(**SMALL).fit(X, y)
    reg.set_params(n_threads=1, verbose=False, time_limit=None)
    assert_same_models(reg, whole, tmp_path / "m")


# ---- progress ----


def test_progress(capsys):
    seen = []
    reg = TabularRegressor(**SMALL)
    reg.on_progress = seen.append
    reg.fit(X, y)
    first, last = seen[0], seen[-1]
    assert first.score is None and first.folds_done == 0 < first.networks_done < 1
    assert last.networks_done == last.n_networks == 9 and last.folds_done == last.n_folds == 3
    assert last.score == pytest.approx(reg.oof_score_) and last.score_name == "R2"
    assert last.seconds_left == 0 < seen[len(seen) // 2].seconds_left
    done = [(p.folds_done, p.networks_done) for p in seen]
    assert done == sorted(done) and {folds for folds, _ in done} == {0, 1, 2, 3}
    assert capsys.readouterr().err == ""
    part = stop(TabularRegressor(**SMALL), 1, X, y)
    assert part.oof_score_ == pytest.approx(next(p.score for p in seen if p.folds_done == 1))
    part.on_progress = seen.append
    seen.clear()
    part.fit(X, y, resume=True)
    assert seen[0].n_networks == 9 and 5 <= seen[0].networks_done < 6 and seen[0].folds_done == 1


LINES = [
    ("numbers", {}, "network 9/9  fold 3/3  R2 {:.3f}"),
    ("quantiles", {}, "network 9/9  fold 3/3"),
    ("classes", {"class_weight": None}, "network 12/12  fold 3/3  accuracy {:.3f}"),
    ("classes", {"class_weight": "balanced"}, "network 12/12  fold 3/3  balanced accuracy {:.3f}"),
    ("classes", {"class_weight": {"low": 2}}, "network 12/12  fold 3/3  weighted accuracy {:.3f}"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "more", "line"), LINES)
def test_the_line(name, more, line, capsys):
    model, target = make(name, verbose=True, **more)
    model.fit(X, target)
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith(line.format(model.oof_score_ or 0)) and "left" not in last
    assert name != "quantiles" or last == line
