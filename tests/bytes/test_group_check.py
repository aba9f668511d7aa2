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


def groups_in(table):
    return [issue.column for issue in check_data(table, "y") if issue.kind == "group"]


def groups(y=Y, **columns):
    return groups_in(pa.table({**columns, "x": X, "y": y}))


def test_a_column_of_equal_numbers_of_rows():
    assert groups(who=NAMES[GROUP]) == ["who"]
    assert groups(who=NAMES[GROUP], y=np.where(Y > 0, "yes", "no")) == ["who"]
    order = RNG.permutation(N)
    table = pa.table({"who": NAMES[GROUP][order], "y": Y[order]})
    assert [issue.kind for issue in check_data(table, "y")] == ["group"]


def test_a_column_with_a_name():
    uneven = np.repeat(np.arange(60), RNG.integers(2, 14, 60))
    table = {"x": RNG.normal(size=len(uneven)), "y": LEVEL[uneven]}
    names = dict.fromkeys(("patient", "Subject_ID", "playerID"), True)
    for name, expected in (names | dict.fromkeys(("city", "NO", "year"), False)).items():
        assert (name in groups_in(pa.table({name: uneven, **table}))) == expected, name
    some = pa.array(table["y"], mask=np.arange(len(uneven)) % 9 == 0)
    (issue,) = check_data(pa.table({"patient": uneven, "x": table["x"], "y": some}), "y")
    assert issue.kind == "group"


def test_a_column_that_fixes_most_others():
    uneven = np.repeat(np.arange(60), RNG.integers(2, 14, 60))
    n, found = len(uneven), []
    table = pa.table({"city": NAMES[uneven], "y": LEVEL[uneven] + RNG.normal(size=n)})
    for name in "abcdefg":
        values = RNG.integers(0, 5, 60)[uneven] if name in "abc" else RNG.normal(size=n)
        table = table.append_column(name, pa.array(values))
        if groups_in(table):
            found.append(name)
    assert found == list("cdef")  # three columns, and half of all


def repeated(counts):
    """Names, each in some rows, and a target that is alike for each name."""
    rows = np.repeat(np.arange(len(counts)), counts)
    return {"who": NAMES[rows], "y": LEVEL[rows] + 0.2 * RNG.normal(size=len(rows))}


@pytest.mark.parametrize(("counts", "is_found"), [
    ([8] * 20, True), ([8] * 19, False),  # names
    ([4] * 25, True), ([3] * 33, False),  # rows
    ([2] * 60, True), ([2] * 59 + [1], False),  # rows of a name
    ([8] * 52 + [7, 9, 10, 10, 10, 6, 6, 6], True), ([8] * 53 + [10] * 7, False),  # nearly the same number
])  # fmt: skip
def test_limits_of_rows(counts, is_found):
    issues = check_data(pa.table(repeated(counts)), "y")
    assert [issue.kind for issue in issues] == ["group"] * is_found


def test_limits_of_columns():
    """Missing values, and columns that a number fixes."""
    for n, expected in ((48, ["who"]), (49, [])):  # missing
        assert groups(who=pa.array(NAMES[GROUP], mask=np.arange(N) < n)) == expected
    for n, expected in ((24, ["code"]), (16, [])):  # rows with another value than most
        assert groups(code=GROUP, k=(np.arange(N) < n) * 0.5) == expected
    assert groups(code=GROUP) == []


def test_how_much_is_compared():
    """Columns that a number fixes, and rows."""
    fixed = {f"k{i}": LEVEL[GROUP] + i for i in range(3)}
    for n, expected in ((17, ["code"]), (18, [])):
        others = {f"o{i}": RNG.normal(size=N) for i in range(n)}
        assert groups(code=GROUP, k=fixed["k0"], **others) == expected
    for n, expected in ((39, ["code"]), (40, [])):
        others = {f"o{i}": RNG.integers(0, 50, N) for i in range(n)}
        assert groups(code=GROUP, **fixed, **others) == expected
    for n, expected in ((1200, ["shop_id"]), (1201, [])):
        rows = np.arange(n) % 60
        table = pa.table({"shop_id": rows, "x": RNG.normal(size=n), "y": LEVEL[rows]})
        assert groups_in(table) == expected


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
    for n_countries, n_years, n, expected in (
        (20, 12, 120, ["country"]), (20, 13, 120, []),  # 30 rows of one cell by chance
        (60, 150, 750, ["country"]), (60, 150, 749, []),  # 5 rows of a year
    ):  # fmt: skip
        others = n_years + RNG.permutation(n_years * (n_countries - 1))
        cells = np.r_[np.arange(n_years), others][:n]
        y = LEVEL[cells // n_years] + RNG.normal(size=n) / 4
        table_n = pa.table({"country": NAMES[cells // n_years], "year": cells % n_years, "y": y})
        assert [issue.column for issue in check_data(table_n, "y")] == expected, (n_years, n)
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
    counts = [7] * 5 + [8] * 30 + [9] * 20
    (issue,) = check_data(pa.table(repeated(counts)), "y")
    assert "each of its 55 values is in 7 to 9 rows, and" in str(issue)
