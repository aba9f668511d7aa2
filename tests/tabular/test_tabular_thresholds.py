"""Thresholds that `fit` chooses by a rule: the highest F1, or the lowest cost."""

import numpy as np
import pytest
from checks import assert_same_bits
from numpy.testing import assert_array_equal
from sklearn.metrics import f1_score

from fastnn import TabularClassifier
from fastnn.tabular import thresholds
from fastnn.tabular.thresholds import ThresholdRule

pytestmark = pytest.mark.usefixtures("quick_recipe")
SMALL = dict(n_estimators=3, hidden_layer_sizes=4, n_threads=1, random_state=0)
rng = np.random.default_rng(5)
N = 150
X = rng.normal(size=(N, 2))
y = np.where(X[:, 0] + 0.5 * rng.normal(size=N) > 0.8, "yes", "no")
RULES = "f1", "cost:5,1", "cost:0.5,2"


def value(rule, p, is_second, threshold, w=1.0):
    """F1, or cost as a negative number, of a threshold, row by row."""
    above, w = p >= threshold, np.broadcast_to(w, len(p))
    hits, misses = (w * (above & is_second)).sum(), (w * (~above & is_second)).sum()
    alarms = (w * (above & ~is_second)).sum()
    if rule.costs is None:
        return 2 * hits / (2 * hits + misses + alarms)
    return -(rule.costs[0] * misses + rule.costs[1] * alarms)


@pytest.mark.parametrize("text", RULES)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_cut_is_the_best_of_all(text, weighted):
    rule, p = thresholds.parse(text), rng.random(60).round(1)
    w = rng.uniform(0, 3, 60) if weighted else np.ones(60)
    is_second = rng.random(60) < p
    found = rule.cut(p, np.where(is_second, w, 0), w)
    every = [value(rule, p, is_second, t, w) for t in np.linspace(0.001, 0.999, 300)]
    assert value(rule, p, is_second, found, w) == pytest.approx(max(every))


def test_probabilities_that_are_right_give_the_threshold_of_the_costs():
    p = np.linspace(0.001, 0.999, 999)
    is_second = np.diff(np.floor(np.cumsum(p)), prepend=0) > 0  # as many as the sum of p, all along
    assert thresholds.parse("cost:4,1").best(p, is_second, None) == pytest.approx(0.2, abs=0.002)
    assert thresholds.parse("cost:1,4").best(p, is_second, None) == pytest.approx(0.8, abs=0.002)
    # of a highest F1, half
    rule = ThresholdRule()
    threshold = rule.best(p, is_second, None)
    assert threshold == pytest.approx(value(rule, p, p > 2, threshold) / 2 + threshold)
    # probabilities for other shares of the classes are found out
    assert thresholds.parse("cost:4,1").best(20 * p / (20 * p + 1 - p), is_second, None) > 0.6


def test_rows_of_one_class():
    p = np.array([0.2, 0.4, 0.9])
    for rule, expected in zip(map(thresholds.parse, RULES), (0.3, 0.1, 0.65)):
        assert rule.best(p, np.zeros(3, bool), None) == pytest.approx(expected)
        assert rule.expected(p, None) == pytest.approx(expected)
        assert 0 < rule.best(p, np.ones(3, bool), None) < 1
        assert rule.best(p, p > 0.3, np.zeros(3)) == 0.5
        none = rule.best(np.zeros(3), np.zeros(3, bool), None)  # no row can be of the second class
        assert none == pytest.approx(1 if rule.costs else 0.5) and none < 1


@pytest.mark.parametrize("rule", RULES)
def test_fit_chooses_the_threshold(rule, reload):
    clf = TabularClassifier(threshold=rule, **SMALL).fit(X, y)
    order = np.argsort(clf._fold_of_row, kind="stable")  # fold by fold, as fit has the rows
    P, second, part = clf.oof_prediction_[order, 1], (y == "yes")[order], clf._fold_of_row[order]
    assert clf.threshold_ == thresholds.parse(rule).best(P, second, None)
    assert_array_equal(clf.predict(X) == "yes", clf.predict_proba(X)[:, 1] >= clf.threshold_)
    # the score of a row does not know its fold
    for fold in range(3):
        (threshold,) = np.unique(clf.oof_threshold_[clf._fold_of_row == fold])
        others = part != fold
        assert threshold == thresholds.parse(rule).best(P[others], second[others], None)
    right = (clf.oof_prediction_[:, 1] >= clf.oof_threshold_) == (y == "yes")
    assert clf.oof_score_ == pytest.approx(right.mean())
    other = reload(clf)
    assert (other.threshold, other.threshold_) == (rule, clf.threshold_)
    assert_array_equal(other.predict(X), clf.predict(X))
    plain = TabularClassifier(**SMALL).fit(X, y)
    assert_same_bits(plain.predict_proba(X), clf.predict_proba(X))
    assert plain.threshold_ is None and plain.oof_threshold_ is None
    assert plain.set_params(threshold=0.3).threshold_ == 0.3


