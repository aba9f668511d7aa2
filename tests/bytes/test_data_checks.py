"""Data checks: IDs, copies of the target, columns that predict it alone, duplicates."""

import re

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")

from fastnn.tables import check_data, checks  # noqa: E402 (after the skip)

N = 400
RNG = np.random.default_rng(0)
X = RNG.normal(size=N)
Y = (X + RNG.normal(size=N) > 0).astype(int)


def found(target="y", **columns):
    """{column: kind} of the issues about a table with an honest column x and a target y."""
    return {s.column: s.kind for s in check_data(pa.table({"x": X, "y": Y, **columns}), target)}


def text_of(**columns):
    (issue,) = check_data(pa.table({"x": X, "y": Y, **columns}), "y")
    return str(issue)


def test_an_honest_table_has_none():
    words = RNG.choice(["a", "b", "c"], N)
    assert found(words=words, n=RNG.integers(0, 1000, N), z=X + RNG.normal(size=N)) == {}


NUMBERS = RNG.permutation(N)
IDS = [("a", np.arange(N)), ("a", NUMBERS + 1000), ("name", [f"person {i}" for i in range(N)])]
IDS += [(name, NUMBERS * 7) for name in ("customer_id", "passengerId", "Nr")]
OTHERS = [("year", np.arange(N) + 1600), ("width", NUMBERS * 1.0), ("id", np.arange(N) // 2)]
OTHERS += [(name, NUMBERS * 7) for name in ("population", "paid")]


@pytest.mark.parametrize(("name", "values"), IDS)
def test_ids(name, values):
    assert found(**{name: values}) == {name: "id"}


@pytest.mark.parametrize(("name", "values"), OTHERS)
def test_columns_that_are_no_ids(name, values):
    assert name not in found(**{name: values})


def issue_kinds(target="y", **columns):
    return [issue.kind for issue in check_data(pa.table(columns), target)]


@pytest.mark.parametrize(
    ("enough", "n_ids", "n_copies", "n_targets", "n_texts", "n_classes", "n_values", "n_twice"),
    [(True, 20, 50, 40, 15, 250, 20, 200), (False, 19, 51, 39, 16, 251, 21, 201)],
)
def test_limits_of_issues(
    enough, n_ids, n_copies, n_targets, n_texts, n_classes, n_values, n_twice
):
    """Each issue needs some rows, copies of rows, or rows for each value."""
    i = np.arange(n_ids)
    assert issue_kinds(a=i, y=i % 2) == ["id"] * enough
    assert issue_kinds(None, a=i % 7 / 2) == ["duplicate rows"] * enough
    i = np.arange(n_copies)
    found = issue_kinds(None, a=i % (len(i) - 1) / 2)  # 2 % are copies
    assert found == ["duplicate rows"] * enough
    i = np.arange(n_targets)
    expected = ["target alone"] * enough
    assert issue_kinds(x=X[: len(i)], a=i % 4 + i / 100, y=i % 4 * 1.5) == expected
    i = np.arange(300) % n_texts  # texts with ten rows or fewer for learning
    assert issue_kinds(x=X[:300], a=np.char.add("w", i.astype(str)), y=i < 8) == expected
    classes = RNG.integers(0, n_classes, 5000)
    a = classes + RNG.uniform(0, 0.5, 5000)
    assert issue_kinds(x=RNG.random(5000), a=a, y=np.char.add("w", classes.astype(str))) == expected
    i = np.arange(N) % n_twice  # values that are in one row each may be equal by chance
    found = issue_kinds(None, x=X, a=i / 2, b=np.char.add("w", i.astype(str)))
    assert found == ["duplicate column"] * enough
    i = np.arange(N) % n_values
    issue, *_ = check_data(pa.table({"x": X, "a": i + X / 9, "y": i}), "y")
    assert ("accuracy" if enough else "R2 of the ranks") in str(issue)


TARGETS = [
    (Y, "target copy"),
    (Y.astype(float), "target copy"),
    (np.where(Y, "yes", "no"), "target copy"),
    (np.where(RNG.random(N) < 0.005, 1 - Y, Y), "target alone"),
    ([str(i % 7) if y else None for i, y in enumerate(Y)], "target alone"),
    (Y + RNG.uniform(0, 0.9, N), "target alone"),
    (np.where(RNG.random(N) < 0.1, 1 - Y, Y), None),
    (X, "duplicate column"),
]


@pytest.mark.parametrize(("values", "kind"), TARGETS)
def test_columns_that_contain_the_target(values, kind):
    assert found(a=values).get("a") == kind


def test_numbers_that_contain_the_target():
    y = np.exp(X)
    assert found(y=y, a=y)["a"] == "target copy"
    noisy = found(y=y, unit=y * 1.1 + 3, log=np.log(y) + 1e-3 * RNG.normal(size=N), x=Y)
    assert noisy == {"unit": "target alone", "log": "target alone"}
    assert found(y=y, honest=y * RNG.uniform(0.7, 1.3, N), x=Y) == {}
    cities = NUMBERS % 6
    names = pa.array(np.array([*"abcdef"])[cities], mask=cities == 5)
    assert found(y=cities // 2 % 2 * 1.5, city=names) == {"city": "target alone"}


def test_numbers_as_texts_contain_the_target():
    y = np.exp(X)
    price = [f"${value:,.2f}" for value in 1000 * y]
    day = (np.datetime64("2024-01-01") + (200 * y).astype(int)).tolist()
    date = [f"{value:%d.%m.%Y}" for value in day]
    assert found(y=y, price=price, date=date, x=Y) == {"price": "target alone", "date": "time"}
    assert found(y=price, unit=y * 1.1 + 3, x=Y) == {"unit": "target alone"}
    honest = [f"{value:.1f} m" for value in y * RNG.uniform(0.7, 1.3, N)]
    assert found(y=price, honest=honest, x=Y) == {}


def test_rows_sorted_by_the_target():
    assert found(y=np.sort(Y), **{"index": np.arange(N)})["index"] == "target alone"


def test_columns_without_information():
    columns = dict(a=["x"] * N, b=pa.nulls(N), c=pa.nulls(N, pa.string()), d=["x", None] * 200)
    assert found(**columns) == {"a": "constant", "b": "empty", "c": "empty"}


def test_duplicate_columns():
    words = np.array(["a", "b", "c"])[RNG.integers(0, 3, N)]
    table = pa.table({"x": X, "words": words, "copy": words, "upper": np.char.upper(words), "y": Y})
    assert [str(s) for s in check_data(table, "y")] == [
        "column 'copy' is a copy of column 'words', so one of them is enough. Pass drop=['copy'].",
        "column 'upper' has one value for each value of column 'words', so one of them is enough. "
        "Pass drop=['upper'].",
    ]


def test_duplicate_rows():
    half = pa.table({"x": X[:200], "y": Y[:200]})
    (issue,) = check_data(pa.concat_tables([half, half]), "y")
    assert (issue.kind, issue.column) == ("duplicate rows", None)
    assert str(issue) == (
        "200 of 400 rows are copies of others, which makes held-out scores too good. Remove them, "
        "unless each is a separate observation."
    )


def test_numbers_with_a_word():
    assert text_of(a=[*map(str, range(100)), *["unknown"] * (N - 100)]) == (
        "column 'a' is text, although 100 of its 101 different values are numbers; others are not "
        "('unknown'). If it holds numbers, pass numbers=['a']: others are then missing."
    )
    assert found(a=["FALSE", "true", *map(str, range(N - 2))]) == {"a": "id"}
    assert found(a=["FALSE", *["true"] * (N - 50), *map(str, range(49))]) == {}
    assert found(a=[*["unknown"] * 5, *map(str, range(N - 5))]) == {}  # it is read as numbers


def test_other_types_are_no_trouble():
    dates = pa.array(RNG.integers(0, 100, N).astype("int32"), pa.date32())
    times = pa.array(RNG.integers(0, 10**9, N), pa.timestamp("us", "UTC"))
    lists = [[1, 2]] * N
    categories = pa.array(RNG.choice(["a", "b"], N)).dictionary_encode()
    assert found(d=dates, t=times, li=lists, c=categories, b=RNG.random(N) < 0.5) == {}


def test_the_messages_say_what_to_do():
    assert text_of(a=np.arange(N)) == (
        "column 'a' numbers the rows (0 to 399). Pass drop=['a'], unless it helps to predict new rows."
    )
    assert text_of(a=Y) == "column 'a' is a copy of the target 'y'. Pass drop=['a']."
    for y in (Y, Y == 1, np.where(Y, "yes", "no")):
        assert re.fullmatch(
            r"column 'a' alone predicts the target almost perfectly \(accuracy (1\.000|0\.995) on other "
            r"rows\)\. Pass drop=\['a'\], unless it is known when you predict\.",
            text_of(a=np.where(np.arange(N) == 7, 1 - Y, Y), y=y),
        )


@pytest.mark.parametrize("n_second, n_errors, predicts", [
    (19, 0, False), (20, 0, True), (20, 1, True), (20, 2, False), (100, 2, True), (100, 3, False),
])  # fmt: skip
def test_errors_beside_those_of_the_largest_class(n_second, n_errors, predicts):
    """A column predicts classes if it makes at most 2 % of the errors, or one."""
    y = np.r_[np.zeros(200), np.arange(100) < n_second, np.zeros(n_errors)].astype(int)
    train, test = np.split(np.arange(len(y)), [200])
    nearest = np.where(y[test] + (test >= 300), 200, 0)  # of which 200 has the second class
    score = checks._score_classes(None, nearest, y, train, test)
    assert score == (f"accuracy {1 - n_errors / len(test):.3f}" if predicts else None)


def test_without_a_target():
    assert found(None, a=np.arange(N)) == {"a": "id"}
    message = r"^target is 'Y', but there is no such column. Did you mean 'y'\?$"
    with pytest.raises(ValueError, match=message):
        found("Y")


def test_a_date_that_predicts_the_target():
    """Rows have neighbours in time; and to drop the only column would leave nothing."""
    types = [pa.date32(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.timestamp("ns")]
    for kind in types:
        days = np.arange(N) if kind != types[-1] else 10**15 * np.arange(1200, 1200 + N) // 7
        days = pa.array(days, pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)
        (issue,) = check_data(pa.table({"day": days, "y": np.sin(np.arange(N) / 200)}), "y")
        assert (issue.kind, issue.column) == ("time", "day")
        assert re.fullmatch(
            r"column 'day' alone predicts the target almost perfectly \(R2 of the ranks (1\.000|0\.99\d) on "
            r"other rows\): rows have neighbours in time. If new rows will come later, pass time='day'\.",
            str(issue),
        )
    only = pa.table({"x": np.arange(N) / 200, "y": np.sin(np.arange(N) / 200)})
    assert check_data(only, "y") == []
    with_other = only.append_column("z", pa.array(RNG.normal(size=N)))
    assert [issue.kind for issue in check_data(with_other, "y")] == ["target alone"]
