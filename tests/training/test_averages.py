"""Averages over parts of the rows: means in float64, in the order of a binary tree."""

import numpy as np
import pytest

from fastnn.distributed.averages import average, divide, weigh


@pytest.mark.parametrize("n", range(1, 10))
def test_the_mean_is_that_of_numpy(n):
    rng = np.random.default_rng(n)
    vectors, weights = rng.normal(size=(n, 2, 5)), rng.uniform(size=n)
    means = average(zip(vectors, weights))
    for i, mean in enumerate(means):
        np.testing.assert_allclose(mean, np.average(vectors[:, i], axis=0, weights=weights))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shapes_and_dtypes_are_those_of_a_part(dtype):
    matrix, vector = np.ones((2, 3), dtype), np.full(4, 0.1, dtype)
    first, second = average([([matrix, vector], 3), ([3 * matrix, vector], 1)])
    assert first.dtype == second.dtype == dtype
    assert (first == 1.5).all() and (second == vector).all()


@pytest.mark.parametrize("n", [2, 3, 5, 6, 7, 8, 13])
def test_adding_neighbours_again_and_again_gives_the_same_bits(n):
    rng = np.random.default_rng(0)
    parts = [([rng.normal(size=50) * 10.0**i], i + 1) for i in range(n)]
    sums = [weigh(*part) for part in parts]
    while len(sums) > 1:
        pairs = [a + b for a, b in zip(sums[::2], sums[1::2])]
        sums = pairs + sums[len(pairs) * 2 :]
    mean = np.zeros(50)
    divide(sums[0], [mean])
    assert (mean == average(parts)[0]).all()


def test_a_part_without_weight_does_not_count():
    mean = np.array([np.pi], "float32")
    assert average([([mean], 3), ([mean * 5], 0)])[0] == mean


def test_without_any_weight_nothing_is_written():
    mean = np.array([7.0])
    divide(weigh([np.array([3.0])], 0), [mean])
    assert mean == 7
