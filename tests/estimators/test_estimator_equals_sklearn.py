"""The estimators give the numbers of scikit-learn's MLP at the same settings, seed and rows."""

import inspect
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import datasets
from sklearn import neural_network as theirs
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

import fastnn as ours

X_, y_ = datasets.load_diabetes(return_X_y=True)
X_, y_ = scale(X_), scale(np.column_stack([y_, np.sin(y_)]))
DATA = {
    "two classes": datasets.load_breast_cancer(return_X_y=True),
    "three classes": datasets.load_wine(return_X_y=True),
    "labels": datasets.make_multilabel_classification(n_samples=150, n_features=12, random_state=0),
}
DATA = {name: (scale(X), y) for name, (X, y) in DATA.items()}
DATA |= {"regression": (X_, y_[:, 0]), "two targets": (X_, y_)}
SGD = dict(solver="sgd", learning_rate_init=0.02)
RULES = {
    "sgd": SGD | dict(momentum=0.0, nesterovs_momentum=False),
    "momentum": SGD | dict(nesterovs_momentum=False),
    "nesterov": SGD,
    "invscaling": SGD | dict(learning_rate="invscaling", power_t=0.3),
    "adaptive": SGD | dict(learning_rate="adaptive", tol=0.01, n_iter_no_change=1),
    "adam": dict(solver="adam"),
    "lbfgs": dict(solver="lbfgs"),
}


def both(data, sample_weight=None, X=None, **settings):
    """(theirs, ours), fitted."""
    rows, y = DATA[data]
    rows = rows if X is None else X
    kind = "MLPRegressor" if data in ("regression", "two targets") else "MLPClassifier"
    defaults = dict(hidden_layer_sizes=(12, 7), shuffle=False, max_iter=50, random_state=3)
    settings = defaults | dict(alpha=0.05, n_iter_no_change=10) | settings
    weight = {} if sample_weight is None else dict(sample_weight=sample_weight)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        warnings.simplefilter("ignore", UserWarning)  # poisson's targets, batch sizes
        return [getattr(each, kind)(**settings).fit(rows, y, **weight) for each in (theirs, ours)]


def differences(a, b):
    """Of the loss curves, and of the coefficients."""
    assert len(a.loss_curve_) == len(b.loss_curve_)
    pairs = zip([*a.coefs_, *a.intercepts_], [*b.coefs_, *b.intercepts_], strict=True)
    coefs = max(np.abs(u - v).max() for u, v in pairs)
    return np.abs(np.subtract(a.loss_curve_, b.loss_curve_)).max(), coefs


@pytest.mark.parametrize("batch_size", [10_000, 64])
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("rule", ["sgd", "momentum", "nesterov", "invscaling", "adaptive"])
def test_sgd_in_all_its_forms(rule, data, batch_size):
    a, b = both(data, batch_size=batch_size, **RULES[rule])
    assert max(differences(a, b)) < 1e-12
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(a, name) == getattr(b, name), name
    assert [a.loss_, a.best_loss_] == pytest.approx([b.loss_, b.best_loss_], rel=1e-12)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_every_activation(activation):
    assert max(differences(*both("three classes", activation=activation, **SGD))) < 1e-12


@pytest.mark.parametrize("data", DATA)
def test_predictions(data):
    a, b = both(data, **SGD)
    X = DATA[data][0]
    assert_allclose(a.predict(X), b.predict(X), atol=1e-12)
    assert a.predict(X).shape == b.predict(X).shape
    assert a.score(X, DATA[data][1]) == pytest.approx(b.score(X, DATA[data][1]), abs=1e-12)
    if hasattr(a, "classes_"):
        assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-12)
        assert_allclose(a.predict_log_proba(X), b.predict_log_proba(X), atol=1e-9)
        assert a.classes_.tolist() == b.classes_.tolist()


@pytest.mark.parametrize("data", DATA)
def test_weights_of_rows(data):
    w = np.random.default_rng(0).integers(0, 4, len(DATA[data][0])).astype(float)
    assert max(differences(*both(data, sample_weight=w, batch_size=50, **SGD))) < 1e-12


