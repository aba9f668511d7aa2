"""Columns of numbers and dates in which a few texts are something else, and count as missing."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

import fastnn
from fastnn import TabularClassifier, TabularRegressor
from fastnn.tables import TableWarning

pytestmark = pytest.mark.usefixtures("quick_recipe")
N = 120
SMALL = dict(n_estimators=2, hidden_layer_sizes=3, n_threads=1, random_state=0)
Z = np.random.default_rng(5).normal(size=N)
MILES = [f"{i + 1}000 km" for i in range(N)]
DATES = [str(day.date()) for day in pd.date_range("2020-01-06", periods=N)]


def table(**changes):
    """Rows in which some columns have other values. changes : {column: {row: value}}"""
    columns = {"miles": list(MILES), "day": list(DATES), "z": Z.tolist()}
    for name, values in changes.items():
        for row, value in values.items():
            columns[name][row] = value
    return pa.table(columns)


def fit(X, **options):
    """An estimator, and the texts of its warnings."""
    with warnings.catch_warnings(record=True, action="always") as found:
        model = TabularRegressor(**SMALL | options).fit(X, Z)
    assert all(issubclass(warning.category, TableWarning) for warning in found)
    return model, [str(warning.message) for warning in found]


def row_groups(X):
    return [(X.slice(first, 8), Z[first : first + 8]) for first in range(0, N, 8)]


def predict(model, X):
    with warnings.catch_warnings(record=True, action="always") as found:
        y = model.predict(X)
    return y, [str(warning.message) for warning in found]


OTHERS = dict(miles={3: "134400 kg", 7: "soon", 9: "soon"}, day={5: "?!"})
MISSING = dict(miles=dict.fromkeys((3, 7, 9)), day={5: None})


def test_they_count_as_missing_with_a_warning():
    model, notes = fit(table(**OTHERS))
    assert model.columns_ == {"miles": "number", "day": "date", "z": "number"}
    assert notes == [
        "column 'miles': 3 of 120 values are not numbers with the unit km ('soon', '134400 kg') and "
        "count as missing. Pass categories=['miles'] to keep them as texts.",
        "column 'day': 1 of 120 values are not dates ('?!') and count as missing. Pass "
        "categories=['day'] to keep them as texts.",
    ]
    plain, no_notes = fit(table(**MISSING))
    assert no_notes == []
    assert_array_equal(model.oof_prediction_, plain.oof_prediction_)
    assert_array_equal(model.feature_importances_, plain.feature_importances_)


def test_ranges_are_their_middle(reload):
    """As in the square feet of flats in Bengaluru."""
    ranges = {3: "3900 - 4100 km", 7: "8000 - 8000 km"}
    middle = {3: "4000 km", 7: None}
    model, notes = fit(table(miles=ranges))
    assert notes == [
        "column 'miles': numbers with the unit km and ranges (10 - 20 is read as 15). Pass "
        "categories=['miles'] to keep its texts.",
        "column 'miles': 1 of 120 values are not numbers with the unit km ('8000 - 8000 km') and "
        "count as missing. Pass categories=['miles'] to keep them as texts.",
    ]
    plain, _ = fit(table(miles=middle))
    assert_array_equal(model.oof_prediction_, plain.oof_prediction_)
    for X, Y in ((ranges, middle), ({0: "1 - 3 km"}, {0: "2 km"})):
        found = predict(reload(model), table(miles=X))[0]
        assert_array_equal(found, predict(plain, table(miles=Y))[0])
    declared, _ = fit(table(miles=ranges), numbers=["miles"])
    assert_array_equal(declared.oof_prediction_, plain.oof_prediction_)


def test_the_user_can_keep_them():
    model, notes = fit(table(**OTHERS), categories=["miles"], drop=["day"])
    assert "miles" in model.left_out_ and notes == []  # all texts are different


def test_in_rows_to_predict_too(reload):
    model, _ = fit(table(**OTHERS))
    for estimator in (model, reload(model)):
        y, notes = predict(estimator, table(miles={0: "x", 1: "5 mi"}))
        expected, _ = predict(estimator, table(miles={0: None, 1: "8.04672 km"}))
        assert_array_equal(y, expected)
        what = "column 'miles': 1 of 120 values are not numbers with the unit km"
        assert notes == [f"{what} ('x') and count as missing."]
        # alone, since the training table had such texts
        (alone,), notes = predict(estimator, table(miles={0: "x"}).slice(0, 1))
        assert alone == y[0] and len(notes) == 1


def test_a_model_that_had_none_refuses_a_column_of_them(reload):
    model, notes = fit(table())
    assert notes == []
    for estimator in (model, reload(model)):
        y, notes = predict(estimator, table(miles={0: "x"}))
        assert np.isfinite(y).all() and len(notes) == 1
        with pytest.raises(fastnn.DataError, match="'x' in row 0, which is not a number like"):
            estimator.predict(table(miles={0: "x"}).slice(0, 1))
        assert np.isfinite(estimator.predict(table(miles={0: None}).slice(0, 1))).all()


def test_numbers_of_the_user_may_hold_more_of_them():
    texts = {row: f"none {row}" for row in range(0, 40)}
    assert "miles" in fit(table(miles=texts), drop=["day"])[0].left_out_
    model, notes = fit(table(miles=texts), numbers=["miles"], drop=["day"])
    assert model.columns_["miles"] == "number"
    assert "column 'miles': 40 of 120 values are not numbers with the unit km" in notes[0]


def test_conversions_are_noted():
    _, notes = fit(table(miles={3: "5 mi", 4: "7 miles"}))
    assert notes == [
        "column 'miles': numbers with the unit km; mi, miles converted into it. Pass "
        "categories=['miles'] to keep its texts."
    ]


def test_whole_numbers_that_are_dates():
    days = [int(f"{month}{day:02}2018") for month in (9, 10, 11, 12) for day in range(1, 31)]
    X = pa.table({"day": days, "z": Z})
    model, notes = fit(X)
    assert model.columns_["day"] == "date"
    assert notes == [
        "column 'day': whole numbers such as 9012018 are dates written as month day year. Pass "
        "numbers=['day'] to keep them as numbers."
    ]
    y, notes = predict(model, X.set_column(0, "day", [[0, *days[1:]]]))
    what = "column 'day': 1 of 120 values are not dates written as month day year"
    assert notes == [f"{what} ('0') and count as missing."]
    assert_array_equal(y[1:], model.predict(X)[1:])
    with pytest.raises(fastnn.DataError, match="holds the number 13012018 in row 0, but dates"):
        model.predict(pa.table({"day": [13012018], "z": [0.0]}))
    parts = [(X[:119], Z[:119]), (pa.table({"day": [0], "z": [0.0]}), [0.0])]  # one without a date
    with pytest.warns(TableWarning) as warned:
        TabularRegressor(**SMALL).fit(parts, window=40)
    assert f"{what} ('0') and count as missing" in str(warned[-1].message)
    assert fit(X, numbers="day")[0].columns_["day"] == "number"
    assert fit(X.set_column(0, "day", [[10312019, *days[1:]]]))[1] != []  # a date of another year
    assert fit(X.set_column(0, "day", [[10322018, *days[1:]]]))[0].columns_["day"] == "number"


# ---- pairs of features ----


def test_a_large_table_counts_them_in_all_rows(reload):
    groups = row_groups(table(miles={3: "134400 kg", 50: "soon", 99: "soon"}, day={70: "?!"}))
    with warnings.catch_warnings(record=True, action="always") as found:
        model = TabularRegressor(**SMALL).fit(groups, window=40)
    notes = [str(w.message) for w in found if issubclass(w.category, TableWarning)]
    counts = [note.split(" and ")[0].replace("values are not ", "") for note in notes]
    assert counts == [
        "column 'miles': 3 of 120 numbers with the unit km ('134400 kg', 'soon')",
        "column 'day': 1 of 120 dates ('?!')",
    ]
    assert [column.has_others for column in model.model_.features.columns] == [True, True, False]
    y, _ = predict(reload(model), table(miles={0: "x"}))
    assert_array_equal(y, predict(model, table(miles={0: None}))[0])


def test_groups_weights_and_classes():
    y = np.where(Z > 0, "a", "b")
    groups, weight = np.arange(N) // 4, np.r_[np.ones(N - 1), 2.0]
    probabilities = []
    for changes in (OTHERS, MISSING):
        with warnings.catch_warnings(action="ignore", category=TableWarning):
            model = TabularClassifier(**SMALL).fit(table(**changes), y, weight, groups)
        probabilities.append(model.oof_prediction_)
    assert_array_equal(*probabilities)


def test_any_kind_of_table():
    columns = table(**OTHERS).to_pydict()
    first, _ = fit(table(**OTHERS))
    for X in (pd.DataFrame(columns), [dict(zip(columns, row)) for row in zip(*columns.values())]):
        model, notes = fit(X)
        assert len(notes) == 2
        assert_array_equal(model.oof_prediction_, first.oof_prediction_)


@pytest.mark.parametrize("window", [None, 40])
def test_a_resumed_fit_is_the_same(window, reload, interrupt_after_a_fold):
    X = table(**OTHERS)
    arguments = (row_groups(X),) if window else (X, Z)
    with warnings.catch_warnings(action="ignore", category=TableWarning):
        first, stopped = (TabularRegressor(**SMALL) for _ in range(2))
        first.fit(*arguments, window=window)
        with interrupt_after_a_fold():
            stopped.fit(*arguments, window=window)
        second = reload(stopped).fit(*arguments, window=window, resume=True)
    assert_array_equal(first.oof_prediction_, second.oof_prediction_)
    assert [c.has_others for c in second.model_.features.columns] == [True, True, False]
