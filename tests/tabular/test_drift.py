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
from fastnn.tabular import stored_model
from fastnn.tabular.columns import frames
from fastnn.tabular.columns.features import Features
from fastnn.tabular.drift import changes
from fastnn.tabular.drift import profile as profiles
from fastnn.tabular.drift.changes import find_changes
from fastnn.tabular.drift.report import Change, DriftReport

pytestmark = pytest.mark.usefixtures("quick_recipe")
SMALL = dict(n_estimators=1, hidden_layer_sizes=4, random_state=0)


def table(n=800, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"length": rng.normal(50, 10, n), "count": rng.integers(0, 5, n)})
    X["city"] = rng.choice(["Rom", "Köln", "Oslo"], n, p=[0.6, 0.3, 0.1])
    X["name"] = rng.choice([f"n{i}" for i in range(3 * n)], n)
    X["day"] = np.datetime64("2024-01-01") + rng.integers(0, 700, n) * np.timedelta64(1, "D")
    X["gap"] = np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n))
    X["mostly 0"] = np.where(rng.random(n) < 0.9, 0.0, rng.pareto(1, n))
    return X


def profile_of(X):
    """(Features, TableProfile) of a table."""
    frame = frames.read(X)
    features = Features.fit(frame)
    return features, profiles.TableProfile.fit(features, frame)


@pytest.fixture(scope="module")
def profile():
    return profile_of(table())


def test_a_profile_counts_unknown_and_single_categories():
    codes, texts = [0, 0, 1, 2, 3, 3, -1], ["twice", "once", "unknown", "also twice", "never"]
    found = profiles.CategoryProfile.fit((np.array(codes), texts), ["twice", "once", "also twice"])
    assert found.counts.tolist() == [2, 1, 2]
    assert (found.n_missing, found.n_present, found.n_others) == (1, 6, 2)


def check(profile, X, **options):
    new = profiles.NewRows(*profile)
    new.add(frames.read(X))
    return find_changes(new, **options)


@pytest.mark.parametrize("n", [800, 999, 1000, 1001, 5000])
def test_rows_of_the_training_table_are_recognised(n):
    columns = [np.random.default_rng(0).normal(size=n)]
    sketch = profiles.RowSketch.fit(columns, n)
    n_compared, n_known = sketch.count(columns, n)
    assert n_compared == n_known == min(n, 1000)
    n_compared, n_known = sketch.count([columns[0] + 1], n)
    share = min(1, 1000 / n)
    assert n_known == 0 and abs(n_compared - share * n) <= 4 * np.sqrt(n * share * (1 - share))


def kinds(report):
    changes = [change for change in report.changes if change.is_drift]
    return {change.column: change.kind for change in reversed(changes)}  # the first of each


# ---- chance ----

TAILS = (3, 20, 10, 200), (0, 5, 2, 9), (40, 50, 60, 900), (5, 5, 5, 5), (6, 9, 5, 30), (4, 5, 6, 7)


@pytest.mark.parametrize("case", TAILS)
def test_tails_are_those_of_the_hypergeometric_distribution(case):
    k, n_new, n_with, n_all = case
    law = stats.hypergeom(n_all, n_with, n_new)
    assert changes.at_least(*case) == pytest.approx(law.sf(k - 1), rel=1e-9)
    assert changes.at_most(*case) == pytest.approx(law.cdf(k), rel=1e-9)
    tails = 2 * min(law.sf(k - 1), law.cdf(k))
    found = changes.is_other_share(k, n_new, n_with - k, n_all - n_new)
    assert found == pytest.approx(min(1.0, tails), rel=1e-9)


def test_tails_of_many_rows():
    for case in (60_000, 100_000, 500_000, 1_000_000), (500_100, 10**6, 10**6, 2 * 10**6):
        expected = stats.hypergeom(*case[:0:-1]).sf(case[0] - 1)
        assert changes.at_least(*case) == pytest.approx(expected, rel=1e-6)
    assert changes.at_least(49_000, 100_000, 500_000, 1_000_000) == pytest.approx(1.0)


