"""MLPRegressor: targets, losses, predictions."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal, assert_array_less
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_pinball_loss, r2_score
from sklearn.preprocessing import scale

import fastnn
from fastnn import MLPRegressor, losses

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = (scale(a) for a in load_diabetes(return_X_y=True))
WAVE = np.linspace(-1, 1, 400)[:, None]


def quick(**settings):
    defaults = dict(max_iter=100, learning_rate_init=0.01, random_state=0)
    return MLPRegressor(**{"hidden_layer_sizes": (16,)} | defaults | settings)


def test_one_target_and_many():
    one, many = quick().fit(X, y), quick().fit(X, np.column_stack([y, -y, y**2]))
    assert one.predict(X).shape == (442,) and many.predict(X).shape == (442, 3)
    assert one.score(X, y) > 0.5 and many.score(X, np.column_stack([y, -y, y**2])) > 0.4
    message = "y has 2 targets, but this MLPRegressor was fitted with 3"
    with pytest.raises(ValueError, match=message):
        many.partial_fit(X, np.column_stack([y, y]))


TEXTS = {"texts": ["no"] * 442, "mixed": np.array([1.0, "no"] * 221, object)}


def test_a_target_that_no_float_can_hold_is_refused():
    net = quick().partial_fit(X, y).partial_fit(X[:1], y[:1])
    before = net.network_.params.copy()
    with pytest.raises(ValueError, match="y holds an integer that is too large for a float64"):
        net.partial_fit(X[:1], [10**400])
    assert_array_equal(net.network_.params, before)


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_texts_are_no_targets(texts):
    for train in (quick().fit, quick().partial_fit, quick().partial_fit(X, y).partial_fit):
        with pytest.raises(ValueError, match="y must hold numbers, got 'no' in row "):
            train(X, texts)


def test_a_class_is_no_array():
    net = quick(max_iter=1).fit(X, y)
    for call in (net.fit, net.predict, net.score):
        with pytest.raises(TypeError, match="X must hold numbers, got <class"):
            call(np.ndarray, *[y] * (call != net.predict))
    with pytest.raises(TypeError, match=r"y is the class ndarray\. Pass an object of it"):
        net.score(X, np.ndarray)
    with pytest.raises(TypeError, match="y must hold numbers, got 'no' in row 0"):
        net.score(X, ["no"] * len(X))


def test_score_of_validation_rows_is_r2():
    w = np.random.default_rng(0).uniform(size=442)
    Y = np.column_stack([y, y**3])
    net = quick(validation_data=(X, Y, w), max_iter=5).fit(X, Y)
    assert net.validation_scores_[-1] == pytest.approx(r2_score(Y, net.predict(X), sample_weight=w))
    assert np.isnan(net.targets_.score(Y, np.where(Y == Y[3], np.inf, Y), w))
    assert net.targets_.score(Y, Y, w) == 1


@pytest.mark.parametrize(
    ("loss", "q"),
    [("mae", 0.5), ("quantile", 0.5), (losses.Quantile(0.9), 0.9), (losses.Quantile(0.1), 0.1)],
)
def test_losses_that_estimate_quantiles(loss, q):
    noise = np.random.default_rng(0).exponential(size=400)
    net = quick(loss=loss, max_iter=400).fit(WAVE, noise)
    assert np.mean(noise < net.predict(WAVE)) == pytest.approx(q, abs=0.06)


def test_many_quantiles_of_one_target_and_of_two():
    noise = np.random.default_rng(0).normal(size=400)
    net = quick(loss=losses.Quantile((0.1, 0.5, 0.9)), max_iter=300).fit(WAVE, noise)
    assert_allclose((noise[:, None] < net.predict(WAVE)).mean(axis=0), [0.1, 0.5, 0.9], atol=0.06)
    message = r"predicts 3 quantiles. Score each quantile with sklearn.metrics.mean_pinball_loss"
    with pytest.raises(ValueError, match=message):
        net.score(WAVE, noise)
    two = quick(loss=losses.Quantile((0.1, 0.9)), max_iter=3).fit(WAVE, np.c_[noise, noise])
    assert two.predict(WAVE).shape == (400, 4)


def test_validation_of_quantiles_uses_their_loss():
    Y, w = np.column_stack([y, y**2]), np.random.default_rng(0).uniform(size=442)
    net = quick(loss=losses.Quantile((0.2, 0.7)), validation_data=(X, Y, w), max_iter=4).fit(X, Y)
    assert_allclose(net.validation_scores_, np.negative(net.validation_loss_curve_))
    by_hand = [
        mean_pinball_loss(Y[:, i], p, alpha=q, sample_weight=w)
        for (i, q), p in zip(product(range(2), (0.2, 0.7)), net.predict(X).T)
    ]
    assert net.validation_scores_[-1] == pytest.approx(-np.mean(by_hand))


def test_gaussian_nll_learns_standard_deviations():
    spread = 0.1 + WAVE[:, 0] ** 2
    noisy = np.sin(3 * WAVE[:, 0]) + spread * np.random.default_rng(0).normal(size=400)
    net = quick(loss="gaussian_nll", max_iter=800, activation="tanh").fit(WAVE, noisy)
    mean, std = net.predict(WAVE, return_noise=True)
    assert mean.shape == std.shape == (400,) and np.corrcoef(std, spread)[0, 1] > 0.8
    assert_array_equal(mean, net.predict(WAVE))
    with pytest.raises(ValueError, match="needs an estimator fitted with loss='gaussian_nll'"):
        quick(max_iter=2).fit(X, y).predict(X, return_noise=True)
    with pytest.raises(ValueError, match=r"Set n_estimators to at least 2.*pass return_noise=True"):
        net.predict(WAVE, return_std=True)


def test_other_losses_and_a_custom_loss():
    for loss in ("mse", "huber", losses.Huber(0.3)):
        assert quick(loss=loss).fit(X, y).score(X, y) > 0.5
    counts = np.random.default_rng(0).poisson(np.exp(y))
    assert_array_less(0, quick(loss="poisson").fit(X, counts).predict(X))

    def squared(outputs, targets):
        difference = outputs - targets
        return (difference**2).mean(), 2 * difference / difference.size

    a, b = quick(loss=squared, alpha=0.3).fit(X, y), quick(loss="mse", alpha=0.3).fit(X, y)
    assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-9)
    for loss, message in (
        ("bce", "loss 'bce' needs output='sigmoid'"),
        ("absolute", r"loss must be one of squared_error, poisson, bce, .*, got 'absolute'"),
    ):
        with pytest.raises(ValueError, match=message):
            quick(loss=loss).fit(X, y)


def test_a_loss_that_is_changed_after_fit_does_not_change_predictions():
    net = quick(max_iter=5).fit(X, y)
    before = net.predict(X)
    for loss, message in [
        ("gaussian_nll", "needs 2 outputs .identity., but the fitted network has 1"),
        ("poisson", "1 outputs .exponential."),
    ]:
        net.set_params(loss=loss)
        assert_array_equal(net.predict(X), before)
        with pytest.raises(ValueError, match=message):
            net.partial_fit(X, np.abs(y))
    net.set_params(loss="mae").partial_fit(X, y)


SOLVERS = ["sgd", "adam", "lbfgs", fastnn.RMSprop(lr=0.01), fastnn.LBFGS()]


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_learns(solver):
    net = quick(solver=solver).fit(X, y)
    assert net.score(X, y) > 0.5 and len(net.loss_curve_) == net.n_iter_


def test_alpha_counts_in_the_loss_of_every_solver():
    for solver in ("sgd", "lbfgs"):
        options = dict(alpha=100.0, max_iter=300, batch_size=442, learning_rate_init=0.05)
        net = quick(solver=solver, **options).fit(X, y)
        penalty = 100 / 2 * sum((W**2).sum() for W in net.coefs_) / 442
        data = 0.5 * np.mean((net.predict(X) - y) ** 2)
        assert net.loss_ == pytest.approx(data + penalty, rel=1e-3) and penalty > 0.01 * data


def test_max_fun_and_tol_end_lbfgs():
    assert quick(solver="lbfgs", tol=1e9).fit(X, y).n_iter_ == 0
    few = quick(solver="lbfgs", max_fun=5, tol=0.0).fit(X, y)
    assert few.n_iter_ <= 5 < quick(solver="lbfgs", tol=0.0).fit(X, y).n_iter_
