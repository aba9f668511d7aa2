"""The rungs of successive halving, and schedules that are stretched to them."""

import numpy as np
import pytest

import fastnn
from fastnn import schedules
from fastnn.model_selection.halving import plan_rungs, stretched

RUNGS = [
    ((9, 3, "exhaust", 18), [9, 3, 1], [2, 6, 18]),
    ((1, 3, "exhaust", 18), [1], [18]),
    ((2, 3, "exhaust", 18), [2], [18]),
    ((1000, 10, "exhaust", 1000), [1000, 100, 10, 1], [1, 10, 100, 1000]),
    ((100, 3, "exhaust", 10), [100, 34, 12], [1, 3, 10]),
    ((100, 2, 5, 30), [100, 50, 25], [5, 10, 30]),
    ((8, 2, 30, 30), [8], [30]),
    ((4, 1.5, 4, 9), [4, 3, 2], [4, 6, 9]),
]


@pytest.mark.parametrize(("arguments", "candidates", "resources"), RUNGS)
def test_rungs(arguments, candidates, resources):
    assert plan_rungs(*arguments) == (candidates, resources)


def test_stretched_schedules():
    cosine = schedules.CosineDecay(0.1, 100, warmup=10)
    assert stretched(cosine, 0.2) == schedules.CosineDecay(0.1, 20, warmup=2)
    assert stretched(cosine, 0.001) == schedules.CosineDecay(0.1, 1, warmup=0)
    assert stretched(schedules.OneCycle(0.1, 90), 1 / 3) == schedules.OneCycle(0.1, 30)
    assert stretched(cosine, 1) is cosine


def test_equal_failures_are_reported_once():
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.tile([0, 1], 30)
    rates = {"learning_rate": ["fast", "slow"]}
    search = fastnn.HalvingSearchCV(fastnn.MLPClassifier(max_iter=9), rates, n_iter="all")
    with pytest.raises(ValueError, match="All the 10 fits failed") as caught:
        search.fit(X, y)
    assert str(caught.value).count("5 of 10 fits failed with this error") == 2
