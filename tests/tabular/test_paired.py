"""Paired differences of scores: their standard errors, by formulas and by repetition."""

import numpy as np
import pytest

from fastnn.tabular import metrics
from fastnn.tabular.metrics import NUMBER_METRICS, PairedScores, ScoredRows

rng = np.random.default_rng(0)


def scorer(y, P):
    return lambda some: ScoredRows(None, y[some], P[some])


def paired(y, *predictions, metric="mae", groups=None):
    return PairedScores(NUMBER_METRICS[metric], [scorer(y, P) for P in predictions], len(y), groups)


def test_the_error_of_a_mean_is_that_of_the_formula():
    y, P = rng.normal(size=(2, 5000))
    found = paired(y, P)
    expected = np.abs(y - P).std(ddof=1) / np.sqrt(5000)
    assert found.scores[0] == pytest.approx(np.abs(y - P).mean())
    assert found.errors[0] == pytest.approx(expected, rel=0.3)


def test_the_error_of_a_difference_is_that_of_repetitions():
    gains, errors = [], []
    for seed in range(60):
        r = np.random.default_rng(seed)
        y = r.normal(size=400)
        A, B = y + r.normal(0, 1.0, 400), y + r.normal(0, 1.1, 400)
        difference = paired(y, A, B, metric="rmse").difference(0, 1)
        gains.append(difference.gain)
        errors.append(difference.error)
    assert np.mean(gains) == pytest.approx(0.1, abs=0.03)
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.35)


def test_equal_models_have_no_difference():
    y, P = rng.normal(size=(2, 100))
    difference = paired(y, P, P.copy()).difference(0, 1)
    assert (difference.gain, difference.error, difference.verdict) == (0.0, 0.0, 0)


def test_rows_of_a_group_are_left_out_together():
    groups = np.repeat(np.arange(30), 20)
    y = np.zeros(600)
    P = np.repeat(rng.normal(size=30), 20)  # all rows of a group have the same error
    alone, together = paired(y, P), paired(y, P, groups=groups)
    assert together.errors[0] > 2.5 * alone.errors[0]
    part = metrics.assign_parts(600, groups)
    assert all(len(np.unique(part[groups == g])) == 1 for g in range(30))


def test_the_direction_of_the_metric():
    y = np.array([0, 1] * 50)
    good, bad = np.eye(2)[y] * 0.8 + 0.1, np.full((100, 2), 0.5)
    for name in ("log_loss", "auc"):
        found = PairedScores(metrics.CLASS_METRICS[name], [scorer(y, good), scorer(y, bad)], 100)
        assert found.difference(0, 1).gain > 0 > found.difference(1, 0).gain
        assert found.order() == [0, 1] and found.difference(0, 1).verdict == 1


def test_a_score_that_is_undefined():
    rows = lambda some: ScoredRows(None, np.zeros(0), np.zeros(0))  # noqa: E731
    found = PairedScores(NUMBER_METRICS["mae"], [rows, scorer(np.zeros(20), np.ones(20))], 20)
    assert found.scores == [None, 1.0] and found.order() == [1, 0]
    assert found.difference(0, 1) is found.difference(1, 0) is None
    weightless = ScoredRows(None, np.zeros(2), np.ones(2), np.zeros(2))
    assert PairedScores(NUMBER_METRICS["mae"], [lambda some: weightless], 2).scores == [None]


def test_a_gain_is_computed_without_each_tenth_of_the_rows():
    sizes: list = []
    assert metrics.is_above_zero(lambda rows: sizes.append(rows.sum()) or 1.0, 100)
    assert sizes == [100] + [90] * 10
    assert not metrics.is_above_zero(lambda rows: 1.0 if rows[0] else np.nan, 100)


def test_few_rows():
    for n, n_parts in {3: 3, 1000: 50, 49_999: 50, 50_000: 20}.items():
        assert metrics.assign_parts(n).max() == n_parts - 1
    assert np.isnan(paired(np.zeros(1), np.zeros(1)).errors[0])
    assert paired(np.zeros(2), np.array([1.0, 3])).errors == [1]


def test_a_gain_is_certain_above_two_errors():
    found = {(1, np.nan): 0, (2, 1): 0, (2.1, 1): 1, (-2, 1): 0, (-2.1, 1): -1, (1e-12, 0): 0}
    for (gain, error), verdict in (found | {(1e-11, 0): 1}).items():
        assert metrics.Difference(gain, error).verdict == verdict
