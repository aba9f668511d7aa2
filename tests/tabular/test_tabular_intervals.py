"""Prediction intervals of `TabularRegressor`."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import DivergenceError, TabularRegressor, losses
from fastnn.estimators import spread
from fastnn.tabular import intervals
from fastnn.tabular.columns import frames
from fastnn.tabular.fitting import spread_training

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


def uneven(n, seed):
    """Rows whose errors are ten times as large on the right as on the left."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 2))
    return X, 3 * X[:, 0] + rng.normal(0, 1, n) * np.where(X[:, 1] > 0, 2.0, 0.2)


@pytest.mark.parametrize("n_estimators", [1, 5])
def test_intervals_are_as_wide_as_a_row_needs(n_estimators, quick_recipe):
    quick_recipe(60)
    X, y = uneven(1500, seed=1)
    rows, targets = uneven(2000, seed=2)
    reg = TabularRegressor(n_estimators, n_threads=1, random_state=0).fit(X, y)
    assert reg.facts().hidden_sizes == (64, 64)
    lower, upper = reg.predict_interval(rows)
    is_inside, is_right = (lower <= targets) & (targets <= upper), rows[:, 1] > 0
    assert abs(is_inside.mean() - 0.9) < 0.05
    for part in (is_right, ~is_right):
        assert 0.84 < is_inside[part].mean() < 0.99
    widths = [np.median((upper - lower)[part]) for part in (is_right, ~is_right)]
    assert widths[0] > 3 * widths[1]


def test_the_formula_with_a_spread():
    """Bounds are f(x) -+ q s(x) c(f(x)): means over the folds, and q a quantile of the r_i.

    r_i is e_i / (s_k(i)(x_i) c(f_k(i)(x_i))), and c between the knots is linear.
    """
    X, y = uneven(300, seed=3)
    reg = TabularRegressor(3, **SMALL).fit(X, y)
    model, fold = reg.model_, reg._fold_of_row
    numbers, codes = model.features.transform(next(reg._read_batches(X)))
    table = model.spread.encoder.encode(numbers, codes)
    s = np.stack([model.spread.scale(table, k, 1) for k in range(3)])
    assert len(set(model.spread.factors)) == len(model.spread.knots) == 4
    spread = model.spread.knots, model.spread.factors
    c = [np.interp(f, *spread) for f in (reg.oof_prediction_, reg.predict(X))]
    r = np.abs(y - reg.oof_prediction_) / s[fold, np.arange(300)] / c[0]
    width = np.sort(r)[int(np.ceil(0.8 * 301)) - 1] * s.mean(axis=0) * c[1]
    lower, upper = reg.predict_interval(X, coverage=0.8)
    assert_allclose(lower, reg.predict(X) - width)
    assert_allclose(upper, reg.predict(X) + width)


def test_widths_differ_only_if_the_interval_score_gains():
    rng = np.random.default_rng(0)
    size = np.repeat([0.2, 2.0], 500)
    errors = np.abs(rng.normal(size=1000)) * size
    assert spread._choose_least(size, errors) < 0.1
    assert spread._choose_least(rng.permutation(size), errors) == 3


def test_factors_correct_what_is_expected_of_each_quarter_by_prediction():
    """They are ratios of quantiles, as if 20 more rows of each quarter had the ratio 1."""
    predictions, scaled = np.arange(400.0), np.ones(400)
    scaled[:100], scaled[300:] = 0.5, 3.0  # and the quantile of all rows is 3
    order = np.random.default_rng(0).permutation(400)
    knots, factors = spread._fit_factors(scaled[order], predictions[order])
    assert knots == (50, 150, 250, 350)
    assert_allclose(factors, (100 * np.array([0.5, 1, 1, 3]) / 3 + 20) / 120)
    few = spread._fit_factors(scaled[::50], predictions[::50])[1]
    assert 0.87 < few[0] < few[3] <= 1  # two rows each
    assert spread._fit_factors(scaled, np.zeros(400))[0] == (0,)
    assert set(spread._fit_factors(np.repeat([0, 1.0], [390, 10]), predictions)[1]) == {1}


