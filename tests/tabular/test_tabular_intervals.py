"""Prediction intervals of `TabularRegressor`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import TabularRegressor, losses
from fastnn.tabular import predictions

pytestmark = pytest.mark.usefixtures("quick_recipe")
SMALL = dict(hidden_layer_sizes=6, n_threads=1, random_state=0)


def noisy(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 2))
    return X, 3 * X[:, 0] + rng.normal(0, 0.5, n)


@pytest.mark.parametrize("n_estimators", [1, 2, 5])
@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_coverage(n_estimators, coverage, quick_recipe):
    quick_recipe(30)
    X, y = noisy(400, seed=1)
    rows, targets = noisy(2000, seed=2)
    reg = TabularRegressor(n_estimators, **SMALL).fit(X, y)
    lower, upper = reg.predict_interval(rows, coverage)
    assert lower.shape == upper.shape == (2000,) and (lower < upper).all()
    assert abs(np.mean((lower <= targets) & (targets <= upper)) - coverage) < 0.08
    if coverage == 0.9:  # the noise alone is 3.29 standard deviations wide
        assert np.mean(upper - lower) < 2 * 3.29 * 0.5


def test_the_formula():
    """Bounds are quantiles of f_k(i)(x) -+ e_i, with the fold k(i) and the error e_i of row i."""
    X, y = noisy(30, seed=3)
    reg = TabularRegressor(3, **SMALL).fit(X, y)
    f = reg.model_.predict_folds(next(reg._read_batches(X[:5])), 1)
    e, fold = np.abs(y - reg.oof_prediction_), reg._fold_of_row
    lower, upper = reg.predict_interval(X[:5], coverage=0.8)
    rank = int(np.ceil(0.8 * 31))
    for i in range(5):
        assert_allclose(upper[i], np.sort(f[fold, i] + e)[rank - 1])
        assert_allclose(lower[i], np.sort(f[fold, i] - e)[30 - rank])


def test_counts_are_not_negative():
    X, _ = noisy(60, seed=4)
    y = np.random.default_rng(0).poisson(np.exp(X[:, 0]))
    lower, upper = TabularRegressor(2, loss="poisson", **SMALL).fit(X, y).predict_interval(X)
    assert lower.min() == 0 and (upper > 0).all()


OUT_OF_BOUNDS = "coverage must be a finite number above 0 and below 1"


@pytest.mark.parametrize(
    ("n_estimators", "options", "coverage", "message"),
    [
        *[(2, {}, coverage, OUT_OF_BOUNDS) for coverage in (0, 1, -0.5, 1.5, "0.9", None)],
        (2, {}, 0.99, "at least 99 training rows, got 20. Lower cover"),
        (1, {}, 0.99, "at least 99 training rows, got 4. Lower cover"),
        (2, dict(loss=losses.Quantile((0.1, 0.9))), 0.9,
         "several quantiles. Take two of them as the interval"),
    ],
)  # fmt: skip
def test_wrong_intervals(n_estimators, options, coverage, message):
    reg = TabularRegressor(n_estimators, **options, **SMALL).fit(*noisy(20, seed=5))
    with pytest.raises(ValueError, match=message):
        reg.predict_interval([[0.0, 0.0]], coverage)


def test_the_same_function_as_for_other_estimators(monkeypatch):
    monkeypatch.setattr(predictions, "cv_plus", lambda *a: (np.zeros((1, 1)), np.ones((1, 1))))
    reg = TabularRegressor(2, **SMALL).fit(*noisy(20, seed=5))
    assert_array_equal(reg.predict_interval([[0.0, 0.0]]), [[0], [1]])
