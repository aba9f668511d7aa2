"""What models say about themselves: networks, estimators of arrays and of tables, and files of both."""

import dataclasses
import warnings

import numpy as np
import pytest
from sklearn import base

import fastnn
from fastnn import losses
from fastnn.core.model_facts import ColumnFacts, ModelFacts
from fastnn.tabular import stored_model

X = np.linspace(0, 1, 60).reshape(-1, 1) ** [1, 2]
LOW = np.where(X[:, 0] < 0.5, "low", "high")
TABLE = [
    {"area": x, "town": "aab"[i % 3], "day": f"2026-01-{1 + i % 28:02}", "same": 1}
    for i, (x, _) in enumerate(X.tolist())
]
NUMBERS = (ColumnFacts("0", "number", 0), ColumnFacts("1", "number", 1))
FEW = dict(hidden_layer_sizes=(3,), max_iter=1, random_state=0)
QUICK = dict(n_estimators=2, hidden_layer_sizes=3, random_state=0)
QUANTILES = losses.Quantile((0.1, 0.9))

#: By name: a function that returns the model, its task, its classes and the outputs of its networks.
MAKERS = {
    "network": (lambda: fastnn.MLP([2, 3, 1], rng=0), "number", None, 1),
    "classes": (lambda: fastnn.MLPClassifier(**FEW).fit(X, LOW), "classes", ("high", "low"), 1),
    "labels": (lambda: fastnn.MLPClassifier(**FEW).fit(X, X > 0.5), "classes", (0, 1), 2),
    "numbers": (lambda: array_numbers(), "number", None, 1),
    "two targets": (lambda: fastnn.MLPRegressor(**FEW).fit(X, X), "number", None, 2),
    "quantiles": (lambda: array_numbers(loss=QUANTILES), "number", None, 2),
    "folds": (lambda: array_numbers(n_estimators=3), "number", None, 1),
    "table of classes": (lambda: table_classes(LOW), "classes", ("high", "low"), 2),
    "table of numbers": (lambda: table_numbers(), "number", None, 1),
    "table of quantiles": (lambda: table_numbers(loss=QUANTILES), "number", None, 2),
    "array": (lambda: fastnn.TabularRegressor(**QUICK).fit(X, X[:, 0]), "number", None, 1),
    "one class": (lambda: table_classes(["one"] * 60), "classes", ("one",), 1),
}


def array_numbers(**options):
    return fastnn.MLPRegressor(**FEW, **options).fit(X, X[:, 0])


def table_numbers(**arguments):
    loss = arguments.pop("loss", "squared_error")
    return fastnn.TabularRegressor(loss=loss, **QUICK).fit(TABLE, X[:, 0], **arguments)


def table_classes(labels, **options):
    return fastnn.TabularClassifier(**options, **QUICK).fit(TABLE, labels)


