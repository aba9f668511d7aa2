"""Averages of the networks of parts: means in float64, in the order of a binary tree, and second moments as of
averaged gradients."""

import numpy as np
import pytest

from fastnn import SGD, Adam, AdamW, NAdam
from fastnn.distributed import sums as distributed_sums
from fastnn.distributed.sums import add_in_tree, summand, write_means

N_PARTS, SIZE = 4, 1000


def mean_of(parts, optimizer=SGD(momentum=0.9), before=None, n_steps=1):  # noqa: B008
    """Mean parameters and moments of parts (params, moments, weight), and the numbers of their sum."""
    params, moments = np.empty_like(parts[0][0]), np.empty_like(parts[0][1])
    total = add_in_tree([summand(optimizer, *part, loss=1.0) for part in parts])
    before = np.zeros_like(moments) if before is None else before
    return params, moments, write_means(optimizer, total, params, moments, before, n_steps)


@pytest.mark.parametrize("n", range(1, 10))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_mean_is_that_of_numpy(n, dtype):
    rng = np.random.default_rng(n)
    params, moments = rng.normal(size=(n, 5)).astype(dtype), rng.normal(size=(n, 1, 5))
    weights = rng.uniform(size=n)
    found = mean_of(list(zip(params, moments.astype(dtype), weights)))
    assert found[0].dtype == found[1].dtype == dtype and found[2].loss == n
    for mean, vectors in zip(found, (params, moments)):
        expected = np.average(vectors, axis=0, weights=weights)
        np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 5, 6, 7, 8, 13])
def test_adding_neighbours_again_and_again_gives_the_same_bits(n):
    rng = np.random.default_rng(0)
    sums = whole = [rng.normal(size=50) * 10.0**i for i in range(n)]
    while len(sums) > 1:
        pairs = [a + b for a, b in zip(sums[::2], sums[1::2])]
        sums = pairs + sums[len(pairs) * 2 :]
    assert (sums[0] == add_in_tree(whole)).all()
    assert (sums[0] == add_in_tree([add_in_tree(whole[i : i + 4]) for i in range(0, n, 4)])).all()


def test_a_part_without_weight_does_not_count():
    params, none = np.array([np.pi], "float32"), np.zeros((1, 0), "float32")
    mean, _, numbers = mean_of([(params, none, 3), (params * 5, none, 0)])
    assert mean == params and numbers.has_rows == 1


def test_a_product_that_overflows_is_infinite():
    mean, *_ = mean_of([(np.array([1e308]), np.zeros((1, 0)), 100.0)])
    assert np.isinf(mean)


@pytest.mark.parametrize("fails", [False, True])
def test_without_any_weight_or_with_a_failed_part_nothing_is_written(fails):
    params, moments, optimizer = np.array([7.0]), np.array([[8.0]]), SGD(momentum=0.9)
    total = summand(optimizer, params + 1, moments + 1, float(fails), 0.0)
    assert len(total) == distributed_sums.summand_length(1, moments)
    if fails:
        total += distributed_sums.failed_summand(len(total), 0.0)
    numbers = write_means(optimizer, total, params, moments, moments, 1)
    assert (params, moments, numbers.has_failed) == (7, 8, fails)


# ---- second moments ----


def moments_after(optimizer, before, gradients):
    """The moments after steps with these gradients (n_steps, size)."""
    (b1, b2), (m, v) = optimizer.betas, before[:2].copy()
    for g in gradients:
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
    return np.array([m, v])


def averaged(optimizer, before, gradients):
    """The mean moments of parts with their own gradients (n_parts, n_steps, size), changed."""
    parts = [(np.zeros(0), moments_after(optimizer, before, g), 7.0) for g in gradients]
    return mean_of(parts, optimizer, before, gradients.shape[1])[1]


def noisy(n_steps, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=SIZE) + noise * rng.normal(size=(N_PARTS, n_steps, SIZE))


BEFORE = np.abs(np.random.default_rng(9).normal(size=(2, SIZE)))


@pytest.mark.parametrize("optimizer", [Adam(), AdamW(betas=(0.5, 0.9)), NAdam()])
@pytest.mark.parametrize("noise", [0.1, 1.0, 10.0])
def test_after_one_step_their_sum_is_that_of_the_averaged_gradient(optimizer, noise):
    gradients = noisy(1, noise=noise)
    expected = moments_after(optimizer, BEFORE, gradients.mean(axis=0))
    found = averaged(optimizer, BEFORE, gradients)
    np.testing.assert_allclose(found[0], expected[0])
    np.testing.assert_allclose(found[1].sum(), expected[1].sum(), rtol=1e-10)


@pytest.mark.parametrize("n_steps", [2, 8, 256])
def test_after_several_steps_nearly(n_steps):
    optimizer, gradients = Adam(), noisy(n_steps)
    kept = optimizer.betas[1] ** n_steps * BEFORE[1]
    expected = (moments_after(optimizer, BEFORE, gradients.mean(axis=0))[1] - kept).sum()
    found = (averaged(optimizer, BEFORE, gradients)[1] - kept).sum()
    moments = [moments_after(optimizer, BEFORE, g)[1] for g in gradients]
    alone = (np.mean(moments, axis=0) - kept).sum()
    assert found == pytest.approx(expected, rel=0.1)
    assert alone > 1.5 * expected


def test_equal_gradients_change_nothing():
    gradients = np.repeat(noisy(5)[:1], N_PARTS, axis=0)
    expected = moments_after(Adam(), BEFORE, gradients[0])
    np.testing.assert_allclose(averaged(Adam(), BEFORE, gradients), expected)


def test_parts_that_differ_always_are_divided_by_their_number_at_most():
    gradients = 1000 * np.random.default_rng(0).normal(size=(N_PARTS, 1, SIZE))
    gradients = np.repeat(gradients, 50, axis=1)
    mean = np.mean([moments_after(Adam(), 0 * BEFORE, g)[1] for g in gradients], axis=0)
    np.testing.assert_allclose(averaged(Adam(), 0 * BEFORE, gradients)[1], mean / N_PARTS)


def test_other_optimizers_keep_theirs():
    parts = [(np.zeros(3), np.ones((1, 3)), weight) for weight in (9.0, 9.0)]
    assert (mean_of(parts, SGD(momentum=0.9), n_steps=3)[1] == 1).all()
