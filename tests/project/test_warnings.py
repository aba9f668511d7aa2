"""Each warning names the line of the user that calls fastnn, through whatever lies between."""

import ast
import pathlib
import warnings

import numpy as np
import pytest

import fastnn

pytest.importorskip("sklearn", reason="the extra sklearn is not installed")

from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from fastnn import MLPClassifier, TabularClassifier

X = np.linspace(-1, 1, 40).reshape(20, 2)
y = np.arange(20) % 2
QUICK = MLPClassifier((2,), max_iter=1, random_state=0)


def predict_without_names():
    pandas = pytest.importorskip("pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = TabularClassifier(2, hidden_layer_sizes=2, random_state=0)
        model.fit(pandas.DataFrame(X, columns=["a", "b"]), y)
    model.predict(X)


def read_a_guess():
    pytest.importorskip("pyarrow")
    with open("t.csv", "w", encoding="utf-8") as file:
        file.write("1.5,2\n3,4\n")
    fastnn.tables.read("t.csv")


WARNINGS = [
    (lambda: clone(QUICK).fit(X, y), "before the loss converged"),
    (lambda: make_pipeline(clone(QUICK)).fit(X, y), "before the loss converged"),
    (lambda: cross_val_score(QUICK, X, y, cv=2), "before the loss converged"),
    (lambda: clone(QUICK).set_params(batch_size=50).fit(X, y), "All rows form one batch"),
    (lambda: clone(QUICK).fit(X * [1, 1e6], y), "X is badly scaled"),
    (predict_without_names, "X does not have valid feature names"),
    (read_a_guess, "column names are numbers"),
]


@pytest.mark.parametrize(("call", "message"), WARNINGS)
def test_a_warning_names_the_line_of_the_user(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    found = [warning for warning in caught if message in str(warning.message)]
    assert found and {warning.filename for warning in found} == {__file__}


def test_no_module_counts_frames():
    """A number of frames is wrong once a function calls another."""
    package = pathlib.Path(fastnn.__file__).parent
    places = [
        path.name
        for path in package.rglob("*.py")
        if "stacklevel" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.keyword) and node.arg == "stacklevel"
    ]
    assert places == ["messages.py"]