@pytest.fixture(params=MAKERS)
def made(request, quick_recipe):
    """(name, model, task, classes, outputs of its networks)"""
    make, *expected = MAKERS[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch does not converge
        return request.param, make(), *expected


def networks_of(model):
    if isinstance(model, fastnn.MLP):
        return [model]
    return model.networks_ if hasattr(model, "networks_") else model.model_.networks()


def test_facts_of_every_maker(made, reload, tmp_path):
    name, model, task, classes, n_outputs = made
    facts, networks = model.facts(), networks_of(model)
    assert isinstance(facts, ModelFacts)
    assert (facts.estimator, facts.task, facts.classes) == (type(model).__name__, task, classes)
    assert facts.is_classifier == (task == "classes")
    assert facts.is_table == isinstance(model, (fastnn.TabularClassifier, fastnn.TabularRegressor))
    assert (facts.n_networks, facts.n_params) == (len(networks), sum(n.n_params for n in networks))
    assert facts.hidden_sizes == ((3,) if networks else ())
    assert all(net.layer_sizes[-1] == n_outputs for net in networks)
    assert facts.quantiles == ((0.1, 0.9) if "quantiles" in name else None)
    with_intervals = "folds", "table of numbers", "table of quantiles", "array"
    assert facts.has_intervals == (name in with_intervals)
    if "table" in name or name == "one class":
        kinds = [(c.name, c.kind, c.position) for c in facts.columns]
        assert kinds == [("area", "number", 0), ("town", "category", 1), ("day", "date", 2)]
        assert facts.has_names and len(facts.importances) == 4
        assert facts.left_out == {"same": "all values are equal"}
    elif name == "array":
        assert [c.name for c in facts.columns] == ["0", "1"] and not facts.has_names
    else:
        assert facts.columns == NUMBERS and not facts.has_names and facts.score_name is None
    loaded = reload(model)
    assert loaded.facts() == facts and hash(loaded.facts()) == hash(facts)
    if facts.is_table:
        assert stored_model.load(tmp_path / "model").facts() == facts


def test_what_columns_of_a_table_held():
    area, town, day = table_numbers().facts().columns
    assert (area.typical, area.missing, area.span) == (0.5, 0.0, ("0", "0.5", "1"))
    assert (town.typical, town.categories, town.span) == ("a", ("a", "b"), None)
    assert town.shares == pytest.approx((2 / 3, 1 / 3))
    assert day.span[0] == "2026-01-01" and day.span[2] == "2026-01-28"
    assert np.datetime64(int(day.typical), "s").astype("M8[D]").astype(str) == day.span[1][:10]


def test_what_a_fit_of_a_table_learned():
    table = [row | {"y": x, "w": 1, "g": i % 9} for i, (row, x) in enumerate(zip(TABLE, X[:, 0]))]
    reg = fastnn.TabularRegressor(metric="mae", **QUICK)
    reg.fit(table, "y", sample_weight="w", groups="g").metadata_["a"] = "b"
    facts = reg.facts()
    assert (facts.target, facts.groups, facts.weight, facts.time) == ("y", "g", "w", None)
    assert (facts.metric, facts.score) == ("mae", reg.oof_score_)
    assert facts.score_name == reg.oof_score_name_
    assert list(facts.importances.values()) == reg.feature_importances_.tolist()
    assert list(facts.score_drops) == list(facts.importances) == reg.feature_names_in_.tolist()
    assert (facts.n_folds, facts.n_folds_left, facts.kept) == (2, 0, None)
    assert (facts.n_rows, facts.n_background, facts.bounds) == (60, 60, (0.0, 1.0))
    assert sum(facts.weights) == pytest.approx(1) and facts.split == reg.split_
    assert facts.metadata == {"a": "b"} and "metadata" not in repr(facts)


def test_predictions_after_a_fit_forward_in_time_have_no_bounds():
    facts = table_numbers(time="day").facts()
    assert (facts.time, facts.bounds) == ("day", None)


def test_a_threshold_is_a_fact():
    clf = table_classes(LOW, threshold="f1")
    facts = clf.facts()
    assert (facts.threshold, facts.threshold_rule) == (clf.threshold_, "f1")
    facts = clf.set_params(threshold=0.25).facts()
    assert (facts.threshold, facts.threshold_rule) == (0.25, None)


def test_facts_are_frozen_and_need_a_fit():
    facts = fastnn.MLP([1, 1], rng=0).facts()
    with pytest.raises(dataclasses.FrozenInstanceError):
        facts.task = "classes"
    for cls in (fastnn.MLPClassifier, fastnn.TabularRegressor):
        with pytest.raises(ValueError, match="not fit"):
            cls().facts()


ESTIMATOR_KINDS = [
    (fastnn.MLPClassifier, True),
    (fastnn.MLPRegressor, False),
    (fastnn.TabularClassifier, True),
    (fastnn.TabularRegressor, False),
    (stored_model.StoredClassifier, True),
    (stored_model.StoredRegressor, False),
]


@pytest.mark.parametrize(("cls", "expected"), ESTIMATOR_KINDS)
def test_is_classifier_is_an_attribute_that_scikit_learn_does_not_see(cls, expected):
    assert cls.is_classifier is expected
    if issubclass(cls, base.BaseEstimator):
        estimator = base.clone(cls())
        assert base.is_classifier(estimator) is expected
        assert "is_classifier" not in {*estimator.get_params(), *vars(estimator)}
