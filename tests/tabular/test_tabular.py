"""Fits of the estimators for tables: options, weights, groups, and reproducible results."""

from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import processes
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import TabularClassifier, TabularRegressor, losses
from fastnn.tables import TableWarning
from fastnn.tabular import encoder
from fastnn.tabular.fitting import out_of_fold, permutation, recipe, training_jobs
from fastnn.tabular.folds import split_rows
from fastnn.tabular.large.large_table import TrainingTable
from fastnn.tabular.model import TableModel
from fastnn.tabular.targets import TableClasses

N = 60
SMALL = dict(n_estimators=3, hidden_layer_sizes=4, n_threads=1, random_state=0)
rng = np.random.default_rng(11)
X = pd.DataFrame({"signal": rng.normal(size=N), "noise": rng.normal(size=N)})
X["letter"] = rng.choice(list("abc"), N)
X["gaps"] = np.where(rng.random(N) < 0.3, np.nan, rng.normal(size=N))
y = 2 * X["signal"].to_numpy() + (X["letter"] == "a") + 5
classes = np.where(y > 5, "high", "low")


@pytest.fixture
def quick(quick_recipe):
    return quick_recipe


# ---- results ----


def test_the_recipe_learns_a_category_with_a_missing_value():
    letter = np.array(["a", "b", None] * 40, object)
    target = np.select([letter == "a", letter == "b"], [1.0, 2.0], 9.0)
    rows = pd.DataFrame({"letter": letter, "noise": np.arange(120) % 7})
    settings = dict(n_estimators=2, hidden_layer_sizes=8, random_state=0)
    assert_allclose(TabularRegressor(**settings).fit(rows, target).predict(rows), target, atol=0.5)
    clf = TabularClassifier(**settings).fit(rows, target.astype(int))
    assert (clf.predict(rows) == target).all() and clf.oof_score_ == 1
    assert clf.predict_proba(rows).max(axis=1).min() > 0.95  # label smoothing is undone


