"""Predictions of tables without rows, and of tables with other columns, or columns in another order."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from checks import assert_same_bits
from file_edits import change, setting

import fastnn
from fastnn import DataError, TabularClassifier, TabularRegressor
from fastnn.tabular import stored_model

SMALL = dict(n_estimators=2, hidden_layer_sizes=4, n_threads=1, random_state=0)
rng = np.random.default_rng(0)
X = pd.DataFrame({"number": rng.normal(size=40), "text": ["a", "b", None, "b"] * 10})
X["day"] = pd.date_range("2026-01-01", periods=40)
X["same"] = 1  # left out
y = X["number"].to_numpy() + (X["text"] == "a")


@pytest.fixture(scope="module")
def classifier(quick_module):
    return TabularClassifier(**SMALL).fit(X, np.where(y > 0, "up", "down"))


@pytest.fixture(scope="module")
def regressor(quick_module):
    return TabularRegressor(**SMALL).fit(X, y)


# ---- no rows ----

EMPTY = {
    "a list": [],
    "a tuple": (),
    "a vector": np.empty(0),
    "a matrix": np.empty((0, 4)),
    "pandas without columns": pd.DataFrame(),
    "pandas": X[:0],
    "pandas, all objects": X[:0].astype(object),
    "polars": pl.from_pandas(X[:0]),
    "arrow": pa.Table.from_pandas(X[:0]),
    "arrow without types": pa.table({name: pa.nulls(0) for name in X}),
    "CSV": "number,text,day,same\n",
    "JSON": "[]",
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("name", EMPTY)
def test_no_rows(name, classifier, regressor, tmp_path):
    table = EMPTY[name]
    if isinstance(table, str):
        (tmp_path / "t").write_text(table, encoding="utf-8")
        table = tmp_path / "t"
    assert classifier.predict(table).shape == (0,)
    assert classifier.predict(table).dtype == classifier.predict(X).dtype
    for P in (classifier.predict_proba(table), classifier.predict_log_proba(table)):
        assert (P.shape, P.dtype) == ((0, 2), np.float64)
    arrays = [regressor.predict(table), *regressor.predict(table, return_std=True)]
    for values in (*arrays, *regressor.predict_interval(table)):
        assert (values.shape, values.dtype) == ((0,), np.float64)
    assert classifier.predict_derivatives(table).shape == (0, 2, 1)
    assert regressor.predict_derivatives(table).shape == (0, 1)


def test_no_rows_for_several_quantiles():
    reg = TabularRegressor(**SMALL, loss=fastnn.losses.Quantile((0.1, 0.9))).fit(X, y)
    assert reg.predict([]).shape == (0, 2)


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_one_class_and_no_rows():
    clf = TabularClassifier(**SMALL).fit(X, ["x"] * 40)
    assert clf.predict([]).shape == (0,) and clf.predict_proba([]).shape == (0, 1)
    assert clf.oof_prediction_.shape == (40, 1)


def test_rows_without_values_are_not_no_rows(classifier, tmp_path):
    with pytest.raises(ValueError, match="X holds dicts without items"):
        classifier.predict([{}])
    (tmp_path / "t").write_text("[{}]", encoding="utf-8")
    with pytest.raises(DataError, match="holds objects without members"):
        classifier.predict(tmp_path / "t")


def test_no_rows_and_a_missing_column(classifier):
    with pytest.raises(DataError, match="X has no column 'text'"):
        classifier.predict(X[:0].drop(columns="text"))


# ---- other columns ----

CHANGED = {
    "reordered": X[["day", "same", "text", "number"]],
    "added": X.assign(more=1, lists=pd.Series([[1]] * 40)),  # which no column of a model can hold
    "without a column that was left out": X.drop(columns="same"),
    "polars": pl.from_pandas(X)[["text", "day", "number"]],
    "arrow": pa.Table.from_pandas(X).select(["day", "number", "text"]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", CHANGED)
def test_columns_are_found_by_name(name, classifier, regressor):
    assert_same_bits(regressor.predict(CHANGED[name]), regressor.predict(X))
    assert_same_bits(classifier.predict_proba(CHANGED[name]), classifier.predict_proba(X))


def test_an_added_column_may_have_any_name(regressor):
    twice = pd.concat([X, pd.DataFrame(np.ones((40, 2)), columns=["new", "new"])], axis=1)
    assert_same_bits(regressor.predict(twice), regressor.predict(X))
    twice.columns = [*X.columns[:3], "new", "text", "new"]
    with pytest.raises(DataError, match="X has 2 columns named 'text'"):
        regressor.predict(twice)


def test_missing_columns_are_named_with_a_close_one(regressor):
    with pytest.raises(DataError) as caught:
        regressor.predict(X.rename(columns={"text": "Text", "number": "n"}))
    advice = "but the model needs them. Did you mean 'Text' for 'text'?"
    assert str(caught.value) == f"X has no columns 'number', 'text', {advice}"
    with pytest.raises(DataError, match=r"needs it. Its columns are text, day, same\.$"):
        regressor.predict(X.drop(columns="number"))


def test_a_long_list_of_missing_columns():
    wide = pd.DataFrame(rng.normal(size=(40, 30)), columns=[f"x{i}" for i in range(30)])
    reg = TabularRegressor(**SMALL).fit(wide, y)
    with pytest.raises(DataError, match=r"'x18', 'x19' and 10 more, but the model needs them"):
        reg.predict(pd.DataFrame({"z": [1.0]}))


# ---- models in files ----


@pytest.mark.parametrize("fixture", ["classifier", "regressor"])
def test_a_stored_model_predicts_the_same(fixture, request, tmp_path):
    estimator = request.getfixturevalue(fixture)
    estimator.save(tmp_path / "m.safetensors")
    stored = stored_model.load(tmp_path / "m.safetensors")
    assert_same_bits(stored.predict(X), estimator.predict(X))
    if fixture == "classifier":
        assert_same_bits(stored.predict_log_proba(X), estimator.predict_log_proba(X))
    else:
        assert_same_bits(stored.predict(X, True), estimator.predict(X, True))
        assert_same_bits(stored.predict_interval(X), estimator.predict_interval(X))
    assert_same_bits(stored.predict_derivatives(X), estimator.predict_derivatives(X))
    for name in ("columns_", "left_out_", "metadata_", "oof_score_", "n_folds_"):
        assert getattr(stored, name) == getattr(estimator, name)
    assert (stored.estimator_name, stored.n_threads) == (type(estimator).__name__, -1)


def test_a_damaged_threshold_is_refused(classifier, tmp_path):
    path = tmp_path / "m.safetensors"
    classifier.save(path)
    path.write_bytes(change(path.read_bytes(), "model", setting("parameters", "threshold", 0.0)))
    with pytest.raises(fastnn.ModelFileError):
        stored_model.load(path)


# ---- rows alone ----


def test_a_row_gets_the_same_bits_alone_and_among_others_with_many_folds(quick_recipe):
    model = TabularRegressor(9, hidden_layer_sizes=4, n_threads=1, random_state=0).fit(X, y)
    for predict in (
        model.predict,
        lambda rows: np.stack(model.predict(rows, return_std=True)).T,
        lambda rows: np.stack(model.predict_interval(rows, 0.5)).T,
    ):
        assert_same_bits(np.array([predict(X.iloc[[i]])[0] for i in range(len(X))]), predict(X))
