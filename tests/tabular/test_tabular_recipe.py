"""The recipe of estimators for tables: smoothing, rates, initial parameters, choice."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import MLP
from fastnn.tabular.encoder import EncoderSettings
from fastnn.tabular.fitting import out_of_fold, recipe
from fastnn.tabular.targets import TableClasses, TableNumbers


def test_smoothed_probabilities_below_those_of_the_loss_are_limited():
    P = TableClasses(np.arange(2)).finish(np.array([[0.0, 1.0]]))
    assert_allclose(P, [[0.005 / (0.005 + 0.95 / 0.9), 1 - 0.005 / (0.005 + 0.95 / 0.9)]])


def test_temperature():
    rng = np.random.default_rng(0)
    P = rng.dirichlet([0.5, 0.5, 0.5], 3000)
    y = (rng.random((3000, 1)) > P.cumsum(axis=1)).sum(axis=1)
    cautious = np.sqrt(P) / np.sqrt(P).sum(axis=1, keepdims=True)
    targets = TableClasses(np.arange(3))
    targets.fit_temperature(cautious, y, None)
    assert targets.temperature == pytest.approx(0.5, rel=0.1)
    assert_allclose(targets.calibrate(cautious), P, atol=0.05)
    assert_array_equal(targets.calibrate(cautious).argmax(axis=1), cautious.argmax(axis=1))
    targets.fit_temperature(cautious[:4], cautious[:4].argmax(axis=1), None)
    grid = np.linspace(0.9, 1, 1001)  # few rows say little, although all are right
    P = cautious[:4, :, None] ** (1 / grid)
    loss = -np.log(P.max(axis=1) / P.sum(axis=1)).mean(axis=0) + np.log(grid) ** 2 / (8 * 0.04)
    assert targets.temperature == pytest.approx(grid[np.argmin(loss)], abs=2e-4)
    weight = (np.arange(3000) < 1500) * 5.0
    y = np.where(weight > 0, y, 0)
    targets.fit_temperature(cautious, y, weight)
    assert targets.temperature == pytest.approx(0.5, rel=0.15)


RECIPE = {  # for classes or not: bins, epochs, steps, dropout, decay, two snapshots, monitor
    True: [
        (0, 128, 500, (0, 0), 0, False, "error_rate"),
        (15, 128, 500, (0, 0.1), 0, False, "error_rate"),
        (15, 128, 500, (0.2, 0.2), 1, False, "loss"),
        (0, 64, 400, (0.5, 0.3), 2, False, "loss"),
    ],
    False: [
        (0, 256, 1000, (0, 0), 0, False, "loss"),
        (15, 256, 1000, (0, 0), 1, True, "loss"),
        (15, 256, 1000, (0, 0.1), 2, True, "loss"),
    ],
}
SIZES = [  # rows, classes, bins, epochs of the first and the last configuration, steps
    (100, 3, 8, (128, 64), 500), (100, 4, 8, (256, 128), 1000), (1600, 3, 16, (64, 64), 500),
    (3999, 2, 32, (64, 64), 500), (4000, 9, 32, (128, 128), 1000), (20_001, 2, 32, (32, 32), 500),
    (19_999, 2, 32, (64, 64), 500), (20_000, 4, 32, (128, 128), 1000),
    (799, 1, 8, (256, 256), 1000), (1600, 1, 16, (64, 64), 1000), (3999, 1, 39, (64, 64), 1000),
    (19_999, 1, 128, (64, 64), 1000), (20_000, 1, 128, (64, 64), 1000),
]  # fmt: skip


def test_the_recipe_for_small_and_large_tables():
    for is_classifier, expected in RECIPE.items():
        names = "epochs", "steps", "dropout", "decay", "snapshots", "monitor"
        found = recipe.configurations(is_classifier, 1599, 2)
        rows = [(c.encoding.n_bins, *(getattr(c, name) for name in names)) for c in found]
        assert rows == expected
    for m, n_classes, n_bins, epochs, steps in SIZES:
        found = recipe.configurations(n_classes > 1, m, n_classes)
        first, binned, third, last = *found[:3], found[-1]
        assert (first.epochs, last.epochs) == epochs and first.steps == binned.steps == steps
        assert last.steps == (steps if n_classes == 1 else 0.8 * steps)
        assert binned.encoding == third.encoding == EncoderSettings(n_bins, m >= 4000)
        assert [c.weighted for c in found[:3]] == [False, False, m < 20_000]
        assert n_classes == 1 or third.snapshots == (third.monitor == "error_rate") == (m >= 1600)


def test_wide_tables_train_for_few_steps_with_few_bins():
    sizes = (80, 250, True), (80, 249, False), (600, 600, True), (601, 600, False)
    for is_classifier, n_classes, steps in [(True, 3, 128), (True, 4, 256), (False, 1, 256)]:
        for m, n, is_wide in sizes:
            usual = recipe.configurations(is_classifier, m, n_classes)
            found = recipe.configurations(is_classifier, m, n_classes, n_numbers=n)
            assert len(found) == len(usual) and (found == usual) != is_wide
            if is_wide:
                assert {c.encoding.n_bins for c in found} == {0, 3}
                assert {(c.epochs, c.steps) for c in found} == {(32, steps)}


@pytest.mark.parametrize(("is_classifier", "highest"), [(True, 0.04), (False, 0.07)])
def test_rates_fall_to_zero_four_times_and_decay_has_its_share(is_classifier, highest):
    c = recipe.Configuration(EncoderSettings(), 1500, 0, decay=2.0)
    adam = recipe.optimizer(c, is_classifier, 64, 1024, 1500)
    rates = np.array(adam.lr.rates)
    lowest = np.flatnonzero((rates[1:-1] < rates[:-2]) & (rates[1:-1] < rates[2:])) + 1
    assert_allclose(lowest / 1500, [1 / 15, 3 / 15, 7 / 15], atol=1e-3)
    assert rates[-1] < 1e-5
    assert rates[0] == pytest.approx(highest / 8 * np.sin(np.pi * np.log2(1.005)) ** 2)
    assert adam.betas == (0.9, 0.99)
    assert adam.weight_decay * rates.sum() * c.batches(1024)[0] == pytest.approx(2.0)


BATCHES = [(1, (1, 1), (1, 1)), (300, (1, 300), (2, 150)), (1000, (4, 250), (4, 250))]


@pytest.mark.parametrize(("n", "usual", "lazy"), BATCHES)
def test_batches_have_about_256_rows_or_at_most(n, usual, lazy):
    for is_lazy, expected in (False, usual), (True, lazy):
        for c in recipe.configurations(False, n, 1, False, 0, True, is_lazy):
            assert c.batches(n) == expected
            parts = (replace(c, epochs=k, steps=3 * expected[0] + 1) for k in (3, 5))
            assert [recipe.n_epochs(part, n) for part in parts] == [4, 5]
            assert recipe.optimizer(c, False, 64, n, 2).lazy_categories == is_lazy


def test_initial_parameters():
    net = MLP([500, 400, 300, 2], rng=0)
    recipe.init(net, np.random.default_rng(0))
    assert_allclose([W.std() for W in net.weights][:2], [400**-0.5, 400**-0.5], rtol=0.02)
    assert_allclose([b.std() for b in net.biases[:2]], [1, 1], rtol=0.15)
    assert not net.weights[2].any() and not net.biases[2].any()


def test_greedy_choice():
    y = np.linspace(-1, 1, 50)
    targets = TableNumbers.fit("squared_error", y)
    bad, high, low, good = y + 3, y + 0.5, y - 0.5, y + 0.01
    assert_array_equal(out_of_fold.greedy([bad, good], y, None, targets), [0, 1])
    assert_array_equal(out_of_fold.greedy([bad, high, low], y, None, targets), [0, 0.5, 0.5])
    first = np.where(np.arange(50) < 25, y, 5)
    second = np.where(np.arange(50) < 25, 5, y)
    weight = (np.arange(50) >= 25).astype(float)
    assert_array_equal(out_of_fold.greedy([first, second], y, weight, targets), [0, 1])
