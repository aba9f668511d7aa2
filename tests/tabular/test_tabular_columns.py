"""What the columns of a table are taken for, and how they become numbers and categories."""

import datetime
import types

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import TabularRegressor
from fastnn.tables.cells import dates, recognition
from fastnn.tabular.columns import date, features, frames
from fastnn.tabular.columns.category import Category
from fastnn.tabular.columns.date import Date
from fastnn.tabular.columns.input_column import InputColumn
from fastnn.tabular.columns.number import Number

without_notes = pytest.mark.filterwarnings("ignore:column 'v'. free text")
pytestmark = [pytest.mark.usefixtures("quick_module"), without_notes]
N = 28
SMALL = dict(n_estimators=2, hidden_layer_sizes=3, n_threads=1, random_state=0)
z = np.random.default_rng(5).normal(size=N)
DAYS = pd.date_range("2020-01-06", periods=N, freq="5D")  # a Monday


def with_column(values):
    return pd.DataFrame({"z": z, "v": values})


def fit(values, **options):
    return TabularRegressor(**SMALL, **options).fit(with_column(values), z)


def kind(values, **options):
    """The kind of a column, or the reason why it is left out."""
    reg = fit(values, **options)
    assert np.isfinite(reg.predict(with_column(values))).all()
    return reg.columns_.get("v") or reg.left_out_["v"]


def texts(form):
    return [day.strftime(form) for day in DAYS]


