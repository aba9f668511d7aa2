"""Shapley values of functions that are given as formulas, and the designs of the samples."""

from itertools import permutations

import numpy as np
import pytest
from checks import assert_same_bits
from numpy.testing import assert_allclose

from fastnn.tabular.explaining import shapley
from fastnn.tabular.explaining.mixtures import Mixture
from fastnn.tabular.explaining.shapley import Shapley, Walks, balanced_number

rng = np.random.default_rng(0)


class Formula:
    """Mixed rows of plain arrays and a function of them, with the methods of MixedRows."""

    def __init__(self, f, n_columns, block=None):
        self.f, self.columns, self.block = f, list(range(n_columns)), block

    def encode(self, rows):
        return [rows]

    def first_features(self, rows):
        return rows.T

    def predict(self, tables):
        found = self.f(tables[0])
        return found[:, None] if found.ndim == 1 else found

    def predict_mixed(self, tables, others, n, mix):
        found = [self.predict([others[0][:0]])]
        for start in range(0, n, self.block or max(1, n)):
            mixture: Mixture = mix(np.arange(start, min(n, start + (self.block or n))))
            rows, other = tables[0][mixture.rows], others[0][mixture.others]
            found.append(self.predict([np.where(mixture.from_row, rows, other)]))
        return np.concatenate(found)


def explain(f, X, background, n_permutations=None, seed=0, **options):
    mixed = Formula(f, X.shape[1], **options)
    return Shapley(mixed, background, n_permutations, np.random.default_rng(seed)).explain(X)


def by_all_orders(f, X, background):
    """The mean over all orders of the columns and all background rows, row by row."""
    orders = list(permutations(range(X.shape[1])))
    out = np.zeros(X.shape)
    for i, x in enumerate(X):
        for other in background:
            for order in orders:
                z = other.copy()
                before = f(z[None])[0]
                for j in order:
                    z[j] = x[j]
                    after = f(z[None])[0]
                    out[i, j] += after - before
                    before = after
    return out / len(orders) / len(background)


def crooked(X):
    return np.sin(X[:, 0] * X[:, 1]) + np.abs(X[:, 2]) * X[:, 3] ** 2 + X[:, 1]


X4, BACKGROUND4 = rng.normal(size=(3, 4)), rng.normal(size=(6, 4))
X12, BACKGROUND12 = rng.normal(size=(5, 12)), rng.normal(size=(20, 12))


# ---- exact values ----


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_subsets_give_the_mean_over_all_orders(k):
    def f(X):
        return crooked(np.pad(X, ((0, 0), (0, 4 - k)), constant_values=0.5))

    X, background = X4[:, :k], BACKGROUND4[:, :k]
    found = explain(f, X, background)
    assert found.n_permutations is None and not found.errors.any()
    assert_allclose(found.values[..., 0], by_all_orders(f, X, background), atol=1e-14)


@pytest.mark.parametrize("n_permutations", [None, 4, 20, 40, 46])
def test_contributions_add_up_to_the_prediction(n_permutations):
    def f(X):
        return np.stack([crooked(X), np.exp(X[:, 5]) * X[:, 11]], 1)

    found = explain(f, X12, BACKGROUND12, n_permutations)
    assert_allclose(found.values.sum(axis=1) + found.base, f(X12), rtol=0, atol=1e-13)
    assert_allclose(found.base, f(BACKGROUND12).mean(axis=0), rtol=1e-14)


@pytest.mark.parametrize("n_permutations", [None, 20, 46])
def test_a_column_that_does_not_matter_contributes_nothing(n_permutations):
    found = explain(crooked, X12, BACKGROUND12, n_permutations)
    assert not found.values[:, 4:].any() and not found.errors[:, 4:].any()


@pytest.mark.parametrize("n_permutations", [None, 20, 40])
def test_a_linear_function_is_exact_if_all_background_rows_are_used(n_permutations):
    w = rng.normal(size=12)
    found = explain(lambda X: X @ w, X12, BACKGROUND12, n_permutations)
    assert_allclose(found.values[..., 0], w * (X12 - BACKGROUND12.mean(axis=0)), atol=1e-13)


# ---- samples ----


@pytest.mark.parametrize("n_permutations", [600, 604])  # with all background rows, and with a rest
def test_samples_are_within_their_errors(n_permutations):
    exact = explain(crooked, X4, BACKGROUND4).values
    z = []
    for seed in range(8):
        found = explain(crooked, X4, BACKGROUND4, n_permutations, seed)
        z.append((found.values - exact) / found.errors)
    z = np.array(z)
    assert np.abs(z).max() < 4.5
    assert 0.3 < np.sqrt((z**2).mean()) < 1.3


