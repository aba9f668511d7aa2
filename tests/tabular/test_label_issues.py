"""Rows whose target is probably wrong."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from fastnn import TabularClassifier, TabularRegressor, losses
from fastnn.tabular import find_label_issues

SMALL = dict(n_estimators=3, hidden_layer_sizes=8, n_threads=1, random_state=0)
N = 150
X = np.random.default_rng(2).normal(size=(N, 2))
classes = np.where(X[:, 0] > 0, "plus", "minus")
CLEAR = np.flatnonzero(np.abs(X[:, 0]) > 1)[:3]  # rows whose class is clear


@pytest.mark.parametrize("convert", [list, pd.Series, lambda y: np.array(y, object)])
def test_wrong_labels_are_found(convert):
    wrong = classes.copy()
    wrong[CLEAR] = np.where(classes[CLEAR] == "plus", "minus", "plus")
    clf = TabularClassifier(**SMALL).fit(X, wrong)
    issues = find_label_issues(clf, convert(wrong), 5)
    assert {s.row for s in issues[:3]} == set(CLEAR.tolist())
    for s in issues:
        p = clf.oof_prediction_[s.row]
        assert s.given == wrong[s.row] != s.predicted == clf.classes_[p.argmax()]
        assert s.probability == p[list(clf.classes_).index(s.given)] < 0.5
        assert s.loss == pytest.approx(-np.log(s.probability)) and type(s.row) is int
    assert [s.loss for s in issues] == sorted((s.loss for s in issues), reverse=True)
    assert len(find_label_issues(clf, wrong, 1)) == 1


def test_rows_of_the_more_probable_class_are_no_issues():
    clf = TabularClassifier(**SMALL).fit(X, X[:, 0] > 0)
    n_wrong = np.sum(clf.oof_prediction_.argmax(axis=1) != (X[:, 0] > 0))
    issues = find_label_issues(clf, X[:, 0] > 0, N)
    assert len(issues) == n_wrong and all(type(s.given) is bool for s in issues)


SCALES = [
    ({}, lambda y, P: np.abs(y - P) / y.std()),
    (dict(log_target=True), lambda y, P: np.abs(np.log(y / P)) / np.log(y).std()),
    (dict(loss="poisson"), lambda y, P: np.abs(y - P) / np.sqrt(P)),
]


@pytest.mark.parametrize(("options", "scale"), SCALES, ids=["numbers", "logarithms", "counts"])
def test_wrong_numbers_are_found(options, scale):
    y = np.round(np.exp(1 + X[:, 0])) + 1
    y[CLEAR[0]] = 100
    reg = TabularRegressor(**SMALL | options).fit(X, y)
    issues = find_label_issues(reg, y)
    assert len(issues) == 10 and issues[0].row == CLEAR[0] and issues[0].given == 100
    errors = scale(y, reg.oof_prediction_)
    assert [s.row for s in issues] == np.argsort(-errors, kind="stable")[:10].tolist()
    for s in issues:
        assert s.loss == pytest.approx(errors[s.row]) and s.probability is None
        assert s.predicted == reg.oof_prediction_[s.row] and s.given == y[s.row]


def test_rows_that_no_network_held_out_are_left_out(quick_recipe):
    options = SMALL | dict(n_estimators=1)
    assert len(find_label_issues(TabularRegressor(**options).fit(X, X[:, 0]), X[:, 0], N)) == N // 5
    clf = TabularClassifier(**options).fit(X, classes)
    held_out = ~np.isnan(clf.oof_prediction_[:, 0])
    wrong = clf.classes_[clf.oof_prediction_.argmax(axis=1)] != classes
    assert len(find_label_issues(clf, classes, N)) == (held_out & wrong).sum() < wrong.sum()


@pytest.fixture(scope="module")
def issues_clf(quick_module):
    return TabularClassifier(**SMALL).fit(X, classes)


def quantiles():
    return TabularRegressor(**SMALL, loss=losses.Quantile((0.1, 0.9))).fit(X, X[:, 0])


WRONG = {
    "a class": (lambda f, load: [f, ["plus", "a"] * (N // 2)], r"class 'a' in row 1, which it did not hold in fit"),
    "rows": (lambda f, load: [f, classes[:9]], "inconsistent numbers of samples"),
    "a type": (lambda f, load: [f, np.ndarray], "y is the class ndarray"),
    "n_rows": (lambda f, load: [f, classes, 0], "n_rows"),
    "a file": (lambda f, load: [load(f), classes], r"oof_prediction_, which a file does not hold. Fit the"),
    "quantiles": (lambda f, load: [quantiles(), X[:, 0]], r"predicts several quantiles. Fit another loss"),
    "an object": (lambda f, load: [object(), classes], "estimator must be a fitted .* got an object"),
    "no fit": (lambda f, load: [TabularClassifier(), classes], "not fitted yet"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(name, issues_clf, reload, quick_recipe):
    arguments, message = WRONG[name]
    errors = {"no fit": NotFittedError, "an object": TypeError, "a type": TypeError}
    with pytest.raises(errors.get(name, ValueError), match=message):
        find_label_issues(*arguments(issues_clf, reload))


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_one_class_has_no_issues():
    assert find_label_issues(TabularClassifier(**SMALL).fit(X, np.ones(N)), np.ones(N)) == []