@pytest.mark.parametrize("n_estimators", [1, 3])
def test_out_of_fold_predictions(quick, n_estimators):
    options = SMALL | dict(n_estimators=n_estimators)
    reg, clf = (cls(**options) for cls in (TabularRegressor, TabularClassifier))
    reg.fit(X, y)
    clf.fit(X, classes)
    rows = ~np.isnan(reg.oof_prediction_)
    assert rows.sum() == (N if n_estimators > 1 else N // 5)
    assert clf.oof_prediction_.shape == (N, 2)
    residual = ((y - reg.oof_prediction_)[rows] ** 2).sum()
    variance = ((y - y[rows].mean())[rows] ** 2).sum()
    assert reg.oof_score_ == pytest.approx(1 - residual / variance)
    assert reg.fit(X, np.full(N, 3.0)).oof_score_ == 0
    rows = ~np.isnan(clf.oof_prediction_[:, 0])
    right = clf.classes_[clf.oof_prediction_[rows].argmax(axis=1)] == classes[rows]
    assert clf.oof_score_ == pytest.approx(right.mean())


@pytest.mark.parametrize("metric", ["auto", "auc"])
def test_out_of_fold_probabilities_have_the_temperature(metric, quick, monkeypatch):
    monkeypatch.setattr(out_of_fold, "improve", lambda _, P, *__: np.full(len(P), 1 / len(P)))
    clf = TabularClassifier(**SMALL, metric=metric).fit(X, classes)
    tables = clf.model_.encode(*clf.model_.features.transform(next(clf._read_batches(X))))
    folds = np.array([clf.model_.predict_fold(tables, k, 1) for k in range(3)])
    P = folds[clf._fold_of_row, np.arange(N)]
    assert {member.weight for member in clf.model_.members} == {1 if metric == "auto" else 1 / 4}
    targets = TableClasses(clf.classes_)
    targets.fit_temperature(P, (classes == "low").astype(int), None)
    assert clf.model_.targets.temperature == pytest.approx(targets.temperature, rel=1e-4)
    assert abs(targets.temperature - 1) > 0.01
    assert_allclose(clf.oof_prediction_, clf.model_.targets.calibrate(P), rtol=1e-6)


@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_days_of_the_year_are_inputs_in_one_configuration(cls, quick, monkeypatch):
    monkeypatch.setattr(out_of_fold, "greedy", lambda P, *_: np.full(len(P), 1 / len(P)))
    days = np.arange("2021-01-01", "2023-01-01", dtype="datetime64[D]").astype("datetime64[s]")
    model = cls(**SMALL).fit(pd.DataFrame({"day": days}), np.arange(730) % 2)
    parts = [category.part for category in model.model_.features.categories]
    n_days = [encoder.n_categories[parts.index("day of year")] for encoder in model.model_.encoders]
    assert sorted(n_days)[-2:] == [0, 365]
    assert {encoder.n_categories[parts.index("month")] for encoder in model.model_.encoders} == {12}


def test_the_spread_of_the_folds(quick):
    mean, std = TabularRegressor(**SMALL).fit(X, y).predict(X, return_std=True)
    assert mean.shape == std.shape == (N,) and (std > 0).all()
    one = TabularRegressor(**SMALL | dict(n_estimators=1)).fit(X, y)
    assert (one.predict(X, return_std=True)[1] == 0).all()


def test_a_fitted_model_is_frozen(quick):
    model = TabularRegressor(**SMALL).fit(X, y).model_
    for part, name in ((model, "members"), (model.members[0], "weight")):
        with pytest.raises(FrozenInstanceError):
            setattr(part, name, None)


def test_importances_find_the_informative_columns(quick):
    quick(60)
    for model, target in ((TabularRegressor(), y), (TabularClassifier(), classes)):
        model.set_params(**SMALL, drop="gaps").fit(X, target)
        signal, noise, letter, gaps = model.feature_importances_
        assert signal > 5 * abs(noise) and signal > letter > -0.02 and gaps == 0


def test_importances_of_many_rows_and_columns_use_fewer_rows(quick, monkeypatch, calls_of):
    monkeypatch.setattr(permutation, "MAX_ROWS", 30)
    monkeypatch.setattr(permutation, "MIN_ROWS", 6)
    monkeypatch.setattr(permutation, "MAX_VALUES", 16 * 12)
    calls = calls_of(TableModel, "encode")
    reg = TabularRegressor(**SMALL).fit(X, y)
    assert [len(codes) for _, _, codes in calls] == [12]
    assert np.isfinite(reg.feature_importances_).all()


def test_importances_shuffle_the_inputs_of_a_column(quick):
    """As if the column were shuffled, and then encoded."""
    numbers = [np.where(rng.random(N) < 0.3, np.nan, rng.normal(size=N)), rng.integers(0, 4, N)]
    codes = rng.integers(-1, 3, (N, 2)).astype(np.int32)
    scalings = [encoder.Scaling.fit(x, True) for x in numbers]
    settings, order = encoder.EncoderSettings(8, values=True), rng.permutation(N)
    fitted = encoder.Encoder.fit(list(zip(scalings, numbers)), [3, 3], y, settings, 4)
    table = fitted.encode(numbers, codes)
    sources = np.array([4, 2, 2, 1])  # of two numbers and two categories
    of_parts = fitted.sources_of_parts(sources)
    assert [part.tolist() for part in of_parts] == [[4, 4, 2], [4, 2], [2, 2, 1]]
    columns = [4, permutation.NO_COLUMN, 2, 1]
    found = permutation.shuffle(table, of_parts, columns, np.arange(N), order)
    found = found.to_dense().reshape(4, N, -1)
    assert_same_bits(found[1], table.to_dense())
    for part, source in zip(found[[0, 2, 3]], (4, 2, 1)):
        shuffled = [x[order] if s == source else x for x, s in zip(numbers, sources)]
        others = np.where(sources[2:] == source, codes[order], codes)
        assert_same_bits(part, fitted.encode(shuffled, others).to_dense())
        assert (part != table.to_dense()).any()


def test_importances_do_not_depend_on_the_number_of_columns_at_once(quick, monkeypatch):
    reg = TabularRegressor(**SMALL).fit(X, y)
    monkeypatch.setattr(permutation, "TABLE_ROWS", 1)
    other = TabularRegressor(**SMALL).fit(X, y)
    assert_same_bits(other.feature_importances_, reg.feature_importances_)


# ---- options ----

LOSSES = ("mse", "absolute_error", "mae", "huber", "log_cosh", "quantile", "poisson")


@pytest.mark.parametrize("loss", [*LOSSES, losses.Quantile(0.3), losses.Huber(2.0)], ids=str)
def test_losses(loss, quick):
    reg = TabularRegressor(**SMALL, loss=loss).fit(X, np.abs(y))
    assert reg.predict(X).shape == (N,) and np.isfinite(reg.oof_score_)
    assert np.isfinite(reg.feature_importances_).all()


def test_several_quantiles_do_not_cross(quick):
    reg = TabularRegressor(**SMALL, loss=losses.Quantile((0.9, 0.1, 0.5))).fit(X, y)
    for P in (reg.predict(X), reg.oof_prediction_):
        assert P.shape == (N, 3)
    high, low, middle = reg.predict(X).T
    assert (low <= middle).all() and (middle <= high).all() and reg.oof_score_ is None
    with pytest.raises(ValueError, match=r"several quantiles. Use sklearn.metrics.mean_pinball"):
        reg.score(X, y)


def test_poisson_needs_counts(quick):
    with pytest.raises(ValueError, match=r"targets of at least 0, got -2 in row 3. Pass counts"):
        TabularRegressor(**SMALL, loss="poisson").fit(X, np.r_[1, 1, 1, -2, np.ones(N - 4)])


@pytest.mark.parametrize(("metric", "monitor"), [("accuracy", "error_rate"), ("log_loss", "loss")])
def test_the_metric_chooses_the_best_epoch(metric, monitor, quick, calls_of):
    calls = calls_of(training_jobs, "make_jobs")
    TabularClassifier(**SMALL, metric=metric).fit(X, classes)
    assert {c.monitor for configurations, *_ in calls for c in configurations} == {monitor}


def test_equal_configurations_are_trained_once(quick, monkeypatch):
    """A metric can make configurations equal that differ in their best epoch alone."""
    twice = [*recipe.configurations(False, 40, 1)[:2]] * 2
    monkeypatch.setattr(recipe, "configurations", lambda *_: twice)
    reg = TabularRegressor(**SMALL).fit(X, y)
    assert np.isfinite(reg.predict(X)).all() and len(reg.model_.members) <= 2


@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_one_category_of_many_values(cls, quick):
    """A configuration that leaves out such categories has no inputs."""
    towns = pd.DataFrame({"town": np.repeat([f"town {i}" for i in range(N)], 2)})
    model = cls(**SMALL).fit(towns, np.arange(2 * N) % 2)
    assert model.columns_ == {"town": "category"} and len(model.predict(towns)) == 2 * N


def test_the_most_frequent_values_are_categories(quick, monkeypatch):
    monkeypatch.setattr(TrainingTable, "max_categories", 2)
    towns = pd.DataFrame({"town": np.repeat(["a", "b", "c", "d"], [10, 30, 10, 20])})
    model = TabularRegressor(**SMALL).fit(towns, np.arange(70))
    assert model.model_.features.categories[0].categories == ["b", "d"]
    a, c, new = model.predict(pd.DataFrame({"town": ["a", "c", "new"]}))
    assert a == c == new


def test_no_configuration_with_inputs(quick, monkeypatch):
    monkeypatch.setattr(encoder.Encoder, "n_inputs", 0)
    with pytest.raises(ValueError, match="X has no usable column: the values of signal, noise, le"):
        TabularRegressor(**SMALL).fit(X, y)


# ---- weights and groups ----


def test_class_weights_move_the_decision(quick):
    quick(20)
    shares = []
    for weight in ({"high": 1, "low": 20}, None, {"high": 20}):
        clf = TabularClassifier(**SMALL, class_weight=weight).fit(X[["noise"]], classes)
        shares.append(clf.predict_proba(X[["noise"]])[:, 0].mean())
    assert shares[0] < shares[1] - 0.1 and shares[1] + 0.1 < shares[2]


def test_class_weights_are_weights_of_rows(quick):
    by_class = TabularClassifier(**SMALL, class_weight={"low": 3.0}).fit(X, classes)
    weight = np.where(classes == "low", 3.0, 1.0)
    by_row = TabularClassifier(**SMALL).fit(X, classes, sample_weight=weight)
    assert_same_bits(by_class.predict_proba(X), by_row.predict_proba(X))
    balanced = TabularClassifier(**SMALL, class_weight="balanced").fit(X, classes)
    counts = {label: (classes == label).sum() for label in ("high", "low")}
    weight = [N / 2 / counts[label] for label in classes]
    by_row = TabularClassifier(**SMALL).fit(X, classes, sample_weight=weight)
    assert_same_bits(balanced.predict_proba(X), by_row.predict_proba(X))


def test_rows_without_weight_do_not_count(quick):
    weight = np.r_[np.ones(N // 2), np.zeros(N // 2)]
    wrong = np.where(weight > 0, y, 1e9)
    a, b = (TabularRegressor(**SMALL).fit(X, target, weight) for target in (y, wrong))
    assert_same_bits(a.predict(X), b.predict(X))
    assert a.oof_score_ == b.oof_score_ and sum(map(len, b.model_.errors)) == N // 2
    assert max(errors.max() for errors in b.model_.errors) < 10
    for cls, target in ((TabularRegressor, y), (TabularClassifier, classes)):
        only = cls(**SMALL).fit(X, target, sample_weight=np.eye(N)[0])
        assert np.isfinite(only.feature_importances_).all() and np.isfinite(only.oof_score_)


GROUPS = {
    "numbers": np.arange(N) % 4,
    "texts": [str(i % 4) for i in range(N)],
    "two types": np.array(["a", 1, "b", 2] * 15, object),
    "dates": pd.date_range("2020", periods=4).repeat(15),
}


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_a_group_is_in_one_fold(name, cls, quick):
    groups = GROUPS[name]
    model = cls(**SMALL).fit(X, classes if cls is TabularClassifier else y, groups=groups)
    pairs = set(zip(map(str, groups), model._fold_of_row.tolist()))
    assert len(pairs) == 4 and {fold for _, fold in pairs} == {0, 1, 2}


def test_no_fold_is_empty():
    """StratifiedGroupKFold leaves the third fold of these rows empty."""
    groups = np.array([1, 3, 1, 0, 2, 0, 1, 1, 3, 0, 1, 3, 0, 3, 3, 2])
    labels = np.array([0, 0, 1, 1, 2, 0, 2, 2, 2, 0, 1, 1, 1, 1, 2, 2])
    for seed in range(20):
        folds = split_rows(16, 5, labels, groups, np.random.RandomState(seed))
        assert len(folds) == 4 and all(len(held_out) for _, held_out in folds)


def test_more_folds_than_rows_or_groups_are_said(quick):
    """Each fold holds out one row or group: many more networks than most users mean to train."""
    inputs, target = X[:20], y[:20]
    for units, groups in (("rows", None), ("groups", np.arange(20))):
        with pytest.warns(TableWarning, match=f"n_estimators=30 is more than there are {units}"):
            reg = TabularRegressor(30, hidden_layer_sizes=2).fit(inputs, target, groups=groups)
        assert reg.n_folds_ == 20
    TabularRegressor(20, hidden_layer_sizes=2).fit(inputs, target)  # without a note
    TabularRegressor(30, hidden_layer_sizes=2).fit(X[:19], y[:19])


LOSS = "loss must be one of squared_error, absolute_error"
LAYERS = "hidden_layer_sizes must be 'auto', a whole number or"
ONE_GROUP = "groups holds one group, but at least 2 are needed. Leave groups out"
WEIGHTS = [-np.ones(N), np.zeros(N), np.full(N, np.nan), np.ones(3)]
WRONG_CLASS_WEIGHTS = [
    ({"hgih": 2}, "names the class 'hgih', which y does not have. Its classes are 'high', 'low'"),
    ({"high": -1}, "class_weight of 'high' must be a finite number at least 0, got -1"),
    ({"high": 0, "low": 0}, "sum of the weights of the rows is 0. At least one weight must be"),
]
WRONG = [  # a name and its value, an option or an argument of fit, and the message
    *[("loss", loss, LOSS) for loss in ("nll", "cross_entropy", losses.CrossEntropy())],
    *[("hidden_layer_sizes", s, LAYERS) for s in ([], [0], (3, 2.5), [[3]], ["a"])],
    *[("class_weight", weights, message) for weights, message in WRONG_CLASS_WEIGHTS],
    *[("sample_weight", weight, r"(?i)sample.weight") for weight in WEIGHTS],
    ("groups", np.zeros(N), ONE_GROUP),
    ("groups", ["a", None] * 30, ONE_GROUP),
    ("groups", [None] * 60, "groups holds no group, but at least 2 are needed"),
    ("groups", np.zeros((N, 2)), r"groups must have shape \(60,\), .* got \(60, 2\)"),
    ("groups", [1, 2], "groups has 2 rows, but X has 60"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
def test_wrong_arguments(name, value, message, quick):
    cls, target = (TabularClassifier, classes) if name == "class_weight" else (TabularRegressor, y)
    given = {name: value}
    options, arguments = ({}, given) if name in ("sample_weight", "groups") else (given, {})
    with pytest.raises(ValueError, match=message):
        cls(**SMALL | options).fit(X, target, **arguments)


# ---- the same results ----


@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_the_same_bits_on_any_number_of_threads(cls, quick):
    quick(6)
    target = classes if cls is TabularClassifier else y
    one, two = (cls(**SMALL | dict(n_threads=n)).fit(X, target) for n in (1, 2))
    for name in ("oof_prediction_", "feature_importances_"):
        assert_same_bits(getattr(two, name), getattr(one, name))
    method = "predict_proba" if cls is TabularClassifier else "predict"
    assert_same_bits(getattr(two, method)(X), getattr(one, method)(X))


def test_random_state(quick):
    def predict(state):
        return TabularRegressor(**SMALL | dict(random_state=state)).fit(X, y).predict(X)

    assert_same_bits(predict(7), predict(7))
    assert_same_bits(predict(np.random.RandomState(7)), predict(7))
    assert (predict(8) != predict(7)).any() and (predict(None) != predict(None)).any()


def test_a_failed_fit_changes_nothing(quick):
    reg = TabularRegressor(**SMALL).fit(X, y)
    before, prediction = dict(vars(reg)), reg.predict(X)
    for arguments in ((X, y[:3]), (X, np.full(N, np.nan)), (X[["letter"]][:0], [])):
        with pytest.raises(ValueError):
            reg.fit(*arguments)
        assert vars(reg) == before
    assert_same_bits(reg.predict(X), prediction)
    new = TabularRegressor(**SMALL)
    with pytest.raises(ValueError):
        new.fit(X, np.full(N, np.nan))
    assert vars(new) == vars(TabularRegressor(**SMALL))


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_a_second_fit_leaves_nothing_of_the_first(quick):
    reg = TabularRegressor(**SMALL).fit(X, y)
    reg.fit(X.to_numpy(dtype=object)[:, :2], y)
    assert not hasattr(reg, "feature_names_in_") and reg.columns_ == {0: "number", 1: "number"}
    reg.set_params(loss=losses.Quantile((0.2, 0.8))).fit(X, y)
    assert reg.oof_score_ is None and reg.columns_.keys() == set(X)
    clf = TabularClassifier(**SMALL).fit(X, classes)
    clf.fit(X, np.zeros(N))
    assert clf.predict_proba(X).shape == (N, 1) and (clf.predict(X) == 0).all()
    assert_array_equal(clf.feature_importances_, 0)


def test_lists_do_not_need_pyarrow(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,a\n")
    code = """
import sys
sys.modules["pyarrow"] = None
import fastnn
from fastnn.tabular.fitting import recipe
recipe.n_epochs = lambda configuration, n: 1
reg = fastnn.TabularRegressor(2, hidden_layer_sizes=2)
reg.fit([[i / 9, "ab"[i % 2]] for i in range(20)], range(20))
try:
    reg.predict(sys.argv[1])
except ValueError as error:
    print(error)
"""
    run = processes.run(code, tmp_path / "table.csv")
    assert "need pyarrow, which is not installed" in run.stdout, run.stderr
