"""scikit-learn's checks and tools with the estimators for tables."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from fastnn import TabularClassifier, TabularRegressor

SMALL = dict(n_estimators=2, hidden_layer_sizes=6, n_threads=1, random_state=0)
rng = np.random.default_rng(3)
X = pd.DataFrame({"x": rng.normal(size=40), "text": ["a", "b", None, "b"] * 10})
y = X["x"].to_numpy() + (X["text"] == "a")
classes = np.where(y > 0, "up", "down")


def checks():
    for estimator in (TabularClassifier(**SMALL), TabularRegressor(**SMALL)):
        for own, check in estimator_checks_generator(estimator):
            name = getattr(check, "func", check).__name__
            # Folds and encoding ignore weights. scikit-learn exempts its BaggingClassifier, too.
            if "sample_weight_equivalence" not in name and name != "check_array_api_input":
                yield pytest.param(own, check, id=f"{type(own).__name__}-{name}")


@pytest.mark.spread(60)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_every_check_of_scikit_learn(estimator, check, quick_recipe):
    name = getattr(check, "func", check).__name__
    quick_recipe(40 if name.endswith("_train") else 3)  # these check scores
    check(estimator)


@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_clone_pickle_and_joblib(cls, quick_recipe, tmp_path):
    tags = cls().__sklearn_tags__().input_tags
    assert tags.allow_nan and tags.sparse and tags.string and tags.categorical
    defaults = dict(n_estimators=5, n_threads=-1, verbose=False, metric="auto")
    assert defaults.items() <= cls().get_params().items()
    estimator = cls(**SMALL, drop=["x"]).fit(X, classes if cls is TabularClassifier else y)
    assert repr(clone(estimator)) == repr(estimator) and not hasattr(clone(estimator), "columns_")
    joblib.dump(estimator, tmp_path / "e.joblib")
    for other in (pickle.loads(pickle.dumps(estimator)), joblib.load(tmp_path / "e.joblib")):
        assert_same_bits(other.predict(X), estimator.predict(X))
        assert other.columns_ == {"text": "category"}


def test_grid_search_and_cross_validation(quick_recipe):
    grid = {"hidden_layer_sizes": [(2,), (3, 2)], "metric": ["log_loss"]}
    search = GridSearchCV(TabularClassifier(**SMALL), grid, cv=2, scoring="neg_log_loss")
    search.fit(X, classes)
    assert search.best_params_["metric"] == "log_loss" and search.best_score_ < 0
    P = cross_val_predict(TabularClassifier(**SMALL), X, classes, cv=2, method="predict_proba")
    assert P.shape == (40, 2)
    assert_allclose(P.sum(axis=1), 1)


def test_pipeline_and_set_output(quick_recipe):
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, TabularRegressor(**SMALL)).fit(X[["x"]], y)
    assert pipeline[-1].columns_ == {"x": "number"}
    assert pipeline.predict(X[["x"]]).shape == (40,)


def test_metadata_routing(quick_recipe):
    with config_context(enable_metadata_routing=True):
        clf = TabularClassifier(**SMALL).set_fit_request(sample_weight=True, groups=True)
        clf.set_score_request(sample_weight=False)
        params = dict(sample_weight=np.ones(40), groups=np.arange(40) % 4)
        scores = cross_val_score(clf, X, classes, cv=2, params=params, error_score="raise")
    assert scores.shape == (2,)
