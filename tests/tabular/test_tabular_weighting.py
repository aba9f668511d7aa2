"""Weights of columns in estimators for tables."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils import check_random_state

from fastnn import TabularClassifier, TabularRegressor
from fastnn.tabular.encoder import Encoder, EncoderSettings, FitRows, Scaling
from fastnn.tabular.fitting import permutation, recipe, training_jobs
from fastnn.tabular.targets import TableClasses

N = 200
SOURCES = np.array([0, 2, 2, 1])  # two numbers and two categories; column 2 has one of each
rng = np.random.default_rng(0)
useful, other = rng.normal(size=(2, N))
other[:20] = np.nan
codes = np.stack([rng.integers(0, 3, N), rng.integers(0, 2, N)], axis=1).astype(np.int32)
y = (useful > 0).astype(int)


def make_setup(y):
    rows, options = FitRows([], np.empty((N, 0)), y, None), dict(encoded_y=y, n_threads=1)
    options |= dict(targets=TableClasses(np.arange(2)), hidden_sizes=[4])
    return training_jobs.JobSetup(rows=rows, **options)


@pytest.fixture
def encoders():
    numbers = [useful, other]
    scalings = [Scaling.fit(x, True) for x in numbers]
    settings = EncoderSettings(n_bins=8)
    return {settings: Encoder.fit(list(zip(scalings, numbers)), [3, 2], y, settings, 4)}


@pytest.fixture
def jobs(encoders):
    """Two folds, whose networks are drawn at random."""
    ((settings, encoder),) = encoders.items()
    configuration = recipe.Configuration(settings, 3, 0, snapshots=True)
    folds = [(np.r_[100:N], np.r_[:100]), (np.r_[:100], np.r_[100:N])]
    tables = {settings: encoder.encode([useful, other], codes)}
    arguments = [configuration], [tables] * 2, folds, make_setup(y), check_random_state(0)
    found = training_jobs.make_jobs(*arguments)
    for job in found:
        job.net.weights[-1][...] = np.random.default_rng(job.fold).normal(size=(4, 2))
        job.networks = [job.net]
    return found


def test_weights_are_square_roots_of_importances():
    weights = permutation.weights_from(np.array([[4.0, 1, 0, -1], [0, 0, -1, 0]]))
    expected = np.array([2, 1, 0.2 * 1.25**0.5, 0.2 * 1.25**0.5])
    assert_allclose(weights[0], expected / np.sqrt((expected**2).mean()))
    assert_array_equal(weights[1], 1)  # no column is important


def test_fewer_rows_of_many_columns_are_shuffled():
    found = {n: permutation.most_rows(n) for n in (0, 100, 101, 316, 317, 9000)}
    assert found == {0: 2000, 100: 2000, 101: 1960, 316: 200, 317: 200, 9000: 200}
    assert permutation.most_rows(250, permutation.MAX_WEIGHT_VALUES) == 1600


def test_inputs_are_multiplied_and_networks_read_the_table_without_weights(encoders, jobs):
    table = jobs[0].table
    dense = table.to_dense()
    permutation.set_weights(jobs, np.array([[0.5, 2, 3], [1, 1, 0.2]]), encoders, SOURCES)
    first, second = (job.weights.multiply(table) for job in jobs)
    assert_allclose(first.to_dense()[:, 0], 0.5 * dense[:, 0], rtol=1e-6)  # useful, column 0
    assert_allclose(first.to_dense()[:, 1:3], 3 * dense[:, 1:3], rtol=1e-6)  # other, column 2
    assert_allclose(first.to_dense()[:, -2:], 2 * dense[:, -2:], rtol=1e-6)  # column 1
    assert_allclose(second.to_dense()[:, -5:-2], 0.2 * dense[:, -5:-2], rtol=1e-6)  # column 2
    for job, weighted in zip(jobs, (first, second)):
        expected = job.net.forward(weighted)
        job.weights.move_into(job.net, table.layout)
        assert_allclose(job.net.forward(table), expected, atol=1e-6)


def test_training_moves_the_weights_into_all_networks(encoders, jobs, monkeypatch):
    permutation.set_weights(jobs, np.array([[0.5, 2, 3], [1, 1, 0.2]]), encoders, SOURCES)
    before = {}
    move_into = permutation.InputWeights.move_into

    def record(self, net, layout):
        before[net] = net.copy()
        move_into(self, net, layout)

    monkeypatch.setattr(permutation.InputWeights, "move_into", record)
    for job in jobs:
        job.networks = []
    training_jobs.train(jobs, make_setup(y))
    assert len(before) == 4 and all(len(job.networks) == 2 for job in jobs)
    for job in jobs:
        for net in job.networks:  # whichever job ended first
            expected = before[net].forward(job.weights.multiply(job.table))
            assert_allclose(net.forward(job.table), expected, atol=1e-6)


def compute_weights(jobs, encoders, y):
    (encoder,) = encoders.values()
    rng = np.random.default_rng(0)
    return permutation.column_weights(jobs, encoder, SOURCES, make_setup(y), rng)


def test_rows_that_a_fold_holds_out_do_not_choose_its_weights(encoders, jobs):
    weights = compute_weights(jobs, encoders, y)
    assert_allclose((weights**2).mean(axis=1), 1)
    others = y.copy()
    others[jobs[0].held_out] = 1 - others[jobs[0].held_out]
    changed = compute_weights(jobs, encoders, others)
    assert_array_equal(changed[0], weights[0])
    assert not np.allclose(changed[1], weights[1])


def test_a_column_that_predicts_the_target_has_the_largest_weight(encoders, jobs):
    for job in jobs:
        W, b = job.net.weights, job.net.biases
        W[0][...], b[0][...] = 0, 0
        W[0][0] = 5  # the first number
        W[1][...] = [[-5, 5]] * 4
    weights = compute_weights(jobs, encoders, y)
    assert_array_equal(weights.argmax(axis=1), 0)
    assert_allclose(weights[:, 1:] / weights[:, :1], 0.2 / 3**0.5)  # no importance at all


def test_weights_do_not_depend_on_the_number_of_columns_at_once(encoders, jobs, monkeypatch):
    weights = compute_weights(jobs, encoders, y)
    monkeypatch.setattr(permutation, "TABLE_ROWS", 1)
    assert_array_equal(compute_weights(jobs, encoders, y), weights)


def test_the_time_of_a_row_with_each_column_shuffled(encoders, jobs, monkeypatch):
    """The fastest of three trials of 50 rows, here with two of three columns."""
    monkeypatch.setattr(permutation, "TABLE_ROWS", 100)
    (encoder,), clock = encoders.values(), iter([0, 9, 0, 4, 0, 6]).__next__
    found = permutation.seconds_per_row(jobs[0], encoder, SOURCES, 1, clock)
    assert found == pytest.approx(4 / 50 * 3 / 2)


def test_one_configuration_with_several_folds_is_weighted(calls_of, quick_recipe):
    calls = calls_of(permutation, "column_weights")
    X = np.stack([useful, np.arange(N)], axis=1)
    for n_estimators in (1, 3):
        for cls in (TabularClassifier, TabularRegressor):
            cls(n_estimators, hidden_layer_sizes=3, n_threads=1).fit(X, y)
    assert [len(jobs) for jobs, *_ in calls] == [3, 3]
