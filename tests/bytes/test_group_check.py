"""Columns that look like groups, and ordinary categories that do not."""

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")

from fastnn.tables import check_data  # noqa: E402 - after importorskip

RNG = np.random.default_rng(0)
GROUP = np.repeat(np.arange(60), 8)
N = len(GROUP)
NAMES = np.array([f"p{i:02}" for i in range(60)])
LEVEL = RNG.normal(size=60)
Y = LEVEL[GROUP] + 0.2 * RNG.normal(size=N)
X = RNG.normal(size=N)


def groups(y=Y, **columns):
    table = pa.table({**columns, "x": X, "y": y})
    return [issue.column for issue in check_data(table, "y") if issue.kind == "group"]


def test_a_column_of_equal_numbers_of_rows():
    assert groups(who=NAMES[GROUP]) == ["who"]
    assert groups(who=NAMES[GROUP], y=np.where(Y > 0, "yes", "no")) == ["who"]
    order = RNG.permutation(N)
    table = pa.table({"who": NAMES[GROUP][order], "y": Y[order]})
    assert [issue.kind for issue in check_data(table, "y")] == ["group"]


def test_a_column_with_a_name():
    uneven = np.repeat(np.arange(60), RNG.integers(2, 14, 60))
    table = {"x": RNG.normal(size=len(uneven)), "y": LEVEL[uneven]}
    kinds = dict.fromkeys(("patient", "Subject_ID", "playerID"), "group")
    for name, expected in (kinds | dict.fromkeys(("city", "NO", "year"))).items():
        issues = check_data(pa.table({name: uneven, **table}), "y")
        found = {issue.column: issue.kind for issue in issues if issue.kind == "group"}
        assert found.get(name) == expected, name
    some = pa.array(table["y"], mask=np.arange(len(uneven)) % 9 == 0)
    (issue,) = check_data(pa.table({"patient": uneven, "x": table["x"], "y": some}), "y")
    assert issue.kind == "group"


def test_a_column_that_fixes_most_others():
    uneven = np.repeat(np.arange(60), RNG.integers(2, 14, 60))
    n, fixed = len(uneven), {name: RNG.integers(0, 5, 60)[uneven] for name in "abc"}
    table = pa.table({"city": NAMES[uneven], **fixed, "y": LEVEL[uneven] + RNG.normal(size=n)})
    assert "group" in [issue.kind for issue in check_data(table, "y")]
    for name in "defg":
        table = table.append_column(name, pa.array(RNG.normal(size=n)))
    assert "group" not in [issue.kind for issue in check_data(table, "y")]


def test_a_panel():
    """One row for each country and year, of which some are absent."""
    cells = np.sort(RNG.permutation(40 * 16)[:450])
    country, year = NAMES[cells // 16], 2000 + cells % 16
    y = LEVEL[cells // 16] + RNG.normal(size=len(cells)) / 2
    table = pa.table({"country": country, "year": year, "y": y})
    assert [issue.column for issue in check_data(table, "y")] == ["country"]
    assert check_data(table.rename_columns(["country", "size", "y"]), "y") == []
    times = pa.table({"network": country, "time": np.arange(len(y)), "y": y})
    assert check_data(times, "y") == []
    twice = pa.concat_tables([table, table.slice(0, 1)])
    assert "group" not in [issue.kind for issue in check_data(twice, "y")]


def test_ordinary_columns():
    uneven = RNG.choice(60, N, p=np.arange(1, 61) / np.arange(1, 61).sum())
    assert groups(city=NAMES[uneven], y=LEVEL[uneven] + RNG.normal(size=N)) == []
    assert groups(who=NAMES[GROUP], y=RNG.normal(size=N)) == []  # rows of a value are not alike
    assert groups(level=np.tile(["a", "b", "c", "d"], N // 4)) == []  # few values
    assert groups(half=np.arange(N) // 2 * 0.5) == []  # numbers
    assert groups(year=1900 + GROUP) == []


def test_the_message():
    table = pa.table({"who": NAMES[GROUP], "y": Y})
    (issue,) = check_data(table, "y")
    assert str(issue) == (
        "column 'who' looks like a group: each of its 60 values is in 8 rows, and rows of one value "
        "are in several folds. If new rows will come from other values, the scores are too good. "
        "Pass groups='who'."
    )
