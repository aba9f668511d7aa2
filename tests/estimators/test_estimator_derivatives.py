"""Derivatives of the predictions of the MLP estimators, compared with finite differences, and training on derivatives."""

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits, assert_within, central_difference
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import KFold

from fastnn import MLPClassifier, MLPRegressor, losses, reference

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
SCORE = X[:, 0] * X[:, 1] + X[:, 2]
SETTINGS = dict(hidden_layer_sizes=(7, 5), activation="tanh", solver="lbfgs", max_iter=30)
SETTINGS |= dict(alpha=1.0, random_state=0)
BAG = dict(n_estimators=3, bagging=None)
CASES = {  # an estimator, its targets, and the shape of the derivatives of a row
    "a number": (MLPRegressor(**SETTINGS), SCORE, (3,)),
    "two numbers": (MLPRegressor(**SETTINGS), np.c_[SCORE, X[:, 0]], (2, 3)),
    "counts": (MLPRegressor(**SETTINGS, loss="poisson"), np.floor(abs(SCORE)), (3,)),
    "quantiles": (MLPRegressor(**SETTINGS, loss=losses.Quantile((0.2, 0.8))), SCORE, (2, 3)),
    "noise": (MLPRegressor(**SETTINGS, loss="gaussian_nll"), SCORE, (3,)),
    "an ensemble": (MLPRegressor(**SETTINGS, **BAG), SCORE, (3,)),
    "two classes": (MLPClassifier(**SETTINGS), np.where(SCORE > 0, "yes", "no"), (2, 3)),
    "three classes": (MLPClassifier(**SETTINGS, **BAG), np.digitize(SCORE, [-1, 1]), (3, 3)),
    "labels": (MLPClassifier(**SETTINGS), (X[:, :2] > 0).astype(int), (2, 3)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("case", CASES)
def test_derivatives_of_each_kind_of_prediction(case):
    estimator, y, shape = CASES[case]
    estimator = clone(estimator).fit(X, y)
    J = estimator.predict_derivatives(X)
    assert J.shape == (60, *shape) and J.dtype == np.float64
    predict = estimator.predict_proba if estimator.is_classifier else estimator.predict
    expected = [central_difference(predict, X, unit, 4e-4) for unit in np.eye(3)]
    expected = np.stack(expected, axis=-1)
    assert np.abs(expected).max() > 0.1
    assert_within(J, expected, 1e-9 * np.abs(expected).max())
    assert_same_bits(estimator.predict_derivatives(X[5:6]), J[5:6])
    estimator.n_threads = 2
    assert_same_bits(estimator.predict_derivatives(X.tolist()), J)


def test_one_class_has_derivatives_0():
    clf = MLPClassifier((2,), max_iter=1)
    with pytest.warns(UserWarning):
        clf.fit(X, ["a"] * 60)
    assert_array_equal(clf.predict_derivatives(X), np.zeros((60, 1, 3)))


def test_frames_and_sparse_rows():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    reg = MLPRegressor((4,), solver="lbfgs", max_iter=500, random_state=0).fit(frame, SCORE)
    assert_same_bits(reg.predict_derivatives(frame), reg.network_.jacobian(X)[:, 0])
    with pytest.raises(ValueError, match="feature names"):
        reg.predict_derivatives(frame[["b", "a", "c"]])
    of_arrays = MLPRegressor((4,), solver="lbfgs", max_iter=500).fit(X, SCORE)
    with pytest.raises(TypeError, match=r"X must be an array.* Pass X.toarray\(\)"):
        of_arrays.predict_derivatives(sparse.csr_matrix(X))


# ---- fit with dy ---------------------------------------------------------------------------------
Y = np.c_[SCORE, X[:, 0]]
DY = np.stack([np.c_[X[:, 1], X[:, 0], np.ones(60)], np.tile([1.0, 0, 0], (60, 1))], axis=1)
DY[::4, 0, 2] = np.nan
W = np.arange(60) % 3 + 0.5
STILL = dict(  # one step, which does not move the parameters: the loss is that of the networks
    activation="tanh", solver="sgd", learning_rate_init=1e-300, max_iter=1, alpha=0.0, batch_size=60,
    random_state=0, dtype="float64",
)  # fmt: skip


HELD_OUT = dict(early_stopping=True, validation_fraction=0.2)


def half_of_both(net, rows, weight):
    """Half the mean squared error plus `weight` times that of the derivatives."""
    layers = net.weights, net.biases, net.activations
    value = reference.loss_and_grad(X[rows], Y[rows], *layers, "mse", W[rows])[0]
    slopes = reference.jacobian_loss_and_grad(X[rows], DY[rows], *layers, W[rows], weight=weight)[0]
    return (value + slopes) / 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weight", [None, 0.3])
def test_fit_learns_derivatives_in_the_units_of_targets_and_features(weight):
    train, rest = slice(0, 40), slice(40, 60)
    reg = MLPRegressor((7,), **STILL | dict(batch_size=40, n_iter_no_change=np.inf))
    reg.validation_data = X[rest], Y[rest], W[rest], DY[rest]
    reg.fit(X[train], Y[train], W[train], dy=DY[train], dy_weight=weight)
    weight = 1.0 if weight is None else weight
    assert reg.loss_curve_ == [pytest.approx(half_of_both(reg.network_, train, weight))]
    assert reg.validation_loss_curve_ == [pytest.approx(half_of_both(reg.network_, rest, weight))]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:batch_size=60 is larger")
def test_each_fold_has_its_derivatives():
    reg = MLPRegressor((7,), n_estimators=3, **STILL).fit(X, Y, W, dy=DY)
    folds = KFold(3, shuffle=True, random_state=reg.fold_seed_).split(X)
    for i, (train, held_out) in enumerate(folds):
        net = reg.networks_[i]
        assert reg.loss_curve_[i] == [pytest.approx(half_of_both(net, train, 1.0))]
        assert reg.validation_loss_curve_[i] == [pytest.approx(half_of_both(net, held_out, 1.0))]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("more", [{}, HELD_OUT, BAG], ids=str)
def test_derivatives_of_a_fit_with_dy_are_closer(more):
    settings = dict(activation="tanh", max_iter=300, learning_rate_init=0.01, random_state=0)
    reg = MLPRegressor((20,), **settings | more | dict(n_iter_no_change=300))
    errors = []
    for dy in (None, DY):
        errors.append(np.nanmean((clone(reg).fit(X, Y, dy=dy).predict_derivatives(X) - DY) ** 2))
    assert errors[1] < errors[0] / 2


TWO_PARTS = r"validation_data must be \(X, y, sample_weight, dy\), got 2 elements"
FEW_ROWS = r"validation_data: dy must have shape \(60, 1, 3\)"
REFUSED = {
    "classes": (MLPClassifier(), "dy is for MLPRegressor: the derivatives of classes", {}),
    "shards": (MLPRegressor(), "dy does not work with shards", dict(shards=4)),
    "noise": (MLPRegressor(loss="gaussian_nll"), "dy needs one output for each target, but loss='g", {}),
    "quantiles": (MLPRegressor(loss=losses.Quantile((0.2, 0.8))), "dy needs one output for each", {}),
    "counts": (MLPRegressor(loss="poisson"), "dy does not work with the loss 'poisson'", {}),
    "L-BFGS": (MLPRegressor(solver="lbfgs"), "dy does not work with L-BFGS", {}),
    "dropout": (MLPRegressor(dropout=0.5), "dy does not work with dropout", {}),
    "no dy": (MLPRegressor(), "dy_weight is for derivatives, but", dict(dy=None, dy_weight=1.0)),
    "shape": (MLPRegressor(), r"dy must have shape \(60, 1, 3\) or \(60, 3\)", dict(dy=DY)),
    "validation": (MLPRegressor(validation_data=(X, abs(SCORE))), TWO_PARTS, {}),
    "its shape": (MLPRegressor(validation_data=(X, abs(SCORE), None, X[:5])), FEW_ROWS, {}),
    "sparse": (MLPRegressor(), "X must be an array", dict(X=sparse.csr_matrix(X))),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_errors_of_fit_with_dy(case):
    estimator, message, arguments = REFUSED[case]
    y = SCORE > 0 if case == "classes" else abs(SCORE)
    with pytest.raises((TypeError, ValueError), match=message):
        clone(estimator).fit(**dict(X=X, y=y, dy=DY[:, 0]) | arguments)
