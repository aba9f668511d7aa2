"""HalvingSearchCV: survivors continue, and each has the bits of one uninterrupted training."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection as sk
from numpy.testing import assert_array_equal
from scipy import sparse
from scipy.stats import loguniform
from sklearn.base import clone, is_classifier
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastnn
from fastnn import Adam, EarlyStopping, HalvingSearchCV, MLPClassifier, MLPRegressor, schedules
from fastnn.training import session

NOTES = "ignore:Training stopped", "ignore:X is badly scaled", "ignore:y is large"
pytestmark = pytest.mark.filterwarnings(*NOTES)

X, y = make_classification(150, 6, n_informative=4, n_classes=3, random_state=0)
R, r = make_regression(120, 5, noise=1.0, random_state=0)
r /= 100
LABELS = np.stack([y > 0, y > 1], axis=1).astype(int)
NEVER = np.inf
LOG_LOSS = make_scorer(log_loss, response_method="predict_proba", greater_is_better=False)


DEFAULTS = dict(hidden_layer_sizes=(6,), max_iter=18, n_iter_no_change=NEVER, batch_size=16)
DEFAULTS["random_state"] = 0


def classifier(**options):
    return MLPClassifier(**DEFAULTS | options)


WIDTHS = {"hidden_layer_sizes": [(width,) for width in range(3, 12)]}
OPTIONS = dict(n_iter="all", scoring=LOG_LOSS, cv=3, random_state=0, n_jobs=2, refit=False)


def search(estimator=None, distributions=WIDTHS, **options):
    return HalvingSearchCV(estimator or classifier(), distributions, **OPTIONS | options)


# ---- survivors continue ----

SGD, STOPPING = dict(solver="sgd"), dict(early_stopping=True, n_iter_no_change=4)
ADAPTIVE = SGD | dict(learning_rate="adaptive", n_iter_no_change=1)
CASES = {
    "adam": {},
    "float32": dict(dtype="float32"),
    "momentum": SGD | dict(learning_rate_init=0.05),
    "invscaling": SGD | dict(learning_rate="invscaling", learning_rate_init=0.1),
    "adaptive": ADAPTIVE | dict(learning_rate_init=0.5),
    "lbfgs": dict(solver="lbfgs"),
    "dropout": dict(dropout=0.2),
    "patience": dict(n_iter_no_change=2, learning_rate_init=0.05),
    "early stopping": STOPPING | dict(learning_rate_init=0.02),
    "early stopping of an average": STOPPING | dict(solver=Adam(0.02, average=0.8)),
    "average": dict(solver=Adam(0.02, average=0.9)),
    "plateau": dict(solver=Adam(schedules.ReduceOnPlateau(0.1, patience=1))),
    "decay": dict(schedule=schedules.ExponentialDecay(0.05, 0.9)),
    "cosine": dict(schedule=schedules.CosineDecay(0.05, 18)),
    "table": dict(solver=Adam(schedules.Rates([0.05 / (i + 1) for i in range(18)]))),
    "steps": dict(schedule=schedules.StepDecay(0.05, every=30, unit="step")),
    "callback": dict(callbacks=[EarlyStopping(2)], learning_rate_init=0.05),
    "generator": dict(random_state=np.random.RandomState(0)),
    "own callback": dict(callbacks=lambda net, history: history.n_epochs == 4),
}


@pytest.mark.spread(3)
@pytest.mark.parametrize("case", CASES)
def test_survivors_have_the_bits_of_one_training(case):
    estimator = classifier(**CASES[case])
    results = search(estimator).fit(X, y).cv_results_
    assert list(results["n_resources"]) == [2] * 9 + [6] * 3 + [18]
    for i, params in enumerate(results["params"]):
        one = clone(estimator).set_params(**params)
        with warnings.catch_warnings(action="ignore"):
            whole = sk.cross_validate(one, X, y, cv=3, scoring=LOG_LOSS)
        ours = [results[f"split{fold}_test_score"][i] for fold in range(3)]
        assert_array_equal(ours, whole["test_score"], err_msg=str(params))


def test_survivors_are_not_trained_again(calls_of):
    sessions = calls_of(session.Session, "__init__")
    search().fit(X, y)
    assert [plan.options.epochs for _, plan, _ in sessions] == [2] * 27 + [4] * 9 + [12] * 3


def test_fitted_attributes_of_a_survivor(capsys):
    seen = []

    def score(model, X, y):
        seen.append((model.n_iter_, len(model.loss_curve_), model.t_, model.max_iter))
        return model.score(X, y)

    found = search(scoring=score, verbose=True).fit(X, y).cv_results_
    best = [found["mean_test_score"][found["iter"] == rung].max() for rung in range(3)]
    sizes = zip((9, 3, 1), (2, 6, 18), best)
    lines = [f"rung {i}: {n} candidates, {e} epochs, best score {s:.4g}" for i, (n, e, s) in enumerate(sizes)]  # fmt: skip
    assert capsys.readouterr().out.splitlines() == lines
    n = 100  # rows of a fold
    assert seen == [(e, e, e * n, e) for e in [2] * 27 + [6] * 9 + [18] * 3]


# ---- results ----


def test_results_have_the_form_of_scikit_learns():
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401

    distributions = {
        "hidden_layer_sizes": [(3,), (5,)],
        "learning_rate_init": loguniform(1e-3, 1e-1),
        "activation": ["relu", "tanh"],
    }
    theirs = sk.HalvingRandomSearchCV(
        classifier(), distributions, n_candidates=9, resource="max_iter", max_resources=18,
        min_resources=2, factor=3, random_state=0, cv=3, scoring=LOG_LOSS, return_train_score=True,
    ).fit(X, y)  # fmt: skip
    ours = search(classifier(), distributions, n_iter=9, refit=True, return_train_score=True)
    ours.fit(X, y)
    assert set(ours.cv_results_) == set(theirs.cv_results_)
    orders = [np.lexsort((each.cv_results_["mean_test_score"], each.cv_results_["iter"])) for each in (ours, theirs)]  # fmt: skip
    for name, values in theirs.cv_results_.items():
        own = ours.cv_results_[name]
        assert type(own) is type(values), name
        if name == "params":
            assert [own[i] for i in orders[0]] == [values[i] for i in orders[1]]
        elif "time" not in name:
            assert_array_equal(own[orders[0]], values[orders[1]], err_msg=name)
            assert own.dtype == values.dtype, name
    sizes = "n_resources_ n_candidates_ n_iterations_ min_resources_ max_resources_ n_splits_"
    for name in ("best_params_", "best_score_", "multimetric_", *sizes.split()):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    assert ours.score(X, y) == theirs.score(X, y)
    assert list(ours.classes_) == [0, 1, 2]
    assert is_classifier(ours)
    assert ours.n_features_in_ == 6
    assert_array_equal(pickle.loads(pickle.dumps(ours)).predict(X), ours.predict(X))
    assert clone(ours).get_params()["n_iter"] == 9
    expected = dict(n_iter=100, factor=3, cv=5, refit=True, verbose=0, return_train_score=False)
    assert {name: HalvingSearchCV(None, {}).get_params()[name] for name in expected} == expected


def test_the_best_candidate_is_fitted_with_all_resources():
    found = search(refit=True, max_resources=20).fit(X, y)
    assert found.n_resources_ == [2, 6, 20] and found.best_estimator_.n_iter_ == 20
    assert found.refit_time_ > 0
    alone = classifier().set_params(**found.best_params_).fit(X, y)
    assert_array_equal(found.predict_proba(X), alone.predict_proba(X))


def test_seeds_come_from_the_random_state_of_the_search():
    one, other = (search(classifier(random_state=None)).fit(X, y).cv_results_ for _ in range(2))
    assert_array_equal(one["mean_test_score"], other["mean_test_score"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "labels",
    [y, y > 0, np.array(["a", "b", "c"])[y], y[:, None], LABELS],
    ids=[3, 2, "text", "column", "labels"],
)
@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_fast_scores_are_scikit_learns(labels, dtype):
    for scoring, rtol in (("neg_log_loss", 1e-6 if dtype == "float32" else 1e-13), (None, 0)):
        model = make_pipeline(StandardScaler(), classifier(dtype=dtype))
        found = search(model, {"mlpclassifier__alpha": [1e-4]}, scoring=scoring).fit(X, labels)
        whole = sk.cross_validate(model, X, labels, cv=3, scoring=scoring)
        assert found.best_score_ == pytest.approx(whole["test_score"].mean(), rel=rtol, abs=0)


# ---- models and rows ----


def test_earlier_steps_are_fitted_once_a_fold():
    fits = []

    class CountingPCA(PCA):
        def fit_transform(self, X, y=None):
            fits.append(self.n_components)
            return super().fit_transform(X, y)

    model = make_pipeline(StandardScaler(), CountingPCA(4), classifier())
    names = {f"mlpclassifier__{name}": values for name, values in WIDTHS.items()}
    search(model, names).fit(X, y)
    assert fits == [4] * 3
    fits.clear()
    searched = search(model, names | {"countingpca__n_components": [2, 4]}).fit(X, y)
    assert sorted(fits) == [2] * 3 + [4] * 3
    assert "param_countingpca__n_components" in searched.cv_results_


def test_a_pipeline_over_a_frame_with_text_columns_groups_and_weights():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame["color"] = rng.choice(["red", "green", "blue"], len(X))
    labels = np.array(["low", "mid", "high"])[y]
    groups, weight = rng.integers(6, size=len(X)), rng.random(len(X))
    colors = OneHotEncoder(handle_unknown="ignore"), ["color"]
    model = make_pipeline(make_column_transformer(colors, remainder=StandardScaler()), classifier())
    values = {"mlpclassifier__solver": [Adam()], "mlpclassifier__solver__lr": [1e-3, 1e-2, 1e-1]}
    found = search(model, values, cv=sk.GroupKFold(3), refit=True)
    found.fit(frame, labels, groups=groups, mlpclassifier__sample_weight=weight)
    best = clone(model).set_params(**found.best_params_)
    whole = sk.cross_validate(
        best, frame, labels, cv=sk.GroupKFold(3), groups=groups, scoring=LOG_LOSS,
        params={"mlpclassifier__sample_weight": weight},
    )  # fmt: skip
    assert found.best_score_ == whole["test_score"].mean()
    assert set(found.predict(frame)) <= {"low", "mid", "high"}
    assert found.feature_names_in_.tolist() == list(frame) and found.n_features_in_ == 7


def test_sparse_rows_and_a_regressor_with_scaled_targets():
    assert search().fit(sparse.csr_array(X), y).best_score_ < 0
    scaled = make_pipeline(StandardScaler(), MLPRegressor((8,), max_iter=9, random_state=0))
    model = TransformedTargetRegressor(scaled, transformer=StandardScaler())
    names = {"regressor__mlpregressor__learning_rate_init": [1e-4, 1e-3, 1e-2]}
    found = search(model, names, scoring=None, refit=True).fit(R, r)
    whole = sk.cross_validate(clone(model).set_params(**found.best_params_), R, r, cv=3)
    assert found.best_score_ == whole["test_score"].mean()
    assert found.predict(R).shape == r.shape


def test_a_whole_network_can_be_a_parameter():
    model = make_pipeline(StandardScaler(), classifier())
    networks = [classifier(hidden_layer_sizes=(w,)) for w in (2, 5, 9)]
    found = search(model, {"mlpclassifier": networks}).fit(X, y)
    assert found.best_params_["mlpclassifier"] in networks
    with pytest.raises(TypeError, match="HalvingRandomSearchCV"):
        search(model, {"mlpclassifier": [LogisticRegression()]}).fit(X, y)


# ---- failures ----


def test_a_candidate_that_diverges_does_not_harm_the_others():
    rates = {"solver": [fastnn.SGD(0.1), fastnn.SGD(1e30), fastnn.SGD(0.2)]}
    with pytest.warns(FitFailedWarning, match="Training diverged"):
        found = search(distributions=rates, return_train_score=True).fit(X, y)
    assert list(np.isnan(found.cv_results_["mean_test_score"][:3])) == [False, True, False]
    assert list(found.cv_results_["rank_test_score"][:3] == 4) == [False, True, False]
    assert found.best_params_["solver"] != fastnn.SGD(1e30)
    good = {"solver": [fastnn.SGD(0.1), fastnn.SGD(0.2)]}
    alone = search(distributions=good, min_resources=6, max_resources=18).fit(X, y)
    assert alone.best_score_ == found.best_score_
    with pytest.raises(fastnn.DivergenceError):
        search(distributions=rates, error_score="raise").fit(X, y)


def test_scores_that_all_fail_have_one_rank():
    def fail(model, X, y):
        raise RuntimeError("no score")

    with pytest.warns(UserWarning, match="no score"):
        found = search(distributions={"alpha": [1e-3, 1e-2]}, scoring=fail).fit(X, y)
    assert found.cv_results_["rank_test_score"].tolist() == [1, 1]
    rows = 100 + np.flatnonzero(y[100:] != 2)  # no fast score without a class
    options = dict(distributions={"alpha": [1e-3]}, scoring="neg_log_loss")
    with pytest.warns(UserWarning, match="Scoring failed"):
        found = search(**options, cv=[(np.arange(100), rows)]).fit(X, y)
    assert np.isnan(found.best_score_)


def test_invalid_parameters_make_a_candidate_fail():
    values = {"alpha": [1e-4, -1.0]}
    with pytest.warns(FitFailedWarning, match="'alpha' parameter"):
        found = search(distributions=values).fit(X, y)
    assert np.isnan(found.cv_results_["mean_test_score"]).sum() == 1
    with pytest.raises(ValueError, match="fits failed"):
        search(distributions={"alpha": [-1.0]}).fit(X, y)
    with pytest.raises(ValueError, match="no_such"):
        search(distributions={"no_such": [1]}).fit(X, y)


INVALID = [
    (dict(resource="n_samples"), "resource must be 'max_iter'"),
    (dict(distributions={"max_iter": [5, 9]}), "cannot be searched"),
    (dict(n_iter="some"), "n_iter must be a number or 'all', got 'some'"),
    (dict(n_iter=0), "n_iter must be a whole number of at least 1, got 0"),
    (dict(factor=1), "factor must be a finite number above 1, got 1"),
    (dict(min_resources=0), "min_resources must be a whole number of at least 1, got 0"),
    (dict(max_resources=1.5), "max_resources must be a whole number of at least 1, got 1.5"),
    (dict(scoring=["accuracy", "f1"]), "scoring must be one score, got ..accuracy', 'f1'."),
    (dict(refit="accuracy"), "refit must be True or False, got 'accuracy'"),
    (
        dict(estimator=classifier(n_estimators=2)),
        "^HalvingSearchCV needs n_estimators=1. Search for one",
    ),
    (dict(estimator=LogisticRegression()), r"use sklearn\.model_selection\.HalvingRandomSearchCV"),
    (dict(cv=200), "n_splits=200"),
    (dict(cv=[]), "^cv has no folds$"),
]


@pytest.mark.parametrize(("options", "message"), INVALID)
def test_invalid_arguments(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        search(**options).fit(X, y)


def test_one_candidate():
    found = search(distributions={"alpha": [1e-3]}, refit=True).fit(X, y)
    assert (found.n_candidates_, found.n_resources_, found.best_index_) == ([1], [18], 0)


def test_parameters_of_some_candidates_are_masked_for_the_others():
    grids = [{"alpha": [1e-3]}, {"activation": ["tanh"]}]
    results = search(distributions=grids).fit(X, y).cv_results_
    assert results["param_alpha"].tolist() == [1e-3, None]
    assert results["param_activation"].tolist() == [None, "tanh"]


# ---- schedules that span the training ----


@pytest.mark.parametrize("where", ["schedule", "solver"])
@pytest.mark.parametrize("kind", ["cosine", "cycle"])
def test_a_schedule_with_a_warm_up_is_stretched_to_each_rung(kind, where, monkeypatch):
    rates = []
    init = session.Session.__init__

    def record(self, plan, engine):
        rates.append((plan.state.epoch, plan.state.optimizer.lr))
        init(self, plan, engine)

    monkeypatch.setattr(session.Session, "__init__", record)

    def schedule(n):
        if kind == "cycle":
            return schedules.OneCycle(0.1, n, unit="epoch")
        return schedules.CosineDecay(0.1, n, unit="epoch", warmup=n // 6)

    options = {"schedule": schedule(18)} if where == "schedule" else {"solver": Adam(schedule(18))}
    search(classifier(**options), {"alpha": [1e-4, 1e-3, 1e-2]}, cv=2).fit(X, y)
    assert rates == [(0, schedule(6))] * 6 + [(6, schedule(18))] * 2


# ---- executors ----


def test_executors_give_the_same_results(workers):
    model = make_pipeline(StandardScaler(), classifier(early_stopping=True, n_iter_no_change=3))
    names = {f"mlpclassifier__{name}": values for name, values in WIDTHS.items()}
    alone = search(model, names).fit(X, y).cv_results_
    shared = search(model, names, executor=workers, n_jobs=None).fit(X, y).cv_results_
    for name in ("mean_test_score", "split2_test_score", "n_resources"):
        assert_array_equal(shared[name], alone[name])