@pytest.mark.parametrize("epsilon", [1e-8, 1e-12])
@pytest.mark.parametrize("data", DATA)
def test_adam_differs_only_by_the_place_of_epsilon(data, epsilon):
    """scikit-learn adds epsilon to sqrt(v), fastnn (as PyTorch) to sqrt(v / (1 - beta_2^t)):
    without epsilon they are the same."""
    curve, coefs = differences(*both(data, batch_size=64, epsilon=epsilon))
    assert curve < (3e-4 if epsilon == 1e-8 else 1e-7)
    assert coefs < (3e-2 if epsilon == 1e-8 else 1e-4)


@pytest.mark.parametrize("data", DATA)
def test_lbfgs_finds_the_same_minimum(data):
    if data == "two targets":
        pytest.skip("scikit-learn's gradient is not that of its loss there")
    settings = dict(solver="lbfgs", alpha=1.0, max_iter=2000, max_fun=10**6)
    a, b = both(data, hidden_layer_sizes=(), **settings)
    assert a.loss_ == pytest.approx(b.loss_, rel=1e-4)


def test_lbfgs_stops_where_scikit_learns_does():
    """n_iter_no_change has no effect on it."""
    X = np.linspace(-1, 1, 200)[:, None]
    settings = dict(activation="tanh", solver="lbfgs", n_iter_no_change=3, random_state=0)
    settings["hidden_layer_sizes"] = (32,)
    a, b = (each.MLPRegressor(**settings).fit(X, X[:, 0] ** 2) for each in (theirs, ours))
    assert a.n_iter_ > 30 and b.n_iter_ == pytest.approx(a.n_iter_, abs=3)
    assert b.loss_ == pytest.approx(a.loss_, rel=0.1)


def test_early_stopping_holds_out_the_same_rows_and_keeps_the_same_epoch():
    a, b = both("three classes", early_stopping=True, validation_fraction=0.2, max_iter=200, **SGD)
    assert a.validation_scores_ == pytest.approx(b.validation_scores_, abs=1e-12)
    assert a.best_validation_score_ == b.best_validation_score_ and a.n_iter_ == b.n_iter_ < 200
    assert max(differences(a, b)) < 1e-12
    a, b = both("regression", early_stopping=True, max_iter=30, **SGD)
    assert a.validation_scores_ == pytest.approx(b.validation_scores_, abs=1e-12)


def test_stops_in_the_same_epoch_and_warns_when_it_does_not():
    a, b = both("two classes", tol=1e-3, max_iter=500, **SGD)
    assert a.n_iter_ == b.n_iter_ < 500
    X, y = DATA["two classes"]
    lbfgs = dict(solver="lbfgs", n_iter_no_change=np.inf)  # which does not stop by it
    for limit, settings in (
        ("max_iter=3 epochs", dict(max_iter=3)),
        ("max_iter=3 iterations", dict(max_iter=3, **lbfgs)),
        ("max_fun=9 evaluations of the loss", dict(max_fun=9, **lbfgs)),
    ):
        name = limit.partition("=")[0]
        with pytest.warns(ConvergenceWarning, match=f"stopped after {limit}.* Increase {name}"):
            ours.MLPClassifier(**settings).fit(X, y)
        with pytest.warns(ConvergenceWarning):
            theirs.MLPClassifier(**settings).fit(X, y)


def test_the_warning_names_the_limit_of_an_lbfgs_object():
    message = "after max_evaluations=9, .* Increase max_evaluations"
    with pytest.warns(ConvergenceWarning, match=message):
        ours.MLPClassifier(solver=ours.LBFGS(max_evaluations=9)).fit(*DATA["two classes"])


def test_early_stopping_leaves_the_best_loss_to_the_scores(reload):
    X, y = DATA["two classes"]
    settings = dict(hidden_layer_sizes=(4,), random_state=0, n_iter_no_change=np.inf, max_iter=5)
    for n in (1, 3):
        net = ours.MLPClassifier(early_stopping=True, n_estimators=n, warm_start=True, **settings)
        assert net.fit(X, y).best_loss_ is None and reload(net).best_loss_ is None
        net.set_params(early_stopping=False).fit(X, y)
        curves = np.reshape(net.loss_curve_, (n, 10))
        assert_array_equal(np.ravel(net.best_loss_), curves[:, 5:].min(axis=1))


