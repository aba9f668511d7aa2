"""A few plain rows are read without the conversions of tables, with the same results and messages."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits

from fastnn import TabularClassifier, TabularRegressor
from fastnn.tabular.columns import frames, plain_rows

SMALL = dict(n_estimators=2, hidden_layer_sizes=4, n_threads=1, random_state=0)
DAYS = pd.date_range("2024-01-01", periods=120, freq="5D")
TABLE = {
    "area": [None if i % 11 == 0 else 20.0 + i % 37 for i in range(120)],
    "price": [f"{1000 + 37 * i:,} EUR" for i in range(120)],
    "city": ["Rome", "Oslo", None, "Oslo"] * 30,
    "code": [1, 2, 30] * 40,
    "day": DAYS.strftime("%d.%m.%Y"),
    "since": DAYS,
    "note": [f"the flat of {'quiet' if i % 3 else 'loud'} people" for i in range(120)],
    "same": 1,  # left out
}
X = pd.DataFrame(TABLE)
y = X["area"].fillna(60) + 50 * (X["city"] == "Rome")
ROW = dict(area=60, price="2,000 EUR", city="Rome", code=2, day="01.02.2024", since=None)
ROW["note"] = "loud"
ODD = [None, True, "62", "?", "", "big", -7, 1e300, 2**70, np.nan, np.inf, np.float64(3), b"x", [1]]
VALUES = {
    "area": ODD,
    "price": ["1,500 EUR", 1700, None, "1.5", "EUR", "n/a", False],
    "city": ["Oslo", None, "Paris", "", "NA", 5, True, " Rome", b"Rome", np.str_("Rome")],
    "code": [1, 30, 2.0, 2.5, "2", "x", None, True, np.int64(2)],
    "day": ["3.4.2025", "2024-02-01", "31.02.2024", "", None, 20240201, "x"],
    "since": ["2024-05-06", "2024-05-06 07:08", "6.5.2024", "soon", 5, DAYS[0], np.nan],
    "note": ["quiet \ud800", "?", "", None, " Loud\0", 5, True, b"x", [1], np.str_("quiet")],
    "same": [1, "x", None, [1], 2**300, "\ud800", object],
    "other": [1, "x", None, [1], 2**300, {"a": 1}, [2**70], {"a": "\ud800"}],
    5: [1],
    "\ud800": [1],
}
ROWS = [[ROW | {key: value}] for key, values in VALUES.items() for value in values]
ROWS += [[{key: ROW[key] for key in ROW if key != lacking}] for lacking in ("area", "same")]
ROWS += [[ROW, ROW | {"area": "61"}], [ROW, {}], [ROW, [1] * 6], [ROW] * 33]
ROWS.append([ROW | {"same": 1}, ROW | {"same": "x"}])
ARRAYS = [
    *([[50.0, 2]], [[50, "2"], [None, 1]], [[True, 2.0]], [[50.0]], [(50.0, 2.0)]),
    np.array([[50.0, 2.0], [np.nan, 30.0]]), np.array([[50, 2]], "int32"),
    np.array([[50.0, np.inf]], "f"), np.array([[True, True]]),
    np.array([[50, "2"], [None, 7]], object), np.array([["50", "2"]]), np.array([[50, 2]], complex),
    np.ones(2), np.ones((33, 2)),
]  # fmt: skip


@pytest.fixture(scope="module")
def rooms(quick_module):
    options = SMALL | dict(categories=["code"], texts=["note"])
    return {
        "named": TabularRegressor(**options).fit(X, y),
        "classes": TabularClassifier(**options).fit(X, np.where(y > 80, "dear", "cheap")),
        "unnamed": TabularRegressor(**SMALL, categories=[1]).fit(X[["area", "code"]].to_numpy(), y),
    }


def result_and_warnings(predict, rows):
    """What a call returns or raises, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = predict(rows)
        except Exception as error:
            result = type(error), str(error)
    return result, [(each.category, str(each.message)) for each in caught]


def check_outcome(predict, rows, monkeypatch):
    """Check that the outcome is that of a table; return whether the rows were plain."""
    read = []
    of_tables = frames.read_batches
    with monkeypatch.context() as patch:
        patch.setattr(frames, "read_batches", lambda *a: read.append(1) or of_tables(*a))
        found = result_and_warnings(predict, rows)
        patch.setattr(plain_rows, "MOST_ROWS", 0)
        expected = result_and_warnings(predict, rows)
    assert_same_bits(found[0], expected[0], rows)
    assert found[1] == expected[1], rows
    return len(read) < 2


@pytest.mark.parametrize("name", ["named", "classes"])
def test_rows_with_names(rooms, name, monkeypatch):
    model = rooms[name]
    predict = model.predict if name == "named" else model.predict_proba
    assert sum(check_outcome(predict, rows, monkeypatch) for rows in ROWS) == 38
    assert check_outcome(predict, [ROW], monkeypatch)
    assert check_outcome(predict, [ROW] * 32, monkeypatch)
    for rows in ([ROW] * 33, [ROW | {"area": "big"}], X[:1], ARRAYS[0]):
        assert not check_outcome(predict, rows, monkeypatch)


def test_rows_without_names(rooms, monkeypatch):
    predict = rooms["unnamed"].predict
    plain = [check_outcome(predict, rows, monkeypatch) for rows in ARRAYS]
    assert [i for i, is_plain in enumerate(plain) if is_plain] == [0, 2, 5, 6, 8]
    assert not check_outcome(predict, [ROW], monkeypatch)


def test_copies_and_files_read_plain_rows(rooms, tmp_path):
    model = rooms["named"]
    expected = model.predict([ROW])
    for other in copy.deepcopy(model), pickle.loads(pickle.dumps(model)):
        assert_same_bits(other.predict([ROW]), expected)


def test_intervals_and_deviations(rooms, monkeypatch):
    model = rooms["named"]
    for predict in (model.predict_interval, lambda rows: model.predict(rows, return_std=True)):
        assert check_outcome(predict, [ROW], monkeypatch)