def test_a_spread_does_not_know_the_errors_of_its_fold():
    """Errors of the rows of a fold change the networks of all other folds, not its own."""
    X, y = uneven(300, seed=3)
    rng, setups = np.random.default_rng(0), []
    fold = TabularRegressor(3, **SMALL).fit(X, y)._fold_of_row
    fit_spread = spread_training.fit_spread_of_table

    def fit_twice(rows, errors, *others):
        first, _ = fit_spread(rows, errors, *others)
        moved = [rng.permutation(errors[0]), *errors[1:]]
        setups.append((first, fit_spread(rows, moved, *others)[0]))
        return first, errors

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spread_training, "fit_spread_of_table", fit_twice)
        TabularRegressor(3, **SMALL).fit(X, y)
    first, second = setups[0]
    same = [np.array_equal(a.params, b.params) for a, b in zip(first.networks, second.networks)]
    assert same == [True, False, False] and (fold == 0).any()


def test_files_threads_and_resume_keep_the_bits(quick_recipe, reload, interrupt_after_a_fold):
    X, y = uneven(300, seed=3)
    reg = TabularRegressor(3, **SMALL).fit(X, y)
    expected = reg.predict_interval(X)
    assert reg.model_.spread is not None
    assert_array_equal(reload(reg).predict_interval(X), expected)
    alone = [reg.predict_interval(X[i : i + 1]) for i in range(9)]
    assert_array_equal(np.concatenate(alone, 1), np.stack(expected)[:, :9])
    other = TabularRegressor(3, **SMALL | dict(n_threads=2))
    with interrupt_after_a_fold():
        other.fit(X, y)
    assert other.model_.spread is None  # its intervals have one width
    other = reload(other).fit(X, y, resume=True)
    assert_array_equal(other.predict_interval(X), expected)
    with pytest.raises(
        ValueError, match="the file of this model is of an older version, which has none"
    ):
        intervals.check_intervals(replace(reg.model_, errors=None))
    older = {k: x for k, x in reg.model_.spread.to_json().items() if k not in ("knots", "factors")}
    assert set(replace(reg.model_.spread, **spread.read_spread_numbers(older)).factor(y)) == {1}


def test_predictions_do_not_depend_on_the_spread(monkeypatch):
    X, y = uneven(300, seed=3)
    reg = TabularRegressor(3, **SMALL).fit(X, y)
    monkeypatch.setattr(spread, "MIN_ERRORS", 1000)
    plain = TabularRegressor(3, **SMALL).fit(X, y)
    assert plain.model_.spread is None
    assert_array_equal(plain.predict(X), reg.predict(X))
    assert_array_equal(plain.feature_importances_, reg.feature_importances_)


def test_no_expected_error_is_above_the_largest():
    X, y = uneven(300, seed=3)
    model = TabularRegressor(3, **SMALL).fit(X, y).model_
    for net in model.spread.networks:
        net.biases[-1] += 50  # outputs are exponentials
    scales = model.predict_scales(*model.features.transform(frames.read(X)), 1)
    assert_allclose(scales, model.spread.unit * (model.spread.least + model.spread.largest))


@pytest.mark.parametrize("raises", [False, True])
def test_a_spread_that_diverges_leaves_one_width(raises, monkeypatch):
    def diverge(jobs, *_, **__):
        if raises:
            raise DivergenceError("the loss is not finite", 1, 1)
        for job in jobs:
            job.net.params[0] = np.nan
            job.networks = [job.net]

    monkeypatch.setattr(spread_training, "train", diverge)
    X, y = uneven(300, seed=3)
    message = "^the networks that expect errors diverged, so all intervals have one width$"
    with pytest.warns(UserWarning, match=message):
        reg = TabularRegressor(3, **SMALL).fit(X, y)
    assert reg.model_.spread is None


