"""Estimators from and to scikit-learn: the same predictions, and errors for what cannot be had."""

import warnings

import numpy as np
import pandas as pd
import pytest
from checks import assert_within

import fastnn
from fastnn import MLPClassifier, MLPRegressor, losses

sklearn = pytest.importorskip("sklearn", reason="needs the extra sklearn")
from sklearn import neural_network  # noqa: E402 - after importorskip
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402 - after importorskip
from sklearn.pipeline import make_pipeline  # noqa: E402 - after importorskip
from sklearn.preprocessing import StandardScaler  # noqa: E402 - after importorskip

IGNORED = ["ignore::sklearn.exceptions.ConvergenceWarning", "ignore:y holds only the class"]
pytestmark = [pytest.mark.filterwarnings(each) for each in IGNORED]
X = np.random.default_rng(0).normal(size=(90, 4))
Y = np.column_stack([X[:, 0] * X[:, 1], np.abs(X[:, 2])])
CLASSES = np.array(["no", "perhaps", "yes"])[np.arange(90) % 3]
SETTINGS = dict(hidden_layer_sizes=(6, 5), max_iter=12, random_state=0, learning_rate_init=0.01)
ATTRIBUTES = "loss_curve_ loss_ n_iter_ t_ validation_scores_ best_validation_score_ n_layers_"
CASES = {
    "two classes": ("MLPClassifier", CLASSES == "no", {}),
    "three classes": ("MLPClassifier", CLASSES, dict(activation="logistic")),
    "two labels": ("MLPClassifier", (X[:, :2] > 0).astype(int), {}),
    "labels": ("MLPClassifier", (X > 0).astype(int), dict(activation="tanh")),
    "objects": ("MLPClassifier", CLASSES.astype(object), dict(activation="identity")),
    # with numbers: scikit-learn 1.7 cannot stop early with texts
    "early stopping": ("MLPClassifier", np.arange(90) % 3, dict(early_stopping=True)),
    "one target": ("MLPRegressor", Y[:, 0], dict(solver="sgd")),
    "two targets": ("MLPRegressor", Y, dict(solver="lbfgs")),
    "counts": ("MLPRegressor", Y[:, 1], dict(loss="poisson")),
    "no hidden layer": ("MLPRegressor", Y, dict(hidden_layer_sizes=())),
}


def assert_same_predictions(a, b, X=X, bound=1e-12):
    if hasattr(a, "predict_proba"):
        assert_within(a.predict_proba(X), b.predict_proba(X), bound)
        np.testing.assert_array_equal(a.predict(X), b.predict(X))
        assert a.classes_.tolist() == b.classes_.tolist()
    else:
        assert_within(a.predict(X), b.predict(X), bound * np.abs(b.predict(X)).max())


@pytest.mark.parametrize("name", CASES)
def test_from_sklearn(name):
    kind, y, options = CASES[name]
    theirs = getattr(neural_network, kind)(**SETTINGS | options).fit(X, y)
    ours = fastnn.from_sklearn(theirs)
    assert type(ours) is getattr(fastnn, kind)
    assert_same_predictions(ours, theirs)
    assert ours.get_params().items() >= theirs.get_params().items()
    for attribute in ATTRIBUTES.split():
        default = [] if attribute == "loss_curve_" else None  # with solver="lbfgs"
        assert getattr(ours, attribute) == getattr(theirs, attribute, default)
    if options.get("solver") != "lbfgs":
        loss = ours.loss_
        if not ours.early_stopping:
            ours.partial_fit(X, y)
        ours.set_params(warm_start=True).fit(X, y)
        unit = 1 if name == "counts" else 0  # its Poisson loss leaves out a part that y determines
        assert np.isfinite(ours.loss_) and ours.loss_ < loss + 0.1 + unit


@pytest.mark.parametrize("name", CASES)
def test_to_sklearn(name):
    kind, y, options = CASES[name]
    ours = getattr(fastnn, kind)(**SETTINGS | options).fit(X, y)
    theirs = ours.to_sklearn()
    assert type(theirs) is getattr(neural_network, kind)
    assert_same_predictions(theirs, ours)
    assert ours.get_params().items() >= theirs.get_params().items()
    for attribute in ATTRIBUTES.split():
        assert getattr(theirs, attribute) == getattr(ours, attribute)
    before = ours.network_.params.copy()
    if options.get("solver") != "lbfgs" and not theirs.early_stopping:
        theirs.partial_fit(X, y)
    theirs.set_params(warm_start=True).fit(X, y)
    assert np.isfinite(theirs.loss_)
    np.testing.assert_array_equal(ours.network_.params, before)


class Rates(fastnn.losses.MSE):
    name, output = "rates", "exponential"