DIFFERENT = "almost all texts are different"
CORRECT = "Correct it, or leave it empty if it is missing"
MOST = DIFFERENT + "; most are {}, but not 'many'. " + CORRECT
REVIEWS = ["a good review of the film", "a bad one of the same film"]
TEXTS = [
    ("a b c {}", N, "text"), ("a b c {}", 14, "text"), ("a b c {}", 13, "category"), ("a b {}", N, DIFFERENT),
    ("这家餐厅好{1}", N, "text"), ("这家餐厅{1}", N, DIFFERENT),
]  # fmt: skip
KINDS = {
    "numbers as texts": ([repr(x) for x in z.tolist()], "number"),
    "numbers with marks of missing values": ([" 1 ", "2", "NA", "?"] * 7, "number"),
    "truths as texts": (["True", "False"] * 14, "number"),
    "decimal commas": (["1,5", "2,5"] * 14, "number"),
    "prices": (["1.234,50 €", "99,95 €", "k.A.", ""] * 7, "number"),
    "percentages": (["5%", "12.5 %"] * 14, "number"),
    "two units": (["5 kg", "7 m"] * 14, "category"),
    "infinity as a text": (["1", "inf"] * 14, "category"),
    "numbers that are no dates": ([20200101 + 3 * i for i in range(N)], "number"),
    "one number and missing values": ([7.0, None] * 14, "number"),
    "one text and missing values": (["x", None] * 14, "category"),
    "ISO dates": (texts("%Y-%m-%d"), "date"),
    "ISO times": (texts("%Y-%m-%dT%H:%M:%SZ"), "date"),
    "dates with missing values": (["", *texts("%Y-%m-%d")[1:]], "date"),
    "German dates": (texts("%d.%m.%Y"), "date"),
    "American times": (texts("%m/%d/%Y %I:%M %p"), "date"),
    "months by name": (texts("%d %b %Y"), "date"),
    "one value": ([5.0] * N, "all values are equal"),
    "one text": (["x"] * N, "all values are equal"),
    "no value": ([None] * N, "all values are missing"),
    "only marks of missing values": (["?", "NA"] * 14, "all values are missing"),
    "names": ([f"row {i}" for i in range(N)], DIFFERENT),
    **{
        f"{text}, {n} of them": ([text.format(i % n, chr(0x4E00 + i % n)) for i in range(N)], found)
        for text, n, found in TEXTS
    },
    "long texts that repeat": (REVIEWS * 14, "category"),
    "ids of several parts": ([f"{i:08x}-0000-1000-8000-00805f9b34fb" for i in range(N)], DIFFERENT),
    **{
        f"{kind} with {len(words)} words": ([*words, *values[len(words) :]], why)
        for kind, values in {"numbers": [*map(str, range(N))], "dates": texts("%Y-%m-%d")}.items()
        for words, why in ((["many", "few"], MOST.format(kind)), (["many", "few", "?!"], DIFFERENT))
    },
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds(name):
    values, expected = KINDS[name]
    assert kind(values) == expected


OVERRIDES = {
    "numbers as categories": ([1, 2] * 14, dict(categories="v"), "category"),
    "by position": ([1, 2] * 14, dict(categories=1), "category"),
    "by position from the end": ([1, 2] * 14, dict(categories=[-1]), "category"),
    "texts as dates": (texts("%Y%m%d"), dict(dates=["v"]), "date"),
    "numbers as dates": ([int(t) for t in texts("%Y%m%d")], dict(dates=["v"]), "date"),
    "dates with a word": ([*texts("%Y-%m-%d")[1:], "soon"], dict(dates="v"), "date"),
    "eight digits with a word": ([*texts("%Y%m%d")[1:], "soon"], dict(dates="v"), "date"),
    "dates as categories": (list(DAYS[:2]) * 14, dict(categories="v"), "category"),
    "dropped": (z, dict(drop=pd.Index(["v"])), "named in drop"),
    "missing values as numbers": ([None] * N, dict(numbers="v"), "all values are missing"),
}


@pytest.mark.filterwarnings("ignore:column 'v'. 1 of 28 values are not dates")
@pytest.mark.parametrize("name", OVERRIDES)
def test_overrides(name):
    values, options, expected = OVERRIDES[name]
    assert kind(values, **options) == expected


ID_NOTES = [  # ten values are as good as numbers
    ("user_id", 11, True), ("userId", 11, True), ("Zip", 11, True), ("postal code", 11, True),
    ("user_id", 10, False), ("paid", 11, False), ("codes of it", 11, False),
]  # fmt: skip


@pytest.mark.parametrize(("label", "n_values", "expected"), ID_NOTES)
def test_whole_numbers_that_may_be_ids_by_their_name(label, n_values, expected):
    frame = frames.read(pd.DataFrame({label: np.arange(60) % n_values, "x": np.arange(60)}))
    fitted = features.Features.fit(frame)
    assert [f"{label!r}" in str(note) for note in fitted.notes(frame)] == [True] * expected
    assert not fitted.notes(frame, numbers=[label])
    texts = frames.read(pd.DataFrame({label: (np.arange(60) % n_values).astype(str)}))
    assert len(features.Features.fit(texts).notes(texts)) == expected
    half = frames.read(pd.DataFrame({label: np.arange(60) % n_values / 2}))
    assert not features.Features.fit(half).notes(half)
    for most, is_exact in ((2.0**53 - 1, True), (2.0**53, False)):
        large = frames.read(pd.DataFrame({label: most - np.arange(60.0) % n_values}))
        assert len(features.Features.fit(large).notes(large)) == (expected and is_exact)


def test_one_note_for_all_columns_that_may_be_ids():
    frame = frames.read(pd.DataFrame({"shop_id": np.arange(60), "zip": np.arange(60) % 20}))
    (note,) = features.Features.fit(frame).notes(frame)
    assert note == (
        "columns 'shop_id', 'zip': whole numbers that may be ids or codes, by the name. List them in "
        "categories or drop if they are, else in numbers."
    )


def test_columns_of_an_array_have_positions():
    reg = TabularRegressor(**SMALL, drop=0).fit(np.c_[z, z, [1.0] * N], z)
    assert reg.columns_ == {1: "number"}
    assert reg.left_out_ == {0: "named in drop", 2: "all values are equal"}


ERRORS = {
    "an unknown name": (dict(drop="V"), "drop names the column 'V'.* Did you mean 'v'"),
    "no similar name": (dict(dates=["qqq"]), "'qqq', which X does not have. Its columns are z, v"),
    "a position": (dict(numbers=2), "numbers names column 2, but X has 2 .* from 0 to 1"),
    "a position from the end": (dict(numbers=-3), "numbers names column -3, but X has 2 columns"),
    "a fraction": (dict(drop=[1.5]), "drop must hold names or positions of columns, got 1.5 of"),
    "a mask": (dict(drop=[True, False]), "names or positions of columns, got True of type bool"),
    "named twice": (dict(drop="v", dates=1), "column 'v' is in both dates and drop. Name it once"),
    "no number": (dict(numbers="v"), "column 'v' holds 'a' in row 0, which is not a number"),
    "no date": (dict(dates="v"), "dates names the column 'v', which holds 'a'. .* format that"),
    "numbers that are no dates": (dict(dates="z"), "column 'z' holds the number -.* dates are exp"),
    "nothing left": (dict(drop=["z", "v"]), "X has no usable column .'z': named in drop; 'v': na"),
}
SOON = "dates names the column 'v', which holds 'soon'"
LARGE = r"numbers from -1.7e\+308 to 1.7e\+308, but their range must be"
VALUES = {
    "the wrong date": (["soon", "later", "soon", "2026-01-31"] * 7, dict(dates="v"), SOON),
    "dates and words": (["2026-01-31", "soon"] * 14, dict(dates="v"), SOON + r"\. That is not a date like the others\. Cor"),
    "two formats": (["2026-01-31", "02.03.2026"] * 14, dict(dates="v"), r"holds '02\.03\.2026'\. That is not a date like"),
    "a part of a date": ([20260131.0, 20260131.5] * 14, dict(dates="v"), r"number 20260131\.5 in row 1, but dates are exp"),
    "infinity": ([np.inf] + [1.0] * (N - 1), {}, "column 'v' is infinite in row 0"),
    "a large range": ([1.7e308, -1.7e308] * 14, {}, LARGE),
    "a small range": (z * 1e-310, {}, "their range must be 1e-300 to"),
    **{name: (["a", "b"] * 14, *error) for name, error in ERRORS.items()},
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_errors_name_the_column_and_say_what_to_do(name):
    values, options, message = VALUES[name]
    with pytest.raises(ValueError, match=message):
        fit(values, **options)


def test_an_array_has_no_names():
    with pytest.raises(ValueError, match="drop names the column 'a', but the columns of X have no"):
        TabularRegressor(**SMALL, drop="a").fit(np.c_[z, z], z)


GRIDS = [  # values, and at most 3 at which an effect is computed
    ([np.nan], [0]),
    ([3, 1, np.nan, 2, 2], [1, 2, 3]),
    ([1, 2, 3, 4], [1.03, 2.5, 3.97]),
]


@pytest.mark.parametrize(("values", "expected"), GRIDS)
def test_values_of_an_effect(values, expected):
    assert_allclose(Number("v").grid(np.array(values, float), 3), expected, rtol=1e-12)


YEARS = [
    ([], False), ([2000.5], False), ([2000, 2001], True), ([1e8, 1e9], True), ([1e8 - 1, 1e9], False),
    ([1500, 2200], True), ([1499, 2000], False), ([2000, 2201], False),
]  # fmt: skip


@pytest.mark.parametrize(("values", "expected"), YEARS)
def test_numbers_that_may_be_years(values, expected):
    raw = InputColumn("number", np.array([*values, np.nan]))
    assert Number("year").may_be_times(raw) == expected
    assert not Number("y").may_be_times(raw)


LETTERS = [*"abcdefghijklmnopqrstu"]
FIRSTS = zip((1, 3, 4, 6, 7, 9, 10, 12), "11223344")
QUARTERS = {pd.Timestamp(2026, month, 1).timestamp(): f"Q{q} 2026" for month, q in FIRSTS}
ANY, DAY = {"type": ["number", "string", "boolean", "null"]}, {"type": ["string", "null"]}
SOME = {"type": ["string", "number", "boolean", "null"]}
IN_JSON = [  # a column, its categories, a typical value, the schema, an example, and how the description begins
    (Number("v"), (), None, ANY, 1, "a number; null"), (Number("v"), (), 2.0**54, ANY, 1.801e16, ""),
    (Number("v", ",|.|", True), (), 0.123456, ANY, 0.1235, "a number, also as a text"),
    *((Category("v", None, True), LETTERS[:n], "c", SOME | {"examples": LETTERS[:20]}, "c",
       f"one of {n} categories{end}") for n, end in ((20, ";"), (21, " (1 are not listed);"))),
    (Category("v"), ["1", "2.5"], "1", SOME | {"examples": [1, 2.5]}, 1, "one of 2 categories;"),
    (Date("v"), (), None, {"type": ["string", "number", "null"]}, "1970-01-01", "a date such as"),
    *((Date("v", "Q%q %Y", True), (), t, DAY, text, "a date, written") for t, text in QUARTERS.items()),
]  # fmt: skip


@pytest.mark.parametrize(("column", "categories", "typical", "schema", "one", "begin"), IN_JSON)
def test_values_of_columns_in_json(column, categories, typical, schema, one, begin):
    found = column.describe_json(categories, typical)
    assert found[0].startswith(begin) and found[1:] == (schema, one) and type(found[2]) is type(one)


# ---- other values in predict ----

TRAINING = pd.DataFrame({"number": z, "code": ["A1", "2", "3", "2"] * 7, "flag": z > 0})
TRAINING["day"] = DAYS
TRAINING["written"] = texts("%d.%m.%Y")
TRAINING["share"] = [f"{i},5%" for i in range(N)]
SAME = {
    "numbers as texts": dict(number=[repr(x) for x in z.tolist()]),
    "numbers as objects": dict(number=np.array(z, object)),
    "truths as texts": dict(flag=np.where(z > 0, "true", "False")),
    "truths as numbers": dict(flag=(z > 0) * 1),
    "nullable truths": dict(flag=pd.array(z > 0, dtype="boolean")),
    "categories": dict(code=pd.Categorical(TRAINING["code"])),
    "dates as texts": dict(day=texts("%Y-%m-%d")),
    "dates in another format": dict(day=texts("%m/%d/%Y")),
    "dates with a time zone": dict(day=DAYS.tz_localize("UTC")),
    "dates of Python": dict(day=np.array(DAYS.date, object)),
    "texts as dates": dict(written=DAYS),
    "texts as numbers": dict(share=np.arange(N) + 0.5),
    "numbers in the same style": dict(share=[f"{i},50 %" for i in range(N)]),
}


@pytest.fixture(scope="module")
def fitted(quick_module):
    return TabularRegressor(**SMALL).fit(TRAINING, z)


@pytest.mark.parametrize("name", SAME)
def test_another_type_of_the_same_values(name, fitted):
    assert_array_equal(fitted.predict(TRAINING.assign(**SAME[name])), fitted.predict(TRAINING))


def test_a_number_is_a_category_again(fitted):
    expected = fitted.predict(TRAINING.assign(code="2"))
    for code in (2, 2.0, np.float32(2)):
        assert_array_equal(fitted.predict(TRAINING.assign(code=code)), expected)


def test_unseen_and_missing_values(fitted):
    unseen, missing = (fitted.predict(TRAINING.assign(code=code)) for code in ("zzz", None))
    assert_array_equal(unseen, missing)  # the training rows had no missing values
    for name in TRAINING:
        assert np.isfinite(fitted.predict(TRAINING.assign(**{name: None}))).all()


def test_unknown_categories_are_counted(fitted):
    codes = np.where(np.arange(N) % 3 == 1, "zzz", TRAINING["code"].astype(str))
    codes = np.where(np.arange(N) == 0, None, codes)
    unknown = fitted.model_.features.unknown_categories(frames.read(TRAINING.assign(code=codes)))
    assert unknown == {"code": (len(range(1, N, 3)), "zzz")}
    assert fitted.model_.features.unknown_categories(frames.read(TRAINING)) == {}
    with pytest.raises(ValueError, match="holds 'x' in row 0, which is not a number"):
        fitted.model_.features.unknown_categories(frames.read(TRAINING.assign(number="x")))


LIKE = "like those of the training table"


WRONG_VALUES = [
    (dict(number="x"), "column 'number' holds 'x' in row 0, which is not a number"),
    (dict(number=DAYS), "column 'number' holds dates or times, but numbers are expected"),
    (dict(number=np.inf), "column 'number' is infinite in row 0"),
    (dict(flag="yes"), "column 'flag' holds 'yes' in row 0, which is not a number"),
    (dict(day="soon"), "column 'day' holds 'soon' in row 0, which is not a date"),
    (dict(day=3.0), "column 'day' holds the number 3 in row ., but dates are expected"),
    (dict(written="31.02.2020"), f"'31.02.2020' in row 0, which is not a date {LIKE}"),
    (dict(share="12,5 €"), f"'12,5 €' in row 0, which is not a number {LIKE}"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_VALUES)
def test_values_that_cannot_be_in_the_column(change, message, fitted):
    with pytest.raises(ValueError, match=message):
        fitted.predict(TRAINING.assign(**change))


# ---- features ----


def features_of(values, **options):
    frame = frames.read(with_column(values))
    found = features.Features.fit(frame, drop=["z"], **options)
    return found, *found.transform(frame)


def test_features_of_a_date():
    found, numbers, codes = features_of(DAYS)
    assert [number.part for number in found.numbers] == ["value"]
    assert [category.part for category in found.categories] == ["weekday"]
    assert_array_equal(codes[:, 0], [day.weekday() for day in DAYS])
    assert_array_equal(numbers[0], DAYS.as_unit("s").astype(np.int64))
    year = pd.date_range("2019-01-01 06:00", periods=N, freq="27D")
    found, numbers, codes = features_of(year)
    parts = {number.part: x for number, x in zip(found.numbers, numbers)}
    assert set(parts) == {"value", "sin year", "cos year", "day of month", "sin day", "cos day"}
    assert_array_equal(parts["day of month"], year.day)
    assert_allclose(parts["sin day"], 1)  # 6 o'clock is a quarter of a day
    assert_allclose(parts["sin year"] ** 2 + parts["cos year"] ** 2, 1)
    parts = ["weekday", "month", "day of year"]
    for n_days, n_parts in {7: 0, 8: 1, 182: 1, 183: 3}.items():
        found, *_ = features_of(DAYS[0] + pd.to_timedelta([0, n_days] * 14, "D"))
        assert [category.part for category in found.categories] == parts[:n_parts]
        assert len(found.numbers) == (4 if n_parts == 3 else 1)


def test_the_same_hour_has_the_same_numbers_on_each_day():
    mornings = ["1950-03-01T10:20", "1999-12-31T10:20", "2026-07-09T10:20"] * 9
    found, numbers, _ = features_of(np.array([*mornings, "2026-07-09"]).astype("datetime64[s]"))
    of_day = [x for number, x in zip(found.numbers, numbers) if number.part.endswith("day")]
    assert len(of_day) == 2
    for x in of_day:
        assert len(np.unique(x)) == 2
        assert_array_equal(x, x.round(9))  # the same with a sine that differs in the last bit


def test_month_and_day_of_the_year_are_categories():
    days = pd.Series(pd.to_datetime(["1960-02-29", "2000-12-31", "2021-05-07", None] * 7))
    days[27] = pd.Timestamp("2021-08-01")  # a single row
    found, numbers, codes = features_of(days)
    parts = [(category.part, *category.categories) for category in found.categories]
    assert parts[:2] == [("weekday", "0", "4", "6"), ("month", "2", "5", "12")]
    assert parts[2:] == [("day of year", "229", "507", "1231")]
    assert_array_equal(codes[:4], [[0, 0, 0], [2, 2, 2], [1, 1, 1], [3, 3, 3]])
    assert_array_equal(codes[27], [2, -1, -1])  # a Sunday
    day_of_month = numbers[[number.part for number in found.numbers].index("day of month")]
    assert_array_equal(day_of_month[:4], [29, 31, 7, np.nan])
    assert found.has_days() and not features_of(DAYS)[0].has_days()


def test_categories_with_one_row_are_kept_beside_frequent_ones():
    found, _, codes = features_of(["a", "b", "once", None, "a", "b"] + ["a"] * 22)
    (feature,) = found.categories
    assert feature.categories == ["a", "b", "once"] and feature.marks_missing
    assert_array_equal(codes[:6, 0], [0, 1, 2, 3, 0, 1])


@pytest.mark.parametrize("values", [["a"] * 20 + list("bcd"), list("abcd"), ["a", "a", None]])
def test_a_column_needs_two_categories_with_two_rows(values):
    table = frames.read(pd.DataFrame({"c": values, "x": range(len(values))}))
    found = features.Features.fit(table, categories=["c"])
    assert found.categories == [] and list(found.left_out) == ["c"]


def test_the_most_frequent_categories_are_kept():
    values = ["d", "d", "c", "c", "b", "a"] * 4 + ["d", "a", "c", "once"]
    found, _, _ = features_of(values, max_categories=3)
    assert found.categories[0].categories == ["a", "c", "d"]


def test_texts_that_are_equal_are_one_category():
    found, _, codes = features_of(pd.Categorical([1, "1", 1.0, "2"] * 7))
    assert found.categories[0].categories == ["1", "2"]
    assert_array_equal(codes[:4, 0], [0, 0, 0, 1])


def test_presence_of_the_only_value():
    found, numbers, codes = features_of([5.0, None] * 14)
    assert found.categories[0].part == "presence" and numbers == []
    assert_array_equal(codes[:, 0], [0, 1] * 14)


def test_a_date_is_parsed_once(monkeypatch):
    seen = []
    parse = dates.parse_date
    monkeypatch.setattr(date, "parse_date", lambda *a: seen.append(a) or parse(*a))
    counted = vars(dates) | {"parse_date": lambda t, name: seen.append(t) or parse(t, name)}
    monkeypatch.setattr(recognition, "dates", types.SimpleNamespace(**counted))
    features_of(texts("%d.%m.%Y"))
    assert sorted(seen) == sorted(texts("%d.%m.%Y"))


def test_date_texts_in_utc():
    assert dates.parse_date("2020-01-01T00:00:00+01:00", "iso") == 1577833200.0
    assert dates.parse_date("2020-01-01", "iso") == 1577836800.0
    assert np.isnan(dates.parse_date("20200101", "iso"))
    zone = datetime.timezone(datetime.timedelta(hours=1))
    when = np.array([datetime.datetime(2020, 1, 1, tzinfo=zone), None], dtype=object)
    values = frames.read(with_column(np.r_[when, [None] * 26])).columns[1].values
    assert_array_equal(values[:2], [1577833200.0, np.nan])
