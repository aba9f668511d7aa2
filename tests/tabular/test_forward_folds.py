"""Folds forward in time: blocks, what each fold sees, the networks on all rows, and resuming."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits, assert_same_models
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.metrics import r2_score

import fastnn
from fastnn import TabularClassifier, TabularRegressor, losses
from fastnn.encoded_table import EncodedTable
from fastnn.tables import TableWarning
from fastnn.tabular import find_label_issues
from fastnn.tabular.fitting import permutation, training_jobs
from fastnn.tabular.fitting.table_fit import TableFit
from fastnn.tabular.folds import ForwardFolds, RowSplit, as_seen
from fastnn.training import pool

N = 90
SMALL = dict(n_estimators=3, hidden_layer_sizes=4, n_threads=1, random_state=0)
rng = np.random.default_rng(8)
DAY = np.sort(rng.integers(0, 30, N))
X = pd.DataFrame({"day": pd.Timestamp("2026-01-01") + pd.to_timedelta(DAY, unit="D")})
X["x"] = rng.normal(size=N)
X["letter"] = rng.choice(list("abc"), N)
X["site"] = [f"site {i % 7}" for i in range(N)]
X["weight"] = rng.uniform(0.5, 2, N)
y = np.exp(X["x"].to_numpy()) + (X["letter"] == "a").to_numpy() + DAY / 5
LABELS = np.where(y > np.median(y), "high", "low")
NAMED = dict(time="day", groups="site", sample_weight="weight")
#: Arguments of fit.
SPLITS = {"time": dict(time="day"), "time and groups": dict(time="day", groups="site")}
SPLITS["all"] = NAMED


@pytest.fixture(autouse=True)
def quick(compared_splits):
    compared_splits(4)


def make(name, **options):
    if name == "classes":
        return TabularClassifier(**SMALL | options), LABELS
    return TabularRegressor(**SMALL | options, log_target=name == "logarithms"), y


# ---- folds ----


@given(
    n=st.integers(2, 60),
    n_times=st.integers(2, 20),
    n_groups=st.none() | st.integers(2, 20),
    weighted=st.booleans(),
    share_of_gaps=st.sampled_from([0, 0.2]),
    n_estimators=st.integers(1, 8),
    seed=st.integers(0, 1000),
)
def test_folds_train_on_earlier_rows_of_other_groups(
    n, n_times, n_groups, weighted, share_of_gaps, n_estimators, seed
):
    random = np.random.default_rng(seed)
    values = random.integers(0, n_times, n)
    values[:2] = 0, 1
    _, times = np.unique(values, return_inverse=True)
    groups = None if n_groups is None else random.integers(0, n_groups, n)
    weight = np.r_[1, 1, random.random(n - 2) < 0.8] * 1.0 if weighted else None
    gaps = random.random((2, n)) < share_of_gaps
    gaps[:, :2] = False
    times[gaps[0]] = -1
    if groups is not None:
        groups[gaps[1]] = -1
    known = (times >= 0) & (groups is None or groups >= 0)
    try:
        folds = ForwardFolds(times, groups, weight, n_estimators, np.random.RandomState(seed))
    except fastnn.core.errors.DataError as error:
        assert groups is not None and "no rows to train on" in str(error)
        return
    pairs = folds.split()
    assert len(pairs) == folds.n_folds <= max(1, n_estimators)
    assert folds.n_folds == (1 if n_estimators == 1 else folds.n_blocks - 1)
    scored = np.concatenate([held_out for _, held_out in pairs])
    assert len(scored) == len(set(scored.tolist()))
    for train, held_out in pairs:
        assert times[train].max() < times[held_out].min()
        assert known[train].all() and known[held_out].all()
        if weight is not None:
            assert weight[train].any() and weight[held_out].any()
        if groups is None:
            assert set(train) == set(np.flatnonzero(known & (times < times[held_out].min())))
        else:
            assert not set(groups[train]) & set(groups[held_out])
    if groups is None and n_estimators > 1:
        assert set(scored) == set(np.flatnonzero(times >= times[pairs[0][1]].min()))
    assert_array_equal(folds.informs(), np.tri(folds.n_folds, k=-1, dtype=bool))


GAPS = {
    "time": "2 rows left out of training and scores: time='day' is missing there or not a time, such "
    "as 'soon'.",
    "groups": "2 rows left out of training and scores: groups='site' is missing there.",
}


@pytest.mark.parametrize("window", [None, 60])
@pytest.mark.parametrize("argument", GAPS)
def test_rows_without_a_time_or_a_group_are_not_used(argument, window, monkeypatch):
    """They may be later than the rows that a fold scores, or of their groups."""
    final, make = [], training_jobs.FinalNetworks.make

    def record(self, *arguments):
        make(self, *arguments)
        final.extend(self.jobs)

    monkeypatch.setattr(training_jobs.FinalNetworks, "make", record)
    table = X.assign(y=y, day=X["day"].dt.strftime("%Y-%m-%d"))
    column = {"time": "day", "groups": "site"}[argument]
    table.loc[3, column], table.loc[7, column] = None, None if argument == "groups" else "soon"
    reg = TabularRegressor(**SMALL)
    with pytest.warns(TableWarning) as caught:
        if window is None:
            reg.fit(table, "y", **{argument: column})
        else:
            reg.fit([(table.drop(columns="y"), y)], window=window, **{argument: column})
    assert any(str(w.message).startswith(GAPS[argument]) for w in caught), list(map(str, caught))
    rows = np.arange(N) if reg.oof_rows_ is None else reg.oof_rows_
    lacking = np.isin(rows, [3, 7])
    assert np.isnan(reg.oof_prediction_[lacking]).all() and np.isfinite(reg.oof_score_)
    scored = np.zeros(len(rows), bool)
    for train, held_out in reg.model_.folds:
        assert not lacking[train].any()
        scored[held_out] = True
    assert not scored[lacking].any()
    assert_array_equal(np.isnan(reg.oof_prediction_), ~scored)
    assert bool(final) == (argument == "time")
    for job in final:
        assert job.n_train == N - 2
        assert_array_equal(job.train, np.flatnonzero(~lacking) if lacking.any() else [])


def split_forward(times, groups=None, weight=None, n_estimators=5):
    return ForwardFolds(times, groups, weight, n_estimators, np.random.RandomState(0)).split()


def test_blocks_have_about_equal_numbers_of_rows():
    times = np.repeat(np.arange(12), 10)

    def sizes(**options):
        return [(len(train), len(scored)) for train, scored in split_forward(times, **options)]

    assert sizes() == [(20 * k, 20) for k in range(1, 6)]
    assert sizes(n_estimators=1) == [(100, 20)]
    assert sizes(weight=np.where(times < 6, 0.0, 1.0), n_estimators=2)[0] == (80, 20)


def test_groups_that_begin_in_a_block_are_all_scored():
    times = np.arange(60)
    groups = times // 2  # each lasts for two days
    assert sum(len(scored) for _, scored in split_forward(times, groups)) == 50
    for train, scored in split_forward(times // 6, times % 6):  # one or two of six groups
        assert 0 < len(scored) < 10 and len(train) >= 4


def test_rows_are_encoded_as_the_training_rows_know_them():
    numbers, codes = [[1.0, 0], [2, 0], [3, 1], [0, 0]], [[0], [1], [2], [-1]]
    table = EncodedTable(numbers, [[0.5], [1.5], [2.5], [0.1]], 3, codes=codes, n_categories=3)
    seen = as_seen(table, np.array([0, 1]), np.array([2, 3]))
    assert_array_equal(seen.numbers, [[3, 0], [0, 0]])
    assert_array_equal(seen.positions, np.float32([[1.5], [0.5]]))
    assert_array_equal(seen.codes, [[2], [-1]])
    assert seen.layout == table.layout


# ---- fit ----


@pytest.mark.parametrize("n_estimators", [3, 1])
@pytest.mark.parametrize("name", ["numbers", "classes", "logarithms"])
@pytest.mark.parametrize("split", SPLITS)
def test_fit(split, name, n_estimators, reload):
    model, target = make(name, n_estimators=n_estimators)
    model.fit(X, target, **SPLITS[split])
    assert (model.n_folds_, model.n_folds_remaining_) == (n_estimators, 0)
    scored = ~np.isnan(model.oof_prediction_.reshape(N, -1)[:, 0])
    assert 0 < scored.sum() < N and not scored[DAY == 0].any()
    if split == "time":
        first = DAY[scored].min()
        assert_array_equal(scored, first <= DAY)  # all rows of a day
        assert 0.1 * N < (first > DAY).sum() < 0.9 * N
    if name != "classes":  # R2 compares with the mean of each block
        w, block = X["weight"][scored] ** (split == "all"), model._fold_of_row[scored]
        mean = (np.bincount(block, w * y[scored]) / np.bincount(block, w))[block]
        found = r2_score(y[scored] - mean, model.oof_prediction_[scored] - mean, sample_weight=w)
        assert model.oof_score_ == pytest.approx(found)
    named = {"groups": "site", "sample_weight": "weight"}
    reasons = {named[k]: f"named in {k}" for k in SPLITS[split] if k in named}
    assert model.left_out_ == reasons and "day" in model.columns_
    assert "from 2026-01-01 to 2026-01-30" in model.split_ and "'day'" in model.split_
    assert ("other values of 'site'" in model.split_) == (split != "time")
    other = reload(model)
    assert other.split_ == model.split_
    for rows in (X, X.drop(columns=[*reasons])):
        assert_same_bits(other.predict(rows) == "high", model.predict(rows) == "high")
    if name != "classes":
        assert_same_bits(other.predict(X), model.predict(X))
        assert_same_bits(other.predict_interval(X, 0.5), model.predict_interval(X, 0.5))
    for issue in find_label_issues(model, target, 3):
        assert scored[issue.row]


def test_values_and_names_are_the_same():
    columns = X["day"], X["day"].to_numpy(), X["day"].dt.strftime("%d.%m.%Y"), DAY, list(DAY)
    whole = TabularRegressor(**SMALL).fit(X, y, time="day")
    for time in columns:
        other = TabularRegressor(**SMALL).fit(X, y, time=time)
        assert_same_bits(other.predict(X), whole.predict(X))
    inputs = X.drop(columns=["site", "weight"])
    named = TabularRegressor(**SMALL).fit(X, y, **NAMED)
    values = dict(sample_weight=X["weight"], groups=X["site"], time=X["day"])
    passed = TabularRegressor(**SMALL).fit(inputs, y, **values)
    assert_same_bits(named.predict(X), passed.predict(inputs))
    assert_same_bits(named.oof_prediction_, passed.oof_prediction_)


def test_the_saved_networks_are_trained_on_all_rows(calls_of):
    calls = calls_of(training_jobs, "end_networks")
    reg = TabularRegressor(**SMALL).fit(X, y, time="day")
    seen = [job for job, _ in calls if job.ends]
    assert len(seen) == 3 * len(reg.model_.members)
    for job in seen:
        assert len(job.train) == len(job.held_out) == 0 and job.n_train == N  # none stands for all
        assert 0 < job.ends[0] <= job.ends[-1] <= 1
        assert len(job.networks) == len(job.ends)
    assert len({job.net.params.tobytes() for job in seen}) == len(seen)
    n_epochs = [[len(each.val_loss) for each in folds] for folds in reg.histories_]
    assert all(len(folds) == 3 and min(folds) > 0 for folds in n_epochs)  # those of the folds


def test_the_epochs_are_those_of_the_folds_with_most_rows():
    jobs = [
        SimpleNamespace(best=list(best), n_train=n)
        for best, n in (((0.1, 0.9), 10), ((0.2, 0.8), 20), ((0.3, 0.7), 30), ((0.5, 0.6), 40))
    ]
    assert training_jobs._median_parts(jobs) == [0.3, 0.7]
    assert training_jobs._median_parts(jobs[:2]) == [0.2, 0.8]
    assert training_jobs._median_parts(jobs[:1]) == [0.1, 0.9]


def test_column_weights_come_from_earlier_folds(calls_of):
    calls = calls_of(permutation, "set_weights")
    TabularRegressor(**SMALL).fit(X, y, time="day")
    _, weights, *_ = calls[0]
    assert len(weights) == 4 and (weights[0] == 1).all()  # three folds, and all rows
    assert len(np.unique(weights, axis=0)) == 4
    assert len(calls) == 1 or calls[1][1] is weights


def test_importances_are_those_of_rows_as_folds_see_them(monkeypatch):
    """What begins in the last block has no meaning for any fold."""
    late = X.assign(flag=np.where(DAY > 25, 1.0, 0.0))
    seen, encode = [], TableFit.encode_as_seen

    def record(*args):
        seen.append(encode(*args))
        return seen[-1]

    monkeypatch.setattr(TableFit, "encode_as_seen", record)
    reg = TabularRegressor(**SMALL).fit(late, y, time="day")
    assert np.isfinite(reg.feature_importances_).all()
    (tables,) = seen
    assert len(tables[0]) == np.isfinite(reg.oof_prediction_).sum()
    assert reg.feature_importances_[-1] == 0 != reg.feature_importances_[1]


def test_predictions_may_leave_the_range_of_the_targets(quick_recipe):
    quick_recipe(60)
    days = np.arange(200.0)
    target = days + 1
    for log in (False, True):
        options = SMALL | dict(hidden_layer_sizes=16, log_target=log)
        random = TabularRegressor(**options).fit(days[:, None], target)
        forward = TabularRegressor(**options).fit(days[:, None], target, time=days)
        later = [[260.0]]
        assert random.predict(later)[0] <= 200 < forward.predict(later)[0]


@pytest.mark.parametrize("name", ["numbers", "classes"])
def test_threads_do_not_change_the_model(name, tmp_path):
    one, target = make(name)
    two, _ = make(name, n_threads=2)
    one.fit(X, target, **NAMED), two.fit(X, target, **NAMED)
    assert_same_models(one, two.set_params(n_threads=1), tmp_path / "model")


OTHERS = {
    "auc": TabularClassifier(metric="auc"),
    "a threshold": TabularClassifier(threshold="f1", class_weight="balanced"),
    "a cost": TabularClassifier(threshold="cost:5,1", n_estimators=1),
    "mape": TabularRegressor(metric="mape", loss="poisson"),
    "quantiles": TabularRegressor(loss=losses.Quantile((0.1, 0.9))),
    "a time limit": TabularRegressor(time_limit=1000),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_options(name, reload):
    model = OTHERS[name]
    options = SMALL | dict(n_estimators=1 if model.n_estimators == 1 else 3)
    model = clone(model).set_params(**options)
    is_classifier = isinstance(model, TabularClassifier)
    late = np.where(DAY > 27, "low", LABELS) if name == "a threshold" else LABELS
    model.fit(X, late if is_classifier else y + 1, **NAMED)
    assert model.oof_score_ is not None or name == "quantiles"
    assert model.n_folds_ == model.n_estimators and model.n_folds_remaining_ == 0
    assert_array_equal(reload(model).predict(X), model.predict(X))


def test_a_class_that_begins_late():
    clf = TabularClassifier(**SMALL).fit(X, np.where(DAY > 26, "new", LABELS), time="day")
    P = clf.oof_prediction_[~np.isnan(clf.oof_prediction_[:, 0])]
    assert clf.classes_.tolist() == ["high", "low", "new"]
    assert (P > 0).all() and P.shape[1] == clf.predict_proba(X).shape[1] == 3


@pytest.mark.parametrize("argument", ["time", "groups", "cv"])
def test_a_class_without_rows_in_the_folds_is_named(argument):
    labels, lacking = LABELS.astype(object), np.arange(N) % 30 == 0
    labels[lacking] = "rare"
    table, options, passed = X.copy(), {}, {}
    if argument == "cv":
        rows = np.flatnonzero(~lacking)
        options["cv"] = [(rows[::2], rows[1::2]), (rows[1::2], rows[::2])]
    else:
        passed[argument] = {"time": "day", "groups": "site"}[argument]
        table.loc[lacking, passed[argument]] = None
    with pytest.warns(TableWarning) as caught:
        TabularClassifier(**SMALL, **options).fit(table, labels, **passed)
    text = "no network learns 'rare': all rows of this class are left out of training and scores."
    assert text in [str(w.message) for w in caught]
    labels[1] = labels[2] = "rare"  # each fold has a row
    with warnings.catch_warnings(record=True, action="always") as caught:
        TabularClassifier(**SMALL, **options).fit(table, labels, **passed)
    assert not [w for w in caught if "no network learns" in str(w.message)]


# ---- Ctrl-C and resume ----


def interrupt_after_networks_on_all_rows(monkeypatch, n):
    """Ctrl-C comes when so many of these are trained."""
    end, done = training_jobs.end_networks, []

    def interrupt(job, networks):
        end(job, networks)
        if job.ends:
            done.append(job)
            if len(done) == n:
                raise KeyboardInterrupt

    monkeypatch.setattr(training_jobs, "end_networks", interrupt)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", ["numbers", "classes"])
@pytest.mark.parametrize("when", [(1, None), (2, None), (3, 0), (3, 1)])
def test_resume(when, name, split, interrupt_after_a_fold, monkeypatch, reload, tmp_path):
    """After folds, or after networks on all rows: with one network more, so that some are lost."""
    model, target = make(name)
    whole = make(name)[0].fit(X, target, **SPLITS[split])
    (n_folds, n_final), n_used = when, len(whole.model_.members)
    monkeypatch.setattr(pool, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(pool, "TAIL_SECONDS", 0.0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if n_final is None:
            interrupt_after_a_fold(n_folds)
        else:
            interrupt_after_networks_on_all_rows(patch, n_final * n_used + 1)
        model.fit(X, target, **SPLITS[split])
    n_final = 0 if n_final is None else (n_final * n_used + 1) // n_used
    assert model.n_folds_remaining_ == 6 - n_folds - n_final
    assert np.isfinite(model.predict_proba(X) if name == "classes" else model.predict(X)).all()
    other = reload(model)
    assert other.n_folds_remaining_ == model.n_folds_remaining_
    for each in (other, model):
        each.fit(X, target, resume=True, **SPLITS[split])
        assert_same_models(each, whole, tmp_path / "other")


def test_resume_needs_the_same_times(interrupt_after_a_fold):
    reg = TabularRegressor(**SMALL)
    with interrupt_after_a_fold():
        reg.fit(X, y, time="day")
    for options in ({}, dict(time=DAY[::-1])):
        with pytest.raises(ValueError, match="time or cv were passed"):
            reg.fit(X, y, resume=True, **options)


# ---- errors ----


ERRORS = [
    (dict(time="week"), "time='week' names a column that X does not have"),
    (dict(time=[None] * N), "time is missing in every row. Leave time out"),
    (dict(time=np.full(N, 3)), "time is 3 in every row that has a time, but at least 2"),
    (
        dict(time=["2026-01-01"] * 5 + ["soon"] * 85),
        "time holds 'soon' in row 5, which is not a date or a number like the others. Correct",
    ),
    (dict(time=["soon"] * N), "'soon' in row 0, which is not a date or a number. Correct"),
    (dict(time=DAY[:5]), "time has 5 rows, but X has"),
    (dict(time=["NA"] * N), "time is missing in every row"),
    (dict(time=np.zeros((N, 2))), r"time must have shape \(90,\), .* got \(90, 2\)"),
    (dict(time=5), r"time must have shape \(90,\), one value for each row, got 5"),
    (dict(sample_weight="x"), f"holds -.* in row {(X['x'] < 0).argmax()}, but weights must be"),
    (dict(groups="place"), "groups='place' names a column that X does not have"),
    (dict(sample_weight="letter"), "'letter'"),
    (dict(sample_weight="day"), "sample_weight='day' names a column of dates"),
    (dict(sample_weight="y"), "sample_weight='y' names the column of the targets"),
]


@pytest.mark.parametrize(("arguments", "message"), ERRORS)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        TabularRegressor(**SMALL).fit(X.assign(y=y), "y", **arguments)


def test_names_need_names():
    with pytest.raises(ValueError, match="the columns of X have no names"):
        TabularRegressor(**SMALL).fit(X[["x", "weight"]].to_numpy(), y, time="day")


def test_only_the_fit_is_forward():
    reg = TabularRegressor(**SMALL).fit(X, y)
    assert reg.split_ == "3 folds, drawn at random" and not reg.model_.is_forward
    one = TabularRegressor(**SMALL | dict(n_estimators=1)).fit(X, y, groups="site")
    assert one.split_ == "all rows of a group are in the same fold: 7 values of 'site' in 1 fold"


BLOCKS = dict(first="May", last="June", n_blocks=3)
BEFORE = "before those that it scores: 3 blocks from May to June"
DESCRIBED = [
    (dict(n_folds=1), "1 fold with a fifth of the rows, drawn at random"),
    (dict(n_folds=2), "2 folds, drawn at random"),
    (dict(kind="cv", n_folds=1, splitter="KFold"), "the 1 fold of KFold"),
    (dict(kind="groups", n_folds=2, n_groups=2000),
     "all rows of a group are in the same fold: 2,000 groups in 2 folds"),
    (dict(kind="time", n_folds=1, **BLOCKS), f"the fold is trained on the rows {BEFORE}"),
    (dict(kind="time", n_folds=2, time="day", groups="site", **BLOCKS),
     f"each fold is trained on the rows {BEFORE}".replace(" from", " of 'day' from")),
    (dict(kind="time and groups", n_folds=2, **BLOCKS),
     f"each fold is trained on the rows of other groups {BEFORE}"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "text"), DESCRIBED)
def test_splits_are_described(fields, text):
    split = RowSplit(**fields)
    assert split.describe() == text and split.to_json() == fields


# ---- the score is what later rows will have ----


@pytest.mark.slow("test_fit runs the same on small tables")
def test_the_score_of_sales_with_a_trend_is_that_of_later_days(monkeypatch):
    """A random split says R2 1.00."""
    n, n_later = 1200, 300
    random = np.random.default_rng(0)
    days = np.arange(n + n_later)
    sales = 100 + 0.2 * days + 20 * np.sin(2 * np.pi * days / 7) + random.normal(0, 5, len(days))
    table = pd.DataFrame({"day": pd.Timestamp("2021-01-01") + pd.to_timedelta(days, unit="D")})
    monkeypatch.undo()  # the recipe
    options = dict(n_estimators=2, hidden_layer_sizes=32, random_state=1)
    known, later = table[:n], table[n:]
    with pytest.warns(TableWarning, match="the rows depend on the time in column 'day'"):
        whole = TabularRegressor(**options).fit(known, sales[:n])
    assert whole.oof_score_ > 0.97 and whole.score(later, sales[n:]) < 0
    forward = TabularRegressor(**options).fit(known, sales[:n], time="day")
    true = forward.score(later, sales[n:])
    assert forward.oof_score_ < 0.7 and abs(forward.oof_score_ - true) < 0.3
    assert true > whole.score(later, sales[n:]) + 0.3


def test_the_score_of_patients_is_that_of_other_patients(quick_recipe):
    """100 patients with ten rows each, whose target has nothing to do with the inputs."""
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(100), 10)
    table = pd.DataFrame({"patient": [f"p{i}" for i in patient]})
    table["age"] = random.normal(size=100)[patient]
    table["pulse"] = random.normal(size=1000)
    target = 3 * random.normal(size=100)[patient] + random.normal(0, 0.3, 1000)
    quick_recipe(60)
    options = dict(n_estimators=2, hidden_layer_sizes=64, random_state=0)
    with pytest.warns(TableWarning, match="rows with the same value of column 'patient' are alike"):
        rows = TabularRegressor(**options).fit(table, target)
    patients = TabularRegressor(**options).fit(table, target, groups="patient")
    assert rows.oof_score_ > 0.9 and abs(patients.oof_score_) < 0.15