def test_a_loss_that_scikit_learn_lacks_is_named():
    """Its Poisson regressor also has the exponential as output."""
    ours = MLPRegressor(**SETTINGS, loss=Rates()).fit(X, Y[:, 1])
    with pytest.warns(UserWarning, match="no equivalent of these parameters: loss"):
        theirs = ours.to_sklearn()
    assert_same_predictions(theirs, ours)


def test_there_and_back():
    theirs = neural_network.MLPClassifier(**SETTINGS).fit(X, CLASSES)
    again = fastnn.from_sklearn(theirs).to_sklearn()
    assert again.get_params() == theirs.get_params()
    for a, b in zip(again.coefs_ + again.intercepts_, theirs.coefs_ + theirs.intercepts_):
        np.testing.assert_array_equal(a, b, strict=True)


def test_float32_and_names_of_features():
    frame = pd.DataFrame(X.astype("float32"), columns=list("abcd"))
    theirs = neural_network.MLPRegressor(**SETTINGS).fit(frame, Y.astype("float32"))
    ours = fastnn.from_sklearn(theirs)
    assert ours.network_.dtype == np.float32 and ours.feature_names_in_.tolist() == list("abcd")
    assert_same_predictions(ours, theirs, frame, 1e-5)
    again = ours.to_sklearn()
    assert again.coefs_[0].dtype == np.float32
    assert_same_predictions(again, ours, frame, 1e-5)
    with pytest.raises(ValueError, match="feature names should match"):
        ours.predict(frame.rename(columns={"a": "z"}))


def test_a_converted_estimator_can_be_saved(tmp_path):
    ours = fastnn.from_sklearn(neural_network.MLPClassifier(**SETTINGS).fit(X, CLASSES))
    ours.save(tmp_path / "clf")
    assert_same_predictions(fastnn.load(tmp_path / "clf"), ours, bound=0)


def test_from_sklearn_refuses_other_models():
    theirs = make_pipeline(StandardScaler(), neural_network.MLPRegressor(**SETTINGS)).fit(X, Y)
    with pytest.raises(TypeError, match=r"got Pipeline\. Convert its last step: from_sklearn"):
        fastnn.from_sklearn(theirs)
    with pytest.raises(TypeError, match=r"MLPRegressor of sklearn\.neural_network, got MLPReg"):
        fastnn.from_sklearn(MLPRegressor())
    with pytest.raises(NotFittedError):
        fastnn.from_sklearn(neural_network.MLPRegressor())
    one = neural_network.MLPClassifier(**SETTINGS).fit(X, np.full(90, 7))
    with pytest.raises(ValueError, match=r"fitted with one class, 7, .* at least two classes"):
        fastnn.from_sklearn(one)


REFUSED = {
    "an ensemble": (MLPRegressor(**SETTINGS, n_estimators=2), "this ensemble has 2"),
    "an activation": (MLPRegressor(**SETTINGS, activation="gelu"), "hidden layer 0 .* 'gelu'"),
    "two activations": (MLPRegressor(**SETTINGS, activation=["tanh", "relu"]), "layer 1 .* 'relu'"),
    "noise": (MLPRegressor(**SETTINGS, loss="gaussian_nll"), "GaussianNLL.* several outputs"),
    "quantiles": (MLPRegressor(**SETTINGS, loss=losses.Quantile((0.1, 0.9))), "several outputs"),
    "another output": (MLPRegressor(**SETTINGS, loss=losses.BCE()), "needs the output 'sigmoid'"),
    "one class": (MLPClassifier(**SETTINGS), "classifier of one class"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_to_sklearn_refuses_what_scikit_learn_lacks(name):
    estimator, message = REFUSED[name]
    with pytest.raises(NotFittedError):
        estimator.to_sklearn()
    fitted = estimator.fit(X, np.zeros(90, int))
    with pytest.raises(ValueError, match=message):
        fitted.to_sklearn()


def test_parameters_without_equivalent_raise_a_warning():
    settings = dict(dropout=0.1, class_weight="balanced", solver=fastnn.AdamW(), n_threads=2)
    clf = MLPClassifier(**SETTINGS, **settings).fit(X, CLASSES)
    with pytest.warns(UserWarning, match="meters: class_weight, dropout, solver. Its") as caught:
        theirs = clf.to_sklearn()
    assert caught[0].filename == __file__
    assert_same_predictions(theirs, clf)
    reg = MLPRegressor(**SETTINGS, loss="mae").fit(X, Y)
    with pytest.warns(UserWarning, match="parameters: loss"):
        theirs = reg.to_sklearn()
    assert_same_predictions(theirs, reg)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        MLPRegressor(**SETTINGS).fit(X, Y).to_sklearn()
