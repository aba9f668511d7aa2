"""Rows that depend on times or units: what random folds promise, and other rows do not keep."""

import re
from types import SimpleNamespace

import joblib
import numpy as np
import pyarrow as pa
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score

from fastnn import TabularClassifier, TabularRegressor
from fastnn.core.errors import DataError
from fastnn.tables import TableWarning
from fastnn.tabular import split_check
from fastnn.tabular.columns import frames
from fastnn.tabular.fitting.out_of_fold import OutOfFold

pytestmark = pytest.mark.usefixtures("compared_splits")
N = 600
RNG = np.random.default_rng(0)
DAYS = pa.array(np.arange(N), pa.int32()).cast(pa.date32())
X = RNG.normal(size=N)
TREND = np.arange(N) / 100


def find_splits(table, target, is_classifier, seed=0):
    return split_check.find_splits(*frames.split_target(table, target), is_classifier, seed)


def issues_in(table, seed=0):
    return [(issue.kind, issue.column) for issue in find_splits(table, "y", False, seed)]


def table(y, **columns):
    return pa.table({"day": DAYS, "x": X, **columns, "y": y})


def test_a_trend():
    (issue,) = find_splits(table(TREND + 0.1 * X), "y", False)
    assert (issue.kind, issue.column) == ("time", "day")
    shares = re.fullmatch(
        "the rows depend on the time in column 'day': a small network that trains on the earlier rows "
        r"explains (\d+%|nothing) of the later ones, but (\d+)% of rows drawn at random\. If new rows "
        r"will come later, the scores are too good\. Pass time='day'\.",
        str(issue),
    )
    assert shares[1] == "nothing" and int(shares[2]) > 90


DROPS = [(0.1, 0.2, 0.05, True), (0.09, 1, 0, False), (1, 0.19, 0, False), (1, 0.2, 0.051, False)]


@pytest.mark.parametrize(("random", "drop", "error", "is_worse"), DROPS)
def test_a_split_is_worse_by_much_for_certain(random, drop, error, is_worse):
    for explained, share in ((-3.0, "nothing"), (0.004, "nothing"), (0.006, "1%"), (0.4, "40%")):
        found = split_check.Comparison("day", random, explained, drop, error)
        assert (found.is_worse, found.share) == (is_worse, share)


def test_columns_of_many_rows_are_compared_without_measurements(monkeypatch):
    texts = ["b", None, "a", "b"]
    columns = {"size": [2.5, None, 1.0, 2.5], "rooms": [2, None, 1, 2], "city": texts}
    frame, _ = frames.split_target(pa.table({**columns, "y": [0, 1, 2, 3]}), "y")
    for limit, names in ((4, [*columns]), (3, ["rooms", "city"])):
        monkeypatch.setattr(split_check, "MANY_ROWS", limit)
        found = split_check._columns_to_compare(frame, SimpleNamespace(positions=range(3)))
        assert [column.name for column in found] == names
        for column in found:
            assert column.codes.tolist() in ([1, -1, 0, 1], [0, -1, 1, 0])
            assert (column.n_distinct, column.is_integer) == (2, column.name == "rooms")


def test_classes_that_change():
    y = np.where(np.sin(np.arange(N) / 40) + 0.3 * X > 0, "up", "down")
    assert [issue.column for issue in find_splits(table(y), "y", True)] == ["day"]