def test_the_second_of_two_walks_has_the_reverse_order():
    walks = Walks.draw(10, 7, np.zeros((4, 1)), np.random.default_rng(1))
    assert_same_bits(walks.orders[::2], walks.orders[1::2, ::-1])
    assert sorted(np.bincount(walks.others, minlength=4)) == [2, 2, 3, 3] and not walks.is_balanced
    assert Walks.draw(8, 7, np.zeros((4, 1)), np.random.default_rng(1)).is_balanced
    for n, is_fair in (8, True), (10, False):  # walks from one of two rows, and one from the other
        walks = Walks(np.zeros((n + 1, 2), int), np.arange(n + 1) // n, np.array([[0.0], [1.0]]))
        assert walks.weights()[1] == is_fair


def test_a_pair_is_exact_for_terms_of_two_columns():
    background = BACKGROUND12[:1]
    found = explain(lambda X: X[:, 0] * X[:, 1] + X[:, 2] * X[:, 5], X12, background, 4)
    exact = explain(lambda X: X[:, 0] * X[:, 1] + X[:, 2] * X[:, 5], X12[:, :6], background[:, :6])
    assert_allclose(found.values[:, :6], exact.values, atol=1e-14)


def test_more_walks_if_the_starts_of_so_few_are_alike():
    background = np.zeros((20, 12))
    background[-1] = 1  # the base needs it
    for seed in range(5):
        found = explain(lambda X: X.sum(axis=1), X12, background, 4, seed)
        assert found.n_permutations in (4, 20)
        assert_allclose(found.values.sum(axis=1) + found.base, X12.sum(axis=1)[:, None])
    assert found.n_permutations == 20


@pytest.mark.parametrize(("n", "n_background", "most"), [(128, 128, 128), (128, 100, 200),
                                                        (128, 127, 254), (10, 1, 10), (3, 2, 4)])  # fmt: skip
def test_balanced_numbers(n, n_background, most):
    assert balanced_number(n, n_background) == most


def test_by_default_all_background_rows_are_used_alike():
    assert explain(crooked, X12, BACKGROUND12).n_permutations == 140
    found = [explain(crooked, X12[:1, :k], BACKGROUND12[:3, :k]) for k in (8, 9)]
    assert [one.n_permutations for one in found] == [None, 132]


def test_a_large_background_is_sampled(monkeypatch):
    monkeypatch.setattr(shapley, "PERMUTATIONS", 8)
    assert explain(crooked, X12, BACKGROUND12).n_permutations == 8


def test_errors_by_hand():
    """The spread over pairs, and the differences of neighbours."""
    walks = [np.array([[[x]]]) for x in (1.0, 3.0, 2.0, 6.0)]
    values, errors = shapley.weighted_walk_mean(walks, np.full((4, 1), 0.25))
    assert (values, errors) == (3.0, np.std([2.0, 4.0], ddof=1) / np.sqrt(2))
    values, errors = shapley.balanced_walk_mean(walks, np.array([[0, 2, 1, 3]]))
    assert (values, errors) == (3.0, np.sqrt((1 + 1 + 9) / (2 * 3 * 4)))


# ---- the same bits ----


@pytest.mark.parametrize("n_permutations", [None, 20, 6])
@pytest.mark.parametrize("n_columns", [4, 12])
def test_a_row_alone_has_the_same_bits(n_permutations, n_columns, monkeypatch):
    X, background = X12[:, :n_columns], BACKGROUND12[:, :n_columns]

    def f(X):
        return np.stack([X[:, 0] * X[:, 3] + X[:, 1], X.prod(axis=1)], 1)

    together = explain(f, X, background, n_permutations)
    alone = [explain(f, X[i : i + 1], background, n_permutations, block=7) for i in range(5)]
    monkeypatch.setattr(shapley, "AT_ONCE", 1)
    by_row = explain(f, X, background, n_permutations)
    for name in ("values", "errors", "predictions"):
        parts = np.concatenate([getattr(part, name) for part in alone])
        assert_same_bits(parts, getattr(together, name))
        assert_same_bits(getattr(by_row, name), getattr(together, name))


def test_no_rows():
    for n in (None, 4):
        assert explain(crooked, X12[:0], BACKGROUND12, n).values.shape == (0, 12, 1)
