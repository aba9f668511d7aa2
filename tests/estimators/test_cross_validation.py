"""cross_validate and cross_val_predict give scikit-learn's results, with all folds in one call."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection as sk
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastnn
from fastnn import MLPClassifier, MLPRegressor

NOTES = (
    "ignore:Training stopped",
    "ignore:2 of 2 networks stopped",
    "ignore:X is badly scaled",
    "ignore:y is large",
)
pytestmark = pytest.mark.filterwarnings(*NOTES)

X, y = make_classification(160, 6, n_informative=4, n_classes=3, random_state=0)
R, r = make_regression(120, 5, noise=1.0, random_state=0)
r /= 100


DEFAULTS = dict(hidden_layer_sizes=(8,), max_iter=12, random_state=0)


def classifier(**options):
    return MLPClassifier(**DEFAULTS | options)


def regressor(**options):
    return MLPRegressor(**DEFAULTS | options)


def assert_same_results(ours, theirs):
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        if name.startswith(("test_", "train_")):
            assert_array_equal(ours[name], values, err_msg=name)
            assert ours[name].dtype == values.dtype, name
        elif name.endswith("_time"):
            assert ours[name].shape == values.shape
            assert (ours[name] >= 0).all()


def compare(model, X, y, **options):
    """Assert that the results are those of scikit-learn."""
    ours = fastnn.cross_validate(model, X, y, **options)
    assert_same_results(ours, sk.cross_validate(model, X, y, **options))
    return ours


ADAPTIVE = dict(solver="sgd", learning_rate="adaptive", n_iter_no_change=1, max_iter=60)


def after_scaler(model):
    return make_pipeline(StandardScaler(), model)


def after_selection(model):
    return make_pipeline(SelectFromModel(LogisticRegression()), StandardScaler(), model)


def with_scaled_targets(model):
    return TransformedTargetRegressor(model, transformer=StandardScaler())


MODELS = {
    "classifier": (classifier(), X, y),
    "float32": (classifier(dtype="float32"), X, y),
    "two classes": (classifier(), X, y > 0),
    "text labels": (classifier(), X, np.array(["low", "mid", "high"])[y]),
    "several labels": (classifier(), X, np.stack([y > 0, y > 1], axis=1).astype(int)),
    "early stopping": (classifier(early_stopping=True, max_iter=40), X, y),
    "invscaling": (classifier(solver="sgd", learning_rate="invscaling"), X, y),
    "adaptive": (classifier(**ADAPTIVE), X, y),
    "lbfgs": (classifier(solver="lbfgs"), X, y),
    "ensemble": (classifier(n_estimators=2), X, y),
    "sparse": (classifier(), sparse.csr_array(np.where(X > 0.5, X, 0)), y),
    "pipeline": (after_scaler(classifier()), X, y),
    "nested": (after_scaler(after_scaler(classifier())), X, y),
    "one step": (make_pipeline(classifier()), X, y),
    "lists": (classifier(), X.tolist(), y.tolist()),
    "own network before": (after_selection(classifier()), X, y),
    "passthrough": (make_pipeline(StandardScaler(), "passthrough", classifier()), X, y),
    "regressor": (regressor(), R, r),
    "several targets": (regressor(), R, np.stack([r, -r], axis=1)),
    "scaled targets": (with_scaled_targets(regressor()), R, r),
    "pipeline in targets": (with_scaled_targets(after_scaler(regressor())), R, r),
    "targets in pipeline": (after_scaler(with_scaled_targets(regressor())), R, r),
}  # fmt: skip


@pytest.mark.parametrize("case", MODELS)
def test_scores_are_those_of_scikit_learn(case):
    compare(*MODELS[case], cv=3, return_train_score=True)


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_the_number_of_threads_does_not_matter(n_jobs):
    one = fastnn.cross_validate(classifier(), X, y, n_jobs=1)
    other = fastnn.cross_validate(classifier(), X, y, n_jobs=n_jobs)
    assert_array_equal(one["test_score"], other["test_score"])


def n_correct(model, X, y):
    return {"steps": len(model.steps), "correct": int((model.predict(X) == y).sum())}


TWO_SCORES = ["accuracy", "neg_log_loss"]
SCORINGS = ["accuracy", TWO_SCORES, {"a": "accuracy", "b": "f1_macro"}, n_correct]


@pytest.mark.parametrize("scoring", SCORINGS)
def test_scoring(scoring):
    model = make_pipeline(StandardScaler(), "passthrough", classifier())
    compare(model, X, y, cv=3, scoring=scoring, return_train_score=True)


def test_indices_and_estimators():
    model = make_pipeline(StandardScaler(), classifier())
    results = compare(model, X, y, cv=3, return_estimator=True, return_indices=True)
    theirs = sk.cross_validate(model, X, y, cv=3, return_indices=True)
    parts = theirs["indices"]["test"], results["indices"]["test"], results["test_score"]
    for fitted, part, test, score in zip(results["estimator"], *parts):
        assert_array_equal(part, test)
        assert fitted.score(X[test], y[test]) == score
    assert not hasattr(model[-1], "network_")
    assert not hasattr(model[0], "mean_")


def test_data_frames_with_text_columns_groups_and_weights():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame["color"] = rng.choice(["red", "green", "blue"], len(X))
    labels = pd.Series(np.array(["x", "y", "z"])[y], index=rng.permutation(len(y)))
    frame.index = labels.index
    colors = OneHotEncoder(handle_unknown="ignore"), ["color"]
    encode = make_column_transformer(colors, remainder=StandardScaler())
    weight = {"mlpclassifier__sample_weight": rng.random(len(X))}
    groups, cv = rng.integers(8, size=len(X)), sk.GroupKFold(4)
    compare(make_pipeline(encode, classifier()), frame, labels, groups=groups, cv=cv, params=weight)
    for model, target in ((classifier(), labels), (with_scaled_targets(regressor()), y)):
        results = fastnn.cross_validate(model, frame[list("abc")], target, return_estimator=True)
        assert list(results["estimator"][0].feature_names_in_) == list("abc")


def test_sample_weight_changes_the_networks():
    weight = np.random.default_rng(0).random(len(X))
    weighted = compare(classifier(), X, y, params={"sample_weight": weight}, scoring="neg_log_loss")
    plain = fastnn.cross_validate(classifier(), X, y, scoring="neg_log_loss")
    assert (weighted["test_score"] != plain["test_score"]).all()


def of_two(model):
    return model.set_params(n_estimators=2)


def one_score(model, X, y):
    return {"score": len(X) / 40}


@pytest.mark.filterwarnings("ignore:Scoring failed")
@pytest.mark.parametrize("scoring", [None, one_score])
@pytest.mark.parametrize(
    ("wrap", "bad", "message"), [(of_two, np.nan, "NaN"), (after_scaler, np.inf, "infinity")]
)
def test_a_fold_that_fails_gets_error_score(wrap, bad, message, scoring):
    broken, model, cv = X.copy(), wrap(classifier()), sk.KFold(4)
    broken[0] = bad
    options = dict(error_score=-1.0, return_train_score=True, return_estimator=True)
    failed = rf"3 fits failed out of a total of 4(.|\n)*{message}"
    with pytest.warns(FitFailedWarning, match=failed):
        results = fastnn.cross_validate(model, broken, y, cv=cv, scoring=scoring, **options)
    assert list(results["test_score"][1:]) == list(results["train_score"][1:]) == [-1.0] * 3
    assert not results["score_time"][1:].any()
    assert results["train_score"][0] > 0.2 and (scoring is None or results["train_score"][0] == 3)
    fitted = [hasattr(each, "n_features_in_") for each in results["estimator"]]
    assert fitted == [True, False, False, False]
    with pytest.raises(ValueError, match=message):
        fastnn.cross_validate(model, broken, y, cv=cv, error_score="raise")
    broken[1:] = bad
    with pytest.raises(ValueError, match="All the 4 fits failed"):
        fastnn.cross_validate(model, broken, y, cv=cv)


def test_scores_that_fail_get_error_score():
    def fail(model, X, y):
        raise RuntimeError("no score")

    with pytest.warns(UserWarning, match="no score"):
        results = fastnn.cross_validate(classifier(), X, y, scoring=fail, error_score=0.5)
    assert list(results["test_score"]) == [0.5] * 5
    both = {"good": "accuracy", "bad": fail}
    with pytest.warns(UserWarning, match="no score"):
        results = fastnn.cross_validate(classifier(), X, y, scoring=both, error_score=0.5)
    assert list(results["test_bad"]) == [0.5] * 5 and (results["test_good"] != 0.5).any()
    with pytest.raises(RuntimeError, match="no score"):
        fastnn.cross_validate(classifier(), X, y, scoring=fail, error_score="raise")
    with pytest.raises(ValueError, match="must return a number"):
        fastnn.cross_validate(classifier(), X, y, scoring=lambda model, X, y: "1")
    with pytest.raises(ValueError, match=r"must return a number, got array\(\[0, 1\]\)"):
        fastnn.cross_validate(classifier(), X, y, scoring=lambda model, X, y: np.arange(2))
    results = fastnn.cross_validate(
        classifier(), X, y, scoring=lambda model, X, y: np.full(1, 0.25)
    )
    assert list(results["test_score"]) == [0.25] * 5


@pytest.mark.parametrize("n_estimators", [1, 2])
def test_a_fold_that_diverges_does_not_harm_the_others(n_estimators):
    model, cv = regressor(solver=fastnn.SGD(0.01), dtype="float64"), sk.KFold(4)
    model.set_params(n_estimators=n_estimators, bagging=None)
    targets = np.where(np.arange(len(R)) < 90, r, 1e120)  # in the training rows of three folds
    with pytest.warns(FitFailedWarning, match="Training diverged"):
        ours = fastnn.cross_validate(model, R, targets, cv=cv, scoring="neg_max_error")
    with warnings.catch_warnings(action="ignore"):
        theirs = sk.cross_validate(model, R, targets, cv=cv, scoring="neg_max_error")
    assert_array_equal(ours["test_score"], theirs["test_score"])
    assert np.isnan(ours["test_score"]).sum() == 3


def fail_in_epoch_3(net, history):
    if history.n_epochs == 3 and net.n_params % 2:
        raise RuntimeError("stopped by a callback")


def test_a_callback_that_raises_makes_its_fold_fail():
    model = classifier(callbacks=fail_in_epoch_3)
    with pytest.raises(ValueError, match=r"All the 5 fits failed(.|\n)*stopped by a callback"):
        fastnn.cross_validate(model, X, y)
    with pytest.raises(RuntimeError, match="stopped by a callback"):
        fastnn.cross_validate(model, X, y, error_score="raise")


def test_a_warning_that_is_an_error_makes_its_fold_fail():
    failed = pytest.raises(ValueError, match=r"All the 5 fits failed(.|\n)*Training stopped")
    with warnings.catch_warnings(action="error"), failed:
        fastnn.cross_validate(classifier(), X, y)


# ---- cross_val_predict ----


@pytest.mark.spread(8)
@pytest.mark.parametrize("case", MODELS)
def test_predictions_are_those_of_scikit_learn(case):
    model, X, y = MODELS[case]
    methods = ["predict"]
    if hasattr(model, "predict_proba"):
        methods += ["predict_proba", "predict_log_proba", "decision_function"]
    for method in methods:
        if method != "predict" and np.ndim(y) == 2:
            parts = sk.KFold(3).split(X)
            fits = [(clone(model).fit(X[train], y[train]), X[test]) for train, test in parts]
            theirs = np.concatenate([getattr(fitted, method)(rows) for fitted, rows in fits])
        else:
            theirs = sk.cross_val_predict(model, X, y, cv=3, method=method)
        ours = fastnn.cross_val_predict(model, X, y, cv=3, method=method)
        assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "decision_function"])
def test_a_class_without_training_rows(method):
    labels = np.array(list("acd"))[y]
    labels[:3] = "b"
    cv = sk.KFold(4)
    with pytest.warns(RuntimeWarning, match="have 3 of 4 classes"):
        ours = fastnn.cross_val_predict(classifier(), memoryview(X), labels, cv=cv, method=method)
    with warnings.catch_warnings(action="ignore"):
        theirs = sk.cross_val_predict(classifier(), X, labels, cv=cv, method=method)
    assert_array_equal(ours, theirs)


def test_two_classes_have_one_column_of_decisions():
    labels = np.array(list("aab"))[y]
    labels[:3] = "c"
    message = (
        "^decision_function has no column for each class with 2 of 3 classes in the training rows of a "
        "fold. Use folds that have all classes in their training rows, such as StratifiedKFold.$"
    )
    with pytest.warns(RuntimeWarning, match="2 of 3"), pytest.raises(ValueError, match=message):
        options = dict(cv=sk.KFold(4), method="decision_function")
        fastnn.cross_val_predict(classifier(), X, labels, **options)


def test_rows_must_be_tested_once():
    with pytest.raises(ValueError, match="exactly one fold"):
        fastnn.cross_val_predict(classifier(), X, y, cv=sk.ShuffleSplit(3))
    with pytest.raises(ValueError, match="method must be one of"):
        fastnn.cross_val_predict(classifier(), X, y, method=np.array(["predict", "score"]))
    with pytest.raises(ValueError, match="method must be one of"):
        fastnn.cross_val_predict(classifier(), X, y, method="score")


# ---- arguments ----


def test_a_class_is_no_table():
    search = fastnn.HalvingSearchCV(classifier(), {"alpha": [0.1, 0.2]}, n_iter=2)
    for train in (partial(fastnn.cross_validate, classifier()), search.fit):
        with pytest.raises(TypeError, match="y must hold numbers, or classes of one type"):
            train(np.ones((3, 2)), np.array(["a", None, 3.0], object))
        with pytest.raises(TypeError, match=r"X is the class DataFrame\. Pass an object of it"):
            train(pd.DataFrame, y)


each_function = pytest.mark.parametrize(
    "function", [fastnn.cross_validate, fastnn.cross_val_predict]
)
OTHERS = LogisticRegression(), TransformedTargetRegressor(), fastnn.MLP([2, 1])


@each_function
def test_other_estimators_are_refused(function):
    name = function.__name__
    for model in (*OTHERS, after_scaler(LogisticRegression())):
        with pytest.raises(TypeError, match=rf"Use|use sklearn\.model_selection\.{name}"):
            function(model, X, y)


def test_wrong_folds_and_error_scores():
    cases = (3, {}, "n_splits=5"), (120, dict(error_score="nan"), "error_score")
    for n_rows, options, message in cases:
        with pytest.raises(ValueError, match=message):
            fastnn.cross_validate(regressor(), R[:n_rows], r[:n_rows], **options)


OTHER_TYPES = [
    (dict(params=np.ones(3)), "params must be a dict, got an ndarray"),
    (dict(groups=np.ndarray), r"groups is the class ndarray\. Pass an object of it"),
    (dict(cv=np.ones(3)), r"cv must be a number, a splitter or pairs \(train, test\): "),
]


@each_function
@pytest.mark.parametrize(("options", "message"), OTHER_TYPES, ids=str)
def test_options_of_other_types_are_refused(function, options, message):
    with pytest.raises(TypeError, match=message):
        function(classifier(), X, y, **options)


# ---- executors ----


def test_executors_give_the_same_results(workers):
    model = make_pipeline(StandardScaler(), classifier())
    options = dict(cv=5, return_train_score=True, scoring=TWO_SCORES)
    alone = fastnn.cross_validate(model, X, y, **options)
    own, broken = dict(executor=workers), np.where(X > 3, np.nan, X)
    shared = fastnn.cross_validate(model, X, y, **options, return_estimator=True, **own)
    P = fastnn.cross_val_predict(model, X, y, method="predict_proba", **own)
    with pytest.raises(ValueError, match="NaN"):
        fastnn.cross_validate(model, broken, y, error_score="raise", **own)
    assert len(shared.pop("estimator")) == 5
    assert_same_results(shared, alone)
    assert_array_equal(P, fastnn.cross_val_predict(model, X, y, method="predict_proba"))
