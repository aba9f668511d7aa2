"""Decision threshold of `TabularClassifier`, and logarithms of targets of `TabularRegressor`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import TabularClassifier, TabularRegressor, losses
from fastnn.tabular.targets import TableClasses, TableNumbers

pytestmark = pytest.mark.usefixtures("quick_recipe")
SMALL = dict(n_estimators=3, hidden_layer_sizes=4, n_threads=1, random_state=0)
rng = np.random.default_rng(4)
N = 80
X = rng.normal(size=(N, 2))
classes = np.where(X[:, 0] + 0.5 * rng.normal(size=N) > 0.3, "yes", "no")
prices = np.exp(X[:, 0] + 0.3 * rng.normal(size=N))

# ---- threshold ----


def test_the_threshold_is_the_least_probability_of_the_second_class():
    clf = TabularClassifier(**SMALL).fit(X, classes)
    P = clf.predict_proba(X)[:, 1]
    for threshold in (P.min(), 0.2, np.float32(0.3), P[5], P.max()):
        clf.threshold = threshold
        assert_array_equal(clf.predict(X) == "yes", threshold <= P)
    clf.threshold = None
    assert_array_equal(clf.predict(X) == "yes", P > 0.5)


def test_scores_use_the_threshold():
    clf = TabularClassifier(**SMALL, threshold=0.3).fit(X, classes)
    right = (clf.oof_prediction_[:, 1] >= 0.3) == (classes == "yes")
    assert clf.oof_score_ == pytest.approx(right.mean())
    assert clf.score(X, classes) == np.mean(clf.predict(X) == classes)
    higher = TabularClassifier(**SMALL).fit(X, classes)
    assert higher.oof_score_ != clf.oof_score_
    assert_array_equal(higher.oof_prediction_, clf.oof_prediction_)


@pytest.mark.parametrize("threshold", [0, 1, -0.1, 50, np.nan])
def test_wrong_thresholds(threshold):
    with pytest.raises(ValueError, match="threshold"):
        TabularClassifier(**SMALL, threshold=threshold).fit(X, classes)
    clf = TabularClassifier(**SMALL).fit(X, classes).set_params(threshold=threshold)
    with pytest.raises(ValueError, match="threshold must be a finite number above 0 and below 1"):
        clf.predict(X)


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_a_threshold_needs_two_classes():
    three = np.arange(N) % 3
    message = r"threshold=0.4 needs two classes, but y has 3. Pass threshold=None, and decide by"
    with pytest.raises(ValueError, match=message):
        TabularClassifier(**SMALL, threshold=0.4).fit(X, three)
    clf = TabularClassifier(**SMALL).fit(X, three).set_params(threshold=0.4)
    with pytest.raises(ValueError, match=message):
        clf.predict(X)
    one = TabularClassifier(**SMALL, threshold=0.4).fit(X, np.full(N, "a"))
    assert (one.predict(X) == "a").all()


@pytest.mark.parametrize(("n", "smoothing"), [(2, 0.1), (3, 0.1), (4, 0.075), (30, 0.01)])
def test_probabilities_are_those_without_label_smoothing(n, smoothing):
    targets, y = TableClasses(np.arange(n), temperature=2.0), np.array([1, 0])
    P = np.full((2, n), 0.01 / n)
    P[[0, 1], y] = 1
    P /= P.sum(axis=1, keepdims=True)
    assert_allclose(targets.finish(np.eye(n)[y] * (1 - smoothing) + smoothing / n), P)
    assert_allclose(targets.calibrate(P), np.sqrt(P) / np.sqrt(P).sum(axis=1, keepdims=True))
    loss = 0.75 * np.log(2) - np.log(P[0, 1])
    assert targets.value(P * [[1], [0.5]], y, [1, 3]) == pytest.approx(loss)


def test_the_loss_of_predictions_is_that_of_scaled_targets():
    targets = TableNumbers(losses.Quantile((0.2, 0.9)), 1.0, 2.0, (0.0, 9.0))
    assert targets.value(np.array([[3.0, 1.0]]), np.array([2.0]), None) == pytest.approx(0.425)
    centers, scales = targets.centers(np.array([[5.0, 2.0], [4.0, 4.0]]))
    assert (centers.tolist(), scales.tolist()) == ([3.5, 4.0], [1.5, 0.002])
    counts = TableNumbers(losses.Poisson(), 0.0, 1.0, (0.0, 9.0))
    assert counts.value(np.zeros(2), np.zeros(2), None) == pytest.approx(1e-6)


# ---- logarithms ----


def test_a_network_predicts_the_exponential_of_the_mean_logarithm(quick_recipe):
    quick_recipe(60)
    group = np.arange(N) % 2
    y = np.where(group, np.tile([1, 1, 1, 1, 10, 10, 100, 100], 10), 5.0)
    reg = TabularRegressor(**SMALL, log_target=True).fit(group[:, None], y)
    geometric = np.exp(np.log(y[group == 1]).mean())
    difference = abs(np.log(reg.predict([[1]]) / geometric))
    assert difference < 0.15 < np.log(y[group == 1].mean() / geometric)
    assert_allclose(reg.predict([[0]]), 5, rtol=0.1)


@pytest.mark.parametrize("loss", ["squared_error", "mae", "huber", "log_cosh", "quantile"])
def test_everything_is_in_the_units_of_y(loss):
    reg = TabularRegressor(**SMALL, loss=loss, log_target=True).fit(X, prices)
    plain = TabularRegressor(**SMALL, loss=loss).fit(X, np.log(prices))
    mean, std = reg.predict(X, return_std=True)
    P = np.exp(plain.model_.predict_folds(next(plain._read_batches(X)), 1))
    assert_allclose(mean, P.mean(axis=0), rtol=0.02)  # means over configurations differ a little
    assert_allclose(std, P.std(axis=0), rtol=0.5, atol=0.02)
    assert_allclose(reg.oof_prediction_, np.exp(plain.oof_prediction_), rtol=0.02)
    P = reg.oof_prediction_
    residual, variance = np.sum((prices - P) ** 2), np.sum((prices - prices.mean()) ** 2)
    assert reg.oof_score_ == pytest.approx(1 - residual / variance)
    for bound, other in zip(reg.predict_interval(X, 0.8), plain.predict_interval(X, 0.8)):
        assert_allclose(bound, np.exp(other), rtol=0.05)
    assert_allclose(reg.feature_importances_, plain.feature_importances_, atol=0.02)


def test_quantiles_of_logarithms():
    reg = TabularRegressor(**SMALL, loss=losses.Quantile((0.9, 0.1)), log_target=True)
    high, low = reg.fit(X, prices).predict(X).T
    assert (prices.min() <= low).all() and (low <= high).all() and (high <= prices.max()).all()


def test_predictions_stay_between_the_least_and_the_largest_target():
    for log in (True, False):
        targets = TableNumbers.fit("mse", prices, log)
        P = targets.finish(np.array([[-1e30], [-9], [0], [9], [1e30]], "f4"))
        assert P[0] == P[1] == prices.min() and P[3] == P[4] == prices.max()
        assert P[0] < P[2] < P[3]
    y = np.where(X[:, 0] > 0, 1e-300, 1e140)
    P = TabularRegressor(**SMALL, log_target=True).fit(X, y).predict(1e9 * X)
    assert (P >= 1e-300).all() and (P <= 1e140).all()


FAR = [
    ("mse", [-2.0, 3], False, (-1e37, 1e37)), ("mse", [-2e40, 3], False, (-2e43, 2e43)),
    ("mse", [2.0, 3], True, (1e-37, 1e37)), ("poisson", [0, 3e40], False, (1 / 3e43, 3e43)),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "y", "log", "bounds"), FAR)
def test_bounds_without_a_limit_are_far_from_all_targets(loss, y, log, bounds):
    targets = TableNumbers.fit(loss, np.array(y), log)
    targets.lift_bounds()
    assert targets.bounds == pytest.approx(bounds, rel=1e-9, abs=0)


@pytest.mark.parametrize("wrong", [0, -2])
def test_logarithms_need_targets_above_zero(wrong):
    y = prices.copy()
    y[7] = wrong
    message = rf"log_target=True needs targets above 0, got {wrong} in row 7. Pass log_target=False"
    for weight in (None, np.arange(N) != 7):
        with pytest.raises(ValueError, match=message):
            TabularRegressor(**SMALL, log_target=True).fit(X, y, weight)
    assert np.isfinite(TabularRegressor(**SMALL).fit(X, y).predict(X)).all()


COUNTS = "be combined with loss='poisson', which learns the log"
WRONG_LOGARITHMS = [
    (dict(loss="poisson", log_target=True), COUNTS),
    (dict(log_target="yes"), "log_target"),
]


@pytest.mark.parametrize(("options", "message"), WRONG_LOGARITHMS)
def test_wrong_logarithms(options, message):
    with pytest.raises(ValueError, match=message):
        TabularRegressor(**SMALL, **options).fit(X, prices)


def test_trees_predict_the_logarithm_too():
    assert_array_equal(TableNumbers.fit("mse", prices, True).for_trees(prices), np.log(prices))
    assert_array_equal(TableNumbers.fit("mse", prices).for_trees(prices), prices)
