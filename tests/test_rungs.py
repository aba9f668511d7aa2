"""The rungs of successive halving, and schedules that are stretched to them."""

import pytest

pytest.importorskip("sklearn")

from fastnn import schedules
from fastnn.model_selection.rungs import plan_rungs
from fastnn.model_selection.schedules import stretched


@pytest.mark.parametrize(
    ("arguments", "candidates", "resources"),
    [
        ((9, 3, "exhaust", 18), [9, 3, 1], [2, 6, 18]),
        ((1, 3, "exhaust", 18), [1], [18]),
        ((2, 3, "exhaust", 18), [2], [18]),
        ((1000, 10, "exhaust", 1000), [1000, 100, 10, 1], [1, 10, 100, 1000]),
        ((100, 3, "exhaust", 10), [100, 34, 12], [1, 3, 10]),
        ((100, 2, 5, 30), [100, 50, 25], [5, 10, 30]),
        ((8, 2, 30, 30), [8], [30]),
        ((4, 1.5, 4, 9), [4, 3, 2], [4, 6, 9]),
    ],
)
def test_rungs(arguments, candidates, resources):
    assert plan_rungs(*arguments) == (candidates, resources)


def test_stretched_schedules():
    cosine = schedules.CosineDecay(0.1, 100, warmup=10)
    assert stretched(cosine, 0.2) == schedules.CosineDecay(0.1, 20, warmup=2)
    assert stretched(cosine, 0.001) == schedules.CosineDecay(0.1, 1, warmup=0)
    assert stretched(schedules.OneCycle(0.1, 90), 1 / 3) == schedules.OneCycle(0.1, 30)
    assert stretched(cosine, 1) is cosine
