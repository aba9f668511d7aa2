"""`fastnn serve` of tabular models: the numbers of `predict`, whatever people send."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits
from cli_cases import each_row
from serving_client import ask, predict_all

import fastnn
from fastnn import TabularClassifier, TabularRegressor
from fastnn.serving import create_app
from fastnn.tabular import stored_model
from fastnn.tabular.model import TableModel

pytestmark = pytest.mark.usefixtures("quick_module")
SMALL = dict(n_estimators=2, hidden_layer_sizes=4, n_threads=1, random_state=0)
N = 120
rng = np.random.default_rng(0)
DAYS = pd.date_range("2024-01-01", periods=N, freq="5D")
X = pd.DataFrame({"area": np.where(rng.random(N) < 0.1, np.nan, rng.integers(20, 120, N))})
X["price"] = [f"{x:,} EUR" for x in rng.integers(1000, 9000, N)]
X["city"], X["code"] = rng.choice(["Köln", "Rom", None], N), rng.choice([1, 2, 30], N)
X["day"], X["since"], X["same"] = DAYS.strftime("%d.%m.%Y"), DAYS, 1  # the last is left out
y = X["area"].fillna(60) + 50 * (X["city"] == "Rom") + rng.normal(0, 5, N)
ROW = dict(area=60, price="2,000 EUR", city="Rom", code=2, day="01.02.2024", since=None)
ODD_AREAS = [None, True, "62", " 63 ", "?", "", "big", -7, 1e300, 2**70, math.nan, math.inf]
#: What people send, per column: right values, and others.
VALUES = {
    "area": [60, 61.5, *ODD_AREAS],
    "price": ["1,500 EUR", "2,100 EUR", 1700, None, "1.5", "EUR", "n/a", False],
    "city": ["Rom", None, "Köln", "Paris", "", "NA", 5, True, " Rom", "\ud800", "R" * 10_000],
    "code": [1, 2, 30, 2.0, 2.5, "2", "x", None, True],
    "day": ["01.02.2024", "3.4.2025", "2024-02-01", "31.02.2024", "", None, 20240201, "x"],
    "since": ["2024-05-06", "2024-05-06 07:08:09", "6.5.2024", "05/06/2024", None, "soon", 5],
}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder of models."""
    folder = tmp_path_factory.mktemp("served")
    X2 = X.assign(target=np.where(y > 80, "dear", "cheap"))
    options = SMALL | dict(categories=["code"])
    for name, model in {
        "classes": TabularClassifier(**options, threshold="f1").fit(X2, "target"),
        "number": TabularRegressor(**options).fit(X, y),
        "quantiles": TabularRegressor(**options, loss=fastnn.losses.Quantile([0.1, 0.9])).fit(X, y),
        "array": TabularRegressor(**SMALL).fit(X[["area", "code"]].to_numpy(), y),
    }.items():
        model.save(folder / f"{name}.safetensors")
    return folder


def load(fitted, name):
    return stored_model.load(fitted / f"{name}.safetensors")


def served(fitted, name, **options):
    return create_app(load(fitted, name), name, **options)


def columns_of(reply):
    """{name: array} of the predictions of a reply."""
    rows = reply["predictions"]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


# ---- the numbers of predict ----


def random_requests(n, seed, right=False):
    """Rows of one to three rows, in which most values are right, or all."""
    draw = np.random.default_rng(seed)

    def value(name):
        values = VALUES[name]
        return values[draw.integers(len(values) if not right and draw.random() < 0.15 else 2)]

    lengths = draw.integers(1, 4, n)
    return [[{name: value(name) for name in VALUES} for _ in range(k)] for k in lengths]


@pytest.mark.spread(1)
@pytest.mark.filterwarnings("ignore::fastnn.tables.TableWarning")
@pytest.mark.parametrize("name", ["classes", "number"])
def test_requests_at_the_same_time_get_what_predict_gives_each(fitted, name):
    model, requests = load(fitted, name), random_requests(90, 1)
    query = "?proba=true" if name == "classes" else "?interval=0.8"
    n_right = 0
    for rows, (status, reply) in zip(requests, predict_all(served(fitted, name), requests, query)):
        try:
            expected = model.predict(rows)
        except ValueError:
            assert status == 422, (rows, reply)
            continue
        assert status == 200, (rows, reply)
        n_right += 1
        found = columns_of(reply)
        assert found["prediction"].tolist() == expected.tolist()
        if name == "classes":
            columns = "probability_cheap", "probability_dear"
            numbers = model.predict_proba(rows).T
        else:
            columns = "prediction", "lower", "upper"
            numbers = expected, *model.predict_interval(rows, 0.8)
        for column, each in zip(columns, numbers, strict=True):
            assert_same_bits(found[column], np.array(each))
    assert 30 < n_right < 90


