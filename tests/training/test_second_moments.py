"""Second moments of parts that train apart, beside those of averaged gradients."""

import numpy as np
import pytest

from fastnn import SGD, Adam, AdamW, NAdam
from fastnn.distributed.second_moments import as_of_averaged_gradients, first_square

N_PARTS, SIZE = 4, 1000


def moments_after(optimizer, before, gradients):
    """The moments after steps with these gradients (n_steps, size)."""
    (b1, b2), (m, v) = optimizer.betas, before[:2].copy()
    for g in gradients:
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
    return np.array([m, v])


def averaged(optimizer, before, gradients):
    """The mean moments of parts with their own gradients (n_parts, n_steps, size), changed."""
    each = [moments_after(optimizer, before, g) for g in gradients]
    moments = np.mean(each, axis=0)
    as_of_averaged_gradients(
        optimizer, moments, before, n_steps=gradients.shape[1], n_parts=len(gradients),
        mean_square=np.mean([first_square(optimizer, m) for m in each]),
    )  # fmt: skip
    return moments


def noisy(n_steps, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=SIZE)
    return signal + noise * rng.normal(size=(N_PARTS, n_steps, SIZE))


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
    alone = (
        np.mean([moments_after(optimizer, BEFORE, g)[1] for g in gradients], axis=0) - kept
    ).sum()
    assert found == pytest.approx(expected, rel=0.1)
    assert alone > 1.5 * expected


def test_equal_gradients_change_nothing():
    gradients = np.repeat(noisy(5)[:1], N_PARTS, axis=0)
    expected = moments_after(Adam(), BEFORE, gradients[0])
    np.testing.assert_allclose(averaged(Adam(), BEFORE, gradients), expected)


def test_parts_that_differ_always_are_divided_by_their_number_at_most():
    gradients = np.repeat(
        1000 * np.random.default_rng(0).normal(size=(N_PARTS, 1, SIZE)), 50, axis=1
    )
    mean = np.mean([moments_after(Adam(), 0 * BEFORE, g)[1] for g in gradients], axis=0)
    np.testing.assert_allclose(averaged(Adam(), 0 * BEFORE, gradients)[1], mean / N_PARTS)


def test_other_optimizers_keep_theirs():
    moments = np.ones((1, 3))
    settings = dict(n_steps=3, n_parts=2, mean_square=9.0)
    as_of_averaged_gradients(SGD(momentum=0.9), moments, np.zeros((1, 3)), **settings)
    assert (moments == 1).all() and first_square(SGD(momentum=0.9), moments) == 0