@pytest.mark.parametrize("q", [(0.1, 0.9), (0.75, 0.5, 0.25)])
def test_outer_quantiles_become_intervals(q, quick_recipe, reload):
    quick_recipe(60)
    X, y = uneven(1500, seed=1)
    rows, targets = uneven(2000, seed=2)
    reg = TabularRegressor(5, loss=losses.Quantile(q), n_threads=1, random_state=0).fit(X, y)
    for coverage in (0.3, 0.9):
        lower, upper = reg.predict_interval(rows, coverage)
        assert (lower < upper).all()
        assert abs(np.mean((lower <= targets) & (targets <= upper)) - coverage) < 0.03
        assert_array_equal(reload(reg).predict_interval(rows, coverage), (lower, upper))
    widths = [np.median((upper - lower)[part]) for part in (rows[:, 1] > 0, rows[:, 1] <= 0)]
    assert widths[0] > 4 * widths[1]


@pytest.mark.parametrize("options", [{}, dict(loss=losses.Quantile((0.1, 0.9)))])
def test_errors_of_early_folds_count_little(options, quick_recipe, reload):
    """Each of five folds scores a sixth of the rows. The first has seen a sixth of them."""
    quick_recipe(60)
    X, y = noisy(600, seed=1)
    y[:200] += np.random.default_rng(0).normal(0, 20, 200)  # the first fold scores half of these
    reg = TabularRegressor(5, n_threads=1, random_state=0, **options).fit(X, y, time=np.arange(600))
    assert [len(errors) for errors in reg.model_.errors] == [100] * 5
    lower, upper = reg.predict_interval(X)
    assert np.median(upper - lower) < 8  # the noise alone is 1.64 wide
    assert_array_equal(reload(reg).predict_interval(X), (lower, upper))
    errors = np.concatenate([np.repeat(e, k + 1) for k, e in enumerate(reg.model_.errors)])
    width = np.sort(errors)[int(np.ceil(1500 * 451 / 500)) - 1]
    if not options:
        scales = reg.model_.predict_scales(*reg.features_.transform(frames.read(X)), 1)
        assert_allclose(upper - lower, 2 * width * scales)  # without factors
    assert 0.8 < reg.held_out_coverage([0.9])[0] <= 1


@pytest.mark.parametrize("y", [0.1, 3.0, 1.7e9, 1e-120, 3e140])
def test_intervals_of_a_constant_hold_it(y):
    X, _ = noisy(60, seed=4)
    for coverage in (0.5, 0.9):
        reg = TabularRegressor(2, log_target=True, **SMALL).fit(X, np.full(60, y))
        lower, upper = reg.predict_interval(X, coverage)
        assert (lower <= y).all() and (y <= upper).all()
        assert_allclose(upper, lower, rtol=1e-12)


def test_counts_are_not_negative():
    X, _ = noisy(60, seed=4)
    y = np.random.default_rng(0).poisson(np.exp(X[:, 0]))
    lower, upper = TabularRegressor(2, loss="poisson", **SMALL).fit(X, y).predict_interval(X)
    assert lower.min() == 0 and (upper > 0).all()


OUT_OF_BOUNDS = "coverage must be a finite number above 0 and below 1"


WRONG_INTERVALS = [
    *[(2, {}, coverage, OUT_OF_BOUNDS) for coverage in (0, 1, -0.5, 1.5, "0.9", None)],
    (2, {}, 0.99, "at least 99 held-out rows, got 20. Lower cover"),
    (1, {}, 0.99, "at least 99 held-out rows, got 4. Lower cover"),
]  # fmt: skip


@pytest.mark.parametrize(("n_estimators", "options", "coverage", "message"), WRONG_INTERVALS)
def test_wrong_intervals(n_estimators, options, coverage, message):
    reg = TabularRegressor(n_estimators, **options, **SMALL).fit(*noisy(20, seed=5))
    with pytest.raises(ValueError, match=message):
        reg.predict_interval([[0.0, 0.0]], coverage)