def test_requests_at_the_same_time_are_predicted_together(fitted, monkeypatch):
    model, calls = load(fitted, "number"), []
    predict = TableModel.predict_features

    def count(self, numbers, codes, n_threads):
        calls.append(len(codes))
        return predict(self, numbers, codes, n_threads)

    monkeypatch.setattr(TableModel, "predict_features", count)
    app = create_app(model)
    calls.clear()
    assert [status for status, _ in predict_all(app, [ROW] * 100)] == [200] * 100
    assert sum(calls) == 100 and len(calls) <= 50


@pytest.mark.parametrize("n", [32, 33, 700])
def test_many_rows(fitted, n):
    model, rows = load(fitted, "number"), [ROW | {"area": i} for i in range(n)]
    status, reply = ask(served(fitted, "number"), "/predict", rows)
    assert status == 200
    assert_same_bits(columns_of(reply)["prediction"], model.predict(rows))


def test_rows_columns_and_one_row(fitted):
    app = served(fitted, "classes")
    status, reply = ask(app, "/predict?proba", ROW)
    assert status == 200 and reply["notes"] == []
    assert list(reply["predictions"][0]) == ["prediction", "probability_cheap", "probability_dear"]
    assert ask(app, "/predict?proba", [ROW, ROW])[1]["predictions"] == 2 * reply["predictions"]
    for query in "proba=TRUE", "proba=1", "proba=yes&explain=no", "proba=true&explain=false&":
        assert ask(app, f"/predict?{query}", ROW)[1] == reply
    assert list(ask(app, "/predict?proba=0", ROW)[1]["predictions"][0]) == ["prediction"]
    by_column = ask(app, "/predict?proba", {name: [value] * 2 for name, value in ROW.items()})[1]
    expected = {name: [value] * 2 for name, value in reply["predictions"][0].items()}
    assert by_column["predictions"] == expected
    assert ask(app, "/predict", []) == (200, {"predictions": [], "notes": []})


def test_quantiles(fitted):
    app = served(fitted, "quantiles")
    status, reply = ask(app, "/predict", ROW)
    model = load(fitted, "quantiles")
    expected = dict(zip(("quantile_0.1", "quantile_0.9"), model.predict([ROW])[0], strict=True))
    assert (status, reply["predictions"]) == (200, [expected])
    parameters = ask(app, "/openapi.json")[1]["paths"]["/predict"]["post"]["parameters"]
    between = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    assert [each["schema"] for each in parameters] == [between, {"type": "boolean"}]
    status, reply = ask(app, "/predict?interval=0.8", ROW)
    low, high = np.ravel(model.predict_interval([ROW], 0.8))
    assert reply["predictions"] == [expected | {"lower": low, "upper": high}]


def test_a_model_of_an_array(fitted):
    app, model = served(fitted, "array"), load(fitted, "array")
    for content in ([60, 2], [[60, 2], [None, 30]], [["61", 2]]):
        status, reply = ask(app, "/predict", content)
        rows = content if isinstance(content[0], list) else [content]
        assert status == 200
        assert_same_bits(columns_of(reply)["prediction"], model.predict(rows))
    status, reply = ask(app, "/predict", [[60]])
    assert status == 422
    assert reply["detail"].startswith("Row 0 has 1 value, but the model expects 2.")
    assert ask(app, "/predict", ROW)[0] == 422
    for rows in ([[60, 2], [60, [2]]], [[60, 2]] * 40 + [[60, {}]]):
        status, reply = ask(app, "/predict", rows)
        assert (status, reply["row"], reply["column"]) == (422, len(rows) - 1, 1)
        assert reply["detail"].endswith("but a number, a text or null is expected.")


# ---- wrong and odd rows ----


WRONG_ROWS = [
    ({"area": 60}, "The request has no columns 'price', 'city', 'code', 'day', 'since', but the"),
    ([], None),
    ([ROW, {"area": 5}], None),  # missing values, as in predict
    (ROW | {"area": "big"}, "Column 'area' holds 'big' in row 0, which is not a number. Correct"),
    (ROW | {"area": [1]}, "Column 'area' holds values of type list"),
    ([ROW, ROW | {"area": "1"}], "Column 'area' of the request mixes types, such as numbers and"),
    (ROW | {"day": "soon"}, "Column 'day' holds 'soon' in row 0, which is not a date like those"),
    ([[1]], "Row 0 is an array, but an object is expected."),
    (5, "The body is 5. Send a row such as"),
    ({"area": [1, 2], "city": ["Rom"]}, "Column 'city' has 1 value, but column 'area' has 2."),
    ({}, "The request has no columns. Send a row such as"),
    ([{}, {}], "The request has no columns. Send a row such as"),
]


@pytest.mark.parametrize(("rows", "detail"), WRONG_ROWS)
def test_rows_that_do_not_fit_get_a_message(fitted, rows, detail):
    status, reply = ask(served(fitted, "number"), "/predict", rows)
    assert status == (200 if detail is None else 422)
    assert detail is None or reply["detail"].startswith(detail)


