"""Tools that take any estimator of scikit-learn work with fastnn's.

`nox -s companions` installs those that are not among the packages of the tests.
"""

from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
from sklearn import (
    calibration,
    ensemble,
    feature_selection,
    inspection,
    linear_model,
    model_selection,
    multiclass,
    multioutput,
    semi_supervised,
)
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from fastnn import MLPClassifier, MLPRegressor

X = np.random.default_rng(0).normal(size=(300, 4))
SIZE = 2 * X[:, 0] + X[:, 1]
LARGE = (SIZE > 0).astype(int)
ON_DEMAND = "nox -s companions installs it"
CLF = MLPClassifier((8,), max_iter=30, learning_rate_init=0.02, random_state=0)
LINE = linear_model.LogisticRegression()
REG = MLPRegressor((8,), max_iter=60, learning_rate_init=0.02, random_state=0)

SLOW = pytest.mark.slow("the other tests here, of tools that call the estimators less often")

pytestmark = pytest.mark.filterwarnings("ignore")  # of the tools, and about so few epochs


def test_permutation_importance():
    found = inspection.permutation_importance(clone(REG).fit(X, SIZE), X, SIZE, random_state=0)
    assert found.importances_mean.argmax() == 0


def test_partial_dependence():
    found = inspection.partial_dependence(clone(REG).fit(X, SIZE), X, [0])["average"][0]
    assert found[0] < found[-1]


@SLOW
def test_decision_boundary():
    pytest.importorskip("matplotlib", reason="an extra").use("agg")
    display = inspection.DecisionBoundaryDisplay.from_estimator
    assert display(clone(CLF).fit(X[:, :2], LARGE), X[:, :2]).response.shape == (100, 100)


@SLOW
def test_thresholds_by_cost():
    tuned = model_selection.TunedThresholdClassifierCV(clone(CLF), scoring="f1", random_state=0)
    assert 0 < tuned.fit(X, LARGE).best_threshold_ < 1
    fixed = model_selection.FixedThresholdClassifier(clone(CLF), threshold=0.999).fit(X, LARGE)
    assert fixed.predict(X).sum() < LARGE.sum()


def test_frozen_estimator():
    fitted = clone(CLF).fit(X[::2], LARGE[::2])
    model = calibration.CalibratedClassifierCV(FrozenEstimator(fitted)).fit(X[1::2], LARGE[1::2])
    assert model.score(X, LARGE) > 0.9


def test_few_labels():
    few = np.where(np.arange(len(LARGE)) % 5, -1, LARGE)
    assert semi_supervised.SelfTrainingClassifier(clone(CLF)).fit(X, few).score(X, LARGE) > 0.9


def test_feature_subset():
    chooser = feature_selection.SequentialFeatureSelector(clone(REG), n_features_to_select=1, cv=2)
    assert chooser.fit(X[:, :3], SIZE).get_support()[0]


def test_several_targets():
    Y = np.stack([SIZE, -SIZE], axis=1)
    for tool in (multioutput.MultiOutputRegressor, multioutput.RegressorChain):
        assert tool(clone(REG)).fit(X, Y).score(X, Y) > 0.9
    labels = np.stack([LARGE, 1 - LARGE], axis=1)
    assert multioutput.ClassifierChain(clone(CLF)).fit(X, labels).score(X, labels) > 0.9


def test_curves():
    sizes, _, scores = model_selection.learning_curve(clone(CLF), X, LARGE, cv=2)
    assert len(sizes) == 5 and scores[-1].mean() > 0.9
    scores = model_selection.validation_curve(
        clone(CLF), X, LARGE, param_name="alpha", param_range=[0, 1], cv=2
    )
    assert np.mean(scores) > 0.9


def test_callbacks():
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 has it")
    with redirect_stdout(StringIO()) as out:
        clone(CLF).set_callbacks(callback.ProgressBar()).fit(X, LARGE)
    assert "MLPClassifier - fit" in out.getvalue()
    monitor = callback.ScoringMonitor(scoring="accuracy")
    clf = clone(CLF).set_callbacks(monitor).fit(X, LARGE)
    final, *epochs = [row["accuracy"] for row in monitor.get_logs().data]
    assert len(epochs) == clf.n_iter_
    assert final == epochs[-1] == clf.score(X, LARGE) > epochs[0]


def test_shap():
    package = pytest.importorskip("shap", reason=ON_DEMAND)
    explain = package.Explainer(clone(REG).fit(X, SIZE).predict, X[:20])
    assert abs(explain(X[:2]).values).mean(axis=0).argmax() == 0


def test_lime():
    tabular = pytest.importorskip("lime.lime_tabular", reason=ON_DEMAND)
    model = clone(REG).fit(X, SIZE)
    explain = tabular.LimeTabularExplainer(X, mode="regression", random_state=0)
    assert explain.explain_instance(X[0], model.predict).as_map()[1][0][0] == 0


def test_mapie():
    regression = pytest.importorskip("mapie.regression", reason=ON_DEMAND)
    model = regression.CrossConformalRegressor(clone(REG), confidence_level=0.9)
    _, intervals = model.fit_conformalize(X, SIZE).predict_interval(X)
    assert ((intervals[:, 0, 0] <= SIZE) & (SIZE <= intervals[:, 1, 0])).mean() > 0.8


def test_skops():
    io = pytest.importorskip("skops.io", reason=ON_DEMAND)
    data = io.dumps(clone(CLF).fit(X, LARGE))
    assert io.loads(data, trusted=io.get_untrusted_types(data=data)).score(X, LARGE) > 0.9


META_ESTIMATORS = {
    "calibrated": (calibration.CalibratedClassifierCV(CLF, cv=2), LARGE),
    "isotonic": (calibration.CalibratedClassifierCV(CLF, method="isotonic", cv=3), LARGE),
    "stacking": (ensemble.StackingClassifier([("mlp", CLF)], cv=2), LARGE),
    "voting": (ensemble.VotingClassifier([("mlp", CLF), ("line", LINE)], voting="soft"), LARGE),
    "bagging": (ensemble.BaggingClassifier(CLF, n_estimators=2), LARGE),
    "AdaBoost": (ensemble.AdaBoostRegressor(REG, n_estimators=2), SIZE),
    "one or the rest": (multiclass.OneVsRestClassifier(CLF), LARGE),
}


@pytest.mark.parametrize(("model", "y"), META_ESTIMATORS.values(), ids=META_ESTIMATORS)
def test_meta_estimators(model, y):
    assert clone(model).fit(X, y).score(X, y) > 0.9