@pytest.mark.parametrize("sizes", [(30, 400), (200, 200)])
def test_the_test_of_distributions_is_that_of_kolmogorov_and_smirnov(sizes):
    a, b = (np.random.default_rng(i).normal(0.3 * i, 1, n) for i, n in enumerate(sizes))
    expected = stats.ks_2samp(a, b)
    found = changes.is_other_distribution(expected.statistic, *sizes)
    assert found == pytest.approx(expected.pvalue, rel=0.25)
    root = np.sqrt(sizes[0] * sizes[1] / sum(sizes))
    corrected = (root + 0.12 + 0.11 / root) * expected.statistic
    assert found == pytest.approx(stats.kstwobign.sf(corrected), rel=1e-9)
    assert changes.is_other_distribution(1e-3, *sizes) == 1.0


BOUNDS = [
    ([0, 0], [5, 3], 1.0), ([5, 3], [0, 0], 1.0), ([4, 3], [5, 3], 1.0),
    ([30, 0], [10, 40], 3.222329960903841e-08), ([300, 0], [100, 400], 1.6864385429543337e-95),
]  # fmt: skip


@pytest.mark.parametrize(("new", "before", "bound"), BOUNDS)
def test_the_bound_for_frequencies(new, before, bound):
    found = changes.are_other_frequencies(np.array(new), np.array(before))
    assert found == pytest.approx(bound, rel=1e-9)


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


def texts_every(k):
    return lambda X: X.assign(length=X.length.astype(object).where(X.index % k != 0, "long"))


def slightly_other(_):
    X = table(4000, 9)
    X["length"], X["name"] = X.length + 1.5, np.resize(table().name, 4000)
    X["mostly 0"] = X["mostly 0"].clip(upper=50)
    return X.assign(city=X.city.where(X.index % 14 > 0, "Oslo"), gap=X.gap.where(X.index % 12 > 0))


