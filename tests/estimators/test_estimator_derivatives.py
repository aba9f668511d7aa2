"""Derivatives of the predictions of the MLP estimators: finite differences of the predictions."""

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits, assert_within
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone

from fastnn import MLPClassifier, MLPRegressor, losses

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
SCORE = X[:, 0] * X[:, 1] + X[:, 2]
SETTINGS = dict(
    hidden_layer_sizes=(7, 5),
    activation="tanh",
    solver="lbfgs",
    max_iter=30,
    alpha=1.0,
    random_state=0,
)
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


def input_differences(f, h=4e-4):
    """The derivatives of f at X, (n, ..., 3), by central differences of 4th order."""
    columns = []
    for unit in np.eye(3):
        ends = [f(X + step * h * unit) for step in (-2, -1, 1, 2)]
        columns.append(np.tensordot([1, -8, 8, -1], ends, axes=1) / (12 * h))
    return np.stack(columns, axis=-1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("case", CASES)
def test_derivatives_of_each_kind_of_prediction(case):
    estimator, y, shape = CASES[case]
    estimator = clone(estimator).fit(X, y)
    J = estimator.predict_derivatives(X)
    assert J.shape == (60, *shape) and J.dtype == np.float64
    predict = estimator.predict_proba if estimator.is_classifier else estimator.predict
    expected = input_differences(predict)
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
    with pytest.raises(TypeError, match=r"X must be an array.* Pass X.toarray\(\)"):
        MLPRegressor((4,), solver="lbfgs", max_iter=500).fit(X, SCORE).predict_derivatives(
            sparse.csr_matrix(X)
        )
