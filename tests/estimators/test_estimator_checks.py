"""All of scikit-learn's estimator checks, and its tools for estimators: pipelines, grid
searches, clones."""

import sys
import warnings

import joblib
import numpy as np
import processes
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import estimator_checks_generator

from fastnn import MLPClassifier, MLPRegressor, TabularRegressor, losses

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:X is badly scaled", "ignore:y is large"
)

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
SETTINGS = [
    MLPClassifier(),
    MLPRegressor(),
    MLPClassifier(solver="sgd", learning_rate_init=0.1, n_threads=2),
    MLPClassifier(n_estimators=3),
    MLPRegressor(n_estimators=3),
    MLPClassifier(n_estimators=3, bagging="bootstrap", n_threads=2),
    MLPRegressor(n_estimators=3, bagging=None),
    MLPClassifier(solver="lbfgs", loss=losses.BCE(), max_iter=100, hidden_layer_sizes=()),
    MLPRegressor(solver="sgd", activation=["tanh"], learning_rate_init=0.01),
]


#: Without --all, these have all checks. The others are trained by the same code.
QUICK = [SETTINGS[0], SETTINGS[1], SETTINGS[5]]


def checks():
    for estimator in SETTINGS[:7]:
        marks = () if estimator in QUICK else pytest.mark.slow("the same checks in QUICK")
        for own, check in estimator_checks_generator(estimator):
            name = getattr(check, "func", check).__name__
            # Other rows make other folds. scikit-learn exempts its BaggingClassifier, too.
            if estimator.n_estimators == 1 or not estimator.bagging or "equivalence" not in name:
                yield pytest.param(own, check, id=f"{estimator}-{name}"[:120], marks=marks)


@pytest.mark.spread(70)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow("test_every_check_of_scikit_learn")
def test_the_array_api_check_that_scikit_learn_skips_by_default():
    code = """
import warnings
warnings.simplefilter("ignore")
from sklearn.utils.estimator_checks import check_estimator
from fastnn import MLPClassifier, MLPRegressor
for estimator in (MLPClassifier(), MLPRegressor()):
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    print(*{result["status"] for result in results}, len(results) > 50)
"""
    run = processes.run(code, SCIPY_ARRAY_API="1")
    assert run.stdout.split("\n")[:2] == ["passed True", "passed True"]


# ---- tools ----


def test_pipelines_and_grids_in_processes_and_threads():
    net = MLPClassifier(max_iter=20, learning_rate_init=0.01, random_state=0)
    values = {"hidden_layer_sizes": [(), (5,), (5, 5)], "alpha": [1e-4, 1.0]}
    values = {f"mlpclassifier__{name}": each for name, each in values.items()}
    grid = GridSearchCV(make_pipeline(StandardScaler(), net), values, cv=3, n_jobs=2).fit(X, y)
    assert grid.best_score_ > 0.9
    with joblib.parallel_backend("threading", n_jobs=2):
        threaded = clone(grid).fit(X, y)
    assert_array_equal(grid.cv_results_["mean_test_score"], threaded.cv_results_["mean_test_score"])


def test_cross_validation():
    net, scoring = MLPClassifier(max_iter=20, random_state=0), ["r2", "neg_mean_absolute_error"]
    alone, shared = (cross_val_score(net, X, y, cv=4, n_jobs=n) for n in (1, 2))
    assert_array_equal(shared, alone)
    rows = load_diabetes(return_X_y=True)
    assert len(cross_validate(MLPRegressor(max_iter=20), *rows, scoring=scoring)["test_r2"]) == 5


@pytest.mark.parametrize("estimator", SETTINGS, ids=str)
def test_clone_pickle_and_joblib_keep_everything(estimator, tmp_path):
    net = clone(estimator).set_params(max_iter=4, random_state=0)
    assert repr(net) == repr(clone(net))
    rows, target = X[:60], y[:60] * 1.0
    net.fit(rows, target)
    joblib.dump(net, tmp_path / "net.joblib")
    again = joblib.load(tmp_path / "net.joblib")
    assert_array_equal(again.predict(rows), net.predict(rows))
    assert again.networks_[0].weights[0].base is not None and again.loss_curve_ == net.loss_curve_
    if estimator.solver != "lbfgs":
        for row in range(3):
            for each in (net, again):
                each.partial_fit(rows[row : row + 1], target[row : row + 1])
        for a, b in zip(net.networks_, again.networks_):
            assert_array_equal(a.params, b.params)


def test_metadata_routing():
    w = np.random.default_rng(0).integers(1, 5, len(y)).astype(float)
    with config_context(enable_metadata_routing=True):
        net = MLPClassifier((5,), max_iter=5, random_state=0).set_fit_request(sample_weight=True)
        net.set_score_request(sample_weight=False)
        requests = net.get_metadata_routing().fit.requests
        others = dict.fromkeys(("groups", "comm", "shards", "dy", "dy_weight"))
        assert requests == {"sample_weight": True} | others
        weighted = cross_val_score(net, X, y, params=dict(sample_weight=w), cv=3)
        search = GridSearchCV(net, {"alpha": [1e-3]}, cv=3).fit(X, y, sample_weight=w)
    assert_array_equal(search.cv_results_["mean_test_score"], [weighted.mean()])


def test_column_names_survive_a_transformer():
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, MLPClassifier(max_iter=5))
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        pipeline.fit(*load_breast_cancer(return_X_y=True, as_frame=True))
    assert pipeline[-1].feature_names_in_[0] == "mean radius"


def test_callbacks_of_scikit_learn_need_its_version_1_9(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    with pytest.raises(ImportError) as caught:
        MLPClassifier().set_callbacks()
    assert str(caught.value) == (
        "set_callbacks needs scikit-learn 1.9 or newer: pip install -U scikit-learn. The parameter "
        "`callbacks` takes callbacks of fastnn."
    )


NEEDS_SCIKIT_LEARN = """
import sys
sys.modules["sklearn"] = None
from fastnn import *
import fastnn
print(fastnn.MLP([2, 1]))
for name in ("MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor"):
    try:
        getattr(fastnn, name)
    except ImportError as error:
        print(error)
for path in sys.argv[1:]:
    try:
        fastnn.load(path)
    except ImportError as error:
        print(error)
"""


def test_without_scikit_learn_the_message_says_how_to_get_it(tmp_path, quick_recipe):
    """For the names, and for files."""
    MLPRegressor(max_iter=1).fit(X, y).save(tmp_path / "mlp")
    TabularRegressor(1, hidden_layer_sizes=2).fit(X, y).save(tmp_path / "table")
    run = processes.run(NEEDS_SCIKIT_LEARN, tmp_path / "mlp", tmp_path / "table")
    _, *lines = run.stdout.splitlines()
    advice = 'needs scikit-learn. Run: pip install "fastnn-mlp[sklearn]"'
    names = "MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor"
    assert lines[:4] == [f"{name} {advice}" for name in names], run.stderr
    assert [line[-len(advice) :] for line in lines[4:]] == [advice] * 2