ABOVE, BELOW = "values above the range of training", "values below the range of training"
NUMBERS, UNKNOWN = "values are not numbers", "of 120 values of unknown categories"
RANGE, EPOCH = "11.01 to 80.66", np.datetime64("1970-01-01")
CERTAIN = 1.3955169736010248e-152  # that none of 120 rows is one of 800
HALF, THIRD = 2.39480916427745e-59, 1.7374126406910551e-37  # the same of 60 and of 40 rows
CHANGES = {  # a change, and the notes about it
    "slightly": (slightly_other,),
    "half": (lambda X: X.assign(length=X.length + 1000 * (X.index % 2 == 0),
                                city=X.city.where(X.index % 2 > 0, "n" + (X.index % 6).astype(str))),
        ("length", "range", f"60 of 120 {ABOVE}", RANGE, "26.27 to 1,065", True, HALF),
        ("city", "unknown", f"60 {UNKNOWN}", "3 categories", "such as 'n0', 'n2'", True, HALF)),
    "a third": (lambda X: X.assign(length=X.length - 1000 * (X.index % 3 == 0),
                                   city=X.city.where(X.index % 3 > 0, "x")),
        ("length", "range", f"40 of 120 {BELOW}", RANGE, "-968.9 to 75.22", True, THIRD),
        ("length", "distribution", "other distribution (distance 0.34)", "quartiles 43.14, 49.81, 57.29",
         "quartiles -944.5, 43.43, 53.97", True, 6.151785876611257e-10),
        ("city", "unknown", f"40 {UNKNOWN}", "3 categories", "such as 'x'", True, THIRD),
        ("city", "distribution", "other frequencies (distance 0.17)", "'Rom' 63 %", "'Rom' 39 %", True, 1.530884336772134e-05)),
    "rarely or always missing": (lambda X: X.assign(length=X.length.where(X.index % 12 > 0), city=None),
        ("length", "missing", "missing in 10 of 120 rows", "never missing", "8.3 % missing", True, 5.7029835311545175e-08),
        ("city", "missing", "missing in 120 of 120 rows", "never missing", "100 % missing", True, 2 * CERTAIN)),
    "a tenth": (lambda X: X.assign(day=EPOCH + (X.day - EPOCH) / 10),
        ("day", "range", f"120 of 120 {BELOW}", "2024-01-01 to 2025-11-30",
         "1975-05-27 07:12:00 to 1975-08-05 02:24:00", True, CERTAIN)),
    "range": (lambda X: X.assign(length=X.length * 1000),
        ("length", "range", f"120 of 120 {ABOVE}; about 1,000 times those of training: another unit?",
         RANGE, "26,268 to 75,223", True, CERTAIN)),
    "below": (lambda X: X.assign(length=X.length - 100),
        ("length", "range", f"120 of 120 {BELOW}", RANGE, "-73.73 to -24.78", True, CERTAIN)),
    "outside": (lambda X: X.assign(length=(X.length - 50) * 5),
        ("length", "range", "79 of 120 values outside the range of training", RANGE,
         "-118.7 to 126.1", True, 3.1202919262523838e-71)),
    "missing": (lambda X: X.assign(length=X.length.where(X.index % 4 != 0)),
        ("length", "missing", "missing in 30 of 120 rows", "never missing", "25 % missing", True, 4.961211172330493e-27)),
    "no longer missing": (lambda X: X.assign(gap=X.gap.fillna(0.5)),
        ("gap", "missing", "missing in 0 of 120 rows", "28 % missing", "0 % missing", True, 6.8279854864128e-15),
        ("gap", "distribution", "other distribution (distance 0.23)",
         "quartiles -0.6396, 0.03499, 0.8141", "quartiles -0.2236, 0.5, 0.5", True,
         0.0016057688256392488)),
    "unknown": (lambda X: X.assign(city="Bern"),
        ("city", "unknown", f"120 {UNKNOWN}", "3 categories", "such as 'Bern'", True, CERTAIN)),
    "frequencies": (lambda X: X.assign(city=X.city.replace("Rom", "Oslo")),
        ("city", "distribution", "other frequencies (distance 0.63)", "'Rom' 63 %", "'Rom' 0 %", True, 6.31642880251565e-45)),
    "distribution": (lambda X: X.assign(length=X.length + 8),
        ("length", "distribution", "other distribution (distance 0.33)",
         "quartiles 43.14, 49.81, 57.29", "quartiles 50.5, 58.01, 64.5", True, 2.324814898844038e-09)),
    "later": (lambda X: X.assign(day=X.day + np.timedelta64(900, "D")),
        ("day", "range", f"120 of 120 {ABOVE}", "2024-01-01 to 2025-11-30",
         "2026-06-19 to 2028-05-17", True, CERTAIN)),
    "texts": (lambda X: X.assign(length="long" + (X.index % 5).astype(str)),
        ("length", "type", f"120 of 120 {NUMBERS}", "numbers", "such as long0, long1 and 1 more", True, 2 * CERTAIN)),
    "some texts": (texts_every(4),
        ("length", "type", f"30 of 120 {NUMBERS}", "numbers", "such as long", True, 4.961211172330493e-27)),
    "a text": (texts_every(120),),
    "times": (lambda X: X.assign(length=X.day),
        ("length", "type", f"120 of 120 {NUMBERS}", "numbers", "such as dates or times", True, 2 * CERTAIN)),
    "an infinite value": (lambda X: X.assign(length=X.length.where(X.index > 0, np.inf)),
        ("length", "type", f"120 of 120 {NUMBERS}", "numbers", "such as infinite or other num...", True, 2 * CERTAIN)),
    "one far value": (lambda X: X.assign(length=X.length.where(X.index > 0, 1e6)),
        ("length", "range", f"1 of 120 {ABOVE}", RANGE, "26.27 to 1,000,000", True, None)),
    "few far values": (lambda X: X.assign(length=X.length + 1000 * (X.index < 3)),),
    "of few values": (lambda X: X.assign(count=X["count"] * 3),
        ("count", "range", f"71 of 120 {ABOVE}", "0 to 4", "0 to 12", True, 1.835465838971881e-72)),
}  # fmt: skip