def test_years_are_times():
    walk = np.cumsum(RNG.normal(size=30))[np.arange(N) // 20]
    years = table(walk, year=2000 + np.arange(N) // 20).drop_columns("day")
    assert [issue.column for issue in find_splits(years, "y", False)] == ["year"]
    assert find_splits(years.rename_columns(["x", "day_of_year", "y"]), "y", False) == []
    for n_years, expected in ((8, ["year"]), (7, [])):  # of fewer years too few come later
        year = np.arange(N) * n_years // N
        found = find_splits(pa.table({"x": X, "year": 2000 + year, "y": 9.0 * year}), "y", False)
        assert [issue.column for issue in found] == expected


@pytest.mark.parametrize("seed", range(5))
def test_no_drift(seed):
    y = X + 0.1 * np.random.default_rng(seed).normal(size=N)
    assert find_splits(table(y), "y", False, seed) == []
    assert find_splits(table(np.where(y > 0, "a", "b")), "y", True, seed) == []


def test_nothing_to_explain_few_rows_and_many_columns():
    assert find_splits(table(np.random.default_rng(1).normal(size=N)), "y", False) == []
    few = [len(find_splits(table(20 * TREND).slice(0, n), "y", False)) for n in (99, 100)]
    assert few == [0, 1]
    many = table(20 * TREND, **dict.fromkeys(map(str, range(299)), [1] * N))
    found = [len(find_splits(many.drop_columns(names), "y", False)) for names in ([], ["0"])]
    assert found == [0, 1]
    assert find_splits(table(np.ones(N)), "y", False) == []
    assert find_splits(table(TREND).drop_columns("day"), "y", False) == []


def test_the_same_losses_for_the_same_seed(monkeypatch):
    compare, found = split_check.Trial._compare, []
    monkeypatch.setattr(split_check.Trial, "_compare", lambda *a: found.append(compare(*a)))
    for seed in (3, 3, 4):
        find_splits(table(TREND + X), "y", False, seed)
    assert found[0] == found[1] != found[2]


def test_a_table_that_training_refuses():
    assert find_splits(table(TREND, bad=[[1, 2]] * N), "y", False) == []


@pytest.mark.parametrize("first", [None, "11:34", "unknown"])
def test_one_cell_does_not_silence_the_check(first):
    days = [first, *map(str, DAYS.to_pylist()[1:])]
    assert issues_in(pa.table({"day": days, "x": X, "y": TREND})) == [("time", "day")]
    years = pa.array([None, *(2000 + np.arange(1, N) // 20).tolist()], pa.int64())
    assert issues_in(pa.table({"year": years, "x": X, "y": TREND})) == [("time", "year")]


def test_one_column_and_few_rows():
    """The months of one country, a random walk."""
    walk = np.cumsum(np.random.default_rng(5).normal(size=150))
    months = [f"{2000 + i // 12}-{i % 12 + 1:02}" for i in range(150)]
    assert issues_in(pa.table({"month": months, "y": walk})) == [("time", "month")]


def units(n_units, n_rows):
    """Return a table of units, each with a curve of its own; `step` is not a time of day or year."""
    rng = np.random.default_rng(2)
    who, step = np.repeat(np.arange(n_units), n_rows), np.tile(np.arange(n_rows), n_units)
    y = np.sin(step / 5 + rng.uniform(0, 6, n_units)[who]) + 0.1 * rng.normal(size=len(who))
    return {"who": [f"p{i}" for i in who], "step": step, "y": y}


@pytest.mark.parametrize(("n_units", "n_rows"), [(14, 76), (100, 60)])
def test_repeated_measures(n_units, n_rows):
    """Units differ in their curves, not in their means: a trial alone finds that."""
    columns = units(n_units, n_rows)
    columns["subject"] = columns.pop("who")
    (issue,) = find_splits(pa.table(columns), "y", False)
    assert (issue.kind, issue.column) == ("group", "subject")
    assert str(issue).startswith("rows with the same value of column 'subject' are alike: a small ")
    assert str(issue).endswith("the scores are too good. Pass groups='subject'.")
    columns["colour"] = columns.pop("subject")
    found = [issue.column for issue in find_splits(pa.table(columns), "y", False)]
    assert found == (["colour"] if n_units >= 20 else [])  # fewer may be an ordinary category


def test_a_panel():
    rng = np.random.default_rng(4)
    walks = np.cumsum(rng.normal(size=(24, 120)), axis=1) + 5 * rng.normal(size=(24, 1))
    months = [f"{2000 + i // 12}-{i % 12 + 1:02}" for i in range(120)]
    columns = {"land": [f"c{i}" for i in range(24) for _ in range(120)], "month": months * 24}
    (issue,) = find_splits(pa.table({**columns, "y": walks.ravel()}), "y", False)
    assert (issue.kind, issue.column) == ("panel", "land")
    what = "columns 'land' and 'month' make a panel"
    assert str(issue).startswith(f"{what}. A small network explains ")
    assert str(issue).endswith(
        "Pass time='month' if new rows will come later, groups='land' if they will have other values "
        "of 'land', and both if both."
    )
    columns["device"] = [i for i in range(24) for _ in range(120)]  # numbers with such a name, too
    del columns["land"]
    assert issues_in(pa.table({**columns, "y": walks.ravel()})) == [("panel", "device")]
    noise = pa.table({**columns, "x": rng.normal(size=2880), "y": rng.normal(size=2880)})
    assert find_splits(noise, "y", False) == []


def panel(n_units, times):
    """Return a table of units at some times, and one row later."""
    rng = np.random.default_rng(2)
    who, year = np.repeat(np.arange(n_units), len(times)), np.tile(times, n_units)
    who, year = np.append(who, 0), np.append(year, max(times) + 1)
    y = rng.normal(size=n_units)[who] + 0.1 * rng.normal(size=len(who))
    return pa.table({"land": [f"c{i}" for i in who], "year": year, "y": y})


def test_few_times_in_the_sample_of_units():
    """The one row of the eighth year is of a unit that is not in the sample."""
    assert issues_in(panel(600, range(2001, 2008)), 2) == [("group", "land")]


FORWARD = [  # numbers of times, and the times that each fold trains on and scores
    (range(8), [("01", "23"), ("0123", "45"), ("012345", "67")]),
    ([5, -1, 3, 3, 0], [("0", "33"), ("033", "5")]),
    ([1, 1, 1, 1, 1, 1, 2], [("111111", "2")]),
]  # fmt: skip


@pytest.mark.parametrize(("times", "folds"), FORWARD)
def test_folds_in_time_of_the_check(times, folds):
    numbers = np.array(times)
    for found, expected in zip(split_check._forward_folds(numbers), folds, strict=True):
        assert tuple("".join(map(str, sorted(numbers[rows]))) for rows in found) == expected


@pytest.mark.parametrize(("n_rows", "n_whole"), [(40, 74), (149, 20), (150, 0)])
def test_a_sample_has_whole_units_if_they_are_enough(n_rows, n_whole):
    codes = np.append(np.repeat(np.arange(100), n_rows), [-1] * 50)
    rows = split_check._whole_units(codes, np.random.default_rng(0))
    counts = np.bincount(codes[rows][codes[rows] >= 0], minlength=100)
    assert len(rows) == (n_whole * n_rows or 3000) and (np.diff(rows) > 0).all()
    assert (counts == n_rows).sum() == n_whole


def test_the_networks_stop_at_the_end_of_the_time(monkeypatch):
    """What is found until then is said."""
    both = units(24, 60)
    both["day"] = DAYS.take(pa.array(np.tile(np.arange(60), 24)))
    both["y"] = both["y"] + both["step"] / 5
    rows, n_trained = frames.split_target(pa.table(both), "y"), 0
    losses_of_fold = split_check.Trial.losses_of_fold

    def count(self, *args):
        nonlocal n_trained
        n_trained += 1
        return losses_of_fold(self, *args)

    monkeypatch.setattr(split_check.Trial, "losses_of_fold", count)
    monkeypatch.setattr(split_check.Deadline, "clock", staticmethod(lambda: float(n_trained)))
    for seconds, expected, n in (3, [], 3), (12.5, [], 12), (13, ["time"], 13), (60, ["panel"], 29):
        n_trained = 0
        found = split_check.find_splits(*rows, False, seconds=seconds)
        assert ([issue.kind for issue in found], n_trained) == (expected, n)


def test_two_columns_of_times_and_two_of_units_are_compared(calls_of):
    calls = calls_of(split_check.Trial, "compare")
    columns = {f"unit{k}": [f"u{i // k}" for i in range(N)] for k in (5, 7, 11, 13)}
    columns |= dict.fromkeys(["day1", "day2", "day3"], DAYS)
    find_splits(pa.table({"x": X, **columns, "y": X}), "y", False)
    names = [name[:-1].rstrip("1") for _, name, *_ in calls]
    assert names == ["day", "day", "unit", "unit"] and calls[2][1] != calls[3][1]


def test_many_categories_or_columns_take_fewer_steps():
    steps = []
    for n_values, n_columns in ((10, 0), (3000, 0), (10, 300)):
        who = [f"p{i % n_values}" for i in range(6000)]
        columns = dict.fromkeys(map(str, range(n_columns)), [1] * 6000)
        frame, y = frames.split_target(pa.table(columns | {"who": who, "y": np.arange(6000)}), "y")
        options = dict(is_classifier=False, seed=0, no_inputs=(), declared={}, deadline=None)
        trial = split_check.Trial(frame, np.asarray(y), **options)
        steps.append((trial.X.n_inputs, trial.n_steps))
    assert steps == [(10, 800), (2000, 483), (10, 100)]


def test_an_error_in_a_comparison_keeps_what_is_found(monkeypatch):
    rows = pa.table({"day": DAYS, "x": X, "patient": [f"p{i // 10}" for i in range(N)], "y": TREND})

    encode = split_check.Trial.encode

    def fail(self, *without):
        if without:
            raise DataError("No column is an input.")
        return encode(self)

    monkeypatch.setattr(split_check.Trial, "encode", fail)
    assert [issue.kind for issue in find_splits(rows, "y", False)] == ["time"]
    monkeypatch.setattr(split_check.Trial, "_compare", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        find_splits(rows, "y", False)


def test_no_check_in_cross_validation():
    """The user has split the rows; scikit-learn's workers have its functions in their calls, too."""
    frame = table(TREND).to_pandas()
    reg = TabularRegressor(1, hidden_layer_sizes=2, random_state=0, n_threads=1)
    X, y = frame[["day", "x"]], frame["y"]
    with pytest.warns(TableWarning, match="the rows depend on the time"):
        reg.fit(X, y)
    cross_val_score(reg, X, y, cv=2)
    with joblib.parallel_backend("threading", n_jobs=2):
        cross_val_score(reg, X, y, cv=2)
    GridSearchCV(reg, {"hidden_layer_sizes": [2]}, cv=2).fit(X, y)


def test_a_resumed_fit_does_not_repeat_the_warning():
    rows, reg = table(TREND), TabularRegressor(2, hidden_layer_sizes=2, random_state=0)
    end_job, ended = OutOfFold.end_job, []

    def stop(self, job):
        ended.append(job)
        if len(ended) == 2:
            raise KeyboardInterrupt
        end_job(self, job)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(OutOfFold, "end_job", stop)
        with pytest.warns(TableWarning, match="the rows depend on the time"):
            reg.fit(rows, "y")
    assert reg.n_folds_remaining_ > 0
    assert reg.fit(rows, "y", resume=True).n_folds_remaining_ == 0


def test_fit_warns():
    rows, small = table(TREND), dict(n_estimators=2, hidden_layer_sizes=2)
    late = table(np.where(TREND + X > 3, "late", "early"))
    for make, table_with_days in ((TabularRegressor, rows), (TabularClassifier, late)):
        with pytest.warns(TableWarning, match="the rows depend on the time in column 'day'"):
            make(**small).fit(table_with_days, "y")
    halves = [(np.arange(300), np.arange(300, N))]
    TabularRegressor(**small).fit(rows, "y", time="day")  # no warning where the split is chosen
    TabularRegressor(**small).fit(rows, "y", groups=np.arange(N) // 20)
    TabularRegressor(cv=halves, **small).fit(rows, "y")
    TabularRegressor(time_limit=10, **small).fit(rows, "y")
    TabularRegressor(drop="day", **small).fit(rows, "y")
    TabularRegressor(**small).fit(np.c_[np.arange(N), X], TREND)  # no names