def test_warm_start_and_partial_fit_continue_as_scikit_learns():
    X, y = DATA["three classes"]
    settings = dict(hidden_layer_sizes=(9,), shuffle=False, random_state=0, max_iter=5, **SGD)
    pair = [module.MLPClassifier(**settings) for module in (theirs, ours)]
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        for net in pair:
            net.fit(X, y)
            net.set_params(warm_start=True).fit(X, y).fit(X, y)
            net.set_params(warm_start=False)
            for row in range(7):
                net.partial_fit(X[row : row + 1], y[row : row + 1])
            net.partial_fit(X, y)
    a, b = pair
    assert max(differences(a, b)) < 1e-12
    assert (a.t_, a.n_iter_, len(a.loss_curve_)) == (b.t_, b.n_iter_, len(b.loss_curve_))


def test_first_weights_are_those_of_scikit_learn():
    for activation in ("relu", "logistic"):
        settings = dict(activation=activation, solver="sgd", learning_rate_init=1e-300)
        a, b = both("two classes", max_iter=1, **settings)
        assert differences(a, b)[1] == 0


def test_poisson():
    rows, y = DATA["regression"]
    settings = dict(hidden_layer_sizes=(6,), shuffle=False, max_iter=50, random_state=0, **SGD)
    settings["loss"] = "poisson"
    counts = np.random.default_rng(0).poisson(np.exp(y / 2))
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        a, b = (module.MLPRegressor(**settings).fit(rows, counts) for module in (theirs, ours))
    assert a.out_activation_ == b.out_activation_ == "exp"
    assert max(np.abs(u - v).max() for u, v in zip(a.coefs_, b.coefs_)) < 1e-12
    # of y alone: fastnn's loss is without it
    constant = np.mean([k * np.log(k) - k if k else 0 for k in counts])
    assert_allclose(np.subtract(a.loss_curve_, b.loss_curve_), constant, rtol=1e-9)


# ---- defaults ----


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_every_default_is_that_of_scikit_learn(name):
    """A parameter or a default that scikit-learn adds or changes fails here."""
    signatures = (inspect.signature(getattr(module, name)) for module in (ours, theirs))
    own, expected = ({p.name: p.default for p in each.parameters.values()} for each in signatures)
    assert len(expected) > 20
    assert {parameter: own.get(parameter, "missing") for parameter in expected} == expected


def test_the_first_parameter_is_hidden_layer_sizes():
    for module in ours.MLPClassifier, ours.MLPRegressor, theirs.MLPClassifier:
        assert module((7, 5)).hidden_layer_sizes == (7, 5)
    with pytest.raises(TypeError, match="positional"):
        ours.MLPRegressor("squared_error", (7, 5))


DIFFERENCES = [("digits", 0.02), ("regression", 0.02), ("three classes", 1e-4)]


@pytest.mark.parametrize(("name", "difference"), DIFFERENCES)
def test_without_arguments_the_estimators_train_as_scikit_learns(name, difference):
    """The initial weights are the same, the order of the rows is not (178 rows are one batch)."""
    X, y = DATA[name] if name in DATA else datasets.load_digits(return_X_y=True)
    X, kind = scale(X), "MLPRegressor" if name == "regression" else "MLPClassifier"
    state, fitted, warned = np.random.get_state(), [], []
    try:
        for module in theirs, ours:
            np.random.seed(0)
            with warnings.catch_warnings(record=True, action="always") as caught:
                fitted.append(getattr(module, kind)().fit(X, y))
            warned.append([warning.category for warning in caught])
    finally:
        np.random.set_state(state)
    a, b = fitted
    if name == "digits":
        assert warned == [[], []] and b.n_iter_ == pytest.approx(a.n_iter_, abs=12)
    else:
        assert warned == [[ConvergenceWarning]] * 2 and a.n_iter_ == b.n_iter_ == 200
    n = min(a.n_iter_, b.n_iter_)
    assert_allclose(a.loss_curve_[:n], b.loss_curve_[:n], rtol=difference)
    assert a.score(X, y) == pytest.approx(b.score(X, y), abs=0.005)