FAR = {"length": (-1233, 1333), "mostly 0": (-922, 922), "count": (-12, 16)}


@pytest.mark.parametrize("column", FAR)
def test_one_value_that_is_far_enough_is_noted(profile, column):
    for value in FAR[column]:
        for x, is_far in (value, False), (value + np.sign(value), True):
            X = table(120, 9)
            X[column] = X[column].where(X.index > 0, x)
            assert (check(profile, X).drifted_columns == [column]) == is_far


def assert_changes(report, expected):
    found = [(*vars(change).values(),) for change in report.changes]
    assert [change[:-1] for change in found] == [change[:-1] for change in expected]
    for change, other in zip(found, expected):
        assert change[-1] == (other[-1] and pytest.approx(other[-1], rel=1e-6)), change


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noted_in_its_column_alone(profile, name):
    change, *expected = CHANGES[name]
    report = check(profile, change(table(120, 9)))
    assert_changes(report, expected)
    assert report.has_drift == bool(expected)
    assert report.drifted_columns == list(dict.fromkeys(column for column, *_ in expected))


# Some values of training are not numbers either: "some", so the test of shares is about missing ones.
OF_TEXTS = pd.DataFrame({"z": np.arange(200.0), "half": [1.0, np.nan] * 100})
OF_TEXTS["clock"] = [f"{i % 24:02}:{i % 60:02}" for i in range(200)]
OF_TEXTS["euro"] = [f"{i % 50},50 €" for i in range(200)]
OF_TEXTS["some"] = [*(f"{i % 50}.5" for i in range(197)), "n/k", "unclear", "x"]
EURO = "numbers with a currency sign (€) and a decimal comma"
NOT_SOME = ("some", "type", f"5 of 5 {NUMBERS}", "numbers", "such as cheap", True, None)
MISSING_SOME = ("some", "missing", "missing in 4 of 4 rows", "1.5 % missing", "100 % missing", True)
ROWS_OF_TEXTS = {
    "the same": (60, {}),
    "a far value beside equal ones": (60, {"half": [9.0, *[np.nan] * 29, *[1.0] * 30]}),
    "three other texts": (3, {"euro": "cheap"},
        ("euro", "type", f"3 of 3 values are not {EURO}", EURO, "such as cheap", True, 2.9118418054580705e-05)),
    "no times": (60, {"clock": "soon"},
        ("clock", "type", "60 of 60 values are not times or durations", "times or durations", "such as soon", True, 6.853343472906318e-59)),
    "a text": (3, {"euro": ["1,50 €", "2,50 €", "cheap"]}),
    "a text alone": (1, {"euro": "cheap"}, ("euro", "type", f"1 of 1 values are not {EURO}", EURO, "such as cheap", True, None)),
    "only others": (5, {"some": "cheap"}, NOT_SOME),
    "few others": (4, {"some": "cheap"}, (*MISSING_SOME, 1.9983228076675322e-05)),
    "others and a number": (5, {"some": ["1.5", *["cheap"] * 4]},
        ("some", "missing", "missing in 4 of 5 rows", "1.5 % missing", "80 % missing", True, 9.679680722019356e-05)),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS_OF_TEXTS)
def test_texts_beside_numbers(name):
    n, changed, *expected = ROWS_OF_TEXTS[name]
    X = OF_TEXTS.sample(n, random_state=0).assign(**changed)
    assert_changes(check(profile_of(OF_TEXTS), X), expected)


def makes(n, seed, levels=30):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"make": rng.choice([f"m{i}" for i in range(levels)], n)})