def test_class_weights_do_not_count_but_weights_of_rows_do():
    weight = np.where(y == "yes", 3.0, 1.0)
    parameters = SMALL | dict(threshold="cost:5,1")
    by_class = TabularClassifier(class_weight={"yes": 3, "no": 1}, **parameters).fit(X, y)
    by_row = TabularClassifier(**parameters).fit(X, y, sample_weight=weight)
    assert_same_bits(by_class.oof_prediction_, by_row.oof_prediction_)
    order = np.argsort(by_row._fold_of_row, kind="stable")
    p, is_second = by_row.oof_prediction_[order, 1], (y == "yes")[order]
    rule = thresholds.parse("cost:5,1")
    weight, fold = weight[order], by_row._fold_of_row
    assert by_row.threshold_ == rule.best(p, is_second, weight)
    assert by_class.threshold_ == rule.best(p, is_second, None, odds=3.0)
    for k in range(3):
        others = fold[order] != k
        best = rule.best(p[others], is_second[others], weight[others])
        assert set(by_row.oof_threshold_[fold == k]) == {best}
        best = rule.best(p[others], is_second[others], None, odds=3.0)
        assert set(by_class.oof_threshold_[fold == k]) == {best}


def test_odds_of_the_classes():
    y, weight = np.array([0, 1, 1, 0]), np.array([2.0, 0, 1, 4])
    class_weight = np.array([0.5, 4, 4, 0.5])
    assert thresholds.class_odds(y, None, None) == 1
    assert thresholds.class_odds(y, class_weight, None) == 8
    assert thresholds.class_odds(y, weight * class_weight, weight) == 8
    assert thresholds.class_odds(y[:1], class_weight[:1], None) == 1
    # weights of classes move probabilities and the threshold alike
    p = np.linspace(0.01, 0.99, 60)
    is_second = p + 0.1 * np.sin(50 * p) > 0.5
    shifted = 8 * p / (8 * p + 1 - p)
    for text in RULES:
        rule = thresholds.parse(text)
        above = p >= rule.best(p, is_second, None)
        assert_array_equal(shifted >= rule.best(shifted, is_second, None, 8.0), above)


def test_one_fold_and_groups():
    one = TabularClassifier(threshold="f1", **SMALL | dict(n_estimators=1)).fit(X, y)
    held_out = ~np.isnan(one.oof_prediction_[:, 0])
    assert_array_equal(np.isnan(one.oof_threshold_), ~held_out)
    p, is_second = one.oof_prediction_[held_out, 1], y[held_out] == "yes"
    part = np.arange(held_out.sum()) % 5
    for k in range(5):
        expected = ThresholdRule().best(p[part != k], is_second[part != k], None)
        assert (one.oof_threshold_[held_out][part == k] == expected).all()
    groups = np.arange(N) // 10
    clf = TabularClassifier(threshold="f1", metric="f1", **SMALL).fit(X, y, groups=groups)
    predicted = clf.oof_prediction_[:, 1] >= clf.oof_threshold_
    assert clf.oof_score_ == pytest.approx(f1_score(y == "yes", predicted))


def test_forward_in_time_earlier_rows_choose():
    clf = TabularClassifier(threshold="cost:5,1", **SMALL)
    clf.fit(X, y, time=np.arange(N))
    scored = ~np.isnan(clf.oof_prediction_[:, 0])
    fold, p, is_second = clf._fold_of_row, clf.oof_prediction_[:, 1], y == "yes"
    rule = thresholds.parse("cost:5,1")
    for k in range(3):
        (threshold,) = np.unique(clf.oof_threshold_[fold == k])
        before = scored & (fold < k)
        best = rule.best(p[before], is_second[before], None) if k else None
        assert threshold == (best if k else rule.expected(p[fold == 0], None))
    assert_array_equal(np.isnan(clf.oof_threshold_), ~scored)


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_one_class():
    clf = TabularClassifier(threshold="f1", **SMALL).fit(X, ["yes"] * N)
    assert clf.threshold_ is None and clf.oof_score_ == 1 and set(clf.predict(X)) == {"yes"}


@pytest.mark.parametrize(
    "text", ["f2", "cost:5", "cost:0,1", "cost:a,b", "cost:1,2,3", "cost:1,inf", "f:1,2", "0.5", ""]
)
def test_wrong_rules(text):
    with pytest.raises(ValueError, match=r"threshold='.*' is not a threshold.*'cost:5,1'"):
        TabularClassifier(threshold=text, **SMALL).fit(X, y)


def test_rules_need_two_classes_and_a_fit():
    labels = np.arange(N) % 3
    with pytest.raises(ValueError, match=r"threshold='cost:5,1' needs two classes, but y has 3"):
        TabularClassifier(threshold="COST: 5, 1", **SMALL).fit(X, labels)
    clf = TabularClassifier(threshold="f1", **SMALL).fit(X, y)
    with pytest.raises(ValueError, match=r"threshold='cost:5,1' is chosen by fit.*Fit it again"):
        clf.set_params(threshold="cost:5,1").predict(X)
    assert clf.set_params(threshold="F1").threshold_ == clf.model_.targets.chosen.value
