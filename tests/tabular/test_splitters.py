"""cv: folds of a splitter of scikit-learn, or of indices."""

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import model_selection
from sklearn.base import clone

from fastnn import TabularClassifier, TabularRegressor
from fastnn.tabular.fitting import permutation, recipe

N = 60
SMALL = dict(hidden_layer_sizes=4, n_threads=1, random_state=0)
rng = np.random.default_rng(8)
X = pd.DataFrame({"x": rng.normal(size=N), "letter": rng.choice(list("abc"), N)})
y = np.exp(X["x"].to_numpy()) + (X["letter"] == "a").to_numpy()
GROUPS = np.arange(N) % 4
SOME = np.where(np.arange(N) < 20, -1, GROUPS)
SPLITTERS = {
    "KFold": (model_selection.KFold(3), 3),
    "TimeSeriesSplit": (model_selection.TimeSeriesSplit(4), 4),
    "ShuffleSplit": (model_selection.ShuffleSplit(3, random_state=0), 3),
    "RepeatedKFold": (model_selection.RepeatedKFold(n_splits=2, n_repeats=2, random_state=0), 4),
    "LeaveOneGroupOut": (model_selection.LeaveOneGroupOut(), 4),
    "PredefinedSplit": (model_selection.PredefinedSplit(SOME), 4),
    "an int": (2, 2),
    "indices": ([(np.arange(30), np.arange(30, 60)), ([1, 2, 3, 4], range(10, 20))], 2),
    "masks": ([(np.arange(N) < 30, np.arange(N) >= 30)], 1),
}


@pytest.fixture(autouse=True)
def quick(quick_recipe):
    quick_recipe(4)


@pytest.mark.parametrize("task", ["numbers", "classes"])
@pytest.mark.parametrize("name", SPLITTERS)
def test_folds(name, task, reload):
    cv, n_folds = SPLITTERS[name]
    cls, target = (TabularRegressor, y) if task == "numbers" else (TabularClassifier, y > 1.5)
    groups = GROUPS if name == "LeaveOneGroupOut" else None
    model = cls(7, cv=cv, **SMALL).fit(X, target, groups=groups)
    assert (model.n_folds_, model.n_folds_remaining_) == (n_folds, 0)
    if task == "numbers":
        splits = [*cv.split(X, y, groups)] if hasattr(cv, "split") else cv
        splits = [*model_selection.KFold(2).split(X)] if name == "an int" else splits
        tests = np.zeros((len(splits), N), bool)
        for row, (_, test) in zip(tests, splits):
            row[test] = True
        P = model.oof_prediction_
        assert_array_equal(np.isnan(P), ~tests.any(axis=0))
        folds = model.model_.predict_folds(next(model._read_batches(X)), 1)
        expected = np.where(tests, folds, 0).sum(axis=0) / np.maximum(1, tests.sum(axis=0))
        assert_allclose(P[tests.any(axis=0)], expected[tests.any(axis=0)])
        low, high = model.predict_interval(X, 0.5)
        assert (low <= high).all()
        assert sum(map(len, model.model_.errors)) == tests.sum()
    other = reload(model)
    assert other.cv is None and other.split_ == model.split_
    assert f"the {n_folds} fold" in model.split_
    assert_same_bits(other.predict(X), model.predict(X))
    assert_same_bits(clone(model).fit(X, target, groups=groups).predict(X), model.predict(X))


def test_the_folds_of_the_default_are_those_of_its_splitter():
    seed = np.random.RandomState(0).randint(2**31)
    default = TabularRegressor(3, **SMALL).fit(X, y)
    cv = model_selection.KFold(3, shuffle=True, random_state=seed)
    chosen = TabularRegressor(cv=cv, **SMALL).fit(X, y)
    assert_array_equal(chosen._fold_of_row, default._fold_of_row)


FEW, WINDOW = dict(time=[None] * 6 + list(range(54))), dict(window=30)
TRAINED = [(40, None, {}), (17, SPLITTERS["indices"][0], {}), (54, None, FEW), (40, None, WINDOW)]
TRAINED += [(36, None, WINDOW | dict(groups=FEW["time"])), (54, None, WINDOW | FEW)]


@pytest.mark.filterwarnings("ignore:6 rows left out")
@pytest.mark.parametrize(("n", "cv", "options"), TRAINED)
def test_the_recipe_is_that_of_so_many_rows_to_train_on(n, cv, options, calls_of):
    calls, rows = calls_of(recipe, "configurations"), [[(X, y)]] if "window" in options else (X, y)
    TabularRegressor(3, cv=cv, **SMALL).fit(*rows, **options)
    assert calls[0][1] == n


def test_groups_reach_the_splitter():
    model = TabularClassifier(cv=model_selection.GroupKFold(2), **SMALL)
    model.fit(X, y > 1.5, groups=GROUPS)
    for group in range(4):
        assert len(set(model._fold_of_row[group == GROUPS])) == 1
    model.set_params(cv=model_selection.StratifiedKFold(2))
    assert model.fit(X, y > 1.5).n_folds_ == 2


@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_a_number_means_the_splitter_of_scikit_learn(cls):
    target = y > 1.5 if cls is TabularClassifier else y
    model = cls(cv=2, **SMALL).fit(X, target)
    splitter = model_selection.check_cv(2, target, classifier=cls is TabularClassifier)
    _, held_out = next(splitter.split(X, target))
    assert_array_equal(np.flatnonzero(model._fold_of_row == 0), held_out)


def test_weights_of_columns_come_from_folds_whose_rows_a_fold_knows(calls_of):
    calls = calls_of(permutation, "set_weights")
    TabularRegressor(cv=model_selection.TimeSeriesSplit(3), **SMALL).fit(X, y)
    _, weights, *_ = calls[0]
    assert (weights[0] == 1).all() and len(np.unique(weights[:3], axis=0)) == 3


@pytest.mark.parametrize("name", ["TimeSeriesSplit", "RepeatedKFold", "indices"])
def test_resume(name, interrupt_after_a_fold, reload):
    cv, n_folds = SPLITTERS[name]
    whole = TabularRegressor(cv=cv, **SMALL).fit(X, y)
    model = TabularRegressor(cv=cv, **SMALL)
    with interrupt_after_a_fold():
        model.fit(X, y)
    other = reload(model)
    with pytest.raises(ValueError, match="time or cv were passed"):
        other.fit(X, y, resume=True)
    for each in (other.set_params(cv=cv), model):
        assert each.n_folds_remaining_ == n_folds - 1
        each.fit(X, y, resume=True)
        assert_same_bits(each.oof_prediction_, whole.oof_prediction_)
        assert_same_bits(each.predict(X), whole.predict(X))


def test_an_exhausted_iterator_is_an_error():
    cv = iter([(np.arange(30), np.arange(30, 60))])
    assert TabularRegressor(cv=cv, **SMALL).fit(X, y).n_folds_ == 1
    with pytest.raises(ValueError, match="cv yields 0 folds, but 1 to 10,000 are needed"):
        TabularRegressor(cv=cv, **SMALL).fit(X, y)


OTHER_VALUES = [
    (3, dict(time=np.arange(N)), "cv cannot be combined with time, which says"),
    *[(cv, {}, "The 'cv' parameter of TabularRegressor must be") for cv in ("KFold", 1, 2.5)],
]


@pytest.mark.parametrize(("cv", "options", "message"), OTHER_VALUES)
def test_other_values(cv, options, message):
    with pytest.raises(ValueError, match=message):
        TabularRegressor(cv=cv, **SMALL).fit(X, y, **options)