def test_a_shift_of_many_categories_is_noted_and_random_rows_are_not():
    """None of the categories alone is too frequent or too rare for chance."""
    profile = profile_of(makes(300, 0))
    for seed in range(1, 60):
        for n in (10, 60, 300):
            assert not check(profile, makes(n, seed)).has_drift
    report = check(profile, makes(60, 1, levels=12))
    assert kinds(report) == {"make": "distribution"}
    (change,) = report.changes
    assert change.what.startswith("other frequencies (distance 0.6")
    assert change.p == pytest.approx(0.0017170730128707402, rel=1e-6)


UNITS = {  # a factor, and what is said about it
    1.49: "", 8.5: "10 times", 1.5: "", 5: "", 15: "", 0: "", -1: "",
    1.58: "1.609 times (miles and kilometres?)", 1 / 1.6093: "1/1.609 of (miles and kilometres?)",
    2.54: "2.54 times (inches and centimetres?)", 2.2046: "2.205 times (pounds and kilograms?)",
    3.2808: "3.281 times (feet and metres?)", 9: "10 times", 0.1: "1/10 of", 1e3: "1,000 times",
    12: "12 times (years and months?)", 24: "24 times (days and hours?)",
    25.4: "25.4 times (inches and millimetres?)", 365: "365.2 times (years and days?)",
    60: "60 times (hours and minutes, or minutes and seconds?)", 1e6: "1,000,000 times",
    0.01: "1/100 of (percent and fractions, or cm and m?)", 3600: "3,600 times (hours and seconds?)",
    86400: "86,400 times (days and seconds?)",
}  # fmt: skip


@pytest.mark.parametrize("factor", UNITS)
def test_other_units_are_named(factor):
    values = np.random.default_rng(1).normal(50, 10, 500)
    profile = profiles.NumberProfile.fit(values)
    new = profiles.NewNumbers(profile)
    new.add(values * factor)
    much, _, hint = UNITS[factor].partition(" (")
    hint = f" ({hint}" if hint else ""
    expected = f"about {much} those of training: another unit?{hint}" if much else None
    assert changes.describe_factor(profile, new) == expected


def test_a_unit_needs_three_values_and_one_factor():
    found = []
    for before, factors in ([1.0, 2, 3], 10), ([1.0, 1, 2], 10), ([1.0, 2, 3], [5, 10, 20]):
        profile = profiles.NumberProfile.fit(np.array(before))
        new = profiles.NewNumbers(profile)
        new.add(np.multiply(before, factors))
        found.append(changes.describe_factor(profile, new) is not None)
    assert found == [True, False, False]


COMMA = "numbers with a decimal comma"
REPORTED = [
    Change(
        "a long name of a column", "type", f"3 of 3 values are not {COMMA}", COMMA, "such as cheap"
    ),
    Change("x", "absent", "not in this table"),
    Change("new", "unused", "(new; not used)", is_drift=False),
]
TEXTS = {
    72: """\
Drift in 2 of 5 columns: 1 new row beside 2,000 training rows.

column                what changed          training rows  new rows
a long name of a      3 of 3 values are     numbers with   such as cheap
column                not numbers with a    a decimal
                      decimal comma         comma
x                     not in this table     -              -
new                   (new; not used)       -              -

Changes in (brackets) do not count as drift.""",
    71: """\
Drift in 2 of 5 columns: 1 new row beside 2,000 training rows.

a long name of a column: 3 of 3 values are not numbers with a decimal
  comma
  training: numbers with a decimal comma
  new: such as cheap
x: not in this table
new: (new; not used)

Changes in (brackets) do not count as drift.""",
}


@pytest.mark.parametrize("width", TEXTS)
def test_the_text_of_a_report(width):
    assert "\n".join(DriftReport(1, 2000, 5, 9, REPORTED).lines(width)) == TEXTS[width]