def test_what_is_not_used_as_sent_is_noted(fitted):
    app = served(fitted, "number")
    row = ROW | {"city": "Paris", "aera": 5, "same": 2, "z": 1, "y": 1, "x": 1}
    assert ask(app, "/predict", row)[1]["notes"] == [
        "'aera' is not a column of the model and is ignored. Did you mean 'area'?",
        *(f"'{key}' is not a column of the model and is ignored." for key in "zyx"),
        "column 'city': 1 row with an unknown category, such as 'Paris', predicted without it",
    ]
    for n, more in ((6, []), (7, ["1 more key that are not columns of the model"])):
        _, reply = ask(app, "/predict", ROW | dict.fromkeys("tuvwxyz"[:n], 1))
        told = [f"'{key}' is not a column of the model and is ignored." for key in "tuvwxy"]
        assert reply["notes"] == told + more
    _, reply = ask(app, "/predict", ROW | {"city": 10**400})
    assert "unknown category, such as 'inf'" in reply["notes"][0]
    _, reply = ask(app, "/predict", [ROW | {"area": "60"}, ROW | {"area": "big"}])
    note = "column 'area': 1 of 2 values are not numbers ('big') and count as missing."
    assert reply["notes"] == [note]


@each_row("""
    name | query | detail
    number | proba=true | proba: the model predicts a number.
    classes | interval=0.9 | interval: the model predicts a class.
    number | interval=2 | interval=2 is not a number above 0 and below 1.
    number | interval=1 | interval=1 is not a number above 0 and below 1.
    number | interval=0 | interval=0 is not a number above 0 and below 1.
    number | interval=x | interval=x is not a number above 0 and below 1.
    number | interval=0.9999 | Interval=0.9999 needs at least 10000 held-out rows, got 120.
    classes | proba=maybe | proba=maybe is none of true, 1, yes, false, 0, no. Pass proba=true, or
    classes | prob=1 | Unknown option 'prob'. Did you mean 'proba'?
    classes | proba=1&proba=0 | The option 'proba' is given twice.
""")
def test_options_that_do_not_fit_get_a_message(fitted, name, query, detail):
    status, reply = ask(served(fitted, name), f"/predict?{query}", ROW)
    assert status == 422 and reply["detail"].startswith(detail), reply


# ---- explanations ----


@pytest.mark.parametrize("name", ["classes", "number"])
def test_explanations_are_those_of_explain(fitted, name):
    model, app = load(fitted, name), served(fitted, name)
    requests = [[ROW], [ROW | {"city": "Paris"}, ROW | {"area": 70}], [ROW | {"area": "?"}]]
    for rows, (status, reply) in zip(requests, predict_all(app, requests, "?explain=true")):
        assert status == 200
        expected = model.explain(rows)
        for i, explanation in enumerate(row["explanation"] for row in reply["predictions"]):
            assert explanation["scale"] == expected.scale
            contributions = dict(zip(expected.columns, expected.values[i].tolist()))
            assert explanation["contributions"] == contributions
            assert explanation["base"] == expected.base_values[i]
            total = explanation["base"] + sum(contributions.values())
            assert total == pytest.approx(explanation["prediction"])
    by_column = {key: [value, value] for key, value in ROW.items()}
    status, reply = ask(app, "/predict?explain", by_column)
    assert status == 200 and len(reply["predictions"]["explanation"]) == 2


def test_explanations_have_the_words_of_free_text():
    rows = pd.DataFrame({"remark": [f"{city} no {i}" for i, city in enumerate(X["city"])]})
    model = TabularRegressor(**SMALL, texts="remark").fit(rows, y)
    _, reply = ask(create_app(model), "/predict?explain=true", {"remark": "no Rom \x9b"})
    words, shares = model.explain([{"remark": "no Rom \x9b"}]).words["remark"][0]
    assert words == ["no", "Rom", "\x9b"] and shares[1] > 0.1
    found = reply["predictions"][0]["explanation"]["words"]
    assert found == {"remark": dict(zip(words, shares.tolist()))}
    limits = ("?explain", 10**6, 200), ("?explain", 10**6 + 1, 413), ("", 10**7, 200)
    for query, n_bytes, status in limits:
        body = b'{"remark": "no"}'.ljust(n_bytes)
        assert ask(create_app(model), f"/predict{query}", body)[0] == status


def test_explanations_that_are_refused(fitted):
    app = served(fitted, "number")
    status, reply = ask(app, "/predict?explain=true", [ROW] * 101)
    assert status == 413 and reply["detail"].startswith("The request has 101 rows to explain")
    assert ask(app, "/predict?explain=true", [])[1]["predictions"] == []
    model = load(fitted, "number")
    model.model_ = replace(model.model_, background=None)
    status, reply = ask(create_app(model), "/predict?explain=true", ROW)
    assert status == 422 and reply["detail"].startswith("explain: the model keeps no training rows")
