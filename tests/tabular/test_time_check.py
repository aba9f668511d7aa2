"""Rows that depend on the time: what random folds promise and later rows do not keep."""

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")

from fastnn.tabular.time_check import find_time  # noqa: E402

N = 600
RNG = np.random.default_rng(0)
DAYS = pa.array(np.arange(N), pa.int32()).cast(pa.date32())
X = RNG.normal(size=N)
TREND = np.arange(N) / 100


def table(y, **columns):
    return pa.table({"day": DAYS, "x": X, **columns, "y": y})


def test_a_trend():
    (issue,) = find_time(table(TREND + 0.1 * X), "y", False)
    assert (issue.kind, issue.column) == ("time", "day")
    assert str(issue).startswith(
        "the rows depend on the time in column 'day': a small network that "
    )
    assert str(issue).endswith("the scores are too good. Pass time='day'.")


def test_classes_that_change():
    y = np.where(np.sin(np.arange(N) / 40) + 0.3 * X > 0, "up", "down")
    assert [issue.column for issue in find_time(table(y), "y", True)] == ["day"]


def test_years_are_times():
    walk = np.cumsum(RNG.normal(size=30))[np.arange(N) // 20]
    years = table(walk, year=2000 + np.arange(N) // 20).drop_columns("day")
    assert [issue.column for issue in find_time(years, "y", False)] == ["year"]
    days = years.rename_columns(["x", "day_of_year", "y"])
    assert find_time(days, "y", False) == []


@pytest.mark.parametrize("seed", range(5))
def test_no_drift(seed):
    y = X + 0.1 * np.random.default_rng(seed).normal(size=N)
    assert find_time(table(y), "y", False, seed) == []
    assert find_time(table(np.where(y > 0, "a", "b")), "y", True, seed) == []


def test_nothing_to_explain_and_few_rows():
    assert find_time(table(np.random.default_rng(1).normal(size=N)), "y", False) == []
    assert find_time(table(TREND).slice(0, 100), "y", False) == []
    assert find_time(table(TREND).drop_columns("day"), "y", False) == []


def test_the_same_text_for_the_same_seed():
    first, again = (find_time(table(TREND + X), "y", False, 3) for _ in range(2))
    assert list(map(str, first)) == list(map(str, again)) != []


def test_a_table_that_training_refuses():
    lists = table(TREND, bad=[[1, 2]] * N)
    assert find_time(lists, "y", False) == []
    missing = pa.table(
        {"day": pa.array([None, *DAYS.to_pylist()[1:]], pa.date32()), "x": X, "y": TREND}
    )
    assert find_time(missing, "y", False) == []