def test_a_report_of_what_is_expected():
    later = Change("day", "time", "(later)", "a", "b", is_drift=False)
    report = DriftReport(1, 2000, 5, 9, [later])
    heading = f"{'column':8}  {'what changed':24}  {'training rows':17}  new rows"
    assert report.lines(72)[1:] == ["", heading, f"{'day':8}  {'(later)':24}  {'a':17}  b"]
    assert repr(report) == "\n".join(report.lines(80))
    report.changes = [replace(later, column="n" * 61)]
    assert "n" * 57 + "...: (later)" in report.lines(71)


@pytest.mark.parametrize(("n", "end"), [(50, "c49: w"), (51, "... and 1 more change")])
def test_a_text_shows_fifty_changes(n, end):
    report = DriftReport(1, 2000, 60, 9, [Change(f"c{i}", "range", "w") for i in range(n)])
    assert report.lines(40)[-1] == end and "c49: w" in report.lines(40)


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
    whole, parts = profiles.NewRows(*profile), profiles.NewRows(*profile)
    whole.add(frames.read(X))
    for start in range(0, 120, 13):
        parts.add(frames.read(X.iloc[start : start + 13]))
    assert find_changes(parts).changes == find_changes(whole).changes


def test_known_rows_are_recognised(profile):
    same, others = profiles.NewRows(*profile), profiles.NewRows(*profile)
    same.add(frames.read(table().iloc[100:300]))
    same.add(frames.read(CHANGES["texts"][0](table(20))))  # rows that cannot be compared
    others.add(frames.read(table(200, 3)))
    assert (same.n_compared, same.n_known) == (200, 200)
    assert (others.n_compared, others.n_known) == (200, 0)


def test_zeros_of_both_signs_and_missing_values_are_the_same_row():
    columns = [np.array([0.0, 1.5, np.nan]), (np.array([0, 1, -1]), ["a", "é"])]
    hashes = [3655258491981632013, 6899510778349290351, 8144623186797261030]  # as in files
    assert profiles.RowSketch.fit(columns, 3).kept.tolist() == hashes
    sketch = profiles.RowSketch.fit([np.array([0.0, 1.0, np.nan, 3.0])], 4)
    assert sketch.count([np.array([-0.0, 2.0, -np.nan])], 3).tolist() == [3, 2]
    for n, n_unique, found in ((8, 6, [0, 0]), (10, 8, [1, 1])):  # of ten, eight are enough
        sketch = profiles.RowSketch.fit([np.r_[0.0, 0, 1 : n - 1]], n)
        assert sketch.n_unique == n_unique and sketch.count([np.zeros(1)], 1).tolist() == found


# ---- estimators and files ----


@pytest.fixture(scope="module")
def reg(quick_module):
    X = table()
    return TabularRegressor(**SMALL).fit(X.assign(target=X.length), "target")


def test_check_of_an_estimator(reg):
    X = table(120, 9)
    report = reg.check(X.assign(target=X.length))
    assert repr(report) == "No drift in 7 columns: 120 new rows beside 800 training rows."
    assert report.to_frame().columns.tolist() == list(vars(Change("a", "range", "b")))
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


def test_arrays_have_columns_without_names():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    clf = TabularClassifier(**SMALL).fit(X, X[:, 0] > 0)
    assert kinds(clf.check(rng.normal([0, 9], size=(100, 2)))) == {"1": "range"}
    named = pd.DataFrame(rng.normal([0, 9], size=(100, 2)), columns=["a", "b"])
    with pytest.warns(UserWarning, match="X has feature names, but TabularClassifier was fit"):
        assert kinds(clf.check(named)) == {"1": "range"}
    with pytest.raises(ValueError, match="is expecting 2 features"):
        clf.check(X[:, :1])


def test_a_constant_column_and_one_of_missing_values(reload):
    X = pd.DataFrame({"z": np.arange(200.0), "same": 7.0, "half": [1.0, np.nan] * 100})
    reg = TabularRegressor(**SMALL).fit(X, X.z)
    assert not reg.check(X.sample(frac=0.5, random_state=0)).has_drift
    for model in (reg, reload(reg)):
        assert kinds(model.check(X.assign(half=np.nan))) == {"half": "missing"}
