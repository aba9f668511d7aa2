"""`fastnn serve` of networks: the numbers of `forward` and `predict`."""

import numpy as np
import pytest
from checks import assert_same_bits
from cli_cases import cells
from serving_client import ask, predict_all

import fastnn
from fastnn import MLP, MLPClassifier, MLPRegressor
from fastnn.serving import create_app

pd = pytest.importorskip("pandas", reason="pandas is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
SMALL = dict(hidden_layer_sizes=4, max_iter=3, random_state=0)


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    return fastnn.load(tmp_path / "model.safetensors")


def predictions(app, query=""):
    """The predictions of all rows, each in its own request."""
    replies = predict_all(app, X.tolist(), query)
    assert [status for status, _ in replies] == [200] * len(X)
    found = [reply["predictions"][0] for _, reply in replies]
    return {name: np.array([row[name] for row in found]) for name in found[0]}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_out", [1, 2])
def test_a_network_gives_its_outputs(n_out, dtype, tmp_path):
    net = MLP([3, 4, n_out], dtype=dtype, rng=0)
    expected = net.forward(X.astype(dtype)).astype(float)
    expected = expected[:, 0] if n_out == 1 else expected
    assert_same_bits(predictions(create_app(reloaded(net, tmp_path)))["prediction"], expected)


def test_a_classifier_gives_classes_and_probabilities(tmp_path):
    model = MLPClassifier(**SMALL, n_estimators=9).fit(X, np.where(X[:, 0] > 0, "up", "down"))
    loaded = reloaded(model, tmp_path)
    found = predictions(create_app(loaded, n_threads=2), "?proba=true")
    assert loaded.n_threads == 2 and found["prediction"].tolist() == model.predict(X).tolist()
    P = np.stack([found["probability_down"], found["probability_up"]], 1)
    assert_same_bits(P, model.predict_proba(X))


def test_a_regressor_gives_numbers_and_intervals(tmp_path):
    model = MLPRegressor(**SMALL, n_estimators=3).fit(X, X[:, 0])
    found = predictions(create_app(reloaded(model, tmp_path)), "?interval=0.5")
    assert_same_bits(found["prediction"], model.predict(X))
    assert_same_bits([found["lower"], found["upper"]], [*model.predict_interval(X, 0.5)])
    reply = ask(create_app(model), "/predict?interval=0.5", [])[1]
    assert reply == {"predictions": [], "notes": []}
    alone = create_app(MLPRegressor(**SMALL).fit(X, X[:, 0]))
    status, reply = ask(alone, "/predict?interval=0.5", [1, 2, 3])
    assert status == 422 and reply["detail"].startswith("interval: ")


def test_columns_with_names(tmp_path):
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    model = MLPRegressor(**SMALL).fit(table, np.stack([X[:, 0], X[:, 1]], 1))
    app = create_app(reloaded(model, tmp_path))
    create_app(model)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]  # it is not changed
    row = {"c": X[0, 2], "x": 1, "w": 1, "v": 1, "a": X[0, 0], "b": X[0, 1]}
    status, reply = ask(app, "/predict", row)
    assert_same_bits(np.array(reply["predictions"][0]["prediction"]), model.predict(table[:1])[0])
    notes = [f"'{key}' is not a column of the model and is ignored." for key in "xwv"]
    assert (status, reply["notes"]) == (200, notes)
    text = "Row 1 has no 'c', but the model needs all columns and takes no missing values."
    for other, advice in ({}, ""), ({"z": 2}, " Its other keys are z."):
        expected = {"detail": text + advice, "row": 1, "column": "c"}
        assert ask(app, "/predict", [row, {"a": 1, "b": 2} | other]) == (422, expected)
    assert ask(app, "/predict", row | {"b": "x"})[1]["column"] == "b"


WRONG_ROWS = [
    ([1, 2], "Row 0 has 2 values, but the model expects 3."),
    ([1, 2, None], "Column 2 of row 0 is null, but a number is expected."),
    ([1, "2", 3], "Column 1 of row 0 is '2', but a number is expected."),
    ([1, 1e39, 3], "Column 1 of row 0 is 1e+39, but a number of at most 3.4e+38 is expected."),
    ([1, -(10**400), 3], "Column 1 of row 0 is -1000"),
    ([1, 2, float("nan")], "Column 2 of row 0 is nan, but a finite number is expected."),
    ({"a": 1}, "The body is an object. Send a row such as [1, 2]"),
    ([[1, 2, 3], 4], "Row 1 is 4, but an array is expected."),
]


@pytest.mark.parametrize(("row", "detail"), WRONG_ROWS)
def test_rows_that_do_not_fit_get_a_message(row, detail):
    status, reply = ask(create_app(MLP([3, 2, 1], rng=0)), "/predict", row)
    assert status == 422 and reply["detail"].startswith(detail), reply


def test_options_of_other_models():
    app = create_app(MLP([3, 2, 1], rng=0))
    for query, problem in cells("""
        proba=true | proba: the model is an MLP, which predicts no classes.
        interval=0.5 | interval: the model is an MLP, without intervals.
        explain | explain: only models of tables are explained, not networks.
    """):
        assert ask(app, f"/predict?{query}", [1, 2, 3]) == (422, {"detail": problem})


def test_no_rows_and_outputs_that_are_not_finite():
    net = MLP([3, 2, 1], rng=0)
    assert ask(create_app(net), "/predict", []) == (200, {"predictions": [], "notes": []})
    largest = float(np.finfo(np.float32).max)
    assert ask(create_app(net), "/predict", [[largest, 0, 0], [-largest, 0, 0]])[0] == 200
    net.params = np.full(net.n_params, 3e38, np.float32)
    detail = "The output of the model is not finite. Train it again."
    assert ask(create_app(net), "/predict", [1, 1, 1]) == (500, {"detail": detail})
