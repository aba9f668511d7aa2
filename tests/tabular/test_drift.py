"""Drift: what `check` notes of new rows, and what it does not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from checks import assert_same_bits
from scale import scaled
from scipy import stats

import fastnn
from fastnn import TabularClassifier, TabularRegressor
from fastnn.core.errors import DataError
from fastnn.tabular import stored_model
from fastnn.tabular.columns import frames
from fastnn.tabular.columns.features import Features
from fastnn.tabular.drift import changes
from fastnn.tabular.drift.changes import find_changes
from fastnn.tabular.drift.profile import CategoryProfile, NewRows, RowSketch, TableProfile

pytestmark = pytest.mark.usefixtures("quick_recipe")
SMALL = dict(n_estimators=1, hidden_layer_sizes=4, random_state=0)
N = 800


def table(n=N, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "length": rng.normal(50, 10, n),
            "count": rng.integers(0, 5, n),
            "city": rng.choice(["Rom", "Köln", "Oslo"], n, p=[0.6, 0.3, 0.1]),
            "name": rng.choice([f"n{i}" for i in range(3 * n)], n),
            "day": np.datetime64("2024-01-01") + rng.integers(0, 700, n) * np.timedelta64(1, "D"),
            "gap": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            "mostly 0": np.where(rng.random(n) < 0.9, 0.0, rng.pareto(1, n)),
        }
    )


@pytest.fixture(scope="module")
def profile():
    """(Features, TableProfile) of a table."""
    frame = frames.read(table())
    features = Features.fit(frame)
    return features, TableProfile.fit(features, frame)


def test_a_profile_counts_unknown_and_single_categories():
    codes, texts = np.array([0, 0, 1, 2, 3, 3, -1]), ["twice", "once", "unknown", "also twice"]
    found = CategoryProfile.fit((codes, texts), ["twice", "once", "also twice"])
    assert found.counts.tolist() == [2, 1, 2]
    assert (found.n_missing, found.n_present, found.n_others) == (1, 6, 2)


def check(profile, X, **options):
    new = NewRows(*profile)
    new.add(frames.read(X))
    return find_changes(new, **options)


@pytest.mark.parametrize("n", [800, 999, 1000, 1001, 5000])
def test_rows_of_the_training_table_are_recognised(n):
    columns = [np.random.default_rng(0).normal(size=n)]
    sketch = RowSketch.fit(columns, n)
    n_compared, n_known = sketch.count(columns, n)
    assert n_compared == n_known == min(n, 1000)
    n_compared, n_known = sketch.count([columns[0] + 1], n)
    share = min(1, 1000 / n)
    assert n_known == 0 and abs(n_compared - share * n) <= 4 * np.sqrt(n * share * (1 - share))


def kinds(report):
    changes = [change for change in report.changes if change.is_drift]
    return {change.column: change.kind for change in reversed(changes)}  # the first of each


# ---- chance ----


@pytest.mark.parametrize("case", [(3, 20, 10, 200), (0, 5, 2, 9), (40, 50, 60, 900), (5, 5, 5, 5)])
def test_tails_are_those_of_the_hypergeometric_distribution(case):
    k, n_new, n_with, n_all = case
    law = stats.hypergeom(n_all, n_with, n_new)
    assert changes.at_least(*case) == pytest.approx(law.sf(k - 1), rel=1e-9)
    assert changes.at_most(*case) == pytest.approx(law.cdf(k), rel=1e-9)


def test_tails_of_many_rows():
    case = 60_000, 100_000, 500_000, 1_000_000
    expected = stats.hypergeom(1_000_000, 500_000, 100_000).sf(59_999)
    assert changes.at_least(*case) == pytest.approx(expected, rel=1e-6)
    assert changes.at_least(49_000, 100_000, 500_000, 1_000_000) == pytest.approx(1.0)


@pytest.mark.parametrize("sizes", [(30, 400), (200, 200)])
def test_the_test_of_distributions_is_that_of_kolmogorov_and_smirnov(sizes):
    a, b = (np.random.default_rng(i).normal(0.3 * i, 1, n) for i, n in enumerate(sizes))
    expected = stats.ks_2samp(a, b)
    found = changes.is_other_distribution(expected.statistic, *sizes)
    assert found == pytest.approx(expected.pvalue, rel=0.25)


def test_the_bound_for_frequencies_holds():
    """Of random splits of 90 kinds of tables, at most one of a hundred has a bound below 0.01."""
    rng, found = np.random.default_rng(0), []
    sizes = [(m, n) for m in (150, 1000, 20_000) for n in (3, 20, 60, 200, m // 3, 3 * m)]
    for levels in (2, 10, 21, 100, 1000):
        for m, n in sizes:
            for _ in range(scaled(4)):
                weight = np.arange(1, levels + 1) ** -rng.choice([0, 0.5, 1, 1.5])
                both = rng.multinomial(n + m, weight / weight.sum())
                new = rng.multivariate_hypergeometric(both, n)
                found.append(changes.are_other_frequencies(new, both - new))
    assert np.mean(np.array(found) < 0.01) <= 0.01 and np.mean(np.array(found) < 0.05) <= 0.05


# ---- nothing has changed ----


@pytest.mark.parametrize("n", [1, 3, 20, 200])
def test_random_rows_of_the_same_table_are_hardly_ever_noted(profile, n):
    found = [kinds(check(profile, table(n, seed))) for seed in range(1, 16)]
    assert sum(map(bool, found)) <= 1, found


# ---- what has changed is noted ----


def with_far_value(X):
    return X.assign(length=X.length.where(X.index > 0, 1e6))


CHANGES = {  # a change, the column and the kind of the note
    "range": (lambda X: X.assign(length=X.length * 1000), "length", "range"),
    "missing": (lambda X: X.assign(length=X.length.where(X.index % 4 != 0)), "length", "missing"),
    "no longer missing": (lambda X: X.assign(gap=X.gap.fillna(0.5)), "gap", "missing"),
    "unknown": (lambda X: X.assign(city="Bern"), "city", "unknown"),
    "frequencies": (lambda X: X.assign(city=X.city.replace("Rom", "Oslo")), "city", "distribution"),
    "distribution": (lambda X: X.assign(length=X.length + 8), "length", "distribution"),
    "later": (lambda X: X.assign(day=X.day + np.timedelta64(900, "D")), "day", "range"),
    "texts": (lambda X: X.assign(length="long"), "length", "type"),
    "times": (lambda X: X.assign(length=X.day), "length", "type"),
    "one far value": (with_far_value, "length", "range"),
    "of few values": (lambda X: X.assign(count=X["count"] * 3), "count", "range"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noted_in_its_column_alone(profile, name):
    change, column, kind = CHANGES[name]
    report = check(profile, change(table(120, 9)))
    assert kinds(report) == {column: kind}
    assert report.has_drift and report.drifted_columns == [column]
    examples = {"texts": "such as long", "times": "such as dates or times"}
    assert examples.get(name, "") in " ".join(change.new for change in report.changes)


def makes(n, seed, levels=30):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"make": rng.choice([f"m{i}" for i in range(levels)], n)})


def test_a_shift_of_many_categories_is_noted_and_random_rows_are_not():
    """None of the categories alone is too frequent or too rare for chance."""
    frame = frames.read(makes(300, 0))
    features = Features.fit(frame)
    profile = features, TableProfile.fit(features, frame)
    for seed in range(1, 60):
        for n in (10, 60, 300):
            assert not check(profile, makes(n, seed)).has_drift
    report = check(profile, makes(60, 1, levels=12))
    assert kinds(report) == {"make": "distribution"}
    (change,) = report.changes
    assert change.what.startswith("other frequencies (distance 0.6") and change.p < 0.01


def test_texts_say_what_was_and_what_is(profile):
    X = table(120, 9).assign(city="Bern")
    X["length"] = X["length"] * 1000
    text = repr(check(profile, X))
    assert "Drift in 2 of 7 columns: 120 new rows beside 800 training rows." in text
    assert "120 of 120 values above" in " ".join(text.split())
    assert "about 1,000 times" in " ".join(text.split()) and "'Bern'" in text
    for width in (80, 72, 50, 40):
        assert max(map(len, check(profile, X).lines(width))) <= width


UNITS = [(2.54, "inches and centimetres"), (0.01, "cm and m"), (1e6, "1,000,000")]


@pytest.mark.parametrize(("factor", "hint"), UNITS)
def test_other_units_are_named(profile, factor, hint):
    X = table(400, 9)
    X["length"] = X["length"] * factor
    (change,) = check(profile, X).changes
    assert hint in change.what and ("1/" in change.what) == (factor < 1)


def test_later_times_are_expected_of_a_model_that_was_scored_on_later_rows(profile):
    X = table(120, 9)
    X["day"] = X["day"] + np.timedelta64(900, "D")
    report = check(profile, X, time="day")
    assert [(c.column, c.kind) for c in report.changes] == [("day", "time")]
    assert not report.has_drift
    X["day"] = X["day"] - np.timedelta64(5000, "D")
    assert check(profile, X, time="day").has_drift  # earlier ones are not


def test_parts_of_a_table_are_counted_together(profile):
    X = CHANGES["distribution"][0](table(120, 9))
    whole, parts = NewRows(*profile), NewRows(*profile)
    whole.add(frames.read(X))
    for start in range(0, 120, 13):
        parts.add(frames.read(X.iloc[start : start + 13]))
    assert find_changes(parts).changes == find_changes(whole).changes


def test_known_rows_are_recognised(profile):
    same, others = NewRows(*profile), NewRows(*profile)
    same.add(frames.read(table().iloc[100:300]))
    others.add(frames.read(table(200, 3)))
    assert (same.n_compared, same.n_known) == (200, 200)
    assert (others.n_compared, others.n_known) == (200, 0)


# ---- estimators and files ----


@pytest.fixture(scope="module")
def reg(quick_module):
    X = table()
    return TabularRegressor(**SMALL).fit(X, X.length)


def test_check_of_an_estimator(reg):
    X = table(120, 9)
    assert repr(reg.check(X)) == "No drift in 7 columns: 120 new rows beside 800 training rows."
    X = X.drop(columns="city").assign(extra=1)
    report = reg.check(X)
    assert kinds(report) == {"city": "absent"}
    frame = report.to_frame()
    assert frame["column"].tolist() == ["city", "extra"] and frame["kind"].iloc[1] == "unused"
    assert report.to_json()["drifted_columns"] == ["city"]
    assert reg.check(X.iloc[:0]).n_rows == 0


def test_a_model_file_keeps_the_profile(reg, reload, tmp_path):
    X = CHANGES["unknown"][0](table(120, 9))
    expected, path = reg.check(X), tmp_path / "model"
    for other in (reload(reg), stored_model.load(path)):
        assert other.check(X) == expected
        for j, column in reg.model_.profile.columns.items():
            assert_same_bits(other.model_.profile.columns[j].counts, column.counts)
    fastnn.load(path).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_model_of_an_older_version_says_so(reg):
    old = TabularRegressor(**SMALL).fit(table(60), table(60).length)
    old.model_ = replace(old.model_, profile=None)
    with pytest.raises(DataError, match="since an older version"):
        old.check(table(20))


def test_arrays_have_columns_without_names():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    clf = TabularClassifier(**SMALL).fit(X, X[:, 0] > 0)
    assert kinds(clf.check(rng.normal([0, 9], size=(100, 2)))) == {"1": "range"}
    with pytest.raises(ValueError, match="is expecting 2 features"):
        clf.check(X[:, :1])


def test_a_constant_column_and_one_of_missing_values():
    X = pd.DataFrame({"z": np.arange(200.0), "same": 7.0, "half": [1.0, np.nan] * 100})
    reg = TabularRegressor(**SMALL).fit(X, X.z)
    assert not reg.check(X.sample(frac=0.5, random_state=0)).has_drift
    assert kinds(reg.check(X.assign(half=np.nan))) == {"half": "missing"}
